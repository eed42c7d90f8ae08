//! Writes CT Image Storage (PS3.3, A.3), or MR Image Storage (A.4) for signals and phases: one slice a file, 16 bits with
//! rescale slope and intercept, no patient.
//!
//! What the standard demands and we do not know (Type 2) is there and empty. Identifiers are UUIDs under 2.25 (PS3.5,
//! B.2) made from the contents, so that the same image gives the same files.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
    slice,
};

use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use ndarray::ArrayView2;

use super::{
    WriteOptions,
    description::describe,
    mr::no_complex,
    output::{Staging, numbered},
};
use crate::{
    error::{Error, Result, check_finite},
    geometry::{LengthUnit, norm},
    image::{ComplexImage, Image, Part, Quantity},
};

/// What all slices share.
struct Series<'a> {
    image: &'a Image,
    rows: u16,
    columns: u16,
    /// Slope and intercept, as the file's decimal strings give them.
    rescale: [f64; 2],
    /// From 1.
    number: usize,
    study: String,
    series: String,
    frame: String,
}

/// Writes `name.dcm`, or `name-0001.dcm` … for several slices.
pub(super) fn write(path: &Path, image: &Image, _: &WriteOptions, staging: &mut Staging) -> Result<Option<String>> {
    write_study(path, slice::from_ref(image), staging)
}

/// Writes the frames of a series of complex images: one study and one frame of reference, a series a frame.
pub(super) fn write_frames(
    path: &Path,
    image: &ComplexImage,
    part: Part,
    _: &WriteOptions,
    staging: &mut Staging,
) -> Result<Option<String>> {
    let real = if part == Part::Complex { Part::Magnitude } else { part };
    let remark = write_study(path, &image.frames(real), staging)?;
    let magnitude = (part == Part::Complex).then(|| no_complex("dicom"));
    Ok(Some(magnitude.into_iter().chain(remark).collect::<Vec<_>>().join("; ")))
}

fn write_study(path: &Path, images: &[Image], staging: &mut Staging) -> Result<Option<String>> {
    let mut seed = DefaultHasher::new();
    for image in images {
        image.values.iter().for_each(|value| value.to_bits().hash(&mut seed));
        describe(image).hash(&mut seed);
    }
    let uid = |of: &str| uid(&seed, of);
    let mut coarsest = 0.0;
    for (number, image) in images.iter().enumerate() {
        let (count, rows, columns) = image.values.dim();
        let values = image.values.as_standard_layout();
        check_finite("the image", values.shape(), values.as_slice().unwrap_or_default())?;
        let (Ok(rows), Ok(columns)) = (u16::try_from(rows), u16::try_from(columns)) else {
            return Err(Error::file(path, "DICOM holds at most 65535 rows and columns"));
        };
        let rescale = rescale(image);
        coarsest = f64::max(coarsest, rescale[0]);
        let (study, frame) = (uid("study"), uid("frame"));
        let series = uid(&if number == 0 { "series".into() } else { format!("series {number}") });
        let series = Series { image, rows, columns, rescale, number: number + 1, study, series, frame };
        let path = numbered(path, number, images.len());
        for (z, slice) in image.values.outer_iter().enumerate() {
            let instance = uid(&if number == 0 { format!("slice {z}") } else { format!("slice {z} of {number}") });
            let object = series
                .slice(z, slice, &instance)
                .with_meta(
                    FileMetaTableBuilder::new()
                        .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
                        .media_storage_sop_class_uid(series.class())
                        .media_storage_sop_instance_uid(&instance),
                )
                .map_err(|error| Error::file(&path, error))?;
            staging.add(&numbered(&path, z, count), |output| object.write_all(output).map_err(io::Error::other))?;
        }
    }
    Ok(images.first().map(|image| remark(image, coarsest)))
}

fn remark(image: &Image, slope: f64) -> String {
    let unit = image.quantity.unit();
    let steps = format!("values are kept in 16 bits, to the nearest {slope} {unit}");
    match image.unit {
        LengthUnit::Millimetre => steps,
        LengthUnit::Cell => format!("{steps}; the voxel size is not known, 1 mm a cell was written"),
    }
}

/// Slope and intercept that bring every value into 0..=65535: whole Hounsfield units if they fit.
fn rescale(image: &Image) -> [f64; 2] {
    let bounds = image.values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[l, h], v| [l.min(*v), h.max(*v)]);
    let [low, high] = bounds.map(f64::from);
    if matches!(image.quantity, Quantity::Hounsfield { .. }) {
        let intercept = low.floor().min(-1024.0);
        if high - intercept <= 65535.0 {
            return [1.0, intercept];
        }
    }
    let kept = |value: f64| decimal(value).parse().unwrap_or(value);
    // Nine digits of the intercept may lie above the least value by less than the slope's last digit.
    let slope = if high > low { (high - low) / 65534.0 } else { 1.0 };
    [kept(slope), kept(low)]
}

/// A Decimal String: at most 16 characters (PS3.5, 6.2).
fn decimal(value: f64) -> String {
    let plain = format!("{value}");
    if plain.len() <= 16 { plain } else { format!("{value:.8e}") }
}

fn decimals(values: &[f64]) -> PrimitiveValue {
    PrimitiveValue::Strs(values.iter().map(|value| decimal(*value)).collect())
}

/// A UUID (RFC 9562, version 8: custom contents) as a decimal number under 2.25.
fn uid(seed: &DefaultHasher, of: &str) -> String {
    let half = |salt: u8| {
        let mut hash = seed.clone();
        (salt, of).hash(&mut hash);
        u128::from(hash.finish())
    };
    let bits = half(1) << 64 | half(2);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    format!("2.25.{bits}")
}

impl Series<'_> {
    fn mr(&self) -> bool {
        matches!(self.image.quantity, Quantity::Signal | Quantity::Phase)
    }

    fn class(&self) -> &'static str {
        if self.mr() { uids::MR_IMAGE_STORAGE } else { uids::CT_IMAGE_STORAGE }
    }

    fn slice(&self, z: usize, values: ArrayView2<f32>, instance: &str) -> InMemDicomObject {
        let mut object = InMemDicomObject::new_empty();
        self.identify(&mut object, z, instance);
        self.place(&mut object, z);
        self.pixels(&mut object, values);
        object
    }

    /// SOP Common, Patient, Study, Series, Equipment, General Image.
    fn identify(&self, object: &mut InMemDicomObject, z: usize, instance: &str) {
        let mut put = |tag: Tag, vr: VR, value: &str| {
            let value = if value.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::from(value) };
            object.put(DataElement::new(tag, vr, value));
        };
        put(tags::SOP_CLASS_UID, VR::UI, self.class());
        put(tags::SOP_INSTANCE_UID, VR::UI, instance);
        put(tags::STUDY_INSTANCE_UID, VR::UI, &self.study);
        put(tags::SERIES_INSTANCE_UID, VR::UI, &self.series);
        put(tags::FRAME_OF_REFERENCE_UID, VR::UI, &self.frame);
        put(tags::MODALITY, VR::CS, if self.mr() { "MR" } else { "CT" });
        put(tags::MANUFACTURER, VR::LO, "Rushlight");
        put(tags::SOFTWARE_VERSIONS, VR::LO, concat!("rushlight ", env!("CARGO_PKG_VERSION")));
        put(tags::SERIES_NUMBER, VR::IS, &self.number.to_string());
        put(tags::INSTANCE_NUMBER, VR::IS, &(z + 1).to_string());
        put(tags::DERIVATION_DESCRIPTION, VR::ST, &describe(self.image).replace('\n', "\r\n"));
        for (tag, vr) in [
            (tags::PATIENT_NAME, VR::PN),
            (tags::PATIENT_ID, VR::LO),
            (tags::PATIENT_BIRTH_DATE, VR::DA),
            (tags::PATIENT_SEX, VR::CS),
            (tags::STUDY_DATE, VR::DA),
            (tags::STUDY_TIME, VR::TM),
            (tags::STUDY_ID, VR::SH),
            (tags::ACCESSION_NUMBER, VR::SH),
            (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
            (tags::POSITION_REFERENCE_INDICATOR, VR::LO),
            (tags::ACQUISITION_NUMBER, VR::IS),
            (tags::LATERALITY, VR::CS),
            (tags::PATIENT_POSITION, VR::CS),
        ] {
            put(tag, vr, "");
        }
        if self.mr() {
            // MR Image (C.8.3.1): what is not known of the sequence is research mode, no variant.
            put(tags::SCANNING_SEQUENCE, VR::CS, "RM");
            put(tags::SEQUENCE_VARIANT, VR::CS, "NONE");
            put(tags::SCAN_OPTIONS, VR::CS, "");
            put(tags::MR_ACQUISITION_TYPE, VR::CS, "");
            put(tags::REPETITION_TIME, VR::DS, "");
            put(tags::ECHO_TIME, VR::DS, "");
            put(tags::ECHO_TRAIN_LENGTH, VR::IS, "");
        } else {
            put(tags::KVP, VR::DS, "");
        }
        let third = match self.image.quantity {
            Quantity::Signal => "OTHER",
            Quantity::Phase => "PHASE MAP",
            _ => "AXIAL",
        };
        let kind = ["DERIVED", "SECONDARY", third].map(String::from);
        object.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, PrimitiveValue::Strs(kind.into_iter().collect())));
    }

    /// Image Plane.
    fn place(&self, object: &mut InMemDicomObject, z: usize) {
        let grid = &self.image.grid;
        let [step, between_rows, between_columns] = grid.voxel();
        let mut put = |tag: Tag, values: &[f64]| {
            object.put(DataElement::new(tag, VR::DS, decimals(values)));
        };
        put(tags::IMAGE_POSITION_PATIENT, &grid.position([z as f64, 0.0, 0.0]));
        let unit = |step: [f64; 3]| step.map(|part| part / norm(step));
        put(tags::IMAGE_ORIENTATION_PATIENT, [unit(grid.steps[2]), unit(grid.steps[1])].as_flattened());
        put(tags::PIXEL_SPACING, &[between_rows, between_columns]);
        put(tags::SLICE_THICKNESS, &[step]);
        put(tags::SPACING_BETWEEN_SLICES, &[step]);
    }

    /// Image Pixel, CT Image or MR Image.
    fn pixels(&self, object: &mut InMemDicomObject, values: ArrayView2<f32>) {
        let [slope, intercept] = self.rescale;
        let mut put = |tag: Tag, value: u16| {
            object.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        };
        put(tags::ROWS, self.rows);
        put(tags::COLUMNS, self.columns);
        put(tags::SAMPLES_PER_PIXEL, 1);
        put(tags::BITS_ALLOCATED, 16);
        put(tags::BITS_STORED, 16);
        put(tags::HIGH_BIT, 15);
        put(tags::PIXEL_REPRESENTATION, 0);
        let kind = if matches!(self.image.quantity, Quantity::Hounsfield { .. }) { "HU" } else { "US" };
        object.put(DataElement::new(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, PrimitiveValue::from("MONOCHROME2")));
        object.put(DataElement::new(tags::RESCALE_TYPE, VR::LO, PrimitiveValue::from(kind)));
        object.put(DataElement::new(tags::RESCALE_SLOPE, VR::DS, decimals(&[slope])));
        object.put(DataElement::new(tags::RESCALE_INTERCEPT, VR::DS, decimals(&[intercept])));
        let stored = values.iter().map(|v| ((f64::from(*v) - intercept) / slope).round() as u16);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(stored.collect())));
    }
}
