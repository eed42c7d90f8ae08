//! Iterative solvers. Each is an iterator that knows neither CT nor MR: progress bars, stopping, traces and
//! interruption live outside of it, and its arrays stay on the device.

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

/// Least and largest value of the solution; `NON_NEGATIVE` is the physical choice for attenuation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Least value.
    pub lower: f32,
    /// Largest value.
    pub upper: f32,
}

impl Bounds {
    /// x ≥ 0.
    pub const NON_NEGATIVE: Self = Self { lower: 0.0, upper: f32::MAX };
    /// Any x.
    pub const NONE: Self = Self { lower: f32::MIN, upper: f32::MAX };
}
