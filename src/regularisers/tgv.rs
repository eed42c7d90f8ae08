//! Second-order total generalised variation: the image may be made of ramps, not only of plateaus (Bredies, Kunisch &
//! Pock 2010).

use crate::{
    device::Device,
    operators::{FiniteDifferences, SymmetrisedDifferences},
    problem::Term,
};

/// Price of a bend against that of a step, α₀/α₁: the usual choice (Knoll, Bredies, Pock & Stollberger 2011).
const BEND: f32 = 2.0;

/// λ Σ |∇u − v| + 2λ Σ |E v| over slices `[nz, ny, nx]`, for images with a vector field: x = (u, v_y, v_x).
pub fn total_generalised_variation(device: &Device, slices: [usize; 3], strength: f32) -> [Term; 2] {
    let steps = FiniteDifferences::new(device, slices).less_field();
    let bends = SymmetrisedDifferences::new(device, slices);
    let plain =
        |operator, norm, strength| Term { operator, norm, strength, smoothing: 0.0, factors: None, shift: None };
    let norm = steps.norm();
    [
        plain(Box::new(steps) as Box<dyn crate::operators::LinearOperator>, norm, strength),
        plain(Box::new(bends), SymmetrisedDifferences::NORM, BEND * strength),
    ]
}
