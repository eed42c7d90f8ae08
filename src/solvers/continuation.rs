//! Plug-and-play ADMM with continuation (Venkatakrishnan, Bouman & Wohlberg 2013; Chan, Wang & Elgendy 2017): a denoiser D_σ
//! stands where a penalty's proximal map would, and its σ falls from round to round while the pull between the image of the
//! data and the denoised one grows. A round:
//!
//! ```text
//! x ← argmin f(x) + ½ρₖ‖x − (z − u)‖²    the data's step, a few iterations from where x is
//! z ← clamp D_σₖ(x + u)
//! u ← m (u + x − z)                      and times ρₖ/ρₖ₊₁, so that ρu stays
//! ```
//!
//! ADMM has m = 1, half-quadratic splitting m = 0. With ρₖ = λ/σₖ² and D_σ the proximal map of σ²R, every round's fixed point
//! is the minimum of f + λR. Of other D little is known to be the proximal map of anything, but where ρ grows by a factor in
//! every round and D is bounded, ‖D_σ(v) − v‖² ≤ Cσ², the rounds come to rest (Chan, Wang & Elgendy 2017, theorem 1).

use std::sync::Arc;

use super::{Bounds, LinearSystem, Progress, Solver};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::{Factor, LinearOperator, Scalars, scalars},
};

/// What the data say of an image: f.
pub trait DataStep {
    /// x ← argmin f(x) + ½ρ‖x − v‖², or nearer to it than it was.
    ///
    /// # Errors
    /// Those of f's operators.
    fn step(&mut self, v: &Array, weight: f32, x: &mut Array) -> Result<()>;
}

/// D: the image, the noise that is to be taken off, and what becomes of it.
pub type Denoise<'a> = Box<dyn FnMut(&Array, f32, &mut Array) -> Result<()> + 'a>;

/// σ and ρ of a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// σ, in the image's unit.
    pub sigma: f32,
    /// ρ.
    pub weight: f32,
}

/// σ falls geometrically from `first` to `last` over so many rounds, and ρ = λ/σ² (Zhang et al. 2022, §4.2).
///
/// # Panics
/// If there are no rounds.
#[track_caller]
pub fn falling([first, last]: [f64; 2], lambda: f64, rounds: usize) -> Vec<Round> {
    assert!(rounds > 0, "no rounds");
    let round = |index: usize| {
        let left = (rounds - 1 - index) as f64 / (rounds - 1).max(1) as f64;
        let sigma = last * (first / last).powf(left);
        Round { sigma: sigma as f32, weight: (lambda / (sigma * sigma)) as f32 }
    };
    (0..rounds).map(round).collect()
}

/// The method, ready to be iterated: an iteration is a round; those after the last of the schedule are like it.
pub struct Continuation<'a, F> {
    device: Device,
    data: F,
    denoise: Denoise<'a>,
    schedule: Vec<Round>,
    /// m.
    memory: f32,
    bounds: [f32; 2],
    x: Array,
    z: Array,
    u: Array,
    /// z − u, then x + u.
    mixed: Array,
    ones: Array,
    scalars: Scalars,
    iteration: usize,
}

const ONE: Factor = Factor::constant(1.0);
const NONE: Factor = Factor::constant(0.0);

impl<'a, F: DataStep> Continuation<'a, F> {
    /// Prepares the iteration from `start`; `memory` is m.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// Without rounds.
    #[track_caller]
    pub fn new(
        device: &Device,
        (data, denoise): (F, Denoise<'a>),
        start: Array,
        (schedule, memory): (Vec<Round>, f32),
        Bounds { lower, upper }: Bounds,
    ) -> Result<Self> {
        assert!(!schedule.is_empty(), "a schedule of rounds");
        let zeros = || device.zeros(start.shape(), Element::F32);
        let (mut z, u, mixed, mut ones) = (zeros()?, zeros()?, zeros()?, zeros()?);
        let scalars = Scalars::new(device, &[], &[])?;
        scalars.blend(ONE, &start, NONE, &mut z);
        crate::operators::arithmetic::fill(device, 1.0, &mut ones);
        let (device, bounds) = (device.clone(), [lower, upper]);
        Ok(Self { device, data, denoise, schedule, memory, bounds, x: start, z, u, mixed, ones, scalars, iteration: 0 })
    }

    fn iterate(&mut self) -> Result<()> {
        let Self { device, data, denoise, schedule, x, z, u, mixed, ones, scalars, .. } = self;
        let last = schedule.len() - 1;
        let [now, next] = [0, 1].map(|later| schedule[(self.iteration + later).min(last)]);
        scalars.blend(ONE, z, NONE, mixed);
        scalars.blend(ONE.negative(), u, ONE, mixed);
        data.step(mixed, now.weight, x)?;
        scalars.blend(ONE, u, NONE, mixed);
        scalars.blend(ONE, x, ONE, mixed);
        denoise(mixed, now.sigma, z)?;
        // z ← clamp(0 + z): u is x + u − z for any z, so the clamp belongs to D.
        scalars.blend(NONE, z, NONE, u);
        scalars::update(device, (1.0, u, ones), self.bounds, z);
        let kept = self.memory * now.weight / next.weight;
        scalars.blend(Factor::constant(kept), mixed, NONE, u);
        scalars.blend(Factor::constant(-kept), z, ONE, u);
        self.iteration += 1;
        Ok(())
    }

    /// x, which agrees with the data; [`Solver::solution`] is z.
    pub fn of_the_data(&self) -> &Array {
        &self.x
    }
}

impl<F: DataStep> Iterator for Continuation<'_, F> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl<F: DataStep> Solver for Continuation<'_, F> {
    fn solution(&self) -> &Array {
        &self.z
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

/// f = ½⟨x, N x⟩ − ⟨h, x⟩, least squares by their normal equations: conjugate gradients for (N + ρ) x = h + ρ v.
pub struct LeastSquaresStep {
    /// Where it is computed.
    pub device: Device,
    /// N.
    pub normal: Arc<dyn LinearOperator + Send + Sync>,
    /// h.
    pub right: Array,
    /// Iterations.
    pub iterations: usize,
}

impl DataStep for LeastSquaresStep {
    fn step(&mut self, v: &Array, weight: f32, x: &mut Array) -> Result<()> {
        let Self { device, normal, right, iterations } = self;
        let copy = |from: &Array| -> Result<Array> {
            let mut to = device.zeros(from.shape(), Element::F32)?;
            crate::operators::arithmetic::add(device, 1.0, from, &mut to);
            Ok(to)
        };
        let mut sum = copy(right)?;
        crate::operators::arithmetic::add(device, weight, v, &mut sum);
        let mut system = LinearSystem::new(device, Arc::clone(normal), sum, copy(x)?, weight)?;
        for _ in 0..*iterations {
            system.next().expect("solvers never end")?;
        }
        *x = copy(system.solution())?;
        Ok(())
    }
}
