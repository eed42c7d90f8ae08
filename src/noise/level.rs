//! The standard deviation of white noise, from the image alone: the median size of the finest diagonal wavelet coefficients
//! over that of standard normal numbers (Donoho & Johnstone 1994, Biometrika 81, 425).
//!
//! The diagonal details of Daubechies' wavelet with two vanishing moments (four taps) see nothing of ramps and little of
//! edges along lines and columns, and being of unit norm they have the noise's own deviation. What was set to one
//! value (a mask, air cut off) has no noise to tell of and is left out. Noise that neighbouring pixels share is
//! seen in part: [`Correlation::in_details`](super::Correlation::in_details) says by how much.

use ndarray::{ArrayView2, ArrayView3, Axis, s};
use rayon::prelude::*;

use super::rician::moments;

/// The median of the sizes of standard normal numbers.
const MEDIAN_SIZE: f64 = 0.674_489_75;
/// Taps of the wavelet.
pub(super) const TAPS: usize = 4;
/// Signals over σ for which Rician noise is tabulated, from 0 on; beyond the last it is Gaussian to 1 %.
const SIGNALS: usize = 48;
const PITCH: f64 = 0.125;
/// Rounds until σ is settled to 1 in 1000.
const ROUNDS: usize = 12;

/// Daubechies' high-pass filter with two vanishing moments (Daubechies 1988).
pub(super) fn detail_taps() -> [f64; TAPS] {
    let root = 3.0_f64.sqrt();
    let norm = 4.0 * 2.0_f64.sqrt();
    [(1.0 - root) / norm, -(3.0 - root) / norm, (3.0 + root) / norm, -(1.0 + root) / norm]
}

/// A detail and the mean of the pixels it is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detail {
    pub size: f32,
    pub mean: f32,
}

/// The diagonal detail whose first pixel is (y, x); none where all its pixels are equal.
pub(super) fn detail(slice: &ArrayView2<f32>, [y, x]: [usize; 2]) -> Option<Detail> {
    let taps = detail_taps();
    let first = slice[[y, x]];
    let (mut sum, mut mean, mut equal) = (0.0, 0.0, true);
    for (v, a) in taps.iter().enumerate() {
        for (u, b) in taps.iter().enumerate() {
            let value = slice[[y + v, x + u]];
            equal &= value == first;
            sum += a * b * f64::from(value);
            mean += f64::from(value);
        }
    }
    (!equal).then_some(Detail { size: sum.abs() as f32, mean: (mean / (TAPS * TAPS) as f64) as f32 })
}

/// The details of all slices, on every second line and column.
fn details(image: &ArrayView3<f32>) -> Vec<Detail> {
    let (_, ny, nx) = image.dim();
    if ny < TAPS || nx < TAPS {
        return vec![];
    }
    let slices: Vec<_> = image.axis_iter(Axis(0)).collect();
    let places = |slice: &usize| (0..=ny - TAPS).step_by(2).map(move |y| (*slice, y)).collect::<Vec<_>>();
    let lines: Vec<(usize, usize)> = (0..slices.len()).collect::<Vec<_>>().iter().flat_map(places).collect();
    let of_line = |(slice, y): (usize, usize)| {
        let slice = slices[slice].slice(s![.., ..]);
        (0..=nx - TAPS).step_by(2).filter_map(|x| detail(&slice, [y, x])).collect::<Vec<_>>()
    };
    lines.into_par_iter().flat_map_iter(of_line).collect()
}

/// The middle one of `sizes`, over that of normal numbers of deviation 1; 0 of none.
pub(super) fn deviation(mut sizes: Vec<f32>) -> f64 {
    if sizes.is_empty() {
        return 0.0;
    }
    let middle = sizes.len() / 2;
    f64::from(*sizes.select_nth_unstable_by(middle, f32::total_cmp).1) / MEDIAN_SIZE
}

/// σ of white noise in `image`, `[z, y, x]`; 0 where nothing varies, or where slices have fewer than 4 × 4 pixels.
pub fn level(image: &ArrayView3<f32>) -> f64 {
    deviation(details(image).into_iter().map(|detail| detail.size).collect())
}

/// σ of the real and of the imaginary part, from the magnitudes: a detail tells as much less of σ as Rician noise of its
/// mean has
/// a smaller deviation, down to 0.655 σ in air; where all is air σ comes out 6 % low, as means are noisy too (Koay & Basser
/// 2006, J. Magn. Reson. 179, 317).
pub fn rician_level(image: &ArrayView3<f32>) -> f64 {
    let details = details(image);
    let table: Vec<[f64; 2]> = (0..=SIGNALS).map(|index| moments(index as f64 * PITCH, |z| z)).collect();
    let relative = |mean: f64| {
        let index = table.partition_point(|[at, _]| *at < mean);
        if index == 0 {
            return table[0][1];
        }
        let (Some([m1, s1]), [m0, s0]) = (table.get(index), table[index - 1]) else { return 1.0 };
        s0 + (s1 - s0) * (mean - m0) / (m1 - m0)
    };
    // As if all were air, so from above: from below it is slow.
    let mut sigma = deviation(details.iter().map(|detail| detail.size).collect()) / table[0][1];
    for _ in 0..ROUNDS {
        if sigma <= 0.0 {
            return 0.0;
        }
        let size = |detail: &Detail| (f64::from(detail.size) / relative(f64::from(detail.mean) / sigma)) as f32;
        sigma = deviation(details.par_iter().map(size).collect());
    }
    sigma
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_has_unit_norm_and_two_vanishing_moments() {
        let taps = detail_taps();
        let moment = |power: i32| taps.iter().enumerate().map(|(i, tap)| tap * (i as f64).powi(power)).sum::<f64>();
        assert!((taps.iter().map(|tap| tap * tap).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(moment(0).abs() < 1e-12 && moment(1).abs() < 1e-12, "{taps:?}");
    }
}
