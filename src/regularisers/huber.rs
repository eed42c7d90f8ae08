//! Huber's total variation: gradients below a width δ count by their square, so that gentle slopes make no stairs (Huber
//! 1964; for images Chambolle & Pock 2011, §6.2).

use super::total_variation;
use crate::{device::Device, operators::Pixels, problem::Term};

/// λ Σ h(|∇x|) over slices `[nz, ny, nx]`, with h(s) = s²/2δ below δ = `width`, in the image's unit, and s − δ/2 above.
pub fn huber_total_variation(device: &Device, slices: [usize; 3], pixels: Pixels, strength: f32, width: f32) -> Term {
    Term { smoothing: width, ..total_variation(device, slices, pixels, strength) }
}
