//! A trained network: a residual U-Net without biases (after DRUNet, Zhang, Li, Zuo, Zhang, Van Gool & Timofte 2022, IEEE
//! Trans. Pattern Anal. Mach. Intell. 44, 6360; biases left out as Mohan, Kadkhodaie, Simoncelli & Fernandez-Granda 2020, ICLR,
//! do) that sees the image y and σ of every pixel:
//!
//! ```text
//! x  = [y, σ], pixels unshuffled     8 planes at 1/2          a block: x + b(relu(a(x))), a and b 3 × 3
//! e1 = blocks(head(x))               head 3 × 3               all 3 × 3 have zeros beyond the edges
//! e2 = blocks(down1(e1))             down, up: 2 × 2
//! d2 = blocks(up2(blocks(down2(e2))) + e2)
//! d1 = blocks(up1(d2) + e1)
//! out = y − shuffled(tail(d1))       tail 3 × 3
//! ```
//!
//! As there are only rectifiers and no biases, f(αy, ασ) = α f(y, σ) for α > 0: values need no particular unit. What it takes
//! for structure is what it was trained on; what is unlike that it may smooth away, or make look alike.

mod parameters;
mod pass;
mod tiles;
mod weights;

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

pub use parameters::Parameters;
pub use weights::Weights;

use self::{
    pass::{Pass, View},
    tiles::{STRIDE, Tiles, plan},
};
use super::{Denoiser, Noisy, Options, Sigma, careful::Careful, levelled::Offset, stabilised::for_noise};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    kernels::Way,
    operators::convolution::TileStack,
};

/// Pixels at a time, on a CPU and on a GPU: the CPU's feature maps take 108 bytes for each with the widths 32, 64 and 96; a GPU's
/// dispatches stay short.
const AT_A_TIME: [usize; 2] = [1 << 22, 1 << 21];

/// The method, for Gaussian noise.
#[derive(Debug)]
pub struct Network {
    /// What training found.
    parameters: Arc<Parameters>,
    /// Factor on σ.
    strength: f32,
    /// How an image is laid before it: the mean over these is the answer.
    ways: u32,
    /// What the last image was made with: the next one is often as large. To bring the weights there takes longer than a GPU
    /// takes for an image.
    last: Mutex<Vec<Pass>>,
}

impl Network {
    /// With what training found, and a factor on σ.
    pub fn new(parameters: Arc<Parameters>, strength: f32) -> Self {
        Self { parameters, strength, ways: 1, last: Mutex::default() }
    }

    /// Asked of every image eight times, turned and mirrored in every way, each answer turned back: their mean (the geometric
    /// self-ensemble: Timofte, Rothe & Van Gool 2016, CVPR, 1865). What a network makes of an image depends a little on how it
    /// lies, and those errors partly cancel: 0.15 to 0.2 dB, for eight times the work.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { ways: Way::COUNT, ..self }
    }

    /// Pixels about one, along each axis, that it depends on: those farther away change nothing.
    ///
    /// A 3 × 3 convolution reaches one pixel farther, of those at its resolution: 1/2, 1/4 or 1/8. From an aligned square of 8 ×
    /// 8 pixels on, the way back through the layers is the largest reach; with two blocks a stage it is 90 pixels.
    pub fn reach(&self) -> usize {
        let [enc1, enc2, mid, dec2, dec1] = self.parameters.blocks.map(|blocks| 2 * blocks as isize);
        // The last and first pixel needed of a stage, for the square's first pixel to its last.
        let wider = |[first, last]: [isize; 2], by: isize| [first - by, last + by];
        let halved = |range: [isize; 2]| range.map(|pixel| pixel.div_euclid(2));
        let doubled = |[first, last]: [isize; 2]| [2 * first, 2 * last + 1];
        let d1 = wider([0, 3], 1 + dec1);
        let d2 = wider(halved(d1), dec2);
        let e3 = wider(halved(d2), mid);
        let e2 = wider(doubled(e3), enc2);
        let [first, last] = doubled(wider(doubled(e2), enc1 + 1));
        (-first).max(last - (STRIDE as isize - 1)) as usize
    }

    fn last(&self) -> MutexGuard<'_, Vec<Pass>> {
        self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The tiles of slices that, [`padded`], have `extents` pixels.
    fn plan(&self, device: &Device, extents: [usize; 2]) -> Result<[Tiles; 2]> {
        let halo = self.reach().next_multiple_of(STRIDE);
        let largest = AT_A_TIME[usize::from(is_gpu(device))];
        let bytes = |extents| Pass::bytes(&Pass::stack(extents, 1));
        let fits =
            |[y, x]: [usize; 2]| y * x <= largest.max(STRIDE * STRIDE) && bytes([y, x]) <= device.binding_limit();
        plan(extents, halo, fits).ok_or_else(|| Error::OutOfMemory {
            device: device.name(),
            bytes: bytes([2 * halo + STRIDE; 2]),
            limit: format!("sixteen feature maps of a tile must fit one binding of {} bytes", device.binding_limit()),
        })
    }

    /// What there is to do for slices laid in `ways`, in all of which a slice takes the same tiles.
    fn work(&self, device: &Device, [nz, ny, nx]: [usize; 3], ways: &[Way]) -> Result<Work> {
        let [rows, columns] = self.plan(device, padded(ways[0].extents([ny, nx])))?;
        let mut parts = Vec::new();
        for z in 0..nz {
            for way in ways {
                let [height, width] = way.extents([ny, nx]);
                for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row.clone(), column)))
                {
                    let kept =
                        [row.kept.start..row.kept.end.min(height), column.kept.start..column.kept.end.min(width)];
                    let view = View { slice: z * ny, extents: [ny, nx], way: *way, start: [row.start, column.start] };
                    parts.push((view, kept));
                }
            }
        }
        let tile = [rows.size, columns.size];
        Ok(Work { stack: Pass::stack(tile, at_once(device, tile, parts.len())), parts })
    }

    /// Adds what comes of it to `found`: the mean over all ways, when all have been added.
    fn add(&self, pass: &mut Pass, (noisy, sigma): (&Noisy, &Array), work: &Work, found: &mut Array) {
        let share = 1.0 / self.ways as f32;
        for parts in work.parts.chunks(work.stack.count) {
            for (index, (view, _)) in parts.iter().enumerate() {
                pass.read(noisy.image, (sigma, self.strength), (index, view));
            }
            pass.run();
            for (index, (view, kept)) in parts.iter().enumerate() {
                pass.write(noisy.image, (index, view), (kept.clone(), share, found));
            }
        }
    }
}

/// Parts of slices that pass through the network as tiles of one size.
struct Work {
    /// As many as pass together.
    stack: TileStack,
    /// Each tile, and what is kept of it.
    parts: Vec<(View, [Range<usize>; 2])>,
}

/// What tiles must cover.
fn padded(extents: [usize; 2]) -> [usize; 2] {
    extents.map(|extent| extent.next_multiple_of(STRIDE))
}

fn is_gpu(device: &Device) -> bool {
    matches!(device, Device::Gpu(_))
}

/// How many of so many tiles are made together: on a CPU one after another, since their maps then stay in cache; on a GPU as
/// many as it has room for, as few times as possible.
fn at_once(device: &Device, tile: [usize; 2], tiles: usize) -> usize {
    let fits = |count: usize| {
        let stack = Pass::stack(tile, count);
        stack.extents().iter().product::<usize>() <= AT_A_TIME[1] && Pass::bytes(&stack) <= device.binding_limit()
    };
    let most = if is_gpu(device) { (1..=tiles).take_while(|count| fits(*count)).last().unwrap_or(1) } else { 1 };
    tiles.div_ceil(tiles.div_ceil(most))
}

impl Denoiser for Network {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let one;
        let sigma = match noisy.sigma {
            Sigma::Map(map) => map,
            Sigma::Flat(sigma) => {
                one = device.upload(&[1], vec![*sigma])?;
                &one
            }
        };
        let mut found = device.zeros(noisy.image.shape(), Element::F32)?;
        let [_, ny, nx] = noisy.slices;
        let alike = |way: &Way| padded(way.extents([ny, nx])) == padded([ny, nx]);
        let (straight, across): (Vec<Way>, Vec<Way>) = (0..self.ways).map(Way).partition(alike);
        let works = [straight, across]
            .iter()
            .filter(|ways| !ways.is_empty())
            .map(|ways| self.work(device, noisy.slices, ways))
            .collect::<Result<Vec<_>>>()?;
        let mut passes = std::mem::take(&mut *self.last());
        passes.retain(|pass| works.iter().any(|work| pass.is_for(device, &work.stack)));
        for work in &works {
            let place = passes.iter().position(|pass| pass.is_for(device, &work.stack));
            let place = match place {
                Some(place) => place,
                None => {
                    passes.push(Pass::new(device, &self.parameters, work.stack)?);
                    passes.len() - 1
                }
            };
            self.add(&mut passes[place], (noisy, sigma), work, &mut found);
        }
        *self.last() = passes;
        Ok(found)
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let (parameters, turned) = (options.weights.parameters(), options.turned);
    let make = move |strength| {
        let method = Network::new(parameters.clone(), strength);
        if turned { method.turned() } else { method }
    };
    if options.careful && options.strength == 1.0 {
        return for_noise(Careful::new(make, 1.0).trusted(), Offset::Darkest, options.noise);
    }
    for_noise(make(options.strength as f32), Offset::Darkest, options.noise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_as_few_as_ways_that_differ_in_their_tiles() {
        let device = Device::cpu();
        let method = Network::new(Weights::Ct.parameters(), 1.0).turned();
        for (ny, nx, expected) in [(33, 40, 1), (40, 48, 2), (48, 40, 2), (40, 40, 1)] {
            let image = device.zeros(&[ny, nx], Element::F32).unwrap();
            method.denoise(&device, &Noisy::new(&image, [1, ny, nx], &Sigma::Flat(0.1)).unwrap()).unwrap();
            assert_eq!(method.last().len(), expected, "{ny} × {nx}");
        }
    }
}
