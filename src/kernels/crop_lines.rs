//! The way back from `pad_lines`: real lines from padded complex ones, scaled by view, with zero cells on each side.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::GUARD;
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: work `[≥ ⌈lines/2⌉, length, 2]`, a slab of scales `[views]`. Output: a slab of filtered lines, f32
/// `[.., columns + 2 guard]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct CropLines {
    /// Real lines to take.
    pub lines: u32,
    /// Cells in a line.
    pub columns: u32,
    /// Complex numbers in a padded line.
    pub length: u32,
    /// Zero cells on each side, [`GUARD`] of them.
    pub guard: u32,
    /// The first line, counted in the slab of filtered lines.
    pub first: u32,
    /// The first line, counted in the whole scan: line = view · rows + row.
    pub line: u32,
    /// Detector rows, lines that share a view.
    pub rows: u32,
    /// The first view in the slab of scales.
    pub scales_first: u32,
}

impl Kernel for CropLines {
    const NAME: &'static str = "crop_lines";
    const WGSL: &'static str = include_str!("../../shaders/crop_lines.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * (self.columns + 2 * self.guard) as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [columns, length, guard] = [self.columns, self.length, self.guard].map(|count| count as usize);
        let (work, scales) = (inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>());
        let filtered = outputs[0].numbers::<f32>().par_chunks_exact_mut(columns + 2 * guard);
        filtered.skip(self.first as usize).take(self.lines as usize).enumerate().for_each(|(line, filtered)| {
            let scale = scales[(self.line as usize + line) / self.rows as usize - self.scales_first as usize];
            let part = line / 2 * length * 2 + line % 2;
            filtered.fill(0.0);
            for (column, cell) in filtered[guard..guard + columns].iter_mut().enumerate() {
                *cell = work[part + 2 * column] * scale;
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let (lines, columns, length, guard) = (7 + seed as u32 % 2, 50, 128, GUARD as u32);
        let kernel = Self { lines, columns, length, guard, first: 2, line: 11, rows: 3, scales_first: 2 };
        let work = HostArray::noise(&[4, 128, 2], seed);
        let scales = HostArray::noise(&[5], seed + 1);
        let filtered = HostArray::noise(&[11, 50 + 2 * GUARD], seed + 2);
        Example { kernel, inputs: vec![work, scales], outputs: vec![filtered] }
    }
}
