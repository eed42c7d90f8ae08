//! AᴴWA of the non-uniform Fourier transform without the samples: it is a convolution with t(d) = 1/N Σₘ wₘ e^(2πi kₘ·d/n),
//! done as a circulant of at least twice the size (J. A. Fessler et al., IEEE Trans. Signal Process. 53, 3393, 2005).

use std::sync::{Mutex, MutexGuard};

use super::{
    Nufft,
    coil_groups::{self, CoilGroups},
    window::smooth,
    zero_padding::ZeroPadding,
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    geometry::Trajectory,
    kernels::SampleLines,
    operators::LinearOperator,
};

/// x ↦ AᴴWAx for planar images f32 `[coils·nz·ny, 2, nx]`, A a [`Nufft`] and W a weight a sample: self-adjoint, and
/// positive where the weights are, to the tolerance.
pub struct Toeplitz {
    device: Device,
    coils: usize,
    domain: [usize; 3],
    /// The circulant's eigenvalues, `[nz·ny, nx]` of the larger grid.
    spectrum: Array,
    means: Means,
}

enum Means {
    Cpu { groups: Box<CoilGroups>, grid: Mutex<Vec<f32>> },
    Gpu { padding: Box<ZeroPadding>, grid: Mutex<Array> },
}

impl Toeplitz {
    /// Plans for the weights, one a sample; the tolerance is relative to AᴴWA.
    ///
    /// # Errors
    /// As [`Nufft::new`]; on a GPU [`crate::Error::OutOfMemory`] if the grid of one coil, eight times an image in space, does not
    /// fit a binding.
    ///
    /// # Panics
    /// If there are not as many weights as samples.
    #[track_caller]
    pub fn new(
        device: &Device,
        trajectory: &Trajectory,
        weights: &[f32],
        (coils, tolerance): (usize, f64),
    ) -> Result<Self> {
        assert_eq!(weights.len(), trajectory.points.len(), "one weight a sample");
        let image = trajectory.matrix;
        let twice = image.map(|extent| if extent == 1 { 1 } else { 2 * extent });
        let larger = twice.map(|extent| if extent == 1 { 1 } else { smooth(extent) });
        let kernel = kernel(trajectory, weights, twice, tolerance)?;
        let spectrum = spectrum(&kernel, (twice, larger));
        // The circulant's inverse transform is a sum without a scale.
        let scale = 1.0 / larger.iter().product::<usize>() as f32;
        let spectrum: Vec<f32> = spectrum.into_iter().map(|value| value * scale).collect();
        let ones = image.map(|extent| vec![1.0; extent]);
        let means = match device {
            Device::Cpu(_) => {
                let groups = Box::new(CoilGroups::new(coils, (image, larger), ones));
                Means::Cpu { groups, grid: Mutex::default() }
            }
            Device::Gpu(_) => {
                let padding = Box::new(ZeroPadding::new(device, coils, (image, larger), ones)?);
                let grid = Mutex::new(device.zeros(&padding.grid_shape(), Element::F32)?);
                Means::Gpu { padding, grid }
            }
        };
        let spectrum = device.upload(&[larger[0] * larger[1], larger[2]], spectrum)?;
        let [nz, ny, nx] = image;
        Ok(Self { device: device.clone(), coils, domain: [coils * nz * ny, 2, nx], spectrum, means })
    }

    #[track_caller]
    fn apply(&self, x: &Array, y: &mut Array) {
        assert_eq!(x.shape(), self.domain, "images");
        assert_eq!(y.shape(), self.domain, "images to be written");
        match &self.means {
            Means::Cpu { groups, grid } => self.on_cpu(groups, &mut lock(grid), (x, y)),
            Means::Gpu { padding, grid } => self.on_gpu(padding, &mut lock(grid), (x, y)),
        }
    }

    fn on_cpu(&self, groups: &CoilGroups, grid: &mut Vec<f32>, (x, y): (&Array, &mut Array)) {
        let mut joined = Vec::new();
        let spectrum = match self.spectrum.slabs() {
            [slab] => slab.host().numbers::<f32>(),
            slabs => {
                slabs.iter().for_each(|slab| joined.extend_from_slice(slab.host().numbers::<f32>()));
                &joined[..]
            }
        };
        coil_groups::read(x, self.coils, |images| {
            coil_groups::write(y, self.coils, |into| {
                for group in groups.iter() {
                    group.forward(images, grid);
                    group.fine.weigh(spectrum, grid);
                    group.adjoint(grid, into);
                }
            });
        });
    }

    fn on_gpu(&self, padding: &ZeroPadding, grid: &mut Array, (x, y): (&Array, &mut Array)) {
        let [nz, ny, nx] = padding.fine().map(|extent| extent as u32);
        for coils in padding.batches() {
            padding.forward(coils.clone(), x, grid);
            let kernel = SampleLines { nx, image_lines: nz * ny, first: 0, lines: coils.len() as u32 * nz * ny };
            self.device.run(&kernel, &[self.spectrum.slab_of(0)], &mut [grid.slab_of_mut(0)]);
            padding.adjoint(coils, grid, y);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// t on a grid of twice the image, planar lines; its point of most negative distance along each axis is never used.
fn kernel(trajectory: &Trajectory, weights: &[f32], twice: [usize; 3], tolerance: f64) -> Result<Vec<f32>> {
    let cpu = Device::cpu();
    let points = trajectory.points.iter().map(|point| point.map(|k| 2.0 * k)).collect();
    let nufft = Nufft::new(&cpu, &Trajectory { matrix: twice, points }, 1, tolerance)?;
    // The planned transform has 1/√(2ᵈN), AᴴA has 1/N.
    let count = |extents: [usize; 3]| extents.iter().product::<usize>() as f64;
    let scale = count(twice).sqrt() / count(trajectory.matrix);
    let mut y: Vec<f32> = weights.iter().map(|weight| (f64::from(*weight) * scale) as f32).collect();
    y.resize(2 * weights.len(), 0.0);
    let mut t = cpu.zeros(nufft.domain(), Element::F32)?;
    nufft.adjoint(&cpu.upload(nufft.range(), y)?, &mut t)?;
    let mut t = cpu.download::<f32>(&t)?;
    let [_, ny, nx] = twice;
    for (line, numbers) in t.chunks_exact_mut(nx).enumerate() {
        numbers[0] = 0.0;
        let (z, y) = (line / 2 / ny, line / 2 % ny);
        if (y == 0 && ny > 1) || (z == 0 && twice[0] > 1) {
            numbers.fill(0.0);
        }
    }
    Ok(t)
}

/// The transform of t, which is real since t(−d) is the conjugate of t(d).
fn spectrum(kernel: &[f32], (twice, larger): ([usize; 3], [usize; 3])) -> Vec<f32> {
    let groups = CoilGroups::new(1, (twice, larger), twice.map(|extent| vec![1.0; extent]));
    let mut spectrum = Vec::with_capacity(larger.iter().product());
    for group in groups.iter() {
        let mut grid = Vec::new();
        group.forward(&[kernel], &mut grid);
        for line in grid.chunks_exact(grid.len() / (larger[0] * larger[1])) {
            spectrum.extend(line.iter().step_by(2).take(larger[2]));
        }
    }
    spectrum
}

impl LinearOperator for Toeplitz {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.domain
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        self.apply(x, y);
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.apply(y, x);
        Ok(())
    }
}
