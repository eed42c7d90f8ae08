//! Two real lines become one complex line (re and im), weighted, extended beyond both edges by
//! e·cos²(πk/(2(K+1))), k = 1..=K, of the edge cell's value e, and padded with zeros to the FFT's length.

use std::f64::consts::FRAC_PI_2;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: a slab of projections `[.., columns]`, a slab of weights `[1 or views, columns]`, the taper
/// `[1, max(extend, 1)]` as [`taper`] makes it. Output: work f32 `[≥ ⌈lines/2⌉, length, 2]`; column c stands at index c,
/// the right extension behind it, the left one wrapped to the line's end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct PadLines {
    /// Real lines to pad; an odd last one pairs with zeros.
    pub lines: u32,
    /// Cells in a line.
    pub columns: u32,
    /// Complex numbers in a padded line, at least `columns + 2 extend`.
    pub length: u32,
    /// Cells of extension beyond each edge.
    pub extend: u32,
    /// The first line, counted in the slab of projections.
    pub first: u32,
    /// The first line, counted in the whole scan: line = view · rows + row.
    pub line: u32,
    /// Detector rows, lines that share a view.
    pub rows: u32,
    /// The first view in the slab of weights.
    pub weights_first: u32,
    /// 1 where each view has its own weights, 0 where all share one line of them.
    pub weights_step: u32,
}

/// cos²(πk/(2(extend+1))) for k = 1..=extend; a single zero if there are none.
pub fn taper(extend: usize) -> Vec<f32> {
    let cell = |k: usize| (FRAC_PI_2 * k as f64 / (extend + 1) as f64).cos().powi(2) as f32;
    if extend == 0 { vec![0.0] } else { (1..=extend).map(cell).collect() }
}

impl PadLines {
    fn cell(&self, inputs: [&[f32]; 3], line: usize, index: usize) -> f32 {
        let [projections, weights, taper] = inputs;
        let [columns, length, extend] = [self.columns, self.length, self.extend].map(|count| count as usize);
        if line >= self.lines as usize {
            return 0.0;
        }
        let view = (self.line as usize + line) / self.rows as usize;
        let row = (view - self.weights_first as usize) * self.weights_step as usize;
        let weighted =
            |column| projections[(self.first as usize + line) * columns + column] * weights[row * columns + column];
        match index {
            _ if index < columns => weighted(index),
            _ if index < columns + extend => weighted(columns - 1) * taper[index - columns],
            _ if index >= length - extend => weighted(0) * taper[length - 1 - index],
            _ => 0.0,
        }
    }
}

impl Kernel for PadLines {
    const NAME: &'static str = "pad_lines";
    const WGSL: &'static str = include_str!("../../shaders/pad_lines.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines.div_ceil(2) as usize * self.length as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let inputs = [0, 1, 2].map(|index: usize| inputs[index].numbers::<f32>());
        let work = outputs[0].numbers::<f32>().par_chunks_exact_mut(2 * self.length as usize);
        work.take(self.lines.div_ceil(2) as usize).enumerate().for_each(|(pair, work)| {
            for (index, cell) in work.chunks_exact_mut(2).enumerate() {
                cell[0] = self.cell(inputs, 2 * pair, index);
                cell[1] = self.cell(inputs, 2 * pair + 1, index);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self {
            lines: 7,
            columns: 50,
            length: 128,
            extend: [10, 0, 14][seed as usize % 3],
            first: 2,
            line: 11,
            rows: 3,
            weights_first: 2,
            weights_step: (seed % 2) as u32,
        };
        let projections = HostArray::noise(&[10, 50], seed);
        let weights = HostArray::noise(&[5, 50], seed + 1);
        let taper = taper(kernel.extend as usize);
        let taper = HostArray::new(&[1, taper.len()], &taper);
        let work = HostArray::zeros(&[4, 128, 2]);
        Example { kernel, inputs: vec![projections, weights, taper], outputs: vec![work] }
    }
}
