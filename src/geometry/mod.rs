//! Where sources, cells and voxels are: plain data, no code path per scanner.
//!
//! Axes are right-handed with the origin at the isocentre and z along the rotation axis. x grows with the
//! image's column index, y with its row index (rows go down, as in DICOM). At angle θ the detector's columns run
//! along u = (cos θ, sin θ, 0), its rows along z, and rays travel along d = (−sin θ, cos θ, 0).

pub mod circular;
pub mod fan;
pub mod grid;
pub mod mask;
pub mod parallel;
pub mod redundancy;
pub mod sampling;
pub mod trajectory;
pub mod view;

pub use circular::{Circular, Shape};
pub use fan::Fan;
pub use grid::Grid;
pub use mask::Mask;
pub use parallel::Parallel;
pub use redundancy::{Redundancy, redundancy};
pub use sampling::Sampling;
pub use trajectory::Trajectory;
pub use view::View;

use crate::error::{Error, Result};

/// What a length of 1 means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LengthUnit {
    /// Millimetres; attenuation is in mm⁻¹.
    #[default]
    Millimetre,
    /// Detector cells (the file gave no cell size); attenuation is per cell.
    Cell,
}

impl LengthUnit {
    /// `mm` or `cell`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Millimetre => "mm",
            Self::Cell => "cell",
        }
    }
}

/// A scan's geometry: the list of its views, all with a detector of `rows` × `columns` cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// One entry a view, in the order of the projections.
    pub views: Vec<View>,
    /// Detector rows (along z).
    pub rows: usize,
    /// Detector columns.
    pub columns: usize,
    /// What lengths are measured in.
    pub unit: LengthUnit,
}

impl Geometry {
    /// Refuses geometries that no detector can have: no views or cells, steps or positions that are not finite,
    /// cells of no size.
    pub fn check(&self) -> Result<()> {
        if self.views.is_empty() || self.rows == 0 || self.columns == 0 {
            return Err(Error::Geometry(format!(
                "{} views of {} rows × {} columns: none of these may be 0",
                self.views.len(),
                self.rows,
                self.columns
            )));
        }
        self.views
            .iter()
            .enumerate()
            .try_for_each(|(index, view)| view.check().map_err(|what| Error::Geometry(format!("view {index}: {what}"))))
    }

    /// Shape of the projections, `[view, row, column]`.
    pub fn shape(&self) -> [usize; 3] {
        [self.views.len(), self.rows, self.columns]
    }

    /// Leaves out the views of these indices, which ascend.
    pub fn leave_out(&mut self, indices: &[usize]) {
        let mut index = 0;
        self.views.retain(|_| {
            index += 1;
            indices.binary_search(&(index - 1)).is_err()
        });
    }
}

/// Dot product.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Cross product.
pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `a + s·b`.
pub fn add(a: [f64; 3], s: f64, b: [f64; 3]) -> [f64; 3] {
    [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]]
}

/// Euclidean length.
pub fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}
