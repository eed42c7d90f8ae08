//! Functions whose proximal map has a closed form, number by number.

use super::Proximal;
use crate::{
    device::{Array, Device},
    error::Result,
    kernels::SoftThreshold,
    operators::{Factor, Scalars},
};

/// weight·‖x‖₁ within bounds; a weight of 0 leaves the bounds alone.
#[derive(Clone, Debug)]
pub struct Sparse {
    /// Where the images live.
    pub device: Device,
    /// Factor of the sum of sizes, not below 0.
    pub weight: f32,
    /// Least and largest value.
    pub bounds: [f32; 2],
}

impl Proximal for Sparse {
    fn prox(&self, step: f32, x: &mut Array) -> Result<()> {
        let (length, [lower, upper]) = (x.line_len(), self.bounds);
        for x in x.slabs_mut() {
            let count = (x.lines().len() * length) as u32;
            let kernel = SoftThreshold { count, threshold: step * self.weight, lower, upper };
            self.device.run(&kernel, &[], &mut [x]);
        }
        Ok(())
    }
}

/// ½‖x − b‖².
#[derive(Debug)]
pub struct Quadratic {
    data: Array,
    scalars: Scalars,
}

impl Quadratic {
    /// With this b.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn new(device: &Device, data: Array) -> Result<Self> {
        Ok(Self { scalars: Scalars::new(device, &[], &[])?, data })
    }
}

impl Proximal for Quadratic {
    fn prox(&self, step: f32, x: &mut Array) -> Result<()> {
        let whole = 1.0 + step;
        self.scalars.blend(Factor::constant(step / whole), &self.data, Factor::constant(1.0 / whole), x);
        Ok(())
    }
}
