//! Collaborative filtering by hard thresholding (Dabov, Foi, Katkovnik & Egiazarian 2007): of a group of 16 like patches a
//! 3-D cosine transform is taken (DCT-II, orthonormal: 8 × 8 in the patch, 16 across the group), coefficients below the
//! threshold are set to 0, and it is transformed back.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{
    lanes::{self, Lanes, Loop},
    match_patches::{GROUP, PATCH},
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const PIXELS: usize = PATCH * PATCH;

/// Inputs: a slice `[ny, nx]`; the groups, u32 `[groups, 16]`, by the patches' first pixels; [`basis`]. Outputs: the filtered
/// patches `[groups, 16, 8, 8]`; a weight for each group, 1 over the number of coefficients kept. The mean is always kept.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct FilterGroups {
    /// Groups.
    pub groups: u32,
    /// Columns of the slice.
    pub nx: u32,
    /// Smaller coefficients become 0; white noise of standard deviation σ has coefficients of that deviation.
    pub threshold: f32,
}

/// The matrices of the cosine transforms: of 8 numbers, then of 16; `[frequency, place]` each.
pub fn basis() -> Vec<f32> {
    let matrix = |n: usize| {
        (0..n * n).map(move |at| {
            let (frequency, place) = ((at / n) as f64, (at % n) as f64);
            let scale = if at < n { 1.0 } else { 2.0_f64.sqrt() } / (n as f64).sqrt();
            (scale * (std::f64::consts::PI * frequency * (place + 0.5) / n as f64).cos()) as f32
        })
    };
    matrix(PATCH).chain(matrix(GROUP)).collect()
}

type Patches = [[f32; PIXELS]; GROUP];

/// One group.
struct Filter<'a> {
    kernel: &'a FilterGroups,
    slice: &'a [f32],
    members: &'a [u32],
    basis: &'a [f32],
    patches: &'a mut [f32],
    weight: &'a mut f32,
}

/// out[f] = Σ m[f, p] in[p], or with m transposed. Plain loops over arrays of known length become vector code.
#[inline(always)]
fn transform<const N: usize, const W: usize>(
    m: &[f32],
    transposed: bool,
    from: &[[f32; W]; N],
    into: &mut [[f32; W]; N],
) {
    for (f, into) in into.iter_mut().enumerate() {
        let mut sum = [0.0; W];
        for (p, from) in from.iter().enumerate() {
            let factor = if transposed { m[p * N + f] } else { m[f * N + p] };
            for (sum, from) in sum.iter_mut().zip(from) {
                *sum += factor * from;
            }
        }
        *into = sum;
    }
}

/// The transform of a patch along its columns, then along its lines; the result is transposed, as the input may be.
#[inline(always)]
fn transform_patch(m: &[f32], transposed: bool, patch: &mut [f32; PIXELS]) {
    for _ in 0..2 {
        let mut lines = [[0.0; PATCH]; PATCH];
        let mut turned = [[0.0; PATCH]; PATCH];
        for (line, numbers) in lines.iter_mut().zip(patch.chunks_exact(PATCH)) {
            line.copy_from_slice(numbers);
        }
        transform(m, transposed, &lines, &mut turned);
        for y in 0..PATCH {
            for x in 0..PATCH {
                patch[x * PATCH + y] = turned[y][x];
            }
        }
    }
}

impl Loop for Filter<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel, slice, members, basis, patches, weight } = self;
        let nx = kernel.nx as usize;
        let (small, large) = basis.split_at(PATCH * PATCH);
        let mut read: Patches = [[0.0; PIXELS]; GROUP];
        for (patch, first) in read.iter_mut().zip(members) {
            for (y, line) in patch.chunks_exact_mut(PATCH).enumerate() {
                line.copy_from_slice(&slice[*first as usize + y * nx..][..PATCH]);
            }
        }
        let mut coefficients: Patches = [[0.0; PIXELS]; GROUP];
        transform(large, false, &read, &mut coefficients);
        let mut kept = 0;
        for (index, patch) in coefficients.iter_mut().enumerate() {
            transform_patch(small, false, patch);
            let mean = patch[0];
            for value in patch.iter_mut() {
                let keep = value.abs() >= kernel.threshold;
                kept += u32::from(keep);
                *value = if keep { *value } else { 0.0 };
            }
            if index == 0 {
                kept += u32::from(mean.abs() < kernel.threshold);
                patch[0] = mean;
            }
            transform_patch(small, true, patch);
        }
        transform(large, true, &coefficients, &mut read);
        patches.copy_from_slice(read.as_flattened());
        *weight = 1.0 / kept as f32;
    }
}

impl Kernel for FilterGroups {
    const NAME: &'static str = "filter_groups";
    const WGSL: &'static str = include_str!("../../shaders/filter_groups.wgsl");
    const TOLERANCE: f32 = 1e-5;

    fn workgroups(&self) -> [u32; 3] {
        fold(self.groups as usize)
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let groups = self.groups as usize;
        let (slice, members, basis) =
            (inputs[0].numbers::<f32>(), inputs[1].numbers::<u32>(), inputs[2].numbers::<f32>());
        let [patches, weights] = outputs else { panic!("two outputs") };
        let patches = patches.numbers::<f32>()[..groups * GROUP * PIXELS].par_chunks_exact_mut(GROUP * PIXELS);
        let weights = weights.numbers::<f32>()[..groups].par_iter_mut();
        let members = members[..groups * GROUP].par_chunks_exact(GROUP);
        let simd = Simd::detected();
        patches.zip(weights).zip(members).with_min_len(16).for_each(|((patches, weight), members)| {
            lanes::run(simd, Filter { kernel: self, slice, members, basis, patches, weight });
        });
    }

    fn example(seed: u64) -> Example<Self> {
        const GROUPS: usize = 5;
        let kernel = Self { groups: GROUPS as u32, nx: 30, threshold: 0.5 };
        let members: Vec<u32> =
            (0..GROUPS * GROUP).map(|i| ((i * 7 + seed as usize) % 12 * 30 + i * 5 % 22) as u32).collect();
        let inputs = vec![
            HostArray::noise(&[20, 30], seed),
            HostArray::new(&[GROUPS, GROUP], &members),
            HostArray::new(&[PATCH * PATCH + GROUP * GROUP], &basis()),
        ];
        let outputs = vec![HostArray::zeros(&[GROUPS, GROUP, PATCH, PATCH]), HostArray::zeros(&[GROUPS])];
        Example { kernel, inputs, outputs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_is_orthonormal() {
        let basis = basis();
        for (n, m) in [(PATCH, &basis[..64]), (GROUP, &basis[64..])] {
            for (a, b) in (0..n * n).map(|at| (at / n, at % n)) {
                let product: f32 = (0..n).map(|i| m[a * n + i] * m[b * n + i]).sum();
                assert!((product - f32::from(u8::from(a == b))).abs() < 1e-6, "{a} {b}: {product}");
            }
        }
    }

    /// Without a threshold nothing changes, and all 1024 coefficients are kept; with a large one the mean remains. On every
    /// SIMD level.
    #[test]
    fn a_group_comes_back_or_becomes_its_mean() {
        let Example { kernel, inputs, .. } = FilterGroups::example(1);
        let (slice, members) = (inputs[0].numbers::<f32>(), &inputs[1].numbers::<u32>()[..GROUP]);
        let pixel = |at: usize| slice[members[at / PIXELS] as usize + at % PIXELS / PATCH * 30 + at % PATCH];
        let expected: Vec<f32> = (0..GROUP * PIXELS).map(pixel).collect();
        let mean = expected.iter().sum::<f32>() / 1024.0;
        for simd in Simd::available() {
            for (threshold, count) in [(0.0, 1024.0), (1e3, 1.0)] {
                let kernel = FilterGroups { threshold, ..kernel };
                let (mut patches, mut weight) = (vec![0.0; 1024], 0.0);
                let filter = Filter {
                    kernel: &kernel,
                    slice,
                    members,
                    basis: inputs[2].numbers(),
                    patches: &mut patches,
                    weight: &mut weight,
                };
                lanes::run(simd, filter);
                assert_eq!(weight, 1.0 / count, "{simd}");
                for (found, expected) in patches.iter().zip(&expected) {
                    let expected = if count == 1.0 { mean } else { *expected };
                    assert!((found - expected).abs() < 2e-6, "{simd}, threshold {threshold}: {found} {expected}");
                }
            }
        }
    }
}
