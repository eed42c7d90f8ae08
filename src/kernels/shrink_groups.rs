//! Collaborative filtering of groups of like patches (Dabov, Foi, Katkovnik & Egiazarian 2007, IEEE Trans. Image Process. 16,
//! 2080): a group's 16 patches are transformed, across the group by Haar's wavelet and within a patch by a matrix along either axis;
//! coefficients c of noise s are shrunk, by a hard threshold or as Wiener would with a pilot's coefficients p,
//!
//! ```text
//! c ← c if |c| ≥ t·s, else 0        or        c ← c·p²/(p² + s²)
//! ```
//!
//! and transformed back. On the CPU a register holds one pixel of all 16 patches.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{
    lanes::{self, Lanes, Loop},
    match_patches::{GROUP, PATCH},
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const PIXELS: usize = PATCH * PATCH;
const WHOLE: usize = GROUP * PIXELS;

/// Inputs: the noisy slice `[ny, nx]`; the pilot `[ny, nx]` (any, for the threshold); the groups, u32 `[groups, 16]`, by the patches'
/// first pixels; each group's noise `[groups]`; [`Tables`]. Outputs: the shrunk patches `[groups, 16, 8, 8]`; a weight for
/// each group, one over the variance of the noise left in its coefficients. The mean survives the threshold always.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct ShrinkGroups {
    /// Groups.
    pub groups: u32,
    /// Columns of the slice.
    pub nx: u32,
    /// 1: by the pilot; 0: by the threshold.
    pub wiener: u32,
    /// t.
    pub threshold: f32,
}

/// Matrices along one axis of a patch, and the noise of its coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    /// Coefficients from pixels, `[coefficient, pixel]`.
    pub forward: [[f32; PATCH]; PATCH],
    /// Pixels from coefficients, `[pixel, coefficient]`.
    pub inverse: [[f32; PATCH]; PATCH],
    /// Deviation of each coefficient, `[y, x]`, where the pixels' noise has deviation 1.
    pub deviations: [f32; PIXELS],
}

impl Tables {
    /// As the kernel reads them.
    pub fn numbers(&self) -> Vec<f32> {
        [self.forward.as_flattened(), self.inverse.as_flattened(), &self.deviations].concat()
    }
}

/// One group.
struct Shrink<'a> {
    kernel: &'a ShrinkGroups,
    slices: [&'a [f32]; 2],
    members: &'a [u32],
    sigma: f32,
    tables: &'a [f32],
    patches: &'a mut [f32],
    weight: &'a mut f32,
}

#[repr(C, align(64))]
struct Block([f32; WHOLE]);

/// Haar's transform across a group, in place: sums in front, differences behind them.
///
/// # Safety
/// The caller has the instructions.
#[inline(always)]
unsafe fn across<L: Lanes>(block: &mut Block, inverse: bool) {
    // SAFETY: 16 lines of 64 numbers, a multiple of every register's.
    unsafe {
        let half = L::splat(std::f32::consts::FRAC_1_SQRT_2);
        let at = block.0.as_mut_ptr();
        for pixel in (0..PIXELS).step_by(L::N) {
            let mut all = [L::splat(0.0); GROUP];
            for (k, value) in all.iter_mut().enumerate() {
                *value = L::load(at.add(k * PIXELS + pixel));
            }
            for level in 0..4 {
                let pairs = if inverse { 1 << level } else { GROUP >> (level + 1) };
                let before = all;
                for k in 0..pairs {
                    if inverse {
                        all[2 * k] = before[k].add(before[pairs + k]).mul(half);
                        all[2 * k + 1] = before[k].sub(before[pairs + k]).mul(half);
                    } else {
                        all[k] = before[2 * k].add(before[2 * k + 1]).mul(half);
                        all[pairs + k] = before[2 * k].sub(before[2 * k + 1]).mul(half);
                    }
                }
            }
            for (k, value) in all.iter().enumerate() {
                value.store(at.add(k * PIXELS + pixel));
            }
        }
    }
}

/// `into[pixel, patch] = from[patch, pixel]`, or back.
///
/// # Safety
/// The caller has the instructions.
#[inline(always)]
unsafe fn turn<L: Lanes>(from: &Block, into: &mut Block, [lines, columns]: [usize; 2]) {
    // SAFETY: both are `lines` × `columns`, multiples of every register's length.
    unsafe {
        for line in (0..lines).step_by(L::N) {
            for column in (0..columns).step_by(L::N) {
                let (from, into) = (from.0.as_ptr().add(line * columns + column), into.0.as_mut_ptr().add(column * lines + line));
                L::transpose(from, columns, into, lines);
            }
        }
    }
}

/// The matrix along both axes of all patches, `[pixel, patch]`.
///
/// # Safety
/// The caller has the instructions.
#[inline(always)]
unsafe fn within<L: Lanes>(block: &mut Block, matrix: &[f32]) {
    // SAFETY: 64 lines of 16 numbers.
    unsafe {
        let matrix: &[f32; PIXELS] = matrix.try_into().expect("8 × 8");
        for [step, next] in [[PATCH, 1], [1, PATCH]] {
            for line in 0..PATCH {
                for patch in (0..GROUP).step_by(L::N) {
                    let at = block.0.as_mut_ptr().add(line * next * GROUP + patch);
                    let mut all = [L::splat(0.0); PATCH];
                    for (place, value) in all.iter_mut().enumerate() {
                        *value = L::load(at.add(place * step * GROUP));
                    }
                    for f in 0..PATCH {
                        let mut sum = all[0].mul(L::splat(matrix[f * PATCH]));
                        for place in 1..PATCH {
                            sum = all[place].mul_add(L::splat(matrix[f * PATCH + place]), sum);
                        }
                        sum.store(at.add(f * step * GROUP));
                    }
                }
            }
        }
    }
}

impl Shrink<'_> {
    /// The coefficients of one of the slices, `[pixel, patch]`.
    ///
    /// # Safety
    /// The caller has the instructions.
    #[inline(always)]
    unsafe fn coefficients<L: Lanes>(&self, slice: usize, spare: &mut Block, into: &mut Block) {
        let nx = self.kernel.nx as usize;
        for (patch, first) in spare.0.chunks_exact_mut(PIXELS).zip(self.members) {
            for (y, line) in patch.chunks_exact_mut(PATCH).enumerate() {
                line.copy_from_slice(&self.slices[slice][*first as usize + y * nx..][..PATCH]);
            }
        }
        // SAFETY: as for the caller.
        unsafe {
            across::<L>(spare, false);
            turn::<L>(spare, into, [GROUP, PIXELS]);
            within::<L>(into, &self.tables[..PIXELS]);
        }
    }
}

impl Loop for Shrink<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let (mut spare, mut own, mut pilot) = (Block([0.0; WHOLE]), Block([0.0; WHOLE]), Block([0.0; WHOLE]));
        let deviations = &self.tables[2 * PIXELS..3 * PIXELS];
        let mut left = [0.0_f32; GROUP];
        // SAFETY: the caller has the instructions; blocks are 64 lines of 16 numbers, a multiple of every register's.
        unsafe {
            self.coefficients::<L>(0, &mut spare, &mut own);
            if self.kernel.wiener == 1 {
                self.coefficients::<L>(1, &mut spare, &mut pilot);
            }
            let mean = own.0[0];
            for patch in (0..GROUP).step_by(L::N) {
                let mut sum = L::splat(0.0);
                for (pixel, deviation) in deviations.iter().enumerate() {
                    let noise = self.sigma * deviation;
                    let at = own.0.as_mut_ptr().add(pixel * GROUP + patch);
                    let value = L::load(at);
                    if self.kernel.wiener == 1 {
                        let square = L::load(pilot.0.as_ptr().add(pixel * GROUP + patch));
                        let square = square.mul(square);
                        let share = square.mul(square.add(L::splat(noise * noise).max(L::splat(f32::MIN_POSITIVE))).inverse());
                        sum = share.mul(share).mul_add(L::splat(deviation * deviation), sum);
                        value.mul(share).store(at);
                    } else {
                        // 1 where |c| reaches the threshold, else 0, without comparisons that lanes lack.
                        let over = value.abs().sub(L::splat(self.kernel.threshold * noise));
                        let keep = L::splat(0.0).max(L::splat(1.0).with_sign(over));
                        sum = keep.mul_add(L::splat(deviation * deviation), sum);
                        value.mul(keep).store(at);
                    }
                }
                sum.store(left.as_mut_ptr().add(patch));
            }
            let mut variance: f32 = left.iter().sum();
            if self.kernel.wiener == 0 && own.0[0] == 0.0 {
                own.0[0] = mean;
                variance += deviations[0] * deviations[0];
            }
            let variance = self.sigma * self.sigma * variance;
            *self.weight = 1.0 / variance.max(f32::MIN_POSITIVE.sqrt());
            within::<L>(&mut own, &self.tables[PIXELS..2 * PIXELS]);
            turn::<L>(&own, &mut spare, [PIXELS, GROUP]);
            across::<L>(&mut spare, true);
        }
        self.patches.copy_from_slice(&spare.0);
    }
}

impl Kernel for ShrinkGroups {
    const NAME: &'static str = "shrink_groups";
    const WGSL: &'static str = include_str!("../../shaders/shrink_groups.wgsl");
    const TOLERANCE: f32 = 1e-5;

    fn workgroups(&self) -> [u32; 3] {
        fold(self.groups as usize)
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let groups = self.groups as usize;
        let slices = [inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>()];
        let members = inputs[2].numbers::<u32>()[..groups * GROUP].par_chunks_exact(GROUP);
        let (sigmas, tables) = (inputs[3].numbers::<f32>()[..groups].par_iter(), inputs[4].numbers::<f32>());
        let [patches, weights] = outputs else { panic!("two outputs") };
        let patches = patches.numbers::<f32>()[..groups * WHOLE].par_chunks_exact_mut(WHOLE);
        let weights = weights.numbers::<f32>()[..groups].par_iter_mut();
        let simd = Simd::detected();
        let all = patches.zip(weights).zip(members.zip(sigmas)).with_min_len(16);
        all.for_each(|((patches, weight), (members, sigma))| {
            let (kernel, sigma) = (self, *sigma);
            lanes::run(simd, Shrink { kernel, slices, members, sigma, tables, patches, weight });
        });
    }

    fn example(seed: u64) -> Example<Self> {
        const GROUPS: usize = 5;
        let kernel = Self { groups: GROUPS as u32, nx: 30, wiener: seed as u32 % 2, threshold: 2.0 };
        let members: Vec<u32> = (0..GROUPS * GROUP).map(|i| ((i * 7 + seed as usize) % 12 * 30 + i * 5 % 22) as u32).collect();
        let near = |index, width: f32| {
            let noise = HostArray::noise(&[PIXELS], seed + index);
            noise.numbers::<f32>().iter().map(|value| 1.0 + width * value).collect::<Vec<_>>()
        };
        let mut tables = near(5, 0.4);
        tables.extend(near(6, 0.4));
        tables.iter_mut().for_each(|value| *value = 0.3 * (*value - 1.0));
        tables.extend(near(7, 0.5));
        let inputs = vec![
            HostArray::noise(&[20, 30], seed),
            HostArray::noise(&[20, 30], seed + 1),
            HostArray::new(&[GROUPS, GROUP], &members),
            HostArray::new(&[GROUPS], &near(8, 0.5)[..GROUPS].iter().map(|value| 0.02 * value).collect::<Vec<_>>()),
            HostArray::new(&[3 * PIXELS], &tables),
        ];
        let outputs = vec![HostArray::zeros(&[GROUPS, GROUP, PATCH, PATCH]), HostArray::zeros(&[GROUPS])];
        Example { kernel, inputs, outputs }
    }
}
