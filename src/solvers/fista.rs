//! FISTA: lowers f(x) + g(x), f smooth, g with a proximal map (Beck & Teboulle 2009), restarted where its momentum runs
//! uphill (O'Donoghue & Candès 2015, gradient scheme).

use super::{Progress, Solver, watch::Watch};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    functionals::{Proximal, Smooth},
    operators::{Factor, Scalars},
};

/// Scalars: the restart's ⟨z − x⁺, x⁺ − x⟩, Nesterov's t, and β.
const TURN: usize = 1;
const T: usize = 2;
const BETA: usize = 3;

/// One iteration is one gradient of f and one proximal map of g.
pub struct Fista<S, P> {
    device: Device,
    smooth: S,
    proximal: P,
    step: f32,
    x: Array,
    /// Where the gradient is taken.
    z: Array,
    /// The gradient, then the newest point.
    newest: Array,
    scalars: Scalars,
    watch: Watch,
    iteration: usize,
}

impl<S: Smooth, P: Proximal> Fista<S, P> {
    /// Prepares the iteration from `start` with steps of 1/L or less, L the Lipschitz constant of ∇f.
    ///
    /// # Errors
    /// [`Error::Option`] for a step that is not above 0; those of f.
    pub fn new(device: &Device, mut smooth: S, proximal: P, start: Array, step: f32) -> Result<Self> {
        if !(step > 0.0 && step.is_finite()) {
            return Err(Error::Option(format!("a step of {step}: give one above 0")));
        }
        let (mut z, newest) = (device.zeros(start.shape(), Element::F32)?, device.zeros(start.shape(), Element::F32)?);
        let bound = smooth.value(&z)?.abs().max(smooth.value(&start)?.abs());
        let scalars = Scalars::new(device, &[0.0, 1.0, 0.0], &[&start])?;
        scalars.blend(Factor::constant(1.0), &start, Factor::constant(0.0), &mut z);
        let watch = Watch::new("the smooth part", bound);
        let device = device.clone();
        Ok(Self { device, smooth, proximal, step, x: start, z, newest, scalars, watch, iteration: 0 })
    }

    fn iterate(&mut self) -> Result<()> {
        let Self { smooth, proximal, step, x, z, newest, scalars, .. } = self;
        smooth.gradient(z, newest)?;
        scalars.blend(Factor::constant(1.0), z, Factor::constant(-*step), newest);
        proximal.prox(*step, newest)?;
        scalars.dot_of_differences(TURN, z, newest, x);
        scalars.momentum(TURN, T, BETA);
        std::mem::swap(z, newest);
        scalars.extrapolate(1.0, BETA, z, x);
        self.iteration += 1;
        if Watch::is_due(self.iteration) {
            self.watch.check(self.iteration, self.smooth.value(&self.x)?)?;
        }
        Ok(())
    }
}

impl<S: Smooth, P: Proximal> Iterator for Fista<S, P> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl<S: Smooth, P: Proximal> Solver for Fista<S, P> {
    fn solution(&self) -> &Array {
        &self.x
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
