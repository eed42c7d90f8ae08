//! 16 × 16 pixels share a window of 32 cells; a vector is 4 × 4 pixels.

use std::arch::x86_64::*;

use super::{CHUNK, Shape, Tile, Views};

/// A window has one more cell than it has intervals, and begins up to one cell and a margin early.
pub(super) const SHAPE: Shape = Shape { block: [16, 16], vector: [4, 4], reach: 30.0 };

/// Adds `views` to `tile` in blocks of `N` × `N` vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn add<const N: usize>(views: &Views, tile: &mut Tile) {
    let last = &views.lines[(views.len - 1) * views.stride..];
    assert!(views.len <= CHUNK && last.len() >= views.columns as usize + 2 * super::GUARD);
    for y in (0..tile.lines.len()).step_by(4 * N) {
        for x in (0..tile.width()).step_by(4 * N) {
            for (row, sums) in block::<N>(views, x, y).iter().enumerate() {
                for (column, sum) in sums.iter().enumerate() {
                    let mut values = [0.0; 16];
                    // SAFETY: room for 16.
                    unsafe { _mm512_storeu_ps(values.as_mut_ptr(), *sum) };
                    tile.add::<4>(x + 4 * column, y + 4 * row, &values);
                }
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn block<const N: usize>(views: &Views, x: usize, y: usize) -> [[__m512; N]; N] {
    let ramp = _mm512_setr_ps(0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.);
    let low = _mm512_sub_ps(ramp, _mm512_set1_ps(16.5));
    let high = _mm512_sub_ps(ramp, _mm512_set1_ps(0.5));
    let along_x = _mm512_setr_ps(0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3.);
    let along_y = _mm512_setr_ps(0., 0., 0., 0., 1., 1., 1., 1., 2., 2., 2., 2., 3., 3., 3., 3.);
    let four = _mm512_set1_ps(4.0);
    let windows = views.windows(x, y, 16.0);
    let mut sums = [[_mm512_setzero_ps(); N]; N];
    for view in 0..views.len {
        // SAFETY: `start` ≤ columns + GUARD − 1, so that its 33 cells lie within the view's guarded line, and `add`
        // has seen that the last view's line ends within the slab.
        let [q0, q1, q16, q17] = unsafe {
            let line = views.lines.as_ptr().add(view * views.stride + windows.start[view] as usize);
            [0, 1, 16, 17].map(|cell| _mm512_loadu_ps(line.add(cell)))
        };
        let (d_low, d_high) = (_mm512_sub_ps(q1, q0), _mm512_sub_ps(q17, q16));
        let (a_low, a_high) = (_mm512_fnmadd_ps(low, d_low, q0), _mm512_fnmadd_ps(high, d_high, q16));
        let (mx, my) = (_mm512_set1_ps(views.mx[view]), _mm512_set1_ps(views.my[view]));
        let mut line = _mm512_fmadd_ps(along_x, mx, _mm512_fmadd_ps(along_y, my, _mm512_set1_ps(windows.t[view])));
        let right = _mm512_mul_ps(four, mx);
        for sums in &mut sums {
            let mut t = line;
            for sum in sums {
                // Permutes look at five bits of the index: 0..16 finds the first table, −16..0 the second.
                let i = _mm512_cvtps_epi32(t);
                let a = _mm512_permutex2var_ps(a_high, i, a_low);
                let d = _mm512_permutex2var_ps(d_high, i, d_low);
                *sum = _mm512_add_ps(*sum, _mm512_fmadd_ps(t, d, a));
                t = _mm512_add_ps(t, right);
            }
            line = _mm512_fmadd_ps(four, my, line);
        }
    }
    sums
}
