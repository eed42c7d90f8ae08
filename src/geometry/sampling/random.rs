//! Points drawn at random, denser at the centre: lines along y in two dimensions, points (y, z) in three (M. Lustig, D. Donoho,
//! J. M. Pauly, Sparse MRI, Magn. Reson. Med. 58, 1182, 2007), of density (1 − |k|/k_max)^p.
//!
//! Exactly as many as R leaves are drawn, without replacement: those of the greatest u^(1/w), u uniform, w the density
//! (P. Efraimidis, P. Spirakis, Inf. Process. Lett. 97, 181, 2006).

use super::{Design, Options, Sampling};
use crate::{
    error::{Error, Result},
    random::Draws,
};

pub(super) const DESIGN: Design = Design {
    name: "random",
    about: "random lines along y (in 3-D: points y, z), denser at the centre, and the calibration region",
    usual_acceleration: 4.0,
    make: sample,
};

/// Weight of the outermost points, so that none is left out for certain.
const FAINTEST: f64 = 1e-3;

fn sample(options: &Options) -> Result<Sampling> {
    if !(options.decay >= 0.0 && options.decay.is_finite()) {
        return Err(Error::Option(format!("a decay of {}: it must be 0 or more", options.decay)));
    }
    let [nz, ny, _] = options.matrix;
    if nz > 1 {
        let calibration = options.calibrated_plane()?;
        return Ok(options.mask_of_plane(&drawn(options, [nz, ny], calibration)?));
    }
    let lines = options.calibrated("y", ny)?;
    let sampled = drawn(options, [1, ny], (0..ny).map(|y| lines.contains(&y)).collect())?;
    Ok(options.mask_of_lines(|y| sampled[y]))
}

/// The calibration region and as many more points of the plane as R leaves.
fn drawn(options: &Options, [rows, columns]: [usize; 2], mut sampled: Vec<bool>) -> Result<Vec<bool>> {
    let fixed = sampled.iter().filter(|point| **point).count();
    let budget = options.budget(rows * columns, fixed)?;
    let off_centre =
        |index: usize, extent: usize| (index as f64 - (extent / 2) as f64) / (extent as f64 / 2.0).max(1.0);
    let key = |point: usize| {
        let (row, column) = (point / columns, point % columns);
        let radius = off_centre(row, rows).hypot(off_centre(column, columns)).min(1.0);
        let weight = (1.0 - radius).powf(options.decay).max(FAINTEST);
        Draws::new(options.seed, [0, row, column]).uniform().ln() / weight
    };
    let mut keys: Vec<(f64, usize)> = (0..sampled.len()).filter(|p| !sampled[*p]).map(|p| (key(p), p)).collect();
    keys.sort_by(|a, b| b.0.total_cmp(&a.0));
    keys.iter().take(budget - fixed).for_each(|(_, point)| sampled[*point] = true);
    Ok(sampled)
}
