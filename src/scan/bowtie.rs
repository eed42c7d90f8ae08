//! A bow-tie filter: thin in the middle of the fan, thick at its sides.

use ndarray::Array3;

use crate::{
    error::{Error, Result},
    geometry::{Geometry, view::Ray},
};

/// A filter of water-equivalent material that makes a water cylinder of `diameter` mm about the axis look flat: with
/// it, every ray through both passes as much water. A ray at distance s from the axis meets d − √(d² − 4s²) of it, and d
/// beyond the cylinder. (The ideal shape: J. Hsieh, Computed Tomography, 2nd ed., SPIE 2009, ch. 6; filters in scanners
/// are made for more than one size of body, and are flatter.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bowtie {
    /// Diameter of the cylinder, mm.
    pub diameter: f64,
}

impl Bowtie {
    /// How much of it `ray` passes, in mm of water.
    pub fn thickness(&self, ray: &Ray) -> f64 {
        let [x, y, _] = ray.direction;
        let from_axis = (ray.origin[0] * y - ray.origin[1] * x).abs() / x.hypot(y);
        let chord = (self.diameter * self.diameter - 4.0 * from_axis * from_axis).max(0.0).sqrt();
        self.diameter - chord
    }

    /// The thickness for every cell, `[view, row, column]`.
    pub fn thicknesses(&self, geometry: &Geometry) -> Array3<f64> {
        Array3::from_shape_fn(geometry.shape(), |(view, row, column)| {
            self.thickness(&geometry.views[view].ray(row as f64, column as f64))
        })
    }

    /// Refuses cylinders that cannot be.
    pub fn check(&self) -> Result<()> {
        if self.diameter > 0.0 && self.diameter <= 1000.0 {
            return Ok(());
        }
        Err(Error::Option(format!("a bow-tie for a cylinder of {} mm: give 1 to 1000 mm", self.diameter)))
    }
}
