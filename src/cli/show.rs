//! `rushlight show`: what a file holds, and its geometry in numbers.

use std::path::PathBuf;

use clap::Args;
use rushlight::{
    Error, Result,
    image::{ComplexImage, Image, Part},
    io::{self, Content, KSpaceLayout},
};
use serde_json::{Map, json};

use super::{
    Global,
    geometry::{self, GeometryFlags},
    kspace, recon,
    report::{print_line, print_table},
    sketch::sketch,
};

pub const EXAMPLES: &str = "Examples:
  rushlight show scan.h5
  rushlight show sino.npy --geometry fan --angles 0..360deg --cell 1.5mm --source-origin 1024mm --source-detector 1536mm
  rushlight show scan.toml
  rushlight show kspace.h5
  rushlight show image.dcm";

#[derive(Args, Debug)]
pub struct Flags {
    /// A scan, an image, or a geometry file such as scan.toml
    file: PathBuf,
    /// What the axes of k-space in a bare array are, such as coil,z,y,x or y,x,slice,average
    #[arg(long, value_name = "NAMES")]
    axes: Option<KSpaceLayout>,
    #[command(flatten)]
    geometry: GeometryFlags,
    /// Print as one line of JSON
    #[arg(long)]
    json: bool,
}

pub type Lines = Vec<(&'static str, String)>;

pub fn run(flags: Flags, _global: &Global) -> Result<()> {
    let lines = understand(&flags)?;
    if flags.json {
        let map: Map<_, _> = lines.into_iter().map(|(name, value)| (name.to_string(), json!(value))).collect();
        return print_line(&serde_json::Value::Object(map).to_string());
    }
    print_table(&lines)
}

fn understand(flags: &Flags) -> Result<Lines> {
    if flags.file.extension().is_some_and(|extension| extension == "toml") {
        let description = flags.geometry.describe(geometry::read(&flags.file)?)?;
        let [views, rows, columns] = description.shape;
        let views = views.or(description.angle_count());
        let (Some(views), Some(columns)) = (views, columns) else {
            return Err(Error::file(&flags.file, "to be shown it must give views (or a list of angles) and columns"));
        };
        return sketch(&description.geometry([views, rows.unwrap_or(1), columns])?);
    }
    if !flags.geometry.any() {
        match io::content(&flags.file)? {
            _ if flags.axes.is_some() => return kspace::understood(&flags.file, flags.axes.as_ref()),
            Content::KSpace => return kspace::understood(&flags.file, None),
            Content::Image if io::is_complex(&flags.file)? => return complex(&io::read_complex_image(&flags.file)?),
            Content::Image => return Ok(image(&io::read_image(&flags.file)?)),
            Content::Scan | Content::Numbers => {}
        }
    }
    let mut recording = io::read_recording(&flags.file)?;
    let mut lines = values(recording.data.iter().copied());
    lines.insert(0, ("shape", format!("{:?} (view, row, column, if this is a scan)", recording.data.shape())));
    let frames = |name, frames: &Option<ndarray::Array3<f32>>| {
        frames.as_ref().map(|frames| (name, format!("{:?}", frames.shape())))
    };
    lines.extend(frames("flat field", &recording.flat));
    lines.extend(frames("dark field", &recording.dark));
    lines.push((
        "numbers",
        match recording.reading {
            io::Reading::Counts => "raw counts".into(),
            io::Reading::LineIntegrals => "line integrals, unless --numbers says otherwise".into(),
        },
    ));
    lines.extend(recording.remarks.drain(..).map(|remark| ("remark", remark)));
    if recording.geometry.is_none() && recording.angles.is_none() && !flags.geometry.any() {
        lines.push((
            "geometry",
            "not in the file; give flags such as --geometry parallel --angles 0..180deg --cell 1mm".into(),
        ));
        return Ok(lines);
    }
    lines.extend(sketch(&recon::understand(&flags.geometry, &mut recording)?)?);
    lines.extend(recording.remarks.drain(..).map(|remark| ("remark", remark)));
    Ok(lines)
}

fn image(image: &Image) -> Lines {
    let [dz, dy, dx] = image.grid.voxel();
    let [x, y, z] = image.grid.first;
    let unit = image.unit.name();
    let mut lines = vec![
        ("shape", format!("{:?} (z, y, x)", image.grid.shape)),
        ("voxel", format!("{dz:.6} × {dy:.6} × {dx:.6} {unit} (z, y, x)")),
        ("first voxel", format!("{x:.6}, {y:.6}, {z:.6} {unit} (x, y, z)")),
        ("values in", image.quantity.unit().into()),
    ];
    lines.extend(values(image.values.iter().copied()));
    lines
}

/// The magnitude stands for a complex image.
fn complex(complex: &ComplexImage) -> Result<Lines> {
    let (frames, z, y, x) = complex.values.dim();
    let magnitudes = complex.frames(Part::Magnitude);
    let first = magnitudes.first().ok_or_else(|| Error::Scan("an image without frames".into()))?;
    let mut lines = image(first);
    lines.truncate(4);
    lines[0].1 = format!("{:?} (frame, z, y, x), complex", [frames, z, y, x]);
    let all = magnitudes.iter().flat_map(|frame| frame.values.iter().copied());
    lines
        .extend(values(all).into_iter().map(|(name, text)| (if name == "values" { "magnitudes" } else { name }, text)));
    Ok(lines)
}

/// Least, mean and greatest value, and how many are none.
fn values(numbers: impl Iterator<Item = f32>) -> Lines {
    let (mut low, mut high, mut sum, mut count, mut bad) = (f32::MAX, f32::MIN, 0.0, 0_usize, 0_usize);
    for number in numbers {
        if !number.is_finite() {
            bad += 1;
            continue;
        }
        (low, high) = (low.min(number), high.max(number));
        sum += f64::from(number);
        count += 1;
    }
    let mut lines = Vec::new();
    if count > 0 {
        lines.push(("values", format!("{low} to {high}, mean {:.6}", sum / count as f64)));
    }
    if bad > 0 {
        lines.push(("not finite", format!("{bad} values are NaN or infinite")));
    }
    lines
}
