//! The bilateral filter (Tomasi & Manduchi 1998, ICCV, 839), slice by slice. See [`crate::kernels::bilateral`] for the formula.

use super::{Denoiser, Noisy, Options, stabilised::for_noise};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{self, Multiply},
    operators::arithmetic::add_lines,
};

/// s in pixels, and the window, 3 s.
const NEAR: f32 = 1.5;
const REACH: u32 = 5;
/// r: differences of two noisy pixels have √2 σ by noise alone.
const ALIKE: f32 = 3.0;

/// The method, for Gaussian noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bilateral {
    /// r.
    pub strength: f32,
}

impl Denoiser for Bilateral {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let [nz, ny, nx] = noisy.slices;
        let zeros = |lines| device.zeros(&[lines, nx], Element::F32);
        let (mut found, mut means, mut variances) = (zeros(nz * ny)?, zeros(ny)?, zeros(ny)?);
        for z in 0..nz {
            let (slice, sigma) = (noisy.take(device, z..z + 1)?, noisy.sigma_of(device, z)?);
            let square = Multiply { count: (ny * nx) as u32, factor: 1.0 };
            device.run(&square, &[&sigma.slabs()[0], &sigma.slabs()[0]], &mut [&mut variances.slabs_mut()[0]]);
            let kernel = kernels::Bilateral {
                nx: nx as u32,
                ny: ny as u32,
                reach: REACH,
                near: 0.5 / (NEAR * NEAR),
                alike: 0.5 / (self.strength * self.strength),
            };
            device.run(&kernel, &[&slice.slabs()[0], &variances.slabs()[0]], &mut [&mut means.slabs_mut()[0]]);
            add_lines(device, (&means, &mut found), [0, z * ny], ny);
        }
        Ok(found)
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let method = Bilateral { strength: ALIKE * options.strength as f32 };
    for_noise(method, options.noise)
}
