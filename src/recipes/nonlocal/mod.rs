//! A prior of like patches: what recurs in a slice, such as edges of one direction and texture, is kept where neighbours alone
//! would be flattened. Patches of 8 × 8 pixels are filtered in groups of like ones (BM3D's first half; Dabov, Foi, Katkovnik &
//! Egiazarian 2007). From few views the filter and the data take turns; from many, the data leave little to decide and one
//! pass does.

mod few_views;
mod many_views;

use super::{Recipe, Reconstruction, options::Options};
use crate::{
    device::{Array, Device},
    error::Result,
    geometry::Grid,
    monitor::Monitor,
    operators::{GroupFilter, Levels},
    scan::Scan,
};

/// Pixels that a match may be away, along each axis.
const RADIUS: usize = 12;
/// Views that count as many: enough for ordered subsets.
const MANY: usize = 240;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct NonLocal(pub Options);

impl Recipe for NonLocal {
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        self.0.strength.check()?;
        self.0.iteration.check(&scan.geometry, grid)?;
        if scan.geometry.views.len() < MANY {
            few_views::reconstruct(&self.0, scan, grid, device, monitor)
        } else {
            many_views::reconstruct(&self.0, scan, grid, device, monitor)
        }
    }
}

/// All but the 1 in 1000 least and largest values are told from each other; patches are flat if noise would be invisible in
/// them.
fn levels(device: &Device, image: &Array, threshold: f64) -> Result<Levels> {
    let mut values: Vec<f32> = device.download(image)?;
    let last = values.len() - 1;
    let lowest = *values.select_nth_unstable_by(last / 1000, f32::total_cmp).1;
    let highest = *values.select_nth_unstable_by(last - last / 1000, f32::total_cmp).1;
    Ok(Levels { lowest, highest, flat: 0.2 * threshold as f32 })
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(NonLocal(options.clone()))
}
