//! Plug and play: a denoiser as prior. ½ Σ w (Ax − b)² and the denoiser take turns by [`crate::solvers::continuation`], with a
//! σ that falls from round to round; it begins with an early image of the recipe `tv`, from many views with that of `pwls`.
//!
//! The weights are absolute, one over the rays' variances, so that s = 1/g, with g² the mean diagonal of AᵀWA, is the noise of
//! a pixel that is settled by its own rays alone. σ falls from FIRST·s to LAST·s, and the pull between the data's image and the
//! denoised one is ρ = λ/σ². A denoiser that were the proximal map of σ²R, with R minus the logarithm of the images' density, would
//! have λ = 1; the strength is this λ.
//!
//! The more rays there are, the gentler it is, as the slice holds noise of its own that is not to be lost, and the more
//! it gives back of what it left over (`recipes/left_over.rs`).

use std::sync::Arc;

use ndarray::Array3;

use super::{
    Iteration, Iterative, Recipe, Reconstruction, classical, finer,
    iteration::Enough,
    left_over, noise,
    options::{Options, Strength},
};
use crate::{
    denoisers::{self, Noisy, Sigma, Weights},
    device::{Array, Device, Element},
    error::{Error, Result},
    geometry::Grid,
    monitor::Monitor,
    operators::{LinearOperator, RampPreconditioner, Weighted, XRay},
    scan::Scan,
    solvers::{
        Continuation, DualStep,
        continuation::{Denoise, falling},
    },
};

/// The denoiser, unless one is named.
pub(super) const USUAL: &str = "bm3d";
/// What moves with the number of rays.
struct Tuning {
    /// The first σ and the last, over s.
    sigmas: [f64; 2],
    /// λ.
    lambda: f64,
    rounds: usize,
    /// Conjugate gradients in a round.
    steps: usize,
    /// Rounds, the last ones, whose denoiser looks closely: what the others miss, the next one mends.
    close: usize,
    /// Who makes the first image, and in how many iterations, if not until it settles.
    start: (&'static str, Option<usize>),
    /// How much of what the image leaves of the data is added in the end.
    share: f32,
}

/// Rays to a square as wide as a cell up to which σ, rounds and steps stay as they were found by trial, on two slices of a chest, an
/// abdomen and a head from 30 views of 10⁵ photons, 256² and 512²; the powers of more rays lead to what was best on a chest slice
/// from 720 views over a full turn. Pixels that are finer than the cells ([`super::finer`]) do not make the data say less.
const RAYS: f64 = 0.25;
/// The first σ and the last, over s.
const SIGMAS: [f64; 2] = [1.2, 0.4];
const SIGMA_POWER: f64 = -0.5;
/// Rounds and steps in a round, each with its power.
const ROUNDS: [f64; 2] = [28.0, -0.5];
const STEPS: [f64; 2] = [4.0, 0.5];
/// Where the powers end: rays over [`RAYS`].
const MOST: f64 = 12.0;
/// How many rounds look closely for one ray, and at least: what the others miss is lost where the data say little.
const CLOSE: f64 = 120.0;
const LEAST: usize = 3;
/// λ.
const LAMBDA: f64 = 0.25;
/// Rays below which the data leave directions open, which total variation fills better than a quadratic penalty does, and below which
/// what FBP makes of the rest of the data is streaks rather than the object.
const ENOUGH_RAYS: f64 = 0.48;
/// Iterations of total variation, when it makes the first image, at least, and for a pixel of the grid's width, since what is far
/// apart takes longer to agree. On slices of 512² 80 were better by .4 dB than 150 for chest and abdomen, and worse by .9 dB for a head.
const START: usize = 80;
const START_FOR_A_PIXEL: f64 = 0.3;

impl Tuning {
    fn of(rays: f64, columns: usize) -> Self {
        let more = (rays / RAYS).clamp(1.0, MOST);
        let count = |[usual, power]: [f64; 2]| (usual * more.powf(power)).round().max(1.0) as usize;
        let rounds = count(ROUNDS);
        let streaks = (ENOUGH_RAYS / rays).powi(4);
        Self {
            sigmas: SIGMAS.map(|sigma| sigma * more.powf(SIGMA_POWER)),
            lambda: LAMBDA,
            rounds,
            steps: count(STEPS),
            close: ((CLOSE * rays).round() as usize).max(LEAST).min(rounds),
            start: if streaks > 1.0 {
                ("tv", Some(START.max((START_FOR_A_PIXEL * columns as f64) as usize)))
            } else {
                ("pwls", None)
            },
            share: (1.0 / (1.0 + streaks)) as f32,
        }
    }
}

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Pnp(pub Options);

impl Iterative for Pnp {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        self.0.strength.check()?;
        // Before the work, not after it.
        named(self.0.denoiser.as_deref(), Weights::Ct, false)?;
        finer::reconstruct(&self.0, scan, grid, 0, |options, scan, grid| {
            plug_and_play(options, scan, grid, (device, monitor))
        })
    }
}

/// On these pixels.
fn plug_and_play(
    options: &Options,
    scan: Scan,
    grid: &Grid,
    (device, monitor): (&Device, &Monitor),
) -> Result<Reconstruction> {
    let [coarse, denoiser] = [true, false].map(|coarse| named(options.denoiser.as_deref(), Weights::Ct, coarse));
    let denoisers = [coarse?, denoiser?];
    let tuning = Tuning::of(finer::rays_of_cells(&scan.geometry, grid), grid.shape[2]);
    let mut notes = Vec::new();
    let first = first(options, tuning.start, (&scan, grid), (device, monitor), &mut notes)?;
    if monitor.is_finishing() {
        return Ok(classical::finished("pnp", first, &scan, grid, notes));
    }
    let made = rounds(options, (denoisers, &tuning), &first, (&scan, grid), (device, monitor), &mut notes);
    let mut values = match made {
        Err(Error::Interrupted) if options.iteration.keep => {
            monitor.finish();
            notes.push("interrupted before the first round: this is the first image".into());
            first
        }
        made => made?,
    };
    left_over::give_back(&mut values, tuning.share, (&scan, grid), options, (device, monitor), &mut notes)?;
    Ok(classical::finished("pnp", values, &scan, grid, notes))
}

/// What the rounds make of the first image.
fn rounds(
    options: &Options,
    ([coarse, denoiser], tuning): ([Box<dyn denoisers::Denoiser>; 2], &Tuning),
    first: &Array3<f32>,
    (scan, grid): (&Scan, &Grid),
    (device, monitor): (&Device, &Monitor),
    notes: &mut Vec<String>,
) -> Result<Array3<f32>> {
    let start = classical::start(options, grid, device, Some(first.clone()))?;
    let (step, gain) = monitor.step("plan", 1, || data(options, (scan, grid), device, tuning.steps, notes))?;
    let sigmas = tuning.sigmas.map(|sigma| sigma / gain);
    let lambda = options.strength.of(tuning.lambda);
    notes.push(remark(options.denoiser.as_deref(), lambda, sigmas));
    let rounds = options.iteration.count.unwrap_or(tuning.rounds);
    let mut round = 0;
    let denoise: Denoise = Box::new(move |image, sigma, into| {
        let sigma = Sigma::Flat(sigma);
        round += 1;
        let denoiser = if round + tuning.close > rounds { &denoiser } else { &coarse };
        *into = denoiser.denoise(device, &Noisy::new(image, grid.shape, &sigma)?)?;
        Ok(())
    });
    let schedule = falling(sigmas, lambda, rounds);
    let mut solver = Continuation::new(device, (step, denoise), start, schedule, options.bounds)?;
    let enough = Enough { change: 0.0, most: rounds };
    let (values, note) = options.iteration.run(&mut solver, enough, grid.shape, monitor)?;
    notes.push(note);
    Ok(values)
}

/// The denoiser of that name; `weights` are those of a network, and a `coarse` one looks less closely.
pub(super) fn named(name: Option<&str>, weights: Weights, coarse: bool) -> Result<Box<dyn denoisers::Denoiser>> {
    // A round asks once: the next one mends it.
    let options = denoisers::Options { weights, turned: false, careful: false, coarse, ..Default::default() };
    denoisers::named(name.unwrap_or(USUAL), &options)
}

/// What was decided.
pub(super) fn remark(name: Option<&str>, lambda: f64, [first, last]: [f64; 2]) -> String {
    format!("{}, strength λ {lambda:.3}, for noise from {first:.2e} to {last:.2e}", name.unwrap_or(USUAL))
}

/// The first image, made with what concerns pnp itself left out; the one that was given, if so.
fn first(
    options: &Options,
    (method, count): (&str, Option<usize>),
    (scan, grid): (&Scan, &Grid),
    (device, monitor): (&Device, &Monitor),
    notes: &mut Vec<String>,
) -> Result<Array3<f32>> {
    if let Some(start) = &options.iteration.start {
        return Ok(start.clone());
    }
    let iteration = Iteration { count, keep: options.iteration.keep, ..Iteration::default() };
    let options = Options { strength: Strength::Auto, iteration, ..options.clone() };
    let made = super::named(method, &options)?.reconstruct(scan.clone(), grid, device, monitor)?;
    notes.extend(made.notes.into_iter().map(|note| format!("at first {method}: {note}")));
    Ok(made.image.values)
}

/// The weighted least squares of a scan, by its dual, and g.
fn data(
    options: &Options,
    (scan, grid): (&Scan, &Grid),
    device: &Device,
    iterations: usize,
    notes: &mut Vec<String>,
) -> Result<(DualStep, f64)> {
    let trust = classical::trust(scan, options.photons)?;
    notes.push(trust.note);
    let xray = XRay::new(device, &scan.geometry, grid)?;
    let range = xray.range().to_vec();
    let roots: Vec<f32> = trust.weights.iter().map(|weight| weight.sqrt()).collect();
    let lines: Vec<f32> = scan.projections.iter().zip(&roots).map(|(line, root)| line * root).collect();
    // As lengths go with sums of squares, which have the trace that the pixels' have.
    let mut lengths = device.zeros(&range, Element::F32)?;
    let ones: Vec<f32> = vec![1.0; xray.domain().iter().product()];
    xray.forward(&device.upload(xray.domain(), ones)?, &mut lengths)?;
    let lengths: Vec<f32> = device.download(&lengths)?;
    let mut squares: Vec<f32> = lengths.iter().zip(&roots).map(|(length, root)| length * root * root).collect();
    let operator = Weighted::new(device, xray, device.upload(&range, roots)?)?;
    let gain = noise::gain(&operator, device)?;
    if gain == 0.0 {
        return Err(Error::Geometry("no ray meets the grid; check its size and centre".into()));
    }
    let lines: Array = device.upload(&range, lines)?;
    let pixels = operator.domain().iter().product::<usize>() as f64;
    let total: f64 = squares.iter().map(|square| f64::from(*square)).sum();
    let factor = (gain * gain * pixels / total) as f32;
    squares.iter_mut().for_each(|square| *square *= factor);
    let pixels = grid.shape[1].max(grid.shape[2]) as f64;
    let preconditioner = RampPreconditioner::new(device, scan.geometry.shape(), pixels, squares)?;
    Ok((DualStep::new(device, Arc::new(operator), lines, preconditioner, iterations)?, gain))
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Pnp(options.clone()))
}
