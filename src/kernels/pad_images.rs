//! Images, multiplied by a factor an axis, between zeros in a finer grid, their middle N/2 at index 0 of it:
//! what comes before a transform to more frequencies than the images have points.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: a slab of planar images `[coils·nz·ny, 2, nx]`, factors `[1, nz + ny + nx]`. Output: the grids of some
/// coils, `[coils·fine_z·fine_y, 2, fine_x]`; points whose image line another slab holds stay as they are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct PadImages {
    /// Columns of an image.
    pub nx: u32,
    /// Lines of a slice of an image.
    pub ny: u32,
    /// Slices of an image.
    pub nz: u32,
    /// Columns of the grid.
    pub fine_x: u32,
    /// Lines of a slice of the grid.
    pub fine_y: u32,
    /// Slices of the grid.
    pub fine_z: u32,
    /// First line of the slab of images.
    pub first: u32,
    /// Lines of the slab of images.
    pub lines: u32,
    /// The coil of the first grid.
    pub coil: u32,
    /// Grids.
    pub coils: u32,
}

/// The index on a ring that stands `turn` further on.
fn turned(index: usize, turn: u32, length: u32) -> usize {
    (index + turn as usize) % length as usize
}

impl Kernel for PadImages {
    const NAME: &'static str = "pad_images";
    const WGSL: &'static str = include_str!("../../shaders/pad_images.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        let lines = self.coils as usize * self.fine_z as usize * self.fine_y as usize;
        fold((lines * self.fine_x as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [images, factors] = [0, 1].map(|index: usize| inputs[index].numbers::<f32>());
        let [nx, ny, nz] = [self.nx, self.ny, self.nz].map(|extent| extent as usize);
        let slab = self.first as usize..(self.first + self.lines) as usize;
        let fine = self.fine_x as usize;
        let lines = (self.coils * self.fine_z * self.fine_y) as usize;
        outputs[0].numbers::<f32>().par_chunks_exact_mut(2 * fine).take(lines).enumerate().for_each(|(line, grid)| {
            let y = turned(line % self.fine_y as usize, self.ny / 2, self.fine_y);
            let z = turned(line / self.fine_y as usize % self.fine_z as usize, self.nz / 2, self.fine_z);
            let coil = self.coil as usize + line / (self.fine_y * self.fine_z) as usize;
            let from = (coil * nz + z) * ny + y;
            for index in 0..fine {
                let x = turned(index, self.nx / 2, self.fine_x);
                let value = if x < nx && y < ny && z < nz {
                    if !slab.contains(&from) {
                        continue;
                    }
                    let factor = factors[z] * factors[nz + y] * factors[nz + ny + x];
                    let place = 2 * (from - slab.start) * nx + x;
                    [factor * images[place], factor * images[place + nx]]
                } else {
                    [0.0; 2]
                };
                (grid[index], grid[fine + index]) = (value[0], value[1]);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let odd = (seed % 2) as u32;
        let kernel = Self {
            nx: 14 + odd,
            ny: 9,
            nz: 1 + 2 * odd,
            fine_x: 20,
            fine_y: 12,
            fine_z: 1 + 4 * odd,
            first: 5,
            lines: 25,
            coil: odd,
            coils: 2,
        };
        let images = HostArray::noise(&[25, 2, kernel.nx as usize], seed);
        let factors = HostArray::noise(&[1, (kernel.nz + kernel.ny + kernel.nx) as usize], seed + 1);
        let grid = HostArray::noise(&[(2 * 12 * kernel.fine_z) as usize, 2, 20], seed + 2);
        Example { kernel, inputs: vec![images, factors], outputs: vec![grid] }
    }
}
