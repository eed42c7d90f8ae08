//! Total variation: ½‖Ax − b‖² + λ Σ |∇x| (Block, Uecker & Frahm 2007), A the coils' encoding.

use super::{MrOptions, MrRecipe, MrReconstruction, variational};
use crate::{
    device::Device, error::Result, monitor::Monitor, operators::Pixels, regularisers::total_variation, scan::KSpace,
};

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Tv(pub MrOptions);

impl MrRecipe for Tv {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        variational::reconstruct(("tv", &self.0), scan, (device, monitor), (2, 1.0), |slices, strength| {
            vec![total_variation(device, slices, Pixels::Complex, strength as f32)]
        })
    }
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(Tv(options.clone()))
}
