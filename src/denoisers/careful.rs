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

use super::{Denoiser, Noisy, Options, Sigma, stabilised::for_noise};
use crate::{
    device::{Array, Device},
    error::Result,
    random::Draws,
};

/// Halvings of the strength, at most.
const HALVINGS: i32 = 4;
/// ε over σ.
const PROBE: f64 = 0.1;
const SEED: u64 = 0x5u64 << 32;

/// Slice by slice, a method that is made for a strength.
pub struct Careful<D, F> {
    make: F,
    /// The one that is tried first.
    strength: f32,
    method: std::marker::PhantomData<fn() -> D>,
}

impl<D: Denoiser, F: Fn(f32) -> D> Careful<D, F> {
    /// With what makes the method for a strength, and the strength to begin with.
    pub fn new(make: F, strength: f32) -> Self {
        Self { make, strength, method: std::marker::PhantomData }
    }
}

/// A slice and what its noise is worth.
struct Slice {
    values: Vec<f32>,
    sigma: Sigma,
    squares: Vec<f64>,
}

impl<D: Denoiser, F: Fn(f32) -> D + Send + Sync> Denoiser for Careful<D, F> {
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array> {
        let [nz, ny, nx] = noisy.slices;
        let size = ny * nx;
        let values: Vec<f32> = device.download(noisy.image)?;
        let sigmas = match noisy.sigma {
            Sigma::Flat(sigma) => vec![*sigma],
            Sigma::Map(map) => device.download(map)?,
        };
        let mut found = Vec::with_capacity(values.len());
        for z in 0..nz {
            let values = values[z * size..(z + 1) * size].to_vec();
            let each = if sigmas.len() == 1 { &sigmas } else { &sigmas[z * size..(z + 1) * size] };
            let square = |index: usize| f64::from(each[index % each.len()]).powi(2);
            let squares: Vec<f64> = (0..size).map(square).collect();
            let sigma = match each.len() {
                1 => Sigma::Flat(each[0]),
                _ => Sigma::Map(device.upload(&[ny, nx], each)?),
            };
            found.extend(self.slice(device, [ny, nx], &Slice { values, sigma, squares })?);
        }
        device.upload(noisy.image.shape(), found)
    }
}

impl<D: Denoiser, F: Fn(f32) -> D> Careful<D, F> {
    fn slice(&self, device: &Device, [ny, nx]: [usize; 2], slice: &Slice) -> Result<Vec<f32>> {
        let Slice { values, sigma, squares } = slice;
        let noise: f64 = squares.iter().sum();
        let mut best = (noise, values.clone());
        for halving in 0..=HALVINGS {
            let method = (self.make)(self.strength * 0.5_f32.powi(halving));
            let run = |values: &[f32]| -> Result<Vec<f32>> {
                let image = device.upload(&[ny, nx], values)?;
                device.download(&method.denoise(device, &Noisy::new(&image, [1, ny, nx], sigma)?)?)
            };
            let quiet = run(values)?;
            let signs: Vec<f64> = (0..ny * nx).map(|at| sign(at / nx, at % nx)).collect();
            let steps: Vec<f64> =
                squares.iter().zip(&signs).map(|(square, sign)| PROBE * square.sqrt() * sign).collect();
            let probe: Vec<f32> =
                values.iter().zip(&steps).map(|(value, step)| (f64::from(*value) + step) as f32).collect();
            let moved = run(&probe)?;
            let (mut with_noise, mut size) = (-noise, 0.0);
            for index in 0..values.len() {
                size += f64::from(quiet[index] - values[index]).powi(2);
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
        return for_noise(Careful::new(make, usual), false, options.noise);
    }
    for_noise(make(usual * options.strength as f32), false, options.noise)
}
