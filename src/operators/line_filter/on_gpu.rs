//! The filter on a GPU: batches of lines through pad, transform, multiply, transform, crop.

use std::sync::Mutex;

use super::{LineFilterPlan, Run};
use crate::{
    device::{Array, Device, Element, Slab},
    error::Result,
    kernels::{CropLines, GUARD, MultiplyLines, PadLines},
    operators::fourier::{
        Direction::{Adjoint, Forward},
        on_gpu::Lines,
    },
};

/// Bytes of each working array: enough to fill a GPU, little beside the scan.
const WORK: u64 = 32 << 20;

/// The plan's tables and working memory on the GPU.
pub(super) struct Tables {
    device: Device,
    fourier: Lines,
    weights: Array,
    /// One line for all where nothing is extended.
    ends: Array,
    response: Array,
    scales: Array,
    work: Mutex<[Array; 2]>,
    /// Pairs that the working memory holds.
    batch: usize,
}

impl Tables {
    pub(super) fn new(device: &Device, plan: &LineFilterPlan) -> Result<Self> {
        let room = device.binding_limit().min(WORK) / (8 * plan.length as u64);
        let pairs = room.clamp(1, plan.lines().div_ceil(2) as u64) as usize;
        let none = [[0.0; 6]];
        let ends = if plan.beyond.extend > 0 { &plan.beyond.ends[..] } else { &none };
        let work = || device.zeros(&[pairs, plan.length, 2], Element::F32);
        Ok(Self {
            device: device.clone(),
            fourier: Lines::new(device, pairs, plan.length)?,
            weights: device.upload(&[plan.weights.len() / plan.columns, plan.columns], &plan.weights)?,
            ends: device.upload(&[ends.len(), 6], ends.as_flattened())?,
            response: device.upload(&[1, plan.length], &plan.response)?,
            scales: device.upload(&[plan.views], &plan.scales)?,
            work: Mutex::new([work()?, work()?]),
            batch: pairs,
        })
    }

    pub(super) fn batch(&self) -> usize {
        self.batch
    }

    /// How far from `line` the tables' slabs go.
    pub(super) fn end(&self, plan: &LineFilterPlan, line: usize) -> usize {
        let view = line / plan.rows;
        let mut views = self.scales.slab_of(view).lines().end;
        if plan.weights_per_view() {
            views = views.min(self.weights.slab_of(view).lines().end);
        }
        let lines = views * plan.rows;
        if plan.beyond.extend > 0 { lines.min(self.ends.slab_of(line).lines().end) } else { lines }
    }

    pub(super) fn filter(&self, plan: &LineFilterPlan, run: &Run, from: &Slab, into: &mut Slab) {
        let view = run.lines.start / plan.rows;
        let weights = self.weights.slab_of(if plan.weights_per_view() { view } else { 0 });
        let ends = self.ends.slab_of(if plan.beyond.extend > 0 { run.lines.start } else { 0 });
        let scales = self.scales.slab_of(view);
        let mut work = self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let [one, two] = &mut *work;
        let (one, two) = (one.slab_of_mut(0), two.slab_of_mut(0));
        let device = &self.device;
        device.run(&pad(plan, run, from, weights, ends), &[from, weights, ends], &mut [one]);
        self.fourier.transform(Forward, one, two, run.pairs);
        let multiply = MultiplyLines { lines: run.pairs as u32, length: plan.length as u32 };
        device.run(&multiply, &[self.response.slab_of(0)], &mut [two]);
        self.fourier.transform(Adjoint, two, one, run.pairs);
        device.run(&crop(plan, run, into, scales), &[one, scales], &mut [into]);
    }
}

fn pad(plan: &LineFilterPlan, run: &Run, from: &Slab, weights: &Slab, ends: &Slab) -> PadLines {
    PadLines {
        pairs: run.pairs as u32,
        lines: run.lines.len() as u32,
        columns: plan.columns as u32,
        length: plan.length as u32,
        extend: plan.beyond.extend as u32,
        window: plan.beyond.window,
        first: (run.lines.start - from.lines().start) as u32,
        line: run.lines.start as u32,
        rows: plan.rows as u32,
        weights_first: weights.lines().start as u32,
        weights_step: plan.weights_per_view() as u32,
        ends_first: ends.lines().start as u32,
    }
}

fn crop(plan: &LineFilterPlan, run: &Run, into: &Slab, scales: &Slab) -> CropLines {
    CropLines {
        pairs: run.pairs as u32,
        lines: run.lines.len() as u32,
        cells: plan.cells() as u32,
        before: plan.tails[0] as u32,
        length: plan.length as u32,
        guard: GUARD as u32,
        first: (run.lines.start - into.lines().start) as u32,
        line: run.lines.start as u32,
        rows: plan.rows as u32,
        scales_first: scales.lines().start as u32,
    }
}
