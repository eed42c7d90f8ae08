//! Adds views of parallel rays to an image: pixel (x, y) of slice z gains, from every view, the filtered line of row z
//! at column = m0 + m1·x + m2·y, interpolated linearly (Kak & Slaney 1988, §3.3).
//!
//! On the CPU the image is cut into blocks so small that all columns of a block fall into one window of the line that
//! fits in vector registers. With i the nearest integer to t = column − ½ − window centre, the interpolation is
//! `A[i] + t·D[i]`, where `D[i] = q[i+1] − q[i]` and `A[i] = q[i] − (i − ½)·D[i]` belong to the window and not to the pixel.
//! So a vector of pixels costs six instructions: t, its integer, two permutes of the tables, a multiply–add, an add.
//!
//! Bound: AVX-512 does two of these a cycle, so 16 pixels take 3 cycles (15 giga-updates a second and core at 2.8 GHz);
//! AVX2 does four of the six on two ports and the permutes on a third, so 8 pixels take 2 cycles (11 at 2.8 GHz).
//! Measured on one Ice Lake core (benches/backprojection.rs, other work on the machine): 9.4 and 4.3.

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
/// `[views, 8]` of which m0, m1, m2 are used. Output: a slab of the image `[lines, nx]`, updated in place.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BackprojectParallel {
    /// What this dispatch does.
    pub part: Part,
    /// Always 0: a uniform's size is a multiple of 16 bytes.
    pub spare: u32,
}

/// Pixel blocks of a SIMD level.
struct Shape {
    /// Width and height of a block and of a vector, pixels.
    block: [usize; 2],
    vector: [usize; 2],
    /// Most columns between the pixels of one window.
    reach: f32,
}

impl Shape {
    const fn of(simd: Simd) -> Self {
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => avx512::SHAPE,
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => avx2::SHAPE,
            _ => Self { block: [TILE, 16], vector: [1, 1], reach: -1.0 },
        }
    }

    fn fit(&self, [_, mx, my, ..]: &[f32; 8]) -> Fit {
        let holds = |[w, h]: [usize; 2]| (w - 1) as f32 * mx.abs() + (h - 1) as f32 * my.abs() <= self.reach;
        match (holds(self.block), holds(self.vector)) {
            (true, _) => Fit::Block,
            (false, true) => Fit::Vector,
            _ => Fit::Pixel,
        }
    }
}

/// Up to `CHUNK` views as one tile sees them: column = cell + fraction + mx·x + my·y, x and y counted from the tile.
struct Views<'a> {
    fit: Fit,
    len: usize,
    /// The filtered slab, from the first view's line on, and how far one view's line is from the next one's.
    lines: &'a [f32],
    stride: usize,
    columns: i32,
    cell: [i32; CHUNK],
    fraction: [f32; CHUNK],
    mx: [f32; CHUNK],
    my: [f32; CHUNK],
    /// From a block's first pixel to its lowest column.
    low: [f32; CHUNK],
}

/// Where the windows of one block lie.
struct Windows {
    /// First cell of the window within the guarded line.
    start: [u32; CHUNK],
    /// t of the block's first pixel.
    t: [f32; CHUNK],
}

impl Views<'_> {
    /// Windows of the block whose first pixel is (x, y) of the tile; `half` is half a window. A block that sees
    /// nothing of a view is sent to the window at the line's start: guard zeros as far as `Shape::reach` goes.
    #[inline(always)]
    fn windows(&self, x: usize, y: usize, half: f32) -> Windows {
        let (x, y) = (x as f32, y as f32);
        let mut windows = Windows { start: [0; CHUNK], t: [0.0; CHUNK] };
        for view in 0..CHUNK {
            let column = self.fraction[view] + x * self.mx[view] + y * self.my[view];
            let whole = (column + self.low[view]).floor();
            let first = self.cell[view] + (whole as i32).clamp(-FAR, FAR);
            let seen = first >= -(GUARD as i32) && first < self.columns;
            windows.start[view] = if seen { (first + GUARD as i32) as u32 } else { 0 };
            windows.t[view] = if seen { column - whole } else { -self.low[view] } - 0.5 - half;
        }
        windows
    }
}

impl BackprojectParallel {
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
        let shape = Shape::of(simd);
        let size = [TILE, TILE / shape.block[1] * shape.block[1]];
        part.tiles(image, size).into_par_iter().for_each(|mut tile| {
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
        let (part, shape) = (&self.part, Shape::of(simd));
        let stride = part.rows as usize * part.stride();
        let mut first = 0;
        for alike in matrices.chunk_by(|a, b| shape.fit(a) == shape.fit(b)) {
            for chunk in alike.chunks(CHUNK) {
                let lines = &lines[first * stride..];
                let views = Views::new(chunk, [tile.x, tile.y], &shape, (lines, stride, part.columns as i32));
                views.add_to(simd, tile);
                first += chunk.len();
            }
        }
    }
}

impl<'a> Views<'a> {
    fn new(
        matrices: &[[f32; 8]],
        [x, y]: [usize; 2],
        shape: &Shape,
        (lines, stride, columns): (&'a [f32], usize, i32),
    ) -> Self {
        let (len, fit) = (matrices.len(), shape.fit(&matrices[0]));
        let [width, height] = if fit == Fit::Vector { shape.vector } else { shape.block };
        let (cell, zero) = ([0; CHUNK], [0.0; CHUNK]);
        let mut views = Self { fit, len, lines, stride, columns, cell, fraction: zero, mx: zero, my: zero, low: zero };
        for (view, [m0, mx, my, ..]) in matrices.iter().enumerate() {
            let column = f64::from(*m0) + f64::from(*mx) * x as f64 + f64::from(*my) * y as f64;
            views.cell[view] = (column as i32).clamp(-FAR, FAR);
            views.fraction[view] = (column - f64::from(views.cell[view])) as f32;
            (views.mx[view], views.my[view]) = (*mx, *my);
            views.low[view] = (width - 1) as f32 * mx.min(0.0) + (height - 1) as f32 * my.min(0.0) - MARGIN;
        }
        views
    }

    fn add_to(&self, simd: Simd, tile: &mut Tile) {
        match (self.fit, simd) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `accumulate` has seen that the machine has AVX-512.
            (Fit::Block, Simd::Avx512) => unsafe { avx512::add::<4>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            (Fit::Vector, Simd::Avx512) => unsafe { avx512::add::<1>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `accumulate` has seen that the machine has AVX2.
            (Fit::Block, Simd::Avx2) => unsafe { avx2::add::<3>(self, tile) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            (Fit::Vector, Simd::Avx2) => unsafe { avx2::add::<1>(self, tile) },
            _ => scalar::add(self, tile),
        }
    }
}

impl Kernel for BackprojectParallel {
    const NAME: &'static str = "backproject_parallel";
    const WGSL: &'static str = include_str!("../../shaders/backproject_parallel.wgsl");
    const TOLERANCE: f32 = 5e-6;

    fn workgroups(&self) -> [u32; 3] {
        self.part.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        self.accumulate(Simd::detected(), inputs[0].numbers(), inputs[1].numbers(), outputs[0].numbers());
    }

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
        let mut noise = Noise(seed);
        let matrices: Vec<[f32; 8]> = (0..80).map(|_| turned(&part, 1.0, noise.next() * PI)).collect();
        let filtered = noise.lines(&part);
        let image = noise.numbers(part.image_lines as usize * part.nx as usize);
        Example {
            kernel: Self { part, spare: 0 },
            inputs: vec![
                HostArray::new(&[part.filtered_lines as usize, part.stride()], &filtered),
                HostArray::new(&[matrices.len(), 8], matrices.as_flattened()),
            ],
            outputs: vec![HostArray::new(&[part.image_lines as usize, part.nx as usize], &image)],
        }
    }
}

/// A view at `angle` of an image whose middle is seen by the detector's middle; `ratio` is voxel over cell.
pub(crate) fn turned(part: &Part, ratio: f32, angle: f32) -> [f32; 8] {
    let (mx, my) = (ratio * angle.cos(), ratio * angle.sin());
    let middle = [part.columns, part.nx, part.ny].map(|extent| (extent as f32 - 1.0) / 2.0);
    [middle[0] - mx * middle[1] - my * middle[2], mx, my, 0.0, 0.0, 0.0, 0.0, 0.0]
}

#[cfg(test)]
mod tests;
