//! The standard deviation of white noise, from the image alone: the median size of the finest diagonal wavelet coefficients
//! over that of standard normal numbers (Donoho & Johnstone 1994, Biometrika 81, 425).
//!
//! The diagonal details of Daubechies' wavelet with two vanishing moments (four taps) see nothing of ramps and little of
//! edges along lines and columns, and being of unit norm they have the noise's own deviation. What was set to one
//! value (a mask, air cut off) has no noise to tell of and is left out. Noise that neighbouring pixels share is missed in part.

use ndarray::{ArrayView2, ArrayView3, Axis, s};
use rayon::prelude::*;

/// The median of the sizes of standard normal numbers.
const MEDIAN_SIZE: f64 = 0.674_489_75;
/// Taps of the wavelet.
pub(super) const TAPS: usize = 4;
/// Signal over noise from which Rician noise is Gaussian to 2 % in its deviation.
const BRIGHT: f64 = 4.0;
/// Part of the coefficients that must be bright to be asked alone.
const ENOUGH: f64 = 0.02;
/// Standard deviation of a Rayleigh distribution over that of the two Gaussian ones it comes from: √(2 − π/2).
const RAYLEIGH: f64 = 0.655_136_38;

/// Daubechies' high-pass filter with two vanishing moments (Daubechies 1988).
fn taps() -> [f64; TAPS] {
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
    let taps = taps();
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

/// σ of the real and of the imaginary part, from the magnitudes: where the signal is bright, noise is Gaussian, and only there
/// it is asked if there is enough of it; else all is taken for air, whose Rayleigh noise has 0.655 σ.
pub fn rician_level(image: &ArrayView3<f32>) -> f64 {
    let details = details(image);
    let sizes =
        |least: f64| details.iter().filter(move |d| f64::from(d.mean) >= least).map(|detail| detail.size).collect();
    // Air may outnumber the object, so the first guess may be as low as Rayleigh's, and never is above σ by much.
    let mut sigma = deviation(sizes(f64::NEG_INFINITY)) / RAYLEIGH;
    let dark = sigma;
    for _ in 0..4 {
        let bright: Vec<f32> = sizes(BRIGHT * sigma);
        if bright.len() < 16 || (bright.len() as f64) < ENOUGH * details.len() as f64 {
            return dark;
        }
        sigma = deviation(bright);
    }
    sigma
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_has_unit_norm_and_two_vanishing_moments() {
        let taps = taps();
        let moment = |power: i32| taps.iter().enumerate().map(|(i, tap)| tap * (i as f64).powi(power)).sum::<f64>();
        assert!((taps.iter().map(|tap| tap * tap).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(moment(0).abs() < 1e-12 && moment(1).abs() < 1e-12, "{taps:?}");
    }
}
