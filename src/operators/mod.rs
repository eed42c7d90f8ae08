//! Linear operators between arrays on a device, and the passes of direct methods.

pub mod arithmetic;
pub mod backprojection;
pub mod finite_differences;
pub mod first_channel;
pub mod fourier;
pub mod group_filter;
pub mod line_filter;
pub mod scalars;
pub mod weighted;
pub mod xray;

pub use backprojection::{Backprojection, BackprojectionPlan, Beam};
pub use finite_differences::{FiniteDifferences, SymmetrisedDifferences};
pub use first_channel::FirstChannel;
pub use fourier::{Axis, Direction, Fourier, HostFourier};
pub use group_filter::{GroupFilter, Levels};
pub use line_filter::{LineFilter, LineFilterPlan};
pub use scalars::{Factor, Scalars};
pub use weighted::Weighted;
pub use xray::XRay;

use crate::{device::Array, error::Result};

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
