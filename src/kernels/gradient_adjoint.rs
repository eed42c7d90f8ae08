//! The adjoint of `gradient`: minus the divergence by backward differences, and −p for the vector field.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{
    gradient::Field,
    lanes::{self, Lanes, Loop},
};
use crate::device::{Example, Host, HostMut, Kernel, Simd};

/// `x ← (∇ᵀp, −p)`. Inputs: a slab of p, and the slab that holds the line before its first one (else any). Output: a slab
/// of x. Layouts as in `gradient`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct GradientAdjoint {
    /// What the slabs hold.
    pub field: Field,
}

impl Kernel for GradientAdjoint {
    const NAME: &'static str = "gradient_adjoint";
    const WGSL: &'static str = include_str!("../../shaders/gradient_adjoint.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        self.field.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let slabs = [inputs[0].numbers::<f32>(), inputs[1].numbers()];
        let Field { nx, parts, channels, .. } = self.field;
        let (nx, parts, channels) = (nx as usize, parts as usize, channels as usize);
        let simd = Simd::detected();
        self.field.lines(outputs[0].numbers(), channels).for_each(|(line, x)| {
            for part in 0..parts {
                let [along_y, along_x] = [part, parts + part].map(|index| self.field.channel(slabs, index, 2 * parts));
                let across = along_x.line(line);
                let own = along_y.has_below(line).then(|| along_y.line(line));
                let above = along_y.above(line);
                lanes::run(simd, Line { u: &mut x[part * nx..][..nx], across, own, above });
                if channels > parts {
                    let v_y = &mut x[(parts + part) * nx..][..nx];
                    match own {
                        Some(own) => v_y.iter_mut().zip(own).for_each(|(v, p)| *v = -p),
                        None => v_y.fill(0.0),
                    }
                    let v_x = &mut x[(2 * parts + part) * nx..][..nx];
                    v_x.iter_mut().zip(across).for_each(|(v, p)| *v = -p);
                    v_x[nx - 1] = 0.0;
                }
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let field = Field::example(seed, false);
        let p = field.noise(field.input_lines, 2 * field.parts, seed);
        let other = field.noise(3, 2 * field.parts, seed + 1);
        let x = field.noise(12, field.channels, seed + 2);
        Example { kernel: Self { field }, inputs: vec![p, other], outputs: vec![x] }
    }
}

/// One part of a line. The last column has no difference along x, the last line of a slice none along y.
struct Line<'a> {
    u: &'a mut [f32],
    /// p along x.
    across: &'a [f32],
    /// p along y, of this line and of the one before.
    own: Option<&'a [f32]>,
    above: Option<&'a [f32]>,
}

impl Loop for Line<'_> {
    type Output = ();

    // Plain numbers: the compiler makes vectors of them, of the level that its caller allows.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { u, across, own, above } = self;
        let last = u.len() - 1;
        u[0] = if last > 0 { -across[0] } else { 0.0 };
        let pairs = across.iter().zip(&across[1.min(last)..last]);
        u[1..].iter_mut().zip(pairs).for_each(|(u, (before, p))| *u = before - p);
        if last > 0 {
            u[last] = across[last - 1];
        }
        match (own, above) {
            (Some(own), Some(above)) => {
                u.iter_mut().zip(own.iter().zip(above)).for_each(|(u, (own, above))| *u = *u - own + above);
            }
            (Some(own), None) => u.iter_mut().zip(own).for_each(|(u, own)| *u -= own),
            (None, Some(above)) => u.iter_mut().zip(above).for_each(|(u, above)| *u += above),
            (None, None) => {}
        }
    }
}
