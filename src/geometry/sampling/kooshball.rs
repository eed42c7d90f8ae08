//! Spokes in three dimensions by the golden means 0.4656 and 0.6823 (R. W. Chan et al., Magn. Reson. Med. 61, 354, 2009).
//!
//! π/2·N² spokes through the centre are Nyquist's on the sphere of radius N/2; R of it are left out.

use std::f64::consts::{FRAC_PI_2, TAU};

use super::{Design, Options, READ_OUT_OVERSAMPLING, Sampling, Trajectory, room};
use crate::error::{Error, Result};

pub(super) const DESIGN: Design = Design {
    name: "kooshball",
    about: "3-D spokes by the golden means, 1/R of π/2·N², read out twice oversampled",
    usual_acceleration: 4.0,
    make: sample,
};

/// g² and g for the real root of g³ + g = 1: fractions of height and turn.
const GOLDEN_MEANS: [f64; 2] = [0.465_571_231_876_768, 0.682_327_803_828_019_3];

fn sample(options: &Options) -> Result<Sampling> {
    let [nz, ny, nx] = options.matrix;
    if nz == 1 {
        return Err(Error::Option("kooshball is for three dimensions, --matrix X,Y,Z; in two there is radial".into()));
    }
    let longest = nx.max(ny).max(nz);
    let spokes = ((FRAC_PI_2 * (longest as f64).powi(2) / options.acceleration).round() as usize).max(1);
    let samples = READ_OUT_OVERSAMPLING * longest;
    let mut points = room(spokes * samples)?;
    for spoke in 0..spokes {
        let [height, turn] = GOLDEN_MEANS.map(|mean| (spoke as f64 * mean).fract());
        let (sin, cos) = (TAU * turn).sin_cos();
        let flat = (1.0 - height * height).sqrt();
        let direction = [flat * cos * nx as f64, flat * sin * ny as f64, height * nz as f64];
        points.extend((0..samples).map(|sample| {
            let along = sample as f64 / samples as f64 - 0.5;
            direction.map(|extent| (along * extent) as f32)
        }));
    }
    Ok(Sampling::Trajectory(Trajectory { matrix: options.matrix, points }))
}
