//! What a user may say about an MR reconstruction; each recipe reads what concerns it.

use ndarray::Array4;
use num_complex::Complex32;

use crate::recipes::{Iteration, Strength};

/// Everything that MR recipes can be told.
#[derive(Clone, Debug, Default)]
pub struct MrOptions {
    /// Of the regulariser.
    pub strength: Strength,
    /// Of iterative methods; its first image and observer are not for MR yet.
    pub iteration: Iteration,
    /// Side of the calibration region in k-space; what is fully sampled around the centre by default.
    pub calibration: Option<usize>,
    /// Coil maps `[coil, z, y, x]`; ESPIRiT's by default.
    pub maps: Option<Array4<Complex32>>,
    /// Virtual coils to compress to; by default as many as carry all but a small part of the signal.
    pub virtual_coils: Option<usize>,
}
