//! A part of k-space along y: the far lines of one side are left out, for an image's phase is smooth (Noll, Nishimura,
//! Macovski, IEEE Trans. Med. Imaging 10, 154, 1991); with R above 1 every R-th line of the rest.

use super::{Design, Options, Sampling};
use crate::error::{Error, Result};

pub(super) const DESIGN: Design = Design {
    name: "partial-fourier",
    about: "the last --fraction of the lines along y; of these every R-th, and the calibration lines",
    usual_acceleration: 1.0,
    make: sample,
};

fn sample(options: &Options) -> Result<Sampling> {
    let ny = options.matrix[1];
    if !(options.fraction > 0.5 && options.fraction <= 1.0) {
        return Err(Error::Option(format!(
            "a partial Fourier fraction of {}: it must be above 0.5, for the centre is needed, and at most 1",
            options.fraction
        )));
    }
    let step = options.whole_acceleration("partial-fourier")?;
    let calibration = options.calibrated("y", ny)?;
    let first = ny - (options.fraction * ny as f64).round() as usize;
    if calibration.start < first && !calibration.is_empty() {
        return Err(Error::Option(format!(
            "{} calibration lines around the centre do not fit into a fraction of {}: at most {} do",
            options.calibration,
            options.fraction,
            2 * (ny / 2 - first)
        )));
    }
    let phase = (ny / 2) % step;
    Ok(options.mask_of_lines(|y| y >= first && (y % step == phase || calibration.contains(&y))))
}
