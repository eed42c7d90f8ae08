//! An image to be scanned, as flags: what its values are, how large its pixels, which slice.

use std::path::PathBuf;

use clap::Args;
use rushlight::{
    Error, Result,
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
    io,
    scanner::object,
    units,
};

/// What an image's numbers are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unit {
    /// Hounsfield units.
    Hounsfield,
    /// This many mm⁻¹.
    Attenuation(f64),
}

/// An image to be scanned.
#[derive(Args, Debug)]
#[command(next_help_heading = "Image to scan")]
pub struct ImageFlags {
    /// What its values are, where the file does not say or is wrong: hu, /mm, /cm or /m
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    unit: Option<Unit>,
    /// Width of its pixels, where the file does not say or is wrong, such as 0.8mm
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length)]
    voxel: Option<f64>,
    /// Which slice of a stack; 0 is the first
    #[arg(long, value_name = "N")]
    slice: Option<usize>,
    /// Scan it on pixels N times finer (bilinear), so that no reconstruction meets the pixels that were scanned
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub refine: Option<u8>,
    /// Write the image that was scanned, in mm⁻¹, before it is made finer; with --mr the phantom's values, area-sampled
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
}

pub fn unit(text: &str) -> Result<Unit> {
    match text {
        "hu" | "HU" => Ok(Unit::Hounsfield),
        _ => units::attenuation(&format!("1{text}"))
            .map(Unit::Attenuation)
            .map_err(|_| Error::Quantity { text: text.into(), expected: "a unit of images: hu, /mm, /cm or /m" }),
    }
}

impl ImageFlags {
    /// Each flag, and whether it was given.
    pub fn given(&self) -> [(&'static str, bool); 5] {
        [
            ("--unit", self.unit.is_some()),
            ("--voxel", self.voxel.is_some()),
            ("--slice", self.slice.is_some()),
            ("--refine", self.refine.is_some()),
            ("--truth", self.truth.is_some()),
        ]
    }

    /// One slice about the rotation axis, in the units that flags and file say.
    pub fn read(&self, path: &str) -> Result<Image> {
        let image = io::read_image(path)?;
        let slices = image.grid.shape[0];
        let index = match self.slice {
            None if slices > 1 => {
                return Err(Error::file(
                    path,
                    format!("a stack of {slices} slices; choose one, such as --slice {}", slices / 2),
                ));
            }
            index => index.unwrap_or(0),
        };
        one_slice(&image, index, self.unit, self.voxel)
    }
}

/// Slice `index` about the rotation axis, in the unit and with the pixels that are given, else those of the file.
pub fn one_slice(stack: &Image, index: usize, unit: Option<Unit>, voxel: Option<f64>) -> Result<Image> {
    let mut image = object::centered(&object::slice(stack, index)?);
    if let Some(voxel) = voxel {
        image.grid = Grid::centered(image.grid.shape, [voxel; 3], [0.0; 3]);
        image.grid.check()?;
        image.unit = LengthUnit::Millimetre;
    }
    match unit {
        None => {}
        Some(Unit::Hounsfield) => image.quantity = Quantity::Hounsfield { mu_water: None },
        Some(Unit::Attenuation(factor)) => {
            image.values.mapv_inplace(|value| (f64::from(value) * factor) as f32);
            image.quantity = Quantity::Attenuation(LengthUnit::Millimetre);
        }
    }
    Ok(image)
}
