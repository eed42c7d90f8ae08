//! TIFF (revision 6.0; BigTIFF above 4 GiB): grey pictures, several pages or a folder of files as a stack.
//!
//! Pixels are read as they are stored, also where a picture of them would have white at 0 (photometric interpretation 0), and
//! all images of an [ImageJ](super::tiff_imagej) stack are. Written as 32-bit float. Pixel size goes into XResolution and YResolution, the whole grid into ImageDescription
//! (see [`description`](super::description)); read back from there only, as other programs' resolutions mean paper.

use std::{
    io::{self, Seek, Write},
    path::Path,
};

use ndarray::{ArrayD, ArrayView3, IxDyn};
use tiff::{
    ColorType, TiffError,
    decoder::{Decoder, DecodingResult, Limits},
    encoder::{ImageEncoder, Rational, TiffEncoder, TiffKind, colortype::Gray32Float},
    tags::{ResolutionUnit, Tag},
};

use super::{
    Format, Recording, WriteOptions, bare_image,
    description::{describe, understand},
    mr::Mr,
    numbers::Values,
    output::Staging,
    place::{Place, unfolded_limit},
    tiff_imagej::{ImageJ, Run},
    tiff_photometric::AsStored,
};
use crate::{
    error::{Error, Result},
    geometry::LengthUnit,
    image::Image,
};

pub(super) const FORMAT: Format = Format {
    name: "tiff",
    extensions: &["tif", "tiff"],
    about: "TIFF: grey, several pages or a folder of files as a stack; written as 32-bit float",
    recognise: |head, _| [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| head.starts_with(*magic)),
    folders: true,
    read,
    read_image: Some(read_image),
    read_recording: None,
    write_image: Some(write_image),
    write_recording: Some(write_recording),
    mr: Mr::NONE,
};

/// Pages of one size, one after the other.
#[derive(Default)]
pub(super) struct Stack {
    pub(super) values: Vec<f32>,
    /// Height and width.
    pub(super) size: Option<(u32, u32)>,
    pub(super) pages: usize,
    description: Option<String>,
}

fn read_stack(place: &Place) -> Result<Stack> {
    place.no_inner("TIFF")?;
    let mut stack = Stack::default();
    for file in place.slices(&FORMAT)? {
        read_pages(&file, &mut stack)?;
    }
    Ok(stack)
}

fn read_pages(place: &Place, stack: &mut Stack) -> Result<()> {
    let failed = |error: TiffError| match error {
        TiffError::IoError(error) => place.io_error(error),
        other => place.error(format!("not a whole TIFF file: {other}")),
    };
    let limit = unfolded_limit(place.length()?);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::try_from(limit).unwrap_or(usize::MAX);
    limits.intermediate_buffer_size = limits.decoding_buffer_size;
    let file = AsStored::new(place.open()?).map_err(|error| place.io_error(error))?;
    let mut decoder = Decoder::new(file).map_err(failed)?.with_limits(limits);
    let description = decoder.get_tag_ascii_string(Tag::ImageDescription).ok();
    let imagej = description.as_deref().and_then(ImageJ::of);
    let run = Run::of(&mut decoder);
    if stack.pages == 0 {
        stack.description = description;
    }
    let before = stack.pages;
    let mut unfolded = 0_u64;
    loop {
        let (width, height) = decoder.dimensions().map_err(failed)?;
        match decoder.colortype().map_err(failed)? {
            ColorType::Gray(8 | 16 | 32 | 64) => {}
            other => {
                return Err(place.error(format!("pixels of type {other:?}; grey of 8, 16, 32 or 64 bits is needed")));
            }
        }
        if *stack.size.get_or_insert((height, width)) != (height, width) {
            return Err(place.error(format!("page {} is {width} × {height}, unlike those before it", stack.pages)));
        }
        // Every page becomes 4 bytes a pixel, and pages may share their bytes in the file.
        unfolded = (u64::from(width) * u64::from(height)).saturating_mul(4).saturating_add(unfolded);
        if unfolded > limit {
            return Err(place.error(format!(
                "{width} × {height} pixels and {} pages are promised by a file of {} bytes: truncated, or not what it says",
                stack.pages + 1,
                place.length()?
            )));
        }
        let so_far = stack.values.len();
        append(&mut stack.values, decoder.read_image().map_err(failed)?);
        if (stack.values.len() - so_far) as u64 != u64::from(width) * u64::from(height) {
            return Err(place.error("not a whole TIFF file: a page without all its pixels"));
        }
        stack.pages += 1;
        if !decoder.more_images() {
            break;
        }
        decoder.next_image().map_err(failed)?;
    }
    match imagej {
        Some(imagej) => imagej.complete(place, stack, before, run),
        None => Ok(()),
    }
}

fn append(values: &mut Vec<f32>, page: DecodingResult) {
    macro_rules! cast {
        ($page:expr) => {
            values.extend($page.into_iter().map(|v| v as f32))
        };
    }
    match page {
        DecodingResult::F32(page) => values.extend(page),
        DecodingResult::F16(page) => values.extend(page.into_iter().map(f32::from)),
        DecodingResult::F64(page) => cast!(page),
        DecodingResult::U8(page) => cast!(page),
        DecodingResult::U16(page) => cast!(page),
        DecodingResult::U32(page) => cast!(page),
        DecodingResult::U64(page) => cast!(page),
        DecodingResult::I8(page) => cast!(page),
        DecodingResult::I16(page) => cast!(page),
        DecodingResult::I32(page) => cast!(page),
        DecodingResult::I64(page) => cast!(page),
    }
}

impl Stack {
    /// `[y, x]` for a single page, else `[page, y, x]`.
    fn array(self, place: &Place) -> Result<Values> {
        let (height, width) = self.size.unwrap_or_default();
        let shape = [self.pages, height as usize, width as usize];
        let shape = if self.pages == 1 { &shape[1..] } else { &shape[..] };
        ArrayD::from_shape_vec(IxDyn(shape), self.values).map(Values::F32).map_err(|error| place.error(error))
    }
}

fn read(place: &Place) -> Result<Values> {
    read_stack(place)?.array(place)
}

fn read_image(place: &Place) -> Result<Image> {
    let mut stack = read_stack(place)?;
    let description = stack.description.take();
    let mut image = bare_image(place, stack.array(place)?, "TIFF")?;
    if let Some((grid, unit, quantity)) = description.and_then(|text| understand(&text, image.grid.shape)) {
        (image.grid, image.unit, image.quantity) = (grid, unit, quantity);
    }
    Ok(image)
}

/// What the first page says, besides its pixels.
struct Label {
    description: String,
    /// Pixel size (x, y) in mm.
    pixel: Option<[f64; 2]>,
}

fn write_pages(path: &Path, pages: ArrayView3<f32>, label: &Label, staging: &mut Staging) -> Result<()> {
    let (count, height, width) = pages.dim();
    let (Ok(height), Ok(width)) = (u32::try_from(height), u32::try_from(width)) else {
        return Err(Error::file(path, "too many rows or columns for TIFF"));
    };
    // Offsets of plain TIFF end at 4 GiB; a page's own tags take well under 4 KiB and its strip tables 16 bytes a row.
    let bytes = pages.len() as u64 * 4 + count as u64 * (4096 + 16 * u64::from(height));
    staging.add(path, |output| {
        let written = if bytes < u64::from(u32::MAX) {
            TiffEncoder::new(output).and_then(|mut file| encode(&mut file, pages, [width, height], label))
        } else {
            TiffEncoder::new_big(output).and_then(|mut file| encode(&mut file, pages, [width, height], label))
        };
        written.map_err(|error| match error {
            TiffError::IoError(error) => error,
            other => io::Error::other(other),
        })
    })
}

fn encode<W: Write + Seek, K: TiffKind>(
    file: &mut TiffEncoder<W, K>,
    pages: ArrayView3<f32>,
    [width, height]: [u32; 2],
    label: &Label,
) -> std::result::Result<(), TiffError> {
    for (index, page) in pages.outer_iter().enumerate() {
        let mut image: ImageEncoder<_, Gray32Float, K> = file.new_image(width, height)?;
        image.resolution_unit(if label.pixel.is_some() { ResolutionUnit::Centimeter } else { ResolutionUnit::None });
        if let Some([x, y]) = label.pixel {
            image.x_resolution(per_centimetre(x));
            image.y_resolution(per_centimetre(y));
        }
        if index == 0 {
            image.encoder().write_tag(Tag::ImageDescription, label.description.as_str())?;
        }
        image.write_data(page.as_standard_layout().as_slice().unwrap_or_default())?;
    }
    Ok(())
}

/// Pixels a centimetre, for a pixel size in mm that is kept to the nanometre.
fn per_centimetre(size: f64) -> Rational {
    Rational { n: 10_000_000, d: (size * 1e6).round().max(1.0) as u32 }
}

fn write_image(path: &Path, image: &Image, _: &WriteOptions, staging: &mut Staging) -> Result<Option<String>> {
    let [_, y, x] = image.grid.voxel();
    let pixel = (image.unit == LengthUnit::Millimetre).then_some([x, y]);
    write_pages(path, image.values.view(), &Label { description: describe(image), pixel }, staging)?;
    Ok(None)
}

/// One page a view; a scan of one row is one page `[view, column]`.
fn write_recording(path: &Path, recording: &Recording, staging: &mut Staging) -> Result<()> {
    if recording.flat.is_some() || recording.dark.is_some() {
        return Err(Error::file(path, "a TIFF file cannot hold flat and dark fields beside the counts; use .h5"));
    }
    let mut pages = recording.data.view();
    if pages.dim().1 == 1 {
        pages.swap_axes(0, 1);
    }
    let label = Label { description: "Rushlight scan".into(), pixel: None };
    write_pages(path, pages, &label, staging)
}
