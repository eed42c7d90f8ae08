//! Numbers about 1. Weights are one over a square of the data's noise, and conjugate gradients square what these make of the data
//! once more: line integrals of a millionth would leave the range of f32. So they are given to a recipe in another unit, by a power
//! of two, which rounds nothing, and the image is given back in theirs.

use std::sync::Arc;

use super::{
    Reconstruction,
    iteration::{Observer, Snapshot},
    options::{Options, Strength},
};
use crate::{error::Result, problem::Bounds, scan::Scan};

/// Largest line integrals that are left as they are.
const USUAL: [f32; 2] = [1.0 / 64.0, 64.0];

/// Reconstructs with `iterate`, of numbers about 1. Numbers whose unit the user relies on, be it by photons or by the
/// strength, are left as they are.
pub(super) fn reconstruct(
    options: &Options,
    mut scan: Scan,
    iterate: impl FnOnce(&Options, Scan) -> Result<Reconstruction>,
) -> Result<Reconstruction> {
    let largest = scan.projections.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let absolute = options.photons.is_some() || matches!(options.strength, Strength::Fixed(_));
    if absolute || largest == 0.0 || (USUAL[0]..=USUAL[1]).contains(&largest) {
        return iterate(options, scan);
    }
    // Within the exponents of numbers that are not subnormal.
    let factor = largest.log2().round().clamp(-120.0, 120.0).exp2();
    scan.projections.mapv_inplace(|value| value / factor);
    let mut made = iterate(&options_of(options, factor), scan)?;
    made.image.values.mapv_inplace(|value| value * factor);
    made.notes.push(format!("computed with line integrals in units of {factor:.3e}"));
    Ok(made)
}

/// What was said of an image, said of one that is `factor` times as small.
fn options_of(options: &Options, factor: f32) -> Options {
    let mut options = options.clone();
    // Bounds that are none stay none.
    let scaled = |bound: f32| if bound.abs() == f32::MAX { bound } else { bound / factor };
    options.bounds = Bounds { lower: scaled(options.bounds.lower), upper: scaled(options.bounds.upper) };
    for image in [&mut options.iteration.start, &mut options.prior].into_iter().flatten() {
        image.mapv_inplace(|value| value / factor);
    }
    options.iteration.observer = options.iteration.observer.map(|observer| -> Observer {
        Arc::new(move |snapshot: &Snapshot| {
            let image = snapshot.image.mapv(|value| value * factor);
            observer(&Snapshot { image: &image, ..*snapshot })
        })
    });
    options
}
