//! The weighted residual of lines: y ← factor·w·(b − y).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 14;

/// Inputs, f32: b, w. Output, in place: y, `count` numbers like them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Weigh {
    /// Numbers.
    pub count: u32,
    /// Factor of all of them: −1 turns the residual into a gradient.
    pub factor: f32,
}

impl Kernel for Weigh {
    const NAME: &'static str = "weigh";
    const WGSL: &'static str = include_str!("../../shaders/weigh.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let [b, w] = [0, 1].map(|index| inputs[index].numbers::<f32>()[..count].par_chunks(CHUNK));
        let y = outputs[0].numbers::<f32>()[..count].par_chunks_mut(CHUNK);
        y.zip(b).zip(w).for_each(|((y, b), w)| {
            y.iter_mut().zip(b).zip(w).for_each(|((y, b), w)| *y = self.factor * w * (b - *y));
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 600, factor: -1.5 };
        let array = |index| HostArray::noise(&[10, 60], seed + index);
        Example { kernel, inputs: vec![array(0), array(1)], outputs: vec![array(2)] }
    }
}
