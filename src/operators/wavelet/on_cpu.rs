//! x ← argmin ½‖u − x‖² + λ‖details of W u‖₁ on the CPU: down the levels, details shortened on the way back up, all within
//! the cache. Lines are filtered along y as a whole, and along x while they are at hand.

use rayon::prelude::*;

use super::Wavelets;
use crate::{
    device::Simd,
    kernels::{combine, soften},
};

/// What the sweeps need: filters, and coefficients level by level.
#[derive(Debug)]
pub(crate) struct Shrinkage {
    low: Vec<f32>,
    high: Vec<f32>,
    parts: usize,
    /// Blocks `[y, x]`, level by level.
    blocks: Vec<[usize; 2]>,
    /// `[y, parts, x]` each.
    levels: Vec<Vec<f32>>,
    simd: Simd,
}

struct Filters<const K: usize> {
    low: [f32; K],
    high: [f32; K],
    /// What makes even and odd numbers: every second tap of `low`, then of `high`.
    phases: [[f32; K]; 2],
    simd: Simd,
    parts: usize,
}

/// Lines of a block of an image, as the last level left it.
struct Source<'a> {
    numbers: &'a [f32],
    lines: usize,
    /// From part to part.
    stride: usize,
    shift: [usize; 2],
    width: usize,
}

impl Shrinkage {
    pub fn new(wavelets: &Wavelets) -> Self {
        let single = |taps: &[f64]| taps.iter().map(|tap| *tap as f32).collect::<Vec<_>>();
        let (parts, blocks) = (wavelets.pixels().parts(), wavelets.blocks().to_vec());
        let levels = blocks.iter().map(|[y, x]| vec![0.0; y * parts * x]).collect();
        let (low, high) = (single(wavelets.family().low()), single(&wavelets.family().high()));
        Self { low, high, parts, blocks, levels, simd: Simd::detected() }
    }

    /// Shortens the details of one slice `[y, parts, x]` by `threshold`, after it was moved up and left by `shift`.
    pub fn apply(&mut self, threshold: f32, shift: [usize; 2], slice: &mut [f32]) {
        match self.low.len() {
            2 => self.sweep::<2>(threshold, shift, slice),
            4 => self.sweep::<4>(threshold, shift, slice),
            6 => self.sweep::<6>(threshold, shift, slice),
            8 => self.sweep::<8>(threshold, shift, slice),
            taps => unreachable!("{taps} taps"),
        }
    }

    fn sweep<const K: usize>(&mut self, threshold: f32, shift: [usize; 2], slice: &mut [f32]) {
        let Self { low, high, parts, blocks, levels, simd } = self;
        let [low, high] = [low, high].map(|taps| std::array::from_fn(|k| taps[k]));
        let phase =
            |phase| std::array::from_fn(|k| if k < K / 2 { low[2 * k + phase] } else { high[2 * k - K + phase] });
        let filters = Filters::<K> { low, high, phases: [phase(0), phase(1)], simd: *simd, parts: *parts };
        for (level, &[height, width]) in blocks.iter().enumerate() {
            let (before, after) = levels.split_at_mut(level);
            let source = match before.last() {
                None => Source { numbers: slice, lines: height, stride: width, shift, width },
                Some(numbers) => Source { numbers, lines: height, stride: blocks[level - 1][1], shift: [0, 0], width },
            };
            filters.analyse(&source, &mut after[0]);
        }
        for (level, &[_, width]) in blocks.iter().enumerate().rev() {
            let (before, after) = levels.split_at_mut(level);
            filters.shorten(threshold, width, &mut after[0]);
            match before.last_mut() {
                None => filters.synthesise(&after[0], (width, width), shift, slice),
                Some(coarse) => filters.synthesise(&after[0], (width, blocks[level - 1][1]), [0, 0], coarse),
            }
        }
    }
}

impl<'a> Source<'a> {
    fn line(&self, line: usize, part: usize, parts: usize) -> &'a [f32] {
        let line = if self.shift[0] > 0 { (line + self.shift[0]) % self.lines } else { line };
        &self.numbers[(line * parts + part) * self.stride..][..self.width]
    }
}

/// So many lines at a time are worth a thread.
fn share(line: usize) -> usize {
    (8192 / line).max(1)
}

impl<const K: usize> Filters<K> {
    /// A level down: from a block into the four quarters of `level`.
    fn analyse(&self, source: &Source, level: &mut [f32]) {
        let &Source { lines, width, shift: [_, shift], .. } = source;
        let (half, line) = (lines / 2, self.parts * width);
        let (lows, rest) = level.split_at_mut(half * line);
        let (highs, last) = rest.split_at_mut(half * line);
        let scratch = || (vec![0.0; width], vec![0.0; width + 2 * K]);
        let pairs = lows.par_chunks_exact_mut(line).zip(highs.par_chunks_exact_mut(line));
        pairs.with_min_len(share(2 * line)).enumerate().for_each_init(scratch, |(filtered, scratch), (index, pair)| {
            let pairs = pair.0.chunks_exact_mut(width).zip(pair.1.chunks_exact_mut(width));
            for (part, (low, high)) in pairs.enumerate() {
                let lines = std::array::from_fn(|k| source.line((2 * index + k) % (2 * half), part, self.parts));
                for (taps, out) in [(self.low, low), (self.high, high)] {
                    combine(self.simd, taps, lines, filtered);
                    filtered.rotate_left(shift);
                    self.analyse_line(filtered, scratch, out);
                }
            }
        });
        let (mut filtered, mut scratch) = scratch();
        // The last of an odd number of lines.
        for (part, out) in last.chunks_exact_mut(width).enumerate() {
            filtered.copy_from_slice(source.line(2 * half, part, self.parts));
            filtered.rotate_left(shift);
            self.analyse_line(&filtered, &mut scratch, out);
        }
    }

    fn analyse_line(&self, line: &[f32], scratch: &mut [f32], out: &mut [f32]) {
        let half = line.len() / 2;
        let (even, odd) = scratch.split_at_mut(half + K);
        for ((even, odd), pair) in even.iter_mut().zip(&mut *odd).zip(line.chunks_exact(2)) {
            (*even, *odd) = (pair[0], pair[1]);
        }
        for q in 0..K / 2 {
            (even[half + q], odd[half + q]) = (even[q], odd[q]);
        }
        let (even, odd) = (&*even, &*odd);
        let lines = std::array::from_fn(|k| if k % 2 == 0 { &even[k / 2..] } else { &odd[k / 2..] });
        let (low, high) = out.split_at_mut(half);
        combine(self.simd, self.low, lines, low);
        combine(self.simd, self.high, lines, &mut high[..half]);
        high[half..].copy_from_slice(&line[2 * half..]);
    }

    /// Shortens a level's details, and puts each of its lines together again.
    fn shorten(&self, threshold: f32, width: usize, level: &mut [f32]) {
        let line = self.parts * width;
        let half = level.len() / line / 2;
        let scratch = || vec![0.0; 2 * width + 2 * K];
        level.par_chunks_exact_mut(line).with_min_len(share(line)).enumerate().for_each_init(
            scratch,
            |scratch, (y, line)| {
                let details = if (half..2 * half).contains(&y) { 0..width } else { width / 2..width / 2 * 2 };
                soften(self.simd, threshold, &mut line[details.start..], width, &mut scratch[..details.len()]);
                line.chunks_exact_mut(width).for_each(|line| self.synthesise_line(line, scratch));
            },
        );
    }

    fn synthesise_line(&self, line: &mut [f32], scratch: &mut [f32]) {
        let (half, before) = (line.len() / 2, K / 2);
        let (padded, phases) = scratch.split_at_mut(2 * (half + before));
        for (padded, numbers) in padded.chunks_exact_mut(half + before).zip(line.chunks_exact(half)) {
            padded[before..].copy_from_slice(numbers);
            for place in (0..before).rev() {
                padded[place] = padded[place + half];
            }
        }
        let padded = &*padded;
        let lines = std::array::from_fn(|k| match k < K / 2 {
            true => &padded[before - k..],
            false => &padded[half + before + (before + K / 2 - k)..],
        });
        let (even, odd) = phases.split_at_mut(half);
        let odd = &mut odd[..half];
        combine(self.simd, self.phases[0], lines, even);
        combine(self.simd, self.phases[1], lines, odd);
        for (pair, (even, odd)) in line.chunks_exact_mut(2).zip(even.iter().zip(odd)) {
            (pair[0], pair[1]) = (*even, *odd);
        }
    }

    /// A level up: lines of `width` numbers into the upper left of an image with lines of `stride`.
    fn synthesise(&self, level: &[f32], (width, stride): (usize, usize), shift: [usize; 2], image: &mut [f32]) {
        let line = self.parts * width;
        let height = level.len() / line;
        let half = height / 2;
        let lines = image[..height * self.parts * stride].par_chunks_exact_mut(self.parts * stride);
        lines.with_min_len(share(line)).enumerate().for_each(|(place, out)| {
            let y = (place + height - shift[0]) % height;
            for (part, out) in out.chunks_exact_mut(stride).enumerate() {
                let (out, from) = (&mut out[..width], |y: usize| &level[y * line + part * width..][..width]);
                if y == 2 * half {
                    out.copy_from_slice(from(y));
                } else {
                    let lines = std::array::from_fn(|k| {
                        let back = |q: usize| (y / 2 + K * half - q) % half;
                        if k < K / 2 { from(back(k)) } else { from(half + back(k - K / 2)) }
                    });
                    combine(self.simd, self.phases[y % 2], lines, out);
                }
                out.rotate_right(shift[1]);
            }
        });
    }
}
