//! Block matching and collaborative filtering, BM3D (Dabov, Foi, Katkovnik & Egiazarian 2007, IEEE Trans. Image Process. 16,
//! 2080): groups of like patches are transformed together, where what they share stands out from the noise. A hard threshold
//! gives a pilot; the pilot gives better groups, and Wiener's filter of each. Noise that neighbouring pixels share is told apart
//! by the variance that it has in every coefficient (Mäkinen, Azzari & Foi 2020, IEEE Trans. Image Process. 29, 8339).

use std::ops::Range;

use super::{
    Denoiser, Noisy, Options, Sigma,
    bands::{self, Band, Reach},
    levelled::Offset,
    noisy::of_slices,
    patch_transform::{biorthogonal, cosine, kaiser, tables},
    stabilised::for_noise,
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{
        Quotient,
        match_patches::{GROUP, HIGHEST_LEVEL, PATCH},
        shrink_groups::Tables,
    },
    noise::Correlation,
    operators::{CollaborativeFilter, Deviations, Grouping, Levels, Shrinkage, Stack, arithmetic::add_lines},
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

/// A slice whose σ differs from another's by more than this factor lends it no patches: what they hold would be shrunk as the
/// other's noise is.
const ALIKE: f32 = 1.5;

/// Groups that are shrunk at a time on the CPU, where their patches should stay in cache, and on a GPU.
const CHUNK: [usize; 2] = [512, 4096];

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
    /// Matches may be so many slices away.
    pub slices: usize,
    /// Lines of references whose groups are shrunk at a time: as many as stay in cache, or keep a GPU busy, unless said.
    pub rows: Option<usize>,
}

impl Default for BlockMatching {
    fn default() -> Self {
        Self { strength: 1.0, step: 3, radius: 19, correlation: Correlation::white(), slices: 0, rows: None }
    }
}

impl Denoiser for BlockMatching {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let [wavelets, cosines] = [biorthogonal(), cosine()].map(|matrix| tables(&matrix, &self.correlation));
        let strength = self.strength * cosines.breadth().powf(BREADTH_POWER);
        let mut sigmas = match noisy.sigma {
            Sigma::Flat(sigma) => vec![*sigma],
            Sigma::Map(map) => device.download(map)?,
        };
        sigmas.iter_mut().for_each(|sigma| *sigma *= strength);
        let pilot = self.pass(device, noisy, None, (&wavelets, FARTHEST[0]), &sigmas)?;
        sigmas.iter_mut().for_each(|sigma| *sigma *= SOFTER);
        let pilot = Noisy { image: &pilot, ..*noisy };
        self.pass(device, noisy, Some(&pilot), (&cosines, FARTHEST[1]), &sigmas)
    }
}

impl BlockMatching {
    /// One of the two: groups are found in the pilot, the second time, and shrunk as it says.
    fn pass(
        &self,
        device: &Device,
        noisy: &Noisy,
        pilot: Option<&Noisy>,
        (tables, farthest): (&Tables, f32),
        sigmas: &[f32],
    ) -> Result<Array> {
        let [nz, ny, nx] = noisy.slices;
        let window = kaiser(BETA);
        let rows = self.rows(device, nx);
        let grouping = Grouping { step: self.step, radius: self.radius, rows, farthest };
        let ranges = ranges(device, pilot.unwrap_or(noisy))?;
        let noise = of_slices(sigmas, ny * nx);
        let bands = self.bands(device, noisy, rows)?;
        let zeros = || device.zeros(&[nz * ny, nx], Element::F32);
        let (mut sums, mut totals, mut found) = (zeros()?, zeros()?, zeros()?);
        for z in 0..nz {
            let near = alike((&noise, farthest), ranges[z], noisy.near(z, self.slices), z);
            let levels = levels(&ranges, &near, z, farthest * noise[z % noise.len()]);
            let sigmas = if sigmas.len() == 1 { sigmas } else { &sigmas[z * ny * nx..][..ny * nx] };
            for band in &bands {
                let stack = Stack { slices: near.len(), middle: z - near.start, extents: [band.read.len(), nx] };
                let mut filter = CollaborativeFilter::new(device, stack, grouping, (tables, &window))?;
                let part = noisy.take(device, near.clone(), &band.read)?;
                let guide = pilot.map(|pilot| pilot.take(device, near.clone(), &band.read)).transpose()?;
                filter.find(guide.as_ref().unwrap_or(&part), levels, &of_lines(sigmas, &band.read, nx))?;
                let by = guide.as_ref().map_or(Shrinkage::Threshold(THRESHOLD), Shrinkage::Pilot);
                let [of_patches, of_weights] = filter.apply(&part, by)?;
                for (index, z) in near.clone().enumerate() {
                    let first = [index * band.read.len() + band.first_kept(), z * ny + band.kept.start];
                    add_lines(device, (of_patches, &mut sums), first, band.kept.len());
                    add_lines(device, (of_weights, &mut totals), first, band.kept.len());
                }
            }
        }
        for ((sums, totals), into) in sums.slabs().iter().zip(totals.slabs()).zip(found.slabs_mut()) {
            let kernel = Quotient { count: (sums.lines().len() * nx) as u32 };
            device.run(&kernel, &[sums, totals], &mut [into]);
        }
        Ok(found)
    }

    /// References of a line.
    fn listed(&self, nx: usize) -> usize {
        (nx.max(PATCH) - PATCH).div_ceil(self.step) + 1
    }

    fn rows(&self, device: &Device, nx: usize) -> usize {
        let chunk = CHUNK[usize::from(matches!(device, Device::Gpu(_)))];
        self.rows.unwrap_or(chunk / self.listed(nx)).max(1)
    }

    /// Bands that begin with references that are shrunk at a time: as what is added up is rounded, the order counts.
    fn bands(&self, device: &Device, noisy: &Noisy, rows: usize) -> Result<Vec<Band>> {
        let [_, ny, nx] = noisy.slices;
        // A pixel is in a patch, that in the group of a reference, and that was chosen among patches about the reference.
        let halo = 2 * (self.radius.max(PATCH) + PATCH);
        // The list of groups is longer than the slice.
        let bytes = 4 * (noisy.most_near(self.slices) * nx).max((self.listed(nx) * GROUP).div_ceil(self.step));
        bands::plan(device, ny, Reach { halo, step: self.step * rows }, bytes)
    }
}

/// The least and the largest value of each slice.
fn ranges(device: &Device, image: &Noisy) -> Result<Vec<[f32; 2]>> {
    let values: Vec<f32> = device.download(image.image)?;
    let [_, ny, nx] = image.slices;
    let range = |slice: &[f32]| slice.iter().fold([f32::MAX, f32::MIN], |[a, b], value| [a.min(*value), b.max(*value)]);
    Ok(values.chunks_exact(ny * nx).map(range).collect())
}

/// Of the slices near `z`, those about it whose noise is like its own; none where levels tell less than how far patches may differ.
fn alike((noise, farthest): (&[f32], f32), [lowest, highest]: [f32; 2], near: Range<usize>, z: usize) -> Range<usize> {
    let of = |z: usize| noise[z % noise.len()];
    if highest - lowest > HIGHEST_LEVEL * farthest * of(z) {
        return z..z + 1;
    }
    let is_alike = |other: &usize| of(*other) <= ALIKE * of(z) && of(z) <= ALIKE * of(*other);
    let before = (near.start..z).rev().take_while(is_alike).count();
    let behind = (z + 1..near.end).take_while(is_alike).count();
    z - before..z + 1 + behind
}

/// All values of slice `z` are told from each other, and from those of its neighbours that lie farther out than patches may differ;
/// no patch is left alone.
fn levels(ranges: &[[f32; 2]], near: &Range<usize>, z: usize, farthest: f32) -> Levels {
    let all = &ranges[near.clone()];
    let [own_lowest, own_highest] = ranges[z];
    let lowest = all.iter().fold(own_lowest, |least, range| least.min(range[0]));
    let highest = all.iter().fold(own_highest, |most, range| most.max(range[1]));
    Levels { lowest: lowest.max(own_lowest - farthest), highest: highest.min(own_highest + farthest), flat: 0.0 }
}

/// The noise of some lines of a slice.
fn of_lines<'a>(sigmas: &'a [f32], lines: &Range<usize>, nx: usize) -> Deviations<'a> {
    let typical = (sigmas.iter().map(|sigma| sigma * sigma).sum::<f32>() / sigmas.len() as f32).sqrt();
    Deviations { typical, each: if sigmas.len() == 1 { sigmas } else { &sigmas[lines.start * nx..lines.end * nx] } }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let (correlation, slices) = (options.correlation.clone(), options.depth);
    let usual = BlockMatching::default();
    let step = if options.coarse { 2 * usual.step } else { usual.step };
    let method = BlockMatching { strength: options.strength as f32, step, correlation, slices, ..usual };
    for_noise(method, Offset::within(options.depth), options.noise)
}
