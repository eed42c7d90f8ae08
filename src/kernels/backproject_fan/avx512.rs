//! 16 × 8 pixels share a window of 32 cells; a vector is 4 × 4 pixels.

use std::arch::x86_64::*;

use super::{ATAN, CHUNK, GUARD, Shape, Tile, Views};

/// A window has one more cell than it has intervals, and begins up to one cell and a margin early.
pub(super) const SHAPE: Shape = Shape { block: [16, 8], vector: [4, 4], reach: 30.0 };

/// Adds `views` to `tile` in blocks of `WIDE` × `HIGH` vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
pub(super) fn add<const WIDE: usize, const HIGH: usize, const CURVED: bool>(views: &Views, tile: &mut Tile) {
    let last = &views.lines[(views.matrices.len() - 1) * views.stride..];
    assert!(views.matrices.len() <= CHUNK && last.len() >= views.columns as usize + 2 * GUARD);
    for y in (0..tile.lines.len()).step_by(4 * HIGH) {
        for x in (0..tile.width()).step_by(4 * WIDE) {
            for (row, sums) in block::<WIDE, HIGH, CURVED>(views, x, y).iter().enumerate() {
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
fn block<const WIDE: usize, const HIGH: usize, const CURVED: bool>(
    views: &Views,
    x: usize,
    y: usize,
) -> [[__m512; WIDE]; HIGH] {
    let ramp = _mm512_setr_ps(0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.);
    let low = _mm512_sub_ps(ramp, _mm512_set1_ps(16.5));
    let high = _mm512_sub_ps(ramp, _mm512_set1_ps(0.5));
    let along_x = _mm512_setr_ps(0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3.);
    let along_y = _mm512_setr_ps(0., 0., 0., 0., 1., 1., 1., 1., 2., 2., 2., 2., 3., 3., 3., 3.);
    let four = _mm512_set1_ps(4.0);
    let windows = views.windows::<CURVED>(x, y, [4 * WIDE, 4 * HIGH], 16.0);
    let mut sums = [[_mm512_setzero_ps(); WIDE]; HIGH];
    for view in 0..views.matrices.len() {
        // SAFETY: `start` ≤ columns + GUARD − 1, so that its 33 cells lie within the view's guarded line, and `add`
        // has seen that the last view's line ends within the slab.
        let [q0, q1, q16, q17] = unsafe {
            let line = views.lines.as_ptr().add(view * views.stride + windows.start[view] as usize);
            [0, 1, 16, 17].map(|cell| _mm512_loadu_ps(line.add(cell)))
        };
        let (d_low, d_high) = (_mm512_sub_ps(q1, q0), _mm512_sub_ps(q17, q16));
        let (a_low, a_high) = (_mm512_fnmadd_ps(low, d_low, q0), _mm512_fnmadd_ps(high, d_high, q16));
        let [ux, uy] = [1, 2].map(|i| _mm512_set1_ps(views.u[i][view]));
        let [wx, wy] = [1, 2].map(|i| _mm512_set1_ps(views.w[i][view]));
        let [shift, scale] = [windows.shift[view], views.scale[view]].map(|number| _mm512_set1_ps(number));
        let from = |first: f32, mx: __m512, my: __m512| {
            _mm512_fmadd_ps(along_x, mx, _mm512_fmadd_ps(along_y, my, _mm512_set1_ps(first)))
        };
        let (mut line_u, mut line_w) = (from(windows.u[view], ux, uy), from(windows.w[view], wx, wy));
        let (right_u, right_w) = (_mm512_mul_ps(four, ux), _mm512_mul_ps(four, wx));
        for sums in &mut sums {
            let (mut u, mut w) = (line_u, line_w);
            for sum in sums {
                let (t, weight) = column::<CURVED>(u, w, shift, scale);
                // Permutes look at five bits of the index: 0..16 finds the first table, −16..0 the second.
                let i = _mm512_cvtps_epi32(t);
                let a = _mm512_permutex2var_ps(a_high, i, a_low);
                let d = _mm512_permutex2var_ps(d_high, i, d_low);
                *sum = _mm512_fmadd_ps(weight, _mm512_fmadd_ps(t, d, a), *sum);
                (u, w) = (_mm512_add_ps(u, right_u), _mm512_add_ps(w, right_w));
            }
            (line_u, line_w) = (_mm512_fmadd_ps(four, uy, line_u), _mm512_fmadd_ps(four, wy, line_w));
        }
    }
    sums
}

/// t and the weight.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,fma")]
fn column<const CURVED: bool>(u: __m512, w: __m512, shift: __m512, scale: __m512) -> (__m512, __m512) {
    let one = _mm512_set1_ps(1.0);
    // 2⁻¹⁴ from the estimate, squared by Newton's step: below f32's own rounding.
    let estimate = _mm512_rcp14_ps(w);
    let inverse = _mm512_fmadd_ps(estimate, _mm512_fnmadd_ps(w, estimate, one), estimate);
    let weight = _mm512_mul_ps(inverse, inverse);
    if !CURVED {
        return (_mm512_fmadd_ps(u, inverse, shift), weight);
    }
    let ratio = _mm512_mul_ps(u, inverse);
    let square = _mm512_mul_ps(ratio, ratio);
    let horner = |coefficients: &[f32]| {
        let first = _mm512_set1_ps(coefficients[coefficients.len() - 1]);
        let rest = coefficients.iter().rev().skip(1);
        rest.fold(first, |sum, coefficient| _mm512_fmadd_ps(sum, square, _mm512_set1_ps(*coefficient)))
    };
    let [c3, c5, c7, c9] = ATAN;
    let t = _mm512_fmadd_ps(_mm512_mul_ps(scale, ratio), horner(&[1.0, c3, c5, c7, c9]), shift);
    // 1/(w² + u²) = 1/w² · 1/(1 + ρ²).
    (t, _mm512_mul_ps(weight, horner(&[1.0, -1.0, 1.0, -1.0, 1.0, -1.0])))
}
