//! Total variation: ½ Σ w (Ax − b)² + λ Σ |∇x|, x within bounds (Rudin, Osher & Fatemi 1992; for few views Sidky & Pan
//! 2008).

use super::{Iterative, Recipe, Reconstruction, finer, options::Options, variational};
use crate::{
    device::Device, error::Result, geometry::Grid, monitor::Monitor, operators::Pixels, regularisers::total_variation,
    scan::Scan,
};

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Tv(pub Options);

impl Iterative for Tv {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        finer::reconstruct(&self.0, scan, grid, 1, |options, scan, grid| {
            variational::reconstruct(("tv", options), scan, grid, (device, monitor), 1, |strength| {
                Ok(vec![total_variation(device, grid.shape, Pixels::Real, strength as f32)])
            })
        })
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Tv(options.clone()))
}
