//! What DICOM's stored pixels mean (PS3.3, C.7.6.3 and C.11.1): stored value → Modality LUT, or slope · stored + intercept.

use dicom_core::value::Value;
use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, InMemDicomObject};
use dicom_pixeldata::{PixelDecoder, PixelRepresentation};

use super::{
    dicom_elements::{number, text},
    place::{Place, unfolded_limit},
};
use crate::{error::Result, image::Quantity};

/// The values of a slice of `rows` × `columns`, row by row, as the file scales them.
pub(super) fn pixels(place: &Place, object: &DefaultDicomObject, rows: usize, columns: usize) -> Result<Vec<f32>> {
    let of = |tag, default: f64| Ok(number(place, object, tag)?.unwrap_or(default));
    if of(tags::SAMPLES_PER_PIXEL, 1.0)? != 1.0 || of(tags::NUMBER_OF_FRAMES, 1.0)? != 1.0 {
        return Err(place.error("colour or several frames; one grey slice a file is needed"));
    }
    if text(object, tags::PHOTOMETRIC_INTERPRETATION).is_some_and(|kind| !kind.starts_with("MONOCHROME")) {
        return Err(place.error("its pixels are colours or entries of a palette; grey ones are needed"));
    }
    let bits = of(tags::BITS_ALLOCATED, 16.0)?;
    let promised = (rows as f64) * (columns as f64) * (bits / 8.0).ceil();
    let length = place.length()?;
    // 1.2.840.10008.1.2, 1.2.1 and 1.2.2 store the pixels as they are; every other syntax may fold them.
    let syntax: String = object.meta().transfer_syntax().chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let plain = !syntax.starts_with("1.2.840.10008.1.2.4") && !syntax.starts_with("1.2.840.10008.1.2.5");
    if promised <= 0.0 || promised > if plain { length } else { unfolded_limit(length) } as f64 {
        return Err(place.error(format!(
            "{rows} × {columns} pixels are promised by a file of {length} bytes: truncated, or not an image"
        )));
    }
    let scale = Scale::of(place, object)?;
    let decoded = object.decode_pixel_data().map_err(|_| {
        place.error(format!("its pixels cannot be decoded (transfer syntax {syntax}); store it uncompressed"))
    })?;
    let big = syntax.trim_end_matches('.') == "1.2.840.10008.1.2.2";
    let width = match decoded.bits_allocated() {
        8 => 1,
        16 => 2,
        32 if plain && !big => 4,
        bits => return Err(place.error(format!("pixels of {bits} bits; 8, 16 or, uncompressed, 32 can be read"))),
    };
    let bytes = decoded.data();
    // An odd number of bytes is made even.
    if bytes.len() < rows * columns * width || bytes.len() > rows * columns * width + 1 {
        return Err(place.error(format!("{} bytes of pixels instead of {rows} × {columns} × {width}", bytes.len())));
    }
    let (allocated, stored, high) = (8 * width as u32, decoded.bits_stored(), decoded.high_bit());
    let (stored, high) = (u32::from(stored), u32::from(high));
    if stored == 0 || high >= allocated || stored > high + 1 {
        return Err(place.error(format!("pixels of {stored} bits up to bit {high} in {allocated}, which cannot be")));
    }
    let signed = decoded.pixel_representation() == PixelRepresentation::Signed;
    let value = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..width].copy_from_slice(bytes);
        // The bits that are stored to the top, and down again with their sign; what lies around them is none of the value.
        let top = u64::from_le_bytes(word) << (63 - high);
        let stored = if signed { (top as i64) >> (64 - stored) } else { (top >> (64 - stored)) as i64 };
        scale.value(stored)
    };
    Ok(bytes.chunks_exact(width).take(rows * columns).map(value).collect())
}

/// From stored values to values.
enum Scale {
    Line {
        slope: f64,
        intercept: f64,
    },
    /// Values from `first` on; what lies outside takes the nearest.
    Table {
        first: i64,
        values: Vec<u16>,
    },
}

impl Scale {
    fn of(place: &Place, object: &DefaultDicomObject) -> Result<Self> {
        if let Some(table) = modality_lut(object) {
            let odd = || place.error("its Modality LUT Sequence cannot be understood");
            return Self::table(table, object).ok_or_else(odd);
        }
        let slope = number(place, object, tags::RESCALE_SLOPE)?.unwrap_or(1.0);
        let intercept = number(place, object, tags::RESCALE_INTERCEPT)?.unwrap_or(0.0);
        if slope == 0.0 {
            return Err(place.error("its RescaleSlope is 0, which leaves nothing of its pixels"));
        }
        Ok(Self::Line { slope, intercept })
    }

    fn table(table: &InMemDicomObject, object: &DefaultDicomObject) -> Option<Self> {
        let descriptor = table.element_opt(tags::LUT_DESCRIPTOR).ok()??.to_multi_int::<i32>().ok()?;
        let [count, first, bits] = descriptor[..] else { return None };
        let count = if count & 0xffff == 0 { 1 << 16 } else { (count & 0xffff) as usize };
        let signed = object.element_opt(tags::PIXEL_REPRESENTATION).ok()??.to_int::<u16>().ok()? == 1;
        // Without a VR, the first value that is mapped has the sign of the pixels.
        let first = if signed { i64::from(first as i16) } else { i64::from(first as u16) };
        let Value::Primitive(data) = table.element_opt(tags::LUT_DATA).ok()??.value() else { return None };
        let bytes = data.to_bytes();
        let values: Vec<u16> = match bytes.len() {
            length if length == 2 * count => {
                bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
            }
            length if bits == 8 && length == count.next_multiple_of(2) => {
                bytes[..count].iter().map(|byte| u16::from(*byte)).collect()
            }
            _ => return None,
        };
        Some(Self::Table { first, values })
    }

    fn value(&self, stored: i64) -> f32 {
        match self {
            Self::Line { slope, intercept } => (slope * stored as f64 + intercept) as f32,
            Self::Table { first, values } => {
                f32::from(values[(stored - first).clamp(0, values.len() as i64 - 1) as usize])
            }
        }
    }
}

/// The table that takes the place of slope and intercept.
fn modality_lut(object: &DefaultDicomObject) -> Option<&InMemDicomObject> {
    object.element_opt(tags::MODALITY_LUT_SEQUENCE).ok()??.items()?.first()
}

/// What values are by the scale: Hounsfield units if it says so, or if a CT image says nothing (PS3.3, C.8.2.1).
pub(super) fn quantity(object: &DefaultDicomObject) -> Quantity {
    let kind = match modality_lut(object) {
        Some(table) => Some(text(table, tags::MODALITY_LUT_TYPE).unwrap_or_default()),
        None => text(object, tags::RESCALE_TYPE),
    };
    match (text(object, tags::MODALITY).as_deref(), kind.as_deref()) {
        (Some("MR"), _) => Quantity::Signal,
        (_, Some("HU")) | (Some("CT"), None) => Quantity::Hounsfield { mu_water: None },
        _ => Quantity::Unknown,
    }
}
