//! The transform on the CPU: blocks of as many lines or columns as a register has lanes, each in cache from first to last.

use rayon::prelude::*;

use super::{Axis, Direction};
use crate::{
    device::{Array, Simd},
    kernels::fft_lanes::{FftLanes, Rows},
};

/// The Fourier transform of one complex image in host memory, `[nz·ny, 2, nx]`, for operators that keep an image in cache
/// while they work on it. Orthonormal; see [`super::Fourier`] for what `centred` means.
#[derive(Debug)]
pub struct HostFourier {
    extents: [usize; 3],
    steps: Vec<Step>,
}

/// The transform along one axis.
#[derive(Debug)]
struct Step {
    axis: Axis,
    fft: FftLanes,
    /// Index of the number that counts as the 0th.
    turn: usize,
    scale: f32,
}

/// The image's numbers, for blocks that never share one.
#[derive(Clone, Copy)]
struct Place {
    from: *mut f32,
    into: *mut f32,
}

impl Place {
    fn moved(self, by: usize) -> Self {
        Self { from: self.from.wrapping_add(by), into: self.into.wrapping_add(by) }
    }
}

// SAFETY: every block reads and writes numbers of its own.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl HostFourier {
    /// Plans the transform along `axes` of an image of `[nz, ny, nx]` voxels, index 0 being the frequency or place 0.
    ///
    /// # Panics
    /// If an extent is 0, or an axis is named twice.
    #[track_caller]
    pub fn new(extents: [usize; 3], axes: &[Axis]) -> Self {
        Self::planned(extents, axes, false, Simd::detected())
    }

    /// The same with frequency and place 0 at index N/2 of each of the `axes`.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[track_caller]
    pub fn centred(extents: [usize; 3], axes: &[Axis]) -> Self {
        Self::planned(extents, axes, true, Simd::detected())
    }

    #[track_caller]
    pub(super) fn planned(extents: [usize; 3], axes: &[Axis], centred: bool, simd: Simd) -> Self {
        super::check(extents, axes);
        // The longest strides come last, when the image is in cache.
        let steps = [Axis::X, Axis::Y, Axis::Z].into_iter().filter(|axis| axes.contains(axis));
        let steps = steps.filter(|axis| extents[*axis as usize] > 1).map(|axis| {
            let length = extents[axis as usize];
            let turn = if centred { length / 2 } else { 0 };
            Step { axis, fft: FftLanes::new(length, simd), turn, scale: (1.0 / (length as f64).sqrt()) as f32 }
        });
        Self { extents, steps: steps.collect() }
    }

    /// Numbers in an image, 2·nz·ny·nx.
    pub fn len(&self) -> usize {
        2 * self.extents.iter().product::<usize>()
    }

    /// An image has numbers.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Working memory for [`Self::transform`]; what it holds does not matter.
    pub fn scratch(&self) -> Vec<f32> {
        vec![0.0; self.steps.iter().map(|step| step.fft.work_len()).max().unwrap_or(0)]
    }

    /// Transforms an image in place, on this thread alone.
    ///
    /// # Panics
    /// If the image has other extents, or the scratch is not one that [`Self::scratch`] made.
    #[track_caller]
    pub fn transform(&self, direction: Direction, image: &mut [f32], scratch: &mut [f32]) {
        assert_eq!(image.len(), self.len(), "numbers of an image of {:?}", self.extents);
        let into = image.as_mut_ptr();
        // SAFETY: the image is borrowed for this call alone and has as many numbers as planned.
        unsafe { self.image(direction, Place { from: into, into }, scratch) };
    }

    /// As [`Self::image`], on every thread.
    ///
    /// # Safety
    /// As [`Self::image`].
    unsafe fn image_by_blocks(&self, direction: Direction, mut place: Place) {
        for step in &self.steps {
            let blocks = (0..self.blocks(step)).into_par_iter().with_min_len(2);
            blocks.for_each_init(
                || vec![0.0; step.fft.work_len()],
                // SAFETY: the caller's; blocks have no number in common.
                |work, block| unsafe { self.block(step, direction, block, place, work) },
            );
            place.from = place.into;
        }
    }

    /// # Safety
    /// `place` points to images of this plan's extents that only this call uses.
    unsafe fn image(&self, direction: Direction, mut place: Place, work: &mut [f32]) {
        for step in &self.steps {
            for block in 0..self.blocks(step) {
                // SAFETY: the caller's.
                unsafe { self.block(step, direction, block, place, work) };
            }
            place.from = place.into;
        }
    }

    /// Tasks that a step consists of.
    fn blocks(&self, step: &Step) -> usize {
        let [nz, ny, nx] = self.extents;
        let lanes = step.fft.lanes();
        match step.axis {
            Axis::X => (nz * ny).div_ceil(lanes),
            Axis::Y => nz * nx.div_ceil(lanes),
            Axis::Z => ny * nx.div_ceil(lanes),
        }
    }

    /// # Safety
    /// As [`Self::image`], of the numbers of this block.
    unsafe fn block(&self, step: &Step, direction: Direction, block: usize, place: Place, work: &mut [f32]) {
        let Step { axis, fft, turn, scale } = step;
        let [nz, ny, nx] = self.extents;
        let (lanes, line, inverse) = (fft.lanes(), 2 * nx, direction == Direction::Adjoint);
        // Planes of lines a stride apart that the axis goes through.
        let (plane, stride) = match axis {
            Axis::X => {
                let (first, lines) = (block * lanes, nz * ny);
                let Place { from, into } = place.moved(first * line);
                let count = lanes.min(lines - first);
                // SAFETY: the caller's.
                return unsafe { fft.lines(inverse, (from, into), (count, *turn), *scale, work) };
            }
            Axis::Y => (ny * line, line),
            Axis::Z => (line, ny * line),
        };
        let across = nx.div_ceil(lanes);
        let column = block % across * lanes;
        let first = block / across * plane + column;
        let rows = |numbers: *mut f32| {
            let re = numbers.wrapping_add(first);
            Rows { re, im: re.wrapping_add(nx), step: stride, turn: *turn, length: self.extents[*axis as usize] }
        };
        // SAFETY: the caller's.
        unsafe { fft.columns(inverse, (rows(place.from), rows(place.into)), lanes.min(nx - column), *scale, work) };
    }

    /// y ← the transform of the images of x, or of its own ones.
    pub(super) fn apply(&self, direction: Direction, x: Option<&Array>, y: &mut Array) {
        if self.steps.is_empty() {
            x.into_iter().for_each(|x| copy_lines(x, y));
        } else if let [slab] = y.slabs_mut()
            && x.is_none_or(|x| x.slabs().len() == 1)
        {
            let mut numbers = slab.host_mut();
            self.apply_to(direction, x.map(|x| x.slabs()[0].host().numbers()), numbers.numbers());
        } else {
            self.apply_across_slabs(direction, x, y);
        }
    }

    fn apply_to(&self, direction: Direction, x: Option<&[f32]>, y: &mut [f32]) {
        let len = self.len();
        // Without x what is read is y itself.
        let from = x.map_or(y.as_mut_ptr(), |x| x.as_ptr().cast_mut());
        assert!(x.is_none_or(|x| x.len() == y.len()) && y.len().is_multiple_of(len), "whole images");
        let place = Place { from, into: y.as_mut_ptr() };
        let at = |index: usize| place.moved(index * len);
        let images = y.len() / len;
        if images < rayon::current_num_threads() {
            // SAFETY: x and y are borrowed, and hold whole images.
            (0..images).for_each(|index| unsafe { self.image_by_blocks(direction, at(index)) });
        } else {
            // SAFETY: images have no number in common, and x and y are borrowed.
            let image = |work: &mut Vec<f32>, index| unsafe { self.image(direction, at(index), work) };
            (0..images).into_par_iter().for_each_init(|| self.scratch(), image);
        }
    }

    /// Image by image, since one may lie in two slabs.
    fn apply_across_slabs(&self, direction: Direction, x: Option<&Array>, y: &mut Array) {
        let [nz, ny, nx] = self.extents;
        let (lines, line) = (nz * ny, 2 * nx);
        let mut image = vec![0.0; self.len()];
        for first in (0..y.shape()[0]).step_by(lines) {
            for (index, numbers) in image.chunks_exact_mut(line).enumerate() {
                let slab = x.unwrap_or(y).slab_of(first + index);
                let start = (first + index - slab.lines().start) * line;
                numbers.copy_from_slice(&slab.host().numbers::<f32>()[start..start + line]);
            }
            self.apply_to(direction, None, &mut image);
            for (index, numbers) in image.chunks_exact(line).enumerate() {
                let slab = y.slab_of_mut(first + index);
                let start = (first + index - slab.lines().start) * line;
                slab.host_mut().numbers::<f32>()[start..start + line].copy_from_slice(numbers);
            }
        }
    }
}

fn copy_lines(x: &Array, y: &mut Array) {
    let line = x.line_len();
    for slab in y.slabs_mut() {
        let lines = slab.lines();
        for (numbers, index) in slab.host_mut().numbers::<f32>().chunks_exact_mut(line).zip(lines) {
            let source = x.slab_of(index);
            let start = (index - source.lines().start) * line;
            numbers.copy_from_slice(&source.host().numbers::<f32>()[start..start + line]);
        }
    }
}
