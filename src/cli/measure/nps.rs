//! `rushlight measure nps`: the noise power spectrum.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ndarray::{Array3, Axis};
use rushlight::{
    Error, Result,
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
    io::{self, WriteOptions},
    monitor::Monitor,
    quality::{
        Roi,
        nps::{self, Nps},
        stack,
    },
};
use serde_json::json;

use super::{Common, Figures, Stack, is_csv};

pub const EXAMPLES: &str = "Examples:
  rushlight measure nps water.dcm --roi circle:256,256,100 --size 64 -o nps.csv
  rushlight measure nps run1.dcm run2.dcm run3.dcm --repeats --roi box:200..264,200..264
  rushlight measure nps noise.npy --voxel 0.5mm -o nps.png";

#[derive(Args, Debug)]
pub struct Flags {
    /// Images, or volumes: every slice counts
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Uniform part, in pixels: circle:X,Y,RADIUS (the square in it) or box:X0..X1,Y0..Y1[,Z0..Z1] (ends left out)
    #[arg(long, value_name = "ROI")]
    roi: Option<Roi>,
    /// Cut the part into squares of N pixels that overlap by half
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(4..))]
    size: Option<u16>,
    /// The images are repeats of one object: subtract their mean, whatever the object
    #[arg(long)]
    repeats: bool,
    /// What to subtract from each region; quadratic by default, none from repeats
    #[arg(long, value_enum)]
    detrend: Option<Detrend>,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Detrend {
    /// Nothing
    None,
    /// The mean
    Mean,
    /// A plane
    Plane,
    /// A polynomial of second order
    Quadratic,
}

impl From<Detrend> for nps::Detrend {
    fn from(detrend: Detrend) -> Self {
        match detrend {
            Detrend::None => Self::None,
            Detrend::Mean => Self::Mean,
            Detrend::Plane => Self::Plane,
            Detrend::Quadratic => Self::Quadratic,
        }
    }
}

pub fn run(flags: &Flags, monitor: &Monitor) -> Result<Figures> {
    check_output(&flags.common)?;
    let stack = flags.common.read(&flags.images, flags.roi.as_ref(), monitor)?;
    let nps = monitor.step("measure", 1, || measure(flags, &stack))?;
    write(&flags.common, &nps, &stack)?;
    Ok(figures(&nps, &stack))
}

fn measure(flags: &Flags, stack: &Stack) -> Result<Nps> {
    let (_, rows, columns) = stack.values.dim();
    let (corners, size) = regions(flags, [rows, columns])?;
    let (noise, default) = match flags.repeats {
        true => (Some(stack::noise(stack.values.view())?), nps::Detrend::None),
        false => (None, nps::Detrend::Quadratic),
    };
    let images = noise.as_ref().unwrap_or(&stack.values);
    let regions = stack::cut(images.view(), &corners, size)?;
    nps::measure(regions.view(), stack.pixel(), flags.detrend.map_or(default, Into::into))
}

/// First rows and columns of the regions, and their size.
fn regions(flags: &Flags, [rows, columns]: [usize; 2]) -> Result<(Vec<[usize; 2]>, [usize; 2])> {
    let squares = |size: usize| stack::squares([rows, columns], flags.roi.as_ref(), size);
    match (flags.size, &flags.roi) {
        (Some(size), _) => Ok((squares(size.into())?, [size.into(); 2])),
        (None, None) => Ok((vec![[0, 0]], [rows, columns])),
        (None, Some(Roi::Box { x, y, .. })) => {
            if x.end > columns || y.end > rows {
                return Err(Error::Option(format!(
                    "the region {x:?},{y:?} (x, y) leaves the image of {columns} × {rows} pixels"
                )));
            }
            Ok((vec![[y.start, x.start]], [y.len(), x.len()]))
        }
        (None, Some(Roi::Circle { x, y, radius })) => {
            // The square in the circle, from pixel centre to pixel centre.
            let half = radius / 2.0_f64.sqrt();
            let [left, top] = [x, y].map(|center| (center - half).ceil());
            let [right, bottom] = [x, y].map(|center| (center + half).floor());
            if left < 0.0 || top < 0.0 || right >= columns as f64 || bottom >= rows as f64 {
                return Err(Error::Option(format!(
                    "the circle at {x},{y} of radius {radius} leaves the image of {columns} × {rows} pixels"
                )));
            }
            let size = [bottom - top + 1.0, right - left + 1.0].map(|extent| extent.max(0.0) as usize);
            Ok((vec![[top as usize, left as usize]], size))
        }
    }
}

/// A curve as .csv, the plane as an image.
fn check_output(common: &Common) -> Result<()> {
    match &common.output {
        Some(path) if !is_csv(path) => {
            io::image_format(path, None).map_err(|_| {
                Error::file(path, "the radial curve is written as .csv, the plane as an image such as .png or .npy")
            })?;
            io::check_output(path, common.force)
        }
        _ => common.check_output(),
    }
}

fn write(common: &Common, nps: &Nps, stack: &Stack) -> Result<()> {
    match &common.output {
        Some(path) if !is_csv(path) => {
            let values: Array3<f32> = nps.plane.mapv(|power| power as f32).insert_axis(Axis(0));
            let (z, y, x) = values.dim();
            let image = Image {
                values,
                grid: Grid::centered([z, y, x], [1.0; 3], [0.0; 3]),
                unit: LengthUnit::Cell,
                quantity: Quantity::Unknown,
                provenance: "noise power spectrum, frequency 0 in the middle".into(),
            };
            io::write_image(path, &image, &WriteOptions { force: common.force, ..WriteOptions::default() }).map(drop)
        }
        _ => {
            let frequency = format!("frequency_per_{}", stack.length());
            let rows = (0..nps.radial.len())
                .map(|i| [nps.frequencies[i], nps.radial[i], nps.radial_error[i], nps.modes[i] as f64]);
            common.write_curve([&frequency, "nps", "standard_error", "modes"], rows)
        }
    }
}

fn figures(nps: &Nps, stack: &Stack) -> Figures {
    let (length, value) = (stack.length(), stack.quantity.unit());
    let (rows, columns) = nps.plane.dim();
    let frequency = |f: f64| format!("{f:.4}/{length}");
    let lines = vec![
        ("noise", format!("{:.6e} {value} (root of the spectrum's integral)", nps.variance.sqrt())),
        ("variance", format!("{:.6e}", nps.variance)),
        ("peak frequency", frequency(nps.peak_frequency())),
        ("mean frequency", frequency(nps.mean_frequency())),
        ("Nyquist", frequency(nps.nyquist())),
        ("regions", format!("{} of {rows} × {columns} pixels", nps.regions)),
    ];
    let mut facts = vec![
        ("noise", json!(nps.variance.sqrt())),
        ("variance", json!(nps.variance)),
        ("peak_frequency", json!(nps.peak_frequency())),
        ("mean_frequency", json!(nps.mean_frequency())),
        ("nyquist", json!(nps.nyquist())),
        ("regions", json!(nps.regions)),
        ("region_shape", json!([rows, columns])),
        ("frequencies", json!(nps.frequencies)),
        ("radial", json!(nps.radial)),
        ("radial_error", json!(nps.radial_error)),
    ];
    facts.extend(stack.facts());
    Figures { verb: "measure nps", lines, facts, notes: vec![] }
}
