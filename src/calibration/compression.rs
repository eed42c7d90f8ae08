//! Coil compression: the principal components of the coils' covariance as virtual coils (M. Buehrer et al., Magn Reson Med
//! 57, 1131–1139, 2007).

use ndarray::{Array2, ArrayView4, ArrayViewMut4, Axis, s};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::covariance::{coil_covariance, eigenvectors};
use crate::error::{Error, Result};

/// How many virtual coils remain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    /// So many, or all if there are fewer.
    Coils(usize),
    /// The fewest that carry this share of every frame's energy, such as 0.999.
    Energy(f64),
}

/// A change to few virtual coils: orthonormal mixtures, so white noise stays white.
#[derive(Clone, Debug, PartialEq)]
pub struct Compression {
    /// `[virtual coil, coil]`, the strongest virtual coil first.
    pub matrix: Array2<Complex64>,
    /// All mixtures, those that are not kept too.
    all: Array2<Complex64>,
    /// Share of the energy that each mixture carries, all of them, largest first.
    pub shares: Vec<f64>,
}

impl Compression {
    /// From the samples `[coil, z, y, x]` of all frames that are to share the mixtures: the calibration region, or all of k-space.
    /// Every frame counts alike, however bright it is. Whiten them first.
    ///
    /// # Errors
    /// [`Error::Option`] if nothing is to be kept, [`Error::Scan`] if the samples are all zero.
    pub fn new(frames: &[ArrayView4<Complex32>], keep: Keep) -> Result<Self> {
        let coils = frames.first().map_or(0, |frame| frame.dim().0);
        let mut covariances: Vec<Array2<Complex64>> =
            frames.iter().map(|frame| coil_covariance(flat(*frame).view())).collect();
        covariances.retain_mut(|covariance| {
            let energy: f64 = covariance.diag().iter().map(|x| x.re).sum();
            covariance.mapv_inplace(|x| x / energy.max(f64::MIN_POSITIVE));
            energy > 0.0
        });
        if covariances.is_empty() {
            return Err(Error::Scan(format!("the samples of {coils} coils are all 0: there is nothing to compress")));
        }
        let sum = covariances.iter().fold(Array2::zeros((coils, coils)), |sum, covariance| sum + covariance);
        let (values, vectors) = eigenvectors(&sum);
        let shares: Vec<f64> = values.iter().map(|value| value.max(0.0) / covariances.len() as f64).collect();
        let kept = match keep {
            Keep::Coils(count) if count > 0 => count.min(coils),
            Keep::Energy(share) if share > 0.0 && share <= 1.0 => {
                let enough = covariances.iter().map(|covariance| fewest(&carried(covariance, &vectors), share));
                enough.max().unwrap_or(coils)
            }
            _ => {
                return Err(Error::Option(format!(
                    "coil compression to {keep:?}: keep at least 1 coil, or a share of the energy in 0…1"
                )));
            }
        };
        let all = vectors.t().mapv(|value| value.conj());
        Ok(Self { matrix: all.slice(s![..kept, ..]).to_owned(), all, shares })
    }

    /// The same with `coils` virtual coils, if there are as many.
    pub fn widened(&self, coils: usize) -> Self {
        let count = coils.min(self.all.nrows());
        Self { matrix: self.all.slice(s![..count, ..]).to_owned(), ..self.clone() }
    }

    /// Virtual coils.
    pub fn coils(&self) -> usize {
        self.matrix.nrows()
    }

    /// The energy that the virtual coils carry, 0…1.
    pub fn energy(&self) -> f64 {
        self.shares[..self.coils()].iter().sum()
    }

    /// Samples `[coil, z, y, x]` of one frame into `[virtual coil, z, y, x]`.
    ///
    /// # Panics
    /// If the coils are not as many as those of the samples that it was made from, or `into` has another shape.
    #[track_caller]
    pub fn apply(&self, samples: ArrayView4<Complex32>, into: ArrayViewMut4<Complex32>) {
        let (coils, nz, ny, nx) = samples.dim();
        assert_eq!(coils, self.matrix.ncols(), "coils of the scan, and of the compression");
        assert_eq!(into.dim(), (self.coils(), nz, ny, nx), "virtual coils");
        let weights = self.matrix.map(|x| Complex32::new(x.re as f32, x.im as f32));
        let mut into = into;
        into.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut virtual_coil)| {
            virtual_coil.fill(Complex32::ZERO);
            for (coil, values) in samples.outer_iter().enumerate() {
                virtual_coil.scaled_add(weights[[row, coil]], &values);
            }
        });
    }
}

/// `[coil, sample]`.
pub(super) fn flat(samples: ArrayView4<Complex32>) -> Array2<Complex32> {
    let (coils, nz, ny, nx) = samples.dim();
    let owned = samples.as_standard_layout().into_owned();
    owned.into_shape_with_order((coils, nz * ny * nx)).expect("standard layout")
}

/// The share of a covariance of unit trace that each mixture carries: vᴴ Ψ v.
fn carried(covariance: &Array2<Complex64>, vectors: &Array2<Complex64>) -> Vec<f64> {
    let product = covariance.dot(vectors);
    let both = vectors.columns().into_iter().zip(product.columns());
    both.map(|(vector, product)| vector.iter().zip(product).map(|(v, p)| (v.conj() * p).re).sum()).collect()
}

/// How many of the `shares`, from the first on, sum to `share`.
fn fewest(shares: &[f64], share: f64) -> usize {
    let mut sum = 0.0;
    for (index, part) in shares.iter().enumerate() {
        sum += part;
        // Rounding must not ask for a coil of nothing.
        if sum >= share - 1e-12 {
            return index + 1;
        }
    }
    shares.len()
}
