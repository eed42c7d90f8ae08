//! DICOM (PS3.3, CT and MR Image IOD, A.3 and A.4): reads grey slices of one file or of a series in a folder; writing is in
//! [`dicom_write`](super::dicom_write), and what pixels mean in [`dicom_pixels`](super::dicom_pixels).
//!
//! Only the tags named in this file are looked at. None of them says anything of a patient, and no message repeats what
//! a file holds but numbers, so neither names nor private tags can pass through.

use std::io::Read;

use dicom_dictionary_std::{tags, uids};
use dicom_object::{DefaultDicomObject, FileMetaTableBuilder, OpenFileOptions, file::ReadPreamble};
use ndarray::{Array3, s};

use super::{
    Format,
    description::understand,
    dicom_elements::{number, numbers, text},
    dicom_lengths::lie_within,
    dicom_pixels::{self, pixels},
    dicom_write,
    mr::Mr,
    numbers::Values,
    place::Place,
};
use crate::{
    error::Result,
    geometry::{Grid, LengthUnit, add, cross, dot, norm},
    image::{Image, Quantity},
};

pub(super) const FORMAT: Format = Format {
    name: "dicom",
    extensions: &["dcm", "dicom"],
    about: "DICOM slices, one file or a folder with a series; written as CT images of 16 bits, numbered if several",
    recognise: |head, _| marked(head) || Bare::of(head).is_some(),
    folders: true,
    read: |place| read_image(place).map(|image| Values::F32(image.values.into_dyn())),
    read_image: Some(read_image),
    read_recording: None,
    write_image: Some(dicom_write::write),
    write_recording: None,
    mr: Mr { write_image: Some(dicom_write::write_frames), ..Mr::NONE },
};

/// One slice, and what decides whether others belong to it.
struct Slice {
    place: Place,
    series: String,
    rows: usize,
    columns: usize,
    /// Values, row by row.
    values: Vec<f32>,
    /// Centre of the first pixel.
    position: Option<[f64; 3]>,
    /// Unit vectors along a row and down a column.
    orientation: [[f64; 3]; 2],
    /// Between rows, between columns; mm.
    spacing: Option<[f64; 2]>,
    thickness: Option<f64>,
    quantity: Quantity,
}

impl Slice {
    fn read(place: &Place) -> Result<Self> {
        place.no_inner("DICOM")?;
        let object = open(place)?;
        let extent = |tag| -> Result<usize> {
            let extent = number(place, &object, tag)?.filter(|extent| (1.0..=65535.0).contains(extent));
            Ok(extent.unwrap_or(0.0) as usize)
        };
        let [rows, columns] = [extent(tags::ROWS)?, extent(tags::COLUMNS)?];
        let values = pixels(place, &object, rows, columns)?;
        let orientation = match numbers::<6>(place, &object, tags::IMAGE_ORIENTATION_PATIENT)? {
            Some([a, b, c, d, e, f])
                if (norm([a, b, c]) - 1.0).abs() < 0.01 && (norm([d, e, f]) - 1.0).abs() < 0.01 =>
            {
                [[a, b, c], [d, e, f]]
            }
            _ => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        };
        let above_0 = |sizes: &[f64]| sizes.iter().all(|size| *size > 0.0);
        Ok(Self {
            place: place.clone(),
            series: text(&object, tags::SERIES_INSTANCE_UID).unwrap_or_default(),
            rows,
            columns,
            values,
            position: numbers(place, &object, tags::IMAGE_POSITION_PATIENT)?,
            orientation,
            spacing: numbers(place, &object, tags::PIXEL_SPACING)?.filter(|spacing| above_0(spacing)),
            thickness: number(place, &object, tags::SLICE_THICKNESS)?.filter(|size| above_0(&[*size])),
            quantity: quantity(&object, [1, rows, columns]),
        })
    }

    fn normal(&self) -> [f64; 3] {
        cross(self.orientation[0], self.orientation[1])
    }

    /// Where the slice lies along its normal, mm.
    fn height(&self) -> f64 {
        self.position.map_or(0.0, |position| dot(position, self.normal()))
    }

    /// Whether the other's pixels lie behind this one's.
    fn fits(&self, other: &Self) -> bool {
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3);
        (self.rows, self.columns) == (other.rows, other.columns)
            && near(self.orientation.as_flattened(), other.orientation.as_flattened())
            && self.spacing.is_some() == other.spacing.is_some()
            && near(&self.spacing.unwrap_or_default(), &other.spacing.unwrap_or_default())
    }
}

/// Reads the data set, with a group of meta information that holds nothing but the transfer syntax: scanners write
/// application titles longer than the standard allows, at which the reader would give up.
fn open(place: &Place) -> Result<DefaultDicomObject> {
    // What the reader complains of may quote the file, so it is not passed on.
    let broken = || place.error("truncated or not a whole DICOM file");
    let mut file = Vec::new();
    place.open()?.read_to_end(&mut file).map_err(|error| place.io_error(error))?;
    let (syntax, start) = meta_information(&file).ok_or_else(broken)?;
    if !file.get(start..).is_some_and(|data| lie_within(data, &syntax)) {
        return Err(broken());
    }
    let mut meta = b"DICM".to_vec();
    FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .build()
        .and_then(|table| table.write(&mut meta))
        .map_err(|_| broken())?;
    let options = OpenFileOptions::new().read_preamble(ReadPreamble::Never);
    options.from_reader(meta.chain(&file[start..])).map_err(|_| broken())
}

/// The transfer syntax, and where the data set starts (PS3.10, 7.1: group 0002, explicit VR, little endian). Preamble and mark
/// may be missing, and the group too.
fn meta_information(file: &[u8]) -> Option<(String, usize)> {
    let start = if marked(file) { 132 } else { 0 };
    if let Some(bare) = Bare::of(file).filter(|_| !marked(file))
        && let Some(syntax) = bare.syntax()
    {
        return Some((syntax.into(), 0));
    }
    let mut syntax = None;
    let mut at = start;
    while file.get(at..at + 2)? == [2, 0] {
        let word = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
        let (length, value) = match file.get(at + 4..at + 6)? {
            b"OB" | b"OW" | b"UN" | b"SQ" | b"UT" => {
                (u32::from_le_bytes(file.get(at + 8..at + 12)?.try_into().ok()?) as usize, at + 12)
            }
            _ => (usize::from(word(at + 6)?), at + 8),
        };
        let content = file.get(value..value.checked_add(length)?)?;
        if word(at + 2)? == 0x10 {
            syntax = Some(String::from_utf8_lossy(content).trim_end_matches([' ', '\0']).to_string());
        }
        at = value + length;
    }
    Some((syntax?, at))
}

/// Whether preamble and mark are there.
fn marked(head: &[u8]) -> bool {
    head.get(128..132) == Some(b"DICM")
}

/// What a file begins with that has no preamble.
enum Bare {
    Meta,
    Explicit,
    Implicit,
}

impl Bare {
    /// By the first two elements: of group 0002, or of group 0008, with which every data set begins.
    fn of(head: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes([*head.get(at)?, *head.get(at + 1)?]));
        let kind = head.get(4..6)?;
        match (word(0)?, word(2)?) {
            (2, 0..=0x102) if kind == b"UL" || kind == b"OB" || kind == b"UI" => return Some(Self::Meta),
            (8, 0..=0x70) => {}
            _ => return None,
        }
        let explicit = kind.iter().all(u8::is_ascii_uppercase);
        let length =
            if explicit { usize::from(word(6)?) } else { usize::from(word(4)?) + (usize::from(word(6)?) << 16) };
        let next = 8 + length;
        let follows = matches!(word(next)?, 8 | 0x10) && (word(next)?, word(next + 2)?) > (8, word(2)?);
        let texts = [b"UL", b"CS", b"UI", b"DA", b"TM", b"LO", b"SH"];
        match explicit {
            true => texts.iter().any(|text| kind == *text).then_some(Self::Explicit),
            false => Some(Self::Implicit),
        }
        .filter(|_| follows)
    }

    /// The transfer syntax of a data set alone; little endian, as files without a word on it are.
    fn syntax(&self) -> Option<&'static str> {
        match self {
            Self::Meta => None,
            Self::Explicit => Some(uids::EXPLICIT_VR_LITTLE_ENDIAN),
            Self::Implicit => Some(uids::IMPLICIT_VR_LITTLE_ENDIAN),
        }
    }
}

/// What a description of our own says, if there is one; else what the scale of the pixels says.
fn quantity(object: &DefaultDicomObject, shape: [usize; 3]) -> Quantity {
    let ours = text(object, tags::DERIVATION_DESCRIPTION).map(|text| text.replace("\r\n", "\n"));
    let described = ours.and_then(|text| understand(&text, shape));
    described.map_or_else(|| dicom_pixels::quantity(object), |(_, _, quantity)| quantity)
}

fn read_image(place: &Place) -> Result<Image> {
    let mut slices = place.slices(&FORMAT)?.iter().map(Slice::read).collect::<Result<Vec<_>>>()?;
    slices.sort_by(|a, b| a.height().total_cmp(&b.height()));
    let Some(first) = slices.first() else {
        return Err(place.error("holds no DICOM slices"));
    };
    let mut series: Vec<_> = slices.iter().map(|slice| slice.series.as_str()).collect();
    series.sort_unstable();
    series.dedup();
    if series.len() > 1 {
        return Err(place.error(format!("holds {} series; put each into a folder of its own", series.len())));
    }
    if let Some(odd) = slices.iter().find(|slice| !first.fits(slice)) {
        return Err(odd.place.error("size, pixel spacing or orientation differ from the other slices of the series"));
    }
    let grid = grid(place, &slices)?;
    let mut values = Array3::zeros(grid.shape);
    for (z, slice) in slices.iter().enumerate() {
        let plane = ndarray::ArrayView2::from_shape((slice.rows, slice.columns), &slice.values);
        values.slice_mut(s![z, .., ..]).assign(&plane.map_err(|error| slice.place.error(error))?);
    }
    let unit = if first.spacing.is_some() { LengthUnit::Millimetre } else { LengthUnit::Cell };
    Ok(Image { values, grid, unit, quantity: first.quantity, provenance: "read from DICOM".into() })
}

/// The grid of slices in order of height.
fn grid(place: &Place, slices: &[Slice]) -> Result<Grid> {
    let first = &slices[0];
    let scaled = |direction: [f64; 3], size: f64| direction.map(|part| part * size);
    let spacing = first.spacing.unwrap_or([1.0; 2]);
    let mut step = scaled(first.normal(), first.thickness.unwrap_or(1.0));
    if let [_, .., last] = slices {
        let (Some(from), Some(to)) = (first.position, last.position) else {
            return Err(place.error("slices without a position cannot be stacked"));
        };
        step = scaled(add(to, -1.0, from), 1.0 / (slices.len() - 1) as f64);
        let mean = (last.height() - first.height()) / (slices.len() - 1) as f64;
        let gaps: Vec<_> = slices.windows(2).map(|pair| pair[1].height() - pair[0].height()).collect();
        let [least, greatest] =
            gaps.iter().fold([f64::MAX, 0.0], |[low, high], gap| [low.min(*gap), f64::max(high, *gap)]);
        if least <= 0.0 || greatest - least > 0.02 * mean {
            return Err(place.error(format!(
                "slices are {least:.3} to {greatest:.3} mm apart; one may be missing, or there twice"
            )));
        }
    }
    let grid = Grid {
        shape: [slices.len(), first.rows, first.columns],
        first: first.position.unwrap_or_default(),
        steps: [step, scaled(first.orientation[1], spacing[0]), scaled(first.orientation[0], spacing[1])],
    };
    grid.check().map_err(|error| place.error(error))?;
    Ok(grid)
}
