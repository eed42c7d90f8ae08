//! A scan: measured numbers, their geometry, their units; and the way from raw counts to line integrals.

pub mod axis;
pub mod beam;
pub mod bowtie;
pub mod coil_noise;
pub mod counts;
pub mod defects;
mod double_wedge;
mod even_views;
pub mod frames;
pub mod hardening;
pub mod kspace;
mod median;
pub mod misread;
pub mod noise;
pub mod noise_level;
mod opposite;
mod photon;
pub mod selection;
pub mod stripes;
pub mod stuck;
pub mod suspicion;

pub use bowtie::Bowtie;
pub use coil_noise::CoilNoise;
pub use counts::{Counts, Preparation, Prepared};
pub use kspace::{Encoding, FrameAxis, KSpace};
pub use noise_level::NoiseLaw;

use ndarray::Array3;

use crate::{
    error::{Error, Result, check_finite},
    geometry::Geometry,
};

/// Line integrals (−ln of the transmission, dimensionless) and where their rays ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// `[view, row, column]`.
    pub projections: Array3<f32>,
    /// One entry a view.
    pub geometry: Geometry,
}

impl Scan {
    /// Puts numbers and geometry together; refuses what does not fit, or is not finite.
    pub fn new(projections: Array3<f32>, geometry: Geometry) -> Result<Self> {
        geometry.check()?;
        if projections.shape() != geometry.shape() {
            return Err(Error::Scan(format!(
                "the projections are {:?} [view, row, column], the geometry says {:?}",
                projections.shape(),
                geometry.shape()
            )));
        }
        let projections = projections.as_standard_layout().into_owned();
        check_finite("the scan", projections.shape(), projections.as_slice().unwrap_or_default())?;
        Ok(Self { projections, geometry })
    }
}
