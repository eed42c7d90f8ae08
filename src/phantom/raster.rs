//! Area-sampled rasters: every pixel is the mean of the phantom over the pixel's area, to 1e-7 of each shape's value.
//!
//! Along a row the overlap of shape and pixel is closed-form; down the rows it is integrated by quadrature, split where
//! the outline crosses a border between columns, has a corner, or turns back. Pixels whose corners are all inside are
//! inside, for shapes are convex. Every z slice is the same.

use ndarray::{Array3, Axis, s};
use rayon::prelude::*;

use super::{
    Phantom,
    quadrature::mean,
    shape::{Planar, Shape, add, cross, sub},
};
use crate::{
    error::{Error, Result},
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
};

/// The grid in the plane: (column, row) coordinates, pixel centres at whole numbers.
struct Pixels {
    first: Planar,
    across: Planar,
    down: Planar,
}

impl Pixels {
    fn of(grid: &Grid) -> Result<Self> {
        grid.check()?;
        let [[zx, zy, z], [_, _, y_height], [_, _, x_height]] = grid.steps;
        let tilted = |height: f64, length: f64| height.abs() > 1e-9 * length;
        let [_, dy, dx] = grid.voxel();
        if tilted(y_height, dy) || tilted(x_height, dx) || tilted(zx.hypot(zy), z.abs()) {
            return Err(Error::Geometry(
                "phantoms are flat: the grid's rows and columns must lie in the x–y plane, its slices along z".into(),
            ));
        }
        let planar = |a: [f64; 3]| [a[0], a[1]];
        let pixels = Self { first: planar(grid.first), across: planar(grid.steps[2]), down: planar(grid.steps[1]) };
        if cross(pixels.across, pixels.down).abs() < 1e-9 * dx * dy {
            return Err(Error::Geometry("the grid's rows and columns run the same way".into()));
        }
        Ok(pixels)
    }

    fn position(&self, column: f64, row: f64) -> Planar {
        add(add(self.first, column, self.across), row, self.down)
    }

    fn index(&self, point: Planar) -> [f64; 2] {
        let at = sub(point, self.first);
        let area = cross(self.across, self.down);
        [cross(at, self.down) / area, cross(self.across, at) / area]
    }

    /// The columns between which `shape` covers the line at `row`.
    fn along_row(&self, shape: &Shape, row: f64) -> Option<(f64, f64)> {
        shape.interval(self.position(0.0, row), self.across)
    }

    /// The rows between which `shape` covers the line at `column`.
    fn along_column(&self, shape: &Shape, column: f64) -> Option<(f64, f64)> {
        shape.interval(self.position(column, 0.0), self.down)
    }
}

/// A shape and the (column, row) of its corners and of the extremes of its outline.
struct Placed<'a> {
    shape: &'a Shape,
    pixels: &'a Pixels,
    extremes: Vec<[f64; 2]>,
}

impl<'a> Placed<'a> {
    fn new(shape: &'a Shape, pixels: &'a Pixels) -> Self {
        let from = |[x, y]: Planar| shape.critical_points([x, y, 0.0]);
        let points = from(pixels.across).into_iter().chain(from(pixels.down));
        Self { shape, pixels, extremes: points.map(|point| pixels.index(point)).collect() }
    }

    /// Adds the shape to the pixels of `row`.
    fn add(&self, row: usize, values: &mut [f64]) {
        let (top, bottom) = (row as f64 - 0.5, row as f64 + 0.5);
        let edges = [top, bottom].map(|edge| self.pixels.along_row(self.shape, edge));
        let inside = self.extremes.iter().filter(|[_, at]| (top..=bottom).contains(at)).map(|[column, _]| *column);
        let reached = edges.iter().flatten().flat_map(|(from, to)| [*from, *to]).chain(inside);
        let (first, last) =
            reached.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let full = match edges {
            [Some(a), Some(b)] => (a.0.max(b.0), a.1.min(b.1)),
            _ => (f64::INFINITY, f64::NEG_INFINITY),
        };
        // `as` saturates: what lies left of the grid ends at 0, and an empty range (first = ∞) begins past its end.
        let columns = (first + 0.5).floor() as usize..((last + 1.5).floor() as usize).min(values.len());
        for column in columns {
            let (left, right) = (column as f64 - 0.5, column as f64 + 0.5);
            let covered = if left >= full.0 && right <= full.1 { 1.0 } else { self.coverage(left, top) };
            values[column] += self.shape.value * covered;
        }
    }

    /// Which part of the pixel whose corner is at (`left`, `top`) is covered.
    fn coverage(&self, left: f64, top: f64) -> f64 {
        let crossings = [left, left + 1.0].map(|column| self.pixels.along_column(self.shape, column));
        let mut breaks: Vec<f64> = crossings.into_iter().flatten().flat_map(|(from, to)| [from, to]).collect();
        breaks.extend(self.extremes.iter().map(|[_, row]| *row));
        breaks.sort_by(f64::total_cmp);
        mean(top, top + 1.0, &breaks, |row| {
            self.pixels
                .along_row(self.shape, row)
                .map_or(0.0, |(from, to)| (to.min(left + 1.0) - from.max(left)).max(0.0))
        })
    }
}

impl Phantom {
    /// The phantom on `grid`, in mm⁻¹, each voxel the mean over its area.
    ///
    /// # Errors
    /// Grids whose rows or columns leave the x–y plane, or too large for memory.
    pub fn raster(&self, grid: &Grid) -> Result<Image> {
        let pixels = Pixels::of(grid)?;
        let mut values = Array3::from_shape_vec(grid.shape, super::room(grid.shape)?)
            .map_err(|error| Error::Geometry(error.to_string()))?;
        let placed: Vec<Placed> = self.shapes.iter().map(|shape| Placed::new(shape, &pixels)).collect();
        let mut slice = values.index_axis_mut(Axis(0), 0);
        slice.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut out)| {
            let mut sums = vec![0.0; out.len()];
            placed.iter().for_each(|shape| shape.add(row, &mut sums));
            out.iter_mut().zip(sums).for_each(|(value, sum)| *value = (sum * self.mu_per_value) as f32);
        });
        let (first, mut others) = values.view_mut().split_at(Axis(0), 1);
        others.assign(&first.slice(s![0..1, .., ..]));
        Ok(Image {
            values,
            grid: *grid,
            unit: LengthUnit::Millimetre,
            quantity: Quantity::Attenuation(LengthUnit::Millimetre),
            provenance: format!("phantom {}", self.name),
        })
    }
}
