//! Fan beam on a circle, with a flat or a curved (equiangular) detector; cone beam has more rows.

use super::{Geometry, LengthUnit, View};

/// A fan-beam scan about the z axis. At angle θ the source is at −source_origin·d, the detector beyond the axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Fan {
    /// Angle of each view, radians.
    pub angles: Vec<f64>,
    /// Detector columns.
    pub columns: usize,
    /// Detector rows.
    pub rows: usize,
    /// Width of a cell on the detector (arc length on a curved one).
    pub cell: f64,
    /// Height of a cell on the detector.
    pub cell_height: f64,
    /// Distance from the source to the rotation axis.
    pub source_origin: f64,
    /// Distance from the source to the detector.
    pub source_detector: f64,
    /// Column (0 = centre of the first) that the ray perpendicular to the detector meets; the middle one by default.
    pub center: Option<f64>,
    /// How far the rotation axis lies beside that perpendicular ray, along the columns.
    pub axis_offset: f64,
    /// Cells lie on a cylinder about the source.
    pub curved: bool,
    /// What lengths are measured in.
    pub unit: LengthUnit,
}

impl Fan {
    /// The list of views.
    pub fn geometry(&self) -> Geometry {
        let center = self.center.unwrap_or((self.columns as f64 - 1.0) / 2.0);
        let bottom = -(self.rows as f64 - 1.0) / 2.0 * self.cell_height;
        let beyond = self.source_detector - self.source_origin;
        let views = self.angles.iter().map(|angle| {
            let (sin, cos) = angle.sin_cos();
            // Point at `across` along u and `along` along d; the whole tube and detector are shifted by −axis_offset.
            let place = |across: f64, along: f64| {
                let across = across - self.axis_offset;
                [across * cos - along * sin, across * sin + along * cos]
            };
            let [sx, sy] = place(0.0, -self.source_origin);
            let (first, step) = if self.curved {
                let gamma = -center * self.cell / self.source_detector;
                let first =
                    place(self.source_detector * gamma.sin(), self.source_detector * gamma.cos() - self.source_origin);
                let (sin, cos) = (angle - gamma).sin_cos();
                (first, [self.cell * cos, self.cell * sin])
            } else {
                (place(-center * self.cell, beyond), [self.cell * cos, self.cell * sin])
            };
            View {
                source: [sx, sy, 0.0, 1.0],
                first_cell: [first[0], first[1], bottom],
                column_step: [step[0], step[1], 0.0],
                row_step: [0.0, 0.0, self.cell_height],
                curved: self.curved,
            }
        });
        Geometry { views: views.collect(), rows: self.rows, columns: self.columns, unit: self.unit }
    }
}
