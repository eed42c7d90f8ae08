//! Noise of a counting detector: N ~ Poisson(N₀·e^(−p)) photons, Gaussian electronic noise, then p = −ln(N/N₀).

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Axis;
use rayon::prelude::*;

use super::Scan;
use crate::{
    error::{Error, Result},
    random::Draws,
};

/// The zero-count rule: what falls below this many photons is set to it, for it has no logarithm.
pub const FLOOR: f64 = 0.5;

/// Above this, counts are no longer exact in f64.
pub const MOST_PHOTONS: f64 = 1e15;

/// A mono-energetic beam on a detector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Photons per cell and view in the open beam.
    pub photons: f64,
    /// The same seed gives the same noise, whatever the number of threads.
    pub seed: u64,
    /// Standard deviation of the electronic noise, in photons.
    pub electronic: f64,
}

impl Noise {
    /// Makes `scan` a noisy one. Returns how many cells met the zero-count rule: below [`FLOOR`] photons.
    ///
    /// # Errors
    /// Photons that are not above 0, electronic noise below 0, line integrals so negative that counts overflow.
    pub fn apply(&self, scan: &mut Scan) -> Result<usize> {
        self.check()?;
        let floored = AtomicUsize::new(0);
        scan.projections.axis_iter_mut(Axis(0)).into_par_iter().enumerate().try_for_each(
            |(view, mut projection)| {
                let mut low = 0;
                for ((row, column), value) in projection.indexed_iter_mut() {
                    let count = self.count(f64::from(*value), [view, row, column])?;
                    low += usize::from(count < FLOOR);
                    *value = -(count.max(FLOOR) / self.photons).ln() as f32;
                }
                floored.fetch_add(low, Ordering::Relaxed);
                Ok(())
            },
        )?;
        Ok(floored.into_inner())
    }

    fn check(&self) -> Result<()> {
        if !(self.photons > 0.0 && self.photons <= MOST_PHOTONS) {
            return Err(Error::Option(format!(
                "{} photons: give a number above 0, at most {MOST_PHOTONS:e}",
                self.photons
            )));
        }
        if !(self.electronic >= 0.0 && self.electronic.is_finite()) {
            return Err(Error::Option(format!("electronic noise of {} photons: give 0 or more", self.electronic)));
        }
        Ok(())
    }

    /// What the cell at `index` counts behind the line integral `attenuation`.
    fn count(&self, attenuation: f64, index: [usize; 3]) -> Result<f64> {
        let mean = self.photons * (-attenuation).exp();
        if mean.is_nan() || mean > MOST_PHOTONS {
            return Err(Error::Scan(format!(
                "the line integral {attenuation} at {index:?} (view, row, column) lets {mean:e} photons through: too many"
            )));
        }
        let mut draws = Draws::new(self.seed, index);
        let photons = draws.poisson(mean);
        Ok(if self.electronic > 0.0 { photons + self.electronic * draws.normal() } else { photons })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::geometry::{LengthUnit, Parallel};

    fn scan(attenuation: f32) -> Scan {
        let (views, rows, columns) = (40, 2, 500);
        let angles = (0..views).map(|view| view as f64).collect();
        let geometry =
            Parallel { angles, columns, rows, cell: 1.0, cell_height: 1.0, center: None, unit: LengthUnit::Millimetre }
                .geometry();
        Scan::new(Array3::from_elem([views, rows, columns], attenuation), geometry).unwrap()
    }

    fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64, f64) {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        (mean, values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1.0), count)
    }

    #[test]
    fn counts_have_the_mean_and_variance_of_photons_and_electronics() {
        for (photons, attenuation, electronic) in [(1e5, 2.0, 0.0), (1e5, 2.0, 100.0), (2000.0, 0.5, 0.0)] {
            let mut scan = scan(attenuation);
            let floored = Noise { photons, seed: 5, electronic }.apply(&mut scan).unwrap();
            assert_eq!(floored, 0);
            let counts = scan.projections.iter().map(|p| photons * f64::from(-*p).exp());
            let (mean, variance, n) = moments(counts);
            let expected = photons * f64::from(-attenuation).exp();
            let spread = expected + electronic * electronic;
            assert!((mean - expected).abs() < 5.0 * (spread / n).sqrt(), "mean {mean}, not {expected}");
            assert!((variance / spread - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {variance}, not {spread}");
        }
    }

    #[test]
    fn the_zero_count_rule_is_applied_and_counted() {
        let mut scan = scan(3.0);
        let cells = scan.projections.len() as f64;
        let noise = Noise { photons: 10.0, seed: 1, electronic: 0.0 };
        let floored = noise.apply(&mut scan).unwrap();
        let at_floor = (-(FLOOR / noise.photons).ln()) as f32;
        assert_eq!(scan.projections.iter().filter(|p| **p == at_floor).count(), floored);
        // e^(−mean) of the cells see nothing.
        let empty = (-10.0 * (-3.0_f64).exp()).exp();
        assert!((floored as f64 / cells - empty).abs() < 5.0 * (empty * (1.0 - empty) / cells).sqrt());
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
        let noisy = |threads: usize, seed: u64| {
            let mut scan = scan(1.0);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Noise { photons: 1e4, seed, electronic: 3.0 }.apply(&mut scan)).unwrap();
            scan.projections
        };
        let one = noisy(1, 9);
        assert_eq!(one, noisy(3, 9));
        assert_ne!(one, noisy(3, 10));
        assert_ne!(one[[0, 0, 0]], one[[1, 0, 0]]);
        assert_ne!(one[[0, 0, 0]], one[[0, 1, 0]]);
    }

    #[test]
    fn impossible_beams_are_refused() {
        for (photons, electronic) in [(0.0, 0.0), (-1.0, 0.0), (f64::NAN, 0.0), (1e30, 0.0), (1e5, -1.0)] {
            assert!(Noise { photons, seed: 1, electronic }.apply(&mut scan(1.0)).is_err(), "{photons} {electronic}");
        }
        let message = Noise { photons: 1e5, seed: 1, electronic: 0.0 }.apply(&mut scan(-80.0)).unwrap_err();
        assert!(message.to_string().contains("too many"), "{message}");
    }
}
