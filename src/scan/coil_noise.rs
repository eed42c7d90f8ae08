//! Noise of receive coils: complex Gaussian with a covariance between coils, in every sample alike (P. B. Roemer et al., The NMR
//! phased array, Magn. Reson. Med. 16, 192, 1990).

use ndarray::{Array2, Array4, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

use super::{Encoding, KSpace};
use crate::{
    error::{Error, Result},
    random::Draws,
};

/// Samples of the noise scan that is stored beside the noisy one.
pub const NOISE_SAMPLES: usize = 4096;

/// First index of the draws, so that no other draw of the same seed has theirs.
const SCAN: usize = 0x4d52;
const NOISE_SCAN: usize = 0x4d53;

/// What adds noise to k-space.
#[derive(Clone, Debug, PartialEq)]
pub struct CoilNoise {
    /// Root mean square |noise| of a sample of a coil whose variance in `covariance` is 1: 1/√2 of it in either part.
    pub sigma: f64,
    /// Covariance of the coils over sigma², symmetric and positive definite, `[coil, coil]`.
    pub covariance: Array2<f64>,
    /// The same seed gives the same noise, whatever the number of threads.
    pub seed: u64,
}

/// The covariance of `coils` in a ring, ρ^d between coils d steps apart.
///
/// # Errors
/// ρ not from 0 up to below 1.
pub fn neighbours(coils: usize, correlation: f64) -> Result<Array2<f64>> {
    if !(0.0..1.0).contains(&correlation) {
        return Err(Error::Option(format!("a correlation of {correlation}: it must be 0 or more, and below 1")));
    }
    Ok(Array2::from_shape_fn((coils, coils), |(a, b)| {
        let steps = a.abs_diff(b);
        correlation.powi(steps.min(coils - steps) as i32)
    }))
}

impl CoilNoise {
    /// Adds noise to what was sampled, and stores a noise scan of [`NOISE_SAMPLES`].
    ///
    /// # Errors
    /// A covariance that is not one of the scan's coils, sigma below 0.
    pub fn apply(&self, scan: &mut KSpace) -> Result<()> {
        if !(self.sigma >= 0.0 && self.sigma.is_finite()) {
            return Err(Error::Option(format!("noise of {}: it must be 0 or more", self.sigma)));
        }
        let coils = scan.coils();
        let factor = self.factor(coils)?;
        let (_, _, nz, ny, nx) = scan.samples.dim();
        let points = nz * ny * nx;
        for frame in 0..scan.frames() {
            let mask = match &scan.encoding {
                Encoding::Cartesian(masks) => Some(masks[frame.min(masks.len() - 1)].clone()),
                Encoding::Trajectory(_) => None,
            };
            let mut samples = scan.samples.index_axis_mut(Axis(0), frame);
            let noise: Vec<Vec<Complex32>> = (0..points)
                .into_par_iter()
                .map(|point| match &mask {
                    Some(mask) if !mask.sampled[point] => Vec::new(),
                    _ => self.draw(&factor, [SCAN, frame * points + point]),
                })
                .collect();
            for (coil, mut received) in samples.axis_iter_mut(Axis(0)).enumerate() {
                received.iter_mut().zip(&noise).filter(|(_, n)| !n.is_empty()).for_each(|(v, n)| *v += n[coil]);
            }
        }
        let alone: Vec<_> = (0..NOISE_SAMPLES).map(|sample| self.draw(&factor, [NOISE_SCAN, sample])).collect();
        scan.noise = Some(Array2::from_shape_fn((coils, NOISE_SAMPLES), |(coil, sample)| alone[sample][coil]));
        Ok(())
    }

    /// The noise of all coils in one sample.
    fn draw(&self, factor: &Array2<f64>, [stream, sample]: [usize; 2]) -> Vec<Complex32> {
        let coils = factor.nrows();
        let scale = self.sigma / 2_f64.sqrt();
        let white: Vec<[f64; 2]> = (0..coils)
            .map(|coil| {
                let mut draws = Draws::new(self.seed, [stream, sample, coil]);
                [draws.normal() * scale, draws.normal() * scale]
            })
            .collect();
        let mixed =
            |coil: usize, part: usize| (0..=coil).map(|j| factor[[coil, j]] * white[j][part]).sum::<f64>() as f32;
        (0..coils).map(|coil| Complex32::new(mixed(coil, 0), mixed(coil, 1))).collect()
    }

    /// The lower triangle L with LLᵀ = covariance (Cholesky).
    fn factor(&self, coils: usize) -> Result<Array2<f64>> {
        let given = &self.covariance;
        if given.dim() != (coils, coils) {
            return Err(Error::Scan(format!("a coil covariance of {:?} for {coils} coils", given.dim())));
        }
        let wrong = |what: &str| Err(Error::Scan(format!("the coil covariance is not {what}: no noise can have it")));
        if given.indexed_iter().any(|((a, b), value)| (value - given[[b, a]]).abs() > 1e-6 * given[[a, a]].abs()) {
            return wrong("symmetric");
        }
        let mut factor = Array2::<f64>::zeros((coils, coils));
        for row in 0..coils {
            for column in 0..=row {
                let known: f64 = (0..column).map(|j| factor[[row, j]] * factor[[column, j]]).sum();
                let left = given[[row, column]] - known;
                if row != column {
                    factor[[row, column]] = left / factor[[column, column]];
                } else if left > 1e-12 * given[[row, row]].abs() {
                    factor[[row, row]] = left.sqrt();
                } else {
                    return wrong("positive definite");
                }
            }
        }
        Ok(factor)
    }

    /// Root mean square noise of the matched combination Σ s̄·x over the voxels that `object` marks, for sigma 1 and maps
    /// `[coil, z, y, x]` of unit root sum of squares: √(mean sᴴΨs), Ψ the covariance. 1 for white noise.
    pub fn combined(covariance: &Array2<f64>, maps: &Array4<Complex32>, object: impl Fn([usize; 3]) -> bool) -> f64 {
        let (_, nz, ny, nx) = maps.dim();
        let (mut sum, mut count) = (0.0, 0.0_f64);
        for z in 0..nz {
            for y in 0..ny {
                for x in (0..nx).filter(|x| object([z, y, *x])) {
                    let s = |coil: usize| maps[[coil, z, y, x]];
                    let size: f64 = maps.slice(ndarray::s![.., z, y, x]).iter().map(|s| f64::from(s.norm_sqr())).sum();
                    let own =
                        covariance.indexed_iter().map(|((a, b), value)| value * f64::from((s(a).conj() * s(b)).re));
                    sum += own.sum::<f64>() / size;
                    count += 1.0;
                }
            }
        }
        (sum / count.max(1.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, LengthUnit, Mask};
    use ndarray::Array5;

    fn nothing(coils: usize) -> KSpace {
        let mut mask = Mask::full([1, 100, 100]);
        mask.sampled[..1000].fill(false);
        KSpace {
            samples: Array5::zeros((1, coils, 1, 100, 100)),
            encoding: Encoding::Cartesian(vec![mask]),
            grid: Grid::centered([1, 100, 100], [1.0; 3], [0.0; 3]),
            unit: LengthUnit::Cell,
            axes: vec![],
            noise: None,
            seen: None,
        }
    }

    #[test]
    fn noise_has_its_size_and_covariance() {
        let coils = 4;
        let covariance = neighbours(coils, 0.5).unwrap();
        let mut scan = nothing(coils);
        CoilNoise { sigma: 3.0, covariance: covariance.clone(), seed: 2 }.apply(&mut scan).unwrap();
        assert!(
            scan.samples.iter().take(1000).all(|value| *value == Complex32::ZERO),
            "noise where nothing was sampled"
        );
        let lines = scan.samples.into_shape_with_order((coils, 10_000)).unwrap();
        for (samples, count) in
            [(lines.slice(ndarray::s![.., 1000..]).to_owned(), 9000.0), (scan.noise.unwrap(), 4096.0)]
        {
            for a in 0..coils {
                for b in 0..coils {
                    let product: Complex32 = samples.row(a).iter().zip(samples.row(b)).map(|(a, b)| a * b.conj()).sum();
                    let found = [product.re, product.im].map(|part| f64::from(part) / count / 9.0);
                    // The standard deviation of a covariance of unit variances is at most 1/√count in a part.
                    let five = 5.0 / f64::from(count as f32).sqrt();
                    assert!(
                        (found[0] - covariance[[a, b]]).abs() < five && found[1].abs() < five,
                        "{a} {b}: {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn noise_is_the_same_on_any_number_of_threads() {
        let noisy = |threads: usize, seed: u64| {
            let mut scan = nothing(2);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let noise = CoilNoise { sigma: 1.0, covariance: neighbours(2, 0.2).unwrap(), seed };
            pool.install(|| noise.apply(&mut scan)).unwrap();
            scan
        };
        assert_eq!(noisy(1, 5), noisy(3, 5));
        assert_ne!(noisy(1, 5).samples, noisy(1, 6).samples);
    }

    #[test]
    fn impossible_covariances_are_refused() {
        for values in [[1.0, 2.0, 2.0, 1.0], [1.0, 0.5, 0.1, 1.0], [0.0, 0.0, 0.0, 1.0]] {
            let covariance = Array2::from_shape_vec((2, 2), values.to_vec()).unwrap();
            let noise = CoilNoise { sigma: 1.0, covariance, seed: 0 };
            assert!(noise.apply(&mut nothing(2)).is_err(), "{values:?}");
            assert!(noise.apply(&mut nothing(3)).is_err());
        }
        assert!(neighbours(4, 1.0).is_err() && neighbours(4, -0.1).is_err());
    }

    #[test]
    fn combined_noise_is_the_quadratic_form() {
        // Two coils of equal weight and correlation ρ: sᴴΨs = 1 + ρ.
        let maps = Array4::from_elem((2, 1, 1, 1), Complex32::new(0.5_f32.sqrt(), 0.0));
        let found = CoilNoise::combined(&neighbours(2, 0.44).unwrap(), &maps, |_| true);
        assert!((found - 1.2).abs() < 1e-6, "{found}");
    }
}
