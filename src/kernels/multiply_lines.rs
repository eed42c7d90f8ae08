//! Multiplies every complex line by one real line, such as a filter's frequency response.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Input: response f32 `[1, length]`. Output, in place: work f32 `[≥ lines, length, 2]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct MultiplyLines {
    /// Complex lines to multiply.
    pub lines: u32,
    /// Complex numbers in a line.
    pub length: u32,
}

impl Kernel for MultiplyLines {
    const NAME: &'static str = "multiply_lines";
    const WGSL: &'static str = include_str!("../../shaders/multiply_lines.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.length as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let response = inputs[0].numbers::<f32>();
        let lines = outputs[0].numbers::<f32>().par_chunks_exact_mut(2 * self.length as usize);
        lines.take(self.lines as usize).for_each(|line| {
            for (number, factor) in line.chunks_exact_mut(2).zip(response) {
                number[0] *= factor;
                number[1] *= factor;
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { lines: 5, length: 200 + seed as u32 % 3 };
        let length = kernel.length as usize;
        let response = HostArray::noise(&[1, length], seed);
        let work = HostArray::noise(&[6, length, 2], seed + 1);
        Example { kernel, inputs: vec![response], outputs: vec![work] }
    }
}
