//! The non-uniform Fourier transform on a GPU: as many coils at once as working memory holds, all of them in one slab.

use std::sync::{Mutex, MutexGuard};

use super::{factors, positions, window::Choice, zero_padding::ZeroPadding};
use crate::{
    device::{Array, Device, Element, Slab},
    error::Result,
    geometry::Trajectory,
    kernels::{NufftInterpolate, NufftSpread, nufft_interpolate::Sorted},
};

pub(super) struct Plan {
    device: Device,
    padding: ZeroPadding,
    samples: usize,
    width: u32,
    starts: Array,
    taps: Array,
    weights: Array,
    grid: Mutex<Array>,
}

/// Window points times coils in one dispatch: a GPU's submission stays short even on slow ones.
const UPDATES: usize = 1 << 28;

impl Plan {
    pub fn new(device: &Device, trajectory: &Trajectory, coils: usize, choice: &Choice) -> Result<Self> {
        let fine = [0, 1, 2].map(|axis: usize| choice.axes[axis].fine);
        let padding = ZeroPadding::new(device, coils, (trajectory.matrix, fine), factors(choice))?;
        let grid = device.zeros(&padding.grid_shape(), Element::F32)?;
        let samples = trajectory.points.len();
        let positions = positions(trajectory, choice);
        let windows = |axis: usize, t: f64| choice.axes[axis].window.value(t);
        let sorted = Sorted::new((fine, choice.width), (samples, &positions), &windows);
        Ok(Self {
            device: device.clone(),
            padding,
            samples,
            width: choice.width as u32,
            starts: device.upload(&[fine[0] * fine[1], fine[2] + 1], sorted.starts)?,
            taps: device.upload(&[samples, 4], sorted.taps)?,
            weights: device.upload(&[samples, 3, choice.width], sorted.weights)?,
            grid: Mutex::new(grid),
        })
    }

    fn grid(&self) -> MutexGuard<'_, Array> {
        self.grid.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs of samples that lie in one slab of taps and one of weights, and end within one dispatch of `coils`.
    fn runs(&self, coils: usize) -> Vec<Run<'_>> {
        let deep = if self.padding.fine()[0] == 1 { 1 } else { self.width as usize };
        let most = (UPDATES / (self.width as usize).pow(2) / deep / coils).max(1);
        let mut runs = Vec::new();
        let mut first = 0;
        while first < self.samples {
            let (taps, weights) = (self.taps.slab_of(first), self.weights.slab_of(first));
            let end = taps.lines().end.min(weights.lines().end).min(first + most);
            runs.push(Run { first, count: end - first, taps, weights });
            first = end;
        }
        runs
    }

    pub fn forward(&self, x: &Array, y: &mut Array) {
        let mut grid = self.grid();
        let [fine_z, fine_y, fine_x] = self.padding.fine().map(|extent| extent as u32);
        for coils in self.padding.batches() {
            self.padding.forward(coils.clone(), x, &mut grid);
            for slab in y.slabs_mut() {
                let Some((first, count)) = shared(&coils, slab) else { continue };
                for run in self.runs(count) {
                    let kernel = NufftInterpolate {
                        fine_x,
                        fine_y,
                        fine_z,
                        width: self.width,
                        deep: if fine_z == 1 { 1 } else { self.width },
                        first: run.place(run.taps),
                        weights_first: run.place(run.weights),
                        count: run.count as u32,
                        samples: self.samples as u32,
                        grid_coil: (first - coils.start) as u32,
                        coil: (first - slab.lines().start) as u32,
                        coils: count as u32,
                    };
                    self.device.run(&kernel, &[grid.slab_of(0), run.taps, run.weights], &mut [slab]);
                }
            }
        }
    }

    pub fn adjoint(&self, y: &Array, x: &mut Array) {
        let mut grid = self.grid();
        let [fine_z, fine_y, fine_x] = self.padding.fine().map(|extent| extent as u32);
        for coils in self.padding.batches() {
            for slab in y.slabs() {
                let Some((first, count)) = shared(&coils, slab) else { continue };
                for run in self.runs(count) {
                    let kernel = NufftSpread {
                        fine_x,
                        fine_y,
                        fine_z,
                        width: self.width,
                        deep: if fine_z == 1 { 1 } else { self.width },
                        sample: run.first as u32,
                        first: run.place(run.taps),
                        weights_first: run.place(run.weights),
                        count: run.count as u32,
                        samples: self.samples as u32,
                        grid_coil: (first - coils.start) as u32,
                        coil: (first - slab.lines().start) as u32,
                        coils: count as u32,
                        keep: u32::from(run.first > 0),
                    };
                    let inputs = [slab, self.starts.slab_of(0), run.taps, run.weights];
                    self.device.run(&kernel, &inputs, &mut [grid.slab_of_mut(0)]);
                }
            }
            self.padding.adjoint(coils, &mut grid, x);
        }
    }
}

/// Samples of one dispatch.
struct Run<'a> {
    first: usize,
    count: usize,
    taps: &'a Slab,
    weights: &'a Slab,
}

impl Run<'_> {
    fn place(&self, slab: &Slab) -> u32 {
        (self.first - slab.lines().start) as u32
    }
}

/// The first of the coils that a slab of samples holds, and how many.
fn shared(coils: &std::ops::Range<usize>, slab: &Slab) -> Option<(usize, usize)> {
    let lines = slab.lines();
    let (first, end) = (coils.start.max(lines.start), coils.end.min(lines.end));
    (first < end).then(|| (first, end - first))
}
