//! Beyond the newest point along the way from the last: z ← z + factor·β·(z − x), x ← z as it was.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 14;

/// Input: scalars f32. Outputs, in place, `count` f32 numbers each: z, x.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Extrapolate {
    /// Numbers.
    pub count: u32,
    /// Constant factor.
    pub factor: f32,
    /// Index of β among the scalars.
    pub beta: u32,
}

impl Kernel for Extrapolate {
    const NAME: &'static str = "extrapolate";
    const WGSL: &'static str = include_str!("../../shaders/extrapolate.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let beta = self.factor * inputs[0].numbers::<f32>()[self.beta as usize];
        let count = self.count as usize;
        let [z, x] = outputs else { unreachable!("two outputs") };
        let (z, x) = (&mut z.numbers::<f32>()[..count], &mut x.numbers::<f32>()[..count]);
        z.par_chunks_mut(CHUNK).zip(x.par_chunks_mut(CHUNK)).for_each(|(z, x)| {
            for (z, x) in z.iter_mut().zip(x) {
                let newest = *z;
                *z = newest + beta * (newest - *x);
                *x = newest;
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 600, factor: 0.5, beta: 1 };
        // More than `count`, or x would become what z was.
        let array = |index| HostArray::noise(&[10, 61], seed + index);
        Example { kernel, inputs: vec![HostArray::noise(&[3], seed)], outputs: vec![array(0), array(1)] }
    }
}
