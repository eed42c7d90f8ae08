//! The non-uniform Fourier transform on the CPU: eight coils side by side, what is left of them one by one.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard},
};

use rayon::prelude::*;

use super::{factors, window::Choice};
use crate::{
    device::{Array, Simd},
    geometry::Trajectory,
    kernels::{
        fine_grid::FineGrid,
        gridding::{COILS, Gridding},
    },
};

/// Fewer coils than this go one by one rather than beside zeros.
const FEW: usize = 3;

pub(super) struct Plan {
    coils: usize,
    gridding: Gridding,
    /// For eight coils, and for one; those that are needed.
    eight: Option<FineGrid>,
    one: Option<FineGrid>,
    scratch: Mutex<Scratch>,
}

#[derive(Default)]
struct Scratch {
    grid: Vec<f32>,
    /// `[samples, 2, coils]`.
    values: Vec<f32>,
}

/// Runs of coils that go together, and whether they go side by side.
fn groups(coils: usize) -> Vec<(Range<usize>, bool)> {
    let full = coils / COILS * COILS;
    let mut groups: Vec<_> = (0..full).step_by(COILS).map(|first| (first..first + COILS, true)).collect();
    if coils - full >= FEW {
        groups.push((full..coils, true));
    } else {
        groups.extend((full..coils).map(|coil| (coil..coil + 1, false)));
    }
    groups
}

impl Plan {
    pub fn new(trajectory: &Trajectory, coils: usize, choice: &Choice) -> Self {
        let simd = Simd::detected();
        let shape = [0, 1, 2].map(|axis: usize| choice.axes[axis].fine);
        let positions = super::positions(trajectory, choice);
        let windows = |axis: usize, t: f64| choice.axes[axis].window.value(t);
        let samples = trajectory.points.len();
        let gridding = Gridding::new(simd, (shape, choice.width), (samples, &positions), &windows);
        let fine = |side_by_side: bool| {
            let wanted = groups(coils).iter().any(|group| group.1 == side_by_side);
            let count = if side_by_side { COILS } else { 1 };
            wanted.then(|| FineGrid::new(simd, trajectory.matrix, shape, factors(choice), count))
        };
        Self { coils, gridding, eight: fine(true), one: fine(false), scratch: Mutex::default() }
    }

    /// The plan for a group, with memory of the right size.
    fn fine<'a>(&'a self, side_by_side: bool, scratch: &mut Scratch) -> (&'a FineGrid, usize) {
        let (fine, count) = if side_by_side { (&self.eight, COILS) } else { (&self.one, 1) };
        let fine = fine.as_ref().expect("planned for these coils");
        scratch.grid.resize(fine.len(), 0.0);
        scratch.values.resize(self.gridding.samples() * 2 * count, 0.0);
        (fine, count)
    }

    fn scratch(&self) -> MutexGuard<'_, Scratch> {
        self.scratch.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn forward(&self, x: &Array, y: &mut Array) {
        let mut scratch = self.scratch();
        let joined = Joined::new(x);
        let images = joined.images(self.coils);
        let mut samples = lines_of(y, 2 * self.gridding.samples());
        let nothing = vec![0.0; if self.coils % COILS >= FEW { images[0].len() } else { 0 }];
        for (coils, side_by_side) in groups(self.coils) {
            let (fine, count) = self.fine(side_by_side, &mut scratch);
            let Scratch { grid, values } = &mut *scratch;
            let mut group = images[coils.clone()].to_vec();
            group.resize(count, &nothing);
            fine.forward(&group, grid);
            self.gridding.interpolate(count, grid, values);
            part(values, count, &mut samples[coils]);
        }
    }

    pub fn adjoint(&self, y: &Array, x: &mut Array) {
        let mut scratch = self.scratch();
        let samples: Vec<&[f32]> = y
            .slabs()
            .iter()
            .flat_map(|slab| slab.host().numbers::<f32>().chunks_exact(2 * self.gridding.samples()))
            .collect();
        let whole = x.slabs().len() == 1;
        let mut apart = vec![0.0; if whole { 0 } else { x.shape().iter().product() }];
        let len = x.shape().iter().product::<usize>() / self.coils;
        {
            let mut images: Vec<&mut [f32]> =
                if whole { lines_of(x, len) } else { apart.chunks_exact_mut(len).collect() };
            let mut unasked: Vec<Vec<f32>> = Vec::new();
            for (coils, side_by_side) in groups(self.coils) {
                let (fine, count) = self.fine(side_by_side, &mut scratch);
                let Scratch { grid, values } = &mut *scratch;
                interleave(&samples[coils.clone()], count, values);
                grid.par_chunks_mut(1 << 14).for_each(|numbers| numbers.fill(0.0));
                self.gridding.spread(count, values, grid);
                unasked.resize_with(count - coils.len(), || vec![0.0; len]);
                let asked = images[coils].iter_mut().map(|image| &mut **image);
                let mut group: Vec<&mut [f32]> = asked.chain(unasked.iter_mut().map(|image| &mut image[..])).collect();
                fine.adjoint(grid, &mut group);
            }
        }
        let mut rest = &apart[..];
        for slab in x.slabs_mut().iter_mut().filter(|_| !whole) {
            let mut slab = slab.host_mut();
            let numbers = slab.numbers::<f32>();
            let (own, after) = rest.split_at(numbers.len());
            numbers.copy_from_slice(own);
            rest = after;
        }
    }
}

/// All numbers of an array of planar images, one behind the other.
enum Joined<'a> {
    Whole(&'a [f32]),
    /// Copied from slabs.
    Copied(Vec<f32>),
}

impl<'a> Joined<'a> {
    fn new(x: &'a Array) -> Self {
        match x.slabs() {
            [slab] => Self::Whole(slab.host().numbers()),
            slabs => Self::Copied(slabs.iter().flat_map(|slab| slab.host().numbers::<f32>()).copied().collect()),
        }
    }

    fn images(&self, coils: usize) -> Vec<&[f32]> {
        let numbers = match self {
            Self::Whole(numbers) => numbers,
            Self::Copied(numbers) => &numbers[..],
        };
        numbers.chunks_exact(numbers.len() / coils).collect()
    }
}

/// The array's numbers in pieces of `len`, none across two slabs.
fn lines_of(array: &mut Array, len: usize) -> Vec<&mut [f32]> {
    array.slabs_mut().iter_mut().flat_map(|slab| slab.host_mut().into_numbers::<f32>().chunks_exact_mut(len)).collect()
}

/// Samples of a task.
const BLOCK: usize = 1024;

/// `[samples, 2, count]` ← coils `[2, samples]` each; zeros beyond the last coil.
fn interleave(coils: &[&[f32]], count: usize, values: &mut [f32]) {
    let samples = values.len() / (2 * count);
    values.par_chunks_mut(BLOCK * 2 * count).enumerate().for_each(|(block, values)| {
        values.fill(0.0);
        for (coil, numbers) in coils.iter().enumerate() {
            for (part, numbers) in numbers.chunks_exact(samples).enumerate() {
                let places = values[part * count + coil..].iter_mut().step_by(2 * count);
                places.zip(&numbers[block * BLOCK..]).for_each(|(place, number)| *place = *number);
            }
        }
    });
}

/// The way back.
fn part(values: &[f32], count: usize, coils: &mut [&mut [f32]]) {
    let samples = values.len() / (2 * count);
    coils.par_iter_mut().enumerate().for_each(|(coil, numbers)| {
        for (part, numbers) in numbers.chunks_exact_mut(samples).enumerate() {
            let places = values[part * count + coil..].iter().step_by(2 * count);
            numbers.iter_mut().zip(places).for_each(|(number, place)| *number = *place);
        }
    });
}
