//! ISMRMRD in HDF5 (Inati et al., Magn. Reson. Med. 77, 411, 2017): a header and acquisitions become k-space.
//!
//! ```text
//! /dataset/xml     the header, a text
//! /dataset/data    one record an acquisition: head, traj (variable length), data (variable length, coil by coil)
//! ```
//!
//! A group of another name is read if there is no `dataset`, or if it is named (`file.h5:/group`). The first encoding with
//! lines of an image is read. Lines are placed by their counters about the k-space centre that the header states, so
//! that partial Fourier stays partial; lines that are there several times are averaged; lines for parallel calibration
//! count as measured; noise scans become [`KSpace::noise`]; navigators, dummies and feedback are left out. Echo-planar
//! read-outs that sample ramps are [regridded](super::ismrmrd_epi), and phase correction lines take Nyquist's
//! [ghost](super::ismrmrd_ghost) away. Read-out oversampling is taken away too (a crop in image space along x); phase
//! oversampling is what [`KSpace::seen`] leaves out. Points that are 0 in all coils were not sampled. The image's grid is the
//! encoded matrix along y and z: interpolation to the reconstruction matrix is none of the data. Slices, contrasts and so on
//! are frames; slices stand in the order of their [positions](super::ismrmrd_slices), and the grid is that of the first.

use ndarray::Array2;
use num_complex::Complex32;

use super::{
    hdf5::Store,
    ismrmrd_acquisitions::{Acquisition, CALIBRATION, NOISE, acquisitions},
    ismrmrd_frames::Frames,
    ismrmrd_header::Header,
    ismrmrd_lines::on_grid,
    ismrmrd_slices::{Slices, directions, zero_at_middle},
    ismrmrd_trajectory::along_trajectory,
    place::Place,
};
use crate::{
    error::Result,
    geometry::{Grid, LengthUnit, Mask},
    scan::{Encoding, KSpace},
};

/// What is read of a measurement.
pub(super) struct Selected<'a> {
    pub(super) all: &'a [Acquisition],
    /// The header's encoding.
    pub(super) space: usize,
    /// Acquisitions of the image and their numbers among all; at least one.
    pub(super) image: Vec<(usize, &'a Acquisition)>,
}

impl<'a> Selected<'a> {
    fn of(all: &'a [Acquisition], space: usize) -> Self {
        let image = all.iter().enumerate().filter(|(_, a)| a.of_image() && a.space == space).collect();
        Self { all, space, image }
    }

    /// The first acquisition of the image.
    pub(super) fn first(&self) -> &'a Acquisition {
        self.image[0].1
    }
}

/// Reads the file if it is one of ISMRMRD's: a group with `xml` and `data`.
pub(super) fn read(place: &Place, store: &Store) -> Result<Option<KSpace>> {
    let Some(group) = group(place, store) else { return Ok(None) };
    let text = store.text(&format!("{group}/xml"))?;
    let mut headers = Header::encodings(&text).map_err(|what| place.error(what))?;
    let acquisitions = acquisitions(place, store, &format!("{group}/data"))?;
    let space = space(&acquisitions, &headers).map_err(|what| place.error(what))?;
    let header = headers.swap_remove(space).map_err(|what| place.error(what))?;
    let selected = Selected::of(&acquisitions, space);
    let used: Vec<_> = selected.image.iter().map(|(_, acquisition)| *acquisition).collect();
    let first = selected.first();
    let slices = Slices::of(&used);
    let frames = Frames::of(&used, &slices);
    let scan = match header.trajectory.as_str() {
        "cartesian" | "epi" => on_grid(place, &header, &selected, &frames)?,
        _ => along_trajectory(place, &header, &used, &frames)?,
    };
    let shape = scan.grid.shape;
    let (grid, unit) = grid(&header, first, &slices, shape);
    let scan = KSpace { noise: noise(&acquisitions), grid, seen: seen(&header, shape), unit, ..scan };
    scan.check().map_err(|error| place.error(error))?;
    Ok(Some(scan))
}

/// The group that holds header and acquisitions: the one that is named, else `dataset`, else the first.
pub(super) fn group(place: &Place, store: &Store) -> Option<String> {
    let whole = |group: &String| {
        store.is_group(group) && ["xml", "data"].iter().all(|name| store.holds(&format!("{group}/{name}")))
    };
    if let Some(named) = &place.inner {
        return Some(named.clone()).filter(whole);
    }
    let mut groups = store.groups();
    groups.sort_by_key(|name| name != "dataset");
    groups.into_iter().find(whole)
}

/// The first encoding with lines of an image; one with lines of calibration only comes last.
fn space(
    acquisitions: &[Acquisition],
    headers: &[std::result::Result<Header, &'static str>],
) -> std::result::Result<usize, String> {
    let image: Vec<_> = acquisitions.iter().filter(|acquisition| acquisition.of_image()).collect();
    let of_calibration_only = image.iter().all(|acquisition| acquisition.has(CALIBRATION));
    let counted = image.iter().filter(|acquisition| of_calibration_only || !acquisition.has(CALIBRATION));
    // One that the header describes, if there is one.
    let space = counted.map(|acquisition| acquisition.space).min_by_key(|space| (*space >= headers.len(), *space));
    let space = space.ok_or("holds no acquisition of image data")?;
    if space < headers.len() {
        return Ok(space);
    }
    let name = |(number, header): (usize, &std::result::Result<Header, &str>)| match header {
        Ok(Header { trajectory, encoded, .. }) => {
            let [x, y, z] = encoded.matrix;
            format!("{number} ({trajectory}, {x} × {y} × {z})")
        }
        Err(_) => format!("{number} (without a usable encodedSpace)"),
    };
    let known: Vec<_> = headers.iter().enumerate().map(name).collect();
    Err(format!("its image data are of encoding {space}, and its header has only: {}", known.join(", ")))
}

/// `[coil, sample]` of all noise scans.
fn noise(acquisitions: &[Acquisition]) -> Option<Array2<Complex32>> {
    let scans: Vec<_> =
        acquisitions.iter().filter(|acquisition| acquisition.has(NOISE) && acquisition.samples > 0).collect();
    let coils = scans.first()?.coils;
    let row =
        |coil: usize| scans.iter().flat_map(move |a| a.data[coil * a.samples..(coil + 1) * a.samples].iter().copied());
    Array2::from_shape_vec((coils, row(0).count()), (0..coils).flat_map(row).collect()).ok()
}

/// The image's grid, of the first slice: encoded voxels, and the step between slices along z; in cells where the slices are no
/// stack, so that no place is told that is not theirs.
fn grid(header: &Header, first: &Acquisition, slices: &Slices, shape: [usize; 3]) -> (Grid, LengthUnit) {
    let [x, y, z] = std::array::from_fn(|axis| header.encoded.field_of_view[axis] / header.encoded.matrix[axis] as f64);
    let directions = directions(first);
    let along = |axis: usize, size: f64| directions[axis].map(|part| part * size);
    let (position, step) = match slices {
        Slices::Stack { position, step, .. } if shape[0] == 1 => (*position, *step),
        Slices::Stack { position, .. } | Slices::One { position } => (*position, along(2, z)),
        Slices::Apart => return (Grid::centered(shape, [1.0; 3], [0.0; 3]), LengthUnit::Cell),
    };
    let mut grid = Grid { shape, first: position, steps: [step, along(1, y), along(0, x)] };
    grid.first = zero_at_middle(&grid, position);
    (grid, header.unit)
}

/// The voxels that the reconstructed field of view holds, if not all.
fn seen(header: &Header, shape: [usize; 3]) -> Option<[usize; 3]> {
    let oversampling = header.oversampling();
    let seen = std::array::from_fn(|axis| {
        let (extent, factor) = (header.encoded.matrix[2 - axis], oversampling[2 - axis]);
        let kept = if factor > 1.001 { ((extent as f64 / factor).round() as usize).max(1) } else { extent };
        kept.min(shape[axis])
    });
    (seen != shape).then_some(seen)
}

/// The mask of a scan's frame, where there is one.
pub(super) fn mask(scan: &KSpace, frame: usize) -> Option<&Mask> {
    match &scan.encoding {
        Encoding::Cartesian(masks) => masks.get(frame).or(masks.first()),
        Encoding::Trajectory(_) => None,
    }
}
