//! What the dual variable of a weighted least-squares term is driven by: r = ax − b − y/w, and 0 where the weight is 0.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 13;

/// Inputs: b, y, and 1/w if `weighted` (negative: the ray does not count), else any array. Output, in place: ax becomes r.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Residual {
    /// Numbers.
    pub count: u32,
    /// 1: rays have weights.
    pub weighted: u32,
}

impl Kernel for Residual {
    const NAME: &'static str = "residual";
    const WGSL: &'static str = include_str!("../../shaders/residual.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let [b, y] = [0, 1].map(|index| &inputs[index].numbers::<f32>()[..count]);
        let r = outputs[0].numbers::<f32>()[..count].par_chunks_mut(CHUNK);
        let chunks = r.zip(b.par_chunks(CHUNK)).zip(y.par_chunks(CHUNK));
        if self.weighted == 1 {
            let inverse = &inputs[2].numbers::<f32>()[..count];
            chunks.zip(inverse.par_chunks(CHUNK)).for_each(|(((r, b), y), inverse)| {
                for (((r, b), y), inverse) in r.iter_mut().zip(b).zip(y).zip(inverse) {
                    *r = if *inverse < 0.0 { 0.0 } else { *r - b - y * inverse };
                }
            });
        } else {
            chunks.for_each(|((r, b), y)| {
                r.iter_mut().zip(b).zip(y).for_each(|((r, b), y)| *r -= b + y);
            });
        }
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 600, weighted: seed as u32 % 2 };
        let array = |index| HostArray::noise(&[10, 60], seed + index);
        Example { kernel, inputs: vec![array(0), array(1), array(2)], outputs: vec![array(3)] }
    }
}
