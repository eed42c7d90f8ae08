//! One step of a dual variable whose penalty is λ Σ ‖group‖₂, Huber-smoothed if asked: the proximal map of its
//! conjugate, over-relaxed (Chambolle & Pock 2011, §6.2).
//!
//! q = p + σ g, shrunk by 1/(1 + σδ/λ), is cut to the ball of radius λ; then p ← p + ρ (q − p). A group is all numbers of
//! one line and column: arrays are `[lines, width, nx]`. A complex number is a group of two.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 256;

/// Inputs: g = K x̄, the gradient of the dual objective; and the factor on λ of each group `[lines, nx]` if `weighted`, else
/// any array. Output, in place: p.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct ShrinkDual {
    /// Lines to do, of p and g.
    pub lines: u32,
    /// First of them in the slabs of p and g.
    pub first: u32,
    /// First of them in the slab of factors.
    pub factors_first: u32,
    /// Numbers in a group.
    pub width: u32,
    /// Columns.
    pub nx: u32,
    /// 1: λ differs from group to group.
    pub weighted: u32,
    /// Dual step σ.
    pub step: f32,
    /// Radius λ.
    pub strength: f32,
    /// 1 / (1 + σδ/λ), with δ the width of Huber's parabola; 1 without.
    pub shrink: f32,
    /// Over-relaxation ρ.
    pub relaxation: f32,
}

impl Kernel for ShrinkDual {
    const NAME: &'static str = "shrink_dual";
    const WGSL: &'static str = include_str!("../../shaders/shrink_dual.wgsl");
    const TOLERANCE: f32 = 2e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.nx as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (nx, width) = (self.nx as usize, self.width as usize);
        let skip = self.first as usize * width * nx;
        let g = &inputs[0].numbers::<f32>()[skip..];
        let factors = &inputs[1].numbers::<f32>()[self.factors_first as usize * nx..];
        let p = &mut outputs[0].numbers::<f32>()[skip..][..self.lines as usize * width * nx];
        let lines = p.par_chunks_exact_mut(width * nx).zip(g.par_chunks_exact(width * nx)).with_min_len(8);
        let simd = Simd::detected();
        lines.enumerate().for_each_init(
            || vec![0.0_f32; nx],
            |norms, (line, (p, g))| {
                let factors = (self.weighted == 1).then(|| &factors[line * nx..][..nx]);
                lanes::run(simd, Line { kernel: *self, p, g, factors, norms });
            },
        );
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self {
            lines: 11,
            first: 1,
            factors_first: 2,
            width: 1 + seed as u32 % 3,
            nx: 41,
            weighted: seed as u32 % 2,
            step: 0.7,
            strength: 0.6,
            shrink: 0.9,
            relaxation: 1.5,
        };
        let shape = [12, kernel.width as usize, 41];
        let mut factors = HostArray::noise(&[13, 41], seed + 1);
        // Factors are not negative.
        factors.words.iter_mut().for_each(|word| *word &= 0x7fff_ffff);
        let inputs = vec![HostArray::noise(&shape, seed), factors];
        Example { kernel, inputs, outputs: vec![HostArray::noise(&shape, seed + 2)] }
    }
}

/// A line of groups; `norms` is scratch of its length.
struct Line<'a> {
    kernel: ShrinkDual,
    p: &'a mut [f32],
    g: &'a [f32],
    factors: Option<&'a [f32]>,
    norms: &'a mut [f32],
}

impl Loop for Line<'_> {
    type Output = ();

    // Plain numbers: the compiler makes vectors of them, of the level that its caller allows.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel: ShrinkDual { step, strength, shrink, relaxation, .. }, p, g, factors, norms } = self;
        let nx = norms.len();
        let most = strength * strength;
        if p.len() == 2 * nx && factors.is_none() {
            // Pairs, of one strength: the gradient's, in one pass.
            let ((p0, p1), (g0, g1)) = (p.split_at_mut(nx), g.split_at(nx));
            for ((p0, p1), (g0, g1)) in p0.iter_mut().zip(p1).zip(g0.iter().zip(g1)) {
                let (q0, q1) = ((*p0 + step * g0) * shrink, (*p1 + step * g1) * shrink);
                let factor = strength / (q0 * q0 + q1 * q1).max(most).sqrt();
                let (q0, q1) = ((*p0 + step * g0) * (shrink * factor), (*p1 + step * g1) * (shrink * factor));
                *p0 += relaxation * (q0 - *p0);
                *p1 += relaxation * (q1 - *p1);
            }
            return;
        }
        norms.fill(0.0);
        for (p, g) in p.chunks_exact(nx).zip(g.chunks_exact(nx)) {
            for (norm, (p, g)) in norms.iter_mut().zip(p.iter().zip(g)) {
                let q = (p + step * g) * shrink;
                *norm += q * q;
            }
        }
        // From here on: what q is multiplied by.
        if let Some(factors) = factors {
            for (norm, factor) in norms.iter_mut().zip(factors) {
                let radius = strength * factor;
                *norm = if *norm > radius * radius { radius / norm.sqrt() } else { 1.0 };
            }
        } else {
            norms.iter_mut().for_each(|norm| *norm = strength / norm.max(most).sqrt());
        }
        for (p, g) in p.chunks_exact_mut(nx).zip(g.chunks_exact(nx)) {
            for ((p, g), factor) in p.iter_mut().zip(g).zip(&*norms) {
                let q = (*p + step * g) * (shrink * factor);
                *p += relaxation * (q - *p);
            }
        }
    }
}
