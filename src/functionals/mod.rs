//! Functions of lines and images that solvers minimise: data terms, smooth penalties, and proximal maps.

pub mod least_squares;
pub mod low_rank;
pub mod neighbourhood;
pub mod normal_equations;
pub mod objective;
pub mod simple;
pub mod transmission;
pub mod wavelet;

pub use least_squares::LeastSquares;
pub use low_rank::LocallyLowRank;
pub use neighbourhood::{Neighbourhood, Potential};
pub use normal_equations::NormalEquations;
pub use objective::{Block, Objective};
pub use simple::{Quadratic, Sparse};
pub use transmission::Transmission;
pub use wavelet::SparseWavelets;

use crate::{device::Array, error::Result};

/// A smooth function h of lines, a sum over rays, with a parabola above each: what separable surrogates are made of.
pub trait DataTerm {
    /// The measured lines' shape.
    fn shape(&self) -> &[usize];
    /// l ← h′(l), ray by ray.
    fn slope(&self, lines: &mut Array);
    /// The parabolas' curvatures.
    fn curvature(&self) -> &Array;
    /// h(l), summed in f64 on the host: for checks and traces, not for loops.
    fn value(&self, lines: &Array) -> Result<f64>;
}

/// A smooth function of an image.
pub trait Smooth {
    /// g ← ∇f(x).
    fn gradient(&mut self, x: &Array, g: &mut Array) -> Result<()>;
    /// f(x), read back: for checks and traces, not for loops.
    fn value(&mut self, x: &Array) -> Result<f64>;
}

/// A function with a simple proximal map.
pub trait Proximal {
    /// x ← argmin over u of step·f(u) + ½‖u − x‖².
    fn prox(&self, step: f32, x: &mut Array) -> Result<()>;
}
