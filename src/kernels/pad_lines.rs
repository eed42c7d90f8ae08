//! Two real lines become one complex line (re and im), weighted, extended beyond both ends and padded with zeros to the
//! FFT's length. Partners are the same detector row of two views, so that no row's values depend on another row's.
//!
//! Beyond an end a line goes on as the chord of a disc does, v·√((1 − d/D)(1 + q·d/D)) at d cells from the last one, which
//! is 0 from D on; all of it fades out by (1 − (d/W)²)², W = `window` cells.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: a slab of projections `[.., columns]`, a slab of weights `[1 or views, columns]`, a slab of ends
/// `[.., 6]`: v, 1/D and q before a line, then beyond it. Output: work f32 `[≥ pairs, length, 2]`; column c stands at
/// index c, the right extension behind it, the left one wrapped to the line's end.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct PadLines {
    /// Complex lines to make.
    pub pairs: u32,
    /// Real lines there are, counted from the first; what is beyond them pairs as zeros.
    pub lines: u32,
    /// Cells in a line.
    pub columns: u32,
    /// Complex numbers in a padded line, at least `columns + 2 extend`.
    pub length: u32,
    /// Cells of extension beyond each end.
    pub extend: u32,
    /// Cells over which the extension fades out.
    pub window: f32,
    /// The first line, counted in the slab of projections.
    pub first: u32,
    /// The first line, counted in the whole scan: line = view · rows + row.
    pub line: u32,
    /// Detector rows, lines that share a view: pair p holds the line p mod rows + 2 rows ⌊p/rows⌋, and the one `rows` after.
    pub rows: u32,
    /// The first view in the slab of weights.
    pub weights_first: u32,
    /// 1 where each view has its own weights, 0 where all share one line of them.
    pub weights_step: u32,
    /// The first line in the slab of ends.
    pub ends_first: u32,
}

/// What a line is `distance` cells beyond its end, as a share of the weighted v.
pub(crate) fn beyond([value, inverse, q]: [f32; 3], distance: f32, window: f32) -> f32 {
    let (x, w) = (distance * inverse, distance / window);
    let fade = (1.0 - w * w).max(0.0);
    value * ((1.0 - x) * (1.0 + q * x)).max(0.0).sqrt() * (fade * fade)
}

impl PadLines {
    fn cell(&self, inputs: [&[f32]; 3], pair: usize, part: usize, index: usize) -> f32 {
        let [projections, weights, ends] = inputs;
        let [columns, length, extend, rows] =
            [self.columns, self.length, self.extend, self.rows].map(|count| count as usize);
        let line = pair / rows * 2 * rows + pair % rows + part * rows;
        if line >= self.lines as usize {
            return 0.0;
        }
        let line = self.line as usize + line;
        let view = (line / rows - self.weights_first as usize) * self.weights_step as usize;
        let weight = |column| weights[view * columns + column];
        let end = |side: usize, distance: usize| {
            let at = 6 * (line - self.ends_first as usize) + 3 * side;
            beyond([ends[at], ends[at + 1], ends[at + 2]], distance as f32, self.window)
        };
        let first = (line - self.line as usize + self.first as usize) * columns;
        match index {
            _ if index < columns => projections[first + index] * weight(index),
            _ if index < columns + extend => end(1, index - columns + 1) * weight(columns - 1),
            _ if index >= length - extend => end(0, length - index) * weight(0),
            _ => 0.0,
        }
    }
}

impl Kernel for PadLines {
    const NAME: &'static str = "pad_lines";
    const WGSL: &'static str = include_str!("../../shaders/pad_lines.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.pairs as usize * self.length as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let inputs = [0, 1, 2].map(|index: usize| inputs[index].numbers::<f32>());
        let work = outputs[0].numbers::<f32>().par_chunks_exact_mut(2 * self.length as usize);
        work.take(self.pairs as usize).enumerate().for_each(|(pair, work)| {
            for (index, cell) in work.chunks_exact_mut(2).enumerate() {
                cell[0] = self.cell(inputs, pair, 0, index);
                cell[1] = self.cell(inputs, pair, 1, index);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        // Lines of three views less one, or a part of the rows of two views.
        let [pairs, lines] = if seed.is_multiple_of(2) { [6, 8] } else { [2, 5] };
        let kernel = Self {
            pairs,
            lines,
            columns: 50,
            length: 128,
            extend: [10, 0, 14][seed as usize % 3],
            window: 20.0,
            first: 2,
            line: 12,
            rows: 3,
            weights_first: 2,
            weights_step: (seed / 2 % 2) as u32,
            ends_first: 11,
        };
        let projections = HostArray::noise(&[10, 50], seed);
        let weights = HostArray::noise(&[5, 50], seed + 1);
        let ends: Vec<f32> =
            (0..9).flat_map(|line| [1.0 - line as f32, 0.07, 0.3, 0.5, 0.01 * line as f32, 0.0]).collect();
        let work = HostArray::zeros(&[6, 128, 2]);
        Example { kernel, inputs: vec![projections, weights, HostArray::new(&[9, 6], &ends)], outputs: vec![work] }
    }
}
