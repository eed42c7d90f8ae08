//! The formula, pixel by pixel, columns in f64: for machines without the vector instructions, and for tiles that a
//! source is too near to, or whose voxels are too large for any window.

use super::{TILE, Tile, Views};
use crate::kernels::GUARD;

pub(super) fn add(views: &Views, tile: &mut Tile) {
    let stride = views.columns as usize + 2 * GUARD;
    let last = (stride - 2) as f64;
    for (dy, pixels) in tile.lines.iter_mut().enumerate() {
        let mut sums = [0.0; TILE];
        let y = (tile.y + dy) as f64;
        for (view, m) in views.matrices.iter().enumerate() {
            let line = &views.lines[view * views.stride..][..stride];
            let m = m.map(f64::from);
            for (dx, sum) in sums[..pixels.len()].iter_mut().enumerate() {
                let x = (tile.x + dx) as f64;
                let (s, v) = (m[0] + m[1] * x + m[2] * y, m[3] + m[4] * x + m[5] * y);
                let (column, weight) = if views.curved {
                    (m[6] + m[7] * (s / v).atan(), 1.0 / (v * v + s * s))
                } else {
                    (s / v, 1.0 / (v * v))
                };
                // In the guard there are only zeros, so to stop at its ends is to see nothing.
                let column = (column + GUARD as f64).clamp(0.0, last);
                let left = column as usize;
                let [low, high] = [line[left], line[left + 1]];
                *sum += weight as f32 * (low + (column - left as f64) as f32 * (high - low));
            }
        }
        pixels.iter_mut().zip(&sums).for_each(|(pixel, sum)| *pixel += sum);
    }
}
