//! The filter on a GPU: batches of lines through pad, transform, multiply, transform, crop.

use std::{ops::Range, sync::Mutex};

use super::LineFilterPlan;
use crate::{
    device::{Array, Device, Element, Slab},
    error::Result,
    kernels::{CropLines, GUARD, MultiplyLines, PadLines, pad_lines::taper},
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
    taper: Array,
    response: Array,
    scales: Array,
    work: Mutex<[Array; 2]>,
    /// Lines that the working memory holds.
    batch: usize,
}

impl Tables {
    pub(super) fn new(device: &Device, plan: &LineFilterPlan) -> Result<Self> {
        let room = device.binding_limit().min(WORK) / (8 * plan.length as u64);
        let pairs = room.clamp(1, plan.lines().div_ceil(2) as u64) as usize;
        let taper = taper(plan.extend);
        let work = || device.zeros(&[pairs, plan.length, 2], Element::F32);
        Ok(Self {
            device: device.clone(),
            fourier: Lines::new(device, pairs, plan.length)?,
            weights: device.upload(&[plan.weights.len() / plan.columns, plan.columns], &plan.weights)?,
            taper: device.upload(&[1, taper.len()], taper)?,
            response: device.upload(&[1, plan.length], &plan.response)?,
            scales: device.upload(&[plan.views], &plan.scales)?,
            work: Mutex::new([work()?, work()?]),
            batch: 2 * pairs,
        })
    }

    pub(super) fn end_of_run(&self, plan: &LineFilterPlan, line: usize) -> usize {
        let view = line / plan.rows;
        let mut views = self.scales.slab_of(view).lines().end;
        if plan.weights_per_view() {
            views = views.min(self.weights.slab_of(view).lines().end);
        }
        (views * plan.rows).min(line + self.batch)
    }

    pub(super) fn filter(&self, plan: &LineFilterPlan, lines: Range<usize>, from: &Slab, into: &mut Slab) {
        let view = lines.start / plan.rows;
        let weights = self.weights.slab_of(if plan.weights_per_view() { view } else { 0 });
        let scales = self.scales.slab_of(view);
        let pairs = lines.len().div_ceil(2);
        let mut work = self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let [one, two] = &mut *work;
        let (one, two) = (one.slab_of_mut(0), two.slab_of_mut(0));
        let run = &self.device;
        run.run(&pad(plan, &lines, from, weights), &[from, weights, self.taper.slab_of(0)], &mut [one]);
        self.fourier.transform(Forward, one, two, pairs);
        let multiply = MultiplyLines { lines: pairs as u32, length: plan.length as u32 };
        run.run(&multiply, &[self.response.slab_of(0)], &mut [two]);
        self.fourier.transform(Adjoint, two, one, pairs);
        run.run(&crop(plan, &lines, into, scales), &[one, scales], &mut [into]);
    }
}

fn pad(plan: &LineFilterPlan, lines: &Range<usize>, from: &Slab, weights: &Slab) -> PadLines {
    PadLines {
        lines: lines.len() as u32,
        columns: plan.columns as u32,
        length: plan.length as u32,
        extend: plan.extend as u32,
        first: (lines.start - from.lines().start) as u32,
        line: lines.start as u32,
        rows: plan.rows as u32,
        weights_first: weights.lines().start as u32,
        weights_step: plan.weights_per_view() as u32,
    }
}

fn crop(plan: &LineFilterPlan, lines: &Range<usize>, into: &Slab, scales: &Slab) -> CropLines {
    CropLines {
        lines: lines.len() as u32,
        columns: plan.columns as u32,
        length: plan.length as u32,
        guard: GUARD as u32,
        first: (lines.start - into.lines().start) as u32,
        line: lines.start as u32,
        rows: plan.rows as u32,
        scales_first: scales.lines().start as u32,
    }
}
