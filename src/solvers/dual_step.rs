//! The data's step of [`super::continuation`] by its dual, for f = ½‖Ax − d‖² with A and d weighed: x = v + Aᵀu where
//!
//! ```text
//! (AAᵀ + ρ) u = d − A v        so that u = (d − A x)/ρ
//! ```
//!
//! What the data say nothing about, nearly all of the image where there are few views, is v's from the beginning, and does not
//! spread the eigenvalues; on the data's side, lines of cells, there is a preconditioner that costs next to nothing
//! ([`crate::operators::RampPreconditioner`]). u stays from round to round.

use std::sync::Arc;

use super::{LinearSystem, continuation::DataStep};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::{LinearOperator, Outer, RampPreconditioner, arithmetic::add},
};

/// Weighed least squares.
pub struct DualStep {
    device: Device,
    operator: Arc<dyn LinearOperator + Send + Sync>,
    outer: Arc<Outer>,
    preconditioner: Arc<RampPreconditioner>,
    /// d.
    data: Array,
    /// Iterations.
    iterations: usize,
    /// ρu, once there is one.
    residual: Option<Array>,
}

impl DualStep {
    /// Of A, d, and so many iterations a round.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(
        device: &Device,
        operator: Arc<dyn LinearOperator + Send + Sync>,
        data: Array,
        preconditioner: RampPreconditioner,
        iterations: usize,
    ) -> Result<Self> {
        let outer = Arc::new(Outer::new(device, Arc::clone(&operator))?);
        let preconditioner = Arc::new(preconditioner);
        Ok(Self { device: device.clone(), operator, outer, preconditioner, data, iterations, residual: None })
    }

    /// d − A x.
    fn residual(&self, x: &Array) -> Result<Array> {
        let mut residual = self.device.zeros(self.data.shape(), Element::F32)?;
        let mut lines = self.device.zeros(self.data.shape(), Element::F32)?;
        self.operator.forward(x, &mut lines)?;
        add(&self.device, 1.0, &self.data, &mut residual);
        add(&self.device, -1.0, &lines, &mut residual);
        Ok(residual)
    }
}

impl DataStep for DualStep {
    fn step(&mut self, v: &Array, weight: f32, x: &mut Array) -> Result<()> {
        let residual = match self.residual.take() {
            Some(residual) => residual,
            None => self.residual(x)?,
        };
        let device = self.device.clone();
        let scaled = |factor: f32, from: &Array| -> Result<Array> {
            let mut to = device.zeros(from.shape(), Element::F32)?;
            add(&device, factor, from, &mut to);
            Ok(to)
        };
        self.preconditioner.damp(weight)?;
        let (outer, inverse) = (self.outer.clone(), self.preconditioner.clone());
        let (right, start) = (self.residual(v)?, scaled(1.0 / weight, &residual)?);
        let mut system = LinearSystem::preconditioned(&device, outer, inverse, right, start, weight)?;
        for _ in 0..self.iterations {
            system.next().expect("solvers never end")?;
        }
        let dual = system.into_solution();
        self.operator.adjoint(&dual, x)?;
        add(&device, 1.0, v, x);
        self.residual = Some(scaled(weight, &dual)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solvers::diagonal::Diagonal;

    const A: [f32; 6] = [0.2, 1.0, -0.7, 0.4, 0.9, 0.1];
    const D: [f32; 6] = [1.0, 2.0, -1.5, 0.3, -2.0, 4.0];
    const V: [f32; 6] = [0.5, -1.0, 0.2, 2.0, 0.0, 1.0];

    /// (a² + ρ) x = a d + ρ v, whatever x was and whichever round came before.
    #[test]
    fn it_is_ridge_regression_about_another_image() {
        let device = Device::cpu();
        let upload = |numbers: [f32; 6]| device.upload(&[3, 2], &numbers[..]).unwrap();
        let squares = A.map(|a| a * a).to_vec();
        let preconditioner = RampPreconditioner::new(&device, [3, 1, 2], 4.0, squares).unwrap();
        let operator = Arc::new(Diagonal(device.clone(), A));
        let mut step = DualStep::new(&device, operator, upload(D), preconditioner, 8).unwrap();
        let mut x = upload([3.0; 6]);
        for (weight, factor) in [(0.3, 1.0), (0.5, -2.0), (2.0, 0.7)] {
            step.step(&upload(V.map(|v| factor * v)), weight, &mut x).unwrap();
            for (((x, a), d), v) in device.download::<f32>(&x).unwrap().iter().zip(A).zip(D).zip(V) {
                let expected = (a * d + weight * factor * v) / (a * a + weight);
                assert!((x - expected).abs() < 1e-5, "{x}, not {expected}");
            }
        }
    }
}
