//! `rushlight compare`: an image against the truth, in figures.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array3, Array4, Axis, concatenate};
use num_complex::Complex32;
use rushlight::{
    Error, Result, io,
    quality::{self, Comparison, Options, Roi},
};

use super::{
    Global, output,
    report::{print_line, print_table},
};

pub const EXAMPLES: &str = "Examples:
  rushlight compare image.npy truth.npy
  rushlight compare image.npy truth.npy --roi circle:255.5,255.5,200 --json
  rushlight compare image.dcm truth.dcm --window 40,400
  rushlight compare image.cfl truth.npy --complex";

#[derive(Args, Debug)]
pub struct Flags {
    /// The image to judge
    image: PathBuf,
    /// The truth
    truth: PathBuf,
    /// Part to judge, in pixels: circle:X,Y,RADIUS or box:X0..X1,Y0..Y1 (ends left out)
    #[arg(long, value_name = "ROI")]
    roi: Option<Roi>,
    /// Clip both to a window, whose width is then the data range
    #[arg(long, value_name = "CENTRE,WIDTH", value_parser = output::window, allow_hyphen_values = true)]
    window: Option<(f64, f64)>,
    /// Data range of PSNR and SSIM; the truth's greatest less its least value by default
    #[arg(long, value_name = "RANGE")]
    data_range: Option<f64>,
    /// Judge complex images by their real and imaginary parts, one slice each, instead of by their magnitudes
    #[arg(long)]
    complex: bool,
    /// Print as one line of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(flags: Flags, _global: &Global) -> Result<()> {
    let [image, truth] = if flags.complex {
        [parts(&flags.image)?, parts(&flags.truth)?]
    } else {
        [magnitudes(&flags.image)?, magnitudes(&flags.truth)?]
    };
    let options = Options { data_range: flags.data_range, roi: flags.roi, window: flags.window };
    let comparison = quality::compare(&image, &truth, &options)?;
    if flags.json {
        let line = serde_json::to_string(&comparison).map_err(|error| Error::file("standard output", error))?;
        return print_line(&line);
    }
    print_table(&table(&comparison))
}

/// Values that are real already as they are, magnitudes of complex ones; frames lie along z.
fn magnitudes(path: &Path) -> Result<Array3<f32>> {
    match complex(path)? {
        true => Ok(stacked(&io::read_complex_image(path)?.values).mapv(Complex32::norm)),
        false => Ok(io::read_image(path)?.values),
    }
}

/// Real parts, then imaginary ones, along z.
fn parts(path: &Path) -> Result<Array3<f32>> {
    complex(path)?;
    let values = stacked(&io::read_complex_image(path)?.values);
    let parts = [values.mapv(|value| value.re), values.mapv(|value| value.im)];
    Ok(concatenate(Axis(0), &[parts[0].view(), parts[1].view()]).expect("two parts of one shape"))
}

/// Whether an image is complex; k-space is none.
fn complex(path: &Path) -> Result<bool> {
    if io::has_mr_header(path)? {
        return Err(Error::file(path, "is k-space, and images are compared; reconstruct it first (rushlight recon)"));
    }
    io::is_complex(path)
}

fn stacked(values: &Array4<Complex32>) -> Array3<Complex32> {
    let frames: Vec<_> = values.outer_iter().collect();
    concatenate(Axis(0), &frames).expect("frames of one shape")
}

/// The figures with their names.
pub fn table(comparison: &Comparison) -> Vec<(&'static str, String)> {
    vec![
        ("RMSE", format!("{:.6e}", comparison.rmse)),
        (
            "NRMSE",
            match comparison.nrmse.is_finite() {
                true => format!("{:.6}", comparison.nrmse),
                false => "none: the truth is 0 everywhere".into(),
            },
        ),
        ("PSNR", format!("{:.3} dB", comparison.psnr)),
        (
            "SSIM",
            comparison.ssim.map_or("none: the part is smaller than its window".into(), |ssim| format!("{ssim:.5}")),
        ),
        ("data range", format!("{:.6e}", comparison.data_range)),
    ]
}
