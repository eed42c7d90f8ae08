//! Non-local means (Buades, Coll & Morel 2005): every pixel becomes the mean of those about it, each by how like the patches
//! about the two are:
//!
//! ```text
//! x[p] = Σ w y[q] / Σ w,  w = exp(−max(D/σ² − 2, 0)/h²),  D = mean over a patch of (y[p + t] − y[q + t])²
//! ```
//!
//! D of patches that are alike is 2σ² by noise alone, which is taken off; a patch's outermost lines and columns count half.
//! On the CPU, one displacement q − p at a time, patches
//! are box sums of squared differences (Darbon, Cunha, Chan, Osher & Jensen 2008).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 64;
/// Lines of a task: their squared differences stay in the first cache.
const BAND: usize = 16;
/// Numbers that a vector loop may pass the end of a line by.
const MARGIN: usize = 16;
/// Exponents from which on a weight is taken for e⁻²⁰.
const FAR: f32 = 20.0;

/// Inputs: a stack of slices `[slices·ny, nx]`; σ² of the middle one's pixels `[ny, nx]`. Output: that slice's means
/// `[ny, nx]`. Beyond its edges a slice is its own mirror image, about the outermost pixels, so an extent of 1 mirrors itself.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct AverageAlike {
    /// Columns.
    pub nx: u32,
    /// Lines of a slice.
    pub ny: u32,
    /// Slices of the stack.
    pub slices: u32,
    /// The one to be averaged.
    pub middle: u32,
    /// Patches have 2·radius + 1 pixels along each axis, radius ≥ 1; a patch lies in one slice.
    pub radius: u32,
    /// Pixels along each axis to the farthest one averaged; every slice of the stack is searched.
    pub reach: u32,
    /// 1: the root of the mean of squares less 2σ², as Rician magnitudes want (Wiest-Daesslé et al. 2008); 0: the mean.
    pub rician: u32,
    /// 1/h².
    pub inverse_square: f32,
}

impl AverageAlike {
    fn padding(&self) -> usize {
        (self.radius + self.reach) as usize
    }

    /// The stack with its mirrored edges: its numbers, and those of one line and of one slice.
    fn padded(&self, stack: &[f32]) -> (Vec<f32>, [usize; 2]) {
        let (nx, ny, pad) = (self.nx as usize, self.ny as usize, self.padding());
        let stride = nx + 2 * pad + MARGIN;
        let lines = ny + 2 * pad;
        let mut padded = vec![0.0; self.slices as usize * lines * stride + MARGIN];
        let all = padded[..self.slices as usize * lines * stride].par_chunks_exact_mut(stride).enumerate();
        all.for_each(|(line, into)| {
            let (z, y) = (line / lines, mirrored((line % lines) as isize - pad as isize, ny));
            let from = &stack[(z * ny + y) * nx..][..nx];
            into[pad..pad + nx].copy_from_slice(from);
            for at in (0..pad).chain(pad + nx..nx + 2 * pad) {
                into[at] = from[mirrored(at as isize - pad as isize, nx)];
            }
        });
        (padded, [stride, lines * stride])
    }
}

/// The place within 0..extent that `place` mirrors.
pub(super) fn mirrored(place: isize, extent: usize) -> usize {
    if extent == 1 {
        return 0;
    }
    let period = 2 * (extent as isize - 1);
    let within = place.rem_euclid(period);
    within.min(period - within) as usize
}

/// Some lines of the middle slice.
struct Average<'a> {
    kernel: &'a AverageAlike,
    padded: &'a [f32],
    strides: [usize; 2],
    variances: &'a [f32],
    first: usize,
    into: &'a mut [f32],
    /// Squared differences, column sums, and the sums of weights.
    scratch: &'a mut Scratch,
}

#[derive(Default)]
struct Scratch {
    squares: Vec<f32>,
    columns: Vec<f32>,
    sums: Vec<f32>,
    totals: Vec<f32>,
    factors: Vec<f32>,
}

/// e^(−x) for x ≥ 0 to 1e-5 of itself: a series at x/64, squared six times; beyond [`FAR`] as there.
///
/// # Safety
/// As for all lanes.
#[inline(always)]
pub(super) unsafe fn falling<L: Lanes>(x: L) -> L {
    // SAFETY: the caller has the instructions.
    unsafe {
        let y = x.min(L::splat(FAR)).mul(L::splat(-1.0 / 64.0));
        let mut e = L::splat(1.0 / 120.0);
        for c in [1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            e = e.mul_add(y, L::splat(c));
        }
        for _ in 0..6 {
            e = e.mul(e);
        }
        e
    }
}

impl Loop for Average<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel, padded, strides: [stride, slice], variances, first, into, scratch } = self;
        let (nx, radius, reach) = (kernel.nx as usize, kernel.radius as usize, kernel.reach as usize);
        let lines = into.len() / nx;
        let width = (nx + 2 * radius).next_multiple_of(L::N) + MARGIN;
        let sums_width = nx.next_multiple_of(L::N);
        let Scratch { squares, columns, sums, totals, factors } = scratch;
        squares.resize((lines + 2 * radius) * width, 0.0);
        columns.resize(width, 0.0);
        for buffer in [&mut *sums, totals, factors] {
            buffer.clear();
            buffer.resize(lines * sums_width, 0.0);
        }
        let patch = (2 * radius) as f32;
        for (line, factors) in factors.chunks_exact_mut(sums_width).enumerate() {
            for (factor, variance) in factors.iter_mut().zip(&variances[line * nx..][..nx]) {
                *factor = kernel.inverse_square / (patch * patch * variance.max(f32::MIN_POSITIVE));
            }
        }
        // SAFETY: the caller has the instructions.
        let offset = unsafe { L::splat(2.0 * kernel.inverse_square) };
        let middle = kernel.middle as usize * slice;
        for z in 0..kernel.slices as usize {
            for dy in 0..=2 * reach {
                for dx in 0..=2 * reach {
                    // SAFETY: lines of `padded` are as long as patches and displacements reach, and a margin; the buffers
                    // have room for whole registers.
                    unsafe {
                        for line in 0..lines + 2 * radius {
                            let own = padded.as_ptr().add(middle + (first + line + reach) * stride + reach);
                            let other = padded.as_ptr().add(z * slice + (first + line + dy) * stride + dx);
                            let into = squares.as_mut_ptr().add(line * width);
                            for at in (0..nx + 2 * radius).step_by(L::N) {
                                let difference = L::load(own.add(at)).sub(L::load(other.add(at)));
                                difference.mul(difference).store(into.add(at));
                            }
                        }
                        for line in 0..lines {
                            let from = squares.as_ptr().add(line * width);
                            for at in (0..nx + 2 * radius).step_by(L::N) {
                                let ends = L::load(from.add(at)).add(L::load(from.add(2 * radius * width + at)));
                                let mut sum = ends.mul(L::splat(0.5));
                                for row in 1..2 * radius {
                                    sum = sum.add(L::load(from.add(row * width + at)));
                                }
                                sum.store(columns.as_mut_ptr().add(at));
                            }
                            let at_line = line * sums_width;
                            let other = (first + line + dy + radius) * stride + z * slice + dx + radius;
                            for at in (0..nx).step_by(L::N) {
                                let from = columns.as_ptr().add(at);
                                let ends = L::load(from).add(L::load(from.add(2 * radius)));
                                let mut sum = ends.mul(L::splat(0.5));
                                for column in 1..2 * radius {
                                    sum = sum.add(L::load(from.add(column)));
                                }
                                let factor = L::load(factors.as_ptr().add(at_line + at));
                                let weight = falling(sum.mul(factor).sub(offset).max(L::splat(0.0)));
                                let value = L::load(padded.as_ptr().add(other + at));
                                let value = if kernel.rician == 1 { value.mul(value) } else { value };
                                let (sums, totals) =
                                    (sums.as_mut_ptr().add(at_line + at), totals.as_mut_ptr().add(at_line + at));
                                weight.mul_add(value, L::load(sums)).store(sums);
                                L::load(totals).add(weight).store(totals);
                            }
                        }
                    }
                }
            }
        }
        for (line, into) in into.chunks_exact_mut(nx).enumerate() {
            for (at, into) in into.iter_mut().enumerate() {
                let mean = sums[line * sums_width + at] / totals[line * sums_width + at];
                *into = kernel.unbiased(mean, variances[line * nx + at]);
            }
        }
    }
}

impl AverageAlike {
    fn unbiased(&self, mean: f32, variance: f32) -> f32 {
        if self.rician == 1 { (mean - 2.0 * variance).max(0.0).sqrt() } else { mean }
    }
}

impl Kernel for AverageAlike {
    const NAME: &'static str = "average_alike";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/mirrored.wgsl"), include_str!("../../shaders/average_alike.wgsl"));
    const TOLERANCE: f32 = 3e-5;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.nx as usize * self.ny as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (nx, ny) = (self.nx as usize, self.ny as usize);
        let (padded, strides) = self.padded(inputs[0].numbers::<f32>());
        let variances = &inputs[1].numbers::<f32>()[..nx * ny];
        let into = &mut outputs[0].numbers::<f32>()[..nx * ny];
        let simd = Simd::detected();
        let bands = into.par_chunks_mut(BAND * nx).zip(variances.par_chunks(BAND * nx)).enumerate();
        bands.for_each_init(Scratch::default, |scratch, (band, (into, variances))| {
            let (kernel, padded, first) = (self, &padded[..], band * BAND);
            lanes::run(simd, Average { kernel, padded, strides, variances, first, into, scratch });
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let slices = 1 + 2 * (seed as u32 % 2);
        let kernel = Self {
            nx: 37,
            ny: 21,
            slices,
            middle: slices / 2,
            radius: 1 + seed as u32 % 3,
            reach: 4,
            rician: seed as u32 % 2,
            inverse_square: 0.6,
        };
        let stack = HostArray::noise(&[21 * slices as usize, 37], seed);
        let variances: Vec<f32> =
            HostArray::noise(&[21, 37], seed + 5).numbers::<f32>().iter().map(|v| 0.2 + 0.1 * v).collect();
        let inputs = vec![stack, HostArray::new(&[21, 37], &variances)];
        Example { kernel, inputs, outputs: vec![HostArray::zeros(&[21, 37])] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula, pixel by pixel in f64.
    fn plain(kernel: &AverageAlike, stack: &[f32], variances: &[f32]) -> Vec<f32> {
        let (nx, ny) = (kernel.nx as isize, kernel.ny as isize);
        let value = |z: usize, y: isize, x: isize| {
            f64::from(stack[(z * ny as usize + mirrored(y, ny as usize)) * nx as usize + mirrored(x, nx as usize)])
        };
        let (radius, reach, middle) = (kernel.radius as isize, kernel.reach as isize, kernel.middle as usize);
        let mut found = Vec::new();
        for y in 0..ny {
            for x in 0..nx {
                let variance = f64::from(variances[(y * nx + x) as usize]);
                let (mut sum, mut total) = (0.0, 0.0);
                for z in 0..kernel.slices as usize {
                    for (dy, dx) in (-reach..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx))) {
                        let mut distance = 0.0;
                        for (v, u) in (-radius..=radius).flat_map(|v| (-radius..=radius).map(move |u| (v, u))) {
                            // The patch of a mirrored pixel is that of the mirror image.
                            let share = |t: isize| if t.abs() == radius { 0.5 } else { 1.0 };
                            let difference: f64 = value(middle, y + v, x + u) - value(z, y + dy + v, x + dx + u);
                            distance += share(v) * share(u) * difference.powi(2);
                        }
                        let mean = distance / (4 * radius * radius) as f64 / variance;
                        let weight = (-(mean - 2.0).max(0.0) * f64::from(kernel.inverse_square)).exp();
                        let other = value(z, y + dy, x + dx);
                        sum += weight * if kernel.rician == 1 { other * other } else { other };
                        total += weight;
                    }
                }
                let mean = sum / total;
                let mean = if kernel.rician == 1 { (mean - 2.0 * variance).max(0.0).sqrt() } else { mean };
                found.push(mean as f32);
            }
        }
        found
    }

    #[test]
    fn box_sums_give_the_means_of_the_plain_formula_on_every_simd_level() {
        for seed in 0..3 {
            let Example { kernel, inputs, .. } = AverageAlike::example(seed);
            let (stack, variances) = (inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>());
            let expected = plain(&kernel, stack, variances);
            let (padded, strides) = kernel.padded(stack);
            for simd in Simd::available() {
                let mut found = vec![0.0; expected.len()];
                let mut scratch = Scratch::default();
                let into = &mut found[..];
                let task = Average {
                    kernel: &kernel,
                    padded: &padded,
                    strides,
                    variances,
                    first: 0,
                    into,
                    scratch: &mut scratch,
                };
                lanes::run(simd, task);
                let worst = found.iter().zip(&expected).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
                assert!(worst < 2e-5, "{simd}, seed {seed}: {worst:e}");
            }
        }
    }
}
