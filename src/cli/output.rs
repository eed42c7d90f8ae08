//! Where results go: the output file, its format, and whether it may replace what is there.

use std::path::PathBuf;

use clap::Args;
use rushlight::{
    Error, Result,
    image::{ComplexImage, Image, Part},
    io::{self, WriteOptions},
    monitor::Monitor,
};

/// Flags of every verb that writes a file.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct OutputFlags {
    /// The file to write; its ending tells the format
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Format by name, whatever the file's ending
    #[arg(long, value_name = "NAME", value_parser = written())]
    format: Option<String>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Grey scale of a PNG: its centre and width, in the image's unit
    #[arg(long, value_name = "CENTRE,WIDTH", value_parser = window, allow_hyphen_values = true)]
    window: Option<(f64, f64)>,
}

/// The formats that can be written.
fn written() -> Vec<&'static str> {
    io::ALL
        .iter()
        .filter(|format| format.writes_images() || format.writes_recordings())
        .map(|format| format.name)
        .collect()
}

impl OutputFlags {
    /// Refuses an output that cannot be written, before long work is done for it.
    pub fn check_image(&self) -> Result<()> {
        io::image_format(&self.output, self.format.as_deref())?;
        io::check_output(&self.output, self.force)
    }

    /// The same for a scan.
    pub fn check_recording(&self) -> Result<()> {
        io::recording_format(&self.output, self.format.as_deref())?;
        io::check_output(&self.output, self.force)
    }

    /// The same for k-space.
    pub fn check_kspace(&self) -> Result<()> {
        io::kspace_format(&self.output, self.format.as_deref())?;
        io::check_output(&self.output, self.force)
    }

    pub fn options(&self) -> WriteOptions {
        WriteOptions { force: self.force, format: self.format.clone(), window: self.window }
    }

    /// Writes `image`; the names of the files, and a remark for the notes.
    pub fn write_image(&self, image: &Image, monitor: &Monitor, notes: &mut Vec<String>) -> Result<Vec<String>> {
        let written = monitor.step("write", 1, || io::write_image(&self.output, image, &self.options()))?;
        notes.extend(written.remark);
        Ok(written.paths.iter().map(|path| path.display().to_string()).collect())
    }

    /// The same for a part of a complex image.
    pub fn write_complex(
        &self,
        image: &ComplexImage,
        part: Part,
        monitor: &Monitor,
        notes: &mut Vec<String>,
    ) -> Result<Vec<String>> {
        let written = monitor.step("write", 1, || io::write_complex(&self.output, image, part, &self.options()))?;
        notes.extend(written.remark);
        Ok(written.paths.iter().map(|path| path.display().to_string()).collect())
    }
}

/// `CENTRE,WIDTH`: two numbers, the second above 0.
pub fn window(text: &str) -> Result<(f64, f64)> {
    let parts: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match parts.as_deref() {
        Some(&[centre, width]) if centre.is_finite() && width.is_finite() && width > 0.0 => Ok((centre, width)),
        _ => Err(Error::Quantity { text: text.into(), expected: "a window: centre and width, such as 40,400" }),
    }
}
