//! An operator of images, applied to the first channel of images that carry fields: x `[lines, channels, nx]`.

use std::sync::{Mutex, MutexGuard};

use super::{
    LinearOperator,
    arithmetic::{add_columns, fill},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
};

/// x ↦ A x₀, with x₀ the first channel.
pub struct FirstChannel<A> {
    device: Device,
    operator: A,
    domain: [usize; 3],
    /// The first channel by itself.
    image: Mutex<Array>,
}

impl<A: LinearOperator> FirstChannel<A> {
    /// For images `[lines, nx]` as the operator has them.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the operator's domain has other axes.
    #[track_caller]
    pub fn new(device: &Device, operator: A, channels: usize) -> Result<Self> {
        let &[lines, nx] = operator.domain() else { panic!("an operator of {:?}", operator.domain()) };
        let image = Mutex::new(device.zeros(operator.domain(), Element::F32)?);
        Ok(Self { device: device.clone(), operator, domain: [lines, channels, nx], image })
    }

    fn image(&self) -> MutexGuard<'_, Array> {
        self.image.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<A: LinearOperator> LinearOperator for FirstChannel<A> {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        self.operator.range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let image = &mut *self.image();
        fill(&self.device, 0.0, image);
        add_columns(&self.device, 1.0, (x, image), self.domain[2], [0, 0]);
        self.operator.forward(image, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let image = &mut *self.image();
        self.operator.adjoint(y, image)?;
        fill(&self.device, 0.0, x);
        add_columns(&self.device, 1.0, (image, x), self.domain[2], [0, 0]);
        Ok(())
    }
}
