//! `rushlight demo`: a phantom scanned and reconstructed, with pictures and figures; needs no input.

use std::path::PathBuf;

use clap::Args;
use ndarray::Array3;
use rushlight::{
    Error, Result,
    geometry::{Grid, LengthUnit, Parallel},
    image::{Image, Quantity},
    io::{self, WriteOptions},
    phantom::Phantom,
    quality,
    recipes::{Recipe, fbp::Fbp},
    scan::Scan,
    units::AngleRange,
};
use serde_json::json;

use super::{
    Global, compare,
    report::{Report, describe, print_line, print_table},
};

pub const EXAMPLES: &str = "Examples:
  rushlight demo
  rushlight --device gpu demo -o demo/";

const VIEWS: usize = 720;
const COLUMNS: usize = 736;
const SIZE: usize = 512;
/// Width of cells and pixels, mm.
const CELL: f64 = 0.5;

#[derive(Args, Debug)]
pub struct Flags {
    /// Folder for the pictures; made if it is not there
    #[arg(long, short, default_value = "demo", value_name = "FOLDER")]
    output: PathBuf,
    /// Replace pictures of an earlier run
    #[arg(long)]
    force: bool,
    /// Print device, seconds by step and figures as one line of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    let names = ["truth.png", "sinogram.png", "image.png", "difference.png"].map(|name| flags.output.join(name));
    std::fs::create_dir_all(&flags.output).map_err(|error| Error::file(&flags.output, error))?;
    names.iter().try_for_each(|path| io::check_output(path, flags.force))?;
    let device = global.open()?;
    let monitor = global.monitor();

    let phantom = Phantom::named("shepp-logan-toft")?;
    let grid = Grid::centered([1, SIZE, SIZE], [CELL; 3], [0.0; 3]);
    let truth = monitor.step("draw", 1, || phantom.raster(&grid))?;
    let half_turn: AngleRange = "0..180deg".parse()?;
    let geometry = Parallel {
        angles: half_turn.angles(VIEWS),
        columns: COLUMNS,
        rows: 1,
        cell: CELL,
        cell_height: CELL,
        center: None,
        unit: LengthUnit::Millimetre,
    }
    .geometry();
    let scan = phantom.scan(&geometry, &monitor)?;
    let sinogram = picture_of(&scan);
    let made = Fbp::default().reconstruct(scan, &grid, &device, &monitor)?;
    let comparison = quality::compare(&made.image.values, &truth.values, &quality::Options::default())?;
    let difference = Image { values: &made.image.values - &truth.values, ..truth.clone() };

    let one = phantom.mu_per_value;
    let windows = [Some((one * 0.2, one * 0.4)), None, Some((one * 0.2, one * 0.4)), Some((0.0, one * 0.1))];
    monitor.step("write", names.len() as u64, || {
        for ((image, path), window) in
            [&truth, &sinogram, &made.image, &difference].into_iter().zip(&names).zip(windows)
        {
            io::write_image(path, image, &WriteOptions { force: flags.force, format: None, window })?;
        }
        Ok(())
    })?;
    let outputs = names.iter().map(|path| path.display().to_string()).collect();
    if !flags.json {
        print_line(&format!(
            "Shepp–Logan (Toft), {SIZE}², from {VIEWS} parallel views of {COLUMNS} cells, noise-free, on {}",
            describe(&device)
        ))?;
        print_table(&compare::table(&comparison))?;
    }
    let facts = vec![("quality", json!(comparison))];
    Report { verb: "demo", device: Some(&device), monitor: &monitor, notes: &made.notes, outputs, facts }
        .print(flags.json, global)
}

/// A sinogram as an image, a view a row.
fn picture_of(scan: &Scan) -> Image {
    let [views, _, columns] = scan.geometry.shape();
    let values = Array3::from_shape_fn([1, views, columns], |(_, view, column)| scan.projections[[view, 0, column]]);
    Image {
        values,
        grid: Grid::centered([1, views, columns], [1.0; 3], [0.0; 3]),
        unit: LengthUnit::Cell,
        quantity: Quantity::Unknown,
        provenance: "Rushlight sinogram".into(),
    }
}
