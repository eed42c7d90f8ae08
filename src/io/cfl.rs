//! BART's pair of files: `name.hdr` with the extents, `name.cfl` with pairs of `f32` (BART, doc/bart.tex; mrirecon.github.io).
//!
//! ```text
//! # Dimensions
//! 256 256 1 8 1 1 1 1 1 1 1 1 1 1 1 1
//! ```
//!
//! The first index runs fastest; it is the read-out, so an array `[z, y, x]` of ours has the extents x, y, z. The numbers
//! carry no mark of their own: a `.cfl` is known by its ending and by the `.hdr` beside it, the one file here that is not
//! known by what it holds. Either name may be given. No grid, no unit.

use std::{
    io::{Read, Write},
    path::Path,
};

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use num_complex::Complex32;

use super::{
    Format, WriteOptions,
    kspace_layout::Arranged,
    mr::{Mr, bare_complex_image, part_of},
    npy::write_numbers,
    numbers::{Number, Values, count},
    output::Staging,
    place::Place,
};
use crate::{
    error::{Error, Result},
    image::{ComplexImage, Image, Part},
    scan::{Encoding, FrameAxis, KSpace},
};

pub(super) const FORMAT: Format = Format {
    name: "cfl",
    extensions: &["cfl", "hdr"],
    about: "BART's pair .cfl and .hdr: complex numbers, without voxel size or unit",
    recognise: |head, path| {
        head.starts_with(MARK) || (ends_in_cfl(path) && starts_with_mark(&path.with_extension("hdr")))
    },
    folders: false,
    read,
    read_image: None,
    read_recording: None,
    write_image: Some(write_image),
    write_recording: None,
    mr: Mr {
        complex: Some(|_| Ok(true)),
        read_kspace: None,
        write_image: Some(write_complex),
        write_kspace: Some(write_kspace),
        read_image: Some(read_image),
    },
};

const MARK: &[u8] = b"# Dimensions";
/// BART's number of dimensions.
const DIMENSIONS: usize = 16;
/// What a frame is, by BART's dimension (mri.h): TE, TIME, TIME2, SLICE, AVG, BATCH.
const FRAMES: [(usize, FrameAxis); 6] = [
    (5, FrameAxis::Contrast),
    (10, FrameAxis::Repetition),
    (11, FrameAxis::Phase),
    (13, FrameAxis::Slice),
    (14, FrameAxis::Average),
    (15, FrameAxis::Set),
];
const COIL: usize = 3;

fn ends_in_cfl(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("cfl"))
}

fn starts_with_mark(path: &Path) -> bool {
    let mut head = [0; MARK.len()];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == MARK
}

/// Extents in BART's order, first index fastest.
fn extents(place: &Place) -> Result<Vec<usize>> {
    let header = Place { path: place.path.with_extension("hdr"), inner: None };
    let mut text = String::new();
    // BART's headers are a few lines; its comments (the command line, other files) are of no concern here.
    header.open()?.take(1 << 16).read_to_string(&mut text).map_err(|error| header.io_error(error))?;
    let line = text.lines().skip_while(|line| line.trim() != "# Dimensions").nth(1).unwrap_or_default();
    let list: Option<Vec<usize>> = line.split_whitespace().map(|extent| extent.parse().ok()).collect();
    match list {
        Some(list) if (1..=32).contains(&list.len()) && !list.contains(&0) => Ok(list),
        _ => Err(header.error("a header whose line after '# Dimensions' is no list of extents above 0")),
    }
}

/// All of BART's dimensions, slowest first (`[…, coil, z, y, x]`).
fn read_all(place: &Place) -> Result<ArrayD<Complex32>> {
    place.no_inner("BART's")?;
    let mut shape = extents(place)?;
    let numbers = Place { path: place.path.with_extension("cfl"), inner: None };
    if !numbers.path.is_file() {
        return Err(numbers.error("is not there; a .hdr file needs its .cfl beside it"));
    }
    let (length, values) = (numbers.length()?, count(&shape).map_err(|error| place.error(error))? as u64);
    let promised = values * Number::C64.size();
    if promised != length {
        let trouble = if promised > length { "truncated" } else { "not the file that the header is about" };
        return Err(numbers.error(format!(
            "the header promises extents of {shape:?}, {promised} bytes, but there are {length}: {trouble}"
        )));
    }
    shape.reverse();
    let read = Values::read(&mut numbers.open()?, Number::C64, (false, false), &shape);
    Ok(read.map_err(|error| numbers.io_error(error))?.into_complex())
}

/// Without the leading extents of 1, two at least.
fn read(place: &Place) -> Result<Values> {
    let mut array = read_all(place)?;
    while array.ndim() > 2 && array.shape()[0] == 1 {
        array = array.index_axis_move(Axis(0), 0);
    }
    Ok(Values::Complex(array))
}

/// k-space by the meaning of BART's dimensions: read-out and phase encodings 0 to 2, coils 3, frames in [`FRAMES`].
///
/// Where one of the first three is 1, the scan is two-dimensional: what is left of y and x is the image's; with the
/// read-out missing (as after a transform along it), the second phase encoding takes its place.
pub(super) fn read_kspace(place: &Place) -> Result<Arranged> {
    let mut array = read_all(place)?;
    while array.ndim() < DIMENSIONS {
        array = array.insert_axis(Axis(0));
    }
    let extent = |dimension: usize| array.shape()[array.ndim() - 1 - dimension];
    let known = |dimension: &usize| *dimension <= COIL || FRAMES.iter().any(|(of, _)| of == dimension);
    if let Some(odd) = (0..array.ndim()).find(|dimension| extent(*dimension) > 1 && !known(dimension)) {
        return Err(place.error(format!(
            "extent {} in BART's dimension {odd}, which k-space has no use for; take one part of it (bart slice)",
            extent(odd)
        )));
    }
    let axes: Vec<_> = FRAMES.iter().rev().map(|(of, axis)| (*axis, extent(*of))).filter(|(_, n)| *n > 1).collect();
    let frames = axes.iter().map(|(_, n)| n).product();
    let [nx, ny, nz, coils] = [0, 1, 2, COIL].map(extent);
    // All other dimensions are 1, so the order in memory is that of the five.
    let array = array.into_shape_with_order([frames, coils, nz, ny, nx]).map_err(|error| place.error(error))?;
    let array = if nx == 1 && ny > 1 { array.permuted_axes([0, 1, 4, 3, 2]) } else { array };
    let array = array.as_standard_layout().into_owned();
    Ok((array, axes))
}

/// Stages the pair for `array`, whose last axis is BART's first; `extents` in BART's order.
fn stage(path: &Path, array: &ArrayViewD<Complex32>, extents: &[usize], staging: &mut Staging) -> Result<()> {
    let line: Vec<_> = (0..extents.len().max(DIMENSIONS)).map(|i| extents.get(i).unwrap_or(&1).to_string()).collect();
    staging.add(&path.with_extension("hdr"), |output| writeln!(output, "# Dimensions\n{} ", line.join(" ")))?;
    staging.add(&path.with_extension("cfl"), |output| {
        let numbers = array.iter().flat_map(|value| [value.re, value.im]);
        write_numbers(output, array.as_slice().map(bytemuck::cast_slice), numbers)
    })
}

/// Whatever lies beyond x, y, z counts as frames.
fn read_image(place: &Place) -> Result<ComplexImage> {
    let array = read_all(place)?;
    let mut shape: Vec<usize> = array.shape().iter().rev().copied().collect();
    let frames = shape.split_off(shape.len().min(3)).iter().product();
    shape.resize(3, 1);
    let shape = [frames, shape[2], shape[1], shape[0]];
    let array = array.into_shape_with_order(IxDyn(&shape)).map_err(|error| place.error(error))?;
    bare_complex_image(place, array, "BART's .cfl")
}

fn write_image(path: &Path, image: &Image, _: &WriteOptions, staging: &mut Staging) -> Result<Option<String>> {
    let values = image.values.mapv(|v| Complex32::new(v, 0.0)).into_dyn();
    let (z, y, x) = image.values.dim();
    stage(path, &values.view(), &[x, y, z], staging)?;
    Ok(None)
}

/// Frames go into dimension 10, time.
fn write_complex(
    path: &Path,
    image: &ComplexImage,
    part: Part,
    _: &WriteOptions,
    staging: &mut Staging,
) -> Result<Option<String>> {
    let (frames, z, y, x) = image.values.dim();
    let values = part_of(image, part).into_dyn();
    stage(path, &values.view(), &[x, y, z, 1, 1, 1, 1, 1, 1, 1, frames], staging)?;
    Ok(None)
}

fn write_kspace(path: &Path, scan: &KSpace, staging: &mut Staging) -> Result<Option<String>> {
    let Encoding::Cartesian(_) = scan.encoding else {
        return Err(Error::file(path, "samples along a trajectory cannot be written as one .cfl; use .h5 or .npy"));
    };
    let (_, coils, z, y, x) = scan.samples.dim();
    let mut extents = [1; DIMENSIONS];
    extents[..=COIL].copy_from_slice(&[x, y, z, coils]);
    // In memory the axes run as BART's do, the highest dimension slowest.
    let dimension = |axis: FrameAxis| FRAMES.iter().find(|(_, of)| *of == axis).map_or(DIMENSIONS - 1, |(of, _)| *of);
    let mut order: Vec<usize> = (0..scan.axes.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(dimension(scan.axes[*i].0)));
    for (axis, count) in &scan.axes {
        if extents[dimension(*axis)] != 1 {
            return Err(Error::file(path, format!("two axes of one kind, {axis:?}, do not fit a .cfl; use .h5")));
        }
        extents[dimension(*axis)] = *count;
    }
    let frames = scan.axes.iter().map(|(_, count)| *count);
    let shape: Vec<_> = frames.chain([coils, z, y, x]).collect();
    order.extend(scan.axes.len()..shape.len());
    let samples = scan.samples.view().into_shape_with_order(IxDyn(&shape)).map_err(|error| Error::file(path, error))?;
    let samples = samples.permuted_axes(order);
    stage(path, &samples, &extents, staging)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_before_and_after_the_extents_are_passed_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.hdr");
        std::fs::write(&path, "# Command\nfft 3 a b\n# Dimensions\n2 3 1 \n# Creator\nBART 0.8\n").expect("a file");
        assert_eq!(extents(&Place { path, inner: None }).expect("extents"), [2, 3, 1]);
    }
}
