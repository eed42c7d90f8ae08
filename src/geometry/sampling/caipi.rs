//! CAIPIRINHA in two directions: a lattice of (y, z) whose lines are shifted along z one against the other, so that aliases
//! fall farther apart (F. A. Breuer et al., Magn. Reson. Med. 55, 549, 2006).

use super::{Design, Options, Sampling};
use crate::error::{Error, Result};

pub(super) const DESIGN: Design = Design {
    name: "caipi",
    about: "3-D: a sheared lattice in (y, z), every line shifted by --shift along z against the one before",
    usual_acceleration: 4.0,
    make: sample,
};

fn sample(options: &Options) -> Result<Sampling> {
    let [nz, ny, _] = options.matrix;
    if nz == 1 {
        return Err(Error::Option("caipi undersamples y and z: give a matrix of three extents, X,Y,Z".into()));
    }
    let r = options.whole_acceleration("caipi")?;
    let along_y = (1..=r).rev().find(|divisor| divisor * divisor <= r && r % divisor == 0).unwrap_or(1);
    let along_z = r / along_y;
    let shift = match options.shift {
        Some(shift) if shift >= along_z => {
            return Err(Error::Option(format!(
                "a shift of {shift}: every {along_z}th point along z is sampled, so it must be below {along_z}"
            )));
        }
        Some(shift) => shift,
        None => best_shift(along_y, along_z),
    };
    let mut sampled = options.calibrated_plane()?;
    for (point, sampled) in sampled.iter_mut().enumerate() {
        let z = (point / ny) as i64 - (nz / 2) as i64;
        let y = (point % ny) as i64 - (ny / 2) as i64;
        let (step_y, step_z) = (along_y as i64, along_z as i64);
        *sampled |= y % step_y == 0 && (z - y / step_y * shift as i64) % step_z == 0;
    }
    Ok(options.mask_of_plane(&sampled))
}

/// The shift whose lattice has the longest shortest vector, and then the longest second: in the plane the lattice of the
/// aliases is the same one turned by a quarter, so that they, too, are as far apart as can be.
fn best_shift(along_y: usize, along_z: usize) -> usize {
    let lengths = |shift: usize| {
        let vectors = (0..=along_z as i64).flat_map(|a| (-(along_z as i64)..=along_z as i64).map(move |b| (a, b)));
        let mut squares: Vec<i64> = vectors
            .filter(|(a, b)| *a > 0 || *b > 0)
            .map(|(a, b)| (a * along_y as i64).pow(2) + (b * along_z as i64 + a * shift as i64).pow(2))
            .collect();
        squares.sort_unstable();
        [squares[0], squares[1]]
    };
    // Of equal ones the smallest shift.
    (0..along_z).rev().max_by_key(|shift| lengths(*shift)).unwrap_or(0)
}
