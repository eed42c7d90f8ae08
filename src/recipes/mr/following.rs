//! FISTA with a strength that follows what the image leaves unexplained: what l1-wavelet and low-rank share.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use crate::{
    device::{Array, Device},
    error::Result,
    functionals::{Proximal, Smooth},
    recipes::{Strength, iteration::LOOK},
    solvers::{Fista, Progress, Solver},
};

/// The first guess of σ, as a part of the data's rms.
const FIRST_GUESS: f64 = 0.1;

/// λ for σ of a measured number, and an image, planar.
pub(super) type Usual = Box<dyn Fn(f64, &[f32]) -> f64>;

/// λ over σ, and what λ is to be.
pub(super) struct Wish {
    pub strength: Strength,
    /// λ, unless told otherwise.
    pub usual: Usual,
    /// Σ w over the real numbers measured: their σ² is what is unexplained over it.
    pub numbers: f64,
    /// The most that σ² can be.
    pub most: f64,
    /// The strength follows the noise for so many iterations, and then stays.
    pub tuned: usize,
}

impl Wish {
    /// λ where an image leaves so much of the data unexplained.
    fn of(&self, residual: f64, image: &[f32]) -> f64 {
        let variance = (residual.max(0.0) / self.numbers).min(self.most);
        self.strength.of((self.usual)(variance.sqrt(), image))
    }
}

/// λ·f for a λ that may be changed between iterations, shared by recipe and proximal map.
pub(super) struct Weighted<P> {
    function: P,
    strength: Arc<AtomicU32>,
}

impl<P: Proximal> Proximal for Weighted<P> {
    fn prox(&self, step: f32, x: &mut Array) -> Result<()> {
        self.function.prox(step * f32::from_bits(self.strength.load(Ordering::Relaxed)), x)
    }
}

/// The solver; `residual` tells ‖Ax − b‖².
pub(super) struct Following<S, P, R> {
    inner: Fista<S, Weighted<P>>,
    residual: R,
    wish: Wish,
    strength: Arc<AtomicU32>,
}

impl<S: Smooth, P: Proximal, R: FnMut(&Array) -> Result<f64>> Following<S, P, R> {
    /// From `start`; `energy` is ‖b‖², and 1/`norm` the step.
    pub fn new(
        device: &Device,
        wish: Wish,
        (smooth, function, residual): (S, P, R),
        (start, energy, norm): (Array, f64, f64),
    ) -> Result<Self> {
        let first = wish.of(FIRST_GUESS * FIRST_GUESS * energy, &device.download(&start)?) as f32;
        let strength = Arc::new(AtomicU32::new(first.to_bits()));
        let proximal = Weighted { function, strength: strength.clone() };
        let inner = Fista::new(device, smooth, proximal, start, (1.0 / norm) as f32)?;
        Ok(Self { inner, residual, wish, strength })
    }

    fn tune(&mut self) -> Result<()> {
        if !matches!(self.wish.strength, Strength::Fixed(_)) {
            let image: Vec<f32> = self.inner.device().download(self.inner.solution())?;
            let strength = self.wish.of((self.residual)(self.inner.solution())?, &image);
            if strength > 0.0 {
                self.strength.store((strength as f32).to_bits(), Ordering::Relaxed);
            }
        }
        Ok(())
    }

    pub fn remark(&self) -> String {
        let strength = f32::from_bits(self.strength.load(Ordering::Relaxed));
        format!("strength λ {strength:.4e} ({})", super::said(self.wish.strength))
    }
}

impl<S: Smooth, P: Proximal, R: FnMut(&Array) -> Result<f64>> Iterator for Following<S, P, R> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        let progress = self.inner.next()?;
        let done = progress.as_ref().map_or(0, |progress| progress.iteration);
        if done > 0 && done <= self.wish.tuned && done.is_multiple_of(LOOK) {
            return Some(self.tune().and(progress));
        }
        Some(progress)
    }
}

impl<S: Smooth, P: Proximal, R: FnMut(&Array) -> Result<f64>> Solver for Following<S, P, R> {
    fn solution(&self) -> &Array {
        self.inner.solution()
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }
}
