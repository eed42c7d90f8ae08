//! What a scan that was sampled whole shows where coil maps of ours end: the coils' adaptive combination, times the part of the energy
//! there that is beyond noise's. Nothing unfolds there, so that maps, which leave out what calibration at low resolution does not
//! see, such as the ripples of edges, need not have the last word.

use ndarray::{Array3, Axis, s};
use num_complex::Complex32;

use super::{coil_images, combine, encoding::Encoded, prepare::Prepared};
use crate::{device::Device, error::Result, scan::Encoding};

/// Pixels on either side over which energy is averaged.
const REACH: usize = 2;

/// Adds it to the image of a frame, as far as the first set of maps has faded; nothing for a scan with gaps.
pub fn add(
    device: &Device,
    encoded: &Encoded,
    (prepared, frame): (&Prepared, usize),
    image: &mut Array3<Complex32>,
) -> Result<()> {
    let scan = &prepared.scan;
    let Encoding::Cartesian(masks) = &scan.encoding else { return Ok(()) };
    let mask = &masks[if masks.len() > 1 { frame } else { 0 }];
    let Some(noise) = prepared.noise(frame) else { return Ok(()) };
    if mask.count() < mask.sampled.len() || scan.coils() == 1 {
        return Ok(());
    }
    let images = coil_images::of_kspace(device, scan.samples.index_axis(Axis(0), frame))?;
    let energies = images.map_axis(Axis(0), |coils| coils.iter().map(|value| value.norm_sqr()).sum::<f32>());
    let combined = combine::adaptive(images.view(), prepared.mixture(frame));
    let noise = scan.coils() as f32 * noise as f32;
    let [_, ny, nx] = encoded.matrix;
    let near = |at: usize, extent: usize| at.saturating_sub(REACH)..(at + REACH + 1).min(extent);
    for ((z, y, x), value) in image.indexed_iter_mut() {
        let length = encoded.squares[(z * ny + y) * 2 * encoded.sets * nx + x].sqrt();
        if length < 0.999 {
            let around = energies.slice(s![z, near(y, ny), near(x, nx)]);
            let signal = (1.0 - noise / around.mean().unwrap_or(0.0).max(f32::MIN_POSITIVE)).max(0.0);
            *value += combined[[z, y, x]] * ((1.0 - length) * signal);
        }
    }
    Ok(())
}
