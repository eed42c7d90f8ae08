//! Every R-th line along y, and the calibration lines: the sampling of SENSE (Pruessmann 1999) and GRAPPA (Griswold 2002).

use super::{Design, Options, Sampling};
use crate::error::Result;

pub(super) const DESIGN: Design = Design {
    name: "equispaced",
    about: "every R-th line along y through the centre, and the calibration lines",
    usual_acceleration: 4.0,
    make: sample,
};

fn sample(options: &Options) -> Result<Sampling> {
    let ny = options.matrix[1];
    let step = options.whole_acceleration("equispaced")?;
    let calibration = options.calibrated("y", ny)?;
    let phase = (ny / 2) % step;
    Ok(options.mask_of_lines(|y| y % step == phase || calibration.contains(&y)))
}
