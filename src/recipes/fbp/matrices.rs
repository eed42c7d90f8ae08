//! Each view's map from voxel indices to a detector column, in the form that the backprojection kernels read.

use crate::{
    geometry::{Circular, Geometry, Grid, Shape, View, circular::cross},
    operators::backprojection::Beam,
};

type Planar = [f64; 2];

/// An affine function of the voxel indices x and y: `c[0] + c[1]·x + c[2]·y`.
type Affine = [f64; 3];

fn planar(a: [f64; 3]) -> Planar {
    [a[0], a[1]]
}

fn minus(a: Planar, b: Planar) -> Planar {
    [a[0] - b[0], a[1] - b[1]]
}

/// `form(p − origin)` as a function of the voxel indices, for a linear `form` and p the voxel's position.
fn along(grid: &Grid, origin: Planar, form: impl Fn(Planar) -> f64) -> Affine {
    let [_, y, x] = grid.steps;
    [form(minus(planar(grid.first), origin)), form(planar(x)), form(planar(y))]
}

/// The kernel to use, one matrix a view (layout: see [`Beam`]), and the columns that pixels see.
pub struct Map {
    pub beam: Beam,
    matrices: Vec<[f64; 8]>,
}

/// Most cells beyond either edge that pixels may need of a filtered line, in widths of the detector: the flat detector of
/// a source that runs close to the grid would have no end.
const WIDEST: usize = 8;

impl Map {
    /// Cells that pixels of the grid see before the first column and beyond the last.
    pub fn tails(&self, grid: &Grid, columns: usize) -> [usize; 2] {
        let [_, y, x] = grid.shape.map(|extent| (extent - 1) as f64);
        let corners = [[0.0, 0.0], [x, 0.0], [0.0, y], [x, y]];
        // Along any straight line of pixels the column only rises or only falls.
        let columns_seen = self.matrices.iter().flat_map(|m| corners.map(|[x, y]| column(self.beam, m, x, y)));
        let (low, high) = columns_seen.fold((0.0_f64, 0.0_f64), |(low, high), c| (low.min(c), high.max(c)));
        let most = (WIDEST * columns) as f64;
        let cells = |beyond: f64| if beyond > 0.0 { beyond.min(most).floor() as usize + 1 } else { 0 };
        [cells(-low), cells(high - (columns as f64 - 1.0))]
    }

    /// The matrices for lines that begin `before` cells before the first column.
    pub fn shifted(&self, before: usize) -> Vec<[f32; 8]> {
        let before = before as f64;
        let shifted = |m: &[f64; 8]| {
            let mut m = *m;
            match self.beam {
                Beam::Parallel => m[0] += before,
                Beam::FanFlat => (0..3).for_each(|i| m[i] += before * m[i + 3]),
                Beam::FanCurved => m[6] += before,
            }
            m.map(|value| value as f32)
        };
        self.matrices.iter().map(shifted).collect()
    }
}

/// The column that pixel (x, y) sees.
fn column(beam: Beam, m: &[f64; 8], x: f64, y: f64) -> f64 {
    let n = m[0] + m[1] * x + m[2] * y;
    let d = m[3] + m[4] * x + m[5] * y;
    match beam {
        Beam::Parallel => n,
        Beam::FanFlat => n / d,
        Beam::FanCurved => m[6] + m[7] * (n / d).atan(),
    }
}

/// How the pixels of `grid` see the detector.
pub fn map(geometry: &Geometry, circular: &Circular, grid: &Grid) -> Map {
    let beam = match circular.shape {
        Shape::Parallel => Beam::Parallel,
        Shape::FanFlat => Beam::FanFlat,
        Shape::FanCurved => Beam::FanCurved,
    };
    let matrices = geometry.views.iter().map(|view| match beam {
        Beam::Parallel => parallel(view, grid),
        Beam::FanFlat => fan_flat(view, grid, circular),
        Beam::FanCurved => fan_curved(view, grid, circular, geometry.columns),
    });
    Map { beam, matrices: matrices.collect() }
}

fn parallel(view: &View, grid: &Grid) -> [f64; 8] {
    let ray = planar(view.ray(0.0, 0.0).direction);
    let spacing = cross(planar(view.column_step), ray);
    let [c, x, y] = along(grid, planar(view.first_cell), |p| cross(p, ray) / spacing);
    [c, x, y, 0.0, 0.0, 0.0, 0.0, 0.0]
}

/// Column and denominator of the line from the source through p; the denominator is p's distance from the source along
/// the detector's normal, in units of the axis's.
fn fan_flat(view: &View, grid: &Grid, circular: &Circular) -> [f64; 8] {
    let source = planar(view.source_position().unwrap_or_default());
    let step = planar(view.column_step);
    let first = minus(planar(view.first_cell), source);
    let scale = cross(step, first).signum() / (circular.pitch * circular.source_origin);
    let [n0, nx, ny] = along(grid, source, |p| cross(p, first) * scale);
    let [d0, dx, dy] = along(grid, source, |p| cross(step, p) * scale);
    [n0, nx, ny, d0, dx, dy, 0.0, 0.0]
}

/// Components of p − source along and across the direction of the middle cell, in units of the source–axis distance.
fn fan_curved(view: &View, grid: &Grid, circular: &Circular, columns: usize) -> [f64; 8] {
    let source = planar(view.source_position().unwrap_or_default());
    let middle = (columns as f64 - 1.0) / 2.0;
    let normal = planar(view.ray(0.0, middle).direction);
    let turn = cross(normal, minus(planar(view.cell(0.0, middle + 0.5)), source)).signum();
    let across = [-turn * normal[1], turn * normal[0]];
    let scale = 1.0 / circular.source_origin;
    let dot = |a: Planar, b: Planar| (a[0] * b[0] + a[1] * b[1]) * scale;
    let [s0, sx, sy] = along(grid, source, |p| dot(p, across));
    let [v0, vx, vy] = along(grid, source, |p| dot(p, normal));
    [s0, sx, sy, v0, vx, vy, middle, circular.source_detector / circular.pitch]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Fan, LengthUnit, Parallel, add};

    /// A point on the ray to (fractional) column c must be mapped back to c.
    fn check(geometry: &Geometry) {
        let grid = Grid::centered([1, 40, 50], [1.0, 2.0, 1.5], [3.0, -4.0, 0.0]);
        let circular = Circular::of(geometry).unwrap();
        let map = map(geometry, &circular, &grid);
        for (view, m) in geometry.views.iter().zip(map.shifted(7)) {
            let m = m.map(f64::from);
            for column in [0.0, 17.3, 60.0] {
                let ray = view.ray(0.0, column);
                // Voxel index of a point on the ray, not far from the axis.
                let reach = -(ray.origin[0] * ray.direction[0] + ray.origin[1] * ray.direction[1]) + 11.0;
                let p = add(ray.origin, reach, ray.direction);
                let (x, y) = ((p[0] - grid.first[0]) / 1.5, (p[1] - grid.first[1]) / 2.0);
                let found = super::column(map.beam, &m, x, y) - 7.0;
                assert!((found - column).abs() < 1e-4, "{:?}: {found} for {column}", map.beam);
            }
        }
    }

    #[test]
    fn points_on_a_ray_map_to_its_column() {
        let angles = vec![0.0, 1.0, 2.5, -2.0];
        let unit = LengthUnit::Millimetre;
        let parallel =
            Parallel { angles: angles.clone(), columns: 64, rows: 1, cell: 1.2, cell_height: 1.0, center: None, unit };
        check(&parallel.geometry());
        for curved in [false, true] {
            let fan = Fan {
                angles: angles.clone(),
                columns: 64,
                rows: 1,
                cell: 1.7,
                cell_height: 1.0,
                source_origin: 300.0,
                source_detector: 500.0,
                center: Some(28.0),
                axis_offset: if curved { 0.0 } else { 2.0 },
                curved,
                unit,
            };
            check(&fan.geometry());
        }
    }
}
