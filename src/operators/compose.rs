//! One operator after another: x ↦ B A x.

use std::sync::{Arc, Mutex, MutexGuard};

use super::LinearOperator;
use crate::{
    device::{Array, Device, Element},
    error::Result,
};

/// B A.
pub struct Composed<B, A> {
    second: B,
    first: A,
    between: Mutex<Array>,
}

impl<B: LinearOperator, A: LinearOperator> Composed<B, A> {
    /// `second` after `first`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the second does not take what the first gives.
    #[track_caller]
    pub fn new(device: &Device, second: B, first: A) -> Result<Self> {
        assert_eq!(second.domain(), first.range(), "the domain of B and the range of A");
        let between = Mutex::new(device.zeros(first.range(), Element::F32)?);
        Ok(Self { second, first, between })
    }

    fn between(&self) -> MutexGuard<'_, Array> {
        self.between.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<B: LinearOperator, A: LinearOperator> LinearOperator for Composed<B, A> {
    fn domain(&self) -> &[usize] {
        self.first.domain()
    }

    fn range(&self) -> &[usize] {
        self.second.range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let between = &mut *self.between();
        self.first.forward(x, between)?;
        self.second.forward(between, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let between = &mut *self.between();
        self.second.adjoint(y, between)?;
        self.first.adjoint(between, x)
    }
}

/// AAᴴ.
pub struct Outer {
    operator: Arc<dyn LinearOperator + Send + Sync>,
    between: Mutex<Array>,
}

impl Outer {
    /// Of an operator.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(device: &Device, operator: Arc<dyn LinearOperator + Send + Sync>) -> Result<Self> {
        let between = Mutex::new(device.zeros(operator.domain(), Element::F32)?);
        Ok(Self { operator, between })
    }
}

impl LinearOperator for Outer {
    fn domain(&self) -> &[usize] {
        self.operator.range()
    }

    fn range(&self) -> &[usize] {
        self.operator.range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let between = &mut *self.between.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.operator.adjoint(x, between)?;
        self.operator.forward(between, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

/// AᴴA, where nothing quicker is known than A, then Aᴴ.
pub struct Normal<A> {
    operator: A,
    between: Mutex<Array>,
}

impl<A: LinearOperator> Normal<A> {
    /// Of an operator.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(device: &Device, operator: A) -> Result<Self> {
        let between = Mutex::new(device.zeros(operator.range(), Element::F32)?);
        Ok(Self { operator, between })
    }
}

impl<A: LinearOperator> LinearOperator for Normal<A> {
    fn domain(&self) -> &[usize] {
        self.operator.domain()
    }

    fn range(&self) -> &[usize] {
        self.operator.domain()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let between = &mut *self.between.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.operator.forward(x, between)?;
        self.operator.adjoint(between, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}
