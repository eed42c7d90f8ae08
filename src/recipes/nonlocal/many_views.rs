//! Many views: a lightly regularised `pwls` image, denoised once by block matching (the denoiser `bm3d`), and a share of what it
//! leaves of the data.
//!
//! What noise is left in that image depends on where it is and on the penalty, so it is not guessed: the same recipe runs
//! on the data with as much noise again, drawn with the rays' own variances, and the difference of the two images tells
//! (pseudo replicas: Robson et al., Magn. Reson. Med. 60, 895, 2008).

use crate::{
    denoisers::{Denoiser, Noisy, Sigma, block_matching::BlockMatching},
    device::Device,
    error::Result,
    geometry::Grid,
    monitor::Monitor,
    problem::Bounds,
    random::Draws,
    recipes::{Recipe, Reconstruction, classical, left_over, noise, options::Options, provenance, pwls::Pwls, volume},
    scan::Scan,
};

/// β over that of the recipe `pwls`: what follows leaves it less to do.
const SOFTER: f64 = 0.4;
/// σ for the filter over the noise that is left, whose tails, of pixels that stand out, count in the latter. This and the factor
/// above were found by trial on chest slices outside the benches and on rods in water, at 2·10⁴ photons.
const SHARE: f64 = 0.6;
/// Of the replica's noise.
const SEED: u64 = 0;

/// The image.
pub(super) fn reconstruct(
    options: &Options,
    scan: Scan,
    grid: &Grid,
    device: &Device,
    monitor: &Monitor,
) -> Result<Reconstruction> {
    let replica = replica(&scan, options)?;
    let mut options = Options { strength: options.strength.scaled(SOFTER), ..options.clone() };
    let Reconstruction { mut image, mut notes } =
        Pwls(options.clone()).reconstruct(scan.clone(), grid, device, monitor)?;
    image.provenance = provenance("nonlocal");
    if monitor.is_finishing() {
        return Ok(Reconstruction { image, notes });
    }
    options.iteration.observer = None;
    let again = Pwls(options.clone()).reconstruct(replica, grid, device, monitor)?.image;
    let noise = noise::in_matter(image.values.iter().zip(&again.values).map(|(value, other)| (*value, other - value)));
    if monitor.is_finishing() || noise == 0.0 {
        notes.push("not filtered: no finished replica tells what noise is left".into());
        return Ok(Reconstruction { image, notes });
    }
    let sigma = SHARE * noise;
    notes.push(format!("noise left to the filter {noise:.3e}, by a replica; filtered for σ {sigma:.3e}"));
    image.values = monitor.step("filter", 1, || {
        let lines = [grid.shape[0] * grid.shape[1], grid.shape[2]];
        let noisy = device.upload(&lines, image.values.iter().copied().collect::<Vec<_>>())?;
        let sigma = Sigma::Flat(sigma as f32);
        let quiet = BlockMatching::default().denoise(device, &Noisy::new(&noisy, grid.shape, &sigma)?)?;
        let Bounds { lower, upper } = options.bounds;
        let values: Vec<f32> = device.download(&quiet)?;
        Ok(volume(grid.shape, values.into_iter().map(|value| value.clamp(lower, upper)).collect()))
    })?;
    left_over::give_back(&mut image.values, 1.0, (&scan, grid), &options, (device, monitor), &mut notes)?;
    Ok(Reconstruction { image, notes })
}

/// The scan with as much noise again.
fn replica(scan: &Scan, options: &Options) -> Result<Scan> {
    let weights = classical::trust(scan, options.photons)?.weights;
    let mut replica = scan.clone();
    for (index, (value, weight)) in replica.projections.iter_mut().zip(weights).enumerate() {
        *value += (Draws::new(SEED, [0, 0, index]).normal() / f64::from(weight).sqrt()) as f32;
    }
    Ok(replica)
}
