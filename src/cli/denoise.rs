//! `rushlight denoise`: noise taken off an image, complex or real, in any format that holds one.

mod counts;
mod noise;
mod series;

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array3, Array4};
use num_complex::Complex32;
use rushlight::{
    Error, Result,
    denoisers::{self, Model, Noisy, Options, Weights, mp_pca},
    device::Device,
    error::check_finite,
    image::{Part, Quantity},
    io,
    monitor::Monitor,
    noise::Correlation,
};
use serde_json::{Value, json};

use self::{noise::Told, series::SeriesFlags};
use super::{Global, output::OutputFlags, report::Report};

pub const EXAMPLES: &str = "Examples:
  rushlight denoise slice.dcm --method bm3d -o quiet.dcm
  rushlight denoise magnitude.nii --method nlm --noise rician -o quiet.nii
  rushlight denoise image.npy --method bm3d --sigma 0.05 -o quiet.npy
  rushlight denoise slice.dcm --method net -o quiet.dcm
  rushlight denoise fbp.dcm --method bm3d --spectrum auto -o quiet.dcm
  rushlight denoise image.npy --method nlm --sigma map.npy --strength 0.8 -o quiet.npy
  rushlight denoise counts.tif --noise poisson -o quiet.tif
  rushlight denoise diffusion.nii.gz --method mp-pca --noise-map sigma.nii.gz -o quiet.nii.gz

--sigma auto measures the noise in the image itself, slice by slice, as white noise unless --spectrum says otherwise; random texture as
fine as the pixels passes for noise, and there the noise must be said. Where it varies from place to place, --sigma varying, or give a
map of its standard deviation, shaped like the image. Slices are taken one by one (but see --depth); mp-pca takes a series of images
(4-D), and finds the noise itself.";

#[derive(Args, Debug)]
pub struct Flags {
    /// The image
    input: PathBuf,
    /// How
    #[arg(long, value_name = "METHOD", default_value = "bm3d", value_parser = methods())]
    method: String,
    /// Standard deviation of the noise, in the image's unit (of either part, where it is complex or Rician): a number, auto,
    /// varying, or a file with a map of it
    #[arg(long, value_name = "SIGMA", default_value = "auto", allow_hyphen_values = true)]
    sigma: String,
    /// What the noise is: poisson is counts, each of the value --gain, and Gaussian noise of --sigma, which may be 0
    #[arg(long, value_name = "NOISE", default_value = "gaussian", value_parser = Model::ALL.to_vec())]
    noise: String,
    /// What neighbouring pixels share of the noise, for bm3d: nothing (white), what the quietest places of the image say (auto;
    /// where too few hold noise only, white), or a file with the noise power spectrum, as rushlight measure nps writes it
    #[arg(long, value_name = "white|auto|FILE", default_value = "white")]
    spectrum: String,
    /// For net, ask once instead of eight times, of the image turned and mirrored: 0.2 dB less, for an eighth of the work
    #[arg(long)]
    once: bool,
    /// For nlm and bm3d, slices on either side of one in which its like is looked for, too; 0 takes every slice by itself
    #[arg(long, value_name = "SLICES", default_value_t = 0)]
    depth: usize,
    /// With --noise poisson, the value of one count: a number, or auto, from how the variance rises with the mean
    #[arg(long, value_name = "ALPHA|auto", allow_hyphen_values = true)]
    gain: Option<String>,
    /// What the network of net has learnt: ct, mr, or a safetensors file; ct unless the image is complex, its noise Rician or its
    /// file of an MR scan
    #[arg(long, value_name = "ct|mr|FILE")]
    weights: Option<String>,
    /// How much is taken off: a factor on the method's own choice; at 1, tv, tgv and bilateral take off less where the estimated
    /// risk says so, and never leave an image worse than it was
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, allow_hyphen_values = true)]
    strength: f64,
    #[command(flatten)]
    series: SeriesFlags,
    #[command(flatten)]
    output: OutputFlags,
    /// Print what was done as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Those that take an image, and the one that takes a series.
fn methods() -> Vec<&'static str> {
    denoisers::ALL.iter().copied().chain([mp_pca::NAME]).collect()
}

/// What is denoised, slice by slice: real values, or real parts and imaginary ones in turn.
struct Slices {
    values: Array3<f32>,
    parts: usize,
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    flags.output.check_image()?;
    if flags.weights.is_some() && flags.method != "net" {
        return Err(Error::Option("--weights are for --method net".into()));
    }
    if flags.once && flags.method != "net" {
        return Err(Error::Option("--once is for --method net".into()));
    }
    if flags.spectrum != "white" && flags.method != "bm3d" {
        return Err(Error::Option(format!("--spectrum is for --method bm3d; {} does not ask for it", flags.method)));
    }
    if flags.depth > 0 && !["nlm", "bm3d"].contains(&flags.method.as_str()) {
        return Err(Error::Option(format!(
            "--depth is for --method nlm and bm3d; {} takes slices one by one",
            flags.method
        )));
    }
    let noise = Model::named(&flags.noise)?;
    let poisson = matches!(noise, Model::Poisson { .. });
    if poisson && flags.spectrum != "white" {
        return Err(Error::Option(
            "--spectrum is for gaussian and rician noise; counts are taken for independent".into(),
        ));
    }
    if flags.gain.is_some() && !poisson {
        return Err(Error::Option("--gain is for --noise poisson".into()));
    }
    refuse_scans(&flags.input)?;
    if flags.method == mp_pca::NAME {
        return series::run(&flags, global);
    }
    flags.series.check_unused()?;
    let complex = io::is_complex(&flags.input)?;
    let weights = match &flags.weights {
        Some(text) => Weights::named(text)?,
        None if complex || noise == Model::Rician => Weights::Mr,
        None => Weights::Ct,
    };
    let (correlation, depth, turned) = (Correlation::white(), flags.depth, !flags.once);
    let options =
        Options { noise, strength: flags.strength, weights, correlation, depth, turned, careful: true, coarse: false };
    // What cannot be is refused before anything is read.
    denoisers::named(&flags.method, &options)?;
    if complex && flags.depth > 0 {
        let what = "is complex, and --depth is for real images; leave it out, or give the magnitude";
        return Err(Error::file(&flags.input, what));
    }
    if complex && poisson {
        return Err(Error::file(&flags.input, "is complex, and counts are not; leave --noise poisson out"));
    }
    if complex && options.noise == Model::Rician {
        return Err(Error::file(
            &flags.input,
            "is complex, and noise is Rician in magnitudes only; leave --noise out, or give the magnitude",
        ));
    }
    let (device, monitor) = (global.open()?, global.monitor());
    let mut notes = Vec::new();
    let mut task = Task { flags: &flags, options, device: &device, monitor: &monitor };
    let (outputs, facts) = if complex {
        let mut image = monitor.step("read", 1, || io::read_complex_image(&flags.input))?;
        let (quiet, facts) = task.run(Slices::of_complex(&image.values), &mut notes)?;
        quiet.into_complex(&mut image.values);
        image.provenance = said(&image.provenance, &flags.method);
        (flags.output.write_complex(&image, Part::Complex, &monitor, &mut notes)?, facts)
    } else {
        let mut image = monitor.step("read", 1, || io::read_image(&flags.input))?;
        if flags.weights.is_none() && matches!(image.quantity, Quantity::Signal | Quantity::Phase) {
            task.options.weights = Weights::Mr;
        }
        let (quiet, facts) = task.run(Slices { values: image.values, parts: 1 }, &mut notes)?;
        image.values = quiet.values;
        image.provenance = said(&image.provenance, &flags.method);
        (flags.output.write_image(&image, &monitor, &mut notes)?, facts)
    };
    Report { verb: "denoise", device: Some(&device), monitor: &monitor, notes: &notes, outputs, facts }
        .print(flags.json, global)
}

fn said(provenance: &str, method: &str) -> String {
    format!("{provenance}; denoised by Rushlight {} {method}", env!("CARGO_PKG_VERSION"))
}

/// A scan is no image.
fn refuse_scans(input: &Path) -> Result<()> {
    if io::has_mr_header(input)? || io::content(input)? == io::Content::Scan {
        return Err(Error::file(input, "is a scan, and images are denoised; reconstruct it first (rushlight recon)"));
    }
    Ok(())
}

struct Task<'a> {
    flags: &'a Flags,
    options: Options,
    device: &'a Device,
    monitor: &'a Monitor,
}

impl Task<'_> {
    fn run(&mut self, noisy: Slices, notes: &mut Vec<String>) -> Result<(Slices, Vec<(&'static str, Value)>)> {
        let (nz, ny, nx) = noisy.values.dim();
        if noisy.values.is_empty() {
            return Err(Error::file(&self.flags.input, "it holds no voxels"));
        }
        check_finite("the image", noisy.values.shape(), &noisy.values.iter().copied().collect::<Vec<_>>())?;
        let monitor = self.monitor;
        let found = monitor.step("noise", 1, || {
            let told = Told { flags: self.flags, device: self.device, noisy: &noisy };
            told.noise(&mut self.options, notes)
        })?;
        let Some((sigma, typical)) = found else {
            notes.push("no noise was found: the image is left as it is".into());
            return Ok((noisy, self.facts(0.0)));
        };
        let (parts, method) = (noisy.parts, denoisers::named(&self.flags.method, &self.options)?);
        let values = monitor.step("denoise", 1, || {
            let values = noisy.values.iter().copied().collect::<Vec<f32>>();
            let image = self.device.upload(&[nz * ny, nx], values)?;
            let quiet = method.denoise(self.device, &Noisy::new(&image, [nz, ny, nx], &sigma)?)?;
            self.device.download::<f32>(&quiet)
        })?;
        let values = Array3::from_shape_vec((nz, ny, nx), values).expect("an image of the same shape");
        Ok((Slices { values, parts }, self.facts(typical)))
    }

    fn facts(&self, sigma: f64) -> Vec<(&'static str, Value)> {
        let mut facts =
            vec![("method", json!(self.flags.method)), ("sigma", json!(sigma)), ("noise", json!(self.flags.noise))];
        if self.flags.method == "net" {
            let weights = self.flags.weights.clone().unwrap_or_else(|| self.options.weights.to_string());
            facts.push(("weights", json!(weights)));
        }
        if let Model::Poisson { gain } = self.options.noise {
            facts.push(("gain", json!(gain)));
        }
        facts
    }
}

impl Slices {
    /// `[frame, z, y, x]`: of each slice the real part, then the imaginary one.
    fn of_complex(values: &Array4<Complex32>) -> Self {
        let (frames, nz, ny, nx) = values.dim();
        let values = Array3::from_shape_fn((2 * frames * nz, ny, nx), |(index, y, x)| {
            let value = values[[index / 2 / nz, index / 2 % nz, y, x]];
            if index % 2 == 0 { value.re } else { value.im }
        });
        Self { values, parts: 2 }
    }

    fn into_complex(self, into: &mut Array4<Complex32>) {
        let nz = into.dim().1;
        for ((frame, z, y, x), value) in into.indexed_iter_mut() {
            let index = 2 * (frame * nz + z);
            *value = Complex32::new(self.values[[index, y, x]], self.values[[index + 1, y, x]]);
        }
    }
}
