//! Filters detector lines: weighted, extended and padded, convolved through the Fourier domain, cropped and scaled.
//! Two real lines go through the transform as one complex line, since the response is real and even:
//! q + i r = F* (h · F (p + i s)) gives q = F* h F p and r = F* h F s. Partners are the same detector row of two views,
//! since rounding is relative to the larger of the two, and a slice must not depend on the slices beside it.

use std::ops::Range;

use crate::{
    device::{Array, Device, Slab},
    error::Result,
    kernels::GUARD,
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
    /// Length of the transform: at least 2 (columns + extend + the longer tail), so that the wrapped-around ends of the
    /// convolution stay off the cells; without prime factors above 13 on a GPU.
    pub length: usize,
    /// How the lines go on beyond the detector.
    pub beyond: Beyond,
    /// Cells of the filtered line to keep before the first column and beyond the last: pixels there are seen by no cell,
    /// but what the filter makes of the line's cells reaches them.
    pub tails: [usize; 2],
    /// The filter's frequency response, `[length]` in FFT order; even.
    pub response: Vec<f32>,
    /// Factors of the cells before the filter, `[1 or views, columns]`.
    pub weights: Vec<f32>,
    /// Factors of the views after the filter, `[views]`.
    pub scales: Vec<f32>,
}

/// How lines go on beyond the detector; `default()`: they do not.
#[derive(Clone, Debug, Default)]
pub struct Beyond {
    /// The most cells beyond either end.
    pub extend: usize,
    /// Cells over which the extension fades out, W of [`crate::kernels::PadLines`].
    pub window: f32,
    /// For each line v, 1/D and q before it, and the same beyond it: v·√((1 − d/D)(1 + q·d/D)) at d cells from the last.
    pub ends: Vec<[f32; 6]>,
}

/// A filter over the lines of a scan, planned for one device.
pub struct LineFilter {
    plan: LineFilterPlan,
    means: Means,
}

enum Means {
    Cpu(Planned),
    Gpu(Box<on_gpu::Tables>),
}

/// Lines that are filtered together: pair p is the line p mod rows + 2 rows ⌊p/rows⌋ from the first, and the one `rows` after,
/// where there is one.
struct Run {
    lines: Range<usize>,
    pairs: usize,
}

impl LineFilterPlan {
    fn lines(&self) -> usize {
        self.views * self.rows
    }

    /// Cells of a filtered line: columns and tails.
    fn cells(&self) -> usize {
        self.tails[0] + self.columns + self.tails[1]
    }

    fn weights_per_view(&self) -> bool {
        self.weights.len() > self.columns
    }

    #[track_caller]
    fn check(&self) {
        let Self { views, rows, columns, length, tails: [before, after], .. } = *self;
        let extend = self.beyond.extend;
        assert!(views > 0 && rows > 0 && columns > 0, "{views} views, {rows} rows, {columns} columns");
        assert!(
            length >= 2 * (columns + extend + before.max(after)),
            "length {length} for {columns} columns, {extend} beyond each edge, and tails of {before} and {after}"
        );
        assert!(extend == 0 || self.beyond.ends.len() == self.lines(), "{} lines' ends", self.beyond.ends.len());
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
                Means::Cpu(Planned::new(plan.length))
            }
            Device::Gpu(_) => Means::Gpu(Box::new(on_gpu::Tables::new(device, &plan)?)),
        };
        Ok(Self { plan, means })
    }

    /// Shape of the filtered lines: `[views · rows, columns + tails + 2 GUARD]`, with [`GUARD`] zero cells on each side.
    pub fn filtered_shape(&self) -> [usize; 2] {
        [self.plan.lines(), self.plan.cells() + 2 * GUARD]
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
            let end = self.end_of_tables(line).min(from.lines().end).min(into.lines().end);
            let runs = self.runs(line..end);
            line = runs.last().map_or(end, |run| run.lines.end);
            for run in runs {
                self.filter(&run, from, into);
            }
            monitor.advance(line as u64)?;
        }
        Ok(())
    }

    /// The first runs of `lines`: as many whole blocks of two views as the working memory holds, or one block by parts.
    /// The last run ends where the next begin.
    fn runs(&self, lines: Range<usize>) -> Vec<Run> {
        let (rows, batch, start) = (self.plan.rows, self.batch(), lines.start);
        let blocks = (lines.len() / (2 * rows)).min(batch / rows);
        if blocks > 0 {
            return vec![Run { lines: start..start + 2 * rows * blocks, pairs: rows * blocks }];
        }
        let span = lines.len().min(2 * rows);
        let part = |row: usize| {
            let pairs = batch.min(rows.min(span) - row);
            Run { lines: start + row..start + span.min(row + rows + pairs), pairs }
        };
        (0..rows.min(span)).step_by(batch).map(part).collect()
    }

    /// Pairs that the working memory holds, or that may go by before someone hears of progress.
    fn batch(&self) -> usize {
        const REPORT: usize = 2048;
        match &self.means {
            Means::Cpu(_) => REPORT,
            Means::Gpu(tables) => tables.batch(),
        }
    }

    /// How far from `line` the tables' slabs go.
    fn end_of_tables(&self, line: usize) -> usize {
        match &self.means {
            Means::Cpu(_) => self.plan.lines(),
            Means::Gpu(tables) => tables.end(&self.plan, line),
        }
    }

    fn filter(&self, run: &Run, from: &Slab, into: &mut Slab) {
        match &self.means {
            Means::Cpu(planned) => self.plan.filter_on_cpu(planned, run, from, into),
            Means::Gpu(tables) => tables.filter(&self.plan, run, from, into),
        }
    }
}
