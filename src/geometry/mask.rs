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

    /// Whether every line along x is sampled whole or not at all, as a read-out direction is.
    pub fn reads_out_x(&self) -> bool {
        self.sampled.chunks_exact(self.shape[2].max(1)).all(|line| line.iter().all(|sampled| *sampled == line[0]))
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
