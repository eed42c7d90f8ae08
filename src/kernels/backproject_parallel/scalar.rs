//! Pixel by pixel: for machines without the vector instructions, and for voxels so large that no window holds them.

use super::{FAR, Tile, Views};
use crate::kernels::GUARD;

pub(super) fn add(views: &Views, tile: &mut Tile) {
    let last = (views.columns as usize + 2 * GUARD - 2) as f32; // the last cell with a right neighbour
    for y in 0..tile.height {
        let start = y * tile.nx + tile.x;
        let pixels = &mut tile.lines[start..start + tile.width];
        let mut sums = [0.0; super::TILE];
        for view in 0..views.len {
            let line = &views.lines[view * views.stride..][..views.columns as usize + 2 * GUARD];
            // Cells are counted from the one below the first pixel: f32 has digits for few whole cells and a fraction.
            let column = views.fraction[view] + y as f32 * views.my[view];
            let first = views.cell[view] + (column as i32).clamp(-FAR, FAR) + GUARD as i32;
            let column = column - column as i32 as f32;
            let (low, high) = (-first as f32, last - first as f32);
            for (x, sum) in sums[..tile.width].iter_mut().enumerate() {
                let column = (column + x as f32 * views.mx[view]).clamp(low, high);
                let truncated = column as i32;
                let whole = truncated - i32::from(column < truncated as f32);
                let left = (first + whole).clamp(0, last as i32) as usize;
                *sum += line[left] + (column - whole as f32) * (line[left + 1] - line[left]);
            }
        }
        pixels.iter_mut().zip(&sums).for_each(|(pixel, sum)| *pixel += sum);
    }
}
