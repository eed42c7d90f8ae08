//! Simultaneous iterative reconstruction (Gregor & Benson 2008), until the data are explained to within their noise;
//! `--subsets` makes it one of ordered subsets.

use super::{
    Iterative, Recipe, Reconstruction, classical, finer,
    iteration::Enough,
    left_out::{self, Ending},
    options::Options,
};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::Grid,
    monitor::Monitor,
    scan::Scan,
    solvers::{Sirt, SirtOptions, Subset, subsets},
};

/// Where the data's noise does not end it.
const ENOUGH: Enough = Enough { change: 1e-3, most: 500 };
/// Subsets that are few. Each step of a sweep answers to the noise of its own rays alone; with more of them, steps shorter by the
/// root of their number end a sweep as near to the image, with less of that noise in it.
const FEW: f64 = 30.0;
/// So many whole steps a sweep make a cycle out of what pixels cannot explain: from there on, a sweep that lowers the misfit by
/// less than a tenth is the last (found by trial: from 30 to 720 views, with noise and without, the image is best within a sweep
/// or two of it).
const CYCLE: f64 = 15.0;
const LEAST_FALL: f64 = 0.1;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct SirtRecipe(pub Options);

impl Iterative for SirtRecipe {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        let count = self.0.subsets.unwrap_or(1);
        finer::no_wider_than_cells(&self.0, scan, grid, |options, scan, grid| {
            simultaneous(("sirt", options), (scan, grid), (device, monitor), (count, 1.0, ENOUGH))
        })
    }
}

/// sirt and sart: so many subsets, a relaxation, and when it is enough.
pub fn simultaneous(
    (name, options): (&str, &Options),
    (scan, grid): (Scan, &Grid),
    (device, monitor): (&Device, &Monitor),
    (count, relaxation, enough): (usize, f32, Enough),
) -> Result<Reconstruction> {
    let views = scan.geometry.views.len();
    let relaxation = relaxation * (FEW / count as f64).sqrt().min(1.0) as f32;
    let trust = trust(options, &scan, count, monitor)?;
    let mut notes = vec![trust.note.clone(), format!("{count} subsets of {views} views, relaxation {relaxation:.3}")];
    let cycles = f64::from(relaxation) * count as f64 >= CYCLE;
    let ending = Ending {
        enough,
        // A look costs a projection: with one subset, half an iteration.
        every: if count == 1 { 5 } else { 1 },
        least_fall: cycles.then_some(LEAST_FALL),
    };
    let solver = |seen: &[usize]| solver(options, (&scan, grid), (device, monitor), (count, relaxation), seen);
    let (values, said) = left_out::iterate(solver, (&scan, grid), (options, trust), &ending, (device, monitor))?;
    notes.extend(said);
    Ok(classical::finished(name, values, &scan, grid, notes))
}

/// What the rays are worth, of a scan that has so many subsets.
pub fn trust(options: &Options, scan: &Scan, count: usize, monitor: &Monitor) -> Result<classical::Trust> {
    let views = scan.geometry.views.len();
    if !(1..=views).contains(&count) {
        return Err(Error::Option(format!("{count} subsets of {views} views: give a number from 1 to {views}")));
    }
    monitor.step("noise", 1, || classical::trust(scan, options.photons))
}

/// The solver of those views.
pub fn solver(
    options: &Options,
    (scan, grid): (&Scan, &Grid),
    (device, monitor): (&Device, &Monitor),
    (count, relaxation): (usize, f32),
    seen: &[usize],
) -> Result<Sirt> {
    monitor.step("plan", 1, || {
        let subset = |views: Vec<usize>| -> Result<Subset> {
            let (operator, data) = classical::rays(scan, &views, grid, device)?;
            Ok(Subset { operator: Box::new(operator), data })
        };
        let subsets = subsets::interleaved(seen.len(), count.min(seen.len()));
        let of_scan = |subset: Vec<usize>| subset.into_iter().map(|index| seen[index]).collect();
        let subsets = subsets.into_iter().map(of_scan).map(subset).collect::<Result<_>>()?;
        let start = classical::start(options, grid, device, None)?;
        Sirt::new(device, subsets, start, SirtOptions { relaxation, bounds: options.bounds })
    })
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(SirtRecipe(options.clone()))
}
