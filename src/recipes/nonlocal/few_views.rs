//! Few views: ½ Σ w (Ax − b)² and a little total variation, in turns with the filter, as plug-and-play prior (Venkatakrishnan,
//! Bouman & Wohlberg 2013).
//!
//! It begins as the recipe `tv`, with 0.7 times its strength λ; then λ is divided by 20 and 144 rounds follow, with a threshold that
//! falls from round to round, down to a multiple of the noise that the residuals tell. There is no objective that falls:
//! filter and threshold change from round to round, decisions are hard, and the number of rounds is fixed, not the outcome
//! of a test of convergence.

use crate::{
    device::{Array, Device},
    error::Result,
    geometry::{Grid, LengthUnit},
    monitor::Monitor,
    operators::{GroupFilter, Levels, Pixels},
    recipes::{
        Reconstruction,
        iteration::{Enough, LOOK},
        noise,
        options::Options,
        variational::{self, Tuned},
    },
    regularisers::total_variation,
    scan::Scan,
    solvers::{PlugAndPlay, Progress, Solver, plug_and_play::Denoiser},
};

/// Pixels that a match may be away, along each axis.
const RADIUS: usize = 12;
/// Iterations of total variation at first, and of a round: of both, whole numbers of looks are shown.
const PRELUDE: usize = 24 * LOOK;
const ROUND: usize = LOOK / 2;
/// Rounds.
const ROUNDS: usize = 144;
/// λ over that of the recipe `tv`: what follows leaves it less to do.
const SOFTER: f64 = 0.7;
/// Total variation in the rounds, relative to the prelude.
const REMAINDER: f32 = 0.05;
/// 1/τ in the rounds, relative to the prelude: the anchor, not λ, now says how far duals have to go.
const PACE: f64 = 0.4;
/// μ over g², where g² is the mean diagonal of AᵀWA: how closely the image follows the filtered one.
const PULL: f64 = 2.0;
/// The last threshold over σ/g, the noise of the image's pixels if each were settled by its own rays alone; found by trial on
/// chest slices, as the other numbers here: 1.2 times as much gains 0.1 dB on one slice and costs as much on another.
const THRESHOLD: f64 = 0.42;
/// The first threshold over the last.
const FALL: f64 = 16.0;
/// Rounds between two searches for like patches.
const SEARCH: usize = 2;

/// The image.
pub(super) fn reconstruct(
    options: &Options,
    scan: Scan,
    grid: &Grid,
    device: &Device,
    monitor: &Monitor,
) -> Result<Reconstruction> {
    let options = &Options { strength: options.strength.scaled(SOFTER), ..options.clone() };
    let mut solver = monitor.step("plan", 1, || {
        let tv = |strength| Ok(vec![total_variation(device, grid.shape, Pixels::Real, strength as f32)]);
        let filter = GroupFilter::new(device, grid.shape, RADIUS)?;
        Ok(NonLocalSolver::new(Tuned::new(options, scan, grid, device, 1, tv)?, filter, options.iteration.count))
    })?;
    let enough = Enough { change: 0.0, most: solver.prelude + ROUND * solver.rounds };
    let (values, note) = options.iteration.run(&mut solver, enough, grid.shape, monitor)?;
    let unit = solver.unit;
    let notes = vec![solver.remark, note];
    Ok(Reconstruction { image: variational::image("nonlocal", options, values, (grid, unit)), notes })
}

/// First the one, then the other.
struct NonLocalSolver {
    stage: Stage,
    filter: Option<GroupFilter>,
    prelude: usize,
    rounds: usize,
    iteration: usize,
    unit: LengthUnit,
    remark: String,
}

enum Stage {
    Prelude(Box<Tuned>),
    Rounds(Box<PlugAndPlay>),
    /// Between the two.
    Neither,
}

impl NonLocalSolver {
    /// Of so many iterations as asked for, two in five are the prelude.
    fn new(tuned: Tuned, filter: GroupFilter, count: Option<usize>) -> Self {
        let (prelude, rounds) = match count {
            None => (PRELUDE, ROUNDS),
            Some(count) => {
                let prelude = (count * 2 / 5 / LOOK).max(1) * LOOK;
                (prelude, count.saturating_sub(prelude) / ROUND)
            }
        };
        let (unit, remark) = (tuned.geometry.unit, tuned.remark());
        Self {
            stage: Stage::Prelude(Box::new(tuned)),
            filter: Some(filter),
            prelude,
            rounds,
            iteration: 0,
            unit,
            remark,
        }
    }

    /// Ends the prelude.
    fn turn(&mut self) -> Result<()> {
        let Stage::Prelude(tuned) = std::mem::replace(&mut self.stage, Stage::Neither) else { return Ok(()) };
        let mut tuned = tuned;
        let typical = noise::rms_of(tuned.device(), tuned.solution())?;
        tuned.set_steps(typical / PACE)?;
        let remark = tuned.remark();
        let Tuned { mut inner, gain, strength, geometry, .. } = *tuned;
        inner.problem_mut().terms.iter_mut().for_each(|term| term.strength *= REMAINDER);
        // σ = λ over the factor and g.
        let threshold = THRESHOLD * strength / (noise::factor(geometry.views.len()) * gain * gain);
        let levels = levels(inner.device(), inner.solution(), threshold)?;
        self.remark = format!("{remark}; thresholds {:.2e} to {threshold:.2e}", FALL * threshold);
        let filter = self.filter.take().expect("taken once");
        let weight = (PULL * gain * gain) as f32;
        let denoise = denoiser(filter, levels, threshold, self.rounds);
        self.stage = Stage::Rounds(Box::new(PlugAndPlay::new(inner, denoise, weight, ROUND)?));
        Ok(())
    }

    fn step(&mut self) -> Result<Progress> {
        if self.iteration == self.prelude {
            self.turn()?;
        }
        match &mut self.stage {
            Stage::Prelude(tuned) => tuned.next().expect("solvers never end")?,
            Stage::Rounds(rounds) => rounds.next().expect("solvers never end")?,
            Stage::Neither => unreachable!("an error ends the iteration"),
        };
        self.iteration += 1;
        Ok(Progress { iteration: self.iteration })
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

/// The filter with a threshold that falls geometrically, to `last` in the last of so many rounds.
fn denoiser(mut filter: GroupFilter, levels: Levels, last: f64, rounds: usize) -> Denoiser {
    Box::new(move |round: usize, image: &Array, into: &mut Array| {
        if round.is_multiple_of(SEARCH) {
            filter.find(image, levels)?;
        }
        let left = rounds.saturating_sub(round + 1) as f64 / rounds.saturating_sub(1).max(1) as f64;
        filter.apply(image, (last * FALL.powf(left)) as f32, into)
    })
}

impl Iterator for NonLocalSolver {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.step())
    }
}

impl Solver for NonLocalSolver {
    fn solution(&self) -> &Array {
        match &self.stage {
            Stage::Prelude(tuned) => tuned.solution(),
            Stage::Rounds(rounds) => rounds.solution(),
            Stage::Neither => unreachable!("an error ends the iteration"),
        }
    }

    fn device(&self) -> &Device {
        match &self.stage {
            Stage::Prelude(tuned) => tuned.device(),
            Stage::Rounds(rounds) => rounds.device(),
            Stage::Neither => unreachable!("an error ends the iteration"),
        }
    }
}
