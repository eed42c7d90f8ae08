//! Conjugate gradients for least squares, CGLS: lowers ½‖A x − b‖² + ½λ‖x‖² (Hestenes & Stiefel 1952; Björck 1996, §7.4).
//!
//! Its factors stay on the device. It knows no bounds.

use super::{Progress, Solver, watch::Watch};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    operators::{Factor, LinearOperator, Scalars},
};

/// Scalars: ‖s‖² of this iteration and of the next, by turns; ‖A p‖² + λ‖p‖²; ‖r‖².
const GAMMA: [usize; 2] = [1, 2];
const DELTA: usize = 3;
const RESIDUAL: usize = 4;

/// The iteration's vectors, named as in the literature.
pub struct ConjugateGradient {
    device: Device,
    operator: Box<dyn LinearOperator>,
    damping: f32,
    x: Array,
    /// Residual b − A x.
    r: Array,
    /// Gradient's negative, Aᵀ r − λ x.
    s: Array,
    /// Direction.
    p: Array,
    /// A p.
    q: Array,
    scalars: Scalars,
    watch: Watch,
    iteration: usize,
}

const ONE: Factor = Factor::constant(1.0);

impl ConjugateGradient {
    /// Prepares the iteration from `start`; `damping` is λ, 0 for none.
    ///
    /// # Errors
    /// [`Error::Option`] for a damping below 0; those of the operator.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn new(
        device: &Device,
        operator: Box<dyn LinearOperator>,
        data: Array,
        start: Array,
        damping: f32,
    ) -> Result<Self> {
        if !(damping >= 0.0 && damping.is_finite()) {
            return Err(Error::Option(format!("a damping of {damping}: give 0 or more")));
        }
        assert_eq!(operator.domain(), start.shape(), "the image");
        assert_eq!(operator.range(), data.shape(), "the lines");
        let zeros = |shape| device.zeros(shape, Element::F32);
        let (mut q, mut s, mut p) = (zeros(data.shape())?, zeros(start.shape())?, zeros(start.shape())?);
        let mut scalars = Scalars::new(device, &[0.0; 4], &[&data, &start])?;
        scalars.dot(RESIDUAL, &data, &data);
        let mut watch = Watch::new("the residual's square", f64::from(scalars.read()?[RESIDUAL]));
        let mut r = data;
        operator.forward(&start, &mut q)?;
        scalars.blend(ONE.negative(), &q, ONE, &mut r);
        operator.adjoint(&r, &mut s)?;
        scalars.blend(Factor::constant(-damping), &start, ONE, &mut s);
        scalars.blend(ONE, &s, Factor::constant(0.0), &mut p);
        scalars.dot(GAMMA[0], &s, &s);
        scalars.dot(RESIDUAL, &r, &r);
        watch.check(0, f64::from(scalars.read()?[RESIDUAL]))?;
        let device = device.clone();
        Ok(Self { device, operator, damping, x: start, r, s, p, q, scalars, watch, iteration: 0 })
    }

    fn iterate(&mut self) -> Result<()> {
        let Self { operator, damping, x, r, s, p, q, scalars, .. } = self;
        let (gamma, next) = (GAMMA[self.iteration % 2], GAMMA[(self.iteration + 1) % 2]);
        operator.forward(p, q)?;
        scalars.dot(DELTA, q, q);
        if *damping > 0.0 {
            scalars.add_dot(DELTA, *damping, p, p);
        }
        let alpha = Factor::ratio(gamma, DELTA);
        scalars.blend(alpha, p, ONE, x);
        scalars.blend(alpha.negative(), q, ONE, r);
        operator.adjoint(r, s)?;
        if *damping > 0.0 {
            scalars.blend(Factor::constant(-*damping), x, ONE, s);
        }
        scalars.dot(next, s, s);
        scalars.blend(ONE, s, Factor::ratio(next, gamma), p);
        self.iteration += 1;
        if Watch::is_due(self.iteration) {
            self.scalars.dot(RESIDUAL, &self.r, &self.r);
            self.watch.check(self.iteration, f64::from(self.scalars.read()?[RESIDUAL]))?;
        }
        Ok(())
    }
}

impl Iterator for ConjugateGradient {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl Solver for ConjugateGradient {
    fn solution(&self) -> &Array {
        &self.x
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
