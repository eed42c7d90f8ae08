//! Second-order total generalised variation: ½‖Ax − b‖² + λ TGV²(x) (Knoll, Bredies, Pock & Stollberger 2011), A the coils'
//! encoding.

use super::{MrOptions, MrRecipe, MrReconstruction, variational};
use crate::{
    device::Device, error::Result, monitor::Monitor, operators::Pixels, regularisers::total_generalised_variation,
    scan::KSpace,
};

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Tgv(pub MrOptions);

impl MrRecipe for Tgv {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        variational::reconstruct(("tgv", &self.0), scan, (device, monitor), (6, 1.0), |slices, strength| {
            total_generalised_variation(device, slices, Pixels::Complex, strength as f32).into()
        })
    }
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(Tgv(options.clone()))
}
