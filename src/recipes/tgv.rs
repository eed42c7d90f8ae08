//! Second-order total generalised variation: ½ Σ w (Ax − b)² + λ TGV²(x), x within bounds (Bredies, Kunisch & Pock 2010).

use super::{Iterative, Recipe, Reconstruction, finer, options::Options, variational};
use crate::{
    device::Device, error::Result, geometry::Grid, monitor::Monitor, operators::Pixels,
    regularisers::total_generalised_variation, scan::Scan,
};

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Tgv(pub Options);

impl Iterative for Tgv {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        finer::reconstruct(&self.0, scan, grid, 1, |options, scan, grid| {
            variational::reconstruct(("tgv", options), scan, grid, (device, monitor), 3, |strength| {
                Ok(total_generalised_variation(device, grid.shape, Pixels::Real, strength as f32).into())
            })
        })
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Tgv(options.clone()))
}
