//! Files: one module a format, and one list of them.
//!
//! A file is known by what it holds, never by its name (but for BART's `.cfl`, whose numbers carry no mark); only an
//! output's format is chosen by extension or by name. An
//! input is a path, a folder of TIFF or DICOM slices, or an array inside a file: `scan.h5:/exchange/data`,
//! `data.mat:/CtDataLimited/sinogram`, `arrays.npz:/key`. An output is complete or not there.
//!
//! Headers are read with distrust: what they promise is held against the file's length before any memory is taken for
//! it. Nothing that could name a patient is read, so nothing can be passed on.

mod description;
mod dicom_elements;
mod dicom_lengths;
mod dicom_pixels;
mod dicom_write;
mod dxchange;
mod fastmri;
mod global_heap;
mod ismrmrd;
mod ismrmrd_acquisitions;
mod ismrmrd_epi;
mod ismrmrd_frames;
mod ismrmrd_ghost;
mod ismrmrd_header;
mod ismrmrd_lines;
mod ismrmrd_slices;
mod ismrmrd_trajectory;
mod ismrmrd_write;
mod kspace_layout;
mod mr;
mod numbers;
mod output;
mod place;
mod text;
mod tiff_imagej;
mod tiff_photometric;

use std::path::{Path, PathBuf};

use ndarray::{Array3, ArrayD, Ix2, Ix3};

use crate::{
    error::{Error, Result},
    geometry::{Circular, Geometry, Grid, LengthUnit},
    image::{Image, Quantity},
    scan::{Scan, hardening::BeamRecord},
};
use mr::Mr;
use numbers::Values;
use output::Staging;
use place::Place;

pub use kspace_layout::{KSpaceLayout, LayoutAxis};
pub use mr::{
    TrajectoryUnit, has_mr_header, is_complex, kspace_axes, kspace_format, read_complex, read_complex_image,
    read_kspace, read_samples, read_trajectory, write_complex, write_kspace,
};
pub use output::{check_output, write_text};

macro_rules! formats {
    ($($name:ident)*) => {
        $(mod $name;)*
        /// Every format; the first whose `recognise` says yes reads a file.
        pub const ALL: &[&Format] = &[$(&$name::FORMAT),*];
    };
}

formats! { npy npz hdf5 matlab tiff nifti dicom png cfl }

type WriteImage = fn(&Path, &Image, &WriteOptions, &mut Staging) -> Result<Option<String>>;
type WriteRecording = fn(&Path, &Recording, &mut Staging) -> Result<()>;

/// A file format. A new one is one file and its name in the list above.
#[derive(Debug)]
pub struct Format {
    /// What `--format` calls it.
    pub name: &'static str,
    /// File name endings, without the dot.
    pub extensions: &'static [&'static str],
    /// One line for the help: what is read and written.
    pub about: &'static str,
    /// Whether a file that begins with these bytes (up to 1 KiB) is one. Its path is for BART's `.cfl` alone, whose
    /// numbers carry no mark.
    recognise: fn(&[u8], &Path) -> bool,
    /// Whether a folder of such files is a stack.
    folders: bool,
    /// Reads an array of numbers, real or complex.
    read: fn(&Place) -> Result<Values>,
    /// Reads an image with its grid; without it the array is all there is.
    read_image: Option<fn(&Place) -> Result<Image>>,
    /// Reads a scan with what belongs to it; without it the array is all there is.
    read_recording: Option<fn(&Place) -> Result<Recording>>,
    /// Writes an image; may return a remark that the user should see.
    write_image: Option<WriteImage>,
    /// Writes a scan.
    write_recording: Option<WriteRecording>,
    /// What it can do for complex images and k-space.
    mr: Mr,
}

impl Format {
    /// Whether images can be written in it.
    pub fn writes_images(&self) -> bool {
        self.write_image.is_some()
    }

    /// Whether scans can be written in it.
    pub fn writes_recordings(&self) -> bool {
        self.write_recording.is_some()
    }

    /// The format called `name`.
    pub fn named(name: &str) -> Result<&'static Self> {
        ALL.iter()
            .find(|format| format.name == name)
            .copied()
            .ok_or_else(|| Error::Option(format!("no format '{name}'; known formats: {}", known(|_| true))))
    }

    /// The format for the output `path`: the one called `name`, else the one with the path's extension.
    fn for_output(path: &Path, name: Option<&str>, able: fn(&Self) -> bool, what: &str) -> Result<&'static Self> {
        let format = match name {
            Some(name) => Some(Self::named(name)?),
            None => {
                let file = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
                let ends = |extension: &&str| file.ends_with(&format!(".{extension}"));
                ALL.iter().find(|format| format.extensions.iter().any(ends)).copied()
            }
        };
        format.filter(|format| able(format)).ok_or_else(|| {
            let trouble = match format {
                Some(format) => format!("{what} cannot be written as {}", format.name),
                None => "the name's ending tells no format; give one, or --format".to_string(),
            };
            Error::file(path, format!("{trouble}; known formats: {}", known(able)))
        })
    }
}

/// Names and endings of the formats that are `able`, for messages.
fn known(able: impl Fn(&Format) -> bool) -> String {
    let name = |format: &&&Format| {
        let endings: Vec<_> = format.extensions.iter().map(|e| format!(".{e}")).collect();
        format!("{} ({})", format.name, endings.join(" "))
    };
    ALL.iter().filter(|format| able(format)).map(|format| name(&format)).collect::<Vec<_>>().join(", ")
}

/// What the numbers of a recording are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// Detector counts: flat and dark fields and −ln are still to come.
    Counts,
    /// −ln of the transmission.
    #[default]
    LineIntegrals,
}

/// What a scan file holds, before any flag is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// `[view, row, column]`; a two-dimensional array is `[view, column]`, one row.
    pub data: Array3<f32>,
    /// Open-beam frames `[frame, row, column]`.
    pub flat: Option<Array3<f32>>,
    /// Frames without beam `[frame, row, column]`.
    pub dark: Option<Array3<f32>>,
    /// Angle of each view, radians.
    pub angles: Option<Vec<f64>>,
    /// Where source and detector were, if the file says so.
    pub geometry: Option<Geometry>,
    /// What `data` is.
    pub reading: Reading,
    /// The tube's beam, if the file says what it was.
    pub beam: Option<BeamRecord>,
    /// What was concluded from the file without its saying so: to be shown.
    pub remarks: Vec<String>,
}

impl From<Scan> for Recording {
    /// Line integrals with their geometry, and the angles if the geometry is a circle.
    fn from(scan: Scan) -> Self {
        let angles = Circular::of(&scan.geometry).ok().map(|circle| circle.angles);
        Self {
            data: scan.projections,
            flat: None,
            dark: None,
            angles,
            geometry: Some(scan.geometry),
            reading: Reading::LineIntegrals,
            beam: None,
            remarks: vec![],
        }
    }
}

/// How to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteOptions {
    /// Replace what is there.
    pub force: bool,
    /// Name of the format; by the path's extension without it.
    pub format: Option<String>,
    /// Centre and width of the grey scale of a PNG, in the image's unit; least to greatest value without it.
    pub window: Option<(f64, f64)>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The files, in order.
    pub paths: Vec<PathBuf>,
    /// What the format could not hold as it was, or what was chosen for the user: to be shown.
    pub remark: Option<String>,
}

/// Reads an array of real numbers in C order, whatever its stored type; MATLAB arrays keep MATLAB's index order.
pub fn read_array(spec: impl AsRef<Path>) -> Result<ArrayD<f32>> {
    let place = Place::parse(spec.as_ref())?;
    (place.format()?.read)(&place)?.into_f32(&place)
}

/// Reads a list of angles as it stands, in `f64`: an array with one axis longer than 1, or text with a number a line.
pub fn read_angles(spec: impl AsRef<Path>) -> Result<Vec<f64>> {
    let place = Place::parse(spec.as_ref())?;
    if let Some(angles) = text::numbers(&place)? {
        return Ok(angles);
    }
    let values = (place.format()?.read)(&place)?;
    let long = values.shape().iter().filter(|extent| **extent > 1).count();
    if long > 1 {
        return Err(place.error(format!("an array of shape {:?}; a list of angles has one dimension", values.shape())));
    }
    let angles = values.into_f64_list(&place)?;
    if let Some(index) = angles.iter().position(|angle| !angle.is_finite()) {
        return Err(place.error(format!("angle {index} is not a finite number")));
    }
    Ok(angles)
}

/// What a file holds, as far as the file itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A CT scan.
    Scan,
    /// An image.
    Image,
    /// An MR scan: an MR header, or complex numbers.
    KSpace,
    /// An array that may be either.
    Numbers,
}

/// Tells what the file at `spec` holds.
pub fn content(spec: impl AsRef<Path>) -> Result<Content> {
    let place = Place::parse(spec.as_ref())?;
    let format = place.format()?;
    match (format.read_recording, format.read_image) {
        (Some(_), _) => hdf5::content(&place),
        (None, Some(_)) => Ok(Content::Image),
        // Where the array has yet to be named, nothing is known of it.
        (None, None) if format.mr.complex.is_some_and(|complex| complex(&place).unwrap_or(false)) => {
            Ok(Content::KSpace)
        }
        (None, None) => Ok(Content::Numbers),
    }
}

/// Reads a scan and everything the file says of it.
pub fn read_recording(spec: impl AsRef<Path>) -> Result<Recording> {
    let place = Place::parse(spec.as_ref())?;
    let format = place.format()?;
    match format.read_recording {
        Some(read) => read(&place),
        None => bare_recording(&place, (format.read)(&place)?),
    }
}

/// Reads an image: its values `[z, y, x]`, and grid and quantity as far as the file knows them.
pub fn read_image(spec: impl AsRef<Path>) -> Result<Image> {
    let place = Place::parse(spec.as_ref())?;
    let format = place.format()?;
    match format.read_image {
        Some(read) => read(&place),
        None => bare_image(&place, (format.read)(&place)?, format.name),
    }
}

/// The format in which [`write_image`] would write, so that a wrong name is refused before long work starts.
pub fn image_format(path: impl AsRef<Path>, name: Option<&str>) -> Result<&'static Format> {
    Format::for_output(path.as_ref(), name, Format::writes_images, "an image")
}

/// The format in which [`write_recording`] would write.
pub fn recording_format(path: impl AsRef<Path>, name: Option<&str>) -> Result<&'static Format> {
    Format::for_output(path.as_ref(), name, Format::writes_recordings, "a scan")
}

/// Writes an image by extension or by [`WriteOptions::format`]. Formats without a third dimension write a stack
/// `[z, y, x]` as numbered files `name-0001.ext`.
pub fn write_image(path: impl AsRef<Path>, image: &Image, options: &WriteOptions) -> Result<Written> {
    let path = path.as_ref();
    let format = image_format(path, options.format.as_deref())?;
    let mut staging = Staging::new(options.force);
    let remark = match format.write_image {
        Some(write) => write(path, image, options, &mut staging)?,
        None => None,
    };
    Ok(Written { paths: staging.publish()?, remark })
}

/// Writes a scan by extension or by [`WriteOptions::format`].
pub fn write_recording(path: impl AsRef<Path>, recording: &Recording, options: &WriteOptions) -> Result<Written> {
    let path = path.as_ref();
    let format = recording_format(path, options.format.as_deref())?;
    let mut staging = Staging::new(options.force);
    if let Some(write) = format.write_recording {
        write(path, recording, &mut staging)?;
    }
    Ok(Written { paths: staging.publish()?, remark: None })
}

/// `[a, b]` or `[a, b, c]` as three dimensions, the missing one inserted at `missing`.
fn three_dimensional(place: &Place, values: Values, missing: usize) -> Result<Array3<f32>> {
    let array = values.into_f32(place)?;
    let shape = array.shape().to_vec();
    let wrong = || place.error(format!("an array of shape {shape:?}; two or three dimensions are needed"));
    let three = match shape.len() {
        2 => array.into_dimensionality::<Ix2>().map_err(|_| wrong())?.insert_axis(ndarray::Axis(missing)),
        3 => array.into_dimensionality::<Ix3>().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    if three.is_empty() {
        return Err(place.error(format!("an array of shape {shape:?} holds no numbers")));
    }
    Ok(three)
}

/// Line integrals without a word about where they were taken.
fn bare_recording(place: &Place, values: Values) -> Result<Recording> {
    Ok(Recording {
        data: three_dimensional(place, values, 1)?,
        flat: None,
        dark: None,
        angles: None,
        geometry: None,
        reading: Reading::LineIntegrals,
        beam: None,
        remarks: vec![],
    })
}

/// An image of unknown quantity on a grid of cells about the origin.
fn bare_image(place: &Place, values: Values, format: &str) -> Result<Image> {
    let values = three_dimensional(place, values, 0)?;
    let (z, y, x) = values.dim();
    Ok(Image {
        values,
        grid: Grid::centered([z, y, x], [1.0; 3], [0.0; 3]),
        unit: LengthUnit::Cell,
        quantity: Quantity::Unknown,
        provenance: format!("read from {format}"),
    })
}
