//! Images out of a finer grid whose index 0 is their middle N/2, multiplied by a factor an axis: the adjoint of
//! `pad_images`.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: the grids of some coils, `[coils·fine_z·fine_y, 2, fine_x]`, factors `[1, nz + ny + nx]`. Output: a slab
/// of planar images `[coils·nz·ny, 2, nx]`; lines of other coils stay as they are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct CropImages {
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

impl Kernel for CropImages {
    const NAME: &'static str = "crop_images";
    const WGSL: &'static str = include_str!("../../shaders/crop_images.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.nx as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [grid, factors] = [0, 1].map(|index: usize| inputs[index].numbers::<f32>());
        let [nx, ny, nz] = [self.nx, self.ny, self.nz].map(|extent| extent as usize);
        let [fine_x, fine_y, fine_z] = [self.fine_x, self.fine_y, self.fine_z].map(|extent| extent as usize);
        let coils = self.coil as usize..(self.coil + self.coils) as usize;
        let lines = outputs[0].numbers::<f32>().par_chunks_exact_mut(2 * nx).take(self.lines as usize);
        lines.enumerate().for_each(|(line, image)| {
            let from = self.first as usize + line;
            let (coil, z, y) = (from / (nz * ny), from / ny % nz, from % ny);
            if !coils.contains(&coil) {
                return;
            }
            let fine = ((coil - coils.start) * fine_z + (z + fine_z - nz / 2) % fine_z) * fine_y;
            let fine = 2 * (fine + (y + fine_y - ny / 2) % fine_y) * fine_x;
            for x in 0..nx {
                let place = fine + (x + fine_x - nx / 2) % fine_x;
                let factor = factors[z] * factors[nz + y] * factors[nz + ny + x];
                (image[x], image[nx + x]) = (factor * grid[place], factor * grid[place + fine_x]);
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
        let grid = HostArray::noise(&[(2 * 12 * kernel.fine_z) as usize, 2, 20], seed + 2);
        let factors = HostArray::noise(&[1, (kernel.nz + kernel.ny + kernel.nx) as usize], seed + 1);
        let images = HostArray::noise(&[25, 2, kernel.nx as usize], seed);
        Example { kernel, inputs: vec![grid, factors], outputs: vec![images] }
    }
}
