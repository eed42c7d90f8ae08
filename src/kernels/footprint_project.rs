//! Projects an image: each cell gains the integral over its rays, averaged over its width (see `footprint.rs`).
//!
//! On the CPU a register of neighbouring cells walks down the slice. What they see of a line of the slice fits into two
//! registers, from which it is picked by permutes; slices whose rays march along x are transposed first. Parallel rays
//! have one trapezoid a view, fans one for every edge: they go line by line, all cells along an edge's trapezoid at once.

mod fan;
mod parallel;

use rayon::prelude::*;

use super::{
    footprint::{MATRIX, PAD, Table},
    part::Part,
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

/// `lines += A image`. Inputs: a slab of the image `[lines, nx]`, a slab of matrices `[views, 12]`. Output: a slab of
/// projections `[views·rows, columns]`, updated in place. `part` calls the projections filtered lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct FootprintProject {
    /// What this dispatch does.
    pub part: Part,
    /// 1: the detector is curved; 0: it is flat.
    pub curved: u32,
}

impl FootprintProject {
    /// The same as `on_cpu` with a chosen SIMD level.
    ///
    /// # Panics
    /// If this machine lacks the level, or a slab is smaller than `part` says.
    #[track_caller]
    pub fn accumulate(&self, simd: Simd, image: &[f32], matrices: &[f32], lines: &mut [f32]) {
        let part = &self.part;
        let (rows, columns) = (part.rows as usize, part.columns as usize);
        let matrices: &[[f32; MATRIX]] = bytemuck::cast_slice(matrices);
        let lines = &mut lines[..part.filtered_lines as usize * columns];
        for z in part.slices() {
            let views = part.views_of(z as usize);
            let table = |view: usize| Table::read(&matrices[view - part.matrices_first as usize]);
            let [upright, lying] = [false, true].map(|lying| views.clone().any(|view| table(view).transposed == lying));
            let upright = upright.then(|| Padded::new(part, image, z as usize, false));
            let lying = lying.then(|| Padded::new(part, image, z as usize, true));
            lines.par_chunks_mut(columns).enumerate().for_each(|(index, line)| {
                let line_index = part.filtered_first as usize + index;
                let view = line_index / rows;
                if line_index % rows != z as usize || !views.contains(&view) {
                    return;
                }
                let table = table(view);
                let Some(slice) = (if table.transposed { &lying } else { &upright }) else { return };
                let size = if table.parallel() { parallel::BLOCK } else { fan::BLOCK };
                line.par_chunks_mut(size).enumerate().for_each(|(block, cells)| {
                    // Column of the first, from the detector's middle.
                    let column = (block * size) as f32 - (columns as f32 - 1.0) / 2.0;
                    if table.parallel() {
                        parallel::project(simd, &table, slice, column, cells);
                    } else {
                        fan::project(simd, &table, self.curved == 1, slice, column, cells);
                    }
                });
            });
        }
    }
}

/// A slice, or its transpose, between zeros; what the slab does not hold of it is zero.
struct Padded {
    numbers: Vec<f32>,
    /// Pixels across and along, without padding.
    across: usize,
    along: usize,
}

impl Padded {
    fn new(part: &Part, image: &[f32], z: usize, transposed: bool) -> Self {
        let (nx, ny) = (part.nx as usize, part.ny as usize);
        let (first, end) = (part.image_first as usize, (part.image_first + part.image_lines) as usize);
        let (from, to) = (first.max(z * ny), end.min((z + 1) * ny));
        let slab = &image[(from - first) * nx..(to - first) * nx];
        let (top, held) = (from - z * ny, to - from);
        let [across, along] = if transposed { [ny, nx] } else { [nx, ny] };
        let stride = across + 2 * PAD;
        let mut numbers = vec![0.0; stride * along];
        if transposed {
            // 16 lines at a time: what is read of a cache line is used at once.
            numbers.par_chunks_mut(16 * stride).enumerate().for_each(|(block, lines)| {
                for y in 0..held {
                    let pixels = &slab[y * nx..][16 * block..nx.min(16 * (block + 1))];
                    for (line, pixel) in lines.chunks_exact_mut(stride).zip(pixels) {
                        line[PAD + top + y] = *pixel;
                    }
                }
            });
        } else {
            let lines = numbers[top * stride..].par_chunks_exact_mut(stride).zip(slab.par_chunks_exact(nx));
            lines.for_each(|(line, pixels)| line[PAD..PAD + nx].copy_from_slice(pixels));
        }
        Self { numbers, across, along }
    }

    fn stride(&self) -> usize {
        self.across + 2 * PAD
    }

    /// The number 0 of line `r`.
    #[inline(always)]
    fn line(&self, r: usize) -> *const f32 {
        self.numbers[r * self.stride()..][..self.stride()][PAD..].as_ptr()
    }

    /// Middle of the slice, as index across and along.
    fn middle(&self) -> [f64; 2] {
        [(self.across as f64 - 1.0) / 2.0, (self.along as f64 - 1.0) / 2.0]
    }
}

impl Kernel for FootprintProject {
    const NAME: &'static str = "footprint_project";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/footprint.wgsl"), include_str!("../../shaders/footprint_project.wgsl"));
    const TOLERANCE: f32 = 5e-5;

    fn workgroups(&self) -> [u32; 3] {
        fold(self.part.columns.div_ceil(64) as usize * self.part.filtered_lines as usize)
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        self.accumulate(Simd::detected(), inputs[0].numbers(), inputs[1].numbers(), outputs[0].numbers());
    }

    fn example(seed: u64) -> Example<Self> {
        let (kernel, matrices) = super::footprint::example(seed);
        let (part, curved) = kernel;
        let image = HostArray::noise(&[part.image_lines as usize, part.nx as usize], seed);
        let lines = HostArray::noise(&[part.filtered_lines as usize, part.columns as usize], seed + 1);
        Example { kernel: Self { part, curved }, inputs: vec![image, matrices], outputs: vec![lines] }
    }
}
