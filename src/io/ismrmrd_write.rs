//! Writes k-space as ISMRMRD in HDF5: see [`ismrmrd`](super::ismrmrd) for the layout.
//!
//! A Cartesian line is an acquisition if any of its points was sampled; points that were not are 0. Trajectories are in
//! cycles per voxel.

use std::{io, path::Path};

use hdf5_pure::{
    CompoundTypeBuilder, Datatype, File, FileBuilder, Layout, make_f32_type, make_i32_type, make_u16_type,
    make_u32_type, make_u64_type,
};
use ndarray::{ArrayView2, s};
use num_complex::Complex32;

use super::{
    global_heap::{NewHeap, lengthen},
    ismrmrd::mask,
    ismrmrd_acquisitions::{COUNTERS, SLICE},
    ismrmrd_header::{Header, Space},
    output::Staging,
};
use crate::{
    error::{Error, Result},
    geometry::{LengthUnit, add, norm},
    scan::{Encoding, FrameAxis, KSpace},
};

const NOISE_FLAG: u64 = 1 << 18;

/// What tells one acquisition from the next.
#[derive(Default)]
struct Head {
    flags: u64,
    samples: u16,
    coils: u16,
    center: u16,
    trajectory_dimensions: u16,
    steps: [u16; 2],
    counters: [u16; 6],
}

/// A record's members: names and kinds, as ismrmrd.h has them, packed.
fn record() -> std::result::Result<Datatype, hdf5_pure::FormatError> {
    let many = |kind: Datatype, count: u32| Datatype::Array { base_type: Box::new(kind), dimensions: vec![count] };
    let variable = || Datatype::VariableLength {
        is_string: false,
        padding: None,
        charset: None,
        base_type: Box::new(make_f32_type()),
    };
    let steps = ["kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase", "repetition"];
    let counters = steps.into_iter().chain(["set", "segment"]);
    let counters = counters.fold(CompoundTypeBuilder::new(), |kind, name| kind.u16_field(name));
    let counters = counters.field("user", many(make_u16_type(), 8)).build()?;
    let head = CompoundTypeBuilder::new().u16_field("version").field("flags", make_u64_type());
    let head = ["measurement_uid", "scan_counter", "acquisition_time_stamp"]
        .into_iter()
        .fold(head, |kind, name| kind.u32_field(name))
        .field("physiology_time_stamp", many(make_u32_type(), 3));
    let head = ["number_of_samples", "available_channels", "active_channels"]
        .into_iter()
        .fold(head, |kind, name| kind.u16_field(name))
        .field("channel_mask", many(make_u64_type(), 16));
    let head = ["discard_pre", "discard_post", "center_sample", "encoding_space_ref", "trajectory_dimensions"]
        .into_iter()
        .fold(head, |kind, name| kind.u16_field(name))
        .f32_field("sample_time_us");
    let head = ["position", "read_dir", "phase_dir", "slice_dir", "patient_table_position"]
        .into_iter()
        .fold(head, |kind, name| kind.field(name, many(make_f32_type(), 3)))
        .field("idx", counters)
        .field("user_int", many(make_i32_type(), 8))
        .field("user_float", many(make_f32_type(), 8))
        .build()?;
    CompoundTypeBuilder::new().field("head", head).field("traj", variable()).field("data", variable()).build()
}

impl Head {
    /// The bytes of [`record`]'s `head`.
    fn bytes(&self, number: u32, place: &[[f64; 3]; 4]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(340);
        let short = |bytes: &mut Vec<u8>, values: &[u16]| bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        short(&mut bytes, &[1]);
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(number.to_le_bytes());
        bytes.extend([0; 4 + 12]);
        short(&mut bytes, &[self.samples, self.coils, self.coils]);
        // One bit a coil, of 1024.
        bytes.extend((0..16_u32).flat_map(|word| {
            let coils = u32::from(self.coils).saturating_sub(64 * word).min(64);
            u64::MAX.checked_shr(64 - coils).unwrap_or(0).to_le_bytes()
        }));
        short(&mut bytes, &[0, 0, self.center, 0, self.trajectory_dimensions]);
        bytes.extend(0_f32.to_le_bytes());
        bytes.extend(place.iter().flatten().flat_map(|v| (*v as f32).to_le_bytes()));
        bytes.extend([0; 12]);
        let counter = |axis: &str| COUNTERS.iter().position(|(name, _)| *name == axis).map_or(0, |i| self.counters[i]);
        short(&mut bytes, &self.steps);
        short(&mut bytes, &["average", "slice", "contrast", "phase", "repetition", "set"].map(counter));
        bytes.extend([0; 2 + 16 + 32 + 32]);
        bytes
    }
}

/// The file in the making.
struct Acquisitions {
    records: Vec<u8>,
    count: u32,
    /// Trajectory and samples of each, until their addresses are known.
    numbers: Vec<[Vec<f32>; 2]>,
    /// Position and directions.
    place: [[f64; 3]; 4],
    /// From one slice to the next.
    step: [f64; 3],
}

impl Acquisitions {
    fn add(&mut self, head: &Head, points: Vec<f32>, samples: ArrayView2<Complex32>) {
        let [position, x, y, z] = self.place;
        let slice = f64::from(head.counters[SLICE]);
        self.records.extend(head.bytes(self.count, &[add(position, slice, self.step), x, y, z]));
        self.records.extend([0; 32]);
        self.count += 1;
        self.numbers.push([points, samples.iter().flat_map(|value| [value.re, value.im]).collect()]);
    }
}

/// Writes all that the scan holds.
pub(super) fn write(path: &Path, scan: &KSpace, staging: &mut Staging) -> Result<Option<String>> {
    let [nz, ny, nx] = scan.matrix();
    let widest = scan.samples.shape().iter().chain([&nz, &ny, &nx]).max();
    if widest.is_some_and(|extent| *extent > 65535) && matches!(scan.encoding, Encoding::Cartesian(_)) {
        return Err(Error::file(path, "ISMRMRD holds at most 65535 samples along an axis"));
    }
    // Where the transform's r = 0 is.
    let middle = scan.grid.position([nz, ny, nx].map(|extent| (extent / 2) as f64));
    let unit = |step: [f64; 3]| step.map(|part| part / norm(step));
    let [z, y, x] = scan.grid.steps.map(unit);
    let mut list =
        Acquisitions { records: vec![], count: 0, numbers: vec![], place: [middle, x, y, z], step: scan.grid.steps[0] };
    if let Some(noise) = &scan.noise {
        for block in noise.axis_chunks_iter(ndarray::Axis(1), 65535) {
            let (coils, samples) = block.dim();
            let head = Head { flags: NOISE_FLAG, samples: samples as u16, coils: coils as u16, ..Head::default() };
            list.add(&head, vec![], block);
        }
    }
    for frame in 0..scan.frames() {
        add_frame(scan, frame, counters(scan, frame), &mut list);
    }
    let file = assemble(scan, list).map_err(|error| Error::file(path, format!("cannot be written: {error}")))?;
    staging.add(path, |output| io::Write::write_all(output, &file))?;
    let cells = scan.unit == LengthUnit::Cell;
    Ok(cells.then(|| "the field of view is not known; 1 mm a voxel was written".into()))
}

/// The counters of a frame, in the order of [`COUNTERS`].
fn counters(scan: &KSpace, frame: usize) -> [u16; 6] {
    let mut counters = [0; 6];
    let mut rest = frame;
    for (axis, count) in scan.axes.iter().rev() {
        if let Some(place) = COUNTERS.iter().position(|(_, of)| of == axis) {
            counters[place] = (rest % count) as u16;
        }
        rest /= count;
    }
    counters
}

fn add_frame(scan: &KSpace, frame: usize, counters: [u16; 6], list: &mut Acquisitions) {
    let (_, coils, _, ny, nx) = scan.samples.dim();
    let head = Head { coils: coils as u16, counters, ..Head::default() };
    if let Some(mask) = mask(scan, frame) {
        for (line, sampled) in mask.sampled.chunks_exact(nx).enumerate().filter(|(_, line)| line.contains(&true)) {
            let (z, y) = (line / ny, line % ny);
            let mut row = scan.samples.slice(s![frame, .., z, y, ..]).to_owned();
            row.indexed_iter_mut().filter(|((_, x), _)| !sampled[*x]).for_each(|(_, value)| *value = Complex32::ZERO);
            let head = Head { samples: nx as u16, center: (nx / 2) as u16, steps: [y as u16, z as u16], ..head };
            list.add(&head, vec![], row.view());
        }
    }
    if let Encoding::Trajectory(paths) = &scan.encoding
        && let Some(path) = paths.get(frame).or(paths.first())
    {
        let width = if path.matrix[0] > 1 { 3 } else { 2 };
        let [mz, my, mx] = path.matrix.map(|extent| extent as f32);
        // Short blocks, so that other programs' counters of samples hold them.
        for (block, points) in path.points.chunks(32768).enumerate() {
            let start = block * 32768;
            let scaled = points.iter().flat_map(|[x, y, z]| [x / mx, y / my, z / mz].into_iter().take(width)).collect();
            let samples = scan.samples.slice(s![frame, .., 0, 0, start..start + points.len()]);
            let samples_count = points.len() as u16;
            let head =
                Head { samples: samples_count, trajectory_dimensions: width as u16, steps: [block as u16, 0], ..head };
            list.add(&head, scaled, samples);
        }
    }
}

fn assemble(scan: &KSpace, list: Acquisitions) -> std::result::Result<Vec<u8>, Box<dyn std::error::Error>> {
    let [dz, dy, dx] = scan.grid.voxel();
    let space = |[z, y, x]: [usize; 3]| Space {
        matrix: [x, y, z],
        field_of_view: [x as f64 * dx, y as f64 * dy, z as f64 * dz],
    };
    let trajectory = if matches!(scan.encoding, Encoding::Cartesian(_)) { "cartesian" } else { "other" };
    let header = Header {
        encoded: space(scan.matrix()),
        recon: space(scan.seen.unwrap_or(scan.matrix())),
        trajectory: trajectory.into(),
        center: [None; 2],
        read_out: None,
        unit: scan.unit,
    };
    // The schema's order.
    let order = ["average", "slice", "contrast", "phase", "repetition", "set"];
    let count = |name: &str| {
        let axis = COUNTERS.iter().find(|(of, _)| *of == name).map_or(FrameAxis::Set, |(_, axis)| *axis);
        scan.axes.iter().filter(|(of, _)| *of == axis).map(|(_, count)| count).product()
    };
    let counts = order.map(|name| (name, count(name)));
    let mut builder = FileBuilder::new();
    let mut group = builder.create_group("dataset");
    group.create_dataset("xml").with_vlen_strings(&[&header.write(&counts)]).with_shape(&[1]);
    let size = list.records.len() / list.count.max(1) as usize;
    group.create_dataset("data").with_raw_data(record()?, list.records, u64::from(list.count));
    builder.add_group(group.finish());
    let mut file = builder.finish()?;
    // The library makes no elements of variable length but texts: their heap goes behind the file, their places into it.
    let Layout::Contiguous { address: Some(address), .. } =
        File::from_bytes(file.clone())?.dataset("dataset/data")?.layout()?
    else {
        return Err("the acquisitions are not in one run of bytes".into());
    };
    let start = usize::try_from(address)?;
    file.resize(file.len().next_multiple_of(8), 0);
    let mut heap = NewHeap::new(file.len() as u64);
    for (number, [points, samples]) in list.numbers.iter().enumerate() {
        let end = start + (number + 1) * size;
        let references = [heap.add(points), heap.add(samples)].concat();
        file.get_mut(end - 32..end).ok_or("acquisitions beyond the file's end")?.copy_from_slice(&references);
    }
    heap.close();
    lengthen(&mut file, &heap.bytes)?;
    Ok(file)
}
