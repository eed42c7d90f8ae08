//! Second-order total generalised variation: the image may be made of ramps, not only of plateaus (Bredies, Kunisch &
//! Pock 2010; of complex images Knoll, Bredies, Pock & Stollberger 2011).

use crate::{
    device::Device,
    operators::{FiniteDifferences, Pixels, SymmetrisedDifferences},
    problem::Term,
};

/// Price of a bend against that of a step, α₀/α₁: the usual choice (Knoll, Bredies, Pock & Stollberger 2011).
const BEND: f32 = 2.0;

/// λ Σ |∇u − v| + 2λ Σ |E v| over slices `[nz, ny, nx]`, for images with a vector field: x = (u, v_y, v_x), three channels
/// or, complex, six.
pub fn total_generalised_variation(device: &Device, slices: [usize; 3], pixels: Pixels, strength: f32) -> [Term; 2] {
    let steps = FiniteDifferences::of(device, slices, pixels).less_field();
    let bends = SymmetrisedDifferences::of(device, slices, pixels);
    let norm = steps.norm();
    [Term::new(steps, norm, strength), Term::new(bends, SymmetrisedDifferences::NORM, BEND * strength)]
}
