//! The source: points of the focal spot, and line integrals from each of them.

use ndarray::Array3;

use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    geometry::{Geometry, Grid, View, add, cross, dot, norm},
    monitor::Monitor,
    operators::{LinearOperator, XRay},
};

/// Abscissae and weights of Gauss and Legendre on −1 … 1: five points reproduce the moments of a uniform spot up to the
/// ninth.
const GAUSS: [(f64, f64); 5] = [
    (-0.906_179_845_938_664, 0.236_926_885_056_189_1),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
    (0.0, 0.568_888_888_888_888_9),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
    (0.906_179_845_938_664, 0.236_926_885_056_189_1),
];

/// Points of a uniform focal spot of `width` mm: position across the beam, mm, and weight; weights add up to 1.
pub(super) fn spots(width: f64) -> Vec<(f64, f64)> {
    if width == 0.0 {
        return vec![(0.0, 1.0)];
    }
    GAUSS.iter().map(|(at, weight)| (at * width / 2.0, weight / 2.0)).collect()
}

/// Refuses spots that cannot be, or that have no place in the geometry.
pub(super) fn check(width: f64, geometry: &Geometry) -> Result<()> {
    if !(0.0..=20.0).contains(&width) {
        return Err(Error::Option(format!("a focal spot of {width} mm: give 0 to 20 mm")));
    }
    if width > 0.0 && geometry.views.iter().any(|view| view.source_position().is_none()) {
        return Err(Error::Option("parallel rays come from no focal spot; give a fan, or leave the spot out".into()));
    }
    Ok(())
}

/// The geometry with every source moved by `across` mm along the columns at the detector's middle.
pub(super) fn shifted(geometry: &Geometry, across: f64) -> Geometry {
    if across == 0.0 {
        return geometry.clone();
    }
    let middle = (geometry.columns as f64 - 1.0) / 2.0;
    let views = geometry.views.iter().map(|view| shifted_view(view, middle, across)).collect();
    Geometry { views, ..*geometry }
}

/// A curved detector is an arc about its source, so it moves along and turns until the middle cell is where it was;
/// cells at fan angle γ are then misplaced along the arc by (1 − cos γ) of the shift: a tenth of it at 25°.
fn shifted_view(view: &View, middle: f64, across: f64) -> View {
    let Some(source) = view.source_position() else {
        return *view;
    };
    let chord = add(view.cell(0.0, middle + 0.5), -1.0, view.cell(0.0, middle - 0.5));
    let moved = add(source, across / norm(chord), chord);
    let [x, y, z] = moved;
    if !view.curved {
        return View { source: [x, y, z, 1.0], ..*view };
    }
    let target = view.cell(0.0, middle);
    let [before, after] = [source, moved].map(|source| add(target, -1.0, source));
    let axis = add([0.0; 3], 1.0 / norm(view.row_step), view.row_step);
    let turn = dot(cross(before, after), axis).atan2(dot(before, after));
    let turned = |a: [f64; 3]| rotated(a, axis, turn);
    View {
        source: [x, y, z, 1.0],
        first_cell: add(moved, 1.0, turned(add(view.first_cell, -1.0, source))),
        column_step: turned(view.column_step),
        ..*view
    }
}

/// `a` turned by `angle` about the unit vector `axis` (Rodrigues).
fn rotated(a: [f64; 3], axis: [f64; 3], angle: f64) -> [f64; 3] {
    let (sin, cos) = angle.sin_cos();
    let along = dot(a, axis) * (1.0 - cos);
    add(add(add([0.0; 3], cos, a), sin, cross(axis, a)), along, axis)
}

/// Updates (voxels times views) between two looks at the monitor: a second or so on two cores.
const UPDATES: usize = 1 << 27;

/// Line integrals of `layers` `[z, y, x]` on `grid`, `[view, row, column]`, averaged over each cell: the monitor's step
/// `scan`.
pub(super) fn project(
    layers: &[Array3<f32>],
    grid: &Grid,
    geometry: &Geometry,
    device: &Device,
    monitor: &Monitor,
) -> Result<Vec<Array3<f32>>> {
    let [views, rows, columns] = geometry.shape();
    let some = (UPDATES / grid.len().max(1)).clamp(1, views);
    monitor.step("scan", (views * layers.len()) as u64, || {
        let images = layers.iter().map(|layer| upload(layer, device)).collect::<Result<Vec<_>>>()?;
        let mut lengths = vec![Vec::with_capacity(views * rows * columns); layers.len()];
        for first in (0..views).step_by(some) {
            let part: Vec<usize> = (first..views.min(first + some)).collect();
            let xray = XRay::of_views(device, geometry, &part, grid)?;
            for (image, lengths) in images.iter().zip(&mut lengths) {
                let mut projections = device.zeros(xray.range(), Element::F32)?;
                if let Some(image) = image {
                    xray.forward(image, &mut projections)?;
                }
                lengths.extend(device.download::<f32>(&projections)?);
            }
            monitor.advance(((first + part.len()) * layers.len()) as u64)?;
        }
        let shaped = |lengths| Array3::from_shape_vec(geometry.shape(), lengths).expect("as many readings as cells");
        Ok(lengths.into_iter().map(shaped).collect())
    })
}

/// The layer as lines on the device, unless it holds nothing, as the dense layer of most slices.
fn upload(layer: &Array3<f32>, device: &Device) -> Result<Option<Array>> {
    let values = layer.as_slice().expect("C order");
    let (nz, ny, nx) = layer.dim();
    values.iter().any(|value| *value != 0.0).then(|| device.upload(&[nz * ny, nx], values)).transpose()
}
