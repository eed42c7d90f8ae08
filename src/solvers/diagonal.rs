//! Six numbers times six factors: an operator whose problems are solved by hand.

use crate::{
    device::{Array, Device},
    error::Result,
    operators::LinearOperator,
};

/// The operator, and its factors.
pub struct Diagonal(pub Device, pub [f32; 6]);

impl LinearOperator for Diagonal {
    fn domain(&self) -> &[usize] {
        &[3, 2]
    }

    fn range(&self) -> &[usize] {
        &[3, 2]
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let x: Vec<f32> = self.0.download(x)?;
        *y = self.0.upload(&[3, 2], x.iter().zip(self.1).map(|(x, a)| x * a).collect::<Vec<_>>())?;
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}
