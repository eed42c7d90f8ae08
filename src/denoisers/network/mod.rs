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
    tiles::{STRIDE, plan},
};
use super::{Denoiser, Noisy, Options, Sigma, Turned, stabilised::for_noise};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
};

/// Pixels of a tile: the CPU's feature maps take 108 bytes for each with the widths 32, 64 and 96; a GPU's dispatches stay short.
const LARGEST_TILE: [usize; 2] = [1 << 22, 1 << 21];

/// The method, for Gaussian noise.
#[derive(Debug)]
pub struct Network {
    /// What training found.
    parameters: Arc<Parameters>,
    /// Factor on σ.
    strength: f32,
    /// What the last image was made with: the next one is often as large. To bring the weights there takes longer than a GPU
    /// takes for an image.
    last: Mutex<Option<Pass>>,
}

impl Network {
    /// With what training found, and a factor on σ.
    pub fn new(parameters: Arc<Parameters>, strength: f32) -> Self {
        Self { parameters, strength, last: Mutex::default() }
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

    fn last(&self) -> MutexGuard<'_, Option<Pass>> {
        self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Denoiser for Network {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let [nz, ny, nx] = noisy.slices;
        let extents = [ny, nx].map(|extent| extent.next_multiple_of(STRIDE));
        let halo = self.reach().next_multiple_of(STRIDE);
        let largest = LARGEST_TILE[usize::from(matches!(device, Device::Gpu(_)))];
        let fits =
            |[y, x]: [usize; 2]| y * x <= largest.max(STRIDE * STRIDE) && Pass::bytes([y, x]) <= device.binding_limit();
        let Some([rows, columns]) = plan(extents, halo, fits) else {
            return Err(Error::OutOfMemory {
                device: device.name(),
                bytes: Pass::bytes([2 * halo + STRIDE; 2]),
                limit: format!(
                    "sixteen feature maps of a tile must fit one binding of {} bytes",
                    device.binding_limit()
                ),
            });
        };
        let extents = [rows.size, columns.size];
        let mut pass = match self.last().take() {
            Some(last) if last.is_for(device, extents) => last,
            _ => Pass::new(device, &self.parameters, extents)?,
        };
        let one;
        let sigma = match noisy.sigma {
            Sigma::Map(map) => map,
            Sigma::Flat(sigma) => {
                one = device.upload(&[1], vec![*sigma])?;
                &one
            }
        };
        let mut found = device.zeros(noisy.image.shape(), Element::F32)?;
        for z in 0..nz {
            for row in rows.iter() {
                for column in columns.iter() {
                    let kept = [row.kept.start..row.kept.end.min(ny), column.kept.start..column.kept.end.min(nx)];
                    let view = View { slice: z * ny, extents: [ny, nx], start: [row.start, column.start] };
                    pass.read(device, noisy.image, (sigma, self.strength), &view);
                    pass.run(device);
                    pass.write(device, noisy.image, &view, (kept, &mut found));
                }
            }
        }
        *self.last() = Some(pass);
        Ok(found)
    }
}

/// As asked for.
pub fn denoiser(options: &Options) -> Box<dyn Denoiser> {
    let method = Network::new(options.weights.parameters(), options.strength as f32);
    if options.turned { for_noise(Turned(method), options.noise) } else { for_noise(method, options.noise) }
}
