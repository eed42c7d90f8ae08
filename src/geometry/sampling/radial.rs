//! Radial spokes by the golden angle, 180°·(√5 − 1)/2 (S. Winkelmann et al., IEEE Trans. Med. Imaging 26, 68, 2007).
//!
//! π/2·N spokes are Nyquist's at the edge of k-space; R of it are left out. Read-outs run from −N/2 to N/2.

use std::f64::consts::{FRAC_PI_2, PI};

use super::{Design, Options, READ_OUT_OVERSAMPLING, Sampling, Trajectory, room};
use crate::error::{Error, Result};

pub(super) const DESIGN: Design = Design {
    name: "radial",
    about: "2-D spokes by the golden angle, 1/R of π/2·N, read out twice oversampled",
    usual_acceleration: 4.0,
    make: sample,
};

fn sample(options: &Options) -> Result<Sampling> {
    let [nz, ny, nx] = options.matrix;
    if nz > 1 {
        return Err(Error::Option("radial is for two dimensions; in three there is kooshball".into()));
    }
    let longest = nx.max(ny);
    let spokes = ((FRAC_PI_2 * longest as f64 / options.acceleration).round() as usize).max(1);
    let samples = READ_OUT_OVERSAMPLING * longest;
    let mut points = room(spokes * samples)?;
    for spoke in 0..spokes {
        let (sin, cos) = (spoke as f64 * PI * (5_f64.sqrt() - 1.0) / 2.0).sin_cos();
        points.extend((0..samples).map(|sample| {
            let along = sample as f64 / samples as f64 - 0.5;
            [(along * cos * nx as f64) as f32, (along * sin * ny as f64) as f32, 0.0]
        }));
    }
    Ok(Sampling::Trajectory(Trajectory { matrix: options.matrix, points }))
}
