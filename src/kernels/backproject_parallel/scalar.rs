//! The formula, pixel by pixel, columns in f64: for machines without the vector instructions, and for voxels so large
//! that no window holds them.

use super::{TILE, Tile, Views};
use crate::kernels::GUARD;

pub(super) fn add(views: &Views, tile: &mut Tile) {
    let stride = views.columns as usize + 2 * GUARD;
    let last = (stride - 2) as f64;
    for (y, pixels) in tile.lines.iter_mut().enumerate() {
        let mut sums = [0.0; TILE];
        for view in 0..views.len {
            let line = &views.lines[view * views.stride..][..stride];
            let mx = f64::from(views.mx[view]);
            let first = f64::from(views.cell[view]) + f64::from(views.fraction[view]) + GUARD as f64;
            let first = first + y as f64 * f64::from(views.my[view]);
            for (x, sum) in sums[..pixels.len()].iter_mut().enumerate() {
                // In the guard there are only zeros, so to stop at its ends is to see nothing.
                let column = (first + x as f64 * mx).clamp(0.0, last);
                let left = column as usize;
                let [low, high] = [line[left], line[left + 1]];
                *sum += low + (column - left as f64) as f32 * (high - low);
            }
        }
        pixels.iter_mut().zip(&sums).for_each(|(pixel, sum)| *pixel += sum);
    }
}
