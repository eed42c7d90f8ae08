//! `rushlight compare`: an image against the truth, in figures.

use std::path::PathBuf;

use clap::Args;
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
  rushlight compare image.dcm truth.dcm --window 40,400";

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
    /// Print as one line of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(flags: Flags, _global: &Global) -> Result<()> {
    let image = io::read_image(&flags.image)?;
    let truth = io::read_image(&flags.truth)?;
    let options = Options { data_range: flags.data_range, roi: flags.roi, window: flags.window };
    let comparison = quality::compare(&image.values, &truth.values, &options)?;
    if flags.json {
        let line = serde_json::to_string(&comparison).map_err(|error| Error::file("standard output", error))?;
        return print_line(&line);
    }
    print_table(&table(&comparison))
}

/// The figures with their names.
pub fn table(comparison: &Comparison) -> Vec<(&'static str, String)> {
    vec![
        ("RMSE", format!("{:.6e}", comparison.rmse)),
        ("NRMSE", match comparison.nrmse.is_finite() {
            true => format!("{:.6}", comparison.nrmse),
            false => "none: the truth is 0 everywhere".into(),
        }),
        ("PSNR", format!("{:.3} dB", comparison.psnr)),
        ("SSIM", comparison.ssim.map_or("none: the part is smaller than its window".into(), |ssim| format!("{ssim:.5}"))),
        ("data range", format!("{:.6e}", comparison.data_range)),
    ]
}
