//! Iterative solvers. Each is an iterator that knows neither CT nor MR: progress bars, stopping, traces and
//! interruption live outside of it, and its arrays stay on the device.

pub mod asd_pocs;
pub mod conjugate_gradient;
pub mod continuation;
#[cfg(test)]
mod diagonal;
pub mod dual_step;
pub mod fista;
pub mod linear_system;
pub mod linearised_admm;
pub mod ordered_subsets;
pub mod primal_dual;
pub mod sirt;
pub mod subsets;
mod watch;

pub use crate::problem::Bounds;
pub use asd_pocs::AsdPocs;
pub use conjugate_gradient::ConjugateGradient;
pub use continuation::Continuation;
pub use dual_step::DualStep;
pub use fista::Fista;
pub use linear_system::LinearSystem;
pub use linearised_admm::{AdmmOptions, LinearisedAdmm, SplitTerm};
pub use ordered_subsets::OrderedSubsets;
pub use primal_dual::PrimalDual;
pub use sirt::{Sirt, SirtOptions, Subset};

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
