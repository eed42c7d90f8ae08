//! Collaborative filtering of groups of like patches (Dabov, Foi, Katkovnik & Egiazarian 2007, IEEE Trans. Image Process. 16,
//! 2080): a group's patches, a power of two up to 16, are transformed, across the group by Haar's wavelet and within a patch
//! by a matrix along either axis; coefficients c of noise s are shrunk, by a hard threshold or as Wiener would with a pilot's
//! coefficients p,
//!
//! ```text
//! c ← c if |c| ≥ t·s, else 0        or        c ← c·p²/(p² + s²)
//! ```
//!
//! and transformed back. Patches of a group overlap, and where they do they share the noise; s counts that in (Mäkinen,
//! Azzari & Foi 2020, IEEE Trans. Image Process. 29, 8339). On the CPU a register holds one pixel of 16 patches.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{
    lanes::{self, Lanes, Loop},
    match_patches::{GROUP, NONE, PATCH},
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const PIXELS: usize = PATCH * PATCH;

/// Inputs: the noisy slice `[ny, nx]`; the pilot `[ny, nx]` (any, for the threshold); the groups, u32 `[groups, 16]`, by
/// the patches' first pixels, as [`super::MatchPatches`] finds them; each group's noise `[groups]`; [`Tables`]. Outputs: the
/// shrunk patches `[groups, 16, 8, 8]`; a weight for each group, one over the variance of the noise left in its coefficients.
/// The group's mean stays as it is.
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
    /// Covariance of a coefficient's noise with that of the same coefficient of a patch that begins (dy, dx) pixels away, where
    /// the pixels' noise has variance 1: `[dy, dx + 7, coefficient along y, along x]`, dy from 0 to 7 and dx from -7 to 7.
    /// Farther patches share no pixel, and no noise is taken to be shared.
    pub covariances: Vec<f32>,
}

/// Places of dx.
pub const SHIFTS: usize = 2 * PATCH - 1;
/// Numbers of [`Tables::numbers`].
pub const TABLES: usize = 2 * PIXELS + PATCH * SHIFTS * PIXELS;

impl Tables {
    /// The mean square of the coefficients' variances, where their mean is 1.
    pub fn breadth(&self) -> f32 {
        let variances = &self.covariances[(PATCH - 1) * PIXELS..][..PIXELS];
        let mean = variances.iter().sum::<f32>() / PIXELS as f32;
        variances.iter().map(|variance| (variance / mean).powi(2)).sum::<f32>() / PIXELS as f32
    }

    /// As the kernel reads them.
    pub fn numbers(&self) -> Vec<f32> {
        [self.forward.as_flattened(), self.inverse.as_flattened(), &self.covariances].concat()
    }
}

/// The place in [`Tables::covariances`] of two patches that overlap: covariances are even, so dy is taken as 0 or above.
#[inline(always)]
fn shift(first: [u32; 2], second: [u32; 2]) -> Option<usize> {
    let [dy, dx] = [0, 1].map(|axis| first[axis].wrapping_sub(second[axis]) as i32);
    let [dy, dx] = if dy < 0 { [-dy, -dx] } else { [dy, dx] };
    let patch = PATCH as i32;
    (dy < patch && dx.abs() < patch).then(|| dy as usize * SHIFTS + (dx + patch - 1) as usize)
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
struct Block([[f32; PIXELS]; GROUP]);

/// Haar's transform across a group, in place: sums in front, differences behind them.
///
/// # Safety
/// The caller has the instructions.
#[inline(always)]
unsafe fn across<L: Lanes>(block: &mut Block, size: usize, inverse: bool) {
    // SAFETY: lines of 64 numbers, a multiple of every register's.
    unsafe {
        let half = L::splat(std::f32::consts::FRAC_1_SQRT_2);
        let at = block.0.as_flattened_mut().as_mut_ptr();
        for pixel in (0..PIXELS).step_by(L::N) {
            let mut all = [L::splat(0.0); GROUP];
            for (k, value) in all[..size].iter_mut().enumerate() {
                *value = L::load(at.add(k * PIXELS + pixel));
            }
            for level in 0..size.ilog2() {
                let pairs = if inverse { 1 << level } else { size >> (level + 1) };
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
            for (k, value) in all[..size].iter().enumerate() {
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
                let from = from.0.as_ptr().cast::<f32>().add(line * columns + column);
                let into = into.0.as_mut_ptr().cast::<f32>().add(column * lines + line);
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
    // SAFETY: 64 lines of GROUP numbers.
    unsafe {
        let matrix: &[f32; PIXELS] = matrix.try_into().expect("8 × 8");
        for [step, next] in [[PATCH, 1], [1, PATCH]] {
            for line in 0..PATCH {
                for patch in (0..GROUP).step_by(L::N) {
                    let at = block.0.as_mut_ptr().cast::<f32>().add(line * next * GROUP + patch);
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
    /// The variances of the coefficients, `[patch, pixel]`, where the pixels' is 1: of all pairs of patches that overlap.
    #[inline(always)]
    fn variances(&self, into: &mut Block) {
        let (nx, size) = (self.kernel.nx, self.members.len());
        let covariances = &self.tables[2 * PIXELS..TABLES];
        let own: [f32; PIXELS] = covariances[(PATCH - 1) * PIXELS..][..PIXELS].try_into().expect("8 × 8");
        into.0[..size].fill(own);
        into.0[size..].fill([0.0; PIXELS]);
        for q in 1..size {
            let (y, x) = (self.members[q] / nx, self.members[q] % nx);
            for p in 0..q {
                let Some(shift) = shift([y, x], [self.members[p] / nx, self.members[p] % nx]) else { continue };
                let shared = &covariances[shift * PIXELS..][..PIXELS];
                let mut add = |row: usize, factor: f32| {
                    for (sum, shared) in into.0[row].iter_mut().zip(shared) {
                        *sum += 2.0 * factor * shared;
                    }
                };
                // Haar's differences that see both: the one that tells them apart, and the longer ones.
                let apart = (p ^ q).ilog2();
                add(0, 1.0 / size as f32);
                for level in apart..size.ilog2() {
                    let sign = if level == apart { -1.0 } else { 1.0 };
                    add((size >> (level + 1)) + (p >> (level + 1)), sign / (2 << level) as f32);
                }
            }
        }
    }

    /// The coefficients of one of the slices, `[pixel, patch]`.
    ///
    /// # Safety
    /// The caller has the instructions.
    #[inline(always)]
    unsafe fn coefficients<L: Lanes>(&self, slice: usize, spare: &mut Block, into: &mut Block) {
        let nx = self.kernel.nx as usize;
        spare.0[self.members.len()..].fill([0.0; PIXELS]);
        for (patch, first) in spare.0.iter_mut().zip(self.members) {
            for (y, line) in patch.chunks_exact_mut(PATCH).enumerate() {
                line.copy_from_slice(&self.slices[slice][*first as usize + y * nx..][..PATCH]);
            }
        }
        // SAFETY: as for the caller.
        unsafe {
            across::<L>(spare, self.members.len(), false);
            turn::<L>(spare, into, [GROUP, PIXELS]);
            within::<L>(into, &self.tables[..PIXELS]);
        }
    }
}

impl Loop for Shrink<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let block = || Block([[0.0; PIXELS]; GROUP]);
        let (mut spare, mut own, mut pilot, mut variances) = (block(), block(), block(), block());
        let size = self.members.len();
        let mut left = [0.0_f32; GROUP];
        // SAFETY: the caller has the instructions; blocks are 64 lines of GROUP numbers, a multiple of every register's.
        unsafe {
            self.variances(&mut spare);
            turn::<L>(&spare, &mut variances, [GROUP, PIXELS]);
            self.coefficients::<L>(0, &mut spare, &mut own);
            if self.kernel.wiener == 1 {
                self.coefficients::<L>(1, &mut spare, &mut pilot);
            }
            let mean = own.0[0][0];
            for patch in (0..GROUP).step_by(L::N) {
                let mut sum = L::splat(0.0);
                for pixel in 0..PIXELS {
                    let at = own.0.as_mut_ptr().cast::<f32>().add(pixel * GROUP + patch);
                    let variance =
                        L::load(variances.0.as_ptr().cast::<f32>().add(pixel * GROUP + patch)).max(L::splat(0.0));
                    let noise = variance.mul(L::splat(self.sigma * self.sigma));
                    let value = L::load(at);
                    if self.kernel.wiener == 1 {
                        let square = L::load(pilot.0.as_ptr().cast::<f32>().add(pixel * GROUP + patch));
                        let square = square.mul(square);
                        let share = square.mul(square.add(noise.max(L::splat(f32::MIN_POSITIVE))).inverse());
                        sum = share.mul(share).mul_add(variance, sum);
                        value.mul(share).store(at);
                    } else {
                        // 1 where c² reaches the threshold's, else 0, without comparisons that lanes lack.
                        let least = noise.mul(L::splat(self.kernel.threshold * self.kernel.threshold));
                        let keep = L::splat(0.0).max(L::splat(1.0).with_sign(value.mul(value).sub(least)));
                        sum = keep.mul_add(variance, sum);
                        value.mul(keep).store(at);
                    }
                }
                sum.store(left.as_mut_ptr().add(patch));
            }
            let mut variance: f32 = left[..size].iter().sum();
            // The group's mean stays, so that a constant added to the image is one added to the result.
            let shared = variances.0[0][0];
            let kept = if self.kernel.wiener == 1 {
                let square = pilot.0[0][0] * pilot.0[0][0];
                (square / (square + (shared * self.sigma * self.sigma).max(f32::MIN_POSITIVE))).powi(2)
            } else {
                f32::from(u8::from(own.0[0][0] != 0.0))
            };
            own.0[0][0] = mean;
            variance += (1.0 - kept) * shared;
            let variance = self.sigma * self.sigma * variance;
            *self.weight = 1.0 / variance.max(f32::MIN_POSITIVE.sqrt());
            within::<L>(&mut own, &self.tables[PIXELS..2 * PIXELS]);
            turn::<L>(&own, &mut spare, [PIXELS, GROUP]);
            across::<L>(&mut spare, size, true);
        }
        self.patches.copy_from_slice(spare.0.as_flattened());
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
        let patches = patches.numbers::<f32>()[..groups * GROUP * PIXELS].par_chunks_exact_mut(GROUP * PIXELS);
        let weights = weights.numbers::<f32>()[..groups].par_iter_mut();
        let simd = Simd::detected();
        let all = patches.zip(weights).zip(members.zip(sigmas)).with_min_len(16);
        all.for_each(|((patches, weight), (members, sigma))| {
            let (kernel, sigma) = (self, *sigma);
            let members = &members[..members.iter().position(|first| *first == NONE).unwrap_or(GROUP)];
            lanes::run(simd, Shrink { kernel, slices, members, sigma, tables, patches, weight });
        });
    }

    fn example(seed: u64) -> Example<Self> {
        const GROUPS: usize = 5;
        let kernel = Self { groups: GROUPS as u32, nx: 30, wiener: seed as u32 % 2, threshold: 2.0 };
        // Groups of 16, 8, 4, 2 and 1 patches.
        let size = |at: usize| GROUP >> at;
        let place = |i: usize| ((i * 7 + seed as usize) % 12 * 30 + i * 5 % 22) as u32;
        let member = |i: usize| if i % GROUP < size(i / GROUP) { place(i) } else { NONE };
        let members: Vec<u32> = (0..GROUPS * GROUP).map(member).collect();
        let near = |index, width: f32| {
            let noise = HostArray::noise(&[PIXELS], seed + index);
            noise.numbers::<f32>().iter().map(|value| 1.0 + width * value).collect::<Vec<_>>()
        };
        let mut tables = near(5, 0.4);
        tables.extend(near(6, 0.4));
        tables.iter_mut().for_each(|value| *value = 0.3 * (*value - 1.0));
        // Variances about 1, and less shared by patches farther apart, differently along x to the left and to the right.
        let variances = near(7, 0.5);
        tables.extend((0..PATCH * SHIFTS * PIXELS).map(|at| {
            let (dy, dx) = (at / PIXELS / SHIFTS, (at / PIXELS % SHIFTS) as f32 - 7.0);
            variances[at % PIXELS] * (1.0 - dy as f32 / 10.0) * (1.0 - (dx - 0.1 * dy as f32).abs() / 10.0)
        }));
        let inputs = vec![
            HostArray::noise(&[20, 30], seed),
            HostArray::noise(&[20, 30], seed + 1),
            HostArray::new(&[GROUPS, GROUP], &members),
            HostArray::new(&[GROUPS], &near(8, 0.5)[..GROUPS].iter().map(|value| 0.02 * value).collect::<Vec<_>>()),
            HostArray::new(&[TABLES], &tables),
        ];
        let outputs = vec![HostArray::zeros(&[GROUPS, GROUP, PATCH, PATCH]), HostArray::zeros(&[GROUPS])];
        Example { kernel, inputs, outputs }
    }
}
