//! Total generalised variation: ½‖x − y‖² + λ·TGV²(x), which takes ramps for what they are (Bredies, Kunisch & Pock 2010),
//! slice
//! by slice.

use super::{Denoiser, Noisy, Options, careful, variational};
use crate::{
    device::{Array, Device},
    error::Result,
    operators::Pixels,
    regularisers::total_generalised_variation,
};

/// λ over σ: found by trial on heads.
const STRENGTH: f32 = 0.7;

/// The method, for Gaussian noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TotalGeneralisedVariation {
    /// λ over σ.
    pub strength: f32,
}

impl Denoiser for TotalGeneralisedVariation {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        variational::minimise((device, noisy), (3, self.strength), |slices, strength| {
            total_generalised_variation(device, slices, Pixels::Real, strength).into()
        })
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let make = |strength| TotalGeneralisedVariation { strength };
    careful::denoiser(options, make, STRENGTH)
}
