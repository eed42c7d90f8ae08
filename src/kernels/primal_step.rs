//! One step of the primal variable: x̃ = clamp(x − τ s), x̄ = 2x̃ − x, x ← x + ρ (x̃ − x) (Condat 2013, algorithm 3.1).
//!
//! Bounds hold for the first of the channels of a line only: the others are fields that go with the image.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 13;

/// Inputs: s, the sum of all Kᵀy. Outputs, both `[lines, channels, nx]`: x (in place), x̄.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct PrimalStep {
    /// Numbers in x.
    pub count: u32,
    /// Columns.
    pub nx: u32,
    /// Channels of a line.
    pub channels: u32,
    /// Primal step τ.
    pub step: f32,
    /// Least value.
    pub lower: f32,
    /// Largest value.
    pub upper: f32,
    /// Over-relaxation ρ.
    pub relaxation: f32,
}

impl Kernel for PrimalStep {
    const NAME: &'static str = "primal_step";
    const WGSL: &'static str = include_str!("../../shaders/primal_step.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let s = &inputs[0].numbers::<f32>()[..count];
        let simd = Simd::detected();
        let [x, bar] = outputs else { panic!("two outputs") };
        let (x, bar) = (&mut x.numbers::<f32>()[..count], &mut bar.numbers::<f32>()[..count]);
        // Chunks of whole lines, so that a channel is a run of columns.
        let (nx, channels) = (self.nx as usize, self.channels as usize);
        let chunk = CHUNK.div_ceil(nx * channels) * nx * channels;
        let chunks = x.par_chunks_mut(chunk).zip(bar.par_chunks_mut(chunk)).zip(s.par_chunks(chunk));
        chunks.for_each(|((x, bar), s)| {
            let runs = x.chunks_mut(nx).zip(bar.chunks_mut(nx)).zip(s.chunks(nx));
            for (index, ((x, bar), s)) in runs.enumerate() {
                let free = !index.is_multiple_of(channels);
                let bounds = if free { [f32::MIN, f32::MAX] } else { [self.lower, self.upper] };
                lanes::run(simd, Run { kernel: *self, bounds, x, bar, s });
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let channels = if seed.is_multiple_of(2) { 1 } else { 3 };
        let shape = [9, channels as usize, 50];
        let count = 9 * 50 * channels;
        let kernel = Self { count, nx: 50, channels, step: 0.4, lower: -0.3, upper: 0.8, relaxation: 1.5 };
        let array = |index| HostArray::noise(&shape, seed + index);
        Example { kernel, inputs: vec![array(0)], outputs: vec![array(1), array(2)] }
    }
}

/// Columns of one channel of a line.
struct Run<'a> {
    kernel: PrimalStep,
    bounds: [f32; 2],
    x: &'a mut [f32],
    bar: &'a mut [f32],
    s: &'a [f32],
}

impl Loop for Run<'_> {
    type Output = ();

    // Plain numbers: the compiler makes vectors of them, of the level that its caller allows.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel: PrimalStep { step, relaxation, .. }, bounds: [lower, upper], x, bar, s } = self;
        for ((x, bar), s) in x.iter_mut().zip(bar).zip(s) {
            let next = (*x - step * s).max(lower).min(upper);
            *bar = 2.0 * next - *x;
            *x += relaxation * (next - *x);
        }
    }
}
