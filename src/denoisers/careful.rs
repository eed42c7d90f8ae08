//! A denoiser that never leaves an image worse than it was. How much it helps, or harms, is told from the noisy image alone:
//! Stein's unbiased estimate of the risk E‖x̂ − x‖² (Stein 1981, Ann. Statist. 9, 1135), for white Gaussian noise n of known σ,
//!
//! ```text
//! x̂ = y + t·r,  r = f(y) − y        E‖x̂ − x‖² = ‖σ‖² + 2t·E⟨n, r⟩ + t²·E‖r‖²        E⟨n, r⟩ = Σ σ² ∂r/∂y
//! ```
//!
//! with the divergence from one more run, on y + εb with b = ±1 (Ramani, Blu & Unser 2008, IEEE Trans. Image Process. 17, 1540).
//! Where the method smooths away more than noise, as total variation does with texture, it is asked again for half as
//! much; and of the best answer as much is taken, t ≤ 1, as the estimate likes best.

use super::{Denoiser, Noisy, Options, Sigma, levelled::Offset, stabilised::for_noise};
use crate::{
    device::{Array, Device},
    error::Result,
    random::Draws,
};

/// Halvings of the strength, at most.
const HALVINGS: i32 = 4;
/// What a trusted method may take off, over ‖σ‖²: of noise alone it is 1 at most, but for chance and a σ that was found 5 % low.
const TRUSTED: f64 = 1.1;
/// Pixels to the right or below after which a pattern is looked for in it, farther than noise is shared: these hold multiples of all
/// periods up to six. And the part of it that a pattern makes.
const REPEATS: std::ops::RangeInclusive<usize> = 4..=12;
const PATTERN: f64 = 0.3;
/// ε over σ.
const PROBE: f64 = 0.1;
const SEED: u64 = 0x5u64 << 32;

/// A method that is made for a strength, watched slice by slice.
pub struct Careful<D, F> {
    make: F,
    /// The strength that is tried first, and the method for it.
    strength: f32,
    method: D,
    /// How much may be taken off, of the noise's ‖σ‖², before the risk is asked for.
    trusted: f64,
}

impl<D: Denoiser, F: Fn(f32) -> D> Careful<D, F> {
    /// With what makes the method for a strength, and the strength to begin with; always asked what it risks.
    pub fn new(make: F, strength: f32) -> Self {
        let method = make(strength);
        Self { make, strength, method, trusted: 0.0 }
    }

    /// Believed where what it takes off is like noise: for a method that takes long and is seldom wrong.
    #[must_use]
    pub fn trusted(self) -> Self {
        Self { trusted: TRUSTED, ..self }
    }
}

/// A slice and what its noise is worth.
struct Slice {
    values: Vec<f32>,
    /// What the method makes of it.
    quiet: Option<Vec<f32>>,
    sigma: Sigma,
    squares: Vec<f64>,
}

impl<D: Denoiser, F: Fn(f32) -> D + Send + Sync> Denoiser for Careful<D, F> {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let [nz, ny, nx] = noisy.slices;
        let size = ny * nx;
        let values: Vec<f32> = device.download(noisy.image)?;
        let made = (self.trusted > 0.0).then(|| self.method.denoise(device, noisy)).transpose()?;
        let quiet: Option<Vec<f32>> = made.as_ref().map(|made| device.download(made)).transpose()?;
        let sigmas = match noisy.sigma {
            Sigma::Flat(sigma) => vec![*sigma],
            Sigma::Map(map) => device.download(map)?,
        };
        let (mut found, mut believed) = (Vec::with_capacity(values.len()), 0);
        for z in 0..nz {
            let of_slice = z * size..(z + 1) * size;
            let values = &values[of_slice.clone()];
            let quiet = quiet.as_ref().map(|quiet| &quiet[of_slice.clone()]);
            let each = if sigmas.len() == 1 { &sigmas } else { &sigmas[of_slice] };
            let square = |index: usize| f64::from(each[index % each.len()]).powi(2);
            let squares: Vec<f64> = (0..size).map(square).collect();
            let most = self.trusted * squares.iter().sum::<f64>();
            if let Some(quiet) = quiet.filter(|quiet| is_like_noise(values, quiet, nx, most)) {
                found.extend_from_slice(quiet);
                believed += 1;
                continue;
            }
            let sigma = match each.len() {
                1 => Sigma::Flat(each[0]),
                _ => Sigma::Map(device.upload(&[ny, nx], each)?),
            };
            let (values, quiet) = (values.to_vec(), quiet.map(<[f32]>::to_vec));
            found.extend(self.slice(device, [ny, nx], Slice { values, quiet, sigma, squares })?);
        }
        match made {
            Some(made) if believed == nz => Ok(made),
            _ => device.upload(noisy.image.shape(), found),
        }
    }
}

impl<D: Denoiser, F: Fn(f32) -> D> Careful<D, F> {
    fn slice(&self, device: &Device, [ny, nx]: [usize; 2], slice: Slice) -> Result<Vec<f32>> {
        let Slice { values, quiet, sigma, squares } = slice;
        let noise: f64 = squares.iter().sum();
        let moved = |(index, value): (usize, &f32)| {
            let step = PROBE * squares[index].sqrt() * sign(index / nx, index % nx);
            (f64::from(*value) + step) as f32
        };
        let probe: Vec<f32> = values.iter().enumerate().map(moved).collect();
        let run = |method: &D, values: &[f32]| -> Result<Vec<f32>> {
            let image = device.upload(&[ny, nx], values)?;
            device.download(&method.denoise(device, &Noisy::new(&image, [1, ny, nx], &sigma)?)?)
        };
        let mut first = quiet;
        let mut best = (noise, values.clone());
        for halving in 0..=HALVINGS {
            let weaker = (halving > 0).then(|| (self.make)(self.strength * 0.5_f32.powi(halving)));
            let method = weaker.as_ref().unwrap_or(&self.method);
            let quiet = first.take().map_or_else(|| run(method, &values), Ok)?;
            let moved = run(method, &probe)?;
            let (mut with_noise, size) = (-noise, distance(&quiet, &values));
            for index in 0..values.len() {
                // As far as the probe was moved in f32, which is not quite the step.
                let step = f64::from(probe[index]) - f64::from(values[index]);
                if step != 0.0 {
                    with_noise += squares[index] * f64::from(moved[index] - quiet[index]) / step;
                }
            }
            let wish = -with_noise / size.max(f64::MIN_POSITIVE);
            let share = wish.clamp(0.0, 1.0);
            let risk = noise + 2.0 * share * with_noise + share * share * size;
            let better = risk < best.0;
            if better {
                let blend = |(value, quiet): (&f32, &f32)| value + share as f32 * (quiet - value);
                best = (risk, values.iter().zip(&quiet).map(blend).collect());
            }
            // All of it, and gladly more: half as strong would be worse. Or it was, already.
            if wish >= 1.0 || (!better && halving > 0 && best.0 < noise) {
                break;
            }
        }
        Ok(best.1)
    }
}

/// Whether what was taken off is noise, as far as one sees: not more than there is, and no pattern. Where r = p − αn, with structure p
/// that is no noise, leaves an image worse, p² > 2α − α²: so more is taken off than noise, or most of it is structure.
fn is_like_noise(values: &[f32], quiet: &[f32], nx: usize, most: f64) -> bool {
    let taken: Vec<f32> = values.iter().zip(quiet).map(|(value, quiet)| value - quiet).collect();
    let size: f64 = taken.iter().map(|value| f64::from(*value).powi(2)).sum();
    let shared = |apart: usize| -> f64 {
        taken.iter().zip(taken.iter().skip(apart)).map(|(a, b)| f64::from(a * b)).sum::<f64>().abs()
    };
    size <= most && REPEATS.flat_map(|apart| [apart, apart * nx]).all(|apart| shared(apart) <= PATTERN * size)
}

/// ‖a − b‖².
fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
}

/// ±1, of a pixel.
fn sign(y: usize, x: usize) -> f64 {
    if Draws::new(SEED, [0, y, x]).uniform() < 0.5 { -1.0 } else { 1.0 }
}

/// A method of which `usual` is the strength: careful, unless a strength was asked for or care is not.
pub(super) fn denoiser<D: Denoiser + 'static>(
    options: &Options,
    make: impl Fn(f32) -> D + Send + Sync + 'static,
    usual: f32,
) -> Box<dyn Denoiser> {
    if options.careful && options.strength == 1.0 {
        return for_noise(Careful::new(make, usual), Offset::OfSlice, options.noise);
    }
    for_noise(make(usual * options.strength as f32), Offset::OfSlice, options.noise)
}
