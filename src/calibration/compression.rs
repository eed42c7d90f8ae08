//! Coil compression: the principal components of the coils' covariance as virtual coils (M. Buehrer et al., Magn Reson Med
//! 57, 1131–1139, 2007).

use ndarray::{Array2, Array5, ArrayView4};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::covariance::{coil_covariance, eigenvectors};
use crate::error::{Error, Result};

/// How many virtual coils remain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keep {
    /// So many, or all if there are fewer.
    Coils(usize),
    /// The fewest that carry this share of the energy, such as 0.999.
    Energy(f64),
}

/// A change to few virtual coils: orthonormal mixtures, so white noise stays white.
#[derive(Clone, Debug, PartialEq)]
pub struct Compression {
    /// `[virtual coil, coil]`, the strongest virtual coil first.
    pub matrix: Array2<Complex64>,
    /// Share of the energy that each mixture carries, all of them, largest first.
    pub shares: Vec<f64>,
}

impl Compression {
    /// From samples `[coil, z, y, x]`: the calibration region, or all of k-space. Whiten them first.
    ///
    /// # Errors
    /// [`Error::Option`] if nothing is to be kept, [`Error::Scan`] if the samples are all zero.
    pub fn new(samples: ArrayView4<Complex32>, keep: Keep) -> Result<Self> {
        let coils = samples.dim().0;
        let covariance = coil_covariance(flat(samples).view());
        let (values, vectors) = eigenvectors(&covariance);
        let total: f64 = values.iter().map(|value| value.max(0.0)).sum();
        if total <= 0.0 {
            return Err(Error::Scan(format!("the samples of {coils} coils are all 0: there is nothing to compress")));
        }
        let shares: Vec<f64> = values.iter().map(|value| value.max(0.0) / total).collect();
        let kept = match keep {
            Keep::Coils(count) if count > 0 => count.min(coils),
            Keep::Energy(share) if share > 0.0 && share <= 1.0 => fewest(&shares, share),
            _ => {
                return Err(Error::Option(format!(
                    "coil compression to {keep:?}: keep at least 1 coil, or a share of the energy in 0…1"
                )));
            }
        };
        let matrix = Array2::from_shape_fn((kept, coils), |(row, coil)| vectors[[coil, row]].conj());
        Ok(Self { matrix, shares })
    }

    /// Virtual coils.
    pub fn coils(&self) -> usize {
        self.matrix.nrows()
    }

    /// The energy that the virtual coils carry, 0…1.
    pub fn energy(&self) -> f64 {
        self.shares[..self.coils()].iter().sum()
    }

    /// `[frame, coil, z, y, x]` in virtual coils.
    ///
    /// # Panics
    /// If the coils are not as many as those of the samples that it was made from.
    #[track_caller]
    pub fn apply(&self, samples: &Array5<Complex32>) -> Array5<Complex32> {
        let (frames, coils, nz, ny, nx) = samples.dim();
        assert_eq!(coils, self.matrix.ncols(), "coils of the scan, and of the compression");
        let per_coil = nz * ny * nx;
        let mut made = Array5::zeros((frames, self.coils(), nz, ny, nx));
        let samples = samples.as_standard_layout();
        let from = samples.as_slice().expect("standard layout");
        let into = made.as_slice_mut().expect("made above");
        let weights = self.matrix.map(|x| Complex32::new(x.re as f32, x.im as f32));
        into.par_chunks_mut(per_coil.max(1)).enumerate().for_each(|(index, virtual_coil)| {
            let (frame, row) = (index / self.coils(), index % self.coils());
            for (coil, values) in from[frame * coils * per_coil..][..coils * per_coil].chunks(per_coil).enumerate() {
                let weight = weights[[row, coil]];
                virtual_coil.iter_mut().zip(values).for_each(|(x, y)| *x += weight * y);
            }
        });
        made
    }
}

/// `[coil, sample]`.
pub(super) fn flat(samples: ArrayView4<Complex32>) -> Array2<Complex32> {
    let (coils, nz, ny, nx) = samples.dim();
    let owned = samples.as_standard_layout().into_owned();
    owned.into_shape_with_order((coils, nz * ny * nx)).expect("standard layout")
}

/// How many of the largest `shares` sum to `share`.
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
