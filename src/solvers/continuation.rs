//! Plug-and-play ADMM with continuation (Venkatakrishnan, Bouman & Wohlberg 2013; Chan, Wang & Elgendy 2017): a denoiser D_σ
//! stands where a penalty's proximal map would, and its σ falls from round to round while the pull between the image of the
//! data and the denoised one grows. A round:
//!
//! ```text
//! x ← argmin f(x) + ½ρₖ‖x − (z − u)‖²    the data's step, a few iterations from where x is
//! z ← clamp D_σₖ(x + u)
//! u ← (u + x − z) ρₖ/ρₖ₊₁                so that the pull ρu goes on
//! ```
//!
//! With ρₖ = λ/σₖ² and D_σ the proximal map of σ²R, the fixed point of every round is the minimum of f + λR. Few D are known to
//! be proximal maps, but where ρ grows by a factor in every round and D is bounded, ‖D_σ(v) − v‖² ≤ Cσ², the rounds come to
//! rest (Chan, Wang & Elgendy 2017, theorem 1).

use std::sync::Arc;

use super::{Bounds, LinearSystem, Progress, Solver};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::{Factor, LinearOperator, Scalars, arithmetic::add, scalars},
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
    bounds: [f32; 2],
    x: Array,
    z: Array,
    u: Array,
    /// z − u, then x + u.
    mixed: Array,
    scalars: Scalars,
    iteration: usize,
}

const ONE: Factor = Factor::constant(1.0);
const NONE: Factor = Factor::constant(0.0);

impl<'a, F: DataStep> Continuation<'a, F> {
    /// Prepares the iteration from `start`.
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
        schedule: Vec<Round>,
        Bounds { lower, upper }: Bounds,
    ) -> Result<Self> {
        assert!(!schedule.is_empty(), "a schedule of rounds");
        let zeros = || device.zeros(start.shape(), Element::F32);
        let (mut z, u, mixed) = (zeros()?, zeros()?, zeros()?);
        let scalars = Scalars::new(device, &[], &[])?;
        scalars.blend(ONE, &start, NONE, &mut z);
        let (device, bounds) = (device.clone(), [lower, upper]);
        Ok(Self { device, data, denoise, schedule, bounds, x: start, z, u, mixed, scalars, iteration: 0 })
    }

    fn iterate(&mut self) -> Result<()> {
        let Self { device, data, denoise, schedule, x, z, u, mixed, scalars, .. } = self;
        let last = schedule.len() - 1;
        let [now, next] = [0, 1].map(|later| schedule[(self.iteration + later).min(last)]);
        scalars.blend(ONE, z, NONE, mixed);
        scalars.blend(ONE.negative(), u, ONE, mixed);
        data.step(mixed, now.weight, x)?;
        scalars.blend(ONE, u, NONE, mixed);
        scalars.blend(ONE, x, ONE, mixed);
        denoise(mixed, now.sigma, z)?;
        // z ← clamp D, of which u holds a copy until it is written anew below.
        scalars.blend(ONE, z, NONE, u);
        scalars::update(device, (0.0, u, u), self.bounds, z);
        let kept = now.weight / next.weight;
        scalars.blend(Factor::constant(kept), mixed, NONE, u);
        scalars.blend(Factor::constant(-kept), z, ONE, u);
        self.iteration += 1;
        Ok(())
    }
}

impl<F: DataStep> Iterator for Continuation<'_, F> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl<F: DataStep> Solver for Continuation<'_, F> {
    /// z.
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
            add(device, 1.0, from, &mut to);
            Ok(to)
        };
        let mut sum = copy(right)?;
        add(device, weight, v, &mut sum);
        let mut system = LinearSystem::new(device, Arc::clone(normal), sum, copy(x)?, weight)?;
        for _ in 0..*iterations {
            system.next().expect("solvers never end")?;
        }
        *x = system.into_solution();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{operators::arithmetic::fill, solvers::diagonal::Diagonal};

    const A: [f32; 6] = [0.2, 1.0, -0.7, 0.4, 0.9, 0.1];
    const B: [f32; 6] = [1.0, 2.0, -1.5, 0.3, -2.0, 4.0];
    /// R = ½C‖x‖².
    const C: f32 = 0.8;
    const LAMBDA: f64 = 0.5;

    /// After so many rounds with D_σ(v) = v/(1 + Cσ²), the proximal map of σ²R.
    fn solved(schedule: Vec<Round>, rounds: usize, bounds: Bounds) -> Vec<f32> {
        let device = Device::cpu();
        let right = device.upload(&[3, 2], A.iter().zip(B).map(|(a, b)| a * b).collect::<Vec<_>>()).unwrap();
        let step = LeastSquaresStep {
            device: device.clone(),
            normal: Arc::new(Diagonal(device.clone(), A.map(|a| a * a))),
            right,
            iterations: 6,
        };
        let denoise: Denoise = Box::new(|image, sigma, into| {
            fill(&device, 0.0, into);
            add(&device, 1.0 / (1.0 + C * sigma * sigma), image, into);
            Ok(())
        });
        let start = device.zeros(&[3, 2], Element::F32).unwrap();
        let mut solver = Continuation::new(&device, (step, denoise), start, schedule, bounds).unwrap();
        for progress in solver.by_ref().take(rounds) {
            progress.unwrap();
        }
        device.download(solver.solution()).unwrap()
    }

    /// (a² + λC) x = a b, with bounds, as A is diagonal, the clamped x.
    #[test]
    fn with_a_quadratic_prior_it_solves_ridge_regression() {
        for (lower, upper) in [(f32::MIN, f32::MAX), (0.0, 1.2)] {
            let found = solved(falling([4.0, 1.0], LAMBDA, 12), 80, Bounds { lower, upper });
            for ((found, a), b) in found.iter().zip(A).zip(B) {
                let x = (a * b / (a * a + LAMBDA as f32 * C)).clamp(lower, upper);
                assert!((found - x).abs() < 1e-4 * x.abs().max(0.1), "{found}, not {x}, within {lower}..{upper}");
            }
        }
    }

    /// From the minimum on, a fall of σ with ρ = λ/σ² moves nothing: the pull ρu goes on.
    #[test]
    fn a_falling_sigma_keeps_the_minimum() {
        let mut schedule = falling([1.0, 1.0], LAMBDA, 80);
        schedule.extend(falling([0.9, 0.1], LAMBDA, 10));
        let [before, after] = [80, 90].map(|rounds| solved(schedule.clone(), rounds, Bounds::NONE));
        for (before, after) in before.iter().zip(after) {
            assert!((before - after).abs() < 1e-3 * before.abs().max(0.1), "{before} became {after}");
        }
    }

    #[test]
    fn sigma_falls_geometrically() {
        let sigmas: Vec<f32> = falling([8.0, 1.0], 2.0, 4).iter().map(|round| round.sigma).collect();
        assert!(sigmas.iter().zip([8.0, 4.0, 2.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-5), "{sigmas:?}");
        let weights: Vec<f32> = falling([8.0, 1.0], 2.0, 4).iter().map(|round| round.weight).collect();
        assert!(weights.iter().zip([0.03125, 0.125, 0.5, 2.0]).all(|(a, b)| (a - b).abs() < 1e-5), "{weights:?}");
        assert_eq!(falling([8.0, 1.0], 2.0, 1)[0].sigma, 1.0);
    }
}
