//! How many counts a photon makes, as far as the data tell: from it follows what to take a reading of 0 for.
//!
//! Photon counters count photons. Detectors that add up charge have a gain, and arrays that someone normalised have any
//! unit: there the noise tells. N photons in the open beam make the variance of a line integral e^p/N, and fourth
//! differences Σ k·p, k = (1, −4, 6, −4, 1), which see little of a smooth object, have Σ k²·e^p/N; the median of their sizes
//! gives N (differences: Gasser, Sroka & Jennen-Steinmetz 1986; median: Donoho & Johnstone 1994). Structure passes for
//! noise along a line of the detector or along the views, seldom along both: the quieter of the two counts.

use ndarray::{ArrayView1, ArrayView3, Axis};
use rayon::prelude::*;

use super::median::median;

/// k.
pub(super) const DIFFERENCE: [f32; 5] = [1.0, -4.0, 6.0, -4.0, 1.0];
/// The median of the sizes of standard normal numbers.
pub(super) const MEDIAN_SIZE: f64 = 0.674_489_75;
/// Differences that are looked at, about: more would not make the median better.
const ENOUGH: usize = 1 << 20;
/// Whole numbers whose noise is that of less than this many counts a photon are photons.
const GAIN: f64 = 4.0;

/// Counts of one photon, where the open beam has `open` counts; `projections` `[view, row, column]` are −ln of the
/// transmission, not finite where there was none. `None` if neither the numbers nor their noise tell.
pub(super) fn counts(projections: ArrayView3<f32>, open: f64, whole: bool) -> Option<f64> {
    match open * noise(projections) {
        counts if counts > 0.0 && counts.is_finite() && (!whole || counts >= GAIN) => Some(counts),
        _ => whole.then_some(1.0),
    }
}

/// 1/N, the quieter of the two; infinite where no differences are finite.
pub(super) fn noise(projections: ArrayView3<f32>) -> f64 {
    [Axis(2), Axis(0)].into_iter().filter_map(|axis| variance(projections, axis)).fold(f64::INFINITY, f64::min)
}

/// 1/N, from differences along `axis`; `None` where no five neighbours are finite.
fn variance(projections: ArrayView3<f32>, axis: Axis) -> Option<f64> {
    let lines: Vec<ArrayView1<f32>> =
        projections.lanes(axis).into_iter().step_by((projections.len() / ENOUGH).max(1)).collect();
    let size = |run: ArrayView1<f32>| {
        let (difference, variance) = run
            .iter()
            .zip(DIFFERENCE)
            .fold((0.0, 0.0), |(sum, square), (value, k)| (sum + k * value, square + k * k * value.exp()));
        difference.abs() / variance.sqrt()
    };
    let of_line = |line: ArrayView1<f32>| -> Vec<f32> {
        let runs = line.windows(DIFFERENCE.len());
        runs.into_iter().filter(|run| run.iter().all(|value| value.is_finite())).map(size).collect()
    };
    let mut sizes: Vec<f32> = lines.into_par_iter().flat_map_iter(of_line).collect();
    (!sizes.is_empty()).then(|| (f64::from(median(&mut sizes)) / MEDIAN_SIZE).powi(2))
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::random::Draws;

    /// Counts of `photons` in the open beam behind a disk, `gain` counts each, as line integrals.
    fn scan(photons: f64, gain: f64, flat_noise: f64) -> Array3<f32> {
        Array3::from_shape_fn((90, 1, 128), |(view, row, column)| {
            let t = (column as f64 - 63.5 - 6.0 * (view as f64 * 0.07).cos()) / 40.0;
            let mean = photons * (-2.0 * (1.0 - t * t).max(0.0).sqrt()).exp();
            let count = gain * Draws::new(7, [view, row, column]).poisson(mean);
            let flat = gain * photons * (1.0 + flat_noise * Draws::new(8, [0, 0, column]).normal());
            -(count / flat).ln() as f32
        })
    }

    #[test]
    fn the_noise_tells_what_a_photon_counts() {
        for (photons, gain) in [(2000.0, 1.0), (3000.0, 10.0), (2e5, 0.25), (2000.0, 5e-4)] {
            let open = photons * gain;
            // A flat field with as much noise as a reading does not change it.
            let found = counts(scan(photons, gain, photons.sqrt().recip()).view(), open, false).unwrap();
            assert!((found / gain - 1.0).abs() < 0.15, "{photons} photons of {gain} counts: {found}");
        }
        assert_eq!(counts(scan(2000.0, 1.0, 0.0).view(), 2000.0, true), Some(1.0));
        assert_eq!(counts(scan(2e5, 0.25, 0.0).view(), 5e4, true), Some(1.0));
        assert!((counts(scan(3000.0, 10.0, 0.0).view(), 3e4, true).unwrap() / 10.0 - 1.0).abs() < 0.15);
    }

    #[test]
    fn without_noise_only_whole_numbers_tell() {
        let even = Array3::from_elem((20, 1, 30), 1.0);
        assert_eq!(counts(even.view(), 1.0, false), None);
        assert_eq!(counts(even.view(), 100.0, true), Some(1.0));
        assert_eq!(counts(Array3::from_elem((2, 1, 3), 1.0).view(), 1.0, false), None);
    }
}
