//! Spiral interleaves whose turns grow apart outwards (Archimedean at R = 1), read out at equal distances along the curve.
//!
//! The gap between neighbouring turns of all interleaves is 1 + s·k/k_max cells of k-space. All turns together are then
//! U(k) = (k_max/s)·ln(1 + s·k/k_max), and s is such that U(k_max) = k_max/R, R times fewer than Nyquist's. The speed in
//! k-space is constant; what a gradient system can slew is not asked.

use std::f64::consts::TAU;

use super::{Design, Options, READ_OUT_OVERSAMPLING, Sampling, Trajectory, room};
use crate::error::{Error, Result};

pub(super) const DESIGN: Design = Design {
    name: "spiral",
    about: "2-D interleaves, Nyquist at the centre and growing apart outwards, R times fewer turns in all",
    usual_acceleration: 2.0,
    make: sample,
};

fn sample(options: &Options) -> Result<Sampling> {
    let [nz, ny, nx] = options.matrix;
    let interleaves = options.interleaves;
    let edge = nx.max(ny) as f64 / 2.0;
    if nz > 1 {
        return Err(Error::Option("spiral is for two dimensions; in three there is kooshball".into()));
    }
    if !(1..=nx.max(ny)).contains(&interleaves) {
        return Err(Error::Option(format!("{interleaves} interleaves: there must be from 1 to {}", nx.max(ny))));
    }
    let curve = Curve { edge, slope: slope(options.acceleration), interleaves: interleaves as f64 };
    let one = curve.samples(edge / options.acceleration);
    let mut points = room(interleaves * one.len())?;
    for interleaf in 0..interleaves {
        let first = interleaf as f64 / interleaves as f64;
        points.extend(one.iter().map(|[radius, turns]| {
            let (sin, cos) = (TAU * (turns + first)).sin_cos();
            let reach = radius / edge / 2.0;
            [(reach * cos * nx as f64) as f32, (reach * sin * ny as f64) as f32, 0.0]
        }));
    }
    Ok(Sampling::Trajectory(Trajectory { matrix: options.matrix, points }))
}

/// The s with ln(1 + s)/s = 1/R, by bisection: the left side falls from 1 to 0.
fn slope(acceleration: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    let turns = |s: f64| if s < 1e-9 { 1.0 } else { s.ln_1p() / s };
    while turns(high) > 1.0 / acceleration {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if turns(middle) > 1.0 / acceleration { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// One interleaf.
struct Curve {
    /// k_max, in cells.
    edge: f64,
    slope: f64,
    interleaves: f64,
}

impl Curve {
    /// |k| after so many turns of all interleaves: the inverse of U.
    fn radius(&self, turns: f64) -> f64 {
        let s = self.slope / self.edge;
        if self.slope < 1e-9 { turns } else { (s * turns).exp_m1() / s }
    }

    /// Length of curve for each turn of all interleaves, in cells.
    fn speed(&self, turns: f64) -> f64 {
        let radius = self.radius(turns);
        (1.0 + self.slope * radius / self.edge).hypot(TAU * radius / self.interleaves)
    }

    /// Samples from the centre to the edge: |k| in cells, and turns of this interleaf. Steps by the midpoint rule.
    fn samples(&self, end: f64) -> Vec<[f64; 2]> {
        let step = 1.0 / READ_OUT_OVERSAMPLING as f64;
        let (mut all, mut turns) = (Vec::new(), 0.0);
        while turns <= end {
            all.push([self.radius(turns).min(self.edge), turns / self.interleaves]);
            let half = turns + step / self.speed(turns) / 2.0;
            turns += step / self.speed(half);
        }
        all
    }
}
