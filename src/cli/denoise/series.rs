//! `denoise --method mp-pca`: noise taken off a series of images, which tells itself how much there is.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array3, Array4};
use rushlight::{
    Error, Result,
    denoisers::mp_pca::{Denoised, MpPca, NAME, Sample},
    image::{ComplexImage, Image, Part, Quantity},
    io,
    monitor::Monitor,
};
use serde_json::{Value, json};

use super::{Flags, said};
use crate::cli::{Global, report::Report};

#[derive(Args, Debug)]
#[command(next_help_heading = "Series (mp-pca)")]
pub struct SeriesFlags {
    /// Pixels of a patch along z, y and x; by default 5,5,5, and more where there are more frames
    #[arg(long, value_name = "Z,Y,X", value_parser = patch)]
    patch: Option<[usize; 3]>,
    /// Pixels from one patch to the next; 2 is eight times as fast as 1
    #[arg(long, value_name = "PIXELS")]
    step: Option<usize>,
    /// A file to write the noise's standard deviation to, at every pixel
    #[arg(long, value_name = "FILE")]
    noise_map: Option<PathBuf>,
}

impl SeriesFlags {
    /// Refuses what other methods would not heed.
    pub fn check_unused(&self) -> Result<()> {
        let given = [("--patch", self.patch.is_some()), ("--step", self.step.is_some())];
        let given = given.into_iter().chain([("--noise-map", self.noise_map.is_some())]);
        refuse(given, &format!("for --method {NAME}"))
    }
}

fn refuse(mut flags: impl Iterator<Item = (&'static str, bool)>, what: &str) -> Result<()> {
    flags.find(|(_, given)| *given).map_or(Ok(()), |(flag, _)| Err(Error::Option(format!("{flag} is {what}"))))
}

/// One file by two ways of writing its name.
fn same_place(a: &Path, b: &Path) -> bool {
    let folder = |path: &Path| path.parent().map(|folder| folder.join(".").canonicalize().ok());
    a.file_name() == b.file_name() && folder(a) == folder(b)
}

/// Three whole numbers.
fn patch(text: &str) -> Result<[usize; 3]> {
    let extents: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match extents.as_deref() {
        Some(&[z, y, x]) if z.min(y).min(x) > 0 => Ok([z, y, x]),
        _ => Err(Error::Quantity { text: text.into(), expected: "a patch: pixels along z, y and x, such as 5,5,5" }),
    }
}

pub fn run(flags: &Flags, global: &Global) -> Result<()> {
    let (series, output) = (&flags.series, &flags.output);
    let given = [
        ("--sigma", flags.sigma != "auto"),
        ("--noise", flags.noise != "gaussian"),
        ("--strength", flags.strength != 1.0),
    ];
    refuse(given.into_iter(), &format!("not for --method {NAME}: the series tells how much noise there is"))?;
    if let Some(map) = &series.noise_map {
        io::image_format(map, None)?;
        io::check_output(map, output.options().force)?;
        if same_place(map, &output.output) {
            return Err(Error::file(map, "is both the output and the --noise-map; give two names"));
        }
    }
    let monitor = global.monitor();
    let complex = io::is_complex(&flags.input)?;
    let mut image = monitor.step("read", 1, || io::read_complex_image(&flags.input))?;
    if image.values.dim().0 < 2 {
        let what = format!(
            "is no series: {NAME} needs several frames, [frame, z, y, x] (4-D), and this is {:?}; use bm3d or nlm",
            image.values.shape()
        );
        return Err(Error::file(&flags.input, what));
    }
    let method = MpPca { patch: series.patch, step: series.step.unwrap_or(1) };
    let (sigma, facts, part);
    if complex {
        let found = denoised(method, &image.values, &monitor)?;
        (facts, part) = (facts_of(&found), Part::Complex);
        (image.values, sigma) = (found.values, found.sigma);
    } else {
        let found = denoised(method, &image.values.mapv(|value| value.re), &monitor)?;
        (facts, part) = (facts_of(&found), Part::Real);
        (image.values, sigma) = (found.values.mapv(Into::into), found.sigma);
    }
    image.provenance = said(&image.provenance, NAME);
    let mut notes = vec![format!("noise σ {:.4e} (median), from the series' own components", median(&sigma))];
    let mut outputs = output.write_complex(&image, part, &monitor, &mut notes)?;
    if let Some(path) = &series.noise_map {
        let map = map_of(&image, sigma);
        let options = io::WriteOptions { format: None, window: None, ..output.options() };
        let written = monitor.step("write", 1, || io::write_image(path, &map, &options))?;
        notes.extend(written.remark);
        outputs.extend(written.paths.iter().map(|path| path.display().to_string()));
    }
    Report { verb: "denoise", device: None, monitor: &monitor, notes: &notes, outputs, facts }.print(flags.json, global)
}

fn denoised<T: Sample>(method: MpPca, values: &Array4<T>, monitor: &Monitor) -> Result<Denoised<T>> {
    monitor.step("denoise", 1, || method.denoise(&values.view(), monitor))
}

fn facts_of<T>(found: &Denoised<T>) -> Vec<(&'static str, Value)> {
    let components = found.components.mean().unwrap_or(0.0);
    vec![("method", json!(NAME)), ("sigma", json!(median(&found.sigma))), ("components", json!(components))]
}

fn median(values: &Array3<f32>) -> f32 {
    let mut values: Vec<f32> = values.iter().copied().collect();
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

fn map_of(series: &ComplexImage, values: Array3<f32>) -> Image {
    let provenance = format!("standard deviation of the noise; {}", series.provenance);
    Image { values, grid: series.grid, unit: series.unit, quantity: Quantity::Unknown, provenance }
}
