//! Blends an array into another, with factors that other kernels have computed: out ← a·x + b·out, where a and b are
//! constants times ratios of scalars on the device. A ratio whose denominator is 0 counts as 0.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 14;

/// Inputs, f32: x, scalars. Output, in place: out, `count` numbers like x.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Blend {
    /// Numbers.
    pub count: u32,
    /// Constant factor of x.
    pub x_factor: f32,
    /// Index of the scalar that multiplies x.
    pub x_over: u32,
    /// Index of the scalar that divides x.
    pub x_under: u32,
    /// Constant factor of out.
    pub out_factor: f32,
    /// Index of the scalar that multiplies out.
    pub out_over: u32,
    /// Index of the scalar that divides out.
    pub out_under: u32,
}

/// over / under, and 0 where that is none.
pub(super) fn ratio(scalars: &[f32], over: u32, under: u32) -> f32 {
    match scalars[under as usize] {
        0.0 => 0.0,
        under => scalars[over as usize] / under,
    }
}

impl Kernel for Blend {
    const NAME: &'static str = "blend";
    const WGSL: &'static str = include_str!("../../shaders/blend.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let (x, scalars) = (&inputs[0].numbers::<f32>()[..count], inputs[1].numbers::<f32>());
        let a = self.x_factor * ratio(scalars, self.x_over, self.x_under);
        let b = self.out_factor * ratio(scalars, self.out_over, self.out_under);
        let out = outputs[0].numbers::<f32>()[..count].par_chunks_mut(CHUNK);
        out.zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
            out.iter_mut().zip(x).for_each(|(out, x)| *out = a * x + b * *out);
        });
    }

    fn example(seed: u64) -> Example<Self> {
        // Seed 2: a ratio that is none.
        let under = if seed == 2 { 3 } else { 2 };
        let kernel =
            Self { count: 600, x_factor: -1.5, x_over: 1, x_under: 2, out_factor: 0.5, out_over: 2, out_under: under };
        let scalars = HostArray::new(&[4], &[1.0_f32, 0.7, -1.3, 0.0]);
        let array = |index| HostArray::noise(&[10, 60], seed + index);
        Example { kernel, inputs: vec![array(0), scalars], outputs: vec![array(1)] }
    }
}
