//! Exact sinograms: the chord of every ray through every shape, averaged over the width of the detector cell.
//!
//! The object is a cylinder without end along z, so rays must run across z; those of a fan begin at the source. The
//! mean over a cell is taken over its column coordinate (position on a flat detector, arc on a curved one).
//! Ellipse, parallel rays: the chord 2h·√(1 − x²) has the closed antiderivative h·(x√(1 − x²) + arcsin x).
//! All else: quadrature between the rays that touch the shape or meet its corners, to 1e-7 of the longest chord.

use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use super::{
    Phantom,
    quadrature::mean,
    shape::{Planar, Shape, cross, sub},
};
use crate::{
    error::{Error, Result},
    geometry::{Geometry, LengthUnit, View, norm},
    monitor::Monitor,
    scan::Scan,
};

fn planar(a: [f64; 3]) -> Planar {
    [a[0], a[1]]
}

/// One view as the plane sees it.
struct Sight<'a> {
    view: &'a View,
    /// (x, y, w) with w 0 or 1.
    source: [f64; 3],
    first: Planar,
    step: Planar,
}

impl<'a> Sight<'a> {
    /// Refuses views whose rays do not all run across z, and those that see different things in different rows.
    fn of(view: &'a View, rows: usize) -> std::result::Result<Self, &'static str> {
        let height = |a: [f64; 3]| a[2].abs() > 1e-9 * norm(a);
        let source = match view.source_position() {
            Some(source) => {
                let middle = view.first_cell[2] - source[2];
                let reach = norm([view.first_cell[0] - source[0], view.first_cell[1] - source[1], middle]);
                if rows > 1 || middle.abs() > 1e-9 * reach {
                    return Err("phantoms are flat: a fan needs one detector row, at the height of the source");
                }
                [source[0], source[1], 1.0]
            }
            None if height([view.source[0], view.source[1], view.source[2]]) => {
                return Err("phantoms are flat: rays must run across the z axis");
            }
            None => [view.source[0], view.source[1], 0.0],
        };
        if height(view.column_step) || view.row_step[0].hypot(view.row_step[1]) > 1e-9 * view.row_step[2].abs() {
            return Err("phantoms are flat: the detector's rows must be stacked along the z axis");
        }
        Ok(Self { view, source, first: planar(view.first_cell), step: planar(view.column_step) })
    }

    fn is_parallel(&self) -> bool {
        self.source[2] == 0.0
    }

    /// The column (with its fraction) whose ray runs through `point`; none if no ray reaches it.
    fn column(&self, point: Planar) -> Option<f64> {
        let [x, y, w] = self.source;
        let ray = [w * point[0] - x, w * point[1] - y];
        let column = if self.view.curved {
            let radius = sub(self.first, [x, y]);
            let turn = cross(radius, self.step).signum();
            let angle = cross(radius, ray).atan2(radius[0] * ray[0] + radius[1] * ray[1]) * turn;
            angle * radius[0].hypot(radius[1]) / self.step[0].hypot(self.step[1])
        } else {
            let facing = cross(ray, self.step);
            let forward = cross([w * self.first[0] - x, w * self.first[1] - y], self.step);
            if facing * forward <= 0.0 {
                return None;
            }
            cross(ray, sub(point, self.first)) / facing
        };
        column.is_finite().then_some(column)
    }

    /// How long the ray through `column` is inside `shape`, in mm.
    fn chord(&self, shape: &Shape, column: f64) -> f64 {
        let ray = self.view.ray(0.0, column);
        let [x, y, w] = self.source;
        let (origin, start) = if w == 0.0 { (planar(ray.origin), f64::NEG_INFINITY) } else { ([x, y], 0.0) };
        shape.interval(origin, planar(ray.direction)).map_or(0.0, |(from, to)| (to - from.max(start)).max(0.0))
    }

    /// Adds the shape's value times its mean chord to every cell of `row`.
    fn add(&self, shape: &Shape, row: &mut [f64]) {
        let points = shape.critical_points(self.source);
        let mut breaks: Vec<f64> = points.iter().filter_map(|point| self.column(*point)).collect();
        breaks.sort_by(f64::total_cmp);
        let cells = match (breaks.first(), breaks.last()) {
            // A shape that reaches beside or behind the source has no bound on that side.
            _ if breaks.len() < points.len() => 0..row.len(),
            // `as` saturates: a shape left of the detector ends at 0, one right of it begins past the row.
            (Some(first), Some(last)) => {
                ((first + 0.5).floor() as usize).min(row.len())..((last + 1.5).floor() as usize).min(row.len())
            }
            _ => return,
        };
        match breaks[..] {
            [first, last] if self.is_parallel() && shape.is_whole_ellipse() => {
                let (middle, half) = ((first + last) / 2.0, (last - first) / 2.0);
                let area = shape.value * self.chord(shape, middle) * half / 2.0;
                let mut before = segment((cells.start as f64 - 0.5 - middle) / half);
                for cell in cells {
                    let after = segment((cell as f64 + 0.5 - middle) / half);
                    row[cell] += area * (after - before);
                    before = after;
                }
            }
            _ => {
                for cell in cells {
                    let at = cell as f64;
                    row[cell] += shape.value * mean(at - 0.5, at + 0.5, &breaks, |column| self.chord(shape, column));
                }
            }
        }
    }
}

/// Twice the area under √(1 − x²) from 0 to x; beyond the circle, that of its quarter.
fn segment(x: f64) -> f64 {
    let x = x.clamp(-1.0, 1.0);
    x * (1.0 - x * x).sqrt() + x.asin()
}

impl Phantom {
    /// The exact line integrals that `geometry` measures, each the mean over its cell's width. Rows are all alike.
    ///
    /// # Errors
    /// Geometries in cells instead of mm; a source inside the phantom; rays that do not run across z; interruption.
    pub fn scan(&self, geometry: &Geometry, monitor: &Monitor) -> Result<Scan> {
        geometry.check()?;
        if geometry.unit != LengthUnit::Millimetre {
            return Err(Error::Geometry("a phantom is measured in mm: give the cell size".into()));
        }
        let [views, rows, columns] = geometry.shape();
        let mut projections = Array3::from_shape_vec([views, rows, columns], super::room([views, rows, columns])?)
            .map_err(|error| Error::Geometry(error.to_string()))?;
        let done = AtomicU64::new(0);
        monitor.step("scan", views as u64, || {
            projections.axis_iter_mut(Axis(0)).into_par_iter().zip(&geometry.views).enumerate().try_for_each(
                |(index, (mut projection, view))| {
                    let row = self
                        .view(view, rows, columns)
                        .map_err(|what| Error::Geometry(format!("view {index}: {what}")))?;
                    projection.rows_mut().into_iter().for_each(|mut values| {
                        values.iter_mut().zip(&row).for_each(|(value, sum)| *value = (sum * self.mu_per_value) as f32);
                    });
                    monitor.advance(done.fetch_add(1, Ordering::Relaxed) + 1)
                },
            )
        })?;
        Scan::new(projections, geometry.clone())
    }

    /// One row of one view, in value times mm.
    pub(super) fn view(&self, view: &View, rows: usize, columns: usize) -> std::result::Result<Vec<f64>, &'static str> {
        let sight = Sight::of(view, rows)?;
        let [x, y, w] = sight.source;
        if w != 0.0 && self.shapes.iter().any(|shape| shape.contains([x, y])) {
            return Err("the source is inside the phantom");
        }
        let mut row = vec![0.0; columns];
        self.shapes.iter().for_each(|shape| sight.add(shape, &mut row));
        Ok(row)
    }
}
