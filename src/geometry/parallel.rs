//! Parallel beam on a circle: angles, cells, and where the rotation axis falls on the detector.

use super::{Geometry, LengthUnit, View};

/// A parallel-beam scan about the z axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Parallel {
    /// Angle of each view, radians.
    pub angles: Vec<f64>,
    /// Detector columns.
    pub columns: usize,
    /// Detector rows.
    pub rows: usize,
    /// Width of a cell.
    pub cell: f64,
    /// Height of a cell.
    pub cell_height: f64,
    /// Column (0 = centre of the first) on which the rotation axis falls; the middle one by default.
    pub center: Option<f64>,
    /// What lengths are measured in.
    pub unit: LengthUnit,
}

impl Parallel {
    /// The list of views.
    pub fn geometry(&self) -> Geometry {
        let center = self.center.unwrap_or((self.columns as f64 - 1.0) / 2.0);
        let bottom = -(self.rows as f64 - 1.0) / 2.0 * self.cell_height;
        let views = self.angles.iter().map(|angle| {
            let (sin, cos) = angle.sin_cos();
            View {
                source: [sin, -cos, 0.0, 0.0],
                first_cell: [-center * self.cell * cos, -center * self.cell * sin, bottom],
                column_step: [self.cell * cos, self.cell * sin, 0.0],
                row_step: [0.0, 0.0, self.cell_height],
                curved: false,
            }
        });
        Geometry { views: views.collect(), rows: self.rows, columns: self.columns, unit: self.unit }
    }
}
