//! Any denoiser for Rician noise: the image's noise is made Gaussian and alike everywhere, taken off, and the image brought
//! back without bias (Foi 2011; see [`crate::noise::rician`]).

use rayon::prelude::*;

use super::{Denoiser, Noisy, Sigma};
use crate::{
    device::{Array, Device},
    error::Result,
    noise::Rician,
};

/// A denoiser between the transform and its inverse.
#[derive(Debug)]
pub struct Stabilised<D>(pub D);

impl<D: Denoiser> Denoiser for Stabilised<D> {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let (tables, shape) = (Rician::tables(), noisy.image.shape());
        let sigmas = match noisy.sigma {
            Sigma::Flat(sigma) => vec![*sigma],
            Sigma::Map(map) => device.download(map)?,
        };
        let sigma = |index: usize| f64::from(sigmas[index % sigmas.len()]);
        let mut values: Vec<f32> = device.download(noisy.image)?;
        values.par_iter_mut().enumerate().with_min_len(1 << 12).for_each(|(index, value)| {
            *value = tables.forward(f64::from(*value) / sigma(index)) as f32;
        });
        let (stable, one) = (device.upload(shape, values)?, Sigma::Flat(1.0));
        let quiet = self.0.denoise(device, &Noisy { image: &stable, sigma: &one, ..*noisy })?;
        let mut values: Vec<f32> = device.download(&quiet)?;
        values.par_iter_mut().enumerate().with_min_len(1 << 12).for_each(|(index, value)| {
            *value = (tables.inverse(f64::from(*value)) * sigma(index)) as f32;
        });
        device.upload(shape, values)
    }
}
