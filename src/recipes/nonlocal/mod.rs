//! A prior of like patches: what recurs in a slice, such as edges of one direction and texture, is kept where neighbours alone
//! would be flattened. Patches of 8 × 8 pixels are filtered in groups of like ones (BM3D's first half; Dabov, Foi, Katkovnik &
//! Egiazarian 2007). From few views the filter and the data take turns; from many, the data leave little to decide and one
//! pass does.

mod few_views;
mod many_views;

use super::{Iterative, Recipe, Reconstruction, options::Options};
use crate::{device::Device, error::Result, geometry::Grid, monitor::Monitor, scan::Scan};

/// Views that count as many.
const MANY_VIEWS: usize = 240;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct NonLocal(pub Options);

impl Iterative for NonLocal {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        self.0.strength.check()?;
        self.0.iteration.check(&scan.geometry, grid)?;
        if scan.geometry.views.len() < MANY_VIEWS {
            few_views::reconstruct(&self.0, scan, grid, device, monitor)
        } else {
            many_views::reconstruct(&self.0, scan, grid, device, monitor)
        }
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(NonLocal(options.clone()))
}
