//! The filter on the CPU: one fused pass over pairs of lines, each in cache from first to last.

use std::sync::Arc;

use rayon::prelude::*;
use rustfft::{Fft, FftPlanner, num_complex::Complex32};

use super::{LineFilterPlan, Run};
use crate::{
    device::Slab,
    kernels::{GUARD, pad_lines::beyond},
};

/// Pairs that a thread takes at least, so that its working memory is seldom made anew.
const PAIRS: usize = 8;

/// rustfft's plans, forward and inverse: a line of a filter's length fits the first cache, a register of them does not.
pub(super) struct Planned {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

impl Planned {
    pub(super) fn new(length: usize) -> Self {
        let mut planner = FftPlanner::new();
        Self { forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
    }

    fn scratch(&self) -> Vec<Complex32> {
        let len = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        vec![Complex32::ZERO; len]
    }
}

/// A pair's first line, and where its one or two filtered lines go.
type Pair<'a> = (usize, &'a mut [f32], Option<&'a mut [f32]>);

impl LineFilterPlan {
    pub(super) fn filter_on_cpu(&self, planned: &Planned, run: &Run, from: &Slab, into: &mut Slab) {
        let (stride, first) = (self.cells() + 2 * GUARD, into.lines().start);
        let projections = (from.host().numbers::<f32>(), from.lines().start);
        let mut filtered = into.host_mut();
        let filtered = &mut filtered.numbers::<f32>()[(run.lines.start - first) * stride..];
        self.pairs(run, filtered).into_par_iter().with_min_len(PAIRS).for_each_init(
            || (vec![Complex32::ZERO; self.length], planned.scratch()),
            |(work, scratch), (line, one, other)| {
                let partner = other.is_some().then_some(line + self.rows);
                self.pad([Some(line), partner], projections, work);
                planned.forward.process_with_scratch(work, scratch);
                work.iter_mut().zip(&self.response).for_each(|(number, factor)| *number *= factor);
                planned.inverse.process_with_scratch(work, scratch);
                self.crop(line, work, one, |number| number.re);
                if let Some(other) = other {
                    self.crop(line + self.rows, work, other, |number| number.im);
                }
            },
        );
    }

    fn pairs<'a>(&self, run: &Run, filtered: &'a mut [f32]) -> Vec<Pair<'a>> {
        let (stride, rows) = (self.cells() + 2 * GUARD, self.rows);
        let (filtered, _) = filtered.split_at_mut(run.lines.len() * stride);
        let blocks = filtered.chunks_mut(2 * rows * stride).zip((run.lines.start..).step_by(2 * rows));
        let pairs = blocks.flat_map(|(block, line)| {
            let (one, other) = block.split_at_mut(block.len().min(rows * stride));
            let others = other.chunks_exact_mut(stride).map(Some).chain(std::iter::repeat_with(|| None));
            one.chunks_exact_mut(stride).zip(others).zip(line..).map(|((one, other), line)| (line, one, other))
        });
        pairs.take(run.pairs).collect()
    }

    /// One or two weighted lines become the parts of a complex one. `from` holds the projections from a line on.
    fn pad(&self, lines: [Option<usize>; 2], (from, first): (&[f32], usize), work: &mut [Complex32]) {
        let cells = |line: usize| &from[(line - first) * self.columns..][..self.columns];
        let (columns, rest) = work.split_at_mut(self.columns);
        rest.fill(Complex32::ZERO);
        match lines.map(|line| line.map(|line| (cells(line), self.weights_of(line)))) {
            [Some((re, weights)), Some((im, others))] => {
                let parts = re.iter().zip(weights).zip(im.iter().zip(others));
                for (cell, ((re, weight), (im, other))) in columns.iter_mut().zip(parts) {
                    *cell = Complex32::new(re * weight, im * other);
                }
            }
            [one, _] => {
                let (re, weights) = one.unwrap_or_default();
                for (cell, (re, weight)) in columns.iter_mut().zip(re.iter().zip(weights)) {
                    *cell = Complex32::new(re * weight, 0.0);
                }
            }
        }
        if self.beyond.extend > 0 {
            lines.into_iter().flatten().enumerate().for_each(|(part, line)| self.extend(line, part, work));
        }
    }

    fn extend(&self, line: usize, part: usize, work: &mut [Complex32]) {
        let [a, b, c, d, e, f] = self.beyond.ends[line];
        let weights = self.weights_of(line);
        let ends = [([a, b, c], weights[0]), ([d, e, f], weights[self.columns - 1])];
        for (side, (end, weight)) in ends.into_iter().enumerate() {
            if end[0] == 0.0 || weight == 0.0 {
                continue;
            }
            for distance in (1..=self.beyond.extend).take_while(|distance| *distance as f32 * end[1] < 1.0) {
                let index = if side == 1 { self.columns - 1 + distance } else { self.length - distance };
                let value = beyond(end, distance as f32, self.beyond.window) * weight;
                *(if part == 0 { &mut work[index].re } else { &mut work[index].im }) = value;
            }
        }
    }

    fn crop(&self, line: usize, work: &[Complex32], filtered: &mut [f32], part: fn(&Complex32) -> f32) {
        let scale = self.scales[line / self.rows];
        let [before, after] = self.tails;
        let (columns, (left, _)) = (&work[..self.columns + after], filtered.split_at_mut(GUARD));
        left.fill(0.0);
        filtered[GUARD + self.cells()..].fill(0.0);
        let numbers = work[self.length - before..].iter().chain(columns);
        for (cell, number) in filtered[GUARD..].iter_mut().zip(numbers) {
            *cell = part(number) * scale;
        }
    }

    fn weights_of(&self, line: usize) -> &[f32] {
        let first = if self.weights_per_view() { line / self.rows * self.columns } else { 0 };
        &self.weights[first..first + self.columns]
    }
}
