//! Line integrals through a slice, averaged over each cell's width, for any list of views; and their exact adjoint.

use std::ops::Range;

use super::LinearOperator;
use crate::{
    device::{Array, Device, Slab},
    error::{Error, Result},
    geometry::{Geometry, Grid, View, circular::cross},
    kernels::{Fill, FootprintBackproject, FootprintProject, MATRIX, Part},
};

/// Projects images `[nz·ny, nx]` to projections `[views·rows, columns]`: image values times the grid's length unit.
///
/// Parallel beams with any number of rows (slice z is seen by row z) and fans with one row. Weights: see
/// `kernels/footprint.rs`.
#[derive(Debug)]
pub struct XRay {
    device: Device,
    grid: [usize; 3],
    rows: usize,
    columns: usize,
    domain: [usize; 2],
    range: [usize; 2],
    matrices: Array,
    curved: bool,
}

/// Updates (pixels times views) in one dispatch: a GPU's submission stays short even on slow ones.
const UPDATES: usize = 1 << 28;

impl XRay {
    /// Brings one matrix a view to the device.
    ///
    /// # Errors
    /// [`Error::Geometry`] if the views are not of this kind, or the grid reaches a source; [`Error::OutOfMemory`].
    pub fn new(device: &Device, geometry: &Geometry, grid: &Grid) -> Result<Self> {
        Self::of_views(device, geometry, &(0..geometry.views.len()).collect::<Vec<_>>(), grid)
    }

    /// The operator of some of the views only, in the order given: for ordered subsets.
    ///
    /// # Errors
    /// As [`XRay::new`].
    pub fn of_views(device: &Device, geometry: &Geometry, views: &[usize], grid: &Grid) -> Result<Self> {
        geometry.check()?;
        grid.check()?;
        let (rows, columns, [nz, ny, nx]) = (geometry.rows, geometry.columns, grid.shape);
        if nz != rows {
            return Err(Error::Geometry(format!("{rows} detector rows give {rows} slices, not {nz}")));
        }
        if columns >= 1 << 22 || nx.max(ny) >= 1 << 22 {
            return Err(Error::Geometry(
                "more than 2²² columns or voxels in a line: too many for f32 positions".into(),
            ));
        }
        let curved = geometry.views.iter().any(|view| view.curved);
        let mut matrices = Vec::with_capacity(views.len() * MATRIX);
        for &index in views {
            let view = &geometry.views[index];
            let matrix = matrix(view, geometry, grid, curved)
                .map_err(|what| Error::Geometry(format!("view {index}: {what}")))?;
            matrices.extend(matrix.map(|number| number as f32));
        }
        Ok(Self {
            device: device.clone(),
            grid: grid.shape,
            rows,
            columns,
            domain: [nz * ny, nx],
            range: [views.len() * rows, columns],
            matrices: device.upload(&[views.len(), MATRIX], matrices)?,
            curved,
        })
    }

    fn part(&self, views: &Range<usize>, lines: &Slab, image: &Slab) -> Part {
        Part {
            nx: self.grid[2] as u32,
            ny: self.grid[1] as u32,
            image_first: image.lines().start as u32,
            image_lines: image.lines().len() as u32,
            filtered_first: lines.lines().start as u32,
            filtered_lines: lines.lines().len() as u32,
            rows: self.rows as u32,
            columns: self.columns as u32,
            first_view: views.start as u32,
            views: views.len() as u32,
            matrices_first: self.matrices.slab_of(views.start).lines().start as u32,
        }
    }

    /// Runs of views of which `lines` holds some, each within one slab of matrices and one dispatch.
    fn runs(&self, lines: &Slab, image: &Slab) -> Vec<Range<usize>> {
        let most = match self.device {
            Device::Cpu(_) => usize::MAX,
            Device::Gpu(_) => (UPDATES / (image.lines().len() * self.grid[2]).max(self.columns * self.grid[1])).max(1),
        };
        let (first, end) = (lines.lines().start / self.rows, lines.lines().end.div_ceil(self.rows));
        let mut runs = Vec::new();
        for slab in self.matrices.slabs() {
            let views = first.max(slab.lines().start)..end.min(slab.lines().end);
            runs.extend(views.clone().step_by(most).map(|view| view..views.end.min(view.saturating_add(most))));
        }
        runs
    }
}

impl LinearOperator for XRay {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.range
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let curved = u32::from(self.curved);
        for lines in y.slabs_mut() {
            Fill::zero(&self.device, lines, self.columns);
            for image in x.slabs() {
                for views in self.runs(lines, image) {
                    let part = self.part(&views, lines, image);
                    let matrices = self.matrices.slab_of(views.start);
                    self.device.run(&FootprintProject { part, curved }, &[image, matrices], &mut [lines]);
                }
            }
        }
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let curved = u32::from(self.curved);
        for image in x.slabs_mut() {
            Fill::zero(&self.device, image, self.grid[2]);
            for lines in y.slabs() {
                for views in self.runs(lines, image) {
                    let part = self.part(&views, lines, image);
                    let matrices = self.matrices.slab_of(views.start);
                    self.device.run(&FootprintBackproject { part, curved }, &[lines, matrices], &mut [image]);
                }
            }
        }
        Ok(())
    }
}

/// An affine function of the voxel indices, counted from the grid's middle: `c[0] + c[1]·x + c[2]·y`.
type Affine = [f64; 3];

/// A view's matrix, see `kernels/footprint.rs`; or why there is none.
fn matrix(view: &View, geometry: &Geometry, grid: &Grid, curved: bool) -> std::result::Result<[f64; MATRIX], String> {
    let middle = (geometry.columns as f64 - 1.0) / 2.0;
    let (n, d, scale) = match view.source_position() {
        None if curved => return Err("parallel and curved views in one scan are not supported".into()),
        None => (parallel(view, grid, middle), [1.0, 0.0, 0.0], 1.0),
        Some(_) if geometry.rows > 1 => {
            let rows = geometry.rows;
            return Err(format!("{rows} detector rows of a fan make a cone; choose one row with --rows"));
        }
        Some(_) if view.curved != curved => {
            return Err("flat and curved detectors in one scan are not supported".into());
        }
        Some(source) if curved => arc(view, grid, [source[0], source[1]], middle),
        Some(source) => flat(view, grid, [source[0], source[1]], middle),
    };
    in_front(d, grid)?;
    // Which of the two axes the ray through the middle of the grid crosses more slowly.
    let ratio = n[0] / d[0];
    let lying = (n[2] - ratio * d[2]).abs() > (n[1] - ratio * d[1]).abs();
    let (across, along) = if lying { (2, 1) } else { (1, 2) };
    let [_, height, width] = grid.voxel();
    let (size_along, size_across) = if lying { (width, height) } else { (height, width) };
    let rays = [-middle - 0.5, 0.0, middle + 0.5].map(|column| if curved { (column / scale).tan() } else { column });
    let crossings = rays.map(|ray| n[across] - ray * d[across]);
    if crossings.iter().any(|crossing| crossing * (n[across] - ratio * d[across]) <= 0.0) {
        return Err(
            "its fan is so wide that some rays run along both axes of the grid; crop columns, or turn the grid".into(),
        );
    }
    let lying = f64::from(u8::from(lying));
    Ok([n[0], n[across], n[along], d[0], d[across], d[along], scale, size_along, size_across, lying, 0.0, 0.0])
}

fn in_front(d: Affine, grid: &Grid) -> std::result::Result<(), String> {
    let [_, ny, nx] = grid.shape.map(|extent| extent as f64 / 2.0);
    let nearest = d[0] - (d[1] * nx).abs() - (d[2] * ny).abs();
    if nearest <= 0.0 {
        return Err("the grid reaches the source; use a smaller --size or --voxel, or check --source-origin".into());
    }
    Ok(())
}

fn minus(a: [f64; 3], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}

/// `form(p − origin)` as a function of the voxel indices, for a linear `form` and p the voxel's position.
fn along(grid: &Grid, origin: [f64; 2], form: impl Fn([f64; 2]) -> f64) -> Affine {
    let [_, ny, nx] = grid.shape.map(|extent| (extent as f64 - 1.0) / 2.0);
    let [_, y, x] = grid.steps.map(|step| [step[0], step[1]]);
    [form(minus(grid.position([0.0, ny, nx]), origin)), form(x), form(y)]
}

fn parallel(view: &View, grid: &Grid, middle: f64) -> Affine {
    let ray = minus(view.ray(0.0, 0.0).direction, [0.0; 2]);
    let spacing = cross(minus(view.column_step, [0.0; 2]), ray);
    let first = minus(view.first_cell, [0.0; 2]);
    let [c, x, y] = along(grid, first, |p| cross(p, ray) / spacing);
    [c - middle, x, y]
}

/// The line from the source through p meets the detector at n/d.
fn flat(view: &View, grid: &Grid, source: [f64; 2], middle: f64) -> (Affine, Affine, f64) {
    let step = minus(view.column_step, [0.0; 2]);
    let first = minus(view.first_cell, source);
    let d = along(grid, source, |p| cross(step, p));
    let n = along(grid, source, |p| cross(p, first));
    // d is 1 at the middle of the grid.
    let n: Affine = std::array::from_fn(|i| (n[i] - middle * d[i]) / d[0]);
    (n, d.map(|number| number / d[0]), 1.0)
}

/// Components of p − source along and across the direction of the middle column.
fn arc(view: &View, grid: &Grid, source: [f64; 2], middle: f64) -> (Affine, Affine, f64) {
    let normal = minus(view.ray(0.0, middle).direction, [0.0; 2]);
    let turn = cross(normal, minus(view.cell(0.0, middle + 0.5), source)).signum();
    let across = [-turn * normal[1], turn * normal[0]];
    let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
    let radius = minus(view.first_cell, source);
    let step = minus(view.column_step, [0.0; 2]);
    let cells = (dot(radius, radius) / dot(step, step)).sqrt();
    (along(grid, source, |p| dot(p, across)), along(grid, source, |p| dot(p, normal)), cells)
}
