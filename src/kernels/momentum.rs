//! Nesterov's momentum with the gradient restart of O'Donoghue & Candès 2015: while d = ⟨z − x⁺, x⁺ − x⟩ ≤ 0,
//! t⁺ = (1 + √(1 + 4t²))/2 and β = (t − 1)/t⁺; else the step went against the momentum, and t⁺ = 1, β = 0.

use bytemuck::{Pod, Zeroable};

use crate::device::{Example, Host, HostArray, HostMut, Kernel};

/// Output, in place: scalars f32; that at `t` is stepped on, that at `beta` written, that at `turn` (d) read.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Momentum {
    /// Index of d.
    pub turn: u32,
    /// Index of t.
    pub t: u32,
    /// Index of β.
    pub beta: u32,
}

impl Kernel for Momentum {
    const NAME: &'static str = "momentum";
    const WGSL: &'static str = include_str!("../../shaders/momentum.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        [1, 1, 1]
    }

    fn on_cpu(&self, _: &[Host], outputs: &mut [HostMut]) {
        let scalars = outputs[0].numbers::<f32>();
        let [turn, t, beta] = [self.turn, self.t, self.beta].map(|index| index as usize);
        let before = scalars[t];
        let next = (1.0 + (1.0 + 4.0 * before * before).sqrt()) / 2.0;
        let restart = scalars[turn] > 0.0;
        scalars[t] = if restart { 1.0 } else { next };
        scalars[beta] = if restart { 0.0 } else { (before - 1.0) / next };
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { turn: 1, t: 2, beta: 3 };
        let scalars = [1.0, seed as f32 - 0.5, 4.2, 0.3];
        Example { kernel, inputs: vec![], outputs: vec![HostArray::new(&[4], &scalars)] }
    }
}
