//! A primal–dual method that takes turns with a denoiser D, which stands where a penalty's proximal map would (plug and play
//! priors; Venkatakrishnan, Bouman & Wohlberg 2013). A round:
//!
//!     u ← D(x + d)
//!     x ← a few primal–dual iterations on the problem + ½μ‖x − (u − d)‖²
//!     d ← ½ (d + x − u)
//!
//! In ADMM d would gather all x − u of the past; here it forgets half in every round, which a D that is no proximal map, or
//! that changes from round to round, takes better. If D rests, x and u come to rest where ∇f(x) + 2μ(x − u) = 0 and
//! u = D(2x − u), with f the problem's objective; that they come to rest is not known for a D with hard decisions.

use super::{
    PrimalDual, Progress, Solver,
    primal_dual::Anchor,
};
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
