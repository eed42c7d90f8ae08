//! ISMRMRD files as other programs may write them, made member by member: what our own writer never does.

use std::{fmt::Write as _, fs, path::Path};

use hdf5_pure::{
    CompoundTypeBuilder, Datatype, File, FileBuilder, Layout, make_f32_type, make_u16_type, make_u64_type,
};
use num_complex::Complex32;

/// Flags of ismrmrd.h, by their bit.
pub const CALIBRATION: u64 = 1 << 19;
pub const REVERSE: u64 = 1 << 21;
pub const PHASE_CORRECTION: u64 = 1 << 23;

/// One acquisition.
#[derive(Clone, Default)]
pub struct Line {
    pub flags: u64,
    pub space: u16,
    pub steps: [u16; 2],
    pub slice: u16,
    pub repetition: u16,
    /// The sample at k = 0, if not the middle one.
    pub center: Option<u16>,
    /// mm; (1, −2, 3) if it is not said.
    pub position: Option<[f32; 3]>,
    /// Read, phase and slice direction, if not x, y, z.
    pub directions: Option<[[f32; 3]; 3]>,
    /// Samples to be discarded, before and after.
    pub discard: [u16; 2],
    /// µs.
    pub dwell: f32,
    /// Of each coil.
    pub samples: Vec<Vec<Complex32>>,
}

/// One encoding of a header.
pub struct Encoding {
    /// x, y, z.
    pub matrix: [usize; 3],
    /// mm.
    pub field_of_view: [f64; 3],
    /// mm.
    pub recon_field_of_view: [f64; 3],
    pub trajectory: &'static str,
    /// The elements of a trajectory description.
    pub description: String,
}

/// A user parameter of a trajectory description; whole ones are longs, others doubles.
pub fn parameter(name: &str, value: f64) -> String {
    let kind = if value.fract() == 0.0 { "userParameterLong" } else { "userParameterDouble" };
    format!("<{kind}><name>{name}</name><value>{value}</value></{kind}>")
}

pub fn header(encodings: &[Encoding]) -> String {
    let mut text = String::from("<?xml version=\"1.0\"?>\n<ismrmrdHeader xmlns=\"http://www.ismrm.org/ISMRMRD\">");
    text +=
        "<experimentalConditions><H1resonanceFrequency_Hz>123000000</H1resonanceFrequency_Hz></experimentalConditions>";
    for Encoding { matrix, field_of_view, recon_field_of_view, trajectory, description } in encodings {
        let three = |[x, y, z]: [String; 3]| format!("<x>{x}</x><y>{y}</y><z>{z}</z>");
        let space = |name: &str, field_of_view: &[f64; 3]| {
            format!(
                "<{name}><matrixSize>{}</matrixSize><fieldOfView_mm>{}</fieldOfView_mm></{name}>",
                three(matrix.map(|extent| extent.to_string())),
                three(field_of_view.map(|length| length.to_string()))
            )
        };
        let description = match description.as_str() {
            "" => String::new(),
            some => format!("<trajectoryDescription>{some}</trajectoryDescription>"),
        };
        let (encoded, recon) = (space("encodedSpace", field_of_view), space("reconSpace", recon_field_of_view));
        write!(
            text,
            "<encoding>{encoded}{recon}<encodingLimits/><trajectory>{trajectory}</trajectory>{description}</encoding>"
        )
        .unwrap();
    }
    text + "</ismrmrdHeader>"
}

fn record() -> Datatype {
    let three = || Datatype::Array { base_type: Box::new(make_f32_type()), dimensions: vec![3] };
    let list = || Datatype::VariableLength {
        is_string: false,
        padding: None,
        charset: None,
        base_type: Box::new(make_f32_type()),
    };
    let counters =
        ["kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase", "repetition", "set"];
    let counters = counters.into_iter().fold(CompoundTypeBuilder::new(), |kind, name| kind.u16_field(name));
    let numbers = ["number_of_samples", "active_channels", "discard_pre", "discard_post", "center_sample"];
    let head = CompoundTypeBuilder::new().field("flags", make_u64_type());
    let head = numbers.into_iter().fold(head, |kind, name| kind.u16_field(name));
    let head = head.u16_field("encoding_space_ref").field("trajectory_dimensions", make_u16_type());
    let head = head.f32_field("sample_time_us");
    let head = ["position", "read_dir", "phase_dir", "slice_dir"]
        .into_iter()
        .fold(head, |kind, name| kind.field(name, three()))
        .field("idx", counters.build().unwrap())
        .build()
        .unwrap();
    CompoundTypeBuilder::new().field("head", head).field("traj", list()).field("data", list()).build().unwrap()
}

fn bytes(line: &Line) -> Vec<u8> {
    let count = line.samples[0].len() as u16;
    let [before, after] = line.discard;
    let mut bytes = line.flags.to_le_bytes().to_vec();
    let center = line.center.unwrap_or(count / 2);
    let numbers = [count, line.samples.len() as u16, before, after, center, line.space, 0];
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes.extend(line.dwell.to_le_bytes());
    let position = line.position.unwrap_or([1.0, -2.0, 3.0]);
    let directions = line.directions.unwrap_or([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    bytes.extend([position].iter().chain(&directions).flatten().flat_map(|number| number.to_le_bytes()));
    let [first, second] = line.steps;
    bytes.extend(
        [first, second, 0, line.slice, 0, 0, line.repetition, 0].iter().flat_map(|number| number.to_le_bytes()),
    );
    bytes
}

/// Writes a file of groups, each a name, a header and its acquisitions.
pub fn write(path: &Path, groups: &[(&str, String, &[Line])]) {
    let mut builder = FileBuilder::new();
    for (name, header, lines) in groups {
        let mut group = builder.create_group(name);
        group.create_dataset("xml").with_vlen_strings(&[header.as_str()]).with_shape(&[1]);
        let records: Vec<u8> = lines.iter().flat_map(|line| [bytes(line), vec![0; 32]].concat()).collect();
        group.create_dataset("data").with_raw_data(record(), records, lines.len() as u64);
        // Collections of the global heap may lie anywhere: here in a dataset beside.
        group.create_dataset("heap").with_u8_data(&heap(lines)).with_shape(&[heap(lines).len() as u64]);
        builder.add_group(group.finish());
    }
    let mut file = builder.finish().unwrap();
    for (name, _, lines) in groups {
        let address = |part: &str| {
            let layout = File::from_bytes(file.clone()).unwrap().dataset(&format!("{name}/{part}")).unwrap().layout();
            match layout.unwrap() {
                Layout::Contiguous { address: Some(address), .. } => address,
                other => panic!("{part} is laid out as {other:?}"),
            }
        };
        let (heap, records) = (address("heap"), address("data") as usize);
        let size = bytes(&lines[0]).len() + 32;
        for (number, line) in lines.iter().enumerate() {
            let count = 2 * line.samples.len() * line.samples[0].len();
            let end = records + (number + 1) * size;
            file[end - 16..end - 12].copy_from_slice(&(count as u32).to_le_bytes());
            file[end - 12..end - 4].copy_from_slice(&heap.to_le_bytes());
            file[end - 4..end].copy_from_slice(&(number as u32 + 1).to_le_bytes());
        }
    }
    fs::write(path, file).unwrap();
}

/// One collection with the samples of every line.
fn heap(lines: &[Line]) -> Vec<u8> {
    let mut bytes = b"GCOL\x01\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    for (number, line) in lines.iter().enumerate() {
        let values: Vec<u8> =
            line.samples.iter().flatten().flat_map(|v| [v.re, v.im]).flat_map(f32::to_le_bytes).collect();
        bytes.extend((number as u16 + 1).to_le_bytes());
        bytes.extend([1, 0, 0, 0, 0, 0]);
        bytes.extend((values.len() as u64).to_le_bytes());
        bytes.extend(values);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
    bytes.extend([0; 8]);
    bytes.extend(16_u64.to_le_bytes());
    let size = bytes.len() as u64;
    bytes[8..16].copy_from_slice(&size.to_le_bytes());
    bytes
}
