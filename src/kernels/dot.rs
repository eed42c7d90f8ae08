//! Sums of products over blocks of a fixed size, the first half of a dot product: `sum` adds them up.
//!
//! The blocks do not depend on the number of threads, so neither do the bits. On the CPU a block is summed in f64; on
//! the GPU by a tree, whose error grows with the logarithm of the count.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

/// Products of a block.
pub const BLOCK: usize = 4096;

/// Σ x·y, or, with `differences`, Σ (x − y)·(y − z). Inputs, f32: x, y, z. Output, f32: sums, of which those from
/// `first` on are written.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Dot {
    /// Numbers in x, y and z.
    pub count: u32,
    /// Index of the first block's sum.
    pub first: u32,
    /// 1: of differences; 0: of x and y themselves.
    pub differences: u32,
}

/// Sum in 8 strands, which become vector instructions.
fn strands(numbers: impl Fn(usize) -> f32, count: usize) -> f64 {
    let mut sums = [0.0_f64; 8];
    let whole = count / 8 * 8;
    for first in (0..whole).step_by(8) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += f64::from(numbers(first + lane));
        }
    }
    (whole..count).for_each(|index| sums[index % 8] += f64::from(numbers(index)));
    sums.iter().sum()
}

impl Kernel for Dot {
    const NAME: &'static str = "dot";
    const WGSL: &'static str = include_str!("../../shaders/dot.wgsl");
    const TOLERANCE: f32 = 2e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(BLOCK))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let [x, y, z] = [0, 1, 2].map(|index| &inputs[index].numbers::<f32>()[..count]);
        let sums = &mut outputs[0].numbers::<f32>()[self.first as usize..][..count.div_ceil(BLOCK)];
        sums.par_iter_mut().with_min_len(4).enumerate().for_each(|(block, sum)| {
            let range = block * BLOCK..count.min((block + 1) * BLOCK);
            let (x, y, z, len) = (&x[range.clone()], &y[range.clone()], &z[range.clone()], range.len());
            *sum = match self.differences {
                1 => strands(|index| (x[index] - y[index]) * (y[index] - z[index]), len),
                _ => strands(|index| x[index] * y[index], len),
            } as f32;
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 9_000, first: 1, differences: seed as u32 % 2 };
        // Without random signs, in which a sum drowns.
        let array = |index| {
            let noise = HostArray::noise(&[90, 101], seed + index);
            let numbers: Vec<f32> = noise.numbers::<f32>().iter().map(|x| x + 2.0 * index as f32).collect();
            HostArray::new(&[90, 101], &numbers)
        };
        Example { kernel, inputs: vec![array(0), array(1), array(3)], outputs: vec![HostArray::zeros(&[1, 5])] }
    }
}
