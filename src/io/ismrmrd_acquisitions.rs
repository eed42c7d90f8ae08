//! ISMRMRD's acquisitions: records of a head (ismrmrd.h) and two elements of variable length, by the members' names.

use hdf5_pure::{Datatype, DatatypeByteOrder};
use num_complex::Complex32;

use super::{
    global_heap::REFERENCE,
    hdf5::{Store, Target},
    place::{Place, unfolded_limit},
};
use crate::{error::Result, scan::FrameAxis};

/// Bits of an acquisition's flags, counted from 1 (ismrmrd.h).
pub(super) const NOISE: u32 = 19;
/// For parallel calibration only; lines that are of the image too have another.
pub(super) const CALIBRATION: u32 = 20;
pub(super) const REVERSE: u32 = 22;
pub(super) const PHASE_CORRECTION: u32 = 24;
/// Navigators, phase correction, feedback, dummies, surface coil correction, phase stabilisation.
pub(super) const OTHER: [u32; 8] = [23, 24, 26, 27, 28, 29, 30, 31];

/// The counters that tell frames apart, slowest first.
pub(super) const COUNTERS: [(&str, FrameAxis); 6] = [
    ("repetition", FrameAxis::Repetition),
    ("set", FrameAxis::Set),
    ("phase", FrameAxis::Phase),
    ("average", FrameAxis::Average),
    ("contrast", FrameAxis::Contrast),
    ("slice", FrameAxis::Slice),
];

/// Which of them is the slice.
pub(super) const SLICE: usize = 5;

/// One read-out.
pub(super) struct Acquisition {
    pub(super) flags: u64,
    pub(super) samples: usize,
    pub(super) coils: usize,
    pub(super) discard: [usize; 2],
    pub(super) center: usize,
    /// Number of the header's encoding.
    pub(super) space: usize,
    /// Time from sample to sample, µs; 0 where it is not known.
    pub(super) dwell: f64,
    /// First and second phase encoding.
    pub(super) steps: [usize; 2],
    /// In the order of [`COUNTERS`].
    pub(super) counters: [usize; 6],
    pub(super) trajectory_dimensions: usize,
    pub(super) position: [f64; 3],
    /// Read, phase and slice direction.
    pub(super) directions: [[f64; 3]; 3],
    pub(super) trajectory: Vec<f32>,
    /// `[coil, sample]`.
    pub(super) data: Vec<Complex32>,
}

impl Acquisition {
    pub(super) fn has(&self, flag: u32) -> bool {
        self.flags >> (flag - 1) & 1 == 1
    }

    /// Whether it is a line of the image, or of its calibration.
    pub(super) fn of_image(&self) -> bool {
        !self.has(NOISE) && !OTHER.iter().any(|flag| self.has(*flag))
    }

    pub(super) fn slice(&self) -> usize {
        self.counters[SLICE]
    }

    /// The samples that are meant.
    pub(super) fn kept(&self) -> std::ops::Range<usize> {
        self.discard[0]..self.samples - self.discard[1]
    }
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

/// All acquisitions of the dataset at `path`, their numbers held against the file's length.
pub(super) fn acquisitions(place: &Place, store: &Store, path: &str) -> Result<Vec<Acquisition>> {
    let wrong = |what: &str| place.error(format!("/{path}: {what}"));
    let failed = |error: hdf5_pure::Error| place.error(format!("/{path}: cannot be read: {error}"));
    let target = store.target(path)?;
    let Target { data, length, .. } = &target;
    let kind = data.datatype().map_err(failed)?;
    let size = kind.type_size() as usize;
    let count: u64 = data.shape().map_err(failed)?.iter().product();
    if count.checked_mul(size as u64).is_none_or(|bytes| bytes > unfolded_limit(*length)) {
        return Err(wrong("more acquisitions are promised than a file of this length can hold: truncated"));
    }
    let records = data.read_raw().map_err(failed)?;
    let record = Record { kind: &kind, size };
    let parse = parser(&record).ok_or_else(|| wrong("its records are not ISMRMRD's acquisitions"))?;
    let mut heap = target.heap()?;
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
            sound(&acquisition, taken, *length)?;
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
    let names = [
        "number_of_samples",
        "active_channels",
        "center_sample",
        "encoding_space_ref",
        "trajectory_dimensions",
        "sample_time_us",
    ];
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
            dwell: numbers[5](bytes),
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
