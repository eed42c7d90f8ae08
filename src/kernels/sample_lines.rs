//! Weighs every complex image of a stack alike, as a Cartesian sampling mask does: y_j ← w y_j, w real.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Input, f32: weights `[image_lines, nx]`. Output, in place: y `[lines, 2, nx]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SampleLines {
    /// Points in a line.
    pub nx: u32,
    /// Lines of one image.
    pub image_lines: u32,
    /// The slab's first line, counted over the whole stack.
    pub first: u32,
    /// Lines of the slab.
    pub lines: u32,
}

impl Kernel for SampleLines {
    const NAME: &'static str = "sample_lines";
    const WGSL: &'static str = include_str!("../../shaders/sample_lines.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.nx as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (weights, nx) = (inputs[0].numbers::<f32>(), self.nx as usize);
        let lines = outputs[0].numbers::<f32>().par_chunks_exact_mut(2 * nx).take(self.lines as usize);
        lines.with_min_len(32).enumerate().for_each(|(line, numbers)| {
            let from = (self.first as usize + line) % self.image_lines as usize * nx;
            weigh_line(&weights[from..from + nx], numbers);
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { nx: 40 + seed as u32, image_lines: 6, first: 4, lines: 13 };
        let nx = kernel.nx as usize;
        let weights = HostArray::noise(&[6, nx], seed);
        Example { kernel, inputs: vec![weights], outputs: vec![HostArray::noise(&[13, 2, nx], seed + 1)] }
    }
}

/// One planar line times real weights.
pub(crate) fn weigh_line(weights: &[f32], line: &mut [f32]) {
    let (re, im) = line.split_at_mut(weights.len());
    re.iter_mut().zip(weights).for_each(|(number, weight)| *number *= weight);
    im.iter_mut().zip(weights).for_each(|(number, weight)| *number *= weight);
}
