//! Noise that varies from place to place, as parallel imaging and dose modulation leave it: its standard deviation pixel by
//! pixel, from the finest diagonal wavelet details about each (as [`super::level()`], in windows), smoothed.

use ndarray::{Array3, ArrayView3, Axis, s};
use rayon::prelude::*;

use super::level::{TAPS, detail, deviation};

/// Pixels between the places at which σ is found; their windows are twice as wide.
const PITCH: usize = 16;
/// Details that a window must have.
const ENOUGH: usize = 24;

/// σ at every pixel of `image` `[z, y, x]`; where a window has nothing to tell, that of the slice. 0 where the slice has
/// nothing
/// either.
pub fn map(image: &ArrayView3<f32>) -> Array3<f32> {
    let mut found = Array3::zeros(image.raw_dim());
    let slices = image.axis_iter(Axis(0)).into_par_iter().zip(found.axis_iter_mut(Axis(0)).into_par_iter());
    slices.for_each(|(slice, mut into)| {
        let (ny, nx) = slice.dim();
        let whole = super::level(&slice.insert_axis(Axis(0))) as f32;
        let nodes = |extent: usize| extent.div_ceil(PITCH) + 1;
        let (rows, columns) = (nodes(ny), nodes(nx));
        let window = |node: usize, extent: usize| {
            let middle = node * PITCH;
            middle.saturating_sub(PITCH)
                ..(middle + PITCH).min(extent).saturating_sub(TAPS - 1).max(middle.saturating_sub(PITCH))
        };
        let mut at_nodes = vec![whole; rows * columns];
        for row in 0..rows {
            for column in 0..columns {
                let places = window(row, ny).flat_map(|y| window(column, nx).map(move |x| [y, x]));
                let view = slice.slice(s![.., ..]);
                let sizes: Vec<f32> =
                    places.filter_map(|place| detail(&view, place)).map(|detail| detail.size).collect();
                if sizes.len() >= ENOUGH {
                    at_nodes[row * columns + column] = deviation(sizes) as f32;
                }
            }
        }
        let at_nodes = smoothed(&at_nodes, [rows, columns]);
        for ((y, x), value) in into.indexed_iter_mut() {
            let (v, u) = (y as f32 / PITCH as f32, x as f32 / PITCH as f32);
            let (row, column) = (v as usize, u as usize);
            let at =
                |dy: usize, dx: usize| at_nodes[(row + dy).min(rows - 1) * columns + (column + dx).min(columns - 1)];
            let (v, u) = (v.fract(), u.fract());
            *value = (1.0 - v) * ((1.0 - u) * at(0, 0) + u * at(0, 1)) + v * ((1.0 - u) * at(1, 0) + u * at(1, 1));
        }
    });
    found
}

/// The median of each node and its neighbours: edges in one window must not pass for noise.
fn smoothed(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let near = |at: usize, extent: usize| at.saturating_sub(1)..(at + 2).min(extent);
    let middle = |row: usize, column: usize| {
        let mut all: Vec<f32> =
            near(row, rows).flat_map(|v| near(column, columns).map(move |u| values[v * columns + u])).collect();
        let middle = all.len() / 2;
        *all.select_nth_unstable_by(middle, f32::total_cmp).1
    };
    (0..rows * columns).map(|at| middle(at / columns, at % columns)).collect()
}
