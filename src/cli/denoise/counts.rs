//! `denoise --noise poisson`: the value of a count and the Gaussian noise beside it, as flags say or the image tells.

use ndarray::ArrayView3;
use rushlight::{
    Error, Result,
    denoisers::{Model, level},
    device::Device,
    noise::{self, Anscombe},
};

/// Least σ over the gain: a transform's σ is above 0, and so little is none.
const LEAST: f64 = 1e-6;

/// What `--gain` and `--sigma` say, `auto` or numbers, and for the rest what `image` tells.
pub fn fit(
    device: &Device,
    image: &ArrayView3<f32>,
    (gain, sigma): (&str, &str),
    notes: &mut Vec<String>,
) -> Result<Anscombe> {
    let known = [number("--gain", gain, |gain| gain > 0.0)?, number("--sigma", sigma, |sigma| sigma >= 0.0)?];
    let found = match known {
        [Some(gain), Some(sigma)] => Anscombe { gain, sigma },
        [gain, sigma] => {
            let found = noise::poisson(image, gain, sigma).ok_or_else(|| {
                Error::Option(match gain {
                    None => "no Poisson noise was found: the variance of at least 48 blocks of 8 × 8 pixels that vary would rise with \
                             their mean, in a straight line; say what one count is worth (--gain), or leave --noise poisson out"
                        .into(),
                    Some(_) => "the image tells nothing of its noise: too few pixels that vary; give --sigma, 0 where there is \
                                Poisson noise alone"
                        .into(),
                })
            })?;
            let found = if gain.is_none() && sigma.is_none() { settled(device, image, found)? } else { found };
            notes.push(format!(
                "counts of {:.4e}, Gaussian noise σ {:.4e}, from how the variance rises with the mean",
                found.gain, found.sigma
            ));
            found
        }
    };
    Ok(Anscombe { sigma: found.sigma.max(LEAST * found.gain), ..found })
}

/// Counts from which on their noise is hardly other than Gaussian, and structure may pass for it.
const MANY: f64 = 100.0;
/// A level above this is 1, but for chance.
const NEARLY: f64 = 0.9;

/// Where structure has passed for noise, the image that the transform makes has noise of less than 1: gain and σ² follow it.
/// Patches tell it best, where all of the image is bright.
fn settled(device: &Device, image: &ArrayView3<f32>, found: Anscombe) -> Result<Anscombe> {
    let stable = image.mapv(|value| found.forward(f64::from(value)) as f32);
    let many = found.forward(MANY * found.gain) as f32;
    let level = match stable.iter().all(|value| *value > many) {
        true => level::levels(device, &stable.view(), stable.dim().0, Model::Gaussian)?.into_iter().fold(0.0, f64::max),
        false => level::rather(device, &stable.view(), many)?,
    };
    let level = if level > 0.0 && level < NEARLY { level } else { 1.0 };
    Ok(Anscombe { gain: found.gain * level * level, sigma: found.sigma * level })
}

/// A number that is `fit`; none for `auto`.
fn number(flag: &str, text: &str, fits: impl Fn(f64) -> bool) -> Result<Option<f64>> {
    if text == "auto" {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(value) if fits(value) && (value as f32).is_finite() => Ok(Some(value)),
        Ok(_) if flag == "--gain" => {
            Err(Error::Option(format!("--gain {text}: one count has a value above 0, or auto")))
        }
        Ok(_) => Err(Error::Option(format!("--sigma {text}: beside counts it is 0 or more, or auto"))),
        Err(_) => Err(Error::Option(format!(
            "{flag} {text}: with --noise poisson it is a number or auto, the same for the whole image"
        ))),
    }
}
