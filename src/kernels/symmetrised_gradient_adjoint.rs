//! The adjoint of `symmetrised_gradient`; the image's own channel gets 0.

use std::f32::consts::FRAC_1_SQRT_2;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::gradient::Field;
use crate::device::{Example, Host, HostMut, Kernel};

/// `x ← (0, Eᵀe)`. Inputs: a slab of e, and the slab that holds the line after its last one (else any). Output: a slab of
/// x. Layouts as in `symmetrised_gradient`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SymmetrisedGradientAdjoint {
    /// What the slabs hold.
    pub field: Field,
}

/// v ← v + factor · the adjoint of a backward difference along the line.
fn across(e: &[f32], factor: f32, v: &mut [f32]) {
    v[1..].iter_mut().zip(&e[1..]).for_each(|(v, e)| *v += factor * e);
    v.iter_mut().zip(&e[1..]).for_each(|(v, e)| *v -= factor * e);
}

impl Kernel for SymmetrisedGradientAdjoint {
    const NAME: &'static str = "symmetrised_gradient_adjoint";
    const WGSL: &'static str = include_str!("../../shaders/symmetrised_gradient_adjoint.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        self.field.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let slabs = [inputs[0].numbers::<f32>(), inputs[1].numbers()];
        let (nx, parts) = (self.field.nx as usize, self.field.parts as usize);
        self.field.lines(outputs[0].numbers(), 3 * parts).for_each(|(line, x)| {
            x.fill(0.0);
            let (v_y, v_x) = x[parts * nx..].split_at_mut(parts * nx);
            for part in 0..parts {
                let e = |index: usize| self.field.channel(slabs, index * parts + part, 3 * parts);
                let [yy, xx, xy] = [e(0), e(1), e(2)];
                let [v_y, v_x] = [&mut *v_y, &mut *v_x].map(|v| &mut v[part * nx..][..nx]);
                across(xx.line(line), 1.0, v_x);
                across(xy.line(line), FRAC_1_SQRT_2, v_y);
                for (v, e, factor) in [(v_y, yy, 1.0), (v_x, xy, FRAC_1_SQRT_2)] {
                    if e.has_above(line) {
                        v.iter_mut().zip(e.line(line)).for_each(|(v, e)| *v += factor * e);
                    }
                    if let Some(below) = e.below(line) {
                        v.iter_mut().zip(below).for_each(|(v, e)| *v -= factor * e);
                    }
                }
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let parts = 1 + seed as u32 % 2;
        let field = Field { parts, channels: 3 * parts, ..Field::example(seed, true) };
        let e = field.noise(field.input_lines, field.channels, seed);
        let other = field.noise(3, field.channels, seed + 1);
        let x = field.noise(12, field.channels, seed + 2);
        Example { kernel: Self { field }, inputs: vec![e, other], outputs: vec![x] }
    }
}
