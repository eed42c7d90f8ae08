//! A step with its own length for every number, within bounds: s ← clamp(x + factor·c·s).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 14;

/// Inputs, f32: x, c. Output, in place: s, `count` numbers like them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Update {
    /// Numbers.
    pub count: u32,
    /// Factor of all steps; negative: downhill.
    pub factor: f32,
    /// Least value.
    pub lower: f32,
    /// Largest value.
    pub upper: f32,
}

impl Kernel for Update {
    const NAME: &'static str = "update";
    const WGSL: &'static str = include_str!("../../shaders/update.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let [x, c] = [0, 1].map(|index| inputs[index].numbers::<f32>()[..count].par_chunks(CHUNK));
        let s = outputs[0].numbers::<f32>()[..count].par_chunks_mut(CHUNK);
        let simd = Simd::detected();
        s.zip(x).zip(c).for_each(|((s, x), c)| lanes::run(simd, Chunk { kernel: *self, s, x, c }));
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 600, factor: -1.5, lower: -0.5, upper: f32::MAX };
        let array = |index| HostArray::noise(&[10, 60], seed + index);
        Example { kernel, inputs: vec![array(0), array(1)], outputs: vec![array(2)] }
    }
}

struct Chunk<'a> {
    kernel: Update,
    s: &'a mut [f32],
    x: &'a [f32],
    c: &'a [f32],
}

impl Loop for Chunk<'_> {
    type Output = ();

    // Plain numbers: the compiler makes vectors of them, of the level that its caller allows.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel: Update { factor, lower, upper, .. }, s, x, c } = self;
        for ((s, x), c) in s.iter_mut().zip(x).zip(c) {
            let next = x + factor * c * *s;
            // Comparisons, not min and max: a NaN must stay one, to be noticed.
            let raised = if next < lower { lower } else { next };
            *s = if raised > upper { upper } else { raised };
        }
    }
}
