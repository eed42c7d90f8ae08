//! The way back from `pad_lines`: real lines from padded complex ones, scaled by view, with the filter's tails on either
//! side of the cells, and zero cells around.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::GUARD;
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: work `[≥ pairs, length, 2]`, a slab of scales `[views]`. Output: a slab of filtered lines, f32
/// `[.., cells + 2 guard]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct CropLines {
    /// Complex lines to take apart.
    pub pairs: u32,
    /// Real lines there are, counted from the first.
    pub lines: u32,
    /// Cells to take of a line, tails included.
    pub cells: u32,
    /// How many of them stand before index 0, at the padded line's end.
    pub before: u32,
    /// Complex numbers in a padded line.
    pub length: u32,
    /// Zero cells on each side, [`GUARD`] of them.
    pub guard: u32,
    /// The first line, counted in the slab of filtered lines.
    pub first: u32,
    /// The first line, counted in the whole scan: line = view · rows + row.
    pub line: u32,
    /// Detector rows, lines that share a view; which lines pair, see `pad_lines`.
    pub rows: u32,
    /// The first view in the slab of scales.
    pub scales_first: u32,
}

impl Kernel for CropLines {
    const NAME: &'static str = "crop_lines";
    const WGSL: &'static str = include_str!("../../shaders/crop_lines.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((2 * self.pairs as usize * (self.cells + 2 * self.guard) as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [cells, before, length, guard, rows] =
            [self.cells, self.before, self.length, self.guard, self.rows].map(|count| count as usize);
        let (work, scales) = (inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>());
        let filtered = outputs[0].numbers::<f32>().par_chunks_exact_mut(cells + 2 * guard);
        filtered.skip(self.first as usize).take(self.lines as usize).enumerate().for_each(|(line, filtered)| {
            let (pair, part) = (line / (2 * rows) * rows + line % rows, line / rows % 2);
            if pair >= self.pairs as usize {
                return;
            }
            let scale = scales[(self.line as usize + line) / rows - self.scales_first as usize];
            filtered.fill(0.0);
            for (cell, value) in filtered[guard..guard + cells].iter_mut().enumerate() {
                let index = (cell + length - before) % length;
                *value = work[2 * (pair * length + index) + part] * scale;
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let [pairs, lines] = if seed.is_multiple_of(2) { [6, 8] } else { [2, 5] };
        let (cells, before) = (50 + 9, 4 * (seed % 3) as u32);
        let kernel = Self {
            pairs,
            lines,
            cells,
            before,
            length: 128,
            guard: GUARD as u32,
            first: 2,
            line: 12,
            rows: 3,
            scales_first: 2,
        };
        let work = HostArray::noise(&[6, 128, 2], seed);
        let scales = HostArray::noise(&[5], seed + 1);
        let filtered = HostArray::noise(&[11, 59 + 2 * GUARD], seed + 2);
        Example { kernel, inputs: vec![work, scales], outputs: vec![filtered] }
    }
}
