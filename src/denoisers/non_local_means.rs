//! Non-local means (Buades, Coll & Morel 2005, CVPR, 60): every pixel becomes the mean of those whose surroundings are like
//! its own. See [`crate::kernels::average_alike`] for the formula.

use super::{
    Denoiser, Model, Noisy, Options,
    bands::{self, Reach},
    levelled::{Levelled, Offset},
    stabilised::for_noise,
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{AverageAlike, Multiply},
    operators::arithmetic::add_lines,
};

/// The method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonLocalMeans {
    /// What the noise is: squares are averaged where it is Rician, and 2σ² taken off; else values.
    pub noise: Model,
    /// h over σ.
    pub strength: f32,
    /// Patches have 2·radius + 1 pixels along each axis of a slice.
    pub radius: usize,
    /// Pixels that are averaged may be so far away along each axis of a slice,
    pub reach: usize,
    /// and so many slices.
    pub slices: usize,
}

impl Default for NonLocalMeans {
    fn default() -> Self {
        Self { noise: Model::Gaussian, strength: STRENGTH, radius: 2, reach: 6, slices: 0 }
    }
}

/// h over σ: found by trial on heads with Rician noise.
const STRENGTH: f32 = 0.95;

impl Denoiser for NonLocalMeans {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let [nz, ny, nx] = noisy.slices;
        let mut found = device.zeros(noisy.image.shape(), Element::F32)?;
        let reach = Reach { halo: self.reach + self.radius, step: 1 };
        let bands = bands::plan(device, ny, reach, 4 * nx * noisy.most_near(self.slices))?;
        for (z, band) in (0..nz).flat_map(|z| bands.iter().map(move |band| (z, band))) {
            let lines = band.read.len();
            let zeros = || device.zeros(&[lines, nx], Element::F32);
            let (mut means, mut variances) = (zeros()?, zeros()?);
            let near = noisy.near(z, self.slices);
            let stack = noisy.take(device, near.clone(), &band.read)?;
            let sigma = noisy.sigma_of(device, z, &band.read)?;
            let square = Multiply { count: (lines * nx) as u32, factor: 1.0 };
            device.run(&square, &[&sigma.slabs()[0], &sigma.slabs()[0]], &mut [&mut variances.slabs_mut()[0]]);
            let kernel = AverageAlike {
                nx: nx as u32,
                ny: lines as u32,
                slices: near.len() as u32,
                middle: (z - near.start) as u32,
                radius: self.radius as u32,
                reach: self.reach as u32,
                rician: u32::from(self.noise == Model::Rician),
                inverse_square: 1.0 / (self.strength * self.strength),
            };
            let inputs = [&stack.slabs()[0], &variances.slabs()[0]];
            device.run(&kernel, &inputs, &mut [&mut means.slabs_mut()[0]]);
            add_lines(device, (&means, &mut found), [band.first_kept(), z * ny + band.kept.start], band.kept.len());
        }
        Ok(found)
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let strength = STRENGTH * options.strength as f32;
    let method = NonLocalMeans { strength, slices: options.depth, ..NonLocalMeans::default() };
    match options.noise {
        // Squares are averaged without bias, which is quicker than the transform.
        Model::Rician => {
            Box::new(Levelled { method: NonLocalMeans { noise: Model::Rician, ..method }, offset: Offset::None })
        }
        noise => for_noise(method, Offset::within(options.depth), noise),
    }
}
