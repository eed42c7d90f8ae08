//! Iterative solvers. Each is an iterator that knows neither CT nor MR: progress bars, stopping, traces and
//! interruption live outside of it, and its arrays stay on the device.

pub mod primal_dual;

pub use crate::problem::Bounds;
pub use primal_dual::PrimalDual;

use crate::{
    device::{Array, Device},
    error::Result,
};

/// What one iteration tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Iterations done so far: 1 after the first.
    pub iteration: usize,
}

/// An iterative method. Never ends by itself: the caller takes as many iterations as it wants.
pub trait Solver: Iterator<Item = Result<Progress>> {
    /// The image so far.
    fn solution(&self) -> &Array;
    /// Where it lives.
    fn device(&self) -> &Device;
}
