//! Penalised weighted least squares, ½ Σ w (Ax − b)² + β·R(x): rays weighted by the inverse of their variance (Sauer &
//! Bouman 1993), the q-GGMRF penalty on neighbours (Thibault et al. 2007), by ordered subsets with momentum (Kim, Ramani &
//! Fessler 2015) from an FBP image.
//!
//! The weights are absolute, so that the noise in the data sets the balance: with fewer photons they fall, and the penalty,
//! in the main a belief about objects, weighs more. Its strength is β = κ/c², c = EDGE times the object's attenuation and
//! κ = STRENGTH · (the typical ray's weight times the number of views / 10⁵)^POWER · (width of a pixel in cells): a belief
//! alone would not change (power 0), a threshold that noise must not pass would grow as the power q/2.

use ndarray::{Array3, ArrayView2};

use super::{
    Iterative, Recipe, Reconstruction,
    classical::{self, Trust},
    fbp::{Fbp, Filter},
    finer,
    iteration::Enough,
    options::Options,
};
use crate::{
    device::Device,
    error::{Error, Result},
    functionals::{Block, LeastSquares, Neighbourhood, Objective, Potential},
    geometry::{Geometry, Grid},
    monitor::Monitor,
    operators::{LinearOperator, XRay},
    scan::Scan,
    solvers::{OrderedSubsets, subsets},
};

/// Power of large differences, as Thibault et al. chose it.
const Q: f32 = 1.2;
/// Where edges begin: c, of the object's attenuation.
const EDGE: f64 = 0.02;
/// κ where the information is 10⁵; this and the power were found by trial, on the Toft phantom and on a chest slice from
/// 30 to 720 views of 10⁴ to 10⁵ photons.
const STRENGTH: f64 = 0.25;
const POWER: f64 = 0.3;
/// Views that a subset needs for its gradient to be like that of all: with half as many, momentum circles the minimum so
/// widely that it shows.
const VIEWS: usize = 60;
/// Subsets, at most.
const SUBSETS: usize = 12;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Pwls(pub Options);

impl Iterative for Pwls {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        self.0.strength.check()?;
        finer::reconstruct(&self.0, scan, grid, 1, |options, scan, grid| {
            penalised(options, scan, grid, (device, monitor))
        })
    }
}

/// On these pixels.
fn penalised(
    options: &Options,
    scan: Scan,
    grid: &Grid,
    (device, monitor): (&Device, &Monitor),
) -> Result<Reconstruction> {
    let views = scan.geometry.views.len();
    let count = options.subsets.unwrap_or((views / VIEWS).clamp(1, SUBSETS));
    if !(1..=views).contains(&count) {
        return Err(Error::Option(format!("{count} subsets of {views} views: give a number from 1 to {views}")));
    }
    let trust = monitor.step("noise", 1, || classical::trust(&scan, options.photons))?;
    let contrast = attenuation(&scan)?;
    let edge = EDGE * contrast;
    let usual = STRENGTH * (trust.information / 1e5).powf(POWER) * width(&scan.geometry, grid) / (edge * edge);
    let strength = options.strength.of(usual);
    let mut notes = vec![
        trust.note.clone(),
        format!("strength {strength:.4e}, edges from {edge:.3e} on: the object attenuates about {contrast:.3e}"),
        format!("{count} subsets of {views} views"),
    ];
    let first = first(options, (&scan, grid), (device, monitor), &mut notes)?;
    let mut solver = monitor.step("plan", 1, || {
        let objective = objective(&scan, grid, device, &trust, (count, strength, edge))?;
        OrderedSubsets::new(objective, classical::start(options, grid, device, first)?, options.bounds)
    })?;
    let enough = Enough { change: 1e-3, most: (400 / count).max(30) };
    let (values, note) = options.iteration.run(&mut solver, enough, grid.shape, monitor)?;
    notes.push(note);
    Ok(classical::finished("pwls", values, &scan, grid, notes))
}

/// ½ Σ w (Ax − b)² in `count` blocks, and β·R(x).
fn objective(
    scan: &Scan,
    grid: &Grid,
    device: &Device,
    trust: &Trust,
    (count, strength, edge): (usize, f64, f64),
) -> Result<Objective> {
    let potential = Potential::QGgmrf { q: Q };
    let penalty = Neighbourhood::new(device, grid.shape[1], potential, strength as f32, edge as f32)?;
    let block = |views: Vec<usize>| -> Result<Block> {
        let operator = XRay::of_views(device, &scan.geometry, &views, grid)?;
        let data = classical::of_views(scan.projections.as_slice(), scan, &views);
        let weights = classical::of_views(Some(&trust.weights), scan, &views);
        let term = LeastSquares::new(device, operator.range(), data, weights)?;
        Ok(Block { operator: Box::new(operator), term: Box::new(term) })
    };
    let views = scan.geometry.views.len();
    let blocks = subsets::interleaved(views, count).into_iter().map(block).collect::<Result<_>>()?;
    Objective::new(device, blocks, Some(penalty))
}

/// An FBP image, where the scan allows one and none is given.
fn first(
    options: &Options,
    (scan, grid): (&Scan, &Grid),
    (device, monitor): (&Device, &Monitor),
    notes: &mut Vec<String>,
) -> Result<Option<Array3<f32>>> {
    if options.iteration.start.is_some() {
        return Ok(None);
    }
    let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
    match fbp.reconstruct(scan.clone(), grid, device, monitor) {
        Ok(made) => Ok(Some(made.image.values)),
        Err(Error::Geometry(why)) => {
            notes.push(format!("begun with an empty image, as FBP could not ({why})"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The object's attenuation, roughly: that of the disk with the same longest rays and the same sum of each view,
/// μ = π/4 · p² / Σp·(distance between rays).
fn attenuation(scan: &Scan) -> Result<f64> {
    let spacing = finer::cell(&scan.geometry);
    let (mut sum, mut count) = (0.0, 0);
    for view in scan.projections.outer_iter() {
        let (longest, total) = chords(view);
        if total > 0.0 {
            sum += std::f64::consts::FRAC_PI_4 * longest * longest / (total * spacing);
            count += 1;
        }
    }
    match sum / f64::from(count) {
        mean if mean > 0.0 && mean.is_finite() => Ok(mean),
        _ => Err(Error::Scan("no view sees an object: there is nothing to reconstruct".into())),
    }
}

/// The longest tenth of a view's rays, and the sum of a row, on average over the rows.
fn chords(view: ArrayView2<f32>) -> (f64, f64) {
    let mut values: Vec<f32> = view.iter().copied().collect();
    let tenth = (values.len() / 10).max(1);
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    let mean = values[..tenth].iter().map(|value| f64::from(*value)).sum::<f64>() / tenth as f64;
    (mean, values.iter().map(|value| f64::from(*value)).sum::<f64>() / view.nrows() as f64)
}

/// Of a pixel, in cells, at most 1: an edge has as many more pixels as they are narrower, and is not to be penalised the more.
fn width(geometry: &Geometry, grid: &Grid) -> f64 {
    let [_, height, width] = grid.voxel();
    ((height * width).sqrt() / finer::cell(geometry)).min(1.0)
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Pwls(options.clone()))
}
