//! Prior image constrained compressed sensing: the image, and what sets it apart from a former image of the same object, are
//! both made of plateaus (Chen, Tang & Leng 2008, with their α = ½).

use super::total_variation;
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::Pixels,
    problem::Term,
};

/// λ (½ Σ |∇(x − x_p)| + ½ Σ |∇x|) over slices `[nz, ny, nx]`, with a `prior` image x_p of the same shape as x.
///
/// # Errors
/// [`crate::Error::OutOfMemory`].
pub fn prior_image(
    device: &Device,
    slices: [usize; 3],
    pixels: Pixels,
    prior: &Array,
    strength: f32,
) -> Result<[Term; 2]> {
    let [plain, mut shifted] = [0, 1].map(|_| total_variation(device, slices, pixels, strength / 2.0));
    let mut shift = device.zeros(shifted.operator.range(), Element::F32)?;
    shifted.operator.forward(prior, &mut shift)?;
    shifted.shift = Some(shift);
    Ok([plain, shifted])
}
