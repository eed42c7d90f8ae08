//! ISMRMRD in HDF5 (Inati et al., Magn. Reson. Med. 77, 411, 2017): a header and acquisitions become k-space.
//!
//! ```text
//! /dataset/xml     the header, a text
//! /dataset/data    one record an acquisition: head, traj (variable length), data (variable length, coil by coil)
//! ```
//!
//! The first encoding is read. Lines are placed by their counters about the k-space centre that the header states, so
//! that partial Fourier stays partial; lines that are there several times are averaged; lines for parallel calibration
//! count as measured; noise scans become [`KSpace::noise`]; navigators, phase corrections, dummies and feedback are left
//! out. Read-out oversampling is taken away (a crop in image space along x). Points that are 0 in all coils were not
//! sampled. The image's grid is the encoded matrix along y and z: interpolation to the reconstruction matrix is none of
//! the data. Slices, contrasts and so on are frames; the grid is that of the first slice.

use std::collections::BTreeMap;

use ndarray::{Array2, Array5, s};
use num_complex::Complex32;
use rustfft::FftPlanner;

use super::{
    hdf5::Store,
    ismrmrd_acquisitions::{Acquisition, COUNTERS, NOISE, OTHER, REVERSE, acquisitions},
    ismrmrd_header::Header,
    mr::cartesian,
    place::Place,
};
use crate::{
    error::Result,
    geometry::{Grid, Mask, Trajectory, add, norm},
    scan::{Encoding, FrameAxis, KSpace},
};

/// Reads the file if it is one of ISMRMRD's: a group with `xml` and `data`.
pub(super) fn read(place: &Place, store: &Store) -> Result<Option<KSpace>> {
    let Some(group) = group(store) else { return Ok(None) };
    let text = store.text(&format!("{group}/xml")).ok_or_else(|| place.error(format!("/{group}/xml is not a text")))?;
    let header = Header::parse(&text).map_err(|what| place.error(what))?;
    if header.ramps && header.trajectory == "epi" {
        return Err(place.error(
            "EPI whose read-outs sample the gradient's ramps (trajectoryDescription with ramp times): regridding is not \
             supported; regrid it first",
        ));
    }
    let acquisitions = acquisitions(place, store, &format!("{group}/data"))?;
    let used: Vec<_> =
        acquisitions.iter().filter(|a| !a.has(NOISE) && a.space == 0 && !OTHER.iter().any(|f| a.has(*f))).collect();
    let Some(first) = used.first() else { return Err(place.error("holds no acquisition of image data")) };
    let frames = Frames::of(&used);
    let scan = if first.trajectory_dimensions > 0 && !matches!(header.trajectory.as_str(), "cartesian" | "epi") {
        along_trajectory(place, &header, &used, &frames)?
    } else {
        on_grid(place, &header, &used, &frames)?
    };
    let scan =
        KSpace { noise: noise(&acquisitions), grid: grid(&header, first, scan.grid.shape), unit: header.unit, ..scan };
    scan.check().map_err(|error| place.error(error))?;
    Ok(Some(scan))
}

/// The first group that holds header and acquisitions.
pub(super) fn group(store: &Store) -> Option<String> {
    let mut groups = store.groups();
    groups.sort_by_key(|name| name != "dataset");
    groups
        .into_iter()
        .find(|group| ["xml", "data"].iter().all(|name| store.dataset(&format!("{group}/{name}")).is_some()))
}

/// The frames by their counters.
struct Frames {
    /// The values of each counter that occur, in the order of [`COUNTERS`].
    values: [Vec<usize>; 6],
}

impl Frames {
    fn of(used: &[&Acquisition]) -> Self {
        Self {
            values: std::array::from_fn(|counter| {
                let mut values: Vec<_> = used.iter().map(|acquisition| acquisition.counters[counter]).collect();
                values.sort_unstable();
                values.dedup();
                values
            }),
        }
    }

    fn count(&self) -> usize {
        self.values.iter().map(Vec::len).fold(1, usize::saturating_mul)
    }

    fn index(&self, acquisition: &Acquisition) -> usize {
        self.values
            .iter()
            .zip(acquisition.counters)
            .fold(0, |index, (values, counter)| index * values.len() + values.binary_search(&counter).unwrap_or(0))
    }

    fn axes(&self) -> Vec<(FrameAxis, usize)> {
        let axes = COUNTERS.iter().zip(&self.values).map(|((_, axis), values)| (*axis, values.len()));
        axes.filter(|(_, count)| *count > 1).collect()
    }
}

/// Lines sorted onto the grid.
fn on_grid(place: &Place, header: &Header, used: &[&Acquisition], frames: &Frames) -> Result<KSpace> {
    let [nx, ny, nz] = header.encoded.matrix;
    let coils = used[0].coils;
    let lines = frames.count().saturating_mul(ny * nz);
    // The matrix is a claim: an acceleration of thousands is none.
    if frames.count() > used.len() || lines > used.len().saturating_mul(4096) || nx > 1 << 16 {
        return Err(place.error(format!(
            "{} acquisitions for {} frames of {nx} × {ny} × {nz} samples: truncated, or not what its header says",
            used.len(),
            frames.count()
        )));
    }
    let oversampling = header.encoded.field_of_view[0] / header.recon.field_of_view[0];
    let width = if oversampling > 1.001 { ((nx as f64 / oversampling).round() as usize).clamp(1, nx) } else { nx };
    let mut crop = Crop::new(nx, width);
    let mut samples = Array5::<Complex32>::zeros((frames.count(), coils, nz, ny, width));
    let mut times = BTreeMap::<(usize, usize, usize), u16>::new();
    for (number, acquisition) in used.iter().enumerate() {
        let [z, y, first] = line_of(header, acquisition).map_err(|what| {
            place.error(format!("image acquisition {number}: {what}, outside the k-space of the header"))
        })?;
        let frame = frames.index(acquisition);
        let seen = times.entry((frame, z, y)).or_default();
        *seen = seen.saturating_add(1);
        let kept = acquisition.kept();
        for (coil, row) in acquisition.data.chunks_exact(acquisition.samples.max(1)).enumerate() {
            let mut line = vec![Complex32::ZERO; nx];
            line[first..first + kept.len()].copy_from_slice(&row[kept.clone()]);
            if acquisition.has(REVERSE) {
                // Sample i of the line lies at −k, so that zero frequency stays where it is.
                line.reverse();
                line.rotate_right(usize::from(nx.is_multiple_of(2)));
            }
            let line = crop.line(line, first, kept.len());
            let mut target = samples.slice_mut(s![frame, coil, z, y, ..]);
            target.iter_mut().zip(line).for_each(|(sum, value)| *sum += value);
        }
    }
    for ((frame, z, y), times) in times.into_iter().filter(|(_, times)| *times > 1) {
        samples.slice_mut(s![frame, .., z, y, ..]).mapv_inplace(|sum| sum / f32::from(times));
    }
    cartesian(samples, frames.axes()).map_err(|error| place.error(error))
}

/// Indices z, y of a line and x of its first sample; or what lies outside.
fn line_of(header: &Header, acquisition: &Acquisition) -> std::result::Result<[usize; 3], String> {
    let [nx, ny, nz] = header.encoded.matrix;
    let step = |axis: usize, extent: usize| {
        let center = header.center[axis].unwrap_or(extent / 2);
        let line = (acquisition.steps[axis] + extent / 2).checked_sub(center).filter(|line| *line < extent);
        line.ok_or_else(|| format!("phase encoding {} of step {}", acquisition.steps[axis], axis + 1))
    };
    let kept = acquisition.kept();
    // Some writers leave the centre at 0.
    let middle = if acquisition.center == 0 { acquisition.samples / 2 } else { acquisition.center };
    let first = (kept.start + nx / 2).checked_sub(middle).filter(|first| first + kept.len() <= nx);
    let first = first.ok_or_else(|| format!("{} samples with their centre at {middle}", acquisition.samples))?;
    Ok([step(1, nz)?, step(0, ny)?, first])
}

/// Takes read-out oversampling away: to image space, crop, and back; orthonormal both ways.
pub(super) struct Crop {
    from: usize,
    to: usize,
    planner: FftPlanner<f32>,
}

impl Crop {
    pub(super) fn new(from: usize, to: usize) -> Self {
        Self { from, to, planner: FftPlanner::new() }
    }

    /// The cropped line; points of k-space whose neighbourhood was not measured (`count` samples from `first` were) stay 0.
    pub(super) fn line(&mut self, mut line: Vec<Complex32>, first: usize, count: usize) -> Vec<Complex32> {
        let (from, to) = (self.from, self.to);
        if from == to {
            return line;
        }
        // The centre N/2 to index 0 and back.
        line.rotate_left(from / 2);
        self.planner.plan_fft_inverse(from).process(&mut line);
        line.rotate_right(from / 2);
        let start = from / 2 - to / 2;
        let mut cropped = line[start..start + to].to_vec();
        cropped.rotate_left(to / 2);
        self.planner.plan_fft_forward(to).process(&mut cropped);
        cropped.rotate_right(to / 2);
        let scale = 1.0 / ((from as f32) * (to as f32)).sqrt();
        let measured = first as f64 - 0.5..(first + count) as f64 - 0.5;
        for (index, value) in cropped.iter_mut().enumerate() {
            let at = (index as f64 - (to / 2) as f64) * from as f64 / to as f64 + (from / 2) as f64;
            *value = if measured.contains(&at) { *value * scale } else { Complex32::ZERO };
        }
        cropped
    }
}

/// Samples in the order of their acquisition, along the points that these bring with them.
///
/// Points within ±½ are cycles per voxel, the usual way; else they are cycles per field of view.
fn along_trajectory(place: &Place, header: &Header, used: &[&Acquisition], frames: &Frames) -> Result<KSpace> {
    let [nx, ny, nz] = header.encoded.matrix;
    let (coils, count) = (used[0].coils, frames.count());
    let mut by_frame = vec![Vec::new(); count.min(used.len())];
    for acquisition in used {
        let frame = by_frame.get_mut(frames.index(acquisition));
        frame.ok_or_else(|| place.error("frames without an acquisition"))?.push(*acquisition);
    }
    let samples_of = |list: &[&Acquisition]| list.iter().map(|acquisition| acquisition.kept().len()).sum::<usize>();
    let points = by_frame.first().map_or(0, |list| samples_of(list));
    if by_frame.len() != count || by_frame.iter().any(|list| samples_of(list) != points) {
        return Err(
            place.error("frames with different numbers of samples along their trajectories, which cannot be read")
        );
    }
    let mut samples = Array5::zeros((count, coils, 1, 1, points));
    let mut trajectories = Vec::new();
    for (frame, list) in by_frame.iter().enumerate() {
        let mut at = 0;
        let mut path = Vec::with_capacity(points);
        for acquisition in list {
            let (kept, width) = (acquisition.kept(), acquisition.trajectory_dimensions);
            for (coil, row) in acquisition.data.chunks_exact(acquisition.samples.max(1)).enumerate() {
                let mut target = samples.slice_mut(s![frame, coil, 0, 0, at..at + kept.len()]);
                target.iter_mut().zip(&row[kept.clone()]).for_each(|(target, value)| *target = *value);
            }
            let point = |i: usize, axis: usize| acquisition.trajectory.get(i * width + axis).filter(|_| axis < width);
            // In two dimensions, a third number is a weight.
            let depth = |i: usize| if nz > 1 { point(i, 2) } else { None };
            let of = |k: Option<&f32>| k.copied().unwrap_or(0.0);
            path.extend(kept.clone().map(|i| [of(point(i, 0)), of(point(i, 1)), of(depth(i))]));
            at += kept.len();
        }
        trajectories.push(Trajectory { matrix: [nz, ny, nx], points: path });
    }
    let far =
        trajectories.iter().flat_map(|path| path.points.iter().flatten()).fold(0.0_f32, |far, k| far.max(k.abs()));
    if far <= 0.5005 {
        let scale = [nx, ny, nz].map(|extent| extent as f32);
        for point in trajectories.iter_mut().flat_map(|path| path.points.iter_mut()) {
            point.iter_mut().zip(scale).for_each(|(k, extent)| *k *= extent);
        }
    }
    if trajectories.iter().all(|path| *path == trajectories[0]) {
        trajectories.truncate(1);
    }
    Ok(KSpace {
        samples,
        encoding: Encoding::Trajectory(trajectories),
        grid: Grid::centered([nz, ny, nx], [1.0; 3], [0.0; 3]),
        unit: header.unit,
        axes: frames.axes(),
        noise: None,
    })
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

/// The image's grid: encoded voxels about the position of the first acquisition; image axes without directions.
fn grid(header: &Header, first: &Acquisition, shape: [usize; 3]) -> Grid {
    let [x, y, z] = std::array::from_fn(|axis| header.encoded.field_of_view[axis] / header.encoded.matrix[axis] as f64);
    let sound = first.directions.iter().all(|direction| (norm(*direction) - 1.0).abs() < 0.01);
    let directions = if sound { first.directions } else { [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] };
    let along = |axis: usize, size: f64| directions[axis].map(|part| part * size);
    let mut grid = Grid { shape, first: first.position, steps: [along(2, z), along(1, y), along(0, x)] };
    for (step, extent) in grid.steps.into_iter().zip(shape) {
        grid.first = add(grid.first, -(extent as f64 - 1.0) / 2.0, step);
    }
    grid
}

/// The mask of a scan's frame, where there is one.
pub(super) fn mask(scan: &KSpace, frame: usize) -> Option<&Mask> {
    match &scan.encoding {
        Encoding::Cartesian(masks) => masks.get(frame).or(masks.first()),
        Encoding::Trajectory(_) => None,
    }
}
