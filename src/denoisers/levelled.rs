//! A denoiser for values of any size: numbers whose squares leave the range of f32 are brought near 1 first, by a power of two,
//! which rounds nothing; and an offset of many σ is taken out, in f64, as it would leave f32 few digits for what varies. Both are
//! put back.

use super::{Denoiser, Noisy, Sigma};
use crate::{
    device::{Array, Device},
    error::Result,
};

/// σ whose squares, and those of 10⁶ σ, are numbers.
const USUAL: std::ops::Range<f32> = 1e-12..1e12;
/// Means of so many σ are an offset: squares of what is nearer keep σ² to 1 %.
const FAR: f64 = 300.0;
/// The part of pixels below which air, or whatever is darkest, is looked for,
const DARKEST: f64 = 0.01;
/// and how many σ it may lie from 0 before that is an offset.
const NEAR: f32 = 10.0;

/// What is taken for an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// Nothing: a method that averages squares must have 0 where it is.
    None,
    /// The mean of each slice that lies far from 0.
    OfSlice,
    /// The mean of all slices, where patches of one are compared with those of another.
    OfStack,
    /// How far the darkest of each slice lies from 0, for a network that has only seen images with air near 0.
    Darkest,
}

impl Offset {
    /// For a method that looks for a slice's like in so many on either side.
    pub fn within(depth: usize) -> Self {
        if depth == 0 { Self::OfSlice } else { Self::OfStack }
    }

    /// That of each slice of `size` pixels, with σ of each or of all.
    fn find(self, values: &[f32], size: usize, sigmas: &[f32]) -> Vec<f64> {
        let slices = values.chunks_exact(size).zip(sigmas.iter().cycle());
        match self {
            Self::None => vec![0.0; values.len() / size],
            Self::OfSlice => slices.map(|(slice, sigma)| far(mean(slice), *sigma)).collect(),
            Self::OfStack => {
                let least = sigmas.iter().copied().fold(f32::INFINITY, f32::min);
                vec![far(mean(values), least); values.len() / size]
            }
            Self::Darkest => slices.map(|(slice, sigma)| f64::from(darkest(slice, NEAR * sigma))).collect(),
        }
    }
}

/// A method with its values brought where it works.
#[derive(Debug)]
pub struct Levelled<D> {
    /// The method.
    pub method: D,
    /// What is taken out.
    pub offset: Offset,
}

impl<D: Denoiser> Denoiser for Levelled<D> {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let typical = noisy.typical(device)?;
        if USUAL.contains(&typical) && self.offset == Offset::None {
            return self.method.denoise(device, noisy);
        }
        let exponent = if USUAL.contains(&typical) { 0 } else { typical.log2().round() as i32 };
        let (down, up) = (2.0_f64.powi(-exponent), 2.0_f64.powi(exponent));
        let mut values: Vec<f32> = device.download(noisy.image)?;
        let size = noisy.slices[1] * noisy.slices[2];
        let offsets = self.offset.find(&values, size, &noisy.of_slices(device)?);
        if exponent == 0 && offsets.iter().all(|offset| *offset == 0.0) {
            return self.method.denoise(device, noisy);
        }
        let each = |values: &mut [f32], change: &dyn Fn(f64, f64) -> f64| {
            for (slice, offset) in values.chunks_exact_mut(size).zip(&offsets) {
                slice.iter_mut().for_each(|value| *value = change(f64::from(*value), *offset) as f32);
            }
        };
        each(&mut values, &|value, offset| (value - offset) * down);
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
        each(&mut values, &|value, offset| value * up + offset);
        device.upload(shape, values)
    }
}

/// The mean of some pixels.
pub(super) fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len().max(1) as f64
}

/// A mean that is far from 0; else none.
fn far(mean: f64, sigma: f32) -> f64 {
    if mean.abs() > FAR * f64::from(sigma) { mean } else { 0.0 }
}

/// How far the darkest of a slice lies beyond `near` of 0.
fn darkest(slice: &[f32], near: f32) -> f32 {
    let mut values = slice.to_vec();
    let place = (DARKEST * values.len() as f64) as usize;
    let darkest = *values.select_nth_unstable_by(place, f32::total_cmp).1;
    darkest - darkest.clamp(-near, near)
}
