//! Block matching and collaborative filtering, BM3D (Dabov, Foi, Katkovnik & Egiazarian 2007, IEEE Trans. Image Process. 16,
//! 2080): groups of like patches are transformed together, where what they share stands out from the noise. A hard threshold
//! gives a pilot; the pilot gives better groups, and Wiener's filter of each. Noise that neighbouring pixels share is told apart
//! by the variance that it has in every coefficient (Mäkinen, Azzari & Foi 2020, IEEE Trans. Image Process. 29, 8339).

use super::{
    Denoiser, Noisy, Options, Sigma,
    patch_transform::{biorthogonal, cosine, kaiser, tables},
    stabilised::for_noise,
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::match_patches::GROUP,
    noise::Correlation,
    operators::{CollaborativeFilter, Grouping, Levels, Shrinkage, arithmetic::add_lines},
};

/// The threshold over the noise of a coefficient. It and the numbers below were found by trial on heads, photographs and
/// chest slices.
const THRESHOLD: f32 = 2.75;
/// Factor on the noise for Wiener's filter.
const SOFTER: f32 = 0.93;
/// Patches that differ by more noise than this are not alike: noisy ones, which differ by √2 with nothing else to tell them
/// apart, and those of the pilot.
const FARTHEST: [f32; 2] = [4.0, 3.0];
/// Kaiser's β.
const BETA: f64 = 2.5;
/// Noise that few of a patch's coefficients hold makes patches look alike that share nothing else, so more is taken for noise:
/// σ·bᴾ with the power P and b the mean square of the coefficients' variances, 1 for white noise and 8 where one in eight holds all.
const BREADTH_POWER: f32 = 0.12;

/// The method, for Gaussian noise.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockMatching {
    /// Factor on σ.
    pub strength: f32,
    /// Pixels between references.
    pub step: usize,
    /// Pixels that a match may be away, along each axis.
    pub radius: usize,
    /// What neighbouring pixels share of the noise.
    pub correlation: Correlation,
}

impl Default for BlockMatching {
    fn default() -> Self {
        Self { strength: 1.0, step: 3, radius: 19, correlation: Correlation::white() }
    }
}

impl Denoiser for BlockMatching {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let [nz, ny, nx] = noisy.slices;
        let Self { step, radius, ref correlation, .. } = *self;
        let window = kaiser(BETA);
        let [wavelets, cosines] = [biorthogonal(), cosine()].map(|matrix| tables(&matrix, correlation));
        let strength = self.strength * cosines.breadth().powf(BREADTH_POWER);
        let new = |tables, farthest| {
            let grouping = Grouping { step, radius, group: GROUP, farthest };
            CollaborativeFilter::new(device, [ny, nx], grouping, (tables, &window))
        };
        let (mut rough, mut fine) = (new(&wavelets, FARTHEST[0])?, new(&cosines, FARTHEST[1])?);
        let mut found = device.zeros(noisy.image.shape(), Element::F32)?;
        let (mut pilot, mut quiet) = (device.zeros(&[ny, nx], Element::F32)?, device.zeros(&[ny, nx], Element::F32)?);
        for z in 0..nz {
            let slice = noisy.take(device, z..z + 1)?;
            let mut sigmas = match noisy.sigma {
                Sigma::Flat(sigma) => vec![*sigma],
                Sigma::Map(_) => device.download(&noisy.sigma_of(device, z)?)?,
            };
            sigmas.iter_mut().for_each(|sigma| *sigma *= strength);
            rough.find(&slice, levels(device, &slice)?, &sigmas)?;
            rough.apply(&slice, Shrinkage::Threshold(THRESHOLD), &mut pilot)?;
            sigmas.iter_mut().for_each(|sigma| *sigma *= SOFTER);
            fine.find(&pilot, levels(device, &pilot)?, &sigmas)?;
            fine.apply(&slice, Shrinkage::Pilot(&pilot), &mut quiet)?;
            add_lines(device, (&quiet, &mut found), [0, z * ny], ny);
        }
        Ok(found)
    }
}

/// All values of a slice are told from each other; no patch is left alone.
fn levels(device: &Device, slice: &Array) -> Result<Levels> {
    let values: Vec<f32> = device.download(slice)?;
    let (lowest, highest) = values.iter().fold((f32::MAX, f32::MIN), |(a, b), value| (a.min(*value), b.max(*value)));
    Ok(Levels { lowest, highest, flat: 0.0 })
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let correlation = options.correlation.clone();
    let method = BlockMatching { strength: options.strength as f32, correlation, ..BlockMatching::default() };
    for_noise(method, options.noise)
}
