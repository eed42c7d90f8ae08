//! fastMRI's HDF5 (Zbontar et al., arXiv:1811.08839): fully sampled or masked k-space of knees and brains.
//!
//! ```text
//! /kspace             complex [slice, coil, y, x], or [slice, y, x] of a single coil
//! /ismrmrd_header     ISMRMRD's header: the encoded read-out is y, phase encoding is x
//! /mask               which columns x were sampled, where some were not
//! ```
//!
//! Slices are frames. Read-out oversampling, here along y, is taken away; phase oversampling is what [`KSpace::seen`] leaves
//! out, so that images have the extents of fastMRI's `reconstruction_rss`. Rows run along the read-out and columns along the phase
//! encoding, where ISMRMRD's image has them the other way round; the grid has them where that has them. Attributes, which tell
//! measurements apart, are not read.

use ndarray::{Array5, Axis, s};
use num_complex::Complex32;

use super::{
    hdf5::Store, ismrmrd_header::Header, ismrmrd_lines::Crop, ismrmrd_slices::zero_at_middle, mr::cartesian,
    place::Place,
};
use crate::{
    error::Result,
    geometry::{Grid, LengthUnit},
    scan::{FrameAxis, KSpace},
};

const DATA: &str = "kspace";
const HEADER: &str = "ismrmrd_header";
const MASK: &str = "mask";

/// Whether the file is one of fastMRI's.
pub(super) fn is_one(store: &Store) -> bool {
    [DATA, HEADER].iter().all(|path| store.holds(path))
}

/// Reads all slices.
pub(super) fn read(place: &Place, store: &Store) -> Result<KSpace> {
    let text = store.text(HEADER)?;
    let header = Header::parse(&text).map_err(|what| place.error(what))?;
    let array = store.values(DATA)?.into_complex();
    let array = if array.ndim() == 3 { array.insert_axis(Axis(1)) } else { array };
    let shape = array.shape().to_vec();
    let [slices, coils, rows, columns] = shape[..] else {
        return Err(place.error(format!("/{DATA} of shape {shape:?}; [slice, coil, y, x] is needed")));
    };
    let mut samples =
        array.into_shape_with_order((slices, coils, 1, rows, columns)).map_err(|error| place.error(error))?;
    if store.holds(MASK) {
        let mask = store.values(MASK)?.into_f64_list(place)?;
        if mask.len() != columns {
            return Err(place.error(format!("/{MASK} of {} entries for {columns} columns", mask.len())));
        }
        for (x, _) in mask.iter().enumerate().filter(|(_, sampled)| **sampled == 0.0) {
            samples.slice_mut(s![.., .., .., .., x]).fill(Complex32::ZERO);
        }
    }
    let [oversampling, along_phase, _] = header.oversampling();
    let width = ((columns as f64 / along_phase).round() as usize).clamp(1, columns);
    let height = ((rows as f64 / oversampling).round() as usize).clamp(1, rows);
    if oversampling > 1.001 {
        samples = cropped(&samples, height);
    }
    let axes = if slices > 1 { vec![(FrameAxis::Slice, slices)] } else { vec![] };
    let scan = cartesian(samples, axes).map_err(|error| place.error(error))?;
    let [read_out, phase, thickness] = header.encoded.field_of_view;
    // Position and directions are not told: the read-out along x and phase encoding along y, as ISMRMRD's image without them.
    let mut grid = Grid {
        shape: [1, height, columns],
        first: [0.0; 3],
        steps: [[0.0, 0.0, thickness], [read_out / rows as f64, 0.0, 0.0], [0.0, phase / columns as f64, 0.0]],
    };
    grid.first = zero_at_middle(&grid, [0.0; 3]);
    let seen = (width < columns).then_some([1, height, width]);
    Ok(KSpace { grid, unit: LengthUnit::Millimetre, seen, ..scan })
}

/// The middle `height` rows in image space.
fn cropped(samples: &Array5<Complex32>, height: usize) -> Array5<Complex32> {
    let (slices, coils, _, rows, columns) = samples.dim();
    let mut crop = Crop::new(rows, height);
    let mut result = Array5::zeros((slices, coils, 1, height, columns));
    for (from, mut to) in samples.lanes(Axis(3)).into_iter().zip(result.lanes_mut(Axis(3))) {
        // Columns that were not sampled stay exactly 0.
        if from.iter().any(|value| *value != Complex32::ZERO) {
            let line = crop.line(from.to_vec(), 0, rows);
            to.iter_mut().zip(line).for_each(|(to, value)| *to = value);
        }
    }
    result
}
