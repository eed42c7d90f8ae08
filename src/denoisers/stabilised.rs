//! Any denoiser for noise that is not Gaussian: the image's noise is made Gaussian and alike everywhere, taken off, and the
//! image brought back without bias (Foi 2011 for Rician noise, Mäkitalo & Foi 2013 for Poisson–Gaussian; see [`crate::noise`]).

use rayon::prelude::*;

use super::{
    Denoiser, Model, Noisy, Sigma,
    levelled::{Levelled, Offset},
};
use crate::{
    device::{Array, Device},
    error::Result,
    noise::{Anscombe, Rician},
};

/// The transform that gives noise a deviation of 1, and its inverse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transform {
    /// For magnitudes, σ that of either part.
    Rician,
    /// For counts of value `gain`, σ that of the Gaussian part.
    Anscombe {
        /// α.
        gain: f64,
    },
}

impl Transform {
    fn forward(self, value: f64, sigma: f64) -> f64 {
        match self {
            Self::Rician => Rician::tables().forward(value / sigma),
            Self::Anscombe { gain } => Anscombe { gain, sigma }.forward(value),
        }
    }

    fn inverse(self, stable: f64, sigma: f64) -> f64 {
        match self {
            Self::Rician => Rician::tables().inverse(stable) * sigma,
            Self::Anscombe { gain } => Anscombe { gain, sigma }.inverse(stable),
        }
    }
}

/// A denoiser between the transform and its inverse.
#[derive(Debug)]
pub struct Stabilised<D> {
    /// For Gaussian noise.
    pub method: D,
    /// For the noise that there is.
    pub transform: Transform,
}

impl<D: Denoiser> Denoiser for Stabilised<D> {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let (transform, shape) = (self.transform, noisy.image.shape());
        if transform == Transform::Rician {
            // Made by all threads, so not from within a loop of theirs, which would wait for itself.
            Rician::tables();
        }
        let sigmas = match noisy.sigma {
            Sigma::Flat(sigma) => vec![*sigma],
            Sigma::Map(map) => device.download(map)?,
        };
        let sigma = |index: usize| f64::from(sigmas[index % sigmas.len()]);
        let mut values: Vec<f32> = device.download(noisy.image)?;
        values.par_iter_mut().enumerate().with_min_len(1 << 12).for_each(|(index, value)| {
            *value = transform.forward(f64::from(*value), sigma(index)) as f32;
        });
        let (stable, one) = (device.upload(shape, values)?, Sigma::Flat(1.0));
        let quiet = self.method.denoise(device, &Noisy { image: &stable, sigma: &one, ..*noisy })?;
        let mut values: Vec<f32> = device.download(&quiet)?;
        values.par_iter_mut().enumerate().with_min_len(1 << 12).for_each(|(index, value)| {
            *value = transform.inverse(f64::from(*value), sigma(index)) as f32;
        });
        device.upload(shape, values)
    }
}

/// `method`, which is for Gaussian noise of values near 1, for any, and for images far from 0.
pub(super) fn for_noise(method: impl Denoiser + 'static, offset: Offset, noise: Model) -> Box<dyn Denoiser> {
    let method = Levelled { method, offset };
    match noise {
        Model::Gaussian => Box::new(method),
        Model::Rician => Box::new(Stabilised { method, transform: Transform::Rician }),
        Model::Poisson { gain } => Box::new(Stabilised { method, transform: Transform::Anscombe { gain } }),
    }
}
