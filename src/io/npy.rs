//! NumPy's array file: one header line, then the numbers (NEP 1, versions 1.0 to 3.0). Numbers only: no grid, no unit.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use ndarray::{Array2, ArrayViewD, Axis, IxDyn};
use num_complex::Complex32;

use super::{
    Format, Recording, WriteOptions,
    kspace_layout::{LayoutAxis, name},
    mr::{Mr, part_of, squeezed_shape},
    numbers::{Number, Values, count},
    output::Staging,
    place::Place,
};
use crate::{
    error::{Error, Result},
    image::{ComplexImage, Image, Part},
    scan::{Encoding, KSpace},
};

const MAGIC: &[u8] = b"\x93NUMPY";

pub(super) const FORMAT: Format = Format {
    name: "npy",
    extensions: &["npy"],
    about: "NumPy array: numbers only, without voxel size or unit",
    recognise: |head, _| head.starts_with(MAGIC),
    folders: false,
    read,
    read_image: None,
    read_recording: None,
    write_image: Some(write_image),
    write_recording: Some(write_recording),
    mr: Mr {
        complex: Some(|place| Ok(header(place)?.0.complex())),
        write_image: Some(write_complex),
        write_kspace: Some(write_kspace),
        ..Mr::NONE
    },
};

/// What the header line promises.
#[derive(Debug)]
pub(super) struct Header {
    kind: Number,
    big: bool,
    fortran: bool,
    pub(super) shape: Vec<usize>,
    /// Bytes of magic, length and line.
    length: u64,
}

impl Header {
    /// Reads the header, of a file that is `available` bytes long, and holds its promise against that.
    pub(super) fn read(input: &mut impl Read, available: u64) -> io::Result<Self> {
        let mut start = [0; 8];
        input.read_exact(&mut start)?;
        if !start.starts_with(MAGIC) {
            return Err(io::Error::other("not an npy array: it does not begin with NumPy's mark"));
        }
        let (fixed, line) = if start[6] == 1 {
            let mut length = [0; 2];
            input.read_exact(&mut length)?;
            (10, u64::from(u16::from_le_bytes(length)))
        } else {
            let mut length = [0; 4];
            input.read_exact(&mut length)?;
            (12, u64::from(u32::from_le_bytes(length)))
        };
        let mut text = Vec::new();
        if input.take(line).read_to_end(&mut text)? as u64 != line {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let header = Self::parse(&String::from_utf8_lossy(&text), fixed + line)?;
        let promised = count(&header.shape)? as u64 * header.kind.size() + header.length;
        if promised > available {
            return Err(io::Error::other(format!(
                "the header promises {:?} numbers, {promised} bytes in all, but there are {available}: truncated, or not what it says",
                header.shape
            )));
        }
        Ok(header)
    }

    /// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(text: &str, length: u64) -> io::Result<Self> {
        let odd = || io::Error::other(format!("an npy header that cannot be understood: {:.80}", text.trim()));
        let after = |key: &str| text.split_once(key).map(|(_, rest)| rest.trim_start_matches([':', ' ']));
        let descr = after("'descr'").ok_or_else(odd)?;
        let Some(descr) = descr.strip_prefix('\'').and_then(|rest| rest.split('\'').next()) else {
            return Err(io::Error::other("an array of records; only plain numbers can be read"));
        };
        let (kind, big) = number(descr)?;
        let fortran = match after("'fortran_order'").ok_or_else(odd)? {
            rest if rest.starts_with("True") => true,
            rest if rest.starts_with("False") => false,
            _ => return Err(odd()),
        };
        let shape = after("'shape'").and_then(|rest| rest.strip_prefix('(')?.split(')').next()).ok_or_else(odd)?;
        let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
        let shape: Vec<usize> = extents.map(|extent| extent.parse().map_err(|_| odd())).collect::<io::Result<_>>()?;
        if shape.len() > 32 {
            return Err(odd());
        }
        Ok(Self { kind, big, fortran, shape, length })
    }

    /// Whether the numbers are complex.
    pub(super) fn complex(&self) -> bool {
        matches!(self.kind, Number::C64 | Number::C128)
    }

    /// Reads the numbers that follow the header, and are all that does.
    pub(super) fn values(&self, input: &mut impl Read) -> io::Result<Values> {
        let values = Values::read(input, self.kind, (self.big, self.fortran), &self.shape)?;
        if input.read(&mut [0])? > 0 {
            return Err(io::Error::other(format!(
                "the header promises {:?} numbers, and more bytes follow them: several arrays in one file, or not what it says",
                self.shape
            )));
        }
        Ok(values)
    }
}

/// Number and byte order (true: most significant first) of a NumPy type such as `<f4`.
fn number(descr: &str) -> io::Result<(Number, bool)> {
    let big = match descr.as_bytes().first() {
        Some(b'>') => true,
        Some(b'<' | b'|') => false,
        Some(b'=') => cfg!(target_endian = "big"),
        _ => return Err(io::Error::other(format!("numbers of type '{descr}', which cannot be read"))),
    };
    let kind = match &descr[1..] {
        "b1" | "u1" => Number::U8,
        "i1" => Number::I8,
        "u2" => Number::U16,
        "i2" => Number::I16,
        "u4" => Number::U32,
        "i4" => Number::I32,
        "u8" => Number::U64,
        "i8" => Number::I64,
        "f2" => Number::F16,
        "f4" => Number::F32,
        "f8" => Number::F64,
        "c8" => Number::C64,
        "c16" => Number::C128,
        other => {
            let what = match other.as_bytes().first() {
                Some(b'O') => "Python objects, which are code and not read; save it as numbers",
                Some(b'S' | b'U' | b'a') => "text, where numbers are needed",
                _ => "a type that cannot be read; save it as float32 or float64",
            };
            return Err(io::Error::other(format!("numbers of type '{descr}': {what}")));
        }
    };
    Ok((kind, big))
}

fn read(place: &Place) -> Result<Values> {
    let (header, mut input) = header(place)?;
    header.values(&mut input).map_err(|error| place.io_error(error))
}

/// The header, and the file after it.
fn header(place: &Place) -> Result<(Header, impl Read)> {
    place.no_inner("npy")?;
    let mut input = place.open()?;
    let header = Header::read(&mut input, place.length()?).map_err(|error| place.io_error(error))?;
    Ok((header, input))
}

/// Writes `array` as little-endian `f32` in C order.
pub(super) fn write(output: &mut impl Write, array: ArrayViewD<f32>) -> io::Result<()> {
    write_header(output, "<f4", array.shape())?;
    write_numbers(output, array.as_slice(), array.iter().copied())
}

/// Writes `array` as little-endian pairs of `f32` in C order.
fn write_pairs(output: &mut impl Write, array: ArrayViewD<Complex32>) -> io::Result<()> {
    write_header(output, "<c8", array.shape())?;
    let numbers = array.iter().flat_map(|value| [value.re, value.im]);
    write_numbers(output, array.as_slice().map(bytemuck::cast_slice), numbers)
}

fn write_header(output: &mut impl Write, descr: &str, shape: &[usize]) -> io::Result<()> {
    let extents: Vec<_> = shape.iter().map(|extent| format!("{extent},")).collect();
    let mut line =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", extents.join(" ")).into_bytes();
    // The numbers start at a multiple of 64, so that readers may map them.
    line.resize((line.len() + 11).next_multiple_of(64) - 11, b' ');
    line.push(b'\n');
    output.write_all(MAGIC)?;
    output.write_all(&[1, 0])?;
    let length = u16::try_from(line.len()).map_err(io::Error::other)?;
    output.write_all(&length.to_le_bytes())?;
    output.write_all(&line)
}

/// Little-endian `f32`: all at once where they lie in a row.
pub(super) fn write_numbers(
    output: &mut impl Write,
    row: Option<&[f32]>,
    mut numbers: impl Iterator<Item = f32>,
) -> io::Result<()> {
    match row {
        Some(values) if cfg!(target_endian = "little") => output.write_all(bytemuck::cast_slice(values)),
        _ => numbers.try_for_each(|value| output.write_all(&value.to_le_bytes())),
    }
}

/// `[y, x]` for a single slice, else `[z, y, x]`.
fn write_image(path: &Path, image: &Image, _: &WriteOptions, staging: &mut Staging) -> Result<Option<String>> {
    let values = image.values.view().into_dyn();
    let values = if image.values.dim().0 == 1 { values.index_axis_move(Axis(0), 0) } else { values };
    staging.add(path, |output| write(output, values))?;
    Ok(None)
}

/// `[view, column]` for a single row, else `[view, row, column]`. Line integrals only: counts need their flat field.
fn write_recording(path: &Path, recording: &Recording, staging: &mut Staging) -> Result<()> {
    if recording.flat.is_some() || recording.dark.is_some() {
        return Err(Error::file(path, "an npy file cannot hold flat and dark fields beside the counts; use .h5"));
    }
    let values = recording.data.view().into_dyn();
    let values = if recording.data.dim().1 == 1 { values.index_axis_move(Axis(1), 0) } else { values };
    staging.add(path, |output| write(output, values))
}

/// `[y, x]`, `[z, y, x]`, `[frame, y, x]` or `[frame, z, y, x]`: see [`io::write_complex`](super::write_complex).
fn write_complex(
    path: &Path,
    image: &ComplexImage,
    part: Part,
    _: &WriteOptions,
    staging: &mut Staging,
) -> Result<Option<String>> {
    let shape = if part == Part::Real { image.values.shape().to_vec() } else { squeezed_shape(image) };
    let shape = IxDyn(&shape);
    let values = part_of(image, part).into_shape_with_order(shape).map_err(|error| Error::file(path, error))?;
    staging.add(path, |output| match part {
        Part::Complex => write_pairs(output, values.view()),
        _ => write(output, values.mapv(|value| value.re).view()),
    })?;
    Ok(None)
}

/// `[coil, y, x]` or `[coil, z, y, x]`, frames before the coils; along a trajectory `[coil, sample]`, and the points
/// `[sample, 2 or 3]` in `name-trajectory.npy`.
fn write_kspace(path: &Path, scan: &KSpace, staging: &mut Staging) -> Result<Option<String>> {
    let (_, coils, z, y, x) = scan.samples.dim();
    let mut shape: Vec<_> = scan.axes.iter().map(|(_, count)| *count).collect();
    let mut axes: Vec<_> = scan.axes.iter().map(|(axis, _)| name(LayoutAxis::Frame(*axis))).collect();
    axes.push("coil");
    let mut remark = None;
    match &scan.encoding {
        Encoding::Cartesian(_) if z == 1 => (shape.extend([coils, y, x]), axes.extend(["y", "x"])).1,
        Encoding::Cartesian(_) => (shape.extend([coils, z, y, x]), axes.extend(["z", "y", "x"])).1,
        Encoding::Trajectory(list) => {
            let [points] = &list[..] else {
                return Err(Error::file(path, "a trajectory for every frame does not fit an npy file; use .h5"));
            };
            shape.extend([coils, x]);
            axes.push("sample");
            let width = if points.matrix[0] > 1 { 3 } else { 2 };
            let table =
                Array2::from_shape_fn((points.points.len(), width), |(sample, axis)| points.points[sample][axis]);
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let beside = path.with_file_name(format!("{stem}-trajectory.npy"));
            staging.add(&beside, |output| write(output, table.view().into_dyn()))?;
            let [nz, ny, nx] = points.matrix;
            remark = Some(format!(
                "the trajectory, in cycles per field of view, is in {}; the matrix is {nx},{ny},{nz}",
                beside.display()
            ));
        }
    }
    if !scan.axes.is_empty() {
        remark = Some(format!("read it with --axes {}", axes.join(",")));
    }
    let samples = scan.samples.view().into_shape_with_order(IxDyn(&shape)).map_err(|error| Error::file(path, error))?;
    staging.add(path, |output| write_pairs(output, samples))?;
    if scan.noise.is_some() {
        remark = Some([remark.as_deref().unwrap_or(""), "the noise scan was left out; .h5 keeps it"].join("; "));
    }
    Ok(remark.map(|remark| remark.trim_start_matches("; ").to_string()))
}
