//! The non-uniform Fourier transform on the CPU.

use std::sync::{Mutex, MutexGuard};

use rayon::prelude::*;

use super::{
    coil_groups::{self, CoilGroups, Group},
    factors, positions,
    window::Choice,
};
use crate::{
    device::{Array, Simd},
    geometry::Trajectory,
    kernels::gridding::Gridding,
};

pub(super) struct Plan {
    coils: usize,
    gridding: Gridding,
    groups: CoilGroups,
    scratch: Mutex<Scratch>,
}

/// Memory that the system would otherwise have to clear for every transform.
#[derive(Default)]
struct Scratch {
    grid: Vec<f32>,
    /// `[samples, 2, coils]`.
    values: Vec<f32>,
}

impl Plan {
    pub fn new(trajectory: &Trajectory, coils: usize, choice: &Choice) -> Self {
        let fine = [0, 1, 2].map(|axis: usize| choice.axes[axis].fine);
        let positions = positions(trajectory, choice);
        let windows = |axis: usize, t: f64| choice.axes[axis].window.value(t);
        let samples = trajectory.points.len();
        let gridding = Gridding::new(Simd::detected(), (fine, choice.width), (samples, &positions), &windows);
        let groups = CoilGroups::new(coils, (trajectory.matrix, fine), factors(choice));
        Self { coils, gridding, groups, scratch: Mutex::default() }
    }

    fn scratch(&self) -> MutexGuard<'_, Scratch> {
        self.scratch.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn forward(&self, x: &Array, y: &mut Array) {
        let mut samples = coil_groups::lines(y, 2 * self.gridding.samples());
        let Scratch { grid, values } = &mut *self.scratch();
        coil_groups::read(x, self.coils, |images| {
            for group in self.groups.iter() {
                group.forward(images, grid);
                values.resize(self.gridding.samples() * 2 * group.count, 0.0);
                self.gridding.interpolate(group.count, grid, values);
                part(values, &group, &mut samples);
            }
        });
    }

    pub fn adjoint(&self, y: &Array, x: &mut Array) {
        let line = 2 * self.gridding.samples();
        let samples: Vec<&[f32]> =
            y.slabs().iter().flat_map(|slab| slab.host().numbers::<f32>().chunks_exact(line)).collect();
        let Scratch { grid, values } = &mut *self.scratch();
        coil_groups::write(x, self.coils, |images| {
            for group in self.groups.iter() {
                values.resize(self.gridding.samples() * 2 * group.count, 0.0);
                interleave(&samples, &group, values);
                grid.resize(group.fine.len(), 0.0);
                grid.par_chunks_mut(1 << 14).for_each(|numbers| numbers.fill(0.0));
                self.gridding.spread(group.count, values, grid);
                group.adjoint(grid, images);
            }
        });
    }
}

/// Samples of a task.
const BLOCK: usize = 1024;

/// `[samples, 2, count]` ← the group's coils `[2, samples]` each; zeros beyond the last one.
fn interleave(coils: &[&[f32]], group: &Group, values: &mut [f32]) {
    let count = group.count;
    let samples = values.len() / (2 * count);
    values.par_chunks_mut(BLOCK * 2 * count).enumerate().for_each(|(block, values)| {
        if group.coils.len() < count {
            values.fill(0.0);
        }
        for (coil, numbers) in coils[group.coils.clone()].iter().enumerate() {
            for (part, numbers) in numbers.chunks_exact(samples).enumerate() {
                let places = values[part * count + coil..].iter_mut().step_by(2 * count);
                places.zip(&numbers[block * BLOCK..]).for_each(|(place, number)| *place = *number);
            }
        }
    });
}

/// The way back.
fn part(values: &[f32], group: &Group, coils: &mut [&mut [f32]]) {
    let count = group.count;
    let samples = values.len() / (2 * count);
    coils[group.coils.clone()].par_iter_mut().enumerate().for_each(|(coil, numbers)| {
        for (part, numbers) in numbers.chunks_exact_mut(samples).enumerate() {
            let tasks = numbers.par_chunks_mut(BLOCK).zip(values.par_chunks(BLOCK * 2 * count));
            tasks.for_each(|(numbers, values)| {
                let places = values[part * count + coil..].iter().step_by(2 * count);
                numbers.iter_mut().zip(places).for_each(|(number, place)| *number = *place);
            });
        }
    });
}
