//! The door of every iterative CT recipe. A recipe iterates on one slice whose grid holds all that the rays saw, of numbers
//! that are attenuations; here a stack becomes its slices (`slices.rs`), a part of the object the whole of it
//! (`surroundings.rs`), and numbers below 0 their mirror image.

use std::sync::Arc;

use super::{
    Options, Recipe, Reconstruction,
    iteration::{Observer, Snapshot},
    slices, surroundings,
};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::Grid,
    monitor::Monitor,
    problem::Bounds,
    scan::Scan,
};

/// An iterative recipe. As a [`Recipe`] it makes every slice of a stack as if it were alone, and holds matter beyond the grid
/// for what it is.
pub trait Iterative: Sized {
    /// What it was told.
    fn options(&self) -> &Options;

    /// The recipe that is told this.
    fn told(options: Options) -> Self;

    /// Reconstructs `scan` on `grid`, which holds all that attenuates.
    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction>;
}

impl<T: Iterative> Recipe for T {
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        self.options().iteration.check(&scan.geometry, grid)?;
        if slices::are_separate(self.options(), &scan.geometry, grid) {
            return slices::each(self, &scan, grid, (device, monitor));
        }
        signed(self, scan, grid, (device, monitor))
    }
}

/// Reconstructs one slice. Line integrals that are below 0 in the main, as differences of scans are, are turned about, and the
/// image back, so that weights and thresholds find an object in them.
pub(super) fn signed<T: Iterative>(
    recipe: &T,
    mut scan: Scan,
    grid: &Grid,
    (device, monitor): (&Device, &Monitor),
) -> Result<Reconstruction> {
    let extremes = |[least, most]: [f32; 2], value: &f32| [least.min(*value), most.max(*value)];
    let [least, most] = scan.projections.iter().fold([0.0; 2], extremes);
    let options = recipe.options();
    if options.bounds.lower >= 0.0 || -least <= most {
        if most == 0.0 && least < 0.0 {
            return Err(Error::Scan(
                "no line integral is above 0, and an image below 0 is not asked for: there is nothing to reconstruct; \
                 check the sign of the data, or give --bounds any"
                    .into(),
            ));
        }
        return surroundings::reconstruct(recipe, scan, grid, (device, monitor));
    }
    scan.projections.mapv_inplace(|value| -value);
    let mut made = surroundings::reconstruct(&T::told(negated(options)), scan, grid, (device, monitor))?;
    made.image.values.mapv_inplace(|value| -value);
    made.notes.push("most line integrals are below 0: reconstructed with their sign turned, and turned back".into());
    Ok(made)
}

/// What was said of x, said of −x.
fn negated(options: &Options) -> Options {
    let mut options = options.clone();
    let Bounds { lower, upper } = options.bounds;
    options.bounds = Bounds { lower: -upper, upper: -lower };
    for image in [&mut options.iteration.start, &mut options.prior].into_iter().flatten() {
        image.mapv_inplace(|value| -value);
    }
    options.iteration.observer = options.iteration.observer.map(|observer| -> Observer {
        Arc::new(move |snapshot: &Snapshot| {
            let image = snapshot.image.mapv(|value| -value);
            observer(&Snapshot { image: &image, ..*snapshot })
        })
    });
    options
}
