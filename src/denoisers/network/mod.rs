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

use std::sync::{Arc, Mutex, MutexGuard};

pub use parameters::Parameters;
pub use weights::Weights;

use self::{
    pass::{Pass, View},
    tiles::{STRIDE, Tiles, plan},
};
use super::{Denoiser, Noisy, Options, Sigma, stabilised::for_noise};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    kernels::Way,
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

    /// The tiles of slices of `extents` pixels.
    fn plan(&self, device: &Device, extents: [usize; 2]) -> Result<[Tiles; 2]> {
        let halo = self.reach().next_multiple_of(STRIDE);
        let largest = AT_A_TIME[usize::from(is_gpu(device))];
        let bytes = |extents| Pass::bytes(&Pass::stack(extents, 1));
        let fits =
            |[y, x]: [usize; 2]| y * x <= largest.max(STRIDE * STRIDE) && bytes([y, x]) <= device.binding_limit();
        let padded = extents.map(|extent| extent.next_multiple_of(STRIDE));
        plan(padded, halo, fits).ok_or_else(|| Error::OutOfMemory {
            device: device.name(),
            bytes: bytes([2 * halo + STRIDE; 2]),
            limit: format!("sixteen feature maps of a tile must fit one binding of {} bytes", device.binding_limit()),
        })
    }

    /// Adds the means over `ways`, all of the same extents, of some slices.
    fn add(
        &self,
        device: &Device,
        (noisy, sigma): (&Noisy, &Array),
        ways: &[Way],
        (passes, found): (&mut Vec<Pass>, &mut Array),
    ) -> Result<()> {
        let [nz, ny, nx] = noisy.slices;
        let laid = ways[0].extents([ny, nx]);
        let [rows, columns] = self.plan(device, laid)?;
        let mut jobs = Vec::new();
        for z in 0..nz {
            for way in ways {
                for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row.clone(), column)))
                {
                    let kept =
                        [row.kept.start..row.kept.end.min(laid[0]), column.kept.start..column.kept.end.min(laid[1])];
                    let view = View { slice: z * ny, extents: [ny, nx], way: *way, start: [row.start, column.start] };
                    jobs.push((view, kept));
                }
            }
        }
        let tile = [rows.size, columns.size];
        let tiles = Pass::stack(tile, at_once(device, tile, jobs.len()));
        let place = passes.iter().position(|pass| pass.is_for(device, &tiles));
        let mut pass = match place {
            Some(place) => passes.swap_remove(place),
            None => Pass::new(device, &self.parameters, tiles)?,
        };
        for jobs in jobs.chunks(tiles.count) {
            for (index, (view, _)) in jobs.iter().enumerate() {
                pass.read(device, noisy.image, (sigma, self.strength), (index, view));
            }
            pass.run(device);
            for (index, (view, kept)) in jobs.iter().enumerate() {
                let share = 1.0 / self.ways as f32;
                pass.write(device, noisy.image, (index, view), (kept.clone(), share, found));
            }
        }
        self.last().push(pass);
        Ok(())
    }
}

fn is_gpu(device: &Device) -> bool {
    matches!(device, Device::Gpu(_))
}

/// How many of `jobs` tiles are made together: on a CPU one after another, since their maps then stay in cache; on a GPU as
/// many as it has room for, as few times as possible.
fn at_once(device: &Device, tile: [usize; 2], jobs: usize) -> usize {
    let fits = |count: usize| {
        count * tile[0] * tile[1] <= AT_A_TIME[1] && Pass::bytes(&Pass::stack(tile, count)) <= device.binding_limit()
    };
    let most = if is_gpu(device) { (1..=jobs).take_while(|count| fits(*count)).last().unwrap_or(1) } else { 1 };
    jobs.div_ceil(jobs.div_ceil(most))
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
        let mut passes = std::mem::take(&mut *self.last());
        let [_, ny, nx] = noisy.slices;
        let (exchanged, straight): (Vec<Way>, Vec<Way>) =
            (0..self.ways).map(Way).partition(|way| ny != nx && way.exchanges());
        for ways in [straight, exchanged].iter().filter(|ways| !ways.is_empty()) {
            self.add(device, (noisy, sigma), ways, (&mut passes, &mut found))?;
        }
        Ok(found)
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let method = Network::new(options.weights.parameters(), options.strength as f32);
    for_noise(if options.turned { method.turned() } else { method }, options.noise)
}
