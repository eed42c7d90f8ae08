//! SART (Andersen & Kak 1984): the simultaneous method with one view a subset, or as many subsets as `--subsets` says.

use super::{Iterative, Recipe, Reconstruction, finer, iteration::Enough, options::Options, sirt::simultaneous};
use crate::{device::Device, error::Result, geometry::Grid, monitor::Monitor, scan::Scan};

/// Where the data's noise does not end it.
const ENOUGH: Enough = Enough { change: 1e-3, most: 60 };
/// λ: shorter steps average the noise of more views.
const RELAXATION: f32 = 0.5;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Sart(pub Options);

impl Iterative for Sart {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        let count = self.0.subsets.unwrap_or(scan.geometry.views.len());
        finer::no_wider_than_cells(&self.0, scan, grid, |options, scan, grid| {
            simultaneous(("sart", options), (scan, grid), (device, monitor), (count, RELAXATION, ENOUGH))
        })
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Sart(options.clone()))
}
