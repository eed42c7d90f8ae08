//! An operator whose results are weighed: x ↦ D A x with a diagonal D, so that ‖D(Ax − b)‖² is a weighted square.

use std::sync::{Mutex, MutexGuard};

use super::LinearOperator;
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::Multiply,
};

/// D A.
pub struct Weighted<A> {
    device: Device,
    operator: A,
    diagonal: Array,
    product: Mutex<Array>,
}

impl<A: LinearOperator> Weighted<A> {
    /// With D's diagonal, shaped like the operator's range.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If it is shaped otherwise.
    #[track_caller]
    pub fn new(device: &Device, operator: A, diagonal: Array) -> Result<Self> {
        assert_eq!(operator.range(), diagonal.shape(), "the range of A and the diagonal");
        let product = Mutex::new(device.zeros(operator.range(), Element::F32)?);
        Ok(Self { device: device.clone(), operator, diagonal, product })
    }

    fn product(&self) -> MutexGuard<'_, Array> {
        self.product.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// y ← D x.
    fn weigh(&self, x: &Array, y: &mut Array) {
        let line = x.line_len();
        for ((x, w), y) in x.slabs().iter().zip(self.diagonal.slabs()).zip(y.slabs_mut()) {
            let kernel = Multiply { count: (x.lines().len() * line) as u32, factor: 1.0 };
            self.device.run(&kernel, &[w, x], &mut [y]);
        }
    }
}

impl<A: LinearOperator> LinearOperator for Weighted<A> {
    fn domain(&self) -> &[usize] {
        self.operator.domain()
    }

    fn range(&self) -> &[usize] {
        self.operator.range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let product = &mut *self.product();
        self.operator.forward(x, product)?;
        self.weigh(product, y);
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let product = &mut *self.product();
        self.weigh(y, product);
        self.operator.adjoint(product, x)
    }
}
