//! ASD-POCS (Sidky & Pan 2008): SART and total-variation descent in turn, for few views.

use super::{Iterative, Recipe, Reconstruction, classical, finer, iteration::Enough, options::Options, sirt};
use crate::{
    device::Device,
    error::Result,
    geometry::Grid,
    monitor::Monitor,
    scan::Scan,
    solvers::{AsdPocs, asd_pocs::Descent},
};

/// The paper stops where data and descent balance; after so many sweeps little changes.
const ENOUGH: Enough = Enough { change: 1e-3, most: 100 };
/// The sweep's first relaxation; it falls from sweep to sweep.
const RELAXATION: f32 = 1.0;
/// Subsets for which the paper's factor of the relaxation holds. With more of them a sweep has more steps, of which each answers
/// to the noise of its own rays alone: the factor's power grows as this power of their number, or the image would end as a cycle
/// of noise (found by trial, 24 to 720 views).
const FEW: f64 = 30.0;
const POWER: f64 = 0.75;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct AsdPocsRecipe(pub Options);

impl Iterative for AsdPocsRecipe {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        finer::no_wider_than_cells(&self.0, scan, grid, |options, scan, grid| {
            Self(options.clone()).on_pixels(scan, grid, device, monitor)
        })
    }
}

impl AsdPocsRecipe {
    /// On these very pixels.
    fn on_pixels(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        let options = &self.0;
        let count = options.subsets.unwrap_or(scan.geometry.views.len());
        let trust = sirt::trust(options, &scan, count, monitor)?;
        let every_view: Vec<usize> = (0..scan.geometry.views.len()).collect();
        let sweep = sirt::solver(options, (&scan, grid), (device, monitor), (count, RELAXATION), &every_view)?;
        // A ray through half of the grid with the data's largest value.
        let [_, height, width] = grid.voxel();
        let across = 0.5 * (height * grid.shape[1] as f64).max(width * grid.shape[2] as f64);
        let largest = scan.projections.iter().fold(0.0_f32, |most, value| most.max(*value));
        let contrast = (f64::from(largest) / across) as f32;
        let usual = Descent::default();
        let power = (count as f64 / FEW).max(1.0).powf(POWER);
        let descent = Descent { relaxation: usual.relaxation.powf(power as f32), ..usual };
        let mut solver = AsdPocs::new(sweep, grid.shape, contrast, descent)?;
        let (values, note) = options.iteration.run(&mut solver, ENOUGH, grid.shape, monitor)?;
        let values = values.mapv_into(|value| value.clamp(options.bounds.lower, options.bounds.upper));
        Ok(classical::finished("asd-pocs", values, &scan, grid, vec![trust.note, note]))
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(AsdPocsRecipe(options.clone()))
}
