//! The library in one page: scan a phantom, reconstruct it on the best device, compare, write.
//!
//!     cargo run --release --example library

use rushlight::{
    Result,
    device::Choice,
    geometry::{Grid, LengthUnit, Parallel},
    io::{self, WriteOptions},
    monitor::Monitor,
    phantom::Phantom,
    quality,
    recipes::{
        Recipe,
        fbp::{Fbp, Filter},
    },
    units::AngleRange,
};

fn main() -> Result<()> {
    let (device, why) = Choice::Auto.open()?;
    println!("{} ({why})", device.name());
    let monitor = Monitor::silent();

    let half_turn: AngleRange = "0..180deg".parse()?;
    let geometry = Parallel {
        angles: half_turn.angles(360),
        columns: 384,
        rows: 1,
        cell: 1.0,
        cell_height: 1.0,
        center: None,
        unit: LengthUnit::Millimetre,
    }
    .geometry();
    let phantom = Phantom::named("forbild-head")?.with_scale(0.0192);
    let scan = phantom.scan(&geometry, &monitor)?;

    let grid = Grid::centered([1, 256, 256], [1.0; 3], [0.0; 3]);
    let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
    let image = fbp.reconstruct(scan, &grid, &device, &monitor)?.image;

    let truth = phantom.raster(&grid)?;
    println!("{}", quality::compare(&image.values, &truth.values, &quality::Options::default())?);
    let path = std::env::temp_dir().join("rushlight-library.png");
    let image = image.to_hounsfield(0.0192);
    let written = io::write_image(
        path,
        &image,
        &WriteOptions { force: true, window: Some((50.0, 200.0)), ..WriteOptions::default() },
    )?;
    println!("wrote {}", written.paths[0].display());
    Ok(())
}
