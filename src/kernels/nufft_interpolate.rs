//! Samples between the points of a grid, y\[m\] = Σₗ φ(uₘ − l) g\[l\]: each sample gathers the points that its window reaches.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::gridding::Taps;
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: grids f32 `[coils·fine_z·fine_y, 2, fine_x]`; taps u32 `[samples, 4]`, the first point along z, y, x and the
/// sample's index in the trajectory; weights f32 `[samples, 3, width]` along z, y, x. Output: values f32
/// `[coils, 2, samples]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct NufftInterpolate {
    /// Columns of the grid.
    pub fine_x: u32,
    /// Lines of a slice of the grid.
    pub fine_y: u32,
    /// Slices of the grid.
    pub fine_z: u32,
    /// Points of the window along an axis.
    pub width: u32,
    /// Points of the window along z: 1 for a grid of one slice.
    pub deep: u32,
    /// The first sample, counted in the slab of taps.
    pub first: u32,
    /// The first sample, counted in the slab of weights.
    pub weights_first: u32,
    /// Samples of this dispatch.
    pub count: u32,
    /// Samples of the trajectory.
    pub samples: u32,
    /// The first coil, counted in the grids.
    pub grid_coil: u32,
    /// The first coil, counted in the slab of values.
    pub coil: u32,
    /// Coils of this dispatch.
    pub coils: u32,
}

impl Kernel for NufftInterpolate {
    const NAME: &'static str = "nufft_interpolate";
    const WGSL: &'static str = include_str!("../../shaders/nufft_interpolate.wgsl");
    const TOLERANCE: f32 = 2e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize * self.coils as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (grid, taps, weights) =
            (inputs[0].numbers::<f32>(), inputs[1].numbers::<u32>(), inputs[2].numbers::<f32>());
        let [fine_x, fine_y, fine_z, width] =
            [self.fine_x, self.fine_y, self.fine_z, self.width].map(|count| count as usize);
        let samples = self.samples as usize;
        let values = outputs[0].numbers::<f32>()[2 * self.coil as usize * samples..].par_chunks_exact_mut(2 * samples);
        values.take(self.coils as usize).enumerate().for_each(|(coil, values)| {
            for sample in 0..self.count as usize {
                let [z, y, x, index] = [0, 1, 2, 3].map(|i| taps[4 * (self.first as usize + sample) + i] as usize);
                let weights = &weights[3 * width * (self.weights_first as usize + sample)..][..3 * width];
                let mut sum = [0.0; 2];
                for (dz, dy) in (0..self.deep as usize).flat_map(|dz| (0..width).map(move |dy| (dz, dy))) {
                    let slice = (self.grid_coil as usize + coil) * fine_z + (z + dz) % fine_z;
                    let line = 2 * (slice * fine_y + (y + dy) % fine_y) * fine_x;
                    for dx in 0..width {
                        let weight = weights[dz] * weights[width + dy] * weights[2 * width + dx];
                        let place = line + (x + dx) % fine_x;
                        sum = [sum[0] + weight * grid[place], sum[1] + weight * grid[place + fine_x]];
                    }
                }
                (values[index], values[samples + index]) = (sum[0], sum[1]);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let Places { shape: [fine_z, fine_y, fine_x], width, deep, taps, weights, .. } = places(seed);
        let kernel = Self {
            fine_x,
            fine_y,
            fine_z,
            width,
            deep,
            first: 0,
            weights_first: 0,
            count: SAMPLES as u32,
            samples: SAMPLES as u32,
            grid_coil: 1,
            coil: 0,
            coils: 2,
        };
        let grid = HostArray::noise(&[(3 * fine_z * fine_y) as usize, 2, fine_x as usize], seed + 3);
        let values = HostArray::zeros(&[2, 2, SAMPLES]);
        Example { kernel, inputs: vec![grid, taps, weights], outputs: vec![values] }
    }
}

/// Samples of the examples.
pub(super) const SAMPLES: usize = 300;

/// Where an example's samples lie, in the order of grid lines.
pub(super) struct Places {
    pub shape: [u32; 3],
    pub width: u32,
    pub deep: u32,
    /// First sample of each cell of each line, and the line's end.
    pub starts: HostArray,
    pub taps: HostArray,
    pub weights: HostArray,
}

/// Samples at random in two dimensions or three.
pub(super) fn places(seed: u64) -> Places {
    let shape = [[1, 18, 20], [12, 14, 16]][seed as usize % 2];
    let width = 4 + seed as usize % 3;
    let noise = HostArray::noise(&[SAMPLES, 3], seed);
    let noise = noise.numbers::<f32>();
    let position = |index: usize| [0, 1, 2].map(|axis| f64::from(noise[3 * index + axis]) * shape[axis] as f64 / 2.0);
    let windows = |_: usize, t: f64| (1.0 - (2.0 * t / width as f64).powi(2)).max(0.0);
    let sorted = Sorted::new((shape, width), (SAMPLES, &position), &windows);
    Places {
        shape: shape.map(|extent| extent as u32),
        width: width as u32,
        deep: if shape[0] == 1 { 1 } else { width as u32 },
        starts: HostArray::new(&[shape[0] * shape[1], shape[2] + 1], &sorted.starts),
        taps: HostArray::new(&[SAMPLES, 4], &sorted.taps),
        weights: HostArray::new(&[SAMPLES, 3, width], &sorted.weights),
    }
}

/// A trajectory's samples in the order of the grid points at which their windows begin, as the kernels take them.
pub(crate) struct Sorted {
    /// `[z·y, x + 1]`: the first sample of each cell, and behind each line's last cell its end.
    pub starts: Vec<u32>,
    /// `[samples, 4]`: first point along z, y, x; index in the trajectory.
    pub taps: Vec<u32>,
    /// `[samples, 3, width]`.
    pub weights: Vec<f32>,
}

impl Sorted {
    /// Sorts and weighs.
    pub fn new(
        (shape, width): ([usize; 3], usize),
        (samples, positions): (usize, super::gridding::Positions),
        windows: super::gridding::Windows,
    ) -> Self {
        let [_, ny, nx] = shape;
        let of = |index: usize| {
            let taps = Taps::new(shape, width, positions(index), windows);
            let [z, y, x] = taps.first.map(u64::from);
            ((z * ny as u64 + y) * nx as u64 + x, index as u32, taps)
        };
        let mut all: Vec<_> = (0..samples).into_par_iter().map(of).collect();
        all.par_sort_unstable_by_key(|(cell, index, _)| (*cell, *index));
        let mut starts = Vec::with_capacity(shape[0] * ny * (nx + 1));
        let mut sample = 0;
        for line in 0..(shape[0] * ny) as u64 {
            for cell in line * nx as u64..(line + 1) * nx as u64 {
                starts.push(sample as u32);
                while all.get(sample).is_some_and(|(own, ..)| *own == cell) {
                    sample += 1;
                }
            }
            starts.push(sample as u32);
        }
        let taps = all.iter().flat_map(|(_, index, taps)| {
            let [z, y, x] = taps.first;
            [z, y, x, *index]
        });
        let weights =
            all.iter().flat_map(|(.., taps)| taps.weights.iter().flat_map(|axis| axis[..width].iter().copied()));
        Self { starts, taps: taps.collect(), weights: weights.collect() }
    }
}
