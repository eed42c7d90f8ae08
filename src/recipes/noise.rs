//! Weights of the rays, and the strength of a regulariser that follows from the noise the data turn out to carry.
//!
//! The noise is estimated along with the image, as in the scaled lasso (Sun & Zhang 2012): with σ the standard deviation of
//! Ax − b and g the rms over the pixels of Aᵀn for white noise n of variance 1, both weighted, so that σ·g is what noise
//! puts into the gradient of the data's term, λ = 1.55·σ·g, and less than that where many views let the data speak for
//! themselves ([`factor`]). σ is taken from the mean absolute value over the rays that meet
//! the object, √(π/2)·⟨|r|⟩, the same for Gaussian noise: a few rays along edges, which pixels explain badly, must not
//! pass for noise everywhere. Nor is it more than photons and a fine grid's discretisation leave open
//! ([`classical::trust`]). Where the data are noise-free, what no image on the grid explains takes the
//! noise's place: the discretisation error is the floor.

use super::classical;
use crate::{
    device::{Array, Device},
    error::Result,
    operators::LinearOperator,
    random::Draws,
    scan::Scan,
};

/// λ over σ·g: found by trial on the Toft phantom and on chest slices; half or twice as much costs 1 dB at most.
const FACTOR: f64 = 1.55;
/// Views up to which it holds; beyond, it falls with this power of their number (the latter from one slice scanned by
/// LoDoPaB-CT's protocol, 1000 views: a third to a quarter of 1.55 was best there).
const FEW: f64 = 30.0;
const POWER: f64 = 0.35;
/// Least and largest weight, relative to that of the typical ray through the object.
const RANGE: [f32; 2] = [0.05, 3.0];
const SEED: u64 = 1;

/// Weights of a scan's rays: all 1, or, where they differ by their noise, the inverse variances, 1 for the typical ray through
/// the object (Sauer & Bouman 1993).
pub fn weights(scan: &Scan, trust: &classical::Trust) -> Option<Vec<f32>> {
    let noise = trust.noise?;
    let weight = |value: &f32| (noise.variance(trust.typical) / noise.variance(*value)) as f32;
    Some(scan.projections.iter().map(|value| weight(value).clamp(RANGE[0], RANGE[1])).collect())
}

/// g: the rms over the pixels of Aᵀn, n white noise of variance 1 (seeded).
pub fn gain(operator: &dyn LinearOperator, device: &Device) -> Result<f64> {
    let (range, domain) = (operator.range(), operator.domain());
    let columns: usize = range[1..].iter().product();
    let noise: Vec<f32> = (0..range[0])
        .flat_map(|line| {
            let mut draws = Draws::new(SEED, [0, 0, line]);
            (0..columns).map(move |_| draws.normal() as f32)
        })
        .collect();
    let mut image = device.zeros(domain, crate::device::Element::F32)?;
    operator.adjoint(&device.upload(range, noise)?, &mut image)?;
    let image: Vec<f32> = device.download(&image)?;
    Ok(rms(image.iter().copied().filter(|value| *value != 0.0)))
}

/// σ of residuals Ax − b.
pub fn deviation(residuals: impl Iterator<Item = f32>) -> f64 {
    let (sum, count) = residuals.fold((0.0, 0_usize), |(sum, count), value| (sum + f64::from(value.abs()), count + 1));
    std::f64::consts::FRAC_PI_2.sqrt() * sum / count.max(1) as f64
}

/// λ over σ·g, for so many views.
pub fn factor(views: usize) -> f64 {
    FACTOR * (FEW / views as f64).min(1.0).powf(POWER)
}

/// The most that σ can be: the rays' own standard deviations, weighted like the data, in the mean over those that meet the
/// object.
pub fn most(trust: &classical::Trust, roots: Option<&[f32]>, meeting: &[bool]) -> f64 {
    let deviations = trust.weights.iter().enumerate().zip(meeting).filter(|(_, meets)| **meets);
    let weighed = deviations.map(|((index, weight), _)| roots.map_or(1.0, |roots| roots[index]) / weight.sqrt());
    let (sum, count) = weighed.fold((0.0, 0_usize), |(sum, count), value| (sum + f64::from(value), count + 1));
    sum / count.max(1) as f64
}

/// Which rays meet the object: those above a hundredth of the largest.
pub fn meeting(projections: &[f32]) -> Vec<bool> {
    let largest = projections.iter().fold(0.0_f32, |most, value| most.max(*value));
    projections.iter().map(|value| *value > 0.01 * largest).collect()
}

/// Root of the mean square; 0 of nothing.
pub fn rms(values: impl Iterator<Item = f32>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + f64::from(value).powi(2), count + 1));
    (sum / count.max(1) as f64).sqrt()
}

/// Root of the mean square of an array on a device.
pub fn rms_of(device: &Device, array: &Array) -> Result<f64> {
    Ok(rms(device.download::<f32>(array)?.into_iter()))
}

/// The rms of deviations where there is matter: √(Σ x d² / Σ x), from pairs of x and d.
pub fn in_matter(pairs: impl Iterator<Item = (f32, f32)>) -> f64 {
    let (mut sum, mut total) = (0.0, f64::MIN_POSITIVE);
    for (value, deviation) in pairs {
        let matter = f64::from(value.max(0.0));
        sum += matter * f64::from(deviation).powi(2);
        total += matter;
    }
    (sum / total).sqrt()
}
