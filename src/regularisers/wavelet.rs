//! Sparse wavelet details: the mean over all shifts of the orthogonal transform's ℓ1 norm ("cycle spinning", Coifman &
//! Donoho 1995), so that the grid of wavelets leaves no blocks in the image.

use crate::{
    device::Device,
    error::Result,
    operators::{Pixels, UndecimatedWavelets, wavelet::Family},
    problem::Term,
};

/// λ · the mean over all shifts of Σ |details of W x| over slices `[nz, ny, nx]`, a complex number being one detail.
/// `wavelet` is a family and a number of levels.
///
/// # Errors
/// [`crate::Error::OutOfMemory`].
///
/// # Panics
/// Without levels.
#[track_caller]
pub fn wavelet_l1(
    device: &Device,
    slices: [usize; 3],
    pixels: Pixels,
    (family, levels): (Family, usize),
    strength: f32,
) -> Result<Term> {
    let operator = UndecimatedWavelets::new(device, slices, pixels, family, levels)?.mean_over_shifts();
    let norm = operator.norm();
    Ok(Term::new(operator, norm, strength))
}
