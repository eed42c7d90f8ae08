//! The scanner of a study: a fan beam over a full turn, with a curved detector, or a parallel beam over half a turn.
//!
//! The fan's distances are those of the virtual CT in R. Zeng, DIDSR/LCD_CT (FDA, 2023). A cell is as wide as a pixel at the
//! rotation axis, and the detector sees the whole field, so nothing is cut off.

use std::f64::consts::PI;

use serde::Serialize;

use crate::{
    geometry::{Fan, Geometry, LengthUnit, Parallel},
    units::AngleRange,
};

/// Source to rotation axis, mm.
const SOURCE_ORIGIN: f64 = 595.0;
/// Source to detector, mm.
const SOURCE_DETECTOR: f64 = 1085.6;

/// How rays run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Beam {
    /// From a point.
    Fan,
    /// Side by side.
    Parallel,
}

/// A scanner, but for the number of its views.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gantry {
    /// How its rays run.
    pub beam: Beam,
    /// Detector columns.
    pub columns: usize,
    /// Width of a cell on the detector, mm.
    pub cell: f64,
}

impl Gantry {
    /// The scanner whose beam holds a disk of `radius` mm, with cells of `pixel` mm at the axis.
    pub fn covering(beam: Beam, radius: f64, pixel: f64) -> Self {
        let (cell, half_width) = match beam {
            Beam::Fan => (pixel * SOURCE_DETECTOR / SOURCE_ORIGIN, (radius / SOURCE_ORIGIN).asin() * SOURCE_DETECTOR),
            Beam::Parallel => (pixel, radius),
        };
        Self { beam, columns: 2 * (half_width / cell + 1.0).ceil() as usize, cell }
    }

    /// Its geometry with `views` views.
    pub fn geometry(&self, views: usize) -> Geometry {
        let Self { beam, columns, cell } = *self;
        let (rows, cell_height, center, unit) = (1, cell, None, LengthUnit::Millimetre);
        let turn = |end: f64| AngleRange { start: 0.0, end, inclusive: false }.angles(views);
        match beam {
            Beam::Parallel => Parallel { angles: turn(PI), columns, rows, cell, cell_height, center, unit }.geometry(),
            Beam::Fan => Fan {
                angles: turn(2.0 * PI),
                columns,
                rows,
                cell,
                cell_height,
                source_origin: SOURCE_ORIGIN,
                source_detector: SOURCE_DETECTOR,
                center,
                axis_offset: 0.0,
                curved: true,
                unit,
            }
            .geometry(),
        }
    }

    /// Beam, turn, detector and distances in words, with so many views.
    pub fn describe(&self, views: &str) -> String {
        let Self { beam, columns, cell } = self;
        match beam {
            Beam::Parallel => format!("parallel beam, {views} over 180°, detector of {columns} cells of {cell:.4} mm"),
            Beam::Fan => format!(
                "fan beam, {views} over 360°, curved detector of {columns} cells of {cell:.4} mm, source to axis \
                 {SOURCE_ORIGIN} mm, to detector {SOURCE_DETECTOR} mm"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Circular;

    #[test]
    fn the_beam_holds_the_field_and_no_more_than_two_cells_beside() {
        let gantry = Gantry::covering(Beam::Fan, 128.0, 0.5);
        let circular = Circular::of(&gantry.geometry(90)).unwrap();
        let edge = (gantry.columns as f64 / 2.0) * gantry.cell / circular.source_detector;
        let reach = circular.source_origin * edge.sin();
        assert!((128.0..130.0).contains(&reach), "{reach} mm");
        let parallel = Gantry::covering(Beam::Parallel, 128.0, 0.5);
        assert_eq!((parallel.columns, parallel.cell), (514, 0.5));
        assert!((gantry.cell * circular.source_origin / circular.source_detector - 0.5).abs() < 1e-12);
    }
}
