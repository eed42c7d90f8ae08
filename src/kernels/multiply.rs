//! Multiplies numbers: y ← factor · w · x.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 13;

/// Inputs: w, x. Output: y. All f32, `count` numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Multiply {
    /// Numbers.
    pub count: u32,
    /// Factor of all of them.
    pub factor: f32,
}

impl Kernel for Multiply {
    const NAME: &'static str = "multiply";
    const WGSL: &'static str = include_str!("../../shaders/multiply.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let [w, x] = [0, 1].map(|index| inputs[index].numbers::<f32>()[..count].par_chunks(CHUNK));
        let y = outputs[0].numbers::<f32>()[..count].par_chunks_mut(CHUNK);
        y.zip(w).zip(x).for_each(|((y, w), x)| {
            y.iter_mut().zip(w).zip(x).for_each(|((y, w), x)| *y = self.factor * w * x);
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 600, factor: -1.5 };
        let array = |index| HostArray::noise(&[10, 60], seed + index);
        Example { kernel, inputs: vec![array(0), array(1)], outputs: vec![array(2)] }
    }
}
