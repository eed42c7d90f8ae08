//! 4 × 6 pixels share a window of 8 cells; a vector is 4 × 2 pixels.

use std::arch::x86_64::*;

use super::{CHUNK, Shape, Tile, Views};

/// A window has one more cell than it has intervals, and begins up to one cell and a margin early.
pub(super) const SHAPE: Shape = Shape { block: [4, 6], vector: [4, 2], reach: 6.99 };

/// Adds `views` to `tile` in blocks of `N` vectors, one below the other.
#[target_feature(enable = "avx2,fma")]
pub(super) fn add<const N: usize>(views: &Views, tile: &mut Tile) {
    let last = &views.lines[(views.len - 1) * views.stride..];
    assert!(views.len <= CHUNK && last.len() >= views.columns as usize + 2 * super::GUARD);
    for y in (0..tile.lines.len()).step_by(2 * N) {
        for x in (0..tile.width()).step_by(4) {
            for (row, sum) in block::<N>(views, x, y).iter().enumerate() {
                let mut values = [0.0; 8];
                // SAFETY: room for 8.
                unsafe { _mm256_storeu_ps(values.as_mut_ptr(), *sum) };
                tile.add::<4>(x, y + 2 * row, &values);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn block<const N: usize>(views: &Views, x: usize, y: usize) -> [__m256; N] {
    let cells = _mm256_setr_ps(-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5);
    let along_x = _mm256_setr_ps(0., 1., 2., 3., 0., 1., 2., 3.);
    let along_y = _mm256_setr_ps(0., 0., 0., 0., 1., 1., 1., 1.);
    let two = _mm256_set1_ps(2.0);
    let windows = views.windows(x, y, 0.0);
    let mut sums = [_mm256_setzero_ps(); N];
    for view in 0..views.len {
        // SAFETY: `start` ≤ columns + GUARD − 1, so that its 9 cells lie within the view's guarded line, and `add`
        // has seen that the last view's line ends within the slab.
        let [q0, q1] = unsafe {
            let line = views.lines.as_ptr().add(view * views.stride + windows.start[view] as usize);
            [0, 1].map(|cell| _mm256_loadu_ps(line.add(cell)))
        };
        let d = _mm256_sub_ps(q1, q0);
        let a = _mm256_fnmadd_ps(cells, d, q0);
        let (mx, my) = (_mm256_set1_ps(views.mx[view]), _mm256_set1_ps(views.my[view]));
        let mut t = _mm256_fmadd_ps(along_x, mx, _mm256_fmadd_ps(along_y, my, _mm256_set1_ps(windows.t[view])));
        for sum in &mut sums {
            let i = _mm256_cvtps_epi32(t);
            let (a, d) = (_mm256_permutevar8x32_ps(a, i), _mm256_permutevar8x32_ps(d, i));
            *sum = _mm256_add_ps(*sum, _mm256_fmadd_ps(t, d, a));
            t = _mm256_fmadd_ps(two, my, t);
        }
    }
    sums
}
