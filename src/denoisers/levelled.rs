//! A denoiser for values of any size: numbers whose squares leave the range of f32 are brought near 1 first, by a power of two,
//! which rounds nothing; and for a method that is not indifferent to it (a network that has only seen images with air near 0)
//! an offset of many σ is taken out, slice by slice. Both are put back.

use super::{Denoiser, Noisy, Sigma};
use crate::{
    device::{Array, Device},
    error::Result,
};

/// σ whose squares, and those of 10⁶ σ, are numbers.
const USUAL: std::ops::Range<f32> = 1e-12..1e12;
/// The part of pixels below which air, or whatever is darkest, is looked for,
const DARKEST: f64 = 0.01;
/// and how many σ it may lie from 0 before that is an offset.
const NEAR: f32 = 10.0;

/// A method with its values brought where it works.
#[derive(Debug)]
pub struct Levelled<D> {
    /// The method.
    pub method: D,
    /// Whether an offset is taken out.
    pub offset: bool,
}

impl<D: Denoiser> Denoiser for Levelled<D> {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let typical = noisy.typical(device)?;
        if USUAL.contains(&typical) && !self.offset {
            return self.method.denoise(device, noisy);
        }
        let exponent = if USUAL.contains(&typical) { 0 } else { typical.log2().round() as i32 };
        let (down, up) = (2.0_f64.powi(-exponent), 2.0_f64.powi(exponent));
        let mut values: Vec<f32> = device.download(noisy.image)?;
        let size = noisy.slices[1] * noisy.slices[2];
        let offsets: Vec<f32> = match self.offset {
            true => values.chunks_exact(size).map(|slice| offset(slice, NEAR * typical)).collect(),
            false => vec![0.0; noisy.slices[0]],
        };
        if exponent == 0 && offsets.iter().all(|offset| *offset == 0.0) {
            return self.method.denoise(device, noisy);
        }
        let each = |values: &mut [f32], change: &dyn Fn(f32, f32) -> f64| {
            for (slice, offset) in values.chunks_exact_mut(size).zip(&offsets) {
                slice.iter_mut().for_each(|value| *value = change(*value, *offset) as f32);
            }
        };
        each(&mut values, &|value, offset| f64::from(value - offset) * down);
        let shape = noisy.image.shape();
        let image = device.upload(shape, values)?;
        let sigma = match noisy.sigma {
            Sigma::Flat(sigma) => Sigma::Flat((f64::from(*sigma) * down) as f32),
            Sigma::Map(map) => {
                let map: Vec<f32> = device.download(map)?;
                let map: Vec<f32> = map.into_iter().map(|sigma| (f64::from(sigma) * down) as f32).collect();
                Sigma::Map(device.upload(shape, map)?)
            }
        };
        let quiet = self.method.denoise(device, &Noisy { image: &image, sigma: &sigma, ..*noisy })?;
        let mut values: Vec<f32> = device.download(&quiet)?;
        each(&mut values, &|value, offset| f64::from(value) * up + f64::from(offset));
        device.upload(shape, values)
    }
}

/// How far the darkest of a slice lies beyond `near` of 0.
fn offset(slice: &[f32], near: f32) -> f32 {
    let mut values = slice.to_vec();
    let place = (DARKEST * values.len() as f64) as usize;
    let darkest = *values.select_nth_unstable_by(place, f32::total_cmp).1;
    darkest - darkest.clamp(-near, near)
}
