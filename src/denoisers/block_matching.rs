//! Block matching and collaborative filtering, BM3D (Dabov, Foi, Katkovnik & Egiazarian 2007, IEEE Trans. Image Process. 16,
//! 2080): groups of like patches are transformed together, where what they share stands out from the noise. A hard threshold
//! gives a pilot; the pilot gives better groups, and Wiener's filter of each. Noise that neighbouring pixels share is told apart
//! by the variance that it has in every coefficient (Mäkinen, Azzari & Foi 2020, IEEE Trans. Image Process. 29, 8339).

use std::ops::Range;

use super::{
    Denoiser, Noisy, Options, Sigma,
    bands::{self, Band, Reach},
    patch_transform::{biorthogonal, cosine, kaiser, tables},
    stabilised::for_noise,
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::match_patches::{GROUP, PATCH},
    noise::Correlation,
    operators::{CollaborativeFilter, Deviations, Grouping, Levels, Shrinkage, arithmetic::add_lines},
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
        let window = kaiser(BETA);
        let [wavelets, cosines] = [biorthogonal(), cosine()].map(|matrix| tables(&matrix, &self.correlation));
        let strength = self.strength * cosines.breadth().powf(BREADTH_POWER);
        let filter = |lines: usize, tables, farthest| {
            let grouping = Grouping { step: self.step, radius: self.radius, group: GROUP, farthest };
            CollaborativeFilter::new(device, [lines, nx], grouping, (tables, &window))
        };
        let mut found = device.zeros(noisy.image.shape(), Element::F32)?;
        let bands = self.bands(device, [ny, nx])?;
        for z in 0..nz {
            let mut sigmas = match noisy.sigma {
                Sigma::Flat(sigma) => vec![*sigma],
                Sigma::Map(_) => {
                    let of_bands = bands.iter().map(|band| device.download(&noisy.sigma_of(device, z, &band.kept)?));
                    of_bands.collect::<Result<Vec<_>>>()?.concat()
                }
            };
            sigmas.iter_mut().for_each(|sigma| *sigma *= strength);
            let mut range = Levels { lowest: f32::MAX, highest: f32::MIN, flat: 0.0 };
            for band in &bands {
                widen(&mut range, &device.download(&noisy.take(device, z..z + 1, &band.kept)?)?);
            }
            let mut pilot = device.zeros(&[ny, nx], Element::F32)?;
            for band in &bands {
                let lines = band.read.len();
                let (part, mut quiet) =
                    (noisy.take(device, z..z + 1, &band.read)?, device.zeros(&[lines, nx], Element::F32)?);
                let mut rough = filter(lines, &wavelets, FARTHEST[0])?;
                rough.find(&part, range, &of_lines(&sigmas, &band.read, nx))?;
                rough.apply(&part, Shrinkage::Threshold(THRESHOLD), &mut quiet)?;
                add_lines(device, (&quiet, &mut pilot), [band.first_kept(), band.kept.start], band.kept.len());
            }
            sigmas.iter_mut().for_each(|sigma| *sigma *= SOFTER);
            let mut range = Levels { lowest: f32::MAX, highest: f32::MIN, flat: 0.0 };
            widen(&mut range, &device.download(&pilot)?);
            for band in &bands {
                let lines = band.read.len();
                let zeros = || device.zeros(&[lines, nx], Element::F32);
                let (part, mut guide, mut quiet) = (noisy.take(device, z..z + 1, &band.read)?, zeros()?, zeros()?);
                add_lines(device, (&pilot, &mut guide), [band.read.start, 0], lines);
                let mut fine = filter(lines, &cosines, FARTHEST[1])?;
                fine.find(&guide, range, &of_lines(&sigmas, &band.read, nx))?;
                fine.apply(&part, Shrinkage::Pilot(&guide), &mut quiet)?;
                add_lines(device, (&quiet, &mut found), [band.first_kept(), z * ny + band.kept.start], band.kept.len());
            }
        }
        Ok(found)
    }
}

impl BlockMatching {
    /// Bands that begin with a reference, so that all references are those of the whole.
    fn bands(&self, device: &Device, [ny, nx]: [usize; 2]) -> Result<Vec<Band>> {
        // A pixel is in a patch, that in the group of a reference, and that was chosen among patches about the reference.
        let halo = 2 * (self.radius.max(PATCH) + PATCH);
        // The list of groups is longer than the slice.
        let listed = (nx.max(PATCH) - PATCH).div_ceil(self.step) + 1;
        let bytes = 4 * nx.max((listed * GROUP).div_ceil(self.step));
        bands::plan(device, ny, Reach { halo, step: self.step }, bytes)
    }
}

/// All values of a slice are told from each other; no patch is left alone.
fn widen(range: &mut Levels, values: &[f32]) {
    range.lowest = values.iter().copied().fold(range.lowest, f32::min);
    range.highest = values.iter().copied().fold(range.highest, f32::max);
}

/// The noise of some lines of a slice.
fn of_lines<'a>(sigmas: &'a [f32], lines: &Range<usize>, nx: usize) -> Deviations<'a> {
    let typical = (sigmas.iter().map(|sigma| sigma * sigma).sum::<f32>() / sigmas.len() as f32).sqrt();
    Deviations { typical, each: if sigmas.len() == 1 { sigmas } else { &sigmas[lines.start * nx..lines.end * nx] } }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let correlation = options.correlation.clone();
    let method = BlockMatching { strength: options.strength as f32, correlation, ..BlockMatching::default() };
    for_noise(method, options.noise)
}
