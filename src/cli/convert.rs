//! `rushlight convert`: the same numbers in another format.

use std::path::PathBuf;

use clap::Args;
use rushlight::{Error, Result, io};

use super::{Global, geometry::GeometryFlags, output::OutputFlags, recon, report::Report};

pub const EXAMPLES: &str = "Examples:
  rushlight convert image.npy -o image.png --window 0.02,0.04
  rushlight convert slices/ -o volume.nii
  rushlight convert sino.npy --scan --geometry parallel --angles 0..180deg --cell 1mm -o scan.h5";

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
    let is_scan = flags.scan || flags.geometry.any() || io::content(&flags.input)? == io::Content::Scan;
    let outputs = if is_scan {
        flags.output.check_recording()?;
        let mut recording = monitor.step("read", 1, || io::read_recording(&flags.input))?;
        if flags.geometry.any() || recording.geometry.is_some() {
            recording.geometry = Some(recon::understand(&flags.geometry, &mut recording)?);
        }
        let written =
            monitor.step("write", 1, || io::write_recording(&flags.output.output, &recording, &flags.output.options()))?;
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
    Report { verb: "convert", device: None, monitor: &monitor, notes: &notes, outputs, facts: vec![] }.print(flags.json, global)
}
