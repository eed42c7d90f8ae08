//! The fully sampled centre of k-space, from which coils are calibrated.

use std::ops::Range;

use ndarray::{Array4, ArrayView4, s};
use num_complex::Complex32;

use crate::{
    error::{Error, Result},
    geometry::Mask,
};

/// Indices along z, y, x; index N/2 lies in the middle, at half the extent rounded down.
pub type Region = [Range<usize>; 3];

/// The box around the centre of k-space in which every point is sampled: the one of most points, an axis counting no more
/// than `limit` (24 is usual), to which the box is then cut.
///
/// # Errors
/// [`Error::Scan`] if the centre itself is not sampled, or mask and points do not fit each other.
pub fn fully_sampled_region(mask: &Mask, limit: usize) -> Result<Region> {
    mask.check()?;
    let [nz, ny, nx] = mask.shape;
    let limit = limit.max(1);
    // Extents grow by one index at a time: N/2, then N/2 − 1, N/2 + 1, N/2 − 2 …
    let mut along_x = vec![usize::MAX; ny];
    let mut best = ([0; 3], 0);
    for depth in 1..=nz.min(limit) {
        let z = newest(nz, depth);
        let mut narrowest = usize::MAX;
        for height in 1..=ny {
            let y = newest(ny, height);
            let line = &mask.sampled[(z * ny + y) * nx..][..nx];
            let run = (1..=nx).take_while(|extent| line[newest(nx, *extent)]).count();
            along_x[height - 1] = along_x[height - 1].min(run);
            narrowest = narrowest.min(along_x[height - 1]);
            let extents = [depth, height.min(limit), narrowest.min(limit)];
            let points = extents.iter().product();
            if points > best.1 {
                best = (extents, points);
            }
        }
    }
    if best.1 == 0 {
        return Err(Error::Scan(format!(
            "the centre of k-space, index {:?} (z, y, x), is not sampled: there is no calibration region; give coil maps \
             with --maps FILE, or name the region with --calibration",
            [nz / 2, ny / 2, nx / 2]
        )));
    }
    let centred = |extent: usize, axis: usize| {
        let start = mask.shape[axis] / 2 - extent / 2;
        start..start + extent
    };
    Ok([centred(best.0[0], 0), centred(best.0[1], 1), centred(best.0[2], 2)])
}

/// The index by which a centred run of `extent` is larger than one of `extent − 1`.
fn newest(n: usize, extent: usize) -> usize {
    let centre = n / 2;
    if extent.is_multiple_of(2) { centre - extent / 2 } else { centre + extent / 2 }
}

/// Calibration data `[coil, z, y, x]`: the samples of a region. For a trajectory grid the centre at low resolution instead,
/// and hand it to [`super::Espirit::maps`] as it is.
///
/// # Panics
/// If the region reaches beyond the samples.
#[track_caller]
pub fn calibration_data(samples: ArrayView4<Complex32>, region: &Region) -> Array4<Complex32> {
    let [z, y, x] = region.clone();
    samples.slice(s![.., z, y, x]).to_owned()
}
