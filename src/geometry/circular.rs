//! Reads a list of views back as a circular scan in the x–y plane, for the methods that need one and for `show`.

use super::{Geometry, View, norm};
use crate::error::{Error, Result};

/// The kinds of circular scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Parallel rays.
    Parallel,
    /// Rays from a point to a flat detector.
    FanFlat,
    /// Rays from a point to a detector on a circle about it.
    FanCurved,
}

/// A circular scan, as it can be read from its views.
#[derive(Clone, Debug, PartialEq)]
pub struct Circular {
    /// Parallel, or which fan.
    pub shape: Shape,
    /// Angle θ of each view, radians: its central ray runs along (−sin θ, cos θ).
    pub angles: Vec<f64>,
    /// Spacing of the rays at the detector, across the central ray (arc length on a curved detector).
    pub pitch: f64,
    /// Spacing of the detector's rows.
    pub row_pitch: f64,
    /// Column of the central ray (of view 0): the one through the axis, or, on a flat fan detector, perpendicular to it.
    pub center: f64,
    /// Source to rotation axis along the central ray; infinite for parallel rays.
    pub source_origin: f64,
    /// Source to detector along the central ray; infinite for parallel rays.
    pub source_detector: f64,
    /// How far the axis lies beside the central ray, along the columns.
    pub axis_offset: f64,
    /// Columns run against u.
    pub mirrored: bool,
}

/// One view as a circular scan sees it.
struct Seen {
    angle: f64,
    pitch: f64,
    center: f64,
    source_origin: f64,
    source_detector: f64,
    axis_offset: f64,
    mirrored: bool,
}

type Planar = [f64; 2];

fn dot(a: Planar, b: Planar) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// The z component of the cross product: positive where `b` is turned from `a` as y is from x.
pub fn cross(a: Planar, b: Planar) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

fn planar(a: [f64; 3]) -> Planar {
    [a[0], a[1]]
}

fn see(view: &View) -> std::result::Result<Seen, &'static str> {
    let step = planar(view.column_step);
    let row_step = view.row_step;
    let tilt = 1e-9 * norm(view.column_step);
    if view.column_step[2].abs() > tilt || row_step[0].hypot(row_step[1]) > 1e-9 * row_step[2].abs() {
        return Err("its rows do not run along the rotation axis");
    }
    let first = planar(view.first_cell);
    let Some(source) = view.source_position() else {
        if view.source[2].abs() > 1e-9 * norm([view.source[0], view.source[1], view.source[2]]) {
            return Err("its rays do not run across the rotation axis");
        }
        let length = view.source[0].hypot(view.source[1]);
        let ray = [-view.source[0] / length, -view.source[1] / length];
        // Rays have no direction here: let u follow the columns.
        let sign = if cross(step, ray) < 0.0 { -1.0 } else { 1.0 };
        let u = [sign * ray[1], -sign * ray[0]];
        let pitch = dot(step, u);
        return Ok(Seen {
            angle: u[1].atan2(u[0]),
            pitch,
            center: -dot(first, u) / pitch,
            source_origin: f64::INFINITY,
            source_detector: f64::INFINITY,
            axis_offset: 0.0,
            mirrored: false,
        });
    };
    let source = planar(source);
    let pitch = step[0].hypot(step[1]);
    let to_first = [first[0] - source[0], first[1] - source[1]];
    let to_axis = [-source[0], -source[1]];
    let mut seen = if view.curved {
        let radius = to_first[0].hypot(to_first[1]);
        let turn = cross(to_first, step).signum();
        let angle = cross(to_first, to_axis).atan2(dot(to_first, to_axis)) * turn;
        Seen {
            angle: (-to_axis[0]).atan2(to_axis[1]),
            pitch,
            center: angle * radius / pitch,
            source_origin: to_axis[0].hypot(to_axis[1]),
            source_detector: radius,
            axis_offset: 0.0,
            mirrored: false,
        }
    } else {
        let along = [step[0] / pitch, step[1] / pitch];
        let facing = if cross(along, to_first) < 0.0 { -1.0 } else { 1.0 };
        let normal = [-facing * along[1], facing * along[0]];
        let u = [normal[1], -normal[0]];
        Seen {
            angle: (-normal[0]).atan2(normal[1]),
            pitch,
            center: -dot(to_first, along) / pitch,
            source_origin: dot(to_axis, normal),
            source_detector: dot(to_first, normal),
            axis_offset: dot(to_axis, u),
            mirrored: false,
        }
    };
    let u = [seen.angle.cos(), seen.angle.sin()];
    let middle = planar(view.cell(0.0, seen.center + 0.5));
    let before = planar(view.cell(0.0, seen.center - 0.5));
    seen.mirrored = dot([middle[0] - before[0], middle[1] - before[1]], u) < 0.0;
    if seen.source_detector <= 0.0 {
        return Err("its detector passes through the source");
    }
    if seen.source_origin <= 0.0 {
        return Err("the rotation axis lies behind its source");
    }
    Ok(seen)
}

impl Circular {
    /// Reads `geometry` as a circular scan about the z axis; says which view does not fit, and why.
    pub fn of(geometry: &Geometry) -> Result<Self> {
        let refuse = |index: usize, why: &str| {
            Err(Error::Geometry(format!("this is no circular scan about the z axis: view {index}: {why}")))
        };
        let Some(view) = geometry.views.first() else {
            return Err(Error::Geometry("there are no views".into()));
        };
        let shape = |view: &View| match (view.source_position().is_some(), view.curved) {
            (false, _) => Shape::Parallel,
            (true, false) => Shape::FanFlat,
            (true, true) => Shape::FanCurved,
        };
        let first = match see(view) {
            Ok(first) => first,
            Err(why) => return refuse(0, why),
        };
        let mut circular = Self {
            shape: shape(view),
            angles: Vec::with_capacity(geometry.views.len()),
            pitch: first.pitch,
            row_pitch: norm(view.row_step),
            center: first.center,
            source_origin: first.source_origin,
            source_detector: first.source_detector,
            axis_offset: first.axis_offset,
            mirrored: first.mirrored,
        };
        for (index, view) in geometry.views.iter().enumerate() {
            let seen = match see(view) {
                Ok(seen) => seen,
                Err(why) => return refuse(index, why),
            };
            let same = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-4 * a.abs().max(b.abs());
            if shape(view) != circular.shape || seen.mirrored != circular.mirrored {
                return refuse(index, "its kind differs from view 0's");
            }
            if !same(seen.pitch, circular.pitch) {
                return refuse(index, "its cell size differs from view 0's");
            }
            if !same(seen.source_origin, circular.source_origin)
                || !same(seen.source_detector, circular.source_detector)
            {
                return refuse(index, "its distances from source to axis and detector differ from view 0's");
            }
            circular.angles.push(seen.angle);
        }
        Ok(circular)
    }

    /// How much larger the object appears on the detector than it is; 1 for parallel rays.
    pub fn magnification(&self) -> f64 {
        match self.shape {
            Shape::Parallel => 1.0,
            _ => self.source_detector / self.source_origin,
        }
    }

    /// Spacing of the rays at the rotation axis.
    pub fn sampling(&self) -> f64 {
        self.pitch / self.magnification()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Fan, LengthUnit, Parallel};

    fn fan(curved: bool) -> Fan {
        Fan {
            angles: vec![0.3, 2.0, -1.5],
            columns: 101,
            rows: 1,
            cell: 1.5,
            cell_height: 1.0,
            source_origin: 400.0,
            source_detector: 600.0,
            center: Some(40.25),
            axis_offset: 0.0,
            curved,
            unit: LengthUnit::Millimetre,
        }
    }

    #[test]
    fn what_was_put_in_is_read_back() {
        for curved in [false, true] {
            let fan = fan(curved);
            let seen = Circular::of(&fan.geometry()).unwrap();
            assert_eq!(seen.shape, if curved { Shape::FanCurved } else { Shape::FanFlat });
            for (a, b) in seen.angles.iter().zip(&fan.angles) {
                assert!((a - b).abs() < 1e-12, "{a} {b}");
            }
            assert!((seen.center - 40.25).abs() < 1e-9, "{}", seen.center);
            assert!((seen.magnification() - 1.5).abs() < 1e-12);
            assert!(!seen.mirrored);
        }
        let parallel = Parallel {
            angles: vec![0.1, 3.0],
            columns: 64,
            rows: 2,
            cell: 0.5,
            cell_height: 0.7,
            center: Some(30.5),
            unit: LengthUnit::Millimetre,
        };
        let seen = Circular::of(&parallel.geometry()).unwrap();
        assert_eq!((seen.shape, seen.pitch, seen.row_pitch), (Shape::Parallel, 0.5, 0.7));
        assert!((seen.center - 30.5).abs() < 1e-9 && (seen.angles[1] - 3.0).abs() < 1e-12);
    }

    #[test]
    fn an_axis_beside_the_central_ray_is_seen() {
        let mut fan = fan(false);
        fan.axis_offset = 7.0;
        let seen = Circular::of(&fan.geometry()).unwrap();
        assert!((seen.axis_offset - 7.0).abs() < 1e-9 && (seen.source_origin - 400.0).abs() < 1e-9);
    }

    #[test]
    fn every_ray_of_a_curved_detector_leaves_the_source_at_equal_angles() {
        let view = fan(true).geometry().views[1];
        let direction = |column: f64| {
            let ray = view.ray(0.0, column);
            ray.direction[1].atan2(ray.direction[0])
        };
        for column in [0.0, 30.0, 99.0] {
            assert!((direction(column + 1.0) - direction(column) + 1.5 / 600.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_view_that_does_not_fit_is_named() {
        let mut geometry = fan(false).geometry();
        geometry.views[2].source[0] += 30.0;
        geometry.views[2].source[1] += 30.0;
        let message = Circular::of(&geometry).unwrap_err().to_string();
        assert!(message.contains("view 2"), "{message}");
    }
}
