//! Weighted least squares, h(l) = ½ Σ w (l − b)²: with w = 1/variance, the likelihood of line integrals to second order
//! (Sauer & Bouman 1993).

use super::DataTerm;
use crate::{
    device::{Array, Device},
    error::{Error, Result},
    operators::scalars,
};

/// Measured lines and a weight for every ray.
#[derive(Debug)]
pub struct LeastSquares {
    device: Device,
    data: Array,
    weights: Array,
}

impl LeastSquares {
    /// Lines of `shape`, each ray with its weight.
    ///
    /// # Errors
    /// [`Error::Scan`] for weights that are negative, not finite, or all zero; [`Error::OutOfMemory`].
    pub fn new(device: &Device, shape: &[usize], data: Vec<f32>, weights: Vec<f32>) -> Result<Self> {
        if let Some(index) = weights.iter().position(|weight| !(*weight >= 0.0 && weight.is_finite())) {
            return Err(Error::Scan(format!(
                "ray {index} has the weight {}: weights are finite and not below 0",
                weights[index]
            )));
        }
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(Error::Scan("the weights of all rays are 0: nothing would count".into()));
        }
        Ok(Self { device: device.clone(), data: device.upload(shape, data)?, weights: device.upload(shape, weights)? })
    }
}

impl DataTerm for LeastSquares {
    fn shape(&self) -> &[usize] {
        self.data.shape()
    }

    fn slope(&self, lines: &mut Array) {
        scalars::weigh(&self.device, -1.0, &self.data, &self.weights, lines);
    }

    fn curvature(&self) -> &Array {
        &self.weights
    }

    fn value(&self, lines: &Array) -> Result<f64> {
        let [l, b, w] = [lines, &self.data, &self.weights].map(|array| self.device.download::<f32>(array));
        let (l, b, w) = (l?, b?, w?);
        Ok(l.iter().zip(&b).zip(&w).map(|((l, b), w)| 0.5 * f64::from(*w) * f64::from(l - b).powi(2)).sum())
    }
}
