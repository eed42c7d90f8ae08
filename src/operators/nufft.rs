//! The non-uniform Fourier transform, y\[m\] = N^(−½) Σᵣ x\[r\] e^(−2πi kₘ·(r − c)/n), by an oversampled FFT and a window
//! around each sample (A. Dutt & V. Rokhlin, SIAM J. Sci. Comput. 14, 1993; J. A. Fessler & B. P. Sutton, IEEE Trans.
//! Signal Process. 51, 2003): y = C F D x with D the window's deapodisation between zeros, F the FFT on the fine grid and
//! C the gathering of the window's points; the adjoint is Dᴴ Fᴴ Cᵀ, with the same numbers.

use super::LinearOperator;
use crate::{
    device::{Array, Device},
    error::{Error, Result},
    geometry::Trajectory,
};

mod coil_groups;
mod on_cpu;
mod on_gpu;
mod toeplitz;
mod window;
mod zero_padding;

pub use toeplitz::Toeplitz;
use window::Choice;

/// From planar images f32 `[coils·nz·ny, 2, nx]` to samples `[coils, 2, samples]`, at the points of a trajectory in its
/// order. On a full Cartesian grid it is the orthonormal, centred DFT.
///
/// The error of either direction is at most the tolerance asked for, relative in the ℓ² norm, for data that are not made
/// to find the worst: some 1e-2 … 1e-6 can be asked.
pub struct Nufft {
    coils: usize,
    matrix: [usize; 3],
    domain: [usize; 3],
    range: [usize; 3],
    choice: Choice,
    means: Means,
}

enum Means {
    Cpu(Box<on_cpu::Plan>),
    Gpu(Box<on_gpu::Plan>),
}

impl Nufft {
    /// Chooses window and grid, sorts the samples, brings weights and tables to the device.
    ///
    /// # Errors
    /// [`Error::Scan`] for a trajectory outside its k-space; [`Error::Option`] for a tolerance that single precision does
    /// not reach; [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If there are no coils.
    #[track_caller]
    pub fn new(device: &Device, trajectory: &Trajectory, coils: usize, tolerance: f64) -> Result<Self> {
        assert!(coils > 0, "no coils");
        trajectory.check()?;
        let (matrix, samples) = (trajectory.matrix, trajectory.points.len());
        if u32::try_from(samples).is_err() {
            return Err(Error::Scan(format!("{samples} samples: a plan counts to 2³²; split the trajectory")));
        }
        if matrix[2] == 1 {
            return Err(Error::Scan(
                "an image one column wide has no non-uniform transform; lay its points along x".into(),
            ));
        }
        let choice = window::choose(matrix, samples, tolerance)?;
        let means = match device {
            Device::Cpu(_) => Means::Cpu(Box::new(on_cpu::Plan::new(trajectory, coils, &choice))),
            Device::Gpu(_) => Means::Gpu(Box::new(on_gpu::Plan::new(device, trajectory, coils, &choice)?)),
        };
        let [nz, ny, nx] = matrix;
        let (domain, range) = ([coils * nz * ny, 2, nx], [coils, 2, samples]);
        Ok(Self { coils, matrix, domain, range, choice, means })
    }

    /// Coils, transformed alike.
    pub fn coils(&self) -> usize {
        self.coils
    }

    /// The image's extents along z, y, x.
    pub fn matrix(&self) -> [usize; 3] {
        self.matrix
    }

    /// The fine grid's extents along z, y, x, and the window's width in its steps.
    pub fn grid(&self) -> ([usize; 3], usize) {
        ([0, 1, 2].map(|axis: usize| self.choice.axes[axis].fine), self.choice.width)
    }

    /// The relative ℓ² error to expect on random data.
    pub fn expected_error(&self) -> f64 {
        self.choice.error
    }

    #[track_caller]
    fn check(&self, image: &Array, samples: &Array) {
        assert_eq!(image.shape(), self.domain, "images of the non-uniform Fourier transform");
        assert_eq!(samples.shape(), self.range, "samples of the non-uniform Fourier transform");
    }
}

/// The factors of an image along z, y, x: deapodisation, and N^(−½).
fn factors(choice: &Choice) -> [Vec<f32>; 3] {
    let points: usize = choice.axes.iter().map(|axis| axis.length).product();
    let scale = 1.0 / (points as f64).sqrt();
    [1.0, 1.0, scale].map({
        let mut axes = choice.axes.iter();
        move |scale| {
            let axis = axes.next().expect("three axes");
            window::deapodisation(axis).into_iter().map(|factor| (factor * scale) as f32).collect()
        }
    })
}

/// Index → position of the sample along z, y, x, in steps of the fine grid: f32 would lose digits here.
fn positions<'a>(trajectory: &'a Trajectory, choice: &Choice) -> impl Fn(usize) -> [f64; 3] + use<'a> {
    let [z, y, x] = [0, 1, 2].map(|axis: usize| choice.axes[axis].fine as f64 / choice.axes[axis].length as f64);
    move |index| {
        let [kx, ky, kz] = trajectory.points[index].map(f64::from);
        [kz * z, ky * y, kx * x]
    }
}

impl LinearOperator for Nufft {
    fn domain(&self) -> &[usize] {
        &self.domain
    }

    fn range(&self) -> &[usize] {
        &self.range
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        self.check(x, y);
        match &self.means {
            Means::Cpu(plan) => plan.forward(x, y),
            Means::Gpu(plan) => plan.forward(x, y),
        }
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.check(x, y);
        match &self.means {
            Means::Cpu(plan) => plan.adjoint(y, x),
            Means::Gpu(plan) => plan.adjoint(y, x),
        }
        Ok(())
    }
}
