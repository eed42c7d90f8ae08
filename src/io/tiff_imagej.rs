//! What ImageJ says in a TIFF's description (ImageJ's `ij/io/TiffEncoder` and `FileInfo`): how many images there are, which in
//! files above 4 GiB lie one behind the other after the one that a directory describes, and a line on which 8 and 16 bits are
//! calibrated.

use std::io::{Read, Seek, SeekFrom};

use tiff::{
    decoder::Decoder,
    tags::{ByteOrder, SampleFormat, Tag},
};

use super::{
    numbers::{Number, Values},
    place::Place,
    tiff::Stack,
};
use crate::error::Result;

/// The description's facts.
pub(super) struct ImageJ {
    images: usize,
    /// Calibration function (0: a straight line) and its coefficients.
    function: Option<i64>,
    coefficients: [Option<f64>; 3],
}

/// Where the pixels of the first page begin, and how they are stored, if they are not compressed.
pub(super) struct Run {
    start: u64,
    number: Number,
    big: bool,
}

impl Run {
    pub(super) fn of(decoder: &mut Decoder<impl Read + Seek>) -> Option<Self> {
        let mut tag = |tag, default| match decoder.find_tag(tag) {
            Ok(Some(value)) => value.into_u64().ok(),
            _ => Some(default),
        };
        let (compression, bits, format) = (
            tag(Tag::Compression, 1)?,
            tag(Tag::BitsPerSample, 1)?,
            tag(Tag::SampleFormat, u64::from(SampleFormat::Uint.to_u16()))?,
        );
        let number = match (bits, format) {
            (8, 1) => Number::U8,
            (16, 1) => Number::U16,
            (16, 2) => Number::I16,
            (32, 1) => Number::U32,
            (32, 3) => Number::F32,
            _ => return None,
        };
        let start = *decoder.get_tag_u64_vec(Tag::StripOffsets).ok()?.first()?;
        let big = decoder.byte_order() == ByteOrder::BigEndian;
        (compression == 1).then_some(Self { start, number, big })
    }
}

impl ImageJ {
    pub(super) fn of(description: &str) -> Option<Self> {
        if !description.starts_with("ImageJ=") {
            return None;
        }
        let value = |key: &str| description.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let number = |key: &str| value(key)?.trim().parse().ok();
        Some(Self {
            images: value("images").and_then(|count| count.trim().parse().ok()).unwrap_or(1),
            function: value("cf").and_then(|code| code.trim().parse().ok()),
            coefficients: ["c0", "c1", "c2"].map(number),
        })
    }

    /// Adds the images to `stack` that no directory describes, and brings those of this file, from page `before` on, to the
    /// values that they are calibrated to.
    pub(super) fn complete(&self, place: &Place, stack: &mut Stack, before: usize, run: Option<Run>) -> Result<()> {
        let pages = stack.pages - before;
        if self.images > pages {
            self.read_on(place, stack, pages, run.as_ref())?;
        }
        let integers = run.is_some_and(|run| matches!(run.number, Number::U8 | Number::U16));
        let (height, width) = stack.size.unwrap_or_default();
        let own = &mut stack.values[before * height as usize * width as usize..];
        match (self.function, self.coefficients) {
            (None, _) => {}
            _ if !integers => {}
            (Some(0), [Some(offset), Some(slope), _]) => {
                own.iter_mut().for_each(|value| *value = (offset + slope * f64::from(*value)) as f32);
            }
            (Some(code), _) => {
                return Err(place.error(format!(
                    "its values are calibrated in ImageJ by function {code}; only a straight line can be applied: save as 32 bits"
                )));
            }
        }
        Ok(())
    }

    fn read_on(&self, place: &Place, stack: &mut Stack, pages: usize, run: Option<&Run>) -> Result<()> {
        let images = self.images;
        let says = |what: &str| place.error(format!("ImageJ says in it that it has {images} images, and {what}"));
        let run = run.filter(|_| pages == 1).ok_or_else(|| says(&format!("{pages} can be found")))?;
        let (height, width) = stack.size.unwrap_or_default();
        let one = u64::from(height) * u64::from(width) * run.number.size();
        let needed = one.checked_mul(images as u64).and_then(|bytes| bytes.checked_add(run.start));
        if needed.is_none_or(|needed| needed > place.length().unwrap_or(0)) {
            return Err(says("ends before: truncated, or one image taken out of a stack"));
        }
        let failed = |error| place.io_error(error);
        let mut file = place.open()?;
        file.seek(SeekFrom::Start(run.start + one)).map_err(failed)?;
        let shape = [images - 1, height as usize, width as usize];
        let values = Values::read(&mut file, run.number, (run.big, false), &shape).map_err(failed)?.into_f32(place)?;
        stack.values.extend(values);
        stack.pages += images - 1;
        Ok(())
    }
}
