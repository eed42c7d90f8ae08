//! The filter on the CPU: one fused pass over pairs of lines, each in cache from first to last.

use std::{ops::Range, sync::Arc};

use rayon::prelude::*;
use rustfft::{Fft, FftPlanner, num_complex::Complex32};

use super::{LineFilter, LineFilterPlan};
use crate::{device::Slab, kernels::GUARD};

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

impl LineFilter {
    pub(super) fn filter_on_cpu(
        &self,
        (planned, taper): (&Planned, &[f32]),
        lines: Range<usize>,
        from: &Slab,
        into: &mut Slab,
    ) {
        let plan = &self.plan;
        let stride = plan.columns + 2 * GUARD;
        let within = |slab: &Slab, width: usize| {
            let first = slab.lines().start;
            (lines.start - first) * width..(lines.end - first) * width
        };
        let (cells, filtered_cells) = (within(from, plan.columns), within(into, stride));
        let projections = &from.host().numbers::<f32>()[cells];
        let mut filtered = into.host_mut();
        let filtered = &mut filtered.numbers::<f32>()[filtered_cells];
        let pairs = projections.par_chunks(2 * plan.columns).zip(filtered.par_chunks_mut(2 * stride));
        pairs.with_min_len(PAIRS).enumerate().for_each_init(
            || (vec![Complex32::ZERO; plan.length], planned.scratch()),
            |(work, scratch), (pair, (projections, filtered))| {
                let line = lines.start + 2 * pair;
                plan.pad(line, projections, work);
                plan.extend(taper, work);
                planned.forward.process_with_scratch(work, scratch);
                work.iter_mut().zip(&plan.response).for_each(|(number, factor)| *number *= factor);
                planned.inverse.process_with_scratch(work, scratch);
                plan.crop(line, work, filtered);
            },
        );
    }
}

impl LineFilterPlan {
    /// One or two weighted lines become the parts of a complex one.
    fn pad(&self, line: usize, projections: &[f32], work: &mut [Complex32]) {
        let (re, im) = projections.split_at(self.columns);
        let (cells, rest) = work.split_at_mut(self.columns);
        for (cell, (value, weight)) in cells.iter_mut().zip(re.iter().zip(self.weights_of(line))) {
            *cell = Complex32::new(value * weight, 0.0);
        }
        if !im.is_empty() {
            for (cell, (value, weight)) in cells.iter_mut().zip(im.iter().zip(self.weights_of(line + 1))) {
                cell.im = value * weight;
            }
        }
        rest.fill(Complex32::ZERO);
    }

    fn extend(&self, taper: &[f32], work: &mut [Complex32]) {
        let (left, right) = (work[0], work[self.columns - 1]);
        for (k, factor) in taper.iter().take(self.extend).enumerate() {
            work[self.columns + k] = right * factor;
            work[self.length - 1 - k] = left * factor;
        }
    }

    fn crop(&self, line: usize, work: &[Complex32], filtered: &mut [f32]) {
        let parts: [fn(&Complex32) -> f32; 2] = [|number| number.re, |number| number.im];
        for (index, filtered) in filtered.chunks_exact_mut(self.columns + 2 * GUARD).enumerate() {
            let scale = self.scales[(line + index) / self.rows];
            filtered[..GUARD].fill(0.0);
            filtered[GUARD + self.columns..].fill(0.0);
            for (cell, number) in filtered[GUARD..].iter_mut().zip(&work[..self.columns]) {
                *cell = parts[index](number) * scale;
            }
        }
    }

    fn weights_of(&self, line: usize) -> &[f32] {
        let first = if self.weights_per_view() { line / self.rows * self.columns } else { 0 };
        &self.weights[first..first + self.columns]
    }
}
