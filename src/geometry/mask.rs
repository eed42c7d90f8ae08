//! Which points of a Cartesian k-space are sampled.

use crate::error::{Error, Result};

/// A Cartesian sampling, C order `[z, y, x]`; zero frequency at index N/2 of every axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Extents of k-space along z, y, x.
    pub shape: [usize; 3],
    /// Whether a point is sampled, one entry a point.
    pub sampled: Vec<bool>,
}

impl Mask {
    /// All points.
    pub fn full(shape: [usize; 3]) -> Self {
        Self { shape, sampled: vec![true; shape.iter().product()] }
    }

    /// Number of sampled points.
    pub fn count(&self) -> usize {
        self.sampled.iter().filter(|sampled| **sampled).count()
    }

    /// R: points over sampled points, those of the calibration region included.
    pub fn acceleration(&self) -> f64 {
        self.sampled.len() as f64 / self.count().max(1) as f64
    }

    /// Whether every line along an axis (0, 1, 2 for z, y, x) is sampled whole or not at all, as along a read-out direction.
    ///
    /// # Panics
    /// If there is no such axis.
    #[track_caller]
    pub fn reads_out(&self, axis: usize) -> bool {
        let stride: usize = self.shape[axis + 1..].iter().product();
        let block = stride * self.shape[axis];
        let whole = |block: &[bool]| block.chunks_exact(stride).all(|line| line == &block[..stride]);
        self.sampled.chunks_exact(block.max(1)).all(whole)
    }

    /// Refuses masks whose extents are not those of their points, or that sample nothing.
    pub fn check(&self) -> Result<()> {
        if self.shape.iter().try_fold(1_usize, |n, extent| n.checked_mul(*extent)) != Some(self.sampled.len()) {
            return Err(Error::Scan(format!(
                "a mask of {:?} (z, y, x) with {} points",
                self.shape,
                self.sampled.len()
            )));
        }
        match self.count() {
            0 => Err(Error::Scan(format!("the mask of {:?} (z, y, x) samples nothing", self.shape))),
            _ => Ok(()),
        }
    }
}
