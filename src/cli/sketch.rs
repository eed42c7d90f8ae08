//! A geometry in numbers, as `rushlight show` prints it.

use std::f64::consts::PI;

use rushlight::{
    Result,
    geometry::{Circular, Geometry, LengthUnit, Shape},
};

/// What was understood, in numbers, one line each: name and value.
pub fn sketch(geometry: &Geometry) -> Result<Vec<(&'static str, String)>> {
    let circular = Circular::of(geometry)?;
    let unit = geometry.unit.name();
    let length = |value: f64| format!("{value:.6} {unit}");
    let [low, high] = extent(&circular.angles);
    let [first, last] = [0.0, geometry.columns as f64 - 1.0].map(|column| {
        let ray = geometry.views[0].ray(0.0, column);
        (ray.origin[0] * ray.direction[1] - ray.origin[1] * ray.direction[0]).abs()
    });
    let mut lines = vec![
        (
            "geometry",
            match circular.shape {
                Shape::Parallel => "parallel".to_string(),
                Shape::FanFlat => "fan, flat detector".to_string(),
                Shape::FanCurved => "fan, curved detector (equiangular)".to_string(),
            },
        ),
        ("views", geometry.views.len().to_string()),
        ("detector", format!("{} rows × {} columns", geometry.rows, geometry.columns)),
        ("cell", format!("{} wide, {} high", length(circular.pitch), length(circular.row_pitch))),
        ("angles", format!("{:.4} to {:.4} deg", low * 180.0 / PI, high * 180.0 / PI)),
        ("central column", format!("{:.4} (middle {:.1})", circular.center, last_column_middle(geometry))),
        ("magnification", format!("{:.6}", circular.magnification())),
        ("sampling at the axis", length(circular.sampling())),
        (
            "field of view",
            format!("{} across (to {} and {} from the axis)", length(first + last), length(first), length(last)),
        ),
    ];
    if circular.shape != Shape::Parallel {
        lines.push(("source to axis", length(circular.source_origin)));
        lines.push(("source to detector", length(circular.source_detector)));
        lines.push(("axis beside central ray", length(circular.axis_offset)));
    }
    if geometry.unit == LengthUnit::Cell {
        lines.push(("unit", "detector cells, since no cell size is known; give --cell for millimetres".into()));
    }
    Ok(lines)
}

/// Least and greatest angle of a scan that turns on without jumping back by a turn; of one in no order, as they stand.
fn extent(angles: &[f64]) -> [f64; 2] {
    let range =
        |angles: &[f64]| angles.iter().fold([f64::MAX, f64::MIN], |[a, b], &angle| [a.min(angle), b.max(angle)]);
    let mut turned = angles.to_vec();
    for view in 1..turned.len() {
        turned[view] -= ((turned[view] - turned[view - 1]) / (2.0 * PI)).round() * 2.0 * PI;
    }
    let [low, high] = range(&turned);
    let jumps = high - low > 2.0 * PI + 1e-9;
    if jumps { range(angles) } else { [low, high] }
}

fn last_column_middle(geometry: &Geometry) -> f64 {
    (geometry.columns as f64 - 1.0) / 2.0
}
