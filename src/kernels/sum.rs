//! Adds up numbers into one of a few scalars, s ← keep·s + factor·Σ: the second half of a dot product, in one workgroup.
//! In f64 on the CPU, by a tree on the GPU. A result that is not above another scalar may count as 0.

use bytemuck::{Pod, Zeroable};

use crate::device::{Example, Host, HostArray, HostMut, Kernel};

/// Input: numbers f32. Output: scalars f32, of which that at `into` changes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Sum {
    /// Numbers to add.
    pub count: u32,
    /// Index of the scalar.
    pub into: u32,
    /// Factor of the sum.
    pub factor: f32,
    /// Factor of what is there.
    pub keep: f32,
    /// Index of the scalar above which the result must be, not to be 0 instead; 0 for none.
    pub above: u32,
}

impl Kernel for Sum {
    const NAME: &'static str = "sum";
    const WGSL: &'static str = include_str!("../../shaders/sum.wgsl");
    const TOLERANCE: f32 = 2e-6;

    fn workgroups(&self) -> [u32; 3] {
        [1, 1, 1]
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let numbers = &inputs[0].numbers::<f32>()[..self.count as usize];
        let sum = numbers.iter().map(|x| f64::from(*x)).sum::<f64>() as f32;
        let scalars = outputs[0].numbers::<f32>();
        // What is not kept may be anything.
        let kept = if self.keep == 0.0 { 0.0 } else { self.keep * scalars[self.into as usize] };
        let result = kept + self.factor * sum;
        // What is not a number stays so.
        let rests = self.above > 0 && result <= scalars[self.above as usize];
        scalars[self.into as usize] = if rests { 0.0 } else { result };
    }

    fn example(seed: u64) -> Example<Self> {
        let numbers: Vec<f32> = (0..1_000).map(|index| ((index * 7 + seed) % 13) as f32 + 0.1).collect();
        // Seed 2: it rests.
        let kernel = Self { count: 900 + seed as u32, into: 2, factor: 0.5, keep: seed as f32, above: 3 };
        let bound = if seed == 2 { 1e6 } else { 4.0 };
        let scalars = HostArray::new(&[4], &[1.0_f32, 2.0, 3.0, bound]);
        Example { kernel, inputs: vec![HostArray::new(&[1, 1_000], &numbers)], outputs: vec![scalars] }
    }
}
