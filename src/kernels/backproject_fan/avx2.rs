//! 4 × 4 pixels share a window of 8 cells; a vector is 4 × 2 pixels.

use std::arch::x86_64::*;

use super::{ATAN, CHUNK, GUARD, Shape, Tile, Views};

/// A window has one more cell than it has intervals, and begins up to one cell and a margin early.
pub(super) const SHAPE: Shape = Shape { block: [4, 4], vector: [4, 2], reach: 6.99 };

/// Adds `views` to `tile` in blocks of `N` vectors, one below the other.
#[target_feature(enable = "avx2,fma")]
pub(super) fn add<const N: usize, const CURVED: bool>(views: &Views, tile: &mut Tile) {
    let last = &views.lines[(views.matrices.len() - 1) * views.stride..];
    assert!(views.matrices.len() <= CHUNK && last.len() >= views.columns as usize + 2 * GUARD);
    for y in (0..tile.lines.len()).step_by(2 * N) {
        for x in (0..tile.width()).step_by(4) {
            for (row, sum) in block::<N, CURVED>(views, x, y).iter().enumerate() {
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
fn block<const N: usize, const CURVED: bool>(views: &Views, x: usize, y: usize) -> [__m256; N] {
    let cells = _mm256_setr_ps(-0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5);
    let along_x = _mm256_setr_ps(0., 1., 2., 3., 0., 1., 2., 3.);
    let along_y = _mm256_setr_ps(0., 0., 0., 0., 1., 1., 1., 1.);
    let two = _mm256_set1_ps(2.0);
    let windows = views.windows::<CURVED>(x, y, [4, 2 * N], 0.0);
    let mut sums = [_mm256_setzero_ps(); N];
    for view in 0..views.matrices.len() {
        // SAFETY: `start` ≤ columns + GUARD − 1, so that its 9 cells lie within the view's guarded line, and `add`
        // has seen that the last view's line ends within the slab.
        let [q0, q1] = unsafe {
            let line = views.lines.as_ptr().add(view * views.stride + windows.start[view] as usize);
            [0, 1].map(|cell| _mm256_loadu_ps(line.add(cell)))
        };
        let d = _mm256_sub_ps(q1, q0);
        let a = _mm256_fnmadd_ps(cells, d, q0);
        let [ux, uy] = [1, 2].map(|i| _mm256_set1_ps(views.u[i][view]));
        let [wx, wy] = [1, 2].map(|i| _mm256_set1_ps(views.w[i][view]));
        let [shift, scale] = [windows.shift[view], views.scale[view]].map(|number| _mm256_set1_ps(number));
        let from = |first: f32, mx: __m256, my: __m256| {
            _mm256_fmadd_ps(along_x, mx, _mm256_fmadd_ps(along_y, my, _mm256_set1_ps(first)))
        };
        let (mut u, mut w) = (from(windows.u[view], ux, uy), from(windows.w[view], wx, wy));
        for sum in &mut sums {
            let (t, weight) = column::<CURVED>(u, w, shift, scale);
            let i = _mm256_cvtps_epi32(t);
            let (a, d) = (_mm256_permutevar8x32_ps(a, i), _mm256_permutevar8x32_ps(d, i));
            *sum = _mm256_fmadd_ps(weight, _mm256_fmadd_ps(t, d, a), *sum);
            (u, w) = (_mm256_fmadd_ps(two, uy, u), _mm256_fmadd_ps(two, wy, w));
        }
    }
    sums
}

/// t and the weight. The division costs no more than an estimate and its Newton step: it has a unit of its own.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn column<const CURVED: bool>(u: __m256, w: __m256, shift: __m256, scale: __m256) -> (__m256, __m256) {
    let inverse = _mm256_div_ps(_mm256_set1_ps(1.0), w);
    let weight = _mm256_mul_ps(inverse, inverse);
    if !CURVED {
        return (_mm256_fmadd_ps(u, inverse, shift), weight);
    }
    let ratio = _mm256_mul_ps(u, inverse);
    let square = _mm256_mul_ps(ratio, ratio);
    let horner = |coefficients: &[f32]| {
        let first = _mm256_set1_ps(coefficients[coefficients.len() - 1]);
        let rest = coefficients.iter().rev().skip(1);
        rest.fold(first, |sum, coefficient| _mm256_fmadd_ps(sum, square, _mm256_set1_ps(*coefficient)))
    };
    let [c3, c5, c7, c9] = ATAN;
    let t = _mm256_fmadd_ps(_mm256_mul_ps(scale, ratio), horner(&[1.0, c3, c5, c7, c9]), shift);
    // 1/(w² + u²) = 1/w² · 1/(1 + ρ²).
    (t, _mm256_mul_ps(weight, horner(&[1.0, -1.0, 1.0, -1.0, 1.0, -1.0])))
}
