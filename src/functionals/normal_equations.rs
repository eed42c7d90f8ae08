//! Least squares by their normal equations: ½‖A x − b‖² = ½⟨x, N x⟩ − ⟨h, x⟩ + ½‖b‖² with N = AᴴA and h = Aᴴb. Where N is quicker
//! than A and Aᴴ, as for parallel MR, that is all a solver needs of the data.

use std::sync::Arc;

use super::Smooth;
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::{LinearOperator, Scalars, arithmetic::add},
};

/// N, h and ‖b‖².
pub struct NormalEquations {
    /// N, its own adjoint.
    pub normal: Arc<dyn LinearOperator + Send + Sync>,
    /// h.
    pub right: Array,
    /// ‖b‖².
    pub energy: f64,
    device: Device,
    product: Array,
    scalars: Scalars,
}

/// Indices of ⟨x, N x⟩ and ⟨h, x⟩ among the scalars.
const SQUARE: usize = 1;
const MIXED: usize = 2;

impl NormalEquations {
    /// Puts the three together.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If h is not shaped like N's domain and range.
    #[track_caller]
    pub fn new(
        device: &Device,
        normal: Arc<dyn LinearOperator + Send + Sync>,
        right: Array,
        energy: f64,
    ) -> Result<Self> {
        assert!(normal.domain() == right.shape() && normal.range() == right.shape(), "h: {:?}", right.shape());
        let product = device.zeros(right.shape(), Element::F32)?;
        let scalars = Scalars::new(device, &[0.0, 0.0], &[&right])?;
        Ok(Self { normal, right, energy, device: device.clone(), product, scalars })
    }

    /// Where they live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// ‖A x − b‖², read back.
    ///
    /// # Errors
    /// What has gone wrong on the device.
    pub fn residual(&mut self, x: &Array) -> Result<f64> {
        self.normal.forward(x, &mut self.product)?;
        self.scalars.dot(SQUARE, x, &self.product);
        self.scalars.dot(MIXED, x, &self.right);
        let read = self.scalars.read()?;
        Ok(f64::from(read[SQUARE]) - 2.0 * f64::from(read[MIXED]) + self.energy)
    }
}

impl Smooth for NormalEquations {
    fn gradient(&mut self, x: &Array, g: &mut Array) -> Result<()> {
        self.normal.forward(x, g)?;
        add(&self.device, -1.0, &self.right, g);
        Ok(())
    }

    fn value(&mut self, x: &Array) -> Result<f64> {
        Ok(0.5 * self.residual(x)?)
    }
}
