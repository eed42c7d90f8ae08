//! Noise whitening: with the noise's covariance Ψ = L Lᴴ (Cholesky), L⁻¹x has noise of unit variance that is uncorrelated
//! between coils (K. P. Pruessmann et al., Magn Reson Med 46, 638–651, 2001, appendix A).

use ndarray::{Array2, Array5, ArrayView2, ArrayView4};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::covariance::{blocks, coil_covariance};
use crate::{
    error::{Error, Result},
    geometry::Mask,
};

/// A linear mixture of coils after which the noise is white.
#[derive(Clone, Debug, PartialEq)]
pub struct Whitening {
    /// L⁻¹, lower triangular, `[coil, coil]`.
    pub matrix: Array2<Complex64>,
}

impl Whitening {
    /// From a noise scan `[coil, sample]`: afterwards the mean of |noise|² is 1 in every coil.
    ///
    /// # Errors
    /// [`Error::Scan`] if there are fewer samples than coils, or a coil is silent or a mixture of others.
    pub fn from_noise(noise: ArrayView2<Complex32>) -> Result<Self> {
        let (coils, samples) = noise.dim();
        if coils == 0 || samples < coils {
            return Err(Error::Scan(format!(
                "the noise scan has {samples} samples of {coils} coils: a covariance needs at least as many samples as coils"
            )));
        }
        Self::from_covariance(&coil_covariance(noise))
    }

    /// Without a noise scan: from the outermost twentieth of the sampled points of k-space `[coil, z, y, x]`.
    ///
    /// An upper estimate: what signal is left out there counts as noise, and its correlation between coils as the noise's.
    /// With signal-to-noise that is high even at the edge of k-space (sharp images of few voxels), prefer a noise scan or none.
    ///
    /// # Errors
    /// [`Error::Scan`] as [`Self::from_noise`], or if mask and samples do not fit each other.
    pub fn from_periphery(samples: ArrayView4<Complex32>, mask: &Mask) -> Result<Self> {
        mask.check()?;
        let (coils, nz, ny, nx) = samples.dim();
        if mask.shape != [nz, ny, nx] {
            return Err(Error::Scan(format!(
                "a mask of {:?} for samples of {:?} (z, y, x): they must be alike",
                mask.shape,
                [nz, ny, nx]
            )));
        }
        let mut outermost: Vec<(f64, usize)> = (0..mask.sampled.len())
            .filter(|index| mask.sampled[*index])
            .map(|index| (distance(mask.shape, index), index))
            .collect();
        outermost.sort_by(|a, b| b.0.total_cmp(&a.0));
        outermost.truncate((outermost.len() / 20).max(10 * coils));
        let noise = Array2::from_shape_fn((coils, outermost.len()), |(coil, i)| {
            let index = outermost[i].1;
            samples[[coil, index / (ny * nx), index / nx % ny, index % nx]]
        });
        Self::from_noise(noise.view())
    }

    /// From a covariance, `[coil, coil]`.
    ///
    /// # Errors
    /// [`Error::Scan`] if it is not positive definite: a coil is silent, or a mixture of others.
    pub fn from_covariance(covariance: &Array2<Complex64>) -> Result<Self> {
        let factor = cholesky(covariance)?;
        Ok(Self { matrix: inverse_of_lower(&factor) })
    }

    /// L: what undoes it, `[coil, coil]`.
    pub fn inverse(&self) -> Array2<Complex64> {
        inverse_of_lower(&self.matrix)
    }

    /// Whitens `[frame, coil, z, y, x]` in place.
    ///
    /// # Panics
    /// If the coils are not as many as the covariance's.
    #[track_caller]
    pub fn apply(&self, samples: &mut Array5<Complex32>) {
        let (frames, coils, nz, ny, nx) = samples.dim();
        assert_eq!(coils, self.matrix.nrows(), "coils of the scan, and of the noise");
        if samples.is_empty() {
            return;
        }
        if !samples.is_standard_layout() {
            *samples = samples.as_standard_layout().into_owned();
        }
        let per_coil = nz * ny * nx;
        let weights = self.matrix.map(|x| Complex32::new(x.re as f32, x.im as f32));
        let all = samples.as_slice_mut().expect("standard layout, made above");
        let parts: Vec<_> = all.chunks_mut(coils * per_coil).flat_map(|frame| blocks(frame, per_coil)).collect();
        debug_assert!(parts.len() >= frames);
        parts.into_par_iter().for_each(|mut block| mix_in_place(&weights, &mut block));
    }

    /// The same for calibration data or a noise scan, `[coil, sample]`.
    ///
    /// # Panics
    /// As [`Self::apply`].
    #[track_caller]
    pub fn applied(&self, samples: ArrayView2<Complex32>) -> Array2<Complex32> {
        let (coils, count) = samples.dim();
        let mut all = Array5::from_shape_fn((1, coils, 1, 1, count), |(_, coil, _, _, i)| samples[[coil, i]]);
        self.apply(&mut all);
        all.into_shape_with_order((coils, count)).expect("as many numbers")
    }
}

/// Distance from the centre of k-space, 1 at the middle of an edge.
fn distance(shape: [usize; 3], index: usize) -> f64 {
    let position = [index / (shape[1] * shape[2]), index / shape[2] % shape[1], index % shape[2]];
    let along = |axis: usize| (position[axis] as f64 - (shape[axis] / 2) as f64) / (0.5 * shape[axis] as f64);
    (0..3).filter(|axis| shape[*axis] > 1).map(|axis| along(axis).powi(2)).sum::<f64>().sqrt()
}

/// The last coil first, since a coil needs those before it unmixed.
fn mix_in_place(weights: &Array2<Complex32>, block: &mut [&mut [Complex32]]) {
    for coil in (0..block.len()).rev() {
        let (before, here) = block.split_at_mut(coil);
        let own = weights[[coil, coil]];
        here[0].iter_mut().for_each(|x| *x *= own);
        for (other, values) in before.iter().enumerate() {
            let weight = weights[[coil, other]];
            here[0].iter_mut().zip(values.iter()).for_each(|(x, y)| *x += weight * y);
        }
    }
}

/// L of A = L Lᴴ.
fn cholesky(a: &Array2<Complex64>) -> Result<Array2<Complex64>> {
    let n = a.nrows();
    let mut l = Array2::<Complex64>::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let known: Complex64 = (0..j).map(|k| l[[i, k]] * l[[j, k]].conj()).sum();
            let rest = a[[i, j]] - known;
            if i != j {
                l[[i, j]] = rest / l[[j, j]].re;
            } else if rest.re > 1e-10 * a[[i, i]].re {
                l[[i, i]] = rest.re.sqrt().into();
            } else {
                let why = match a[[i, i]].re {
                    variance if !variance.is_finite() || !rest.re.is_finite() => "is not finite",
                    variance if variance > 0.0 => "is a mixture of the coils before it",
                    _ => "is silent",
                };
                return Err(Error::Scan(format!(
                    "the noise of coil {i} {why}: whitening needs independent noise; remove that coil, or compress coils"
                )));
            }
        }
    }
    Ok(l)
}

fn inverse_of_lower(l: &Array2<Complex64>) -> Array2<Complex64> {
    let n = l.nrows();
    let mut inverse = Array2::<Complex64>::zeros((n, n));
    for j in 0..n {
        inverse[[j, j]] = 1.0 / l[[j, j]];
        for i in j + 1..n {
            let known: Complex64 = (j..i).map(|k| l[[i, k]] * inverse[[k, j]]).sum();
            inverse[[i, j]] = -known / l[[i, i]];
        }
    }
    inverse
}
