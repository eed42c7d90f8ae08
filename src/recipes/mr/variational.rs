//! What the recipes tv and tgv share: from one frame's normal equations and a few terms to an image, by the primal–dual method,
//! with a strength that follows the noise.
//!
//! As in CT ([`crate::recipes::tv`]) λ = c·σ·g, with σ the standard deviation of what the image leaves unexplained of a measured
//! number, and g that of Aᴴn for white noise n of variance 1: σ·g is what noise puts into the gradient of the data's term. Where there
//! is much noise c is what keeps it out; where there is little, an image's own differences matter more, and λ goes rather as σ² does:
//! c = FACTOR·(ν/(ν + KNEE))^POWER, ν a pixel's noise over the image's rms.

use std::sync::Arc;

use super::{MrOptions, MrReconstruction, encoding, encoding::Encoded, frames, spectrum::Comparison};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    functionals::NormalEquations,
    monitor::Monitor,
    operators::{Pixels, WithinFirstChannels, arithmetic::add_columns},
    problem::{Bounds, Fidelity, Metric, Problem, Term},
    recipes::{
        Iteration, Strength,
        iteration::{Enough, LOOK},
        noise::{rms, rms_of},
    },
    regularisers::total_variation,
    scan::KSpace,
    solvers::{PrimalDual, Progress, Solver, primal_dual::Steps},
};

/// c, by trial on phantoms from 10 to 45 dB, fully sampled to R = 4, and on heads of 30 dB, R = 4 and 5.
const FACTOR: f64 = 1.27;
const KNEE: f64 = 0.1;
const POWER: f64 = 0.6;
/// Σ σ‖K‖² over λ/rms(x): then primal and dual variables come to rest at the same pace.
const BALANCE: f64 = 10.0;
/// Over-relaxation, for 1/τ = L + Σ σ‖K‖².
const RELAXATION: f32 = 1.45;
/// The first guess of σ, as a part of the data's rms.
const FIRST_GUESS: f64 = 0.1;
/// The strength follows the noise so long, and then stays.
const TUNED: usize = 60;
/// When an image has settled.
const ENOUGH: Enough = Enough { change: 1e-3, most: 300 };

/// Reconstructs with the terms that `terms` makes for slices and a strength; `channels` is 2, or 6 where a complex vector field
/// goes with the image; the strength is `factor` times the usual.
pub fn reconstruct(
    (name, options): (&str, &MrOptions),
    scan: KSpace,
    (device, monitor): (&Device, &Monitor),
    (channels, factor): (usize, f64),
    terms: impl Fn([usize; 3], f64) -> Vec<Term>,
) -> Result<MrReconstruction> {
    frames::each_frame((name, options), scan, (device, monitor), |encoded| {
        let mut solver = Tuned::new(options.strength, encoded, device, (channels, factor), &terms)?;
        let [nz, ny, nx] = encoded.matrix;
        let iteration = frames::iteration(options, encoded.matrix);
        let (values, note) = iteration.run(&mut solver, ENOUGH, [nz, ny, 2 * nx], monitor)?;
        let notes = vec![solver.remark(), note];
        Ok((encoding::image(values.as_slice().unwrap_or_default(), encoded.matrix), notes))
    })
}

/// The image of the recipe tv after `iterations` at most, planar, for recipes that begin there.
pub fn first(
    encoded: &Encoded,
    (device, monitor): (&Device, &Monitor),
    (iterations, keep): (usize, bool),
) -> Result<Vec<f32>> {
    let terms = |slices, strength: f64| vec![total_variation(device, slices, Pixels::Complex, strength as f32)];
    let mut solver = Tuned::new(Strength::Auto, encoded, device, (2, 1.0), terms)?;
    let [nz, ny, nx] = encoded.matrix;
    let iteration = Iteration { keep, ..Iteration::default() };
    let enough = Enough { most: iterations, ..ENOUGH };
    let (values, _) = iteration.run(&mut solver, enough, [nz, ny, 2 * nx], monitor)?;
    Ok(values.into_raw_vec_and_offset().0)
}

/// c, for a noise ν.
fn share(noise: f64) -> f64 {
    FACTOR * if noise.is_finite() { (noise / (noise + KNEE)).powf(POWER) } else { 1.0 }
}

/// A primal–dual solver whose strength follows what is unexplained.
struct Tuned {
    inner: PrimalDual,
    equations: NormalEquations,
    wish: Strength,
    /// σ of a measured number, from ‖Ax − b‖².
    deviation: Box<dyn Fn(f64) -> f64>,
    /// λ over c·σ.
    usual: f64,
    comparison: Comparison,
    /// λ, and the σ that it is for.
    strength: f64,
    sigma: f64,
    channels: usize,
    /// L.
    norm: f64,
    /// The image without fields.
    image: Array,
}

impl Tuned {
    fn new(
        wish: Strength,
        encoded: &Encoded,
        device: &Device,
        (channels, factor): (usize, f64),
        terms: impl Fn([usize; 3], f64) -> Vec<Term>,
    ) -> Result<Self> {
        let (numbers, most, norm) = (encoded.numbers, encoded.spectrum.quietest(), encoded.norm);
        let deviation = move |residual: f64| (residual.max(0.0) / numbers).min(most).sqrt();
        let (usual, comparison) = (factor * encoded.gain, Comparison::of(encoded));
        // From above: an image that begins with the data leaves nothing of them unexplained where there are no more than it needs.
        let sigma = (FIRST_GUESS * (encoded.energy / numbers).sqrt()).min(most.sqrt());
        let strength = wish.of(usual * sigma * share(comparison.noise_to_signal(sigma, &encoded.right)));
        let plain = encoded.right(device)?;
        let &[lines, 2, nx] = encoded.normal.domain() else { unreachable!("one set of maps") };
        let normal = Arc::clone(&encoded.normal);
        let (operator, data): (Box<dyn crate::operators::LinearOperator>, Array) = match channels {
            2 => (Box::new(normal), plain),
            _ => {
                let mut wide = device.zeros(&[lines, channels, nx], Element::F32)?;
                add_columns(device, 1.0, (&plain, &mut wide), 2 * nx, [0, 0]);
                (Box::new(WithinFirstChannels::new(device, normal, channels)?), wide)
            }
        };
        let mut start = device.zeros(data.shape(), Element::F32)?;
        crate::operators::arithmetic::add(device, 1.0, &data, &mut start);
        let fidelity = Fidelity { operator, data, metric: Metric::Gradient };
        let problem = Problem { fidelity, terms: terms(encoded.matrix, strength), bounds: Bounds::NONE };
        // Replaced at once.
        let steps = Steps { primal: 0.0, terms: 0.0, relaxation: RELAXATION };
        let inner = PrimalDual::new(device, problem, Some(&start), steps)?;
        let equations = encoded.equations(device)?;
        let image = device.zeros(&[lines, 2, nx], Element::F32)?;
        let deviation = Box::new(deviation);
        let mut tuned =
            Self { inner, equations, wish, deviation, usual, comparison, strength, sigma, channels, norm, image };
        tuned.look();
        let size = rms_of(device, &tuned.image)?;
        tuned.step(size)?;
        Ok(tuned)
    }

    /// The image without fields.
    fn look(&mut self) {
        let (device, columns) = (self.inner.device().clone(), self.image.line_len());
        crate::operators::arithmetic::fill(&device, 0.0, &mut self.image);
        add_columns(&device, 1.0, (self.inner.solution(), &mut self.image), columns, [0, 0]);
    }

    /// Sets strength and step sizes to what the image leaves unexplained.
    fn tune(&mut self) -> Result<()> {
        self.look();
        let values: Vec<f32> = self.inner.device().download(&self.image)?;
        if !matches!(self.wish, Strength::Fixed(_)) {
            self.sigma = (self.deviation)(self.equations.residual(&self.image)?);
            let share = share(self.comparison.noise_to_signal(self.sigma, &values));
            let strength = self.wish.of(self.usual * self.sigma * share);
            if strength > 0.0 {
                let factor = (strength / self.strength) as f32;
                self.inner.problem_mut().terms.iter_mut().for_each(|term| term.strength *= factor);
                self.strength = strength;
            }
        }
        self.step(rms(values.into_iter()))
    }

    /// Sets step sizes for an image of such an rms.
    fn step(&mut self, size: f64) -> Result<()> {
        if size > 0.0 && size.is_finite() {
            let terms = BALANCE * self.strength / size;
            let steps =
                Steps { primal: (1.0 / (self.norm + terms)) as f32, terms: terms as f32, relaxation: RELAXATION };
            self.inner.set_steps(Metric::Gradient, steps)?;
        }
        Ok(())
    }

    fn remark(&self) -> String {
        let how = super::said(self.wish);
        let sigma = self.sigma;
        let field = if self.channels > 2 { ", with a vector field" } else { "" };
        format!("strength λ {:.4e} ({how}; σ {sigma:.2e} of a measured number{field})", self.strength)
    }
}

impl Iterator for Tuned {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        let progress = self.inner.next()?;
        let done = progress.as_ref().map_or(0, |progress| progress.iteration);
        if done > 0 && done <= TUNED && done.is_multiple_of(LOOK) {
            return Some(self.tune().and(progress));
        }
        Some(progress)
    }
}

impl Solver for Tuned {
    fn solution(&self) -> &Array {
        self.inner.solution()
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }
}
