//! Adds views of fan-beam rays to an image, with a flat or a curved (equiangular) detector (Kak & Slaney 1988, §3.4):
//! pixel (x, y) of slice z gains, from every view, weight · the filtered line of row z at `column`, where
//!
//! - flat: den = m3 + m4·x + m5·y, column = (m0 + m1·x + m2·y) / den, weight 1/den²;
//! - curved: s = m0 + m1·x + m2·y, v = m3 + m4·x + m5·y, column = m6 + m7·atan(s/v), weight 1/(v² + s²).
//!
//! On the CPU blocks of pixels share a window of the line, as for parallel rays. Both kinds take one form per tile:
//! with u and w linear in x and y and ρ = u/w, column = cell + shift + scale·ρ (flat), or + scale·atan ρ (curved). For
//! this the flat kind subtracts cell·den from the numerator, and the curved one turns (s, v) by the tile's own angle;
//! both are done in f64. Within a tile |ρ| ≤ ¼ on curved detectors, so that a few terms of the series suffice:
//! atan to 2.2e-8 and the weight 1/(w² + u²) to 6e-8 of itself. Anything nearer to a source is done by the formula.
//!
//! Bound: 14 instructions a vector on a flat detector make 7 cycles for 16 pixels with AVX-512 (6.4 giga-updates a
//! second and core at 2.8 GHz). Measured on one Ice Lake core, other work on the machine: flat 3.3, curved 2.0; with
//! AVX2 1.8 and 0.9.

// Windows are for vector loops, which only x86-64 has as yet.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

use std::f32::consts::PI;

use rayon::prelude::*;

use super::{
    GUARD,
    part::{CHUNK, FAR, Fit, MARGIN, Noise, Part, TILE, Tile},
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd};

/// `image += Σ views`. Inputs: a slab of filtered lines `[lines, columns + 2·GUARD]`, and a slab of matrices
/// `[views, 8]`. Output: a slab of the image `[lines, nx]`, updated in place.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BackprojectFan {
    /// What this dispatch does.
    pub part: Part,
    /// 1: the detector is curved; 0: it is flat.
    pub curved: u32,
}

/// Largest |ρ| in a tile for which the series hold.
const NARROW: f64 = 0.25;
/// atan ρ = ρ·(1 + ATAN[0]·ρ² + ATAN[1]·ρ⁴ + …): its Taylor series.
const ATAN: [f32; 4] = [-1.0 / 3.0, 1.0 / 5.0, -1.0 / 7.0, 1.0 / 9.0];

/// Pixel blocks of a SIMD level.
struct Shape {
    /// Width and height of a block and of a vector, pixels.
    block: [usize; 2],
    vector: [usize; 2],
    /// Most columns between the pixels of one window.
    reach: f64,
}

impl Shape {
    const fn of(simd: Simd) -> Self {
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => avx512::SHAPE,
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => avx2::SHAPE,
            _ => Self { block: [1, 1], vector: [1, 1], reach: -1.0 },
        }
    }
}

/// One view as one tile sees it, x and y counted from the tile: ρ = u/w, u = u0 + ux·x + uy·y, w likewise.
#[derive(Clone, Copy)]
struct Seen {
    fit: Fit,
    cell: i32,
    shift: f32,
    scale: f32,
    u: [f32; 3],
    w: [f32; 3],
}

/// Up to `CHUNK` views as one tile sees them.
struct Views<'a> {
    curved: bool,
    fit: Fit,
    matrices: &'a [[f32; 8]],
    /// The filtered slab, from the first view's line on, and how far one view's line is from the next one's.
    lines: &'a [f32],
    stride: usize,
    columns: i32,
    cell: [i32; CHUNK],
    shift: [f32; CHUNK],
    scale: [f32; CHUNK],
    u: [[f32; CHUNK]; 3],
    w: [[f32; CHUNK]; 3],
}

/// Where the windows of one block lie.
struct Windows {
    /// First cell of the window within the guarded line.
    start: [u32; CHUNK],
    /// u and w of the block's first pixel.
    u: [f32; CHUNK],
    w: [f32; CHUNK],
    /// t = shift + scale·ρ, or shift + scale·atan ρ.
    shift: [f32; CHUNK],
}

impl Seen {
    fn new(m: &[f32; 8], tile: &Tile, shape: &Shape, curved: bool) -> Self {
        let m = m.map(f64::from);
        let at = |m: &[f64], x: f64, y: f64| m[0] + m[1] * x + m[2] * y;
        let (x, y, half) = (tile.x as f64, tile.y as f64, (TILE - 1) as f64 / 2.0);
        let [s, v] = [&m[0..3], &m[3..6]].map(|m| [at(m, x, y), m[1], m[2]]);
        let [middle_s, middle_v] = [&s, &v].map(|m| at(m, half, half));
        let (u, w, column, scale) = if curved {
            let length = middle_s.hypot(middle_v);
            let (sin, cos) = (middle_s / length, middle_v / length);
            let turn = |a: f64, b: f64| [0, 1, 2].map(|i| a * s[i] + b * v[i]);
            (turn(cos, -sin), turn(sin, cos), m[6] + m[7] * (middle_s / middle_v).atan(), m[7])
        } else {
            let column = (middle_s / middle_v).round().clamp(-f64::from(FAR), f64::from(FAR));
            ([0, 1, 2].map(|i| s[i] - column * v[i]), v, column, 1.0)
        };
        let cell = (column as i32).clamp(-FAR, FAR);
        let corners = [(0, 0), (TILE - 1, 0), (0, TILE - 1), (TILE - 1, TILE - 1)].map(|(x, y)| {
            let (x, y) = (x as f64, y as f64);
            (at(&u, x, y), at(&w, x, y))
        });
        // ρ is monotonic along every line, so that the corners bound it; and ∂ρ/∂x = (ux − ρ·wx)/w.
        let nearest = corners.iter().fold(f64::INFINITY, |least, (_, w)| least.min(*w));
        let widest = corners.iter().fold(0.0_f64, |most, (u, w)| most.max((u / w).abs()));
        let slope = |i: usize| scale.abs() * (u[i].abs() + widest * w[i].abs()) / nearest;
        let holds = |[w, h]: [usize; 2]| (w - 1) as f64 * slope(1) + (h - 1) as f64 * slope(2) <= shape.reach;
        let calm = nearest > 0.0 && (!curved || (widest <= NARROW && middle_v > 0.0));
        let fit = match (calm && holds(shape.block), calm && holds(shape.vector)) {
            (true, _) => Fit::Block,
            (false, true) => Fit::Vector,
            _ => Fit::Pixel,
        };
        let f32s = |m: [f64; 3]| m.map(|m| m as f32);
        Self { fit, cell, shift: (column - f64::from(cell)) as f32, scale: scale as f32, u: f32s(u), w: f32s(w) }
    }
}

impl Views<'_> {
    /// Windows of the block of `size` whose first pixel is (x, y) of the tile; `half` is half a window. A block that
    /// sees nothing of a view is sent to the window at the line's start: guard zeros as far as `Shape::reach` goes.
    #[inline(always)]
    fn windows<const CURVED: bool>(&self, x: usize, y: usize, size: [usize; 2], half: f32) -> Windows {
        let (x, y) = (x as f32, y as f32);
        let [width, height] = size.map(|extent| (extent - 1) as f32);
        let mut windows = Windows { start: [0; CHUNK], u: [0.0; CHUNK], w: [0.0; CHUNK], shift: [0.0; CHUNK] };
        for view in 0..CHUNK {
            let [[u0, ux, uy], [w0, wx, wy]] = [&self.u, &self.w].map(|m| [m[0][view], m[1][view], m[2][view]]);
            let (u, w) = (u0 + x * ux + y * uy, w0 + x * wx + y * wy);
            let column = |dx: f32, dy: f32| {
                let ratio = (u + dx * ux + dy * uy) / (w + dx * wx + dy * wy);
                self.shift[view] + self.scale[view] * if CURVED { ratio * atan_over(ratio * ratio) } else { ratio }
            };
            let upper = column(0.0, 0.0).min(column(width, 0.0));
            let lower = column(0.0, height).min(column(width, height));
            let whole = (upper.min(lower) - MARGIN).floor();
            let first = self.cell[view] + (whole as i32).clamp(-FAR, FAR);
            let seen = first >= -(GUARD as i32) && first < self.columns;
            windows.start[view] = if seen { (first + GUARD as i32) as u32 } else { 0 };
            windows.shift[view] = self.shift[view] - whole - 0.5 - half;
            (windows.u[view], windows.w[view]) = (u, w);
        }
        windows
    }
}

/// atan ρ / ρ from ρ².
#[inline(always)]
fn atan_over(square: f32) -> f32 {
    1.0 + square * (ATAN[0] + square * (ATAN[1] + square * (ATAN[2] + square * ATAN[3])))
}

impl BackprojectFan {
    /// The same as `on_cpu` with a chosen SIMD level.
    ///
    /// # Panics
    /// If this machine lacks the level, or a slab is smaller than `part` says.
    #[track_caller]
    pub fn accumulate(&self, simd: Simd, filtered: &[f32], matrices: &[f32], image: &mut [f32]) {
        let part = &self.part;
        // The vector loops would be undefined behaviour elsewhere.
        assert!(Simd::available().contains(&simd), "this machine has no {simd}");
        assert!(part.columns > 0 && (part.columns as i64) < FAR as i64, "{} columns", part.columns);
        let filtered = &filtered[..part.filtered_lines as usize * part.stride()];
        let matrices: &[[f32; 8]] = bytemuck::cast_slice(matrices);
        part.tiles(image, [TILE; 2]).into_par_iter().for_each(|mut tile| {
            let views = part.views_of(tile.z);
            if !views.is_empty() {
                let first = part.matrices_first as usize;
                let lines = &filtered[part.line_start(views.start, tile.z)..];
                self.add_views(simd, lines, &matrices[views.start - first..views.end - first], &mut tile);
            }
        });
    }

    /// Adds the views of `matrices`, whose lines begin with `lines`.
    fn add_views(&self, simd: Simd, lines: &[f32], matrices: &[[f32; 8]], tile: &mut Tile) {
        let (shape, curved) = (Shape::of(simd), self.curved != 0);
        let seen: Vec<Seen> = matrices.iter().map(|m| Seen::new(m, tile, &shape, curved)).collect();
        let mut first = 0;
        for alike in seen.chunk_by(|a, b| a.fit == b.fit) {
            for chunk in alike.chunks(CHUNK) {
                let views = self.views(chunk, &matrices[first..], lines, first);
                views.add_to(simd, tile);
                first += chunk.len();
            }
        }
    }

    fn views<'a>(&self, seen: &[Seen], matrices: &'a [[f32; 8]], lines: &'a [f32], first: usize) -> Views<'a> {
        let stride = self.part.rows as usize * self.part.stride();
        let zeros = [0.0; CHUNK];
        let mut views = Views {
            curved: self.curved != 0,
            fit: seen[0].fit,
            matrices: &matrices[..seen.len()],
            lines: &lines[first * stride..],
            stride,
            columns: self.part.columns as i32,
            cell: [0; CHUNK],
            shift: zeros,
            scale: zeros,
            u: [zeros; 3],
            // Unused places divide by 1.
            w: [[1.0; CHUNK], zeros, zeros],
        };
        for (view, seen) in seen.iter().enumerate() {
            (views.cell[view], views.shift[view], views.scale[view]) = (seen.cell, seen.shift, seen.scale);
            for i in 0..3 {
                (views.u[i][view], views.w[i][view]) = (seen.u[i], seen.w[i]);
            }
        }
        views
    }
}

impl Views<'_> {
    fn add_to(&self, simd: Simd, tile: &mut Tile) {
        // SAFETY of all: `accumulate` has seen that the machine has the level.
        match (self.fit, simd, self.curved) {
            #[cfg(target_arch = "x86_64")]
            (Fit::Block, Simd::Avx512, false) => unsafe { avx512::add::<4, 2, false>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            (Fit::Block, Simd::Avx512, true) => unsafe { avx512::add::<4, 2, true>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            (Fit::Vector, Simd::Avx512, false) => unsafe { avx512::add::<1, 1, false>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            (Fit::Vector, Simd::Avx512, true) => unsafe { avx512::add::<1, 1, true>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            (Fit::Block, Simd::Avx2, false) => unsafe { avx2::add::<2, false>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            (Fit::Block, Simd::Avx2, true) => unsafe { avx2::add::<2, true>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            (Fit::Vector, Simd::Avx2, false) => unsafe { avx2::add::<1, false>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            (Fit::Vector, Simd::Avx2, true) => unsafe { avx2::add::<1, true>(self, tile) },
            _ => scalar::add(self, tile),
        }
    }
}

impl Kernel for BackprojectFan {
    const NAME: &'static str = "backproject_fan";
    const WGSL: &'static str = include_str!("../../shaders/backproject_fan.wgsl");
    // The example is white noise, which shows every digit of a column; f32 on the GPU has about 10⁻⁵ cell of it.
    const TOLERANCE: f32 = 1e-5;

    fn workgroups(&self) -> [u32; 3] {
        self.part.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        self.accumulate(Simd::detected(), inputs[0].numbers(), inputs[1].numbers(), outputs[0].numbers());
    }

    /// Even seeds are flat, odd ones curved.
    fn example(seed: u64) -> Example<Self> {
        let part = Part {
            nx: 61,
            ny: 53,
            image_first: 20,
            image_lines: 120,
            filtered_first: 9,
            filtered_lines: 250,
            rows: 3,
            columns: 90,
            first_view: 2,
            views: 75,
            matrices_first: 1,
        };
        let kernel = Self { part, curved: (seed % 2) as u32 };
        let mut noise = Noise(seed);
        let matrices: Vec<[f32; 8]> = (0..80).map(|_| kernel.turned(1.0, 150.0, noise.next() * PI)).collect();
        let filtered = noise.lines(&part);
        let image = noise.numbers(part.image_lines as usize * part.nx as usize);
        Example {
            kernel,
            inputs: vec![
                HostArray::new(&[part.filtered_lines as usize, part.stride()], &filtered),
                HostArray::new(&[matrices.len(), 8], matrices.as_flattened()),
            ],
            outputs: vec![HostArray::new(&[part.image_lines as usize, part.nx as usize], &image)],
        }
    }
}

impl BackprojectFan {
    /// A view at `angle` of an image whose middle is seen by the detector's middle, the source `distance` cells (as
    /// large as they appear at the axis) away from it; `ratio` is voxel over cell there. Weights are relative to it.
    fn turned(&self, ratio: f32, distance: f32, angle: f32) -> [f32; 8] {
        let [columns, nx, ny] = [self.part.columns, self.part.nx, self.part.ny].map(|n| (n as f32 - 1.0) / 2.0);
        let (cos, sin) = (ratio * angle.cos() / distance, ratio * angle.sin() / distance);
        let across = [-cos * nx - sin * ny, cos, sin];
        let along = [1.0 + sin * nx - cos * ny, -sin, cos];
        if self.curved != 0 {
            return [across[0], across[1], across[2], along[0], along[1], along[2], columns, distance];
        }
        let [a, b, c] = [0, 1, 2].map(|i| distance * across[i] + columns * along[i]);
        [a, b, c, along[0], along[1], along[2], 0.0, 0.0]
    }
}

#[cfg(test)]
mod tests;
