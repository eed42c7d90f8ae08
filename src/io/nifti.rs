//! NIfTI-1 in one file, `.nii` or `.nii.gz` (Cox et al., "A (sort of) new image data format standard", 2004).
//!
//! NIfTI's axes run to the patient's right → left reversed: x to the right, y to the front (RAS); ours run as DICOM's
//! (LPS), so x and y change sign in both directions. Written as 32-bit float with qform and sform; read with the sform
//! if there is one (three steps that span space), else the qform, else voxel sizes alone. A length unit that is not said
//! means mm. A `.nii.gz` may have several members, as bgzip and pigz write them.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use ndarray::{ArrayView, Axis, Dimension};
use num_complex::Complex32;

use super::{
    Format, WriteOptions,
    description::{ascii, quantity_name, quantity_of},
    mr::{Mr, four_dimensional, part_of},
    numbers::{Number, Values, count},
    output::Staging,
    place::{Place, unfolded_limit},
    three_dimensional,
};
use crate::{
    error::{Error, Result},
    geometry::{Grid, LengthUnit, cross, dot, norm},
    image::{ComplexImage, Image, Part, Quantity},
};

pub(super) const FORMAT: Format = Format {
    name: "nifti",
    extensions: &["nii", "nii.gz"],
    about: "NIfTI-1, .nii or .nii.gz; written as 32-bit float or COMPLEX64",
    recognise: |head, _| recognise(head),
    folders: false,
    read: |place| read_values(place).map(|(_, values)| values),
    read_image: Some(read_image),
    read_recording: None,
    write_image: Some(write_image),
    write_recording: None,
    mr: Mr {
        complex: Some(complex),
        read_image: Some(read_complex_image),
        write_image: Some(write_complex),
        ..Mr::NONE
    },
};

const SIZE: usize = 348;
/// Where the numbers begin: header and four bytes that say "no extensions".
const START: usize = 352;
const MAGIC: &[u8] = b"n+1\0";
/// Turns RAS into our axes, and back.
const SIGNS: [f64; 3] = [-1.0, -1.0, 1.0];

fn recognise(head: &[u8]) -> bool {
    let mut plain = [0; SIZE];
    let header = if head.starts_with(&[0x1f, 0x8b]) {
        // The kilobyte at hand ends inside the stream, so the header must be all of what is read.
        MultiGzDecoder::new(head).read_exact(&mut plain).is_ok().then_some(&plain[..])
    } else {
        head.get(..SIZE)
    };
    header.is_some_and(|header| header.ends_with(MAGIC) || header.ends_with(b"ni1\0") || second(header))
}

/// Whether it is NIfTI-2's header, which begins with its length, 540, and the mark (nifti2.h).
fn second(header: &[u8]) -> bool {
    let marked = matches!(header.get(4..7), Some(b"n+2" | b"ni2"));
    marked && matches!(header[..4], [0x1c, 2, 0, 0] | [0, 0, 2, 0x1c])
}

/// The 348 bytes, by offset (nifti1.h).
struct Header {
    bytes: [u8; SIZE],
    big: bool,
}

impl Header {
    fn read(input: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; SIZE];
        input.read_exact(&mut bytes)?;
        let big = match bytes[..4] {
            [0x5c, 1, 0, 0] => false,
            [0, 0, 1, 0x5c] => true,
            _ if second(&bytes) => {
                return Err(io::Error::other(
                    "NIfTI-2, and NIfTI-1 is what can be read; write it so, as nibabel does: Nifti1Image(i.dataobj, i.affine).to_filename(…)",
                ));
            }
            _ => return Err(io::Error::other("not a NIfTI-1 header: it does not begin with its length, 348")),
        };
        if !bytes.ends_with(MAGIC) {
            return Err(io::Error::other("header and numbers in two files (.hdr and .img); join them to one .nii"));
        }
        Ok(Self { bytes, big })
    }

    fn short(&self, at: usize) -> i16 {
        let bytes = [self.bytes[at], self.bytes[at + 1]];
        if self.big { i16::from_be_bytes(bytes) } else { i16::from_le_bytes(bytes) }
    }

    fn float(&self, at: usize) -> f64 {
        let bytes = [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]];
        f64::from(if self.big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) })
    }

    fn floats<const N: usize>(&self, at: usize) -> [f64; N] {
        std::array::from_fn(|i| self.float(at + 4 * i))
    }

    /// Extents x, y, z, time; more than four only if they are 1.
    fn shape(&self) -> io::Result<[usize; 4]> {
        let dimensions = self.short(40);
        let extent = |i: usize| if i as i16 <= dimensions { self.short(40 + 2 * i).max(0) as usize } else { 1 };
        if !(1..=7).contains(&dimensions) || (5..=7).any(|i| extent(i) != 1) {
            let extents: Vec<_> = (1..=dimensions.clamp(0, 7) as usize).map(extent).collect();
            return Err(io::Error::other(format!("{extents:?} voxels; at most three dimensions and time are needed")));
        }
        Ok([extent(1), extent(2), extent(3), extent(4)])
    }

    fn number(&self) -> io::Result<Number> {
        Ok(match self.short(70) {
            2 => Number::U8,
            4 => Number::I16,
            8 => Number::I32,
            16 => Number::F32,
            64 => Number::F64,
            256 => Number::I8,
            512 => Number::U16,
            768 => Number::U32,
            1024 => Number::I64,
            1280 => Number::U64,
            32 => Number::C64,
            1792 => Number::C128,
            code => return Err(io::Error::other(format!("voxels of NIfTI type {code}, which are not real numbers"))),
        })
    }

    /// First voxel and steps (x, y, z of each index i, j, k), RAS.
    fn affine(&self) -> ([f64; 3], [[f64; 3]; 3]) {
        let size: [f64; 3] = self.floats(80);
        if let Some(affine) = self.sform() {
            return affine;
        }
        if self.short(252) > 0 {
            let [mut b, mut c, mut d] = self.floats(256);
            let mut a = 1.0 - b * b - c * c - d * d;
            if a < 1e-7 {
                // Half a turn, and b, c, d a rounding off: brought to length 1, as nifti_quatern_to_mat44 does.
                [b, c, d] = [b, c, d].map(|part| part / norm([b, c, d]));
                a = 0.0;
            }
            let a = a.sqrt();
            // nifti1.h, METHOD 2; pixdim[0] = −1 turns the third axis.
            let turn = if self.float(76) < 0.0 { -1.0 } else { 1.0 };
            let columns = [
                [a * a + b * b - c * c - d * d, 2.0 * (b * c + a * d), 2.0 * (b * d - a * c)],
                [2.0 * (b * c - a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d + a * b)],
                [2.0 * (b * d + a * c), 2.0 * (c * d - a * b), a * a + d * d - c * c - b * b].map(|v| turn * v),
            ];
            return (self.floats(268), std::array::from_fn(|i| columns[i].map(|v| v * size[i])));
        }
        let plain = Grid::centered([1; 3], [size[2], size[1], size[0]], [0.0; 3]).steps;
        // Without a position: image axes as ours, about the origin.
        let shape = self.shape().unwrap_or([1; 4]);
        let first = std::array::from_fn(|i| -SIGNS[i] * (shape[i] as f64 - 1.0) / 2.0 * size[i]);
        (first, [plain[2], plain[1], plain[0]].map(|step| std::array::from_fn(|i| SIGNS[i] * step[i])))
    }

    /// First voxel and steps of the sform, if its code says that there is one and its steps span space: some programs set
    /// the code and leave the matrix at 0.
    fn sform(&self) -> Option<([f64; 3], [[f64; 3]; 3])> {
        let rows = [self.floats::<4>(280), self.floats(296), self.floats(312)];
        let steps: [[f64; 3]; 3] = std::array::from_fn(|column| rows.map(|row| row[column]));
        let volume = dot(cross(steps[0], steps[1]), steps[2]).abs();
        let spans = volume > 1e-6 * steps.into_iter().map(norm).product::<f64>();
        (self.short(254) > 0 && spans).then(|| (rows.map(|row| row[3]), steps))
    }

    /// Our grid, in mm or cells.
    fn grid(&self, [x, y, z]: [usize; 3]) -> (Grid, LengthUnit) {
        let (first, steps) = self.affine();
        let (factor, unit) = match self.bytes[123] & 7 {
            1 => (1000.0, LengthUnit::Millimetre),
            3 => (1e-3, LengthUnit::Millimetre),
            0 if self.name().contains("cell") => (1.0, LengthUnit::Cell),
            _ => (1.0, LengthUnit::Millimetre),
        };
        let ours = |v: [f64; 3]| std::array::from_fn(|i| v[i] * SIGNS[i] * factor);
        let [i, j, k] = steps.map(ours);
        (Grid { shape: [z, y, x], first: ours(first), steps: [k, j, i] }, unit)
    }

    /// Seconds from volume to volume, if it is said; without a unit they are seconds.
    fn frame_step(&self) -> Option<f64> {
        let factor = match self.bytes[123] & 0x38 {
            0 | 8 => 1.0,
            16 => 1e-3,
            24 => 1e-6,
            // Hertz and the like are no time.
            _ => return None,
        };
        let step = self.float(92) * factor;
        (self.shape().is_ok_and(|shape| shape[3] > 1) && step.is_finite() && step > 0.0).then_some(step)
    }

    /// `intent_name`, where we note the quantity. The free texts (descrip, aux_file, db_name) may name a patient
    /// and are left alone.
    fn name(&self) -> String {
        String::from_utf8_lossy(&self.bytes[328..344]).trim_end_matches('\0').to_string()
    }
}

/// The header and the values, `[z, y, x]` or `[time, z, y, x]`, scaled as the header says.
fn read_values(place: &Place) -> Result<(Header, Values)> {
    place.no_inner("NIfTI")?;
    let (mut input, available) = unpacked(place)?;
    let (header, values) = read_volume(&mut input, available).map_err(|error| place.io_error(error))?;
    // scl_slope 0 or NaN means that the numbers are the values.
    let (slope, intercept) = (header.float(112), header.float(116));
    if !(slope.is_finite() && intercept.is_finite() && slope != 0.0 && (slope, intercept) != (1.0, 0.0)) {
        return Ok((header, values));
    }
    let scaled = |v: f64| (v * slope + intercept) as f32;
    let values = match values {
        Values::F32(array) => Values::F32(array.mapv(|v| scaled(f64::from(v)))),
        Values::F64(array) => Values::F32(array.mapv(scaled)),
        Values::Complex(array) => Values::Complex(array.mapv(|v| v * slope as f32 + intercept as f32)),
    };
    Ok((header, values))
}

/// The file's contents from the start, and how many bytes they may be.
fn unpacked(place: &Place) -> Result<(Box<dyn Read>, u64)> {
    let length = place.length()?;
    let mut packed = [0; 2];
    place.open()?.read_exact(&mut packed).map_err(|error| place.io_error(error))?;
    Ok(match packed {
        [0x1f, 0x8b] => (Box::new(MultiGzDecoder::new(place.open()?)), unfolded_limit(length)),
        _ => (Box::new(place.open()?), length),
    })
}

fn complex(place: &Place) -> Result<bool> {
    let number = unpacked(place).map(|(mut input, _)| Header::read(&mut input).and_then(|header| header.number()))?;
    Ok(matches!(number.map_err(|error| place.io_error(error))?, Number::C64 | Number::C128))
}

fn checked_grid(place: &Place, header: &Header, [z, y, x]: [usize; 3]) -> Result<(Grid, LengthUnit)> {
    let (grid, unit) = header.grid([x, y, z]);
    grid.check().map_err(|error| place.error(format!("its affine cannot be used: {error}")))?;
    Ok((grid, unit))
}

fn read_image(place: &Place) -> Result<Image> {
    let (header, values) = read_values(place)?;
    let values = three_dimensional(place, values, 0)?;
    let (grid, unit) = checked_grid(place, &header, values.dim().into())?;
    Ok(Image { values, grid, unit, quantity: quantity_of(&header.name()), provenance: "read from NIfTI".into() })
}

fn read_complex_image(place: &Place) -> Result<ComplexImage> {
    let (header, values) = read_values(place)?;
    let values = four_dimensional(place, values.into_complex())?;
    let (_, z, y, x) = values.dim();
    let (grid, unit) = checked_grid(place, &header, [z, y, x])?;
    let frame_step = header.frame_step();
    Ok(ComplexImage { values, grid, unit, frame_step, provenance: "read from NIfTI".into() })
}

/// The header and the numbers as `[z, y, x]` or `[time, z, y, x]`.
fn read_volume(input: &mut impl Read, available: u64) -> io::Result<(Header, Values)> {
    let header = Header::read(input)?;
    let [x, y, z, time] = header.shape()?;
    let start = header.float(108);
    if !(SIZE as f64..1e9).contains(&start) {
        return Err(io::Error::other(format!("the header puts its numbers at byte {start}, which cannot be")));
    }
    let promised = count(&[x, y, z, time])? as u64 * header.number()?.size() + start as u64;
    if promised > available {
        return Err(io::Error::other(format!(
            "{x} × {y} × {z} voxels, {promised} bytes in all, are promised, but there are {available}: truncated, or not what it says"
        )));
    }
    io::copy(&mut input.take(start as u64 - SIZE as u64), &mut io::sink())?;
    let shape = if time == 1 { vec![z, y, x] } else { vec![time, z, y, x] };
    let values = Values::read(input, header.number()?, (header.big, false), &shape)?;
    Ok((header, values))
}

fn write_image(path: &Path, image: &Image, _: &WriteOptions, staging: &mut Staging) -> Result<Option<String>> {
    let (z, y, x) = image.values.dim();
    let header = encode(path, &image.clone_without_values(), [x, y, z, 1], Number::F32, None)?;
    stage(path, &header, image.values.axis_iter(Axis(0)), |value, bytes| bytes.extend(value.to_le_bytes()), staging)?;
    Ok(remark(image.unit))
}

/// Complex numbers as NIfTI's COMPLEX64, parts as 32-bit float; frames along the fourth axis.
fn write_complex(
    path: &Path,
    image: &ComplexImage,
    part: Part,
    _: &WriteOptions,
    staging: &mut Staging,
) -> Result<Option<String>> {
    let (frames, z, y, x) = image.values.dim();
    let kind = if part == Part::Complex { Number::C64 } else { Number::F32 };
    let header = encode(path, &image.about(part), [x, y, z, frames], kind, image.frame_step)?;
    let values = part_of(image, part);
    let put = |value: &Complex32, bytes: &mut Vec<u8>| {
        bytes.extend(value.re.to_le_bytes());
        if part == Part::Complex {
            bytes.extend(value.im.to_le_bytes());
        }
    };
    stage(path, &header, values.axis_iter(Axis(0)), put, staging)?;
    Ok(remark(image.unit))
}

fn remark(unit: LengthUnit) -> Option<String> {
    (unit == LengthUnit::Cell).then(|| "voxel sizes are in detector cells; other programs will take them for mm".into())
}

/// Stages header and numbers, `put` one by one into bytes; packed if the name ends so.
fn stage<'a, T: 'a, D: Dimension>(
    path: &Path,
    header: &[u8],
    blocks: impl Iterator<Item = ArrayView<'a, T, D>>,
    put: impl Fn(&T, &mut Vec<u8>),
    staging: &mut Staging,
) -> Result<()> {
    let fill = |output: &mut dyn Write| -> io::Result<()> {
        output.write_all(header)?;
        for block in blocks {
            let mut bytes = Vec::new();
            block.iter().for_each(|value| put(value, &mut bytes));
            output.write_all(&bytes)?;
        }
        Ok(())
    };
    let packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    staging.add(path, |output| {
        if !packed {
            return fill(output);
        }
        let mut packer = GzEncoder::new(output, Compression::default());
        fill(&mut packer)?;
        packer.finish().map(drop)
    })
}

/// The header for `extents` x, y, z, time, and the seconds from volume to volume.
fn encode(
    path: &Path,
    image: &Image,
    extents: [usize; 4],
    kind: Number,
    frame_step: Option<f64>,
) -> Result<[u8; START]> {
    let [Ok(x), Ok(y), Ok(z), Ok(time)] = extents.map(i16::try_from) else {
        return Err(Error::file(path, "NIfTI-1 holds at most 32767 voxels along an axis; use .h5 or .tif"));
    };
    let mut bytes = [0; START];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &(SIZE as i32).to_le_bytes());
    let dimensions = if time == 1 { 3 } else { 4 };
    for (i, extent) in [dimensions, x, y, z, time, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * i, &extent.to_le_bytes());
    }
    let code: i16 = if kind == Number::C64 { 32 } else { 16 };
    put(70, &code.to_le_bytes());
    put(72, &(8 * kind.size() as i16).to_le_bytes());
    put(108, &(START as f32).to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    // 2 stands for mm, 8 for seconds, 0 for a unit that is not known.
    let length = if image.unit == LengthUnit::Millimetre { 2 } else { 0 };
    put(123, &[length | if frame_step.is_some() { 8 } else { 0 }]);
    let made_by = ascii(&image.provenance);
    put(148, &made_by.as_bytes()[..made_by.len().min(79)]);
    let name = match (image.quantity, image.unit) {
        (Quantity::Unknown, LengthUnit::Cell) => "unknown, cell".into(),
        (Quantity::Unknown, _) => String::new(),
        // μ of water has room for 12 digits.
        (quantity, _) => Some(quantity_name(quantity)).filter(|name| name.len() < 16).unwrap_or("HU".into()),
    };
    put(328, name.as_bytes());
    put(344, MAGIC);
    let ras = |v: [f64; 3]| -> [f64; 3] { std::array::from_fn(|i| v[i] * SIGNS[i]) };
    let [k, j, i] = image.grid.steps.map(ras);
    let first = ras(image.grid.first);
    let mut floats = |at: usize, values: &[f64]| {
        for (n, value) in values.iter().enumerate() {
            put(at + 4 * n, &(*value as f32).to_le_bytes());
        }
    };
    let rotation = quaternion([i, j, k]);
    floats(
        76,
        &[rotation.map_or(1.0, |(_, turn)| turn), norm(i), norm(j), norm(k), frame_step.unwrap_or(1.0), 1.0, 1.0, 1.0],
    );
    for (n, at) in [280, 296, 312].into_iter().enumerate() {
        floats(at, &[i[n], j[n], k[n], first[n]]);
    }
    if let Some((quaternion, _)) = rotation {
        floats(256, &quaternion);
        floats(268, &first);
        put(252, &1_i16.to_le_bytes());
    }
    put(254, &1_i16.to_le_bytes());
    Ok(bytes)
}

/// The qform of `steps`: quaternion (b, c, d) with a ≥ 0, and 1 or −1 for a third axis that is turned. None if the
/// steps are not at right angles.
fn quaternion(steps: [[f64; 3]; 3]) -> Option<([f64; 3], f64)> {
    let [u, v, mut w] = steps.map(|step| step.map(|part| part / norm(step)));
    if [dot(u, v), dot(v, w), dot(w, u)].iter().any(|cosine| cosine.abs() > 1e-5) {
        return None;
    }
    let turn = if dot(cross(u, v), w) < 0.0 { -1.0 } else { 1.0 };
    w = w.map(|part| part * turn);
    // Squares of a, b, c, d, four times over, from the diagonal (Shepperd, J. Guidance and Control 1, 223, 1978): the
    // largest of the four is safe to divide by.
    let squares =
        [1.0 + u[0] + v[1] + w[2], 1.0 + u[0] - v[1] - w[2], 1.0 - u[0] + v[1] - w[2], 1.0 - u[0] - v[1] + w[2]];
    let largest = (0..4).max_by(|i, j| squares[*i].total_cmp(&squares[*j]))?;
    let four = 2.0 * squares[largest].sqrt();
    let [ab, ac, ad] = [v[2] - w[1], w[0] - u[2], u[1] - v[0]];
    let [bc, bd, cd] = [u[1] + v[0], w[0] + u[2], v[2] + w[1]];
    let products = match largest {
        0 => [squares[0], ab, ac, ad],
        1 => [ab, squares[1], bc, bd],
        2 => [ac, bc, squares[2], cd],
        _ => [ad, bd, cd, squares[3]],
    };
    let [a, b, c, d] = products.map(|product| product / four);
    let sign = if a < 0.0 { -1.0 } else { 1.0 };
    Some(([b, c, d].map(|part| part * sign), turn))
}
