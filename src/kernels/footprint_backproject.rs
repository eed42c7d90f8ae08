//! Backprojects without filter or weight, as the exact adjoint of `footprint_project` (see `footprint.rs`).
//!
//! On the CPU a register of neighbouring pixels takes from each view what it sees of two registers of cells.

mod edges;
mod fan;
mod parallel;

use rayon::prelude::*;

use super::{
    footprint::{MATRIX, PAD, Table},
    lanes::Lanes,
    part::Part,
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd};

/// `image += Aᵀ lines`. Inputs: a slab of projections `[views·rows, columns]`, a slab of matrices `[views, 12]`. Output:
/// a slab of the image `[lines, nx]`, updated in place. `part` calls the projections filtered lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct FootprintBackproject {
    /// What this dispatch does.
    pub part: Part,
    /// 1: the detector is curved; 0: it is flat.
    pub curved: u32,
}

/// Lines of the image of one task.
const BAND: usize = 8;

impl FootprintBackproject {
    /// The same as `on_cpu` with a chosen SIMD level.
    ///
    /// # Panics
    /// If this machine lacks the level, or a slab is smaller than `part` says.
    #[track_caller]
    pub fn accumulate(&self, simd: Simd, lines: &[f32], matrices: &[f32], image: &mut [f32]) {
        let part = &self.part;
        let (nx, ny, columns) = (part.nx as usize, part.ny as usize, part.columns as usize);
        let matrices: &[[f32; MATRIX]] = bytemuck::cast_slice(matrices);
        let matrices = &matrices[part.first_view as usize - part.matrices_first as usize..][..part.views as usize];
        let weighted = self.weighted(&lines[..part.filtered_lines as usize * columns], matrices);
        let stride = columns + 2 * PAD;
        let image = &mut image[..part.image_lines as usize * nx];
        image.par_chunks_mut(nx * BAND).enumerate().for_each(|(band, pixels)| {
            let first = part.image_first as usize + band * BAND;
            // A band may end one slice and begin the next.
            let mut pixels = pixels;
            let mut line = first;
            while !pixels.is_empty() {
                let (z, y) = (line / ny, line % ny);
                let (own, others) = pixels.split_at_mut(pixels.len().min((ny - y) * nx));
                line += own.len() / nx;
                pixels = others;
                let seen = part.views_of(z).map(|view| View {
                    table: Table::read(&matrices[view - part.first_view as usize]),
                    line: &weighted[(view * part.rows as usize + z - part.filtered_first as usize) * stride..]
                        [..stride],
                });
                let middle = [(nx as f64 - 1.0) / 2.0, (ny as f64 - 1.0) / 2.0];
                let first = [-middle[0], y as f64 - middle[1]];
                let (parallel, fan) = seen.partition::<Vec<_>, _>(|view| view.table.parallel());
                for view in &parallel {
                    parallel::backproject(simd, view, columns, nx, first, own);
                }
                if !fan.is_empty() {
                    fan::backproject(simd, &fan, self.curved == 1, columns, nx, first, own);
                }
            }
        });
    }

    /// The lines between zeros, times the length of each cell's ray in a line of the slice (for parallel rays, times what a
    /// pixel sees of it).
    fn weighted(&self, lines: &[f32], matrices: &[[f32; MATRIX]]) -> Vec<f32> {
        let part = &self.part;
        let columns = part.columns as usize;
        let stride = columns + 2 * PAD;
        let mut weighted = vec![0.0; part.filtered_lines as usize * stride];
        let pairs = weighted.par_chunks_exact_mut(stride).zip(lines.par_chunks_exact(columns));
        pairs.enumerate().for_each(|(index, (weighted, line))| {
            let view = (part.filtered_first as usize + index) / part.rows as usize;
            let Some(matrix) = view.checked_sub(part.first_view as usize).and_then(|view| matrices.get(view)) else {
                return;
            };
            let table = Table::read(matrix);
            let middle = (columns as f32 - 1.0) / 2.0;
            // A parallel view's pixel sees as much as its width across the detector.
            let same = table.parallel().then(|| table.length(false, 0.0) * table.n[1].abs());
            for (column, (weighted, value)) in weighted[PAD..].iter_mut().zip(line).enumerate() {
                let length = same.unwrap_or_else(|| table.length(self.curved == 1, column as f32 - middle));
                *weighted = value * length;
            }
        });
        weighted
    }
}

struct View<'a> {
    table: Table,
    /// Weighted, with its padding.
    line: &'a [f32],
}

/// Adds a register to the pixels, as many as there are.
#[inline(always)]
unsafe fn add<L: Lanes>(sum: L, pixels: &mut [f32]) {
    if pixels.len() >= L::N {
        unsafe { L::load(pixels.as_ptr()).add(sum).store(pixels.as_mut_ptr()) };
        return;
    }
    let mut sums = [0.0; 16];
    unsafe { sum.store(sums.as_mut_ptr()) };
    pixels.iter_mut().zip(sums).for_each(|(pixel, sum)| *pixel += sum);
}

impl Kernel for FootprintBackproject {
    const NAME: &'static str = "footprint_backproject";
    const WGSL: &'static str = concat!(
        include_str!("../../shaders/lib/footprint.wgsl"),
        include_str!("../../shaders/footprint_backproject.wgsl")
    );
    const TOLERANCE: f32 = 5e-5;

    fn workgroups(&self) -> [u32; 3] {
        self.part.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        self.accumulate(Simd::detected(), inputs[0].numbers(), inputs[1].numbers(), outputs[0].numbers());
    }

    fn example(seed: u64) -> Example<Self> {
        let ((part, curved), matrices) = super::footprint::example(seed);
        let lines = HostArray::noise(&[part.filtered_lines as usize, part.columns as usize], seed);
        let image = HostArray::noise(&[part.image_lines as usize, part.nx as usize], seed + 1);
        Example { kernel: Self { part, curved }, inputs: vec![lines, matrices], outputs: vec![image] }
    }
}
