//! The orthonormal discrete Fourier transform of complex images along chosen axes,
//! `y[k] = n^(−½) Σⱼ x[j] e^(−2πi jk/n)` along each; its adjoint is its inverse.

use super::LinearOperator;
use crate::{
    device::{Array, Device},
    error::Result,
};

mod on_cpu;
pub(super) mod on_gpu;

pub use on_cpu::HostFourier;

/// Which way a transform goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// e^(−2πi jk/n): image to k-space.
    Forward,
    /// e^(+2πi jk/n): k-space to image.
    Adjoint,
}

/// An axis of an image `[z, y, x]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Slices.
    Z,
    /// Lines of a slice.
    Y,
    /// Columns.
    X,
}

/// Transforms every image of f32 arrays `[batch·nz·ny, 2, nx]`, whose lines are the real parts, then the imaginary parts.
///
/// Any extent will do; those without prime factors above 13 are quickest. Plain transforms have place and frequency 0 at
/// index 0; `centred` ones at index N/2 (integer division), at no cost. Images are independent of each other.
pub struct Fourier {
    shape: [usize; 3],
    means: Means,
}

enum Means {
    Cpu(HostFourier),
    Gpu(Box<on_gpu::Images>),
}

impl Fourier {
    /// Plans transforms along `axes` of `batch` images of `[nz, ny, nx]` voxels.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`] if the lines that one transform goes through, a slice for y and an image for z, do not
    /// fit a binding of the GPU, or its memory is full.
    ///
    /// # Panics
    /// If `batch` or an extent is 0, or an axis is named twice.
    #[track_caller]
    pub fn new(device: &Device, batch: usize, extents: [usize; 3], axes: &[Axis]) -> Result<Self> {
        Self::planned(device, batch, extents, (axes, false))
    }

    /// The same with place and frequency 0 at index N/2 of each of the `axes`.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Panics
    /// As [`Self::new`].
    #[track_caller]
    pub fn centred(device: &Device, batch: usize, extents: [usize; 3], axes: &[Axis]) -> Result<Self> {
        Self::planned(device, batch, extents, (axes, true))
    }

    #[track_caller]
    fn planned(device: &Device, batch: usize, extents: [usize; 3], (axes, centred): (&[Axis], bool)) -> Result<Self> {
        check(extents, axes);
        assert!(batch > 0, "no images");
        let [nz, ny, nx] = extents;
        let means = match device {
            Device::Cpu(_) if centred => Means::Cpu(HostFourier::centred(extents, axes)),
            Device::Cpu(_) => Means::Cpu(HostFourier::new(extents, axes)),
            Device::Gpu(_) => Means::Gpu(Box::new(on_gpu::Images::new(device, batch, extents, (axes, centred))?)),
        };
        Ok(Self { shape: [batch * nz * ny, 2, nx], means })
    }

    /// Transforms `data` in place.
    ///
    /// # Panics
    /// If `data` has another shape than planned.
    #[track_caller]
    pub fn transform(&self, direction: Direction, data: &mut Array) {
        self.apply(direction, None, data);
    }

    /// The transform of one image in host memory; none on a GPU.
    pub fn on_host(&self) -> Option<&HostFourier> {
        match &self.means {
            Means::Cpu(host) => Some(host),
            Means::Gpu(_) => None,
        }
    }

    #[track_caller]
    fn apply(&self, direction: Direction, x: Option<&Array>, y: &mut Array) {
        assert_eq!(y.shape(), self.shape, "the transformed array");
        if let Some(x) = x {
            assert_eq!(x.shape(), self.shape, "the array to transform");
        }
        match &self.means {
            Means::Cpu(host) => host.apply(direction, x, y),
            Means::Gpu(images) => images.apply(direction, x, y),
        }
    }
}

#[track_caller]
fn check(extents: [usize; 3], axes: &[Axis]) {
    assert!(!extents.contains(&0), "an image of {extents:?} voxels");
    for (index, axis) in axes.iter().enumerate() {
        assert!(!axes[..index].contains(axis), "axis {axis:?} twice");
    }
}

impl LinearOperator for Fourier {
    fn domain(&self) -> &[usize] {
        &self.shape
    }

    fn range(&self) -> &[usize] {
        &self.shape
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        self.apply(Direction::Forward, Some(x), y);
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.apply(Direction::Adjoint, Some(y), x);
        Ok(())
    }
}

/// The diagonals D that make a plain transform a centred one, `centred = D_frequency · plain · D_place`, of `length` complex
/// numbers each: e^(2πi jc/n) for places and e^(2πi (k − c)c/n) for frequencies, c = n/2. For transforms that have no turned
/// indices to offer, such as those between grids; the adjoint takes their conjugates.
pub fn centring_phases(length: usize) -> [Vec<num_complex::Complex32>; 2] {
    let centre = length / 2;
    let phase = |turns: usize| {
        let angle = std::f64::consts::TAU * (turns % length) as f64 / length as f64;
        num_complex::Complex32::new(angle.cos() as f32, angle.sin() as f32)
    };
    // k − c modulo n: k + n − c.
    [
        (0..length).map(|j| phase(j * centre)).collect(),
        (0..length).map(|k| phase((k + length - centre) * centre)).collect(),
    ]
}
