//! Total variation: ½‖x − y‖² + λ Σ |∇x| (Rudin, Osher & Fatemi 1992, Physica D 60, 259), slice by slice.

use super::{Denoiser, Noisy, Options, careful, variational};
use crate::{
    device::{Array, Device},
    error::Result,
    operators::Pixels,
    regularisers::total_variation,
};

/// λ over σ: found by trial on heads.
const STRENGTH: f32 = 0.7;

/// The method, for Gaussian noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TotalVariation {
    /// λ over σ.
    pub strength: f32,
}

impl Denoiser for TotalVariation {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        variational::minimise((device, noisy), (1, self.strength), |slices, strength| {
            vec![total_variation(device, slices, Pixels::Real, strength)]
        })
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let make = |strength| TotalVariation { strength };
    careful::denoiser(options, make, STRENGTH)
}
