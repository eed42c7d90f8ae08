//! Samples onto the points of a grid, g\[l\] = Σₘ φ(uₘ − l) y\[m\], by gathering: the samples are sorted by the point at which
//! their windows begin, so that those that reach a point are a run in each of w^(d−1) lines of the grid.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::nufft_interpolate::{Places, SAMPLES, places};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: values f32 `[coils, 2, samples]`; starts u32 `[fine_z·fine_y, fine_x + 1]`, the first sample whose window begins
/// at a point, and each line's end; taps and weights as for `nufft_interpolate`, in this order. Output: grids f32
/// `[coils·fine_z·fine_y, 2, fine_x]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct NufftSpread {
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
    /// The first sample of this dispatch.
    pub sample: u32,
    /// The same, counted in the slab of taps.
    pub first: u32,
    /// The same, counted in the slab of weights.
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
    /// 1: added to what is there; 0: written over it.
    pub keep: u32,
}

impl NufftSpread {
    /// The sum of the samples that reach point (z, y, x).
    fn gather(&self, inputs: &[Host], values: &[f32], [z, y, x]: [usize; 3]) -> [f32; 2] {
        let (starts, taps, weights) =
            (inputs[1].numbers::<u32>(), inputs[2].numbers::<u32>(), inputs[3].numbers::<f32>());
        let [fine_x, fine_y, fine_z, width] =
            [self.fine_x, self.fine_y, self.fine_z, self.width].map(|count| count as usize);
        let high = if fine_y == 1 { 1 } else { width };
        let mut sum = [0.0; 2];
        for (dz, dy) in (0..self.deep as usize).flat_map(|dz| (0..high).map(move |dy| (dz, dy))) {
            let line = (z + fine_z - dz) % fine_z * fine_y + (y + fine_y - dy) % fine_y;
            let cells = &starts[line * (fine_x + 1)..][..fine_x + 1];
            for dx in (0..width).rev() {
                let cell = (x + fine_x - dx) % fine_x;
                let first = cells[cell].max(self.sample);
                for sample in first..cells[cell + 1].min(self.sample + self.count) {
                    let own = (sample - self.sample) as usize;
                    let index = taps[4 * (self.first as usize + own) + 3] as usize;
                    let weights = &weights[3 * width * (self.weights_first as usize + own)..][..3 * width];
                    let weight = weights[dz] * weights[width + dy] * weights[2 * width + dx];
                    sum[0] += weight * values[index];
                    sum[1] += weight * values[self.samples as usize + index];
                }
            }
        }
        sum
    }
}

impl Kernel for NufftSpread {
    const NAME: &'static str = "nufft_spread";
    const WGSL: &'static str = include_str!("../../shaders/nufft_spread.wgsl");
    const TOLERANCE: f32 = 2e-6;

    fn workgroups(&self) -> [u32; 3] {
        let points = self.fine_x as usize * self.fine_y as usize * self.fine_z as usize;
        fold((points * self.coils as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [fine_x, fine_y, fine_z] = [self.fine_x, self.fine_y, self.fine_z].map(|count| count as usize);
        let lines = fine_y * fine_z;
        let samples = 2 * self.samples as usize;
        let grids = &mut outputs[0].numbers::<f32>()[2 * self.grid_coil as usize * lines * fine_x..];
        grids.par_chunks_exact_mut(2 * fine_x).take(self.coils as usize * lines).enumerate().for_each(
            |(line, grid)| {
                let values = &inputs[0].numbers::<f32>()[(self.coil as usize + line / lines) * samples..][..samples];
                let (z, y) = (line % lines / fine_y, line % fine_y);
                for x in 0..fine_x {
                    let [re, im] = self.gather(inputs, values, [z, y, x]);
                    let keep = self.keep as f32;
                    let kept = if self.keep == 0 { [0.0; 2] } else { [keep * grid[x], keep * grid[fine_x + x]] };
                    (grid[x], grid[fine_x + x]) = (kept[0] + re, kept[1] + im);
                }
            },
        );
    }

    fn example(seed: u64) -> Example<Self> {
        let Places { shape: [fine_z, fine_y, fine_x], width, deep, starts, taps, weights } = places(seed);
        let kernel = Self {
            fine_x,
            fine_y,
            fine_z,
            width,
            deep,
            sample: 20,
            first: 20,
            weights_first: 20,
            count: SAMPLES as u32 - 40,
            samples: SAMPLES as u32,
            grid_coil: 0,
            coil: 1,
            coils: 2,
            keep: (seed % 2) as u32,
        };
        let values = HostArray::noise(&[3, 2, SAMPLES], seed + 3);
        let grid = HostArray::noise(&[(2 * fine_z * fine_y) as usize, 2, fine_x as usize], seed + 4);
        Example { kernel, inputs: vec![values, starts, taps, weights], outputs: vec![grid] }
    }
}
