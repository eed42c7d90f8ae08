//! The image grid: where the centre of voxel (0, 0, 0) is and how to step to the next.

use super::add;
use crate::error::{Error, Result};

/// A grid of voxels, `[z, y, x]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Voxels along z, y, x.
    pub shape: [usize; 3],
    /// Position (x, y, z) of the centre of voxel (0, 0, 0).
    pub first: [f64; 3],
    /// Steps (each x, y, z) to the next voxel along the image's z, y and x axis.
    pub steps: [[f64; 3]; 3],
}

impl Grid {
    /// A grid of `shape` `[z, y, x]` voxels of size `voxel` `[z, y, x]`, its middle at `center` (x, y, z).
    pub fn centered(shape: [usize; 3], voxel: [f64; 3], center: [f64; 3]) -> Self {
        let [dz, dy, dx] = voxel;
        let half = |axis: usize, size: f64| (shape[axis] as f64 - 1.0) / 2.0 * size;
        Self {
            shape,
            first: [center[0] - half(2, dx), center[1] - half(1, dy), center[2] - half(0, dz)],
            steps: [[0.0, 0.0, dz], [0.0, dy, 0.0], [dx, 0.0, 0.0]],
        }
    }

    /// Position of the (fractional) voxel index (z, y, x).
    pub fn position(&self, index: [f64; 3]) -> [f64; 3] {
        (0..3).fold(self.first, |position, axis| add(position, index[axis], self.steps[axis]))
    }

    /// Size of a voxel along z, y, x.
    pub fn voxel(&self) -> [f64; 3] {
        self.steps.map(super::norm)
    }

    /// Number of voxels.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses grids without voxels, with voxels of no size, or with more than an address space holds.
    pub fn check(&self) -> Result<()> {
        let numbers = self.first.iter().chain(self.steps.iter().flatten());
        if !numbers.copied().all(f64::is_finite) || self.voxel().iter().any(|size| *size <= 0.0) {
            return Err(Error::Geometry(format!(
                "voxels of {:?} (z, y, x): sizes must be finite and above 0",
                self.voxel()
            )));
        }
        let count = self.shape.iter().try_fold(4_usize, |n, extent| n.checked_mul(*extent));
        match count {
            Some(0) | None => Err(Error::Geometry(format!(
                "a grid of {:?} voxels (z, y, x) cannot be: each extent must be at least 1 and the whole fit in memory",
                self.shape
            ))),
            Some(_) => Ok(()),
        }
    }
}
