//! Finds, for every reference patch of a slice, the 16 patches of 8 × 8 pixels in a window about it that are most like it
//! (block matching; Dabov, Foi, Katkovnik & Egiazarian 2007, step 1), in that slice and in those of a stack about it.
//!
//! Pixels are compared as whole levels from 0 to 511: then a sum of 64 squares, at most 511²·64 < 2²⁴, is exact in f32 in
//! any order, and CPU and GPU choose the same patches. Of patches equally like it the first in the stack is chosen.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

/// Width and height of a patch.
pub const PATCH: usize = 8;
/// Patches of a group.
pub const GROUP: usize = 16;
/// The highest of the levels by which pixels are compared.
pub const HIGHEST_LEVEL: f32 = 511.0;
/// Instead of a group's patches where the reference is flat, and behind its last.
pub const NONE: u32 = u32::MAX;

const SIZE: usize = 64;
/// Numbers that a vector loop may read beyond a stack.
const MARGIN: usize = 32;

/// Input: a stack of slices `[slices·ny, nx]`, ny and nx at least 16. Output, u32 `[references, 16]`: the groups' patches, each
/// by the index of its first pixel, the reference first; all [`NONE`] where the reference is flat. Of patches that are near
/// enough a group has a power of two, and [`NONE`] behind the last. References begin every `step` pixels, and at the last place
/// where one fits, line by line.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct MatchPatches {
    /// Columns.
    pub nx: u32,
    /// Lines of a slice.
    pub ny: u32,
    /// Pixels between references.
    pub step: u32,
    /// A patch may begin so many pixels from its reference, along each axis.
    pub radius: u32,
    /// The value of level 0; what lies below has this level.
    pub lowest: f32,
    /// Levels per unit of the image; what lies above level 511 has this level.
    pub levels: f32,
    /// A reference whose levels differ by less is flat.
    pub flat: f32,
    /// The sum of squared differences of levels from which on a patch is not near enough.
    pub farthest: f32,
    /// Slices of the stack.
    pub slices: u32,
    /// The one that references are in.
    pub middle: u32,
}

impl MatchPatches {
    /// References along y and along x.
    pub fn references(&self) -> [usize; 2] {
        [self.ny, self.nx].map(|extent| (extent as usize - PATCH).div_ceil(self.step as usize) + 1)
    }

    fn level(&self, value: f32) -> f32 {
        ((value - self.lowest) * self.levels).floor().clamp(0.0, HIGHEST_LEVEL)
    }

    /// Where reference number `index` of an axis of `extent` pixels begins, and the first and last place of its matches.
    fn window(&self, index: usize, extent: u32) -> [usize; 3] {
        let last = extent as usize - PATCH;
        let place = (index * self.step as usize).min(last);
        let radius = self.radius as usize;
        [place, place.saturating_sub(radius), (place + radius).min(last)]
    }
}

/// One reference: its group.
struct Search<'a> {
    kernel: &'a MatchPatches,
    /// Levels, with a margin behind them.
    stack: &'a [f32],
    /// Of the reference, along y and along x.
    index: [usize; 2],
    group: &'a mut [u32],
}

impl Loop for Search<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel, stack, index, group } = self;
        let (nx, pixels) = (kernel.nx as usize, kernel.ny as usize * kernel.nx as usize);
        let ([y, top, bottom], [x, left, right]) =
            (kernel.window(index[0], kernel.ny), kernel.window(index[1], kernel.nx));
        let own = kernel.middle as usize * pixels + y * nx + x;
        let reference: [f32; PATCH * PATCH] = std::array::from_fn(|at| stack[own + at / PATCH * nx + at % PATCH]);
        let (most, least) =
            reference.iter().fold((0.0_f32, HIGHEST_LEVEL), |(a, b), value| (a.max(*value), b.min(*value)));
        if most - least < kernel.flat {
            group.fill(NONE);
            return;
        }
        // What is not near enough need not be kept.
        let mut best = Best { distances: [kernel.farthest; GROUP], group };
        best.insert(-1.0, own as u32);
        let mut distances = [0.0_f32; MARGIN];
        for line in (0..kernel.slices as usize).flat_map(|z| (top..=bottom).map(move |line| z * pixels + line * nx)) {
            for column in (left..=right).step_by(L::N) {
                let first = line + column;
                debug_assert!(first + (PATCH - 1) * (nx + 1) + L::N <= stack.len());
                let (patch, least) = (stack[first..].as_ptr(), best.distances[GROUP - 1]);
                // SAFETY: the margin behind the stack is longer than a register, and so is `distances`.
                let nearer = unsafe { distances_below::<L>(patch, nx, &reference, least, &mut distances) };
                let mut nearer = nearer & (u32::MAX >> (32 - L::N.min(right + 1 - column)));
                while nearer != 0 {
                    let offset = nearer.trailing_zeros() as usize;
                    nearer &= nearer - 1;
                    if distances[offset] < best.distances[GROUP - 1] && first + offset != own {
                        best.insert(distances[offset], (first + offset) as u32);
                    }
                }
            }
        }
        let near = best.distances.iter().filter(|distance| **distance < kernel.farthest).count();
        best.group[1 << near.ilog2()..].fill(NONE);
    }
}

/// Distances of `L::N` neighbouring patches, the first of them at `patch`; a bit for each that is below `bound`. Patches are
/// given up, their distances unknown, as soon as a part of the lines tells that none of them is.
///
/// # Safety
/// `patch` has seven lines of `nx` numbers and 7 + `L::N` more behind it; `into` has room for `L::N`.
#[inline(always)]
unsafe fn distances_below<L: Lanes>(
    patch: *const f32,
    nx: usize,
    reference: &[f32; PATCH * PATCH],
    bound: f32,
    into: &mut [f32; MARGIN],
) -> u32 {
    // SAFETY: as above.
    unsafe {
        let mut sum = L::splat(0.0);
        for lines in [0..2, 2..4, 4..PATCH] {
            let (mut even, mut odd) = (sum, L::splat(0.0));
            for y in lines {
                let (patch, own) = (patch.add(y * nx), reference[y * PATCH..].as_ptr());
                even = add_square(patch, own, even);
                odd = add_square(patch.add(1), own.add(1), odd);
                even = add_square(patch.add(2), own.add(2), even);
                odd = add_square(patch.add(3), own.add(3), odd);
                even = add_square(patch.add(4), own.add(4), even);
                odd = add_square(patch.add(5), own.add(5), odd);
                even = add_square(patch.add(6), own.add(6), even);
                odd = add_square(patch.add(7), own.add(7), odd);
            }
            sum = even.add(odd);
            if sum.below(bound) == 0 {
                return 0;
            }
        }
        sum.store(into.as_mut_ptr());
        sum.below(bound)
    }
}

/// The sum, and the squared differences of a register of numbers from one.
#[inline(always)]
unsafe fn add_square<L: Lanes>(numbers: *const f32, own: *const f32, sum: L) -> L {
    // SAFETY: the caller's.
    unsafe {
        let difference = L::load(numbers).sub(L::splat(*own));
        difference.mul_add(difference, sum)
    }
}

/// The best so far, in order.
struct Best<'a> {
    distances: [f32; GROUP],
    group: &'a mut [u32],
}

impl Best<'_> {
    /// In front of what is farther, behind what is as far; the last falls out.
    #[inline(always)]
    fn insert(&mut self, distance: f32, place: u32) {
        let mut at = GROUP - 1;
        while at > 0 && self.distances[at - 1] > distance {
            self.distances[at] = self.distances[at - 1];
            self.group[at] = self.group[at - 1];
            at -= 1;
        }
        self.distances[at] = distance;
        self.group[at] = place;
    }
}

impl Kernel for MatchPatches {
    const NAME: &'static str = "match_patches";
    const WGSL: &'static str = include_str!("../../shaders/match_patches.wgsl");
    const TOLERANCE: f32 = 0.0;

    fn workgroups(&self) -> [u32; 3] {
        let [rows, columns] = self.references();
        fold((rows * columns).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.slices as usize * self.nx as usize * self.ny as usize;
        let mut stack: Vec<f32> = inputs[0].numbers::<f32>()[..count].iter().map(|value| self.level(*value)).collect();
        stack.resize(count + MARGIN, 0.0);
        let [rows, columns] = self.references();
        let groups = &mut outputs[0].numbers::<u32>()[..rows * columns * GROUP];
        let simd = Simd::detected();
        groups.par_chunks_exact_mut(columns * GROUP).enumerate().for_each(|(row, groups)| {
            for (column, group) in groups.chunks_exact_mut(GROUP).enumerate() {
                let (kernel, stack, index) = (self, &stack[..], [row, column]);
                lanes::run(simd, Search { kernel, stack, index, group });
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let radius = 7 + seed as u32;
        // Coarse levels, so that there are ties.
        let farthest = if seed == 0 { f32::MAX } else { 78.0 };
        let kernel = Self {
            nx: 41,
            ny: 30,
            step: 4,
            radius,
            lowest: -0.8,
            levels: 2.0,
            flat: 3.0,
            farthest,
            slices: 1 + seed as u32,
            middle: seed as u32 / 2,
        };
        let [rows, columns] = kernel.references();
        let groups = HostArray::new(&[rows * columns, GROUP], &vec![7_u32; rows * columns * GROUP]);
        Example {
            kernel,
            inputs: vec![HostArray::noise(&[kernel.slices as usize * 30, 41], seed)],
            outputs: vec![groups],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances of all patches, sorted, on every SIMD level.
    #[test]
    fn groups_are_those_of_a_full_sort() {
        for seed in 0..3 {
            let Example { kernel, inputs, .. } = MatchPatches::example(seed);
            let levels: Vec<f32> = inputs[0].numbers::<f32>().iter().map(|value| kernel.level(*value)).collect();
            let mut stack = levels.clone();
            stack.resize(levels.len() + MARGIN, 0.0);
            let (slices, middle) = (kernel.slices as usize, kernel.middle as usize);
            let patch = |z: usize, y: usize, x: usize| -> Vec<f32> {
                (0..64).map(|at| levels[(30 * z + y + at / 8) * 41 + x + at % 8]).collect()
            };
            for index in [[0, 0], [2, 3], [6, 9]] {
                let [y, x] = [(4 * index[0]).min(22), (4 * index[1]).min(33)];
                let own = patch(middle, y, x);
                let near = |place: usize, other: usize| place.abs_diff(other) <= kernel.radius as usize;
                let mut all: Vec<(i64, u32)> = (0..slices)
                    .flat_map(|z| (0..=22).flat_map(move |v| (0..=33).map(move |u| (z, v, u))))
                    .filter(|(_, v, u)| near(*v, y) && near(*u, x))
                    .map(|(z, v, u)| {
                        let sum: f32 = patch(z, v, u).iter().zip(&own).map(|(a, b)| (a - b) * (a - b)).sum();
                        let itself = (z, v, u) == (middle, y, x);
                        (if itself { -1 } else { sum as i64 }, ((30 * z + v) * 41 + u) as u32)
                    })
                    .collect();
                all.sort_unstable();
                let near = all[..GROUP].iter().filter(|(distance, _)| (*distance as f32) < kernel.farthest).count();
                let kept = [1, 2, 4, 8, 16].into_iter().rfind(|kept| *kept <= near).unwrap();
                let place = |(at, (_, place)): (usize, &(i64, u32))| if at < kept { *place } else { NONE };
                let expected: Vec<u32> = all[..GROUP].iter().enumerate().map(place).collect();
                for simd in Simd::available() {
                    let mut group = [0; GROUP];
                    let search = Search { kernel: &kernel, stack: &stack, index, group: &mut group };
                    lanes::run(simd, search);
                    assert_eq!(group[..], expected, "{simd}, seed {seed}, reference {index:?}");
                }
            }
        }
    }
}
