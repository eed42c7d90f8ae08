//! Conjugate gradients for (N + λ) x = h, N its own adjoint and not negative (Hestenes & Stiefel 1952), preconditioned with M, if there
//! is one: its own adjoint, too, and nearly the inverse (Saad 2003, algorithm 9.1). Its factors stay on the device.
//!
//! Rounding of h and N x lies anywhere, in a singular system also where N is nothing, and steps against it there would make it grow
//! without end. So the iteration rests once the residual is no more than rounding, and no curvature counts as less than it.

use std::sync::Arc;

use super::{
    Progress, Solver,
    watch::{Growth, Watch},
};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    operators::{Factor, LinearOperator, Scalars},
};

/// Scalars: ⟨r, M r⟩ of this iteration and of the next, by turns, and what that is of rounding; ⟨p, (N + λ) p⟩; ‖p‖².
const GAMMA: [usize; 2] = [1, 2];
const ROUNDING: usize = 3;
const CURVATURE: usize = 4;
const SQUARE: usize = 5;
/// Rounding of h, as a part of it: that of a number, with room for the sums that h and N x are.
const PRECISION: f32 = 16.0 * f32::EPSILON;
const ONE: Factor = Factor::constant(1.0);
const NONE: Factor = Factor::constant(0.0);

/// The iteration's vectors, named as in the literature.
pub struct LinearSystem {
    device: Device,
    normal: Arc<dyn LinearOperator + Send + Sync>,
    damping: f32,
    preconditioner: Option<Preconditioned>,
    x: Array,
    /// Residual h − (N + λ) x.
    r: Array,
    /// Direction.
    p: Array,
    /// (N + λ) p.
    q: Array,
    scalars: Scalars,
    /// One number each: 1; rounding of ⟨p, (N + λ) p⟩ over ‖p‖², as the first iteration's curvature says; and that times ‖p‖².
    unit: Array,
    least: Array,
    added: Array,
    growth: Growth,
    iteration: usize,
}

/// M, and M r.
struct Preconditioned {
    inverse: Arc<dyn LinearOperator + Send + Sync>,
    z: Array,
}

impl LinearSystem {
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
        normal: Arc<dyn LinearOperator + Send + Sync>,
        right: Array,
        start: Array,
        damping: f32,
    ) -> Result<Self> {
        Self::prepare(device, (normal, None), right, start, damping)
    }

    /// The same with an approximate inverse M of N + λ.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Panics
    /// As [`Self::new`].
    #[track_caller]
    pub fn preconditioned(
        device: &Device,
        normal: Arc<dyn LinearOperator + Send + Sync>,
        inverse: Arc<dyn LinearOperator + Send + Sync>,
        right: Array,
        start: Array,
        damping: f32,
    ) -> Result<Self> {
        assert_eq!(inverse.domain(), start.shape(), "shapes of M and x");
        let z = device.zeros(start.shape(), Element::F32)?;
        Self::prepare(device, (normal, Some(Preconditioned { inverse, z })), right, start, damping)
    }

    #[track_caller]
    fn prepare(
        device: &Device,
        (normal, mut preconditioner): (Arc<dyn LinearOperator + Send + Sync>, Option<Preconditioned>),
        right: Array,
        start: Array,
        damping: f32,
    ) -> Result<Self> {
        if !(damping >= 0.0 && damping.is_finite()) {
            return Err(Error::Option(format!("a damping of {damping}: give 0 or more")));
        }
        assert!(normal.domain() == start.shape() && normal.range() == right.shape(), "shapes of N, x and h");
        let zeros = || device.zeros(start.shape(), Element::F32);
        let (mut q, mut p) = (zeros()?, zeros()?);
        let mut scalars = Scalars::new(device, &[0.0; 5], &[&start])?;
        let mut r = right;
        let steepest = square(&mut preconditioner, &r, (&mut scalars, GAMMA[0]))?;
        scalars.add_dot(ROUNDING, PRECISION * PRECISION, &r, steepest);
        // Conjugate gradients lower the error, and may raise the residual for a while.
        let growth = Growth::above("the residual's square", 2.0 * f64::from(scalars.read()?[GAMMA[0]]));
        normal.forward(&start, &mut q)?;
        scalars.blend(Factor::constant(damping), &start, ONE, &mut q);
        scalars.blend(ONE.negative(), &q, ONE, &mut r);
        let steepest = square(&mut preconditioner, &r, (&mut scalars, GAMMA[0]))?;
        scalars.blend(ONE, steepest, NONE, &mut p);
        let unit = device.upload(&[1, 1], vec![1.0_f32])?;
        let [least, added] = [device.zeros(&[1, 1], Element::F32)?, device.zeros(&[1, 1], Element::F32)?];
        let device = device.clone();
        let x = start;
        Ok(Self {
            device,
            normal,
            damping,
            preconditioner,
            x,
            r,
            p,
            q,
            scalars,
            unit,
            least,
            added,
            growth,
            iteration: 0,
        })
    }

    /// ‖h − (N + λ) x‖², as the iteration has it, in M's metric if there is one, 0 where that is rounding; waits for the device.
    ///
    /// # Errors
    /// What has gone wrong on the device.
    pub fn residual_square(&self) -> Result<f64> {
        Ok(f64::from(self.scalars.read()?[GAMMA[self.iteration % 2]]))
    }

    /// x, when no more is wanted.
    pub fn into_solution(self) -> Array {
        self.x
    }

    fn iterate(&mut self) -> Result<()> {
        let Self { normal, damping, preconditioner, x, r, p, q, scalars, unit, least, added, .. } = self;
        let (gamma, next) = (GAMMA[self.iteration % 2], GAMMA[(self.iteration + 1) % 2]);
        normal.forward(p, q)?;
        if *damping > 0.0 {
            scalars.blend(Factor::constant(*damping), p, ONE, q);
        }
        scalars.dot(SQUARE, p, p);
        if self.iteration == 0 {
            scalars.dot(CURVATURE, p, q);
            scalars.blend(Factor::ratio(CURVATURE, SQUARE), unit, NONE, least);
        }
        scalars.blend(Factor::ratio(SQUARE, 0).times(f32::EPSILON), least, NONE, added);
        scalars.dot(CURVATURE, unit, added);
        scalars.add_dot(CURVATURE, 1.0, p, q);
        let alpha = Factor::ratio(gamma, CURVATURE);
        scalars.blend(alpha, p, ONE, x);
        scalars.blend(alpha.negative(), q, ONE, r);
        let steepest = square(preconditioner, r, (scalars, next))?;
        scalars.blend(ONE, steepest, Factor::ratio(next, gamma), p);
        self.iteration += 1;
        if Watch::is_due(self.iteration) {
            self.growth.check(self.iteration, f64::from(self.scalars.read()?[next]))?;
        }
        Ok(())
    }
}

/// M r, and a scalar ← ⟨r, M r⟩.
fn square<'a>(
    preconditioner: &'a mut Option<Preconditioned>,
    r: &'a Array,
    (scalars, into): (&mut Scalars, usize),
) -> Result<&'a Array> {
    let steepest = match preconditioner {
        None => r,
        Some(Preconditioned { inverse, z }) => {
            inverse.forward(r, z)?;
            z
        }
    };
    scalars.dot_above(into, ROUNDING, r, steepest);
    Ok(steepest)
}

impl Iterator for LinearSystem {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl Solver for LinearSystem {
    fn solution(&self) -> &Array {
        &self.x
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
