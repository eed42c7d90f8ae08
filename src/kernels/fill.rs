//! Sets every number of a slab to one value.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Device, Example, Host, HostArray, HostMut, Kernel, Slab, fold};

const SIZE: usize = 256;
/// Numbers that a thread of the CPU takes at once.
const CHUNK: usize = 1 << 15;

/// Output: f32, `count` numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Fill {
    /// Numbers to set.
    pub count: u32,
    /// To what.
    pub value: f32,
}

impl Fill {
    /// Sets a slab, whose lines have `length` numbers, to zero.
    pub fn zero(device: &Device, slab: &mut Slab, length: usize) {
        device.run(&Self { count: (slab.lines().len() * length) as u32, value: 0.0 }, &[], &mut [slab]);
    }
}

impl Kernel for Fill {
    const NAME: &'static str = "fill";
    const WGSL: &'static str = include_str!("../../shaders/fill.wgsl");
    const TOLERANCE: f32 = 0.0;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, _: &[Host], outputs: &mut [HostMut]) {
        let numbers = &mut outputs[0].numbers::<f32>()[..self.count as usize];
        numbers.par_chunks_mut(CHUNK).for_each(|numbers| numbers.fill(self.value));
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 700, value: 1.5 + seed as f32 };
        Example { kernel, inputs: vec![], outputs: vec![HostArray::noise(&[8, 100], seed)] }
    }
}
