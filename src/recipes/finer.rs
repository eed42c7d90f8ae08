//! Finer pixels than were asked for, binned in the end. A ray sees edges where they are; pixels put them on their own borders, and
//! what a pixel holds is the object averaged over it, of which rays through pixels make less contrast than those through the
//! object. The difference, largest along edges and towards high frequencies, is no noise: with few views it hides in it, but the
//! more rays there are to a pixel, the more faithfully an iterative recipe makes them up, as overshoot and chequers, where
//! filtered backprojection is only blurred. On pixels half as wide it is a quarter (relative to the object's own spectrum, at
//! the frequencies that the wide ones hold), and the mean over them is what was asked for.
//!
//! So the rays say how fine: as many times as there are then [`RAYS`] to a pixel, or pixels are half as wide as the cells.

use std::sync::Arc;

use ndarray::Array3;

use super::{
    Reconstruction,
    iteration::{Observer, Snapshot},
    options::{Options, Strength},
    unit,
};
use crate::{
    error::Result,
    geometry::{Geometry, Grid, cross},
    image::Image,
    scan::Scan,
};

/// Rays to a pixel that leave it as it is. On the Toft phantom and on CCT189, pixels as wide as cells, those of half the width gave
/// from a third to three quarters of the error at twice as many (60 views of 128²), with noise and without.
const RAYS: f64 = 0.25;
/// Of a cell, at the axis: pixels that are narrower hold nothing more.
const FINEST: f64 = 0.5;

/// Reconstructs with `iterate` on as fine a grid as the rays serve, of numbers about 1. `edges` is the power of the factor by which a sum over edges
/// grows with their pixels, for strengths that are given as numbers.
pub(super) fn reconstruct(
    options: &Options,
    scan: Scan,
    grid: &Grid,
    edges: i32,
    iterate: impl FnOnce(&Options, Scan, &Grid) -> Result<Reconstruction>,
) -> Result<Reconstruction> {
    options.iteration.check(&scan.geometry, grid)?;
    unit::reconstruct(options, scan, |options, scan| {
        let times = times(&scan.geometry, grid, finest(&scan.geometry, grid));
        on(times, edges, options, scan, grid, iterate)
    })
}

/// The same of recipes that nothing but the number of iterations regularises: on pixels no wider than the cells, since finer ones would
/// let in more noise.
pub(super) fn no_wider_than_cells(
    options: &Options,
    scan: Scan,
    grid: &Grid,
    iterate: impl FnOnce(&Options, Scan, &Grid) -> Result<Reconstruction>,
) -> Result<Reconstruction> {
    options.iteration.check(&scan.geometry, grid)?;
    let most = (width(grid) / cell(&scan.geometry) - 1e-9).ceil();
    on(times(&scan.geometry, grid, most), 0, options, scan, grid, iterate)
}

/// Iterates on pixels so many times finer.
fn on(
    times: usize,
    edges: i32,
    options: &Options,
    scan: Scan,
    grid: &Grid,
    iterate: impl FnOnce(&Options, Scan, &Grid) -> Result<Reconstruction>,
) -> Result<Reconstruction> {
    if times == 1 {
        return iterate(options, scan, grid);
    }
    let mut made = iterate(&options_of(options, times, edges), scan, &finer(grid, times))?;
    made.image = Image { values: binned(&made.image.values, times), grid: *grid, ..made.image };
    made.notes.push(format!("iterated on pixels {times} times finer, of which the means were taken"));
    Ok(made)
}

/// Of a pixel, the shorter side.
fn width(grid: &Grid) -> f64 {
    let [_, height, width] = grid.voxel();
    height.min(width)
}

/// Rays that cross the grid, over its pixels.
fn rays(geometry: &Geometry, grid: &Grid) -> f64 {
    let ([_, ny, nx], [_, height, width]) = (grid.shape.map(|extent| extent as f64), grid.voxel());
    let crossing = (0.5 * (height * ny + width * nx) / cell(geometry)).min(geometry.columns as f64);
    geometry.views.len() as f64 * crossing / (nx * ny)
}

/// The same, were its pixels as wide as the cells: what the data can say, however fine the pixels are.
pub(super) fn rays_of_cells(geometry: &Geometry, grid: &Grid) -> f64 {
    let [_, height, width] = grid.voxel();
    rays(geometry, grid) * cell(geometry).powi(2) / (height * width)
}

/// How many times finer they may be.
fn finest(geometry: &Geometry, grid: &Grid) -> f64 {
    width(grid) / (FINEST * cell(geometry))
}

/// How many times finer, `most` at most.
fn times(geometry: &Geometry, grid: &Grid, most: f64) -> usize {
    let times = (rays(geometry, grid) / RAYS).sqrt().ceil().min((1.0 + 1e-9) * most).floor();
    // Neither numbers that are none nor a degenerate geometry ask for more.
    if times > 1.0 && times.is_finite() { times as usize } else { 1 }
}

/// Distance between neighbouring rays where they pass the axis.
pub(super) fn cell(geometry: &Geometry) -> f64 {
    let middle = (geometry.columns as f64 - 1.0) / 2.0;
    let [before, after] = [middle - 0.5, middle + 0.5].map(|column| {
        let ray = geometry.views[0].ray(0.0, column);
        cross(ray.origin, ray.direction)[2]
    });
    (after - before).abs()
}

/// The same field with so many pixels for one along either axis.
fn finer(grid: &Grid, times: usize) -> Grid {
    let [nz, ny, nx] = grid.shape;
    let (factor, corner) = (times as f64, 0.5 / times as f64 - 0.5);
    let [z, y, x] = grid.steps;
    Grid {
        shape: [nz, times * ny, times * nx],
        first: grid.position([0.0, corner, corner]),
        steps: [z, y.map(|step| step / factor), x.map(|step| step / factor)],
    }
}

/// Means over so many pixels along either axis.
fn binned(values: &Array3<f32>, times: usize) -> Array3<f32> {
    let (nz, ny, nx) = values.dim();
    let mut sums = Array3::<f64>::zeros((nz, ny / times, nx / times));
    for ((z, y, x), value) in values.indexed_iter() {
        sums[[z, y / times, x / times]] += f64::from(*value);
    }
    sums.mapv(|sum| (sum / (times * times) as f64) as f32)
}

/// What was said of the pixels asked for, said of the finer ones.
fn options_of(options: &Options, times: usize, edges: i32) -> Options {
    let mut options = options.clone();
    if let Strength::Fixed(strength) = &mut options.strength {
        *strength /= (times as f64).powi(edges);
    }
    for image in [&mut options.iteration.start, &mut options.prior].into_iter().flatten() {
        let (nz, ny, nx) = image.dim();
        *image = Array3::from_shape_fn((nz, times * ny, times * nx), |(z, y, x)| image[[z, y / times, x / times]]);
    }
    options.iteration.observer = options.iteration.observer.map(|observer| -> Observer {
        Arc::new(move |snapshot: &Snapshot| {
            let image = binned(snapshot.image, times);
            observer(&Snapshot { image: &image, ..*snapshot })
        })
    });
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{LengthUnit, Parallel};

    fn geometry(views: usize, cell: f64) -> Geometry {
        let angles = (0..views).map(|view| std::f64::consts::PI * view as f64 / views as f64).collect();
        let (columns, unit) = ((400.0 / cell) as usize, LengthUnit::Millimetre);
        Parallel { angles, columns, rows: 1, cell, cell_height: 1.0, center: None, unit }.geometry()
    }

    #[test]
    fn rays_and_cells_say_how_fine() {
        let grid = |size: usize| Grid::centered([1, size, size], [256.0 / size as f64; 3], [0.0; 3]);
        for (views, cell, size, expected) in [
            (30, 0.5, 512, 1),
            (100, 0.5, 512, 1),
            (240, 0.5, 512, 2),
            (720, 0.5, 512, 2),
            (30, 2.0, 128, 1),
            (240, 2.0, 128, 2),
            (2000, 2.0, 128, 2),
            (20, 2.0 / 3.0, 128, 2),
            (240, 2.0 / 3.0, 128, 5),
            (2000, 2.0 / 3.0, 128, 6),
            (720, 2.0, 256, 1),
        ] {
            let times = |grid: &Grid| times(&geometry(views, cell), grid, finest(&geometry(views, cell), grid));
            let found = times(&grid(size));
            assert_eq!(found, expected, "{views} views of cells of {cell} mm, {size}²");
            // A recipe that begins with another's image asks again.
            assert_eq!(times(&finer(&grid(size), found)), 1, "{views}, {cell}, {size}");
        }
    }

    #[test]
    fn finer_pixels_fill_the_same_field() {
        let coarse = Grid { first: [3.0, -4.0, 0.5], ..Grid::centered([2, 3, 4], [2.0, 0.5, 0.75], [0.0; 3]) };
        let fine = finer(&coarse, 3);
        assert_eq!(fine.shape, [2, 9, 12]);
        // The pixel in the middle of each nine lies where the wide one does.
        for (index, there) in [([1.0, 2.0, 3.0], [1.0, 7.0, 10.0]), ([0.0, 0.0, 0.0], [0.0, 1.0, 1.0])] {
            let (wide, narrow) = (coarse.position(index), fine.position(there));
            assert!(wide.iter().zip(narrow).all(|(a, b)| (a - b).abs() < 1e-12), "{wide:?} {narrow:?}");
        }
        let values = Array3::from_shape_fn((2, 9, 12), |(z, y, x)| {
            (100 * z + 10 * (y / 3) + x / 3) as f32 + (x % 3) as f32 - 1.0
        });
        let expected = Array3::from_shape_fn((2, 3, 4), |(z, y, x)| (100 * z + 10 * y + x) as f32);
        assert_eq!(binned(&values, 3), expected);
    }
}
