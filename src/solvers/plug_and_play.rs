//! A primal–dual method that takes turns with a denoiser D, which stands where a penalty's proximal map would (plug and play
//! priors; Venkatakrishnan, Bouman & Wohlberg 2013). A round:
//!
//! ```text
//! u ← D(x + d)
//! x ← a few primal–dual iterations on the problem + ½μ‖x − (u − d)‖²
//! d ← ½ (d + x − u)
//! ```
//!
//! In ADMM d would gather all x − u of the past; here it forgets half in every round, which a D that is no proximal map, or
//! that changes from round to round, takes better. If D rests, x and u come to rest where ∇f(x) + 2μ(x − u) = 0 and
//! u = D(2x − u), with f the problem's objective; that they come to rest is not known for a D with hard decisions.

use super::{PrimalDual, Progress, Solver, primal_dual::Anchor};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::arithmetic::{add, fill},
};

/// D: the number of the round, from 0 on; the image; what becomes of it.
pub type Denoiser = Box<dyn FnMut(usize, &Array, &mut Array) -> Result<()>>;

/// The method, ready to be iterated: an iteration is one of the primal–dual method; every so many, a round.
pub struct PlugAndPlay {
    inner: PrimalDual,
    denoise: Denoiser,
    /// Primal–dual iterations of a round.
    length: usize,
    weight: f32,
    iteration: usize,
    u: Array,
    d: Array,
    mean: Array,
}

impl PlugAndPlay {
    /// Goes on from where `inner` is, with `weight` μ and rounds of `length` iterations.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(mut inner: PrimalDual, denoise: Denoiser, weight: f32, length: usize) -> Result<Self> {
        let (device, shape) = (inner.device().clone(), inner.solution().shape().to_vec());
        let zeros = || device.zeros(&shape, Element::F32);
        let (u, d, mut mean) = (zeros()?, zeros()?, zeros()?);
        add(&device, 1.0, inner.solution(), &mut mean);
        *inner.anchor_mut() = Some(Anchor { image: zeros()?, weight });
        Ok(Self { inner, denoise, length: length.max(1), weight, iteration: 0, u, d, mean })
    }

    /// The problem and its solver.
    pub fn inner_mut(&mut self) -> &mut PrimalDual {
        &mut self.inner
    }

    fn begin(&mut self) -> Result<()> {
        let device = self.inner.device().clone();
        // Until the anchor is needed again, its array holds x + d.
        let mut anchor = self.inner.anchor_mut().take().expect("set when made").image;
        fill(&device, 0.0, &mut anchor);
        add(&device, 1.0, self.inner.solution(), &mut anchor);
        add(&device, 1.0, &self.d, &mut anchor);
        (self.denoise)(self.iteration / self.length, &anchor, &mut self.u)?;
        fill(&device, 0.0, &mut anchor);
        add(&device, 1.0, &self.u, &mut anchor);
        add(&device, -1.0, &self.d, &mut anchor);
        *self.inner.anchor_mut() = Some(Anchor { image: anchor, weight: self.weight });
        Ok(())
    }

    fn end(&mut self) {
        let Self { inner, u, d, mean, .. } = self;
        let (device, x) = (inner.device(), inner.solution());
        // The mean's array first holds d, since a kernel reads and writes different arrays.
        fill(device, 0.0, mean);
        add(device, 1.0, d, mean);
        add(device, -0.5, mean, d);
        add(device, 0.5, x, d);
        add(device, -0.5, u, d);
        fill(device, 0.0, mean);
        add(device, 0.5, x, mean);
        add(device, 0.5, u, mean);
    }

    fn step(&mut self) -> Result<Progress> {
        if self.iteration.is_multiple_of(self.length) {
            self.begin()?;
        }
        self.inner.next().expect("solvers never end")?;
        self.iteration += 1;
        if self.iteration.is_multiple_of(self.length) {
            self.end();
        }
        Ok(Progress { iteration: self.iteration })
    }
}

impl Iterator for PlugAndPlay {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.step())
    }
}

impl Solver for PlugAndPlay {
    /// ½(x + u) of the last whole round, since each has what the other lacks.
    fn solution(&self) -> &Array {
        &self.mean
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        problem::{Bounds, Fidelity, Metric, Problem},
        solvers::{diagonal::Diagonal, primal_dual::Steps},
    };

    const A: [f32; 6] = [0.2, 1.0, -0.7, 0.4, 0.9, 0.1];
    const B: [f32; 6] = [1.0, 2.0, -1.5, 0.3, -2.0, 4.0];

    /// With D(v) = v/(1 + c) and f = ½‖Ax − b‖², u = 2x/(2 + c) and AᵀA x + 2μc/(2 + c) x = Aᵀb.
    #[test]
    fn with_a_shrinking_denoiser_it_solves_ridge_regression() {
        const C: f32 = 0.8;
        const WEIGHT: f32 = 0.5;
        let device = Device::cpu();
        let steps = Steps { primal: 0.9, terms: 0.0, relaxation: 1.5 };
        let fidelity = Fidelity {
            operator: Box::new(Diagonal(device.clone(), A)),
            data: device.upload(&[3, 2], &B[..]).unwrap(),
            metric: Metric::Scalar(1.0),
        };
        let problem = Problem { fidelity, terms: vec![], bounds: Bounds::NONE };
        let inner = PrimalDual::new(&device, problem, None, steps).unwrap();
        let shrinks = device.clone();
        let denoise: Denoiser = Box::new(move |_, image, into| {
            fill(&shrinks, 0.0, into);
            add(&shrinks, 1.0 / (1.0 + C), image, into);
            Ok(())
        });
        let mut solver = PlugAndPlay::new(inner, denoise, WEIGHT, 10).unwrap();
        for progress in solver.by_ref().take(600) {
            progress.unwrap();
        }
        let found: Vec<f32> = device.download(solver.solution()).unwrap();
        let ridge = 2.0 * WEIGHT * C / (2.0 + C);
        for ((found, a), b) in found.iter().zip(A).zip(B) {
            let x = a * b / (a * a + ridge);
            let mean = 0.5 * (x + 2.0 * x / (2.0 + C));
            assert!((found - mean).abs() < 1e-4 * mean.abs().max(0.1), "{found}, not {mean}");
        }
    }
}
