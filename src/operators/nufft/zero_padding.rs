//! Images to a finer grid of frequencies and back on a GPU: multiplied, put between zeros with the middle at index 0, and
//! transformed, a few coils at a time in working memory of one slab.

use std::ops::Range;

use crate::operators::fourier::{Axis, Direction, Fourier};
use crate::{
    device::{Array, Device},
    error::{Error, Result},
    kernels::{CropImages, PadImages},
};

/// Bytes of the working grid: enough to fill a GPU. One coil may need more.
const WORK: u64 = 64 << 20;

/// F D of a few coils at a time, x the planar images `[coils·nz·ny, 2, nx]` and D the factors between zeros.
pub(super) struct ZeroPadding {
    device: Device,
    image: [usize; 3],
    fine: [usize; 3],
    coils: usize,
    batch: usize,
    factors: Array,
    fourier: Fourier,
}

impl ZeroPadding {
    /// Plans for images and grids of these extents z, y, x; F is the plain sum, without a scale.
    pub fn new(
        device: &Device,
        coils: usize,
        (image, fine): ([usize; 3], [usize; 3]),
        mut factors: [Vec<f32>; 3],
    ) -> Result<Self> {
        let points: usize = fine.iter().product();
        let (bytes, limit) = (8 * points as u64, device.binding_limit());
        if bytes > limit {
            let limit = format!("the grid of one coil must fit a binding of {limit} bytes");
            return Err(Error::OutOfMemory { device: device.name(), bytes, limit });
        }
        let batch = (WORK.min(limit) / bytes).clamp(1, coils as u64) as usize;
        let axes = [Axis::Z, Axis::Y, Axis::X];
        let axes: Vec<Axis> =
            axes.into_iter().zip(fine).filter(|(_, extent)| *extent > 1).map(|(axis, _)| axis).collect();
        // The transform is orthonormal.
        let scale = (points as f64).sqrt();
        factors[2].iter_mut().for_each(|factor| *factor = (f64::from(*factor) * scale) as f32);
        let factors = factors.concat();
        Ok(Self {
            device: device.clone(),
            image,
            fine,
            coils,
            batch,
            factors: device.upload(&[1, factors.len()], factors)?,
            fourier: Fourier::new(device, batch, fine, &axes)?,
        })
    }

    /// Extents of one grid.
    pub fn fine(&self) -> [usize; 3] {
        self.fine
    }

    /// Shape of the working grid of a batch; one slab.
    pub fn grid_shape(&self) -> [usize; 3] {
        let [nz, ny, nx] = self.fine;
        [self.batch * nz * ny, 2, nx]
    }

    /// Coils that go together.
    pub fn batches(&self) -> Vec<Range<usize>> {
        (0..self.coils).step_by(self.batch).map(|first| first..self.coils.min(first + self.batch)).collect()
    }

    fn extents(&self) -> ([u32; 3], [u32; 3]) {
        (self.image.map(|extent| extent as u32), self.fine.map(|extent| extent as u32))
    }

    /// grid ← F D of these coils of x.
    pub fn forward(&self, coils: Range<usize>, x: &Array, grid: &mut Array) {
        let ([nz, ny, nx], [fine_z, fine_y, fine_x]) = self.extents();
        for slab in x.slabs() {
            let (first, lines) = (slab.lines().start as u32, slab.lines().len() as u32);
            let (coil, coils) = (coils.start as u32, coils.len() as u32);
            let kernel = PadImages { nx, ny, nz, fine_x, fine_y, fine_z, first, lines, coil, coils };
            self.device.run(&kernel, &[slab, self.factors.slab_of(0)], &mut [grid.slab_of_mut(0)]);
        }
        self.fourier.transform(Direction::Forward, grid);
    }

    /// These coils of x ← D Fᴴ grid, which is used up.
    pub fn adjoint(&self, coils: Range<usize>, grid: &mut Array, x: &mut Array) {
        self.fourier.transform(Direction::Adjoint, grid);
        let ([nz, ny, nx], [fine_z, fine_y, fine_x]) = self.extents();
        for slab in x.slabs_mut() {
            let (first, lines) = (slab.lines().start as u32, slab.lines().len() as u32);
            let (coil, coils) = (coils.start as u32, coils.len() as u32);
            let kernel = CropImages { nx, ny, nz, fine_x, fine_y, fine_z, first, lines, coil, coils };
            self.device.run(&kernel, &[grid.slab_of(0), self.factors.slab_of(0)], &mut [slab]);
        }
    }
}
