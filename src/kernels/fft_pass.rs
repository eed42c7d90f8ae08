//! One pass of a Stockham autosort FFT: along an axis, `radix` transforms of `span` become one of `radix · span`,
//! y[(i−k)·radix + k + q·span] = Σᵣ x[i + r·n/radix] e^(−2πi r k/(radix·span)) e^(−2πi r q/radix), k = i mod span.
//! (P. N. Swarztrauber, "Multiprocessor FFTs", Parallel Computing 5, 1987, section 3.) A pass of radix 1 copies.

use std::borrow::Cow;

use bytemuck::{Pod, Zeroable};

use super::{axis_layout::AxisLayout, fft_plan::twiddles};
use crate::device::{Caps, Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: twiddles e^(−2πi m/length) f32 `[1, length, 2]`, x f32, where its layout says. Output: y, where its says.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct FftPass {
    /// How x stands.
    pub x: AxisLayout,
    /// How y stands; as many transforms of the same length.
    pub y: AxisLayout,
    /// Product of the radices of the passes before; 1 for the first.
    pub span: u32,
    /// 1, 2, 4, 8 or a small odd number, and a divisor of `length / span`. Each is its own shader.
    pub radix: u32,
    /// +1 for e^(−2πi …), −1 for its conjugate.
    pub sign: f32,
    /// Multiplies the result.
    pub scale: f32,
}

impl FftPass {
    fn butterfly(&self, twiddles: &[[f32; 2]], x: &[f32], transform: [usize; 3], [i, q]: [usize; 2]) -> [f32; 2] {
        let [radix, length, span] = [self.radix, self.x.length, self.span].map(|count| count as usize);
        let mut sum = [0.0; 2];
        for r in 0..radix {
            let [re, im] = self.x.place(transform, i + r * (length / radix)).map(|place| x[place]);
            // Both roots of unity are entries of the table: its steps per turn are `length`.
            let turn = r * (i % span) * (length / (radix * span)) + r * q * (length / radix);
            let [cos, sin] = twiddles[turn % length];
            let sin = self.sign * sin;
            sum = [sum[0] + (re * cos - im * sin), sum[1] + (re * sin + im * cos)];
        }
        sum.map(|part| part * self.scale)
    }
}

impl Kernel for FftPass {
    const NAME: &'static str = "fft_pass";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/axis_layout.wgsl"), include_str!("../../shaders/fft_pass.wgsl"));
    const TOLERANCE: f32 = 1e-6;

    fn wgsl(&self, _caps: &Caps) -> Cow<'static, str> {
        Self::WGSL.replace("const RADIX = 8u;", &format!("const RADIX = {}u;", self.radix)).into()
    }

    fn workgroups(&self) -> [u32; 3] {
        fold((self.x.transforms() * (self.x.length / self.radix) as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [radix, length, span] = [self.radix, self.x.length, self.span].map(|count| count as usize);
        let twiddles: &[[f32; 2]] = bytemuck::cast_slice(inputs[0].numbers::<f32>());
        let (x, y) = (inputs[1].numbers::<f32>(), outputs[0].numbers::<f32>());
        for transform in self.x.all() {
            for i in 0..length / radix {
                let k = i % span;
                for q in 0..radix {
                    let [re, im] = self.y.place(transform, (i - k) * radix + k + q * span);
                    [y[re], y[im]] = self.butterfly(twiddles, x, transform, [i, q]);
                }
            }
        }
    }

    fn example(seed: u64) -> Example<Self> {
        // The seeds go through radices, places of a pass, and axes.
        let extents = [[6, 4, 512], [6, 512, 4], [390, 5, 3], [5, 2, 7]][seed as usize % 4];
        let [radix, span, axis] = [[8, 8, 2], [4, 128, 1], [13, 6, 0], [1, 1, 2]][seed as usize % 4];
        let y = AxisLayout::planar(2, extents, axis as usize);
        let x = AxisLayout { first: 8, turn: seed as u32 % 3, ..y };
        let sign = if seed.is_multiple_of(2) { 1.0 } else { -1.0 };
        let twiddles = twiddles(y.length as usize);
        let twiddles = HostArray::new(&[1, y.length as usize, 2], &twiddles);
        let [nz, ny, nx] = extents;
        let shape = [2 * nz * ny, 2, nx];
        let numbers = HostArray::noise(&[8 + shape.iter().product::<usize>()], seed);
        let kernel = Self { x, y, span, radix, sign, scale: 0.25 };
        Example { kernel, inputs: vec![twiddles, numbers], outputs: vec![HostArray::zeros(&shape)] }
    }
}
