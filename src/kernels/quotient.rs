//! x ← s / w where w > 0; elsewhere x stays.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs: s, w. Output, in place: x. All `count` f32 numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Quotient {
    /// Numbers.
    pub count: u32,
}

impl Kernel for Quotient {
    const NAME: &'static str = "quotient";
    const WGSL: &'static str = include_str!("../../shaders/quotient.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let (s, w) = (&inputs[0].numbers::<f32>()[..count], &inputs[1].numbers::<f32>()[..count]);
        let x = outputs[0].numbers::<f32>()[..count].par_iter_mut();
        x.zip(s).zip(w).with_min_len(1 << 12).for_each(|((x, s), w)| {
            if *w > 0.0 {
                *x = s / w;
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let array = |index| HostArray::noise(&[20, 30], seed + index);
        Example { kernel: Self { count: 600 }, inputs: vec![array(0), array(1)], outputs: vec![array(2)] }
    }
}
