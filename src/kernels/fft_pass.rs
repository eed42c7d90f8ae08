//! One pass of a Stockham autosort FFT: in each line, `radix` transforms of `span` become one of `radix · span`,
//! y[(i−k)·radix + k + q·span] = Σᵣ x[i + r·n/radix] e^(−2πi r k/(radix·span)) e^(−2πi r q/radix), k = i mod span.
//! (P. N. Swarztrauber, "Multiprocessor FFTs", Parallel Computing 5, 1987, section 3.)

use std::{borrow::Cow, f64::consts::TAU};

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Caps, Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: twiddles f32 `[1, length, 2]` as [`twiddles`] makes them, x f32 `[≥ lines, length, 2]`. Output: y, as x.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct FftPass {
    /// Lines to transform.
    pub lines: u32,
    /// Complex numbers in a line.
    pub length: u32,
    /// Product of the radices of the passes before; 1 for the first.
    pub span: u32,
    /// 2, 4 or 8, and a divisor of `length / span`. The butterfly of another radix is another branch of the shader.
    pub radix: u32,
    /// +1 for e^(−2πi …), −1 for its conjugate.
    pub sign: f32,
    /// Multiplies the result; 1 but for the last pass.
    pub scale: f32,
}

impl FftPass {
    /// The largest radix that the shader knows.
    pub const MOST: u32 = 8;

    /// The passes of a whole transform, in order, `scale` in the last. `length` is a power of two.
    pub fn passes(lines: usize, length: usize, sign: f32, scale: f32) -> Vec<Self> {
        let mut span = 1;
        let mut passes = Vec::new();
        while span < length as u32 {
            let radix = (length as u32 / span).min(Self::MOST);
            let last = span * radix == length as u32;
            let scale = if last { scale } else { 1.0 };
            passes.push(Self { lines: lines as u32, length: length as u32, span, radix, sign, scale });
            span *= radix;
        }
        passes
    }

    fn butterfly(&self, twiddles: &[[f32; 2]], x: &[[f32; 2]], i: usize, q: usize) -> [f32; 2] {
        let [radix, length, span] = [self.radix, self.length, self.span].map(|count| count as usize);
        let mut sum = [0.0; 2];
        for r in 0..radix {
            let [re, im] = x[i + r * (length / radix)];
            // Both roots of unity are entries of the table: its steps per turn are `length`.
            let turn = r * (i % span) * (length / (radix * span)) + r * q * (length / radix);
            let [cos, sin] = twiddles[turn % length];
            let sin = self.sign * sin;
            sum = [sum[0] + (re * cos - im * sin), sum[1] + (re * sin + im * cos)];
        }
        sum.map(|part| part * self.scale)
    }
}

/// e^(−2πi m/length), m = 0..length, computed in f64.
pub fn twiddles(length: usize) -> Vec<f32> {
    (0..length)
        .flat_map(|m| {
            let (sin, cos) = (-TAU * m as f64 / length as f64).sin_cos();
            [cos as f32, sin as f32]
        })
        .collect()
}

impl Kernel for FftPass {
    const NAME: &'static str = "fft_pass";
    const WGSL: &'static str = include_str!("../../shaders/fft_pass.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn wgsl(&self, _caps: &Caps) -> Cow<'static, str> {
        Self::WGSL.replace("const RADIX = 8u;", &format!("const RADIX = {}u;", self.radix)).into()
    }

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * (self.length / self.radix) as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [radix, length, span] = [self.radix, self.length, self.span].map(|count| count as usize);
        let twiddles: &[[f32; 2]] = bytemuck::cast_slice(inputs[0].numbers::<f32>());
        let x: &[[f32; 2]] = bytemuck::cast_slice(inputs[1].numbers::<f32>());
        let y: &mut [[f32; 2]] = bytemuck::cast_slice_mut(outputs[0].numbers::<f32>());
        let lines = y.par_chunks_exact_mut(length).zip(x.par_chunks_exact(length)).take(self.lines as usize);
        lines.for_each(|(y, x)| {
            for i in 0..length / radix {
                let k = i % span;
                for q in 0..radix {
                    y[(i - k) * radix + k + q * span] = self.butterfly(twiddles, x, i, q);
                }
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        // The seeds go through the radices and the places of a pass.
        let (length, lines) = (512, 5);
        let [radix, span] = [[8, 1], [4, 4], [2, 256], [8, 64]][seed as usize % 4];
        let sign = if seed.is_multiple_of(2) { 1.0 } else { -1.0 };
        let kernel = Self { lines, length, span, radix, sign, scale: 0.25 };
        let shape = [lines as usize, length as usize, 2];
        let x = HostArray::noise(&shape, seed);
        let twiddles = HostArray::new(&[1, length as usize, 2], &twiddles(length as usize));
        let y = HostArray::zeros(&shape);
        Example { kernel, inputs: vec![twiddles, x], outputs: vec![y] }
    }
}
