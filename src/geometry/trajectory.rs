//! A k-space trajectory: a list of points, plain data, no code path per pattern.

use crate::error::{Error, Result};

/// Points (kx, ky, kz) in cycles per field of view, within −N/2…N/2 of each axis; kz is 0 in two dimensions.
#[derive(Clone, Debug, PartialEq)]
pub struct Trajectory {
    /// Extents of the image's matrix along z, y, x; nz = 1 in two dimensions.
    pub matrix: [usize; 3],
    /// One entry a sample.
    pub points: Vec<[f32; 3]>,
}

impl Trajectory {
    /// Refuses trajectories without points, or with points outside the k-space of the matrix.
    pub fn check(&self) -> Result<()> {
        let [nz, ny, nx] = self.matrix;
        if self.points.is_empty() || nz * ny * nx == 0 {
            return Err(Error::Scan(format!(
                "a trajectory of {} points for a matrix of {:?} (z, y, x): none of these may be 0",
                self.points.len(),
                self.matrix
            )));
        }
        let edges = [nx, ny, nz].map(|extent| if extent == 1 { 0.0 } else { 0.5 * extent as f32 });
        let inside = |point: &[f32; 3]| point.iter().zip(edges).all(|(k, edge)| k.abs() <= edge * 1.0001 + 1e-6);
        match self.points.iter().position(|point| !inside(point)) {
            Some(index) => Err(Error::Scan(format!(
                "sample {index} lies at {:?} cycles per field of view (x, y, z), outside the k-space of the matrix, ±{:?}; \
                 check --matrix and the trajectory's unit",
                self.points[index], edges
            ))),
            None => Ok(()),
        }
    }
}
