//! The scanner of a study: a fan beam over a full turn, with a curved detector.
//!
//! The distances are those of the virtual CT in R. Zeng, DIDSR/LCD_CT (FDA, 2023). A cell is as wide as a pixel at the
//! rotation axis, and the detector sees the whole field, so nothing is cut off.

use serde::Serialize;

use crate::{
    geometry::{Fan, Geometry, LengthUnit},
    units::AngleRange,
};

/// Source to rotation axis, mm.
const SOURCE_ORIGIN: f64 = 595.0;
/// Source to detector, mm.
const SOURCE_DETECTOR: f64 = 1085.6;

/// A fan-beam scanner, but for the number of its views.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gantry {
    /// Detector columns.
    pub columns: usize,
    /// Width of a cell on the detector, mm.
    pub cell: f64,
    /// Source to rotation axis, mm.
    pub source_origin: f64,
    /// Source to detector, mm.
    pub source_detector: f64,
}

impl Gantry {
    /// The scanner whose fan holds a disk of `radius` mm, with cells of `pixel` mm at the axis.
    pub fn covering(radius: f64, pixel: f64) -> Self {
        let cell = pixel * SOURCE_DETECTOR / SOURCE_ORIGIN;
        let half_fan = (radius / SOURCE_ORIGIN).asin();
        let columns = 2 * (half_fan * SOURCE_DETECTOR / cell + 1.0).ceil() as usize;
        Self { columns, cell, source_origin: SOURCE_ORIGIN, source_detector: SOURCE_DETECTOR }
    }

    /// Its geometry with `views` views over a full turn.
    pub fn geometry(&self, views: usize) -> Geometry {
        let turn = AngleRange { start: 0.0, end: std::f64::consts::TAU, inclusive: false };
        Fan {
            angles: turn.angles(views),
            columns: self.columns,
            rows: 1,
            cell: self.cell,
            cell_height: self.cell,
            source_origin: self.source_origin,
            source_detector: self.source_detector,
            center: None,
            axis_offset: 0.0,
            curved: true,
            unit: LengthUnit::Millimetre,
        }
        .geometry()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Circular;

    #[test]
    fn the_fan_holds_the_field_and_no_more_than_two_cells_beside() {
        let gantry = Gantry::covering(128.0, 0.5);
        let circular = Circular::of(&gantry.geometry(90)).unwrap();
        let edge = (gantry.columns as f64 / 2.0) * gantry.cell / circular.source_detector;
        let reach = circular.source_origin * edge.sin();
        assert!((128.0..130.0).contains(&reach), "{reach} mm");
        assert!((gantry.cell * circular.source_origin / circular.source_detector - 0.5).abs() < 1e-12);
    }
}
