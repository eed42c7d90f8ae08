//! The bilateral filter (Tomasi & Manduchi 1998): every pixel becomes the mean of those about it, each by how near it is and
//! how like:
//!
//! ```text
//! x[p] = Σ w y[q] / Σ w,  w = exp(−|q − p|²/2s²) · exp(−(y[q] − y[p])²/2r²σ²)
//! ```

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{
    average_alike::{falling, mirrored},
    lanes::{self, Lanes, Loop},
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 64;
/// Numbers that a vector loop may pass the end of a line by.
const MARGIN: usize = 16;

/// Inputs: a slice `[ny, nx]`; σ² of its pixels `[ny, nx]`. Output: the means `[ny, nx]`. Beyond its edges the slice is its
/// own mirror image.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Bilateral {
    /// Columns.
    pub nx: u32,
    /// Lines.
    pub ny: u32,
    /// Pixels along each axis to the farthest one averaged.
    pub reach: u32,
    /// 1/2s², per pixel squared.
    pub near: f32,
    /// 1/2r².
    pub alike: f32,
}

/// One line.
struct Filter<'a> {
    kernel: &'a Bilateral,
    padded: &'a [f32],
    stride: usize,
    variances: &'a [f32],
    line: usize,
    into: &'a mut [f32],
}

impl Loop for Filter<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel, padded, stride, variances, line, into } = self;
        let (nx, reach) = (into.len(), kernel.reach as usize);
        let mut results = [0.0; MARGIN];
        let mut factors = [0.0; MARGIN];
        for first in (0..nx).step_by(L::N) {
            let count = L::N.min(nx - first);
            for (factor, variance) in factors.iter_mut().zip(&variances[first..first + count]) {
                *factor = kernel.alike / variance.max(f32::MIN_POSITIVE);
            }
            // SAFETY: padded lines are as long as the window reaches, and a margin.
            unsafe {
                let factor = L::load(factors.as_ptr());
                let own = L::load(padded.as_ptr().add((line + reach) * stride + first + reach));
                let (mut sum, mut total) = (L::splat(0.0), L::splat(0.0));
                for dy in 0..=2 * reach {
                    for dx in 0..=2 * reach {
                        let far = (dy.abs_diff(reach).pow(2) + dx.abs_diff(reach).pow(2)) as f32 * kernel.near;
                        let value = L::load(padded.as_ptr().add((line + dy) * stride + first + dx));
                        let difference = value.sub(own);
                        let weight = falling(difference.mul(difference).mul_add(factor, L::splat(far)));
                        sum = weight.mul_add(value, sum);
                        total = total.add(weight);
                    }
                }
                sum.mul(total.inverse()).store(results.as_mut_ptr());
            }
            into[first..first + count].copy_from_slice(&results[..count]);
        }
    }
}

impl Bilateral {
    /// The slice with its mirrored edges, and the length of a line.
    fn padded(&self, slice: &[f32]) -> (Vec<f32>, usize) {
        let (nx, ny, reach) = (self.nx as usize, self.ny as usize, self.reach as usize);
        let stride = nx + 2 * reach + MARGIN;
        let place = |at: usize, extent: usize| mirrored(at as isize - reach as isize, extent);
        let line = |y: usize| {
            let from = &slice[place(y, ny) * nx..][..nx];
            (0..stride).map(move |x| from[place(x, nx)])
        };
        ((0..ny + 2 * reach).flat_map(line).collect(), stride)
    }
}

impl Kernel for Bilateral {
    const NAME: &'static str = "bilateral";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/mirrored.wgsl"), include_str!("../../shaders/bilateral.wgsl"));
    const TOLERANCE: f32 = 3e-5;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.nx as usize * self.ny as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (nx, count) = (self.nx as usize, self.nx as usize * self.ny as usize);
        let (padded, stride) = self.padded(inputs[0].numbers::<f32>());
        let variances = inputs[1].numbers::<f32>()[..count].par_chunks_exact(nx);
        let simd = Simd::detected();
        let lines = outputs[0].numbers::<f32>()[..count].par_chunks_exact_mut(nx).zip(variances).enumerate();
        lines.for_each(|(line, (into, variances))| {
            lanes::run(simd, Filter { kernel: self, padded: &padded, stride, variances, line, into });
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { nx: 37, ny: 21, reach: 2 + seed as u32, near: 0.2, alike: 0.125 };
        let variances: Vec<f32> =
            HostArray::noise(&[21, 37], seed + 5).numbers::<f32>().iter().map(|v| 0.2 + 0.1 * v).collect();
        let inputs = vec![HostArray::noise(&[21, 37], seed), HostArray::new(&[21, 37], &variances)];
        Example { kernel, inputs, outputs: vec![HostArray::zeros(&[21, 37])] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula, pixel by pixel in f64.
    #[test]
    fn every_simd_level_follows_the_plain_formula() {
        let Example { kernel, inputs, .. } = Bilateral::example(1);
        let (slice, variances) = (inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>());
        let (padded, stride) = kernel.padded(slice);
        let reach = kernel.reach as isize;
        let value = |y: isize, x: isize| f64::from(slice[mirrored(y, 21) * 37 + mirrored(x, 37)]);
        for (y, x) in [(0, 0), (3, 36), (20, 17), (11, 30)] {
            let (mut sum, mut total) = (0.0, 0.0);
            for (dy, dx) in (-reach..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx))) {
                let other = value(y + dy, x + dx);
                let variance = f64::from(variances[(y * 37 + x) as usize]);
                let far = (dy * dy + dx * dx) as f64 * f64::from(kernel.near);
                let weight = (-far - (other - value(y, x)).powi(2) * f64::from(kernel.alike) / variance).exp();
                sum += weight * other;
                total += weight;
            }
            for simd in Simd::available() {
                let mut into = [0.0; 37];
                let (line, variances) = (y as usize, &variances[37 * y as usize..][..37]);
                lanes::run(simd, Filter { kernel: &kernel, padded: &padded, stride, variances, line, into: &mut into });
                assert!((f64::from(into[x as usize]) - sum / total).abs() < 2e-5, "{simd}, {y}, {x}");
            }
        }
    }
}
