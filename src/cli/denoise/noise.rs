//! What flags say of an image's noise, and for the rest the image itself.

use std::path::Path;

use ndarray::{Array3, Axis, s};
use rushlight::{
    Error, Result,
    denoisers::{Model, Options, Sigma, level},
    device::Device,
    error::check_finite,
    io,
    noise::{self, Anscombe, Correlation},
};

use super::{Flags, Slices, counts};

/// The part of the noise that the finest details must show for its level to be told by them: less is mostly edges.
const LEAST_SEEN: f64 = 0.1;

/// Who tells.
pub(super) struct Told<'a> {
    pub flags: &'a Flags,
    pub device: &'a Device,
    pub noisy: &'a Slices,
}

impl Told<'_> {
    /// σ and one number for it, none where there is no noise; into `options` what pixels share of it, and what a count is worth.
    pub fn noise(&self, options: &mut Options, notes: &mut Vec<String>) -> Result<Option<(Sigma, f64)>> {
        if let Model::Poisson { .. } = options.noise {
            let gain = self.flags.gain.as_deref().unwrap_or("auto");
            let Anscombe { gain, sigma } =
                counts::fit(self.device, &self.noisy.values.view(), (gain, &self.flags.sigma), notes)?;
            options.noise = Model::Poisson { gain };
            return Ok(Some((Sigma::Flat(sigma as f32), sigma)));
        }
        options.correlation = self.correlation(notes)?;
        self.sigma(options, notes)
    }

    /// What neighbouring pixels share of the noise.
    fn correlation(&self, notes: &mut Vec<String>) -> Result<Correlation> {
        match self.flags.spectrum.as_str() {
            "white" => Ok(Correlation::white()),
            "auto" => {
                let Some(found) = Correlation::of_image(&self.noisy.values.view()) else {
                    if noise::level(&self.noisy.values.view()) > 0.0 {
                        let (what, then) = ("too few places of 32 × 32 pixels hold noise only", "to say it, give");
                        notes.push(format!(
                            "{what}, so it is taken for white; {then} --spectrum a file with its power spectrum"
                        ));
                    }
                    return Ok(Correlation::white());
                };
                let [right, below] = [[0, 1], [1, 0]].map(|displacement| found.at(displacement));
                notes.push(format!(
                    "noise correlated by {right:.2} with the next column, {below:.2} with the next line"
                ));
                Ok(found)
            }
            path => {
                let spectrum = io::read_image(path)?.values;
                if spectrum.dim().0 != 1 {
                    return Err(Error::file(path, "holds several slices, and a noise power spectrum is one of [y, x]"));
                }
                Correlation::of_spectrum(spectrum.index_axis(Axis(0), 0))
                    .map_err(|error| Error::file(path, error.to_string()))
            }
        }
    }

    /// What was asked for, and one number for it; none where there is no noise.
    fn sigma(&self, options: &Options, notes: &mut Vec<String>) -> Result<Option<(Sigma, f64)>> {
        let view = self.noisy.values.view();
        let seen = options.correlation.in_details();
        if seen < LEAST_SEEN && ["auto", "varying"].contains(&self.flags.sigma.as_str()) {
            return Err(Error::Option(format!(
                "the finest details show only {:.0} % of noise of this spectrum, too little to tell its level by: give --sigma",
                100.0 * seen
            )));
        }
        match self.flags.sigma.as_str() {
            "auto" => self.measured(options, seen, notes),
            "varying" => {
                let map = noise::map(&view).mapv(|sigma| sigma / seen as f32);
                self.map(map, notes)
            }
            text => match text.parse::<f64>() {
                Ok(sigma) if sigma > 0.0 && (sigma as f32).is_finite() && sigma as f32 > 0.0 => {
                    Ok(Some((Sigma::Flat(sigma as f32), sigma)))
                }
                Ok(_) => Err(Error::Option(format!("--sigma {text}: noise has a standard deviation above 0, or auto"))),
                Err(_) if !Path::new(text).exists() => Err(Error::Option(format!(
                    "--sigma {text} is neither a number, auto, varying nor a file with a map of the noise"
                ))),
                Err(_) => self.map(io::read_image(text)?.values, notes),
            },
        }
    }

    /// What every slice says of itself.
    fn measured(&self, options: &Options, seen: f64, notes: &mut Vec<String>) -> Result<Option<(Sigma, f64)>> {
        let (view, (nz, ny, nx)) = (self.noisy.values.view(), self.noisy.values.dim());
        let sigmas: Vec<f64> = match options.correlation == Correlation::white() {
            true => level::levels(self.device, &view, self.noisy.parts, options.noise)?,
            // Of noise that pixels share the finest details alone are known.
            false => (0..nz)
                .map(|z| z / self.noisy.parts * self.noisy.parts)
                .map(|z| view.slice(s![z..z + self.noisy.parts, .., ..]))
                .map(|slice| match options.noise {
                    Model::Rician => noise::rician_level(&slice) / seen,
                    _ => noise::level(&slice) / seen,
                })
                .collect(),
        };
        let (least, most) = sigmas.iter().fold((f64::MAX, 0.0_f64), |(a, b), sigma| (a.min(*sigma), b.max(*sigma)));
        if most <= 0.0 {
            return Ok(None);
        }
        let how = "from the finest details of the image";
        if least == most {
            notes.push(format!("noise σ {most:.4e}, {how}"));
            return Ok(Some((Sigma::Flat(most as f32), most)));
        }
        notes.push(format!("noise σ {least:.4e} to {most:.4e}, slice by slice, {how}"));
        let typical = (sigmas.iter().map(|sigma| sigma * sigma).sum::<f64>() / nz as f64).sqrt();
        // A slice without noise is left as it is.
        let map = sigmas.iter().flat_map(|sigma| std::iter::repeat_n(sigma.max(1e-6 * most) as f32, ny * nx));
        Ok(Some((Sigma::Map(self.device.upload(&[nz * ny, nx], map.collect::<Vec<f32>>())?), typical)))
    }

    fn map(&self, map: Array3<f32>, notes: &mut Vec<String>) -> Result<Option<(Sigma, f64)>> {
        let (nz, ny, nx) = self.noisy.values.dim();
        let slices = nz / self.noisy.parts;
        let shape = map.dim();
        // A map of a complex image holds for either part.
        let map = match shape {
            _ if shape == (nz, ny, nx) => map,
            _ if shape == (slices, ny, nx) => {
                Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| map[[z / self.noisy.parts, y, x]])
            }
            _ => {
                return Err(Error::Option(format!(
                    "the map of the noise has shape {shape:?}, the image {:?} (z, y, x): they must be alike",
                    (slices, ny, nx)
                )));
            }
        };
        let values: Vec<f32> = map.iter().copied().collect();
        check_finite("the map of the noise", map.shape(), &values)?;
        let (least, most) = values.iter().fold((f32::MAX, 0.0_f32), |(a, b), v| (a.min(*v), b.max(*v)));
        if most == 0.0 && least == 0.0 {
            return Ok(None);
        }
        if least < 0.0 {
            return Err(Error::Option(format!("the map of the noise has negative values, down to {least}")));
        }
        let mean = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
        // Where the map is 0, hardly anything is taken off.
        let values: Vec<f32> = values.into_iter().map(|value| value.max(1e-6 * most)).collect();
        notes.push(format!("noise σ from {least:.3e} to {most:.3e}"));
        Ok(Some((Sigma::Map(self.device.upload(&[nz * ny, nx], values)?), mean.sqrt())))
    }
}
