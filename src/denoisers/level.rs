//! The standard deviation of white noise, slice by slice, where texture must not pass for it. The finest details of a slice
//! ([`noise::level()`]) hold its noise and its texture, so that their median is a bound from above. Two more looks bring it down:
//!
//! - **Patches.** Texture lives in few dimensions of the space of 7 × 7 patches, white noise alike in all: where the least
//!   eigenvalues of the patches' covariance lie on a plateau, this is σ² (Chen, Zhu & Heng 2015, ICCV, 477).
//! - **What a denoiser takes off.** Told σ, non-local means takes off nine tenths of it where there is little but noise, and much
//!   less where what it was told to be noise is structure: then what it takes off is nearer to the truth.
//!
//! Random texture as fine as the pixels, and many times as strong as the noise, cannot be told from noise by either: there σ must
//! be said.

use std::hash::{DefaultHasher, Hash, Hasher};

use ndarray::{Array2, ArrayView2, ArrayView3, Axis, s};
use rayon::prelude::*;

use super::{Denoiser, Model, Noisy, Sigma, levelled::mean, mp_pca::eigen::values_of, non_local_means::NonLocalMeans};
use crate::{device::Device, error::Result, noise};

/// Pixels of a slice that tell σ to 3 %; smaller slices are taken for alike.
const ENOUGH: usize = 48 * 48;
/// Pixels of a patch along an axis, and numbers in it.
const SIDE: usize = 7;
const NUMBERS: usize = SIDE * SIDE;
/// Patches that are looked at, about.
const PATCHES: usize = 40_000;
/// The plateau: so many least eigenvalues, whose roots differ by less than this times √(numbers/patches), as those of white
/// noise do (Marchenko & Pastur 1967: twice that over all 49).
const PLATEAU: usize = 13;
const EVEN: f64 = 1.0;
/// A plateau tells where it lies so far below the details' level: less may be chance.
const BELOW: f64 = 0.9;
/// What is taken off, over σ: from the latter on, all told is noise; below the former, it is what is taken off.
const TAKEN: [f64; 2] = [0.75, 0.85];
/// Below this the next look may see less noise still.
const DOUBTFUL: f64 = 0.55;
/// Looks, and how much one may change.
const LOOKS: usize = 8;
const LEAST: f64 = 0.4;
/// Of σ, what rounding may change.
const STAYS: f32 = 1e-4;
/// Pixels along an axis of what repeats itself: noise of half a digit of whole numbers does not over so many.
const REPEATED: usize = 5;
/// Magnitudes above so many σ have Gaussian noise; and how many of these tell something, an eighth of those that vary at least.
const BRIGHT: f32 = 3.0;
const BRIGHT_ENOUGH: usize = 1000;

/// σ of every slice of `image`, `[z, y, x]`: of `parts` slices together where they are the parts of complex ones. `noise` is
/// Gaussian or Rician (then σ is that of either part of the complex number), and white. 0 where nothing varies.
///
/// # Errors
/// What goes wrong on the device.
pub fn levels(device: &Device, image: &ArrayView3<f32>, parts: usize, noise: Model) -> Result<Vec<f64>> {
    let (nz, ny, nx) = image.dim();
    let together = if ny * nx < ENOUGH { nz } else { parts };
    let mut found = Vec::with_capacity(nz);
    for first in (0..nz).step_by(together.max(1)) {
        let group = image.slice(s![first..(first + together).min(nz), .., ..]);
        let sigma = level(device, &group, noise)?;
        found.extend(std::iter::repeat_n(sigma, group.dim().0));
    }
    Ok(found)
}

/// σ of slices that are alike.
fn level(device: &Device, image: &ArrayView3<f32>, noise: Model) -> Result<f64> {
    let rician = noise == Model::Rician;
    let mut sigma = if rician { noise::rician_level(image) } else { noise::level(image) };
    if sigma == 0.0 || !sigma.is_finite() {
        return Ok(0.0);
    }
    if image.axis_iter(Axis(0)).into_par_iter().all(|slice| repeats(&slice)) {
        return Ok(0.0);
    }
    let plateaus: Vec<Option<f64>> = image.axis_iter(Axis(0)).into_par_iter().map(|slice| plateau(&slice)).collect();
    let squares: Option<f64> = plateaus.iter().map(|plateau| plateau.map(|sigma| sigma * sigma)).sum();
    let plateau = squares.map(|sum| (sum / plateaus.len() as f64).sqrt());
    // What no patch shares is noise: non-local means, which looks for like patches nearby, knows no better. Of Rician noise, whose
    // size goes with the signal, the plateau tells only that there is none.
    if let Some(plateau) = plateau.filter(|plateau| *plateau == 0.0 || (!rician && *plateau < BELOW * sigma)) {
        return Ok(plateau);
    }
    let bright = if rician { BRIGHT } else { f32::NEG_INFINITY };
    for _ in 0..LOOKS {
        let Some(taken) = taken_off(device, image, sigma, (noise, bright))? else { break };
        sigma *= believed(taken);
        if taken >= DOUBTFUL {
            break;
        }
    }
    Ok(sigma)
}

/// What a σ that was told is to be multiplied with, where so much of it was taken off.
fn believed(taken: f64) -> f64 {
    let [low, high] = TAKEN;
    match taken {
        taken if taken < low => taken.max(LEAST),
        taken => (low + (1.0 - low) * (taken - low) / (high - low)).min(1.0),
    }
}

/// What white noise of deviation 1 in `image` rather is, as far as pixels tell that are above `bright`: 1 or less, where
/// structure has passed for noise.
///
/// # Errors
/// What goes wrong on the device.
pub fn rather(device: &Device, image: &ArrayView3<f32>, bright: f32) -> Result<f64> {
    let taken = taken_off(device, image, 1.0, (Model::Gaussian, bright))?;
    Ok(taken.map_or(1.0, believed))
}

/// The root of the mean of the least eigenvalues of the covariance of a slice's patches, where these are even; 0 where they are
/// nothing that f32 would tell, as of a pattern that repeats itself.
fn plateau(slice: &ArrayView2<f32>) -> Option<f64> {
    let (ny, nx) = slice.dim();
    if ny < SIDE || nx < SIDE {
        return None;
    }
    let places = (ny - SIDE + 1) * (nx - SIDE + 1);
    // Not a multiple of the lines' length, so that all columns are seen.
    let step = (places / PATCHES).max(1);
    let patch = |place: usize| {
        let (y, x) = (place / (nx - SIDE + 1), place % (nx - SIDE + 1));
        slice.slice(s![y..y + SIDE, x..x + SIDE])
    };
    let (mut sums, mut products, mut count) =
        (vec![0.0_f64; NUMBERS], Array2::<f64>::zeros((NUMBERS, NUMBERS)), 0_usize);
    let mean = mean(&slice.iter().copied().collect::<Vec<f32>>());
    let mut numbers = [0.0_f64; NUMBERS];
    for place in (0..places).step_by(step) {
        let patch = patch(place);
        let first = patch[[0, 0]];
        // What was set to one value has no noise to tell of.
        if patch.iter().all(|value| *value == first) {
            continue;
        }
        numbers.iter_mut().zip(&patch).for_each(|(number, value)| *number = f64::from(*value) - mean);
        for (i, a) in numbers.iter().enumerate() {
            sums[i] += a;
            let line = products.row_mut(i);
            line.into_iter().zip(&numbers[..=i]).for_each(|(sum, b)| *sum += a * b);
        }
        count += 1;
    }
    if count < 8 * NUMBERS {
        return None;
    }
    let n = count as f64;
    let mut covariance = vec![0.0; NUMBERS * NUMBERS];
    for i in 0..NUMBERS {
        for j in 0..=i {
            let value = products[[i, j]] / n - sums[i] * sums[j] / (n * n);
            (covariance[i * NUMBERS + j], covariance[j * NUMBERS + i]) = (value, value);
        }
    }
    let mut values = values_of(&mut covariance, NUMBERS);
    values.sort_by(f64::total_cmp);
    let (least, last) = (values[0], values[PLATEAU - 1]);
    let largest = slice.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    if last <= f64::from(f32::EPSILON * largest).powi(2) {
        return Some(0.0);
    }
    let even = (last / least).sqrt() < 1.0 + EVEN * (NUMBERS as f64 / n).sqrt();
    (least > 0.0 && even).then(|| (values[..PLATEAU].iter().sum::<f64>() / PLATEAU as f64).sqrt())
}

/// The rms of what non-local means takes off, over σ, in pixels above so many σ.
fn taken_off(
    device: &Device,
    image: &ArrayView3<f32>,
    sigma: f64,
    (noise, bright): (Model, f32),
) -> Result<Option<f64>> {
    let (nz, ny, nx) = image.dim();
    let mut values: Vec<f32> = image.iter().copied().collect();
    for slice in values.chunks_exact_mut(ny * nx) {
        // Squares are averaged where noise is Rician; else an offset is nothing but digits lost.
        let offset = if noise == Model::Rician { 0.0 } else { mean(slice) };
        slice.iter_mut().for_each(|value| *value = ((f64::from(*value) - offset) / sigma) as f32);
    }
    let array = device.upload(&[nz * ny, nx], &values[..])?;
    let method = NonLocalMeans { noise, ..NonLocalMeans::default() };
    let quiet = method.denoise(device, &Noisy::new(&array, [nz, ny, nx], &Sigma::Flat(1.0))?)?;
    let quiet: Vec<f32> = device.download(&quiet)?;
    // What was set to one value stays as it is, but for rounding: it has no noise to tell of.
    let told = |value: f32, quiet: f32| ((value - quiet).abs() > STAYS).then_some((value - quiet, quiet > bright));
    let (mut sum, mut count, mut vary) = (0.0, 0_usize, 0_usize);
    for difference in values.iter().zip(&quiet).map(|(value, quiet)| told(*value, *quiet)) {
        vary += usize::from(difference.is_some());
        if let Some(difference) = difference.filter(|(_, is_bright)| *is_bright).map(|(difference, _)| difference) {
            sum += f64::from(difference).powi(2);
            count += 1;
        }
    }
    let enough = BRIGHT_ENOUGH.min(nz * ny * nx / 8).max(vary / 8).max(1);
    Ok((count >= enough).then(|| (sum / count as f64).sqrt()))
}

/// Whether most of a slice's patches are found elsewhere in it, to the last digit, but for those of one value: noise does not
/// repeat itself, a pattern that was drawn does, even in a part of the slice.
fn repeats(slice: &ArrayView2<f32>) -> bool {
    let patches = slice.windows([REPEATED, REPEATED]).into_iter();
    let digits = patches.filter(|patch| patch.iter().any(|value| *value != patch[[0, 0]])).map(|patch| {
        let mut hasher = DefaultHasher::new();
        patch.iter().for_each(|value| (value + 0.0).to_bits().hash(&mut hasher));
        hasher.finish()
    });
    let mut digits: Vec<u64> = digits.collect();
    digits.sort_unstable();
    let once = digits.chunk_by(|a, b| a == b).filter(|alike| alike.len() == 1).count();
    2 * once < digits.len()
}
