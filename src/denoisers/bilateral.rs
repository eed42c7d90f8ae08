//! The bilateral filter (Tomasi & Manduchi 1998, ICCV, 839), slice by slice. See [`crate::kernels::bilateral`] for the formula.

use super::{
    Denoiser, Noisy, Options,
    bands::{self, Reach},
    careful,
};
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
        let mut found = device.zeros(noisy.image.shape(), Element::F32)?;
        let bands = bands::plan(device, ny, Reach { halo: REACH as usize, step: 1 }, 4 * nx)?;
        for (z, band) in (0..nz).flat_map(|z| bands.iter().map(move |band| (z, band))) {
            let lines = band.read.len();
            let zeros = || device.zeros(&[lines, nx], Element::F32);
            let (mut means, mut variances) = (zeros()?, zeros()?);
            let (slice, sigma) = (noisy.take(device, z..z + 1, &band.read)?, noisy.sigma_of(device, z, &band.read)?);
            let square = Multiply { count: (lines * nx) as u32, factor: 1.0 };
            device.run(&square, &[&sigma.slabs()[0], &sigma.slabs()[0]], &mut [&mut variances.slabs_mut()[0]]);
            let kernel = kernels::Bilateral {
                nx: nx as u32,
                ny: lines as u32,
                reach: REACH,
                near: 0.5 / (NEAR * NEAR),
                alike: 0.5 / (self.strength * self.strength),
            };
            device.run(&kernel, &[&slice.slabs()[0], &variances.slabs()[0]], &mut [&mut means.slabs_mut()[0]]);
            add_lines(device, (&means, &mut found), [band.first_kept(), z * ny + band.kept.start], band.kept.len());
        }
        Ok(found)
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let make = |strength| Bilateral { strength };
    careful::denoiser(options, make, ALIKE)
}
