//! Filters detector lines: weighted, extended and padded, convolved through the Fourier domain, cropped and scaled.
//! Two real lines go through the transform as one complex line, since the response is real and even:
//! q + i r = F* (h · F (p + i s)) gives q = F* h F p and r = F* h F s.

use std::ops::Range;

use crate::{
    device::{Array, Device, Slab},
    error::Result,
    kernels::{GUARD, pad_lines::taper},
    monitor::Monitor,
};

mod on_cpu;
mod on_gpu;

use on_cpu::Planned;

/// What a [`LineFilter`] does. Line = view · rows + row.
#[derive(Clone, Debug)]
pub struct LineFilterPlan {
    /// Views of the scan.
    pub views: usize,
    /// Detector rows.
    pub rows: usize,
    /// Cells in a row.
    pub columns: usize,
    /// Length of the transform: at least 2 (columns + extend), so that the wrapped-around ends of the convolution
    /// stay off the cells; without prime factors above 13 on a GPU.
    pub length: usize,
    /// Cells K of extrapolation beyond each edge, e·cos²(πk/(2(K+1))) of the edge cell's value e; 0 for none.
    pub extend: usize,
    /// The filter's frequency response, `[length]` in FFT order; even.
    pub response: Vec<f32>,
    /// Factors of the cells before the filter, `[1 or views, columns]`.
    pub weights: Vec<f32>,
    /// Factors of the views after the filter, `[views]`.
    pub scales: Vec<f32>,
}

/// A filter over the lines of a scan, planned for one device.
pub struct LineFilter {
    plan: LineFilterPlan,
    means: Means,
}

enum Means {
    Cpu { planned: Planned, taper: Vec<f32> },
    Gpu(Box<on_gpu::Tables>),
}

impl LineFilterPlan {
    fn lines(&self) -> usize {
        self.views * self.rows
    }

    fn weights_per_view(&self) -> bool {
        self.weights.len() > self.columns
    }

    #[track_caller]
    fn check(&self) {
        let Self { views, rows, columns, length, extend, .. } = *self;
        assert!(views > 0 && rows > 0 && columns > 0, "{views} views, {rows} rows, {columns} columns");
        assert!(
            length >= 2 * (columns + extend),
            "length {length} for {columns} columns and {extend} beyond each edge"
        );
        assert_eq!(self.response.len(), length, "response");
        assert!([columns, views * columns].contains(&self.weights.len()), "{} weights", self.weights.len());
        assert_eq!(self.scales.len(), views, "scales");
    }
}

impl LineFilter {
    /// Plans the transform and brings the tables to the device.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the length has a prime factor above 13 on a GPU; [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the plan's numbers do not fit each other.
    #[track_caller]
    pub fn new(device: &Device, mut plan: LineFilterPlan) -> Result<Self> {
        plan.check();
        let means = match device {
            Device::Cpu(_) => {
                // rustfft leaves out both factors of the orthonormal pair.
                let scale = 1.0 / plan.length as f32;
                plan.response.iter_mut().for_each(|value| *value *= scale);
                Means::Cpu { planned: Planned::new(plan.length), taper: taper(plan.extend) }
            }
            Device::Gpu(_) => Means::Gpu(Box::new(on_gpu::Tables::new(device, &plan)?)),
        };
        Ok(Self { plan, means })
    }

    /// Shape of the filtered lines: `[views · rows, columns + 2 GUARD]`, with [`GUARD`] zero cells on each side.
    pub fn filtered_shape(&self) -> [usize; 2] {
        [self.plan.lines(), self.plan.columns + 2 * GUARD]
    }

    /// filtered ← the filtered lines of `projections`, f32 `[views · rows, columns]`. Advances the monitor's step to
    /// the lines done, of views · rows.
    ///
    /// # Errors
    /// [`crate::Error::Interrupted`].
    ///
    /// # Panics
    /// If an array has another shape than the plan says.
    #[track_caller]
    pub fn apply(&self, projections: &Array, filtered: &mut Array, monitor: &Monitor) -> Result<()> {
        assert_eq!(projections.shape(), [self.plan.lines(), self.plan.columns], "projections");
        assert_eq!(filtered.shape(), self.filtered_shape(), "filtered lines");
        let mut line = 0;
        while line < self.plan.lines() {
            let (from, into) = (projections.slab_of(line), filtered.slab_of_mut(line));
            let lines = line..self.end_of_run(line).min(from.lines().end).min(into.lines().end);
            line = lines.end;
            self.filter(lines, from, into);
            monitor.advance(line as u64)?;
        }
        Ok(())
    }

    /// How far from `line` the tables' slabs, the working memory, and the wish to hear of progress go.
    fn end_of_run(&self, line: usize) -> usize {
        const REPORT: usize = 4096;
        match &self.means {
            Means::Cpu { .. } => self.plan.lines().min(line + REPORT),
            Means::Gpu(tables) => tables.end_of_run(&self.plan, line),
        }
    }

    fn filter(&self, lines: Range<usize>, from: &Slab, into: &mut Slab) {
        match &self.means {
            Means::Cpu { planned, taper } => self.filter_on_cpu((planned, taper), lines, from, into),
            Means::Gpu(tables) => tables.filter(&self.plan, lines, from, into),
        }
    }
}
