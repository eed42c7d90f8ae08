//! An operator of images, applied to the first channels of images that carry fields: x `[lines, channels, nx]`.

use std::sync::{Mutex, MutexGuard};

use super::{
    LinearOperator,
    arithmetic::{add_columns, fill},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
};

/// x ↦ A x₀, with x₀ the first channels: one for real images, two for complex ones.
pub struct FirstChannels<A> {
    device: Device,
    operator: A,
    domain: [usize; 3],
    /// The first channels by themselves.
    image: Mutex<Array>,
}

impl<A: LinearOperator> FirstChannels<A> {
    /// For images `[lines, nx]`, or complex ones `[lines, 2, nx]`, as the operator has them.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the operator's domain has other axes, or more than `channels` channels.
    #[track_caller]
    pub fn new(device: &Device, operator: A, channels: usize) -> Result<Self> {
        let (lines, own, nx) = match *operator.domain() {
            [lines, nx] => (lines, 1, nx),
            [lines, own, nx] => (lines, own, nx),
            _ => panic!("an operator of {:?}", operator.domain()),
        };
        assert!(own <= channels, "the first {own} of {channels} channels");
        let image = Mutex::new(device.zeros(operator.domain(), Element::F32)?);
        Ok(Self { device: device.clone(), operator, domain: [lines, channels, nx], image })
    }

    fn image(&self) -> MutexGuard<'_, Array> {
        self.image.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<A: LinearOperator> LinearOperator for FirstChannels<A> {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        self.operator.range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let image = &mut *self.image();
        fill(&self.device, 0.0, image);
        let columns = image.line_len();
        add_columns(&self.device, 1.0, (x, image), columns, [0, 0]);
        self.operator.forward(image, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let image = &mut *self.image();
        self.operator.adjoint(y, image)?;
        fill(&self.device, 0.0, x);
        add_columns(&self.device, 1.0, (image, x), image.line_len(), [0, 0]);
        Ok(())
    }
}

/// An operator between images of one kind, such as AᴴA, applied to the first channels of images that carry fields; the fields of
/// the result are 0.
pub struct WithinFirstChannels<A> {
    first: FirstChannels<A>,
    result: Mutex<Array>,
}

impl<A: LinearOperator> WithinFirstChannels<A> {
    /// As [`FirstChannels::new`].
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// As [`FirstChannels::new`], and if the operator's range is not like its domain.
    #[track_caller]
    pub fn new(device: &Device, operator: A, channels: usize) -> Result<Self> {
        assert_eq!(operator.domain(), operator.range(), "an operator between images of one kind");
        let result = Mutex::new(device.zeros(operator.range(), Element::F32)?);
        Ok(Self { first: FirstChannels::new(device, operator, channels)?, result })
    }

    fn apply(
        &self,
        x: &Array,
        y: &mut Array,
        operator: impl FnOnce(&A, &Array, &mut Array) -> Result<()>,
    ) -> Result<()> {
        let (image, result) =
            (&mut *self.first.image(), &mut *self.result.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let (device, columns) = (&self.first.device, image.line_len());
        fill(device, 0.0, image);
        add_columns(device, 1.0, (x, image), columns, [0, 0]);
        operator(&self.first.operator, image, result)?;
        fill(device, 0.0, y);
        add_columns(device, 1.0, (result, y), columns, [0, 0]);
        Ok(())
    }
}

impl<A: LinearOperator> LinearOperator for WithinFirstChannels<A> {
    fn domain(&self) -> &[usize] {
        &self.first.domain
    }

    fn range(&self) -> &[usize] {
        &self.first.domain
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        self.apply(x, y, A::forward)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.apply(y, x, A::adjoint)
    }
}
