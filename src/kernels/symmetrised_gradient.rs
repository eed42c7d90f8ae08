//! The symmetrised gradient of the vector field that goes with an image: e = (∂y v_y, ∂x v_x, (∂y v_x + ∂x v_y)/√2) by
//! backward differences, zero across the first line and column; its length is the Frobenius norm of the symmetric matrix.
//!
//! x is `[lines, 3, nx]`: u, v_y, v_x. e is `[lines, 3, nx]`. Complex images have two parts, real and imaginary, in the place
//! of each of these channels, `[lines, 6, nx]`.

use std::f32::consts::FRAC_1_SQRT_2;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::gradient::Field;
use crate::device::{Example, Host, HostMut, Kernel};

/// `e ← E v`. Inputs: a slab of x, and the slab that holds the line before its first one (else any). Output: a slab of e.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SymmetrisedGradient {
    /// What the slabs hold.
    pub field: Field,
}

impl Kernel for SymmetrisedGradient {
    const NAME: &'static str = "symmetrised_gradient";
    const WGSL: &'static str = include_str!("../../shaders/symmetrised_gradient.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        self.field.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let slabs = [inputs[0].numbers::<f32>(), inputs[1].numbers()];
        let (nx, parts) = (self.field.nx as usize, self.field.parts as usize);
        self.field.lines(outputs[0].numbers(), 3 * parts).for_each(|(line, e)| {
            let (yy, rest) = e.split_at_mut(parts * nx);
            let (xx, xy) = rest.split_at_mut(parts * nx);
            for part in 0..parts {
                let [v_y, v_x] = [1, 2].map(|field| self.field.channel(slabs, field * parts + part, 3 * parts));
                let [yy, xx, xy] = [&mut *yy, &mut *xx, &mut *xy].map(|e| &mut e[part * nx..][..nx]);
                for (e, v) in [(xx, v_x.line(line)), (&mut *xy, v_y.line(line))] {
                    e[0] = 0.0;
                    e[1..].iter_mut().zip(v.windows(2)).for_each(|(e, pair)| *e = pair[1] - pair[0]);
                }
                yy.fill(0.0);
                if let (Some(above_y), Some(above_x)) = (v_y.above(line), v_x.above(line)) {
                    let pairs = v_y.line(line).iter().zip(above_y).zip(v_x.line(line).iter().zip(above_x));
                    for ((yy, xy), ((y, above_y), (x, above_x))) in yy.iter_mut().zip(&mut *xy).zip(pairs) {
                        *yy = y - above_y;
                        *xy += x - above_x;
                    }
                }
                xy.iter_mut().for_each(|e| *e *= FRAC_1_SQRT_2);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let parts = 1 + seed as u32 % 2;
        let field = Field { parts, channels: 3 * parts, ..Field::example(seed, false) };
        let x = field.noise(field.input_lines, field.channels, seed);
        let other = field.noise(3, field.channels, seed + 1);
        let e = field.noise(12, field.channels, seed + 2);
        Example { kernel: Self { field }, inputs: vec![x, other], outputs: vec![e] }
    }
}
