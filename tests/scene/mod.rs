//! Exact scans of phantoms by parallel rays over half a turn, and how near an image of one comes.

use ndarray::Array3;
use rushlight::{
    geometry::{Geometry, Grid, LengthUnit, Parallel},
    phantom::Phantom,
    quality::{self, Roi},
};

/// 256 mm wide.
pub fn grid(size: usize) -> Grid {
    Grid::centered([1, size, size], [256.0 / size as f64; 3], [0.0; 3])
}

/// Cells as wide as the pixels of an image of `size`.
pub fn geometry(views: usize, size: usize) -> Geometry {
    let (cell, columns) = (256.0 / size as f64, size * 23 / 16);
    let angles = (0..views).map(|view| std::f64::consts::PI * view as f64 / views as f64).collect();
    Parallel { angles, columns, rows: 1, cell, cell_height: cell, center: None, unit: LengthUnit::Millimetre }
        .geometry()
}

/// PSNR in the inscribed circle, dB.
pub fn psnr(values: &Array3<f32>, phantom: &Phantom) -> f64 {
    let size = values.dim().2;
    let truth = phantom.raster(&grid(size)).unwrap();
    let middle = (size as f64 - 1.0) / 2.0;
    let roi = Some(Roi::Circle { x: middle, y: middle, radius: middle - 0.5 });
    quality::compare(values, &truth.values, &quality::Options { roi, ..Default::default() }).unwrap().psnr
}
