//! Towards zero by a threshold, then into bounds: x ← clamp(sign(x)·max(|x| − t, 0)), the proximal map of t·‖x‖₁ within a
//! box (Daubechies, Defrise & De Mol 2004).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 14;

/// Output, in place: x, `count` f32 numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct SoftThreshold {
    /// Numbers.
    pub count: u32,
    /// Threshold t ≥ 0; 0: bounds only.
    pub threshold: f32,
    /// Least value.
    pub lower: f32,
    /// Largest value.
    pub upper: f32,
}

impl Kernel for SoftThreshold {
    const NAME: &'static str = "soft_threshold";
    const WGSL: &'static str = include_str!("../../shaders/soft_threshold.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, _: &[Host], outputs: &mut [HostMut]) {
        let numbers = &mut outputs[0].numbers::<f32>()[..self.count as usize];
        let Self { threshold, lower, upper, .. } = *self;
        numbers.par_chunks_mut(CHUNK).for_each(|numbers| {
            for x in numbers {
                let shrunk = *x
                    - if *x > threshold {
                        threshold
                    } else if *x < -threshold {
                        -threshold
                    } else {
                        *x
                    };
                let raised = if shrunk < lower { lower } else { shrunk };
                *x = if raised > upper { upper } else { raised };
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let threshold = 0.2 * seed as f32;
        let kernel = Self { count: 600, threshold, lower: -0.3, upper: 0.5 };
        Example { kernel, inputs: vec![], outputs: vec![HostArray::noise(&[10, 60], seed)] }
    }
}
