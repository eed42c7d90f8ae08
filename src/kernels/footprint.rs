//! How much of a pixel a ray of finite width sees: the footprints that a matched pair of projectors shares.
//!
//! Rays march along one axis of a slice, `along`, and cross a few pixels of every line of the other, `across` (the
//! view's matrix says which is which). A cell's share of pixel (a, r) is |G(c(a + ½, r)) − G(c(a − ½, r))|, where c maps
//! a point of the slice to the detector and G is the part of the cell, widened by the slice's line, that lies on one
//! side of the pixel's edge: the integral of a trapezoid, a box of one cell convolved with a box of |∂c/∂r|. With the
//! length of the ray in a line of the slice this is, for parallel rays, the exact area of pixel ∩ strip over the cell's
//! width, and for fans a distance-driven footprint (De Man & Basu 2004) with the slope of the pixel's sides
//! (separable footprints: Long, Fessler & Balter 2010). The shares of a line add up to one, so that a constant image
//! has exact integrals whatever the geometry.
//!
//! A view's matrix, 12 numbers; columns and voxel indices are counted from the middle of detector and slice:
//!
//! | 0–2 | 3–5 | 6 | 7, 8 | 9 |
//! |---|---|---|---|---|
//! | n = n0 + nₐ·a + nᵣ·r | d = d0 + dₐ·a + dᵣ·r | scale | size of a voxel along r, along a | 1: a runs along y, r along x; 0: a along x |
//!
//! c = n/d on a flat detector (parallel rays: d = 1), scale·atan(n/d) on a curved one; d > 0.

mod comb;

pub(super) use self::comb::{Comb, Line, MARGIN, Places, Way, area};
use super::part::Part;
use crate::device::HostArray;

/// Numbers of a view's matrix.
pub const MATRIX: usize = 12;
/// Least |∂c/∂r| / 2, cells: a box of no width has no slope.
pub(super) const NARROWEST: f32 = 1e-4;
/// Zeros on each side of a padded line: more than two registers and the taps between.
pub(super) const PAD: usize = 64;

/// A view's matrix, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub n: [f32; 3],
    pub d: [f32; 3],
    pub scale: f32,
    pub size: [f32; 2],
    pub transposed: bool,
}

impl Table {
    pub fn read(m: &[f32; MATRIX]) -> Self {
        Self { n: [m[0], m[1], m[2]], d: [m[3], m[4], m[5]], scale: m[6], size: [m[7], m[8]], transposed: m[9] != 0.0 }
    }

    pub fn parallel(&self) -> bool {
        self.d[1] == 0.0 && self.d[2] == 0.0
    }

    /// The ray to `column` (from the middle) as a = p + q·r: (p, q).
    pub fn ray(&self, curved: bool, column: f32) -> (f64, f64) {
        let ratio = if curved { f64::from(column / self.scale).tan() } else { f64::from(column) };
        let [c0, ca, cr] = [0, 1, 2].map(|i| f64::from(self.n[i]) - ratio * f64::from(self.d[i]));
        (-c0 / ca, -cr / ca)
    }

    /// Length of the ray to `column` in one line of the slice.
    pub fn length(&self, curved: bool, column: f32) -> f32 {
        let (_, q) = self.ray(curved, column);
        f64::from(self.size[0]).hypot(f64::from(self.size[1]) * q) as f32
    }

    /// Whether columns grow with a.
    pub fn grows(&self) -> bool {
        self.n[1] * self.d[0] > self.n[0] * self.d[1]
    }
}

/// The lesser of two numbers in one instruction, since NaN may give either.
#[inline(always)]
pub(super) fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The greater, likewise.
#[inline(always)]
pub(super) fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Views for the kernels' examples: parallel, flat or curved, some of them marching along x.
pub(super) fn example(seed: u64) -> ((Part, u32), HostArray) {
    let part = Part {
        nx: 37 + seed as u32 % 3,
        ny: 29,
        image_first: 0,
        image_lines: 58,
        filtered_first: 2,
        filtered_lines: 17,
        rows: 2,
        columns: 41,
        first_view: 1,
        views: 8,
        matrices_first: 1,
    };
    let curved = u32::from(seed % 3 == 2);
    let distance = 70.0;
    let matrices: Vec<f32> = (0..part.views)
        .flat_map(|view| {
            let (sin, cos) = (0.3 + 0.7 * f64::from(view)).sin_cos();
            // Along the detector and towards it, in voxels.
            let (n, d) = match (seed % 3, curved) {
                (0, _) => ([0.4, 1.1 * cos, 1.1 * sin], [1.0, 0.0, 0.0]),
                (_, 0) => ([0.4, 1.1 * cos, 1.1 * sin], [1.0, -sin / distance, cos / distance]),
                _ => ([0.4, cos, sin], [distance, -sin, cos]),
            };
            let lying = sin.abs() > cos.abs();
            let turn = |[c, x, y]: [f64; 3]| if lying { [c, y, x] } else { [c, x, y] };
            let (n, d) = (turn(n), turn(d));
            let scale = if curved == 1 { 1.1 * distance } else { 1.0 };
            let size = if lying { [0.9, 0.7] } else { [0.7, 0.9] };
            let lying = f64::from(u8::from(lying));
            [n[0], n[1], n[2], d[0], d[1], d[2], scale, size[0], size[1], lying, 0.0, 0.0]
        })
        .map(|number| number as f32)
        .collect();
    ((part, curved), HostArray::new(&[part.views as usize, MATRIX], &matrices))
}
