//! Shapes with closed-form line integrals and Fourier transforms: phantom descriptions, their rasters, their exact sinograms and
//! k-space.
//!
//! Phantoms are data, in `phantoms/*.toml`; [`ALL`] builds them in, and a path to any other such file serves as well.

mod coil_maps;
mod description;
pub mod kspace;
mod quadrature;
mod raster;
mod shape;
mod sinogram;
mod spectrum;

use crate::error::{Error, Result};

pub use coil_maps::CoilMaps;
pub use shape::{HalfPlane, Planar, Shape};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The phantoms that are built in: name, and description in TOML.
        pub const ALL: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../phantoms/", $name, ".toml")))),*];
    };
}

built_in!["shepp-logan", "shepp-logan-toft", "forbild-head", "disk", "line-pairs", "cct189", "ct-inserts"];

/// The names of the built-in phantoms.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Shapes in the x–y plane, each adding its value to those beneath; the same for every z.
#[derive(Clone, Debug, PartialEq)]
pub struct Phantom {
    /// Built-in name, or the path it was read from.
    pub name: String,
    /// What it is, one line.
    pub title: String,
    /// Where its numbers are from.
    pub source: String,
    /// Width of the square that holds it, in mm: a fitting field of view.
    pub frame: f64,
    /// Attenuation that a value of 1 means, in mm⁻¹.
    pub mu_per_value: f64,
    /// The shapes, in mm.
    pub shapes: Vec<Shape>,
}

impl Phantom {
    /// A built-in phantom by its name, or one described in a TOML file by its path.
    ///
    /// # Errors
    /// An unknown name, an unreadable file, or a description with a mistake (the message names file, shape and key).
    pub fn named(name_or_path: &str) -> Result<Self> {
        match ALL.iter().find(|(name, _)| *name == name_or_path) {
            Some((name, text)) => description::parse(name, text),
            None => description::read(name_or_path),
        }
    }

    /// The same phantom with a value of 1 meaning `mu_per_value` mm⁻¹.
    pub fn with_scale(mut self, mu_per_value: f64) -> Self {
        self.mu_per_value = mu_per_value;
        self
    }

    /// The attenuation at (x, y) mm, in mm⁻¹.
    pub fn at(&self, point: [f64; 2]) -> f64 {
        let inside = self.shapes.iter().filter(|shape| shape.contains(point));
        inside.map(|shape| shape.value).sum::<f64>() * self.mu_per_value
    }
}

/// Zeros for an array of `shape`, or an error where the memory for it cannot be had.
fn room(shape: [usize; 3]) -> Result<Vec<f32>> {
    let too_large = || Error::Geometry(format!("no memory for an array of {shape:?} numbers: make it smaller"));
    let count = shape.iter().try_fold(1_usize, |n, extent| n.checked_mul(*extent)).ok_or_else(too_large)?;
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| too_large())?;
    values.resize(count, 0.0);
    Ok(values)
}

#[cfg(test)]
mod tests;
