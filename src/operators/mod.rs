//! Linear operators between arrays on a device, and the passes of direct methods.

pub mod arithmetic;
pub mod backprojection;
pub mod coils;
pub mod collaborative_filter;
pub mod compose;
pub mod convolution;
pub mod finite_differences;
pub mod first_channels;
pub mod fourier;
pub mod groups;
pub mod line_filter;
pub mod nufft;
pub mod ramp_preconditioner;
pub mod scalars;
pub mod sense;
pub mod sense_toeplitz;
pub mod wavelet;
pub mod weighted;
pub mod xray;

pub use backprojection::{Backprojection, BackprojectionPlan, Beam};
pub use coils::Coils;
pub use collaborative_filter::{CollaborativeFilter, Deviations, Grouping, Shrinkage, Stack};
pub use compose::{Composed, Normal, Outer};
pub use convolution::Convolution;
pub use finite_differences::{FiniteDifferences, SymmetrisedDifferences};
pub use first_channels::{FirstChannels, WithinFirstChannels};
pub use fourier::{Axis, Direction, Fourier, HostFourier};
pub use groups::Levels;
pub use line_filter::{Beyond, LineFilter, LineFilterPlan};
pub use nufft::{Nufft, Toeplitz};
pub use ramp_preconditioner::RampPreconditioner;
pub use scalars::{Factor, Scalars};
pub use sense::{Sense, SenseNormal};
pub use sense_toeplitz::SenseToeplitz;
pub use wavelet::{UndecimatedWavelets, Wavelets};
pub use weighted::Weighted;
pub use xray::XRay;

use crate::{device::Array, error::Result};

/// What a pixel of an image holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pixels {
    /// A real number: images are `[nz·ny, nx]`.
    #[default]
    Real,
    /// A complex number: images are `[nz·ny, 2, nx]`, a line of real parts, then the line of imaginary parts.
    Complex,
}

impl Pixels {
    /// Real numbers in a pixel.
    pub fn parts(self) -> usize {
        match self {
            Self::Real => 1,
            Self::Complex => 2,
        }
    }

    /// Shape of an image of slices `[nz, ny, nx]`.
    pub fn shape(self, [nz, ny, nx]: [usize; 3]) -> Vec<usize> {
        match self {
            Self::Real => vec![nz * ny, nx],
            Self::Complex => vec![nz * ny, 2, nx],
        }
    }
}

/// A linear map A between arrays. Shapes are checked where operators are put together, not here.
pub trait LinearOperator {
    /// Shape of x.
    fn domain(&self) -> &[usize];
    /// Shape of A x.
    fn range(&self) -> &[usize];
    /// y ← A x.
    fn forward(&self, x: &Array, y: &mut Array) -> Result<()>;
    /// x ← Aᵀ y, with Re⟨·,·⟩ where pairs of reals are complex numbers.
    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()>;
}

impl<A: LinearOperator + ?Sized> LinearOperator for Box<A> {
    fn domain(&self) -> &[usize] {
        (**self).domain()
    }

    fn range(&self) -> &[usize] {
        (**self).range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        (**self).forward(x, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        (**self).adjoint(y, x)
    }
}

impl<A: LinearOperator + ?Sized> LinearOperator for std::sync::Arc<A> {
    fn domain(&self) -> &[usize] {
        (**self).domain()
    }

    fn range(&self) -> &[usize] {
        (**self).range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        (**self).forward(x, y)
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        (**self).adjoint(y, x)
    }
}
