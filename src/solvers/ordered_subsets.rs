//! Penalised likelihood by ordered subsets with Nesterov's momentum and separable quadratic surrogates (Kim, Ramani &
//! Fessler 2015, "OS-mom1"): for each block m of M in turn,
//! x⁺ = clamp(z − D⁻¹(M ∇h_m(z) + β ∇R(z))), z = x⁺ + (t − 1)/t⁺ · (x⁺ − x), t⁺ = (1 + √(1 + 4t²))/2.
//!
//! With one block this is FISTA with a step of its own for every pixel, and converges. With several it soon comes near
//! the minimum and then circles it: the more views a block has, the closer. Two things keep few views from running away,
//! as the paper's form does: D takes each pixel's most curved block for all of them, and momentum starts anew where it
//! runs uphill (O'Donoghue & Candès 2015).

use super::{Bounds, Progress, Solver, watch::Watch};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    functionals::{Objective, Smooth},
    operators::{Scalars, scalars},
};

/// Scalars: the restart's ⟨z − x⁺, x⁺ − x⟩, Nesterov's t, and β.
const TURN: usize = 1;
const T: usize = 2;
const BETA: usize = 3;

/// One iteration goes through all blocks of the objective, in their order.
pub struct OrderedSubsets {
    objective: Objective,
    bounds: Bounds,
    /// D⁻¹.
    inverse_curvatures: Array,
    x: Array,
    /// Where the gradient is taken.
    z: Array,
    /// The gradient, then the newest point.
    newest: Array,
    scalars: Scalars,
    watch: Watch,
    iteration: usize,
}

impl OrderedSubsets {
    /// Prepares the iteration from `start`.
    ///
    /// # Errors
    /// Those of the operators and of the device.
    pub fn new(mut objective: Objective, start: Array, bounds: Bounds) -> Result<Self> {
        let device = objective.device().clone();
        let inverse = |curvature: f32| if curvature > 0.0 { 1.0 / curvature } else { 0.0 };
        let curvatures = objective.curvatures()?.into_iter().map(inverse).collect::<Vec<_>>();
        let inverse_curvatures = device.upload(start.shape(), curvatures)?;
        let mut z = device.zeros(start.shape(), Element::F32)?;
        let bound = objective.value(&z)?.abs().max(objective.value(&start)?.abs());
        let scalars = Scalars::new(&device, &[0.0, 1.0, 0.0], &[&start])?;
        // With no momentum yet, this leaves `start` in both.
        let mut x = start;
        scalars.extrapolate(0.0, 0, &mut x, &mut z);
        let newest = device.zeros(x.shape(), Element::F32)?;
        let watch = Watch::new("the objective", bound);
        Ok(Self { objective, bounds, inverse_curvatures, x, z, newest, scalars, watch, iteration: 0 })
    }

    fn iterate(&mut self) -> Result<()> {
        let Bounds { lower, upper } = self.bounds;
        let Self { objective, inverse_curvatures, x, z, newest, scalars, .. } = self;
        for block in 0..objective.blocks() {
            objective.gradient_by(block, z, newest)?;
            scalars::update(objective.device(), (-1.0, z, inverse_curvatures), [lower, upper], newest);
            scalars.dot_of_differences(TURN, z, newest, x);
            scalars.momentum(TURN, T, BETA);
            std::mem::swap(z, newest);
            scalars.extrapolate(1.0, BETA, z, x);
        }
        self.iteration += 1;
        if Watch::is_due(self.iteration) {
            self.watch.check(self.iteration, self.objective.value(&self.x)?)?;
        }
        Ok(())
    }

    /// The function that is lowered.
    pub fn objective(&mut self) -> &mut Objective {
        &mut self.objective
    }
}

impl Iterator for OrderedSubsets {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl Solver for OrderedSubsets {
    fn solution(&self) -> &Array {
        &self.x
    }

    fn device(&self) -> &Device {
        self.objective.device()
    }
}
