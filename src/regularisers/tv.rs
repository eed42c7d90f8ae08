//! Total variation: the sum of the gradients' lengths, per pixel and not per mm (Rudin, Osher & Fatemi 1992; isotropic). The
//! gradient of a complex image has four real numbers, and one length.

use crate::{
    device::Device,
    operators::{FiniteDifferences, Pixels},
    problem::Term,
};

/// λ Σ |∇x| over slices `[nz, ny, nx]`.
pub fn total_variation(device: &Device, slices: [usize; 3], pixels: Pixels, strength: f32) -> Term {
    let operator = FiniteDifferences::of(device, slices, pixels);
    let norm = operator.norm();
    Term::new(operator, norm, strength)
}
