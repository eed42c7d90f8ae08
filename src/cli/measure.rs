//! `rushlight measure`: figures for a task, from a user's own images.

mod cho;
mod nps;
mod ttf;

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use ndarray::{Array3, Axis, concatenate};
use rushlight::{
    Error, Result,
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
    io,
    monitor::Monitor,
    quality::Roi,
    units,
};
use serde_json::{Value, json};

use super::{
    Global,
    report::{Report, print_table},
};

pub const EXAMPLES: &str = "Examples:
  rushlight measure nps water.dcm --roi circle:256,256,100 --size 64 -o nps.csv
  rushlight measure ttf rod.npy --voxel 0.5mm --disk 120.5,88,24 -o ttf.csv
  rushlight measure cho --present with.npy --absent without.npy --channels lg --radius 5";

#[derive(Args, Debug)]
pub struct Flags {
    #[command(subcommand)]
    figure: Figure,
}

#[derive(Debug, Subcommand)]
enum Figure {
    /// Noise power spectrum of uniform regions, or of repeats of one object
    #[command(after_long_help = nps::EXAMPLES)]
    Nps(nps::Flags),
    /// Task transfer function of a disk: how sharp its edge is shown, with f50 and f10
    #[command(after_long_help = ttf::EXAMPLES)]
    Ttf(ttf::Flags),
    /// Channelised Hotelling observer: how well a known signal is seen, as AUC and d′
    #[command(after_long_help = cho::EXAMPLES)]
    Cho(cho::Flags),
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    let monitor = global.monitor();
    let (common, figures) = match &flags.figure {
        Figure::Nps(flags) => (&flags.common, nps::run(flags, &monitor)?),
        Figure::Ttf(flags) => (&flags.common, ttf::run(flags, &monitor)?),
        Figure::Cho(flags) => (&flags.common, cho::run(flags, &monitor)?),
    };
    common.report(figures, &monitor, global)
}

/// Flags of every figure.
#[derive(Args, Debug)]
struct Common {
    /// Width of a pixel, such as 0.5mm, where the file does not say (or says it wrongly)
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length)]
    voxel: Option<f64>,
    /// Write the curve, as .csv
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Print figures and curve as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What was measured: lines for people, facts for JSON, remarks.
struct Figures {
    verb: &'static str,
    lines: Vec<(&'static str, String)>,
    facts: Vec<(&'static str, Value)>,
    notes: Vec<String>,
}

impl Common {
    /// Refuses an output that cannot be written, before long work is done for it.
    fn check_output(&self) -> Result<()> {
        match &self.output {
            Some(path) if is_csv(path) => io::check_output(path, self.force),
            Some(path) => Err(Error::file(path, "a curve is written as .csv")),
            None => Ok(()),
        }
    }

    /// Writes the curve, if a file is asked for.
    fn write_curve<const N: usize>(&self, header: [&str; N], rows: impl Iterator<Item = [f64; N]>) -> Result<()> {
        let Some(path) = &self.output else {
            return Ok(());
        };
        let mut text = header.join(",") + "\n";
        for row in rows {
            let cells: Vec<_> = row.iter().map(|value| format!("{value:e}")).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", cells.join(","));
        }
        io::write_text(path, &text, self.force)
    }

    fn report(&self, figures: Figures, monitor: &Monitor, global: &Global) -> Result<()> {
        if !self.json {
            print_table(&figures.lines)?;
        }
        let outputs = self.output.iter().map(|path| path.display().to_string()).collect();
        let Figures { verb, facts, notes, .. } = figures;
        Report { verb, device: None, monitor, notes: &notes, outputs, facts }.print(self.json, global)
    }

    /// Reads `paths` as one stack `[n, y, x]`; of each image the slices that `roi` means.
    fn read(&self, paths: &[PathBuf], roi: Option<&Roi>, monitor: &Monitor) -> Result<Stack> {
        let mut images: Vec<Image> = Vec::new();
        monitor.step("read", paths.len() as u64, || {
            for (index, path) in paths.iter().enumerate() {
                let mut image = io::read_image(path)?;
                let wanted = |z: &usize| roi.is_none_or(|roi| roi.contains_slice(*z));
                let slices: Vec<usize> = (0..image.values.dim().0).filter(wanted).collect();
                image.values = image.values.select(Axis(0), &slices);
                images.push(image);
                monitor.advance(index as u64 + 1)?;
            }
            Ok(())
        })?;
        self.stack(paths, images)
    }

    fn stack(&self, paths: &[PathBuf], images: Vec<Image>) -> Result<Stack> {
        let plane = |image: &Image| (image.values.dim().1, image.values.dim().2);
        for (path, image) in paths.iter().zip(&images) {
            if plane(image) != plane(&images[0]) {
                let ((y, x), (first_y, first_x)) = (plane(image), plane(&images[0]));
                let what = format!("{y} × {x} pixels, but {} has {first_y} × {first_x}", paths[0].display());
                return Err(Error::file(path, what));
            }
            let (voxel, first) = (image.grid.voxel(), images[0].grid.voxel());
            let same = (1..3).all(|axis| (voxel[axis] / first[axis] - 1.0).abs() < 1e-3);
            if self.voxel.is_none() && (image.unit != images[0].unit || !same) {
                let what = format!("pixels of another size than those of {}; --voxel says it", paths[0].display());
                return Err(Error::file(path, what));
            }
        }
        let views: Vec<_> = images.iter().map(|image| image.values.view()).collect();
        let values = concatenate(Axis(0), &views).map_err(|error| Error::file(&paths[0], error))?;
        if values.is_empty() {
            return Err(Error::Option("no slice of the images lies in the region of interest".into()));
        }
        let Image { mut grid, mut unit, quantity, .. } = images[0];
        if let Some(voxel) = self.voxel {
            let ([z, y, x], [dz, ..]) = (grid.shape, grid.voxel());
            (grid, unit) = (Grid::centered([z, y, x], [dz, voxel, voxel], [0.0; 3]), LengthUnit::Millimetre);
            grid.check()?;
        }
        Ok(Stack { values, grid, unit, quantity })
    }
}

/// Images of one size, and where their pixels are.
struct Stack {
    values: Array3<f32>,
    grid: Grid,
    unit: LengthUnit,
    quantity: Quantity,
}

impl Stack {
    /// Height and width of a pixel.
    fn pixel(&self) -> [f64; 2] {
        let [_, height, width] = self.grid.voxel();
        [height, width]
    }

    /// The length unit's name: mm, or pixels where the file gives no size.
    fn length(&self) -> &'static str {
        match self.unit {
            LengthUnit::Millimetre => "mm",
            LengthUnit::Cell => "pixel",
        }
    }

    fn facts(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("images", json!(self.values.dim().0)),
            ("pixel", json!(self.pixel())),
            ("length_unit", json!(self.length())),
            ("value_unit", json!(self.quantity.unit())),
        ]
    }

    /// Places in pixels: plain numbers are, lengths are positions on the image's grid.
    fn place(&self, place: Place) -> Result<[f64; 2]> {
        let Place { at: [x, y], millimetres: true } = place else {
            return Ok(place.at);
        };
        self.needs_millimetres()?;
        let first = self.grid.first;
        let along = |step: [f64; 3]| {
            let square = step.iter().map(|s| s * s).sum::<f64>();
            ((x - first[0]) * step[0] + (y - first[1]) * step[1]) / square
        };
        Ok([along(self.grid.steps[2]), along(self.grid.steps[1])])
    }

    /// A length in pixels.
    fn extent(&self, extent: Extent) -> Result<f64> {
        match extent {
            Extent { length, millimetres: false } => Ok(length),
            Extent { length, .. } => self.needs_millimetres().map(|()| length / self.pixel()[1]),
        }
    }

    fn needs_millimetres(&self) -> Result<()> {
        match self.unit {
            LengthUnit::Millimetre => Ok(()),
            LengthUnit::Cell => Err(Error::Option(
                "the image gives no pixel size: say it with --voxel, or give places in pixels, without a unit".into(),
            )),
        }
    }
}

/// A place in the image: pixel indices, or millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    at: [f64; 2],
    millimetres: bool,
}

/// A length: pixels, or millimetres.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Extent {
    length: f64,
    millimetres: bool,
}

/// Numbers between commas, all in pixels or all with a unit of length (then in mm).
fn numbers<const N: usize>(text: &str, expected: &'static str) -> Result<([f64; N], bool)> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let plain = |part: &&str| part.parse().ok().filter(|number: &f64| number.is_finite());
    let pixels: Option<Vec<f64>> = parts.iter().map(plain).collect();
    let lengths: Option<Vec<f64>> = parts.iter().map(|part| units::length(part).ok()).collect();
    let (found, millimetres) = (pixels.as_ref().or(lengths.as_ref()), pixels.is_none());
    let array = found.and_then(|found| <[f64; N]>::try_from(found.as_slice()).ok());
    array.map(|array| (array, millimetres)).ok_or(Error::Quantity { text: text.into(), expected })
}

fn place(text: &str) -> Result<Place> {
    let (at, millimetres) =
        numbers(text, "a place X,Y in pixels, such as 63.5,63.5, or in lengths, such as 10mm,-5mm")?;
    Ok(Place { at, millimetres })
}

fn extent(text: &str) -> Result<Extent> {
    let expected = "a length above 0 in pixels, such as 5, or with its unit, such as 2.5mm";
    match numbers(text, expected)? {
        ([length], millimetres) if length > 0.0 => Ok(Extent { length, millimetres }),
        _ => Err(Error::Quantity { text: text.into(), expected }),
    }
}

fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}
