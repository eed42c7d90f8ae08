//! Least squares by conjugate gradients (Hestenes & Stiefel 1952), until the data are explained to within their noise: it is
//! the number of iterations that regularises. Bounds are applied to the last image.

use super::{
    Iterative, Recipe, Reconstruction, classical, finer,
    iteration::Enough,
    left_out::{self, Ending},
    options::Options,
};
use crate::{device::Device, error::Result, geometry::Grid, monitor::Monitor, scan::Scan, solvers::ConjugateGradient};

/// Where the data's noise does not end it.
const ENOUGH: Enough = Enough { change: 1e-3, most: 100 };

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Cgls(pub Options);

impl Iterative for Cgls {
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

impl Cgls {
    /// On these very pixels.
    fn on_pixels(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        let options = &self.0;
        let trust = monitor.step("noise", 1, || classical::trust(&scan, options.photons))?;
        let solver = |seen: &[usize]| {
            monitor.step("plan", 1, || {
                let (operator, data) = classical::rays(&scan, seen, grid, device)?;
                let start = classical::start(options, grid, device, None)?;
                ConjugateGradient::new(device, Box::new(operator), data, start, 0.0)
            })
        };
        let mut notes = vec![trust.note.clone()];
        let ending = Ending { enough: ENOUGH, every: 1, least_fall: None };
        let (values, said) = left_out::iterate(solver, (&scan, grid), (options, trust), &ending, (device, monitor))?;
        notes.extend(said);
        let values = values.mapv_into(|value| value.clamp(options.bounds.lower, options.bounds.upper));
        Ok(classical::finished("cgls", values, &scan, grid, notes))
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Cgls(options.clone()))
}
