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

use hdf5_pure::{Dataset, Datatype, DatatypeByteOrder};
use ndarray::{Array2, Array5, s};
use num_complex::Complex32;
use rustfft::FftPlanner;

use super::{
    global_heap::REFERENCE,
    hdf5::Store,
    ismrmrd_header::Header,
    mr::cartesian,
    place::{Place, unfolded_limit},
};
use crate::{
    error::Result,
    geometry::{Grid, Mask, Trajectory, add, norm},
    scan::{Encoding, FrameAxis, KSpace},
};

/// Bits of an acquisition's flags, counted from 1 (ismrmrd.h).
const NOISE: u32 = 19;
const REVERSE: u32 = 22;
/// Navigators, phase correction, feedback, dummies, surface coil correction, phase stabilisation.
const OTHER: [u32; 8] = [23, 24, 26, 27, 28, 29, 30, 31];

/// The counters that tell frames apart, slowest first.
pub(super) const COUNTERS: [(&str, FrameAxis); 6] = [
    ("repetition", FrameAxis::Repetition),
    ("set", FrameAxis::Set),
    ("phase", FrameAxis::Phase),
    ("average", FrameAxis::Average),
    ("contrast", FrameAxis::Contrast),
    ("slice", FrameAxis::Slice),
];

/// One read-out.
struct Acquisition {
    flags: u64,
    samples: usize,
    coils: usize,
    discard: [usize; 2],
    center: usize,
    space: usize,
    /// First and second phase encoding.
    steps: [usize; 2],
    /// In the order of [`COUNTERS`].
    counters: [usize; 6],
    trajectory_dimensions: usize,
    position: [f64; 3],
    /// Read, phase and slice direction.
    directions: [[f64; 3]; 3],
    trajectory: Vec<f32>,
    /// `[coil, sample]`.
    data: Vec<Complex32>,
}

impl Acquisition {
    fn has(&self, flag: u32) -> bool {
        self.flags >> (flag - 1) & 1 == 1
    }

    /// The samples that are meant.
    fn kept(&self) -> std::ops::Range<usize> {
        self.discard[0]..self.samples - self.discard[1]
    }
}

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

/// Where a member of a record lies, and its kind.
fn member(kind: &Datatype, path: &[&str]) -> Option<(usize, Datatype)> {
    path.iter().try_fold((0, kind.clone()), |(offset, kind), name| {
        let Datatype::Compound { members, .. } = kind else { return None };
        let member = members.into_iter().find(|member| member.name == *name)?;
        Some((offset + usize::try_from(member.byte_offset).ok()?, member.datatype))
    })
}

/// A record's members, by path.
struct Record<'a> {
    kind: &'a Datatype,
    size: usize,
}

/// Reads numbers out of a record.
type Field = Box<dyn Fn(&[u8]) -> f64>;

impl Record<'_> {
    /// A reader of number `index` of the member at `path`, which may be an array.
    fn field(&self, path: &[&str], index: usize) -> Option<Field> {
        let (offset, mut kind) = member(self.kind, path)?;
        if let Datatype::Array { base_type, dimensions } = kind {
            if index >= dimensions.iter().map(|extent| *extent as usize).product() {
                return None;
            }
            kind = *base_type;
        }
        let width = kind.type_size() as usize;
        let at = offset + index * width;
        if at + width > self.size {
            return None;
        }
        let word = move |record: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..width].copy_from_slice(&record[at..at + width]);
            u64::from_le_bytes(bytes)
        };
        match kind {
            Datatype::FixedPoint { size: 1 | 2 | 4, byte_order: DatatypeByteOrder::LittleEndian, .. } => {
                Some(Box::new(move |record| word(record) as f64))
            }
            Datatype::FloatingPoint { size: 4, byte_order: DatatypeByteOrder::LittleEndian, .. } => {
                Some(Box::new(move |record| f64::from(f32::from_bits(word(record) as u32))))
            }
            _ => None,
        }
    }
}

fn acquisitions(place: &Place, store: &Store, path: &str) -> Result<Vec<Acquisition>> {
    let wrong = |what: &str| place.error(format!("/{path}: {what}"));
    let failed = |error: hdf5_pure::Error| place.error(format!("/{path}: cannot be read: {error}"));
    let data: Dataset = store.dataset(path).ok_or_else(|| wrong("no such dataset"))?;
    let kind = data.datatype().map_err(failed)?;
    let size = kind.type_size() as usize;
    let count: u64 = data.shape().map_err(failed)?.iter().product();
    let length = place.length()?;
    if count.checked_mul(size as u64).is_none_or(|bytes| bytes > unfolded_limit(length)) {
        return Err(wrong("more acquisitions are promised than a file of this length can hold: truncated"));
    }
    let records = data.read_raw().map_err(failed)?;
    let record = Record { kind: &kind, size };
    let parse = parser(&record).ok_or_else(|| wrong("its records are not ISMRMRD's acquisitions"))?;
    let mut heap = store.heap(place)?;
    let mut list = Vec::new();
    let mut taken = 0;
    for (number, bytes) in records.chunks_exact(size.max(1)).enumerate() {
        let mut read = || -> std::io::Result<Acquisition> {
            let (mut acquisition, [trajectory, samples]) = parse(bytes);
            acquisition.trajectory = heap.floats(&bytes[trajectory..trajectory + REFERENCE])?;
            let parts = heap.floats(&bytes[samples..samples + REFERENCE])?;
            acquisition.data = parts.chunks_exact(2).map(|part| Complex32::new(part[0], part[1])).collect();
            // Records may point at one and the same element, so their sum is held against the file too.
            taken += parts.len() as u64 * 4;
            sound(&acquisition, taken, length)?;
            Ok(acquisition)
        };
        list.push(read().map_err(|error| place.error(format!("acquisition {number}: {error}")))?);
    }
    coils_agree(place, &list)?;
    Ok(list)
}

/// Refuses an acquisition whose head and numbers do not fit each other.
fn sound(acquisition: &Acquisition, taken: u64, length: u64) -> std::io::Result<()> {
    let Acquisition { samples, coils, discard, trajectory_dimensions, .. } = acquisition;
    let wrong = |what: String| Err(std::io::Error::other(what));
    if acquisition.data.len() != samples * coils {
        return wrong(format!("{} numbers for {samples} samples of {coils} coils", acquisition.data.len()));
    }
    if acquisition.trajectory.len() != samples * trajectory_dimensions {
        return wrong(format!("a trajectory of {} numbers for {samples} samples", acquisition.trajectory.len()));
    }
    if discard[0] + discard[1] > *samples {
        return wrong(format!("{} of {samples} samples are to be discarded", discard[0] + discard[1]));
    }
    if taken > length { wrong("more samples than the file is long".into()) } else { Ok(()) }
}

fn coils_agree(place: &Place, list: &[Acquisition]) -> Result<()> {
    let coils = list.first().map_or(0, |acquisition| acquisition.coils);
    match list.iter().position(|acquisition| acquisition.coils != coils) {
        Some(odd) => Err(place.error(format!("acquisition {odd} has {} coils, the first {coils}", list[odd].coils))),
        None => Ok(()),
    }
}

/// A parser of records: the acquisition without its numbers, and where the references to trajectory and samples lie.
#[allow(clippy::type_complexity)]
fn parser(record: &Record) -> Option<Box<dyn Fn(&[u8]) -> (Acquisition, [usize; 2])>> {
    let head = |name: &'static str, index: usize| record.field(&["head", name], index);
    let idx = |name: &'static str| record.field(&["head", "idx", name], 0);
    let three = |name: &'static str| -> Option<[Field; 3]> { Some([head(name, 0)?, head(name, 1)?, head(name, 2)?]) };
    // Flags are 64 bits, more than a double holds; they are read as two halves.
    let (flags_at, flags) = member(record.kind, &["head", "flags"])?;
    let references = ["traj", "data"].map(|name| member(record.kind, &[name]));
    let [Some((trajectory, Datatype::VariableLength { .. })), Some((data, Datatype::VariableLength { .. }))] =
        references
    else {
        return None;
    };
    if flags.type_size() != 8
        || [flags_at + 8, trajectory + REFERENCE, data + REFERENCE].iter().any(|end| *end > record.size)
    {
        return None;
    }
    let names =
        ["number_of_samples", "active_channels", "center_sample", "encoding_space_ref", "trajectory_dimensions"];
    let numbers: Vec<Field> = names.into_iter().map(|name| head(name, 0)).collect::<Option<_>>()?;
    let discard = [head("discard_pre", 0)?, head("discard_post", 0)?];
    let steps = [idx("kspace_encode_step_1")?, idx("kspace_encode_step_2")?];
    let counters: Vec<Field> = COUNTERS.iter().map(|(name, _)| idx(name)).collect::<Option<_>>()?;
    let position = three("position")?;
    let directions = [three("read_dir")?, three("phase_dir")?, three("slice_dir")?];
    Some(Box::new(move |bytes| {
        let of = |field: &Field| field(bytes) as usize;
        let vector = |fields: &[Field; 3]| std::array::from_fn(|i| fields[i](bytes));
        let acquisition = Acquisition {
            flags: u64::from_le_bytes(std::array::from_fn(|i| bytes[flags_at + i])),
            samples: of(&numbers[0]),
            coils: of(&numbers[1]),
            center: of(&numbers[2]),
            space: of(&numbers[3]),
            trajectory_dimensions: of(&numbers[4]),
            discard: [of(&discard[0]), of(&discard[1])],
            steps: [of(&steps[0]), of(&steps[1])],
            counters: std::array::from_fn(|i| of(&counters[i])),
            position: vector(&position),
            directions: std::array::from_fn(|i| vector(&directions[i])),
            trajectory: Vec::new(),
            data: Vec::new(),
        };
        (acquisition, [trajectory, data])
    }))
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
    let center = [header.center[0].unwrap_or(ny / 2), header.center[1].unwrap_or(nz / 2)];
    for (number, acquisition) in used.iter().enumerate() {
        let odd = |what: String| {
            place.error(format!("image acquisition {number}: {what}, outside the k-space of the header"))
        };
        let step = |axis: usize, extent: usize| {
            let line = (acquisition.steps[axis] + extent / 2).checked_sub(center[axis]).filter(|line| *line < extent);
            line.ok_or_else(|| odd(format!("phase encoding {} of step {}", acquisition.steps[axis], axis + 1)))
        };
        let (y, z) = (step(0, ny)?, step(1, nz)?);
        let kept = acquisition.kept();
        // Some writers leave the centre at 0.
        let middle = if acquisition.center == 0 { acquisition.samples / 2 } else { acquisition.center };
        let first = (kept.start + nx / 2).checked_sub(middle);
        let Some(first) = first.filter(|first| first + kept.len() <= nx) else {
            return Err(odd(format!("{} samples with their centre at {middle}", acquisition.samples)));
        };
        let frame = frames.index(acquisition);
        *times.entry((frame, z, y)).or_default() += 1;
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
