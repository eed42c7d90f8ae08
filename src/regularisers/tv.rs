//! Total variation: the sum of the gradients' lengths, per pixel and not per mm (Rudin, Osher & Fatemi 1992; isotropic).

use crate::{device::Device, operators::FiniteDifferences, problem::Term};

/// λ Σ |∇x| over slices `[nz, ny, nx]`; with `smoothing` δ > 0 Huber's form, ½|∇x|²/δ where |∇x| < δ.
pub fn total_variation(device: &Device, slices: [usize; 3], strength: f32, smoothing: f32) -> Term {
    let operator = FiniteDifferences::new(device, slices);
    let norm = operator.norm();
    Term { operator: Box::new(operator), norm, strength, smoothing, factors: None, shift: None }
}
