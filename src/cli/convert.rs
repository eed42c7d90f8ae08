//! `rushlight convert`: the same numbers in another format.

use std::path::PathBuf;

use clap::Args;
use rushlight::{Error, Result, geometry::LengthUnit, image::Part, io, monitor::Monitor};

use super::{Global, geometry::GeometryFlags, output::OutputFlags, recon, report::Report};

pub const EXAMPLES: &str = "Examples:
  rushlight convert image.npy -o image.png --window 0.02,0.04
  rushlight convert slices/ -o volume.nii
  rushlight convert sino.npy --scan --geometry parallel --angles 0..180deg --cell 1mm -o scan.h5
  rushlight convert kspace.cfl --scan -o kspace.h5";

#[derive(Args, Debug)]
pub struct Flags {
    /// An image, or a scan
    input: PathBuf,
    /// The input is a scan (files that say what they hold need no flag)
    #[arg(long)]
    scan: bool,
    #[command(flatten)]
    geometry: GeometryFlags,
    #[command(flatten)]
    output: OutputFlags,
    /// Print timings and files as one line of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    let monitor = global.monitor();
    let mut notes = Vec::new();
    let complex = !flags.geometry.any() && io::is_complex(&flags.input)?;
    if (flags.scan && complex) || io::has_mr_header(&flags.input)? {
        let outputs = kspace(&flags, &monitor, &mut notes)?;
        return print(&flags, (outputs, notes, &monitor), global);
    }
    if complex {
        flags.output.check_image()?;
        let image = monitor.step("read", 1, || io::read_complex_image(&flags.input))?;
        notes.push("complex numbers, taken for an image; give --scan if they are k-space".into());
        let outputs = flags.output.write_complex(&image, Part::Complex, &monitor, &mut notes)?;
        return print(&flags, (outputs, notes, &monitor), global);
    }
    let is_scan = flags.scan || flags.geometry.any() || io::content(&flags.input)? == io::Content::Scan;
    let outputs = if is_scan {
        flags.output.check_recording()?;
        let mut recording = monitor.step("read", 1, || io::read_recording(&flags.input))?;
        if flags.geometry.any() || recording.geometry.is_some() {
            recording.geometry = Some(recon::understand(&flags.geometry, &mut recording)?);
        }
        notes.append(&mut recording.remarks);
        let written = monitor
            .step("write", 1, || io::write_recording(&flags.output.output, &recording, &flags.output.options()))?;
        notes.extend(written.remark);
        written.paths.iter().map(|path| path.display().to_string()).collect()
    } else {
        flags.output.check_image()?;
        let image = monitor.step("read", 1, || io::read_image(&flags.input))?;
        if image.values.is_empty() {
            return Err(Error::file(&flags.input, "it holds no voxels"));
        }
        flags.output.write_image(&image, &monitor, &mut notes)?
    };
    print(&flags, (outputs, notes, &monitor), global)
}

/// k-space stays k-space: an image of it is a reconstruction.
fn kspace(flags: &Flags, monitor: &Monitor, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let output = &flags.output.output;
    flags.output.check_kspace().map_err(|error| match error {
        Error::File { path, what } if what.starts_with("k-space cannot") => {
            Error::file(path, format!("{what}; an image of k-space is made by rushlight recon"))
        }
        other => other,
    })?;
    let scan = monitor.step("read", 1, || io::read_kspace(&flags.input, None))?;
    let options = flags.output.options();
    let holds_all = io::kspace_format(output, options.format.as_deref())?.name == "hdf5";
    let written = monitor.step("write", 1, || io::write_kspace(output, &scan, &options))?;
    notes.extend(written.remark);
    if !holds_all && (scan.noise.is_some() || scan.unit == LengthUnit::Millimetre) {
        notes.push(
            "noise scan and field of view are left out, for which the format has no place; .h5 (ISMRMRD) has".into(),
        );
    }
    Ok(written.paths.iter().map(|path| path.display().to_string()).collect())
}

fn print(
    flags: &Flags,
    (outputs, notes, monitor): (Vec<String>, Vec<String>, &Monitor),
    global: &Global,
) -> Result<()> {
    Report { verb: "convert", device: None, monitor, notes: &notes, outputs, facts: vec![] }.print(flags.json, global)
}
