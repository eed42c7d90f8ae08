//! PNG: pictures to look at, 8-bit grey through a window. Grid and unit are kept as text, the values are not.

use std::{io, path::Path};

use ndarray::{Array3, ArrayD, ArrayView2, IxDyn};
use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, Limits, PixelDimensions, Transformations, Unit};

use super::{
    Format, WriteOptions, bare_image,
    description::{describe, understand},
    mr::Mr,
    numbers::Values,
    output::{Staging, numbered},
    place::{Place, unfolded_limit},
};
use crate::{
    error::{Error, Result, check_finite},
    geometry::LengthUnit,
    image::{Image, Quantity},
};

const KEYWORD: &str = "Description";

pub(super) const FORMAT: Format = Format {
    name: "png",
    extensions: &["png"],
    about: "PNG, grey of 8 or 16 bits; written as 8 bits through --window CENTRE,WIDTH",
    recognise: |head, _| head.starts_with(b"\x89PNG\r\n\x1a\n"),
    folders: false,
    read: |place| read_picture(place).map(|(values, _)| values),
    read_image: Some(read_image),
    read_recording: None,
    write_image: Some(write_image),
    write_recording: None,
    mr: Mr::NONE,
};

/// Grey levels `[y, x]` and the description.
fn read_picture(place: &Place) -> Result<(Values, Option<String>)> {
    place.no_inner("PNG")?;
    let failed = |error: DecodingError| match error {
        DecodingError::IoError(error) => place.io_error(error),
        other => place.error(format!("not a whole PNG file: {other}")),
    };
    let limit = usize::try_from(unfolded_limit(place.length()?)).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(place.open()?, Limits { bytes: limit });
    // Palettes and fewer than 8 bits are spread out; 16 bits stay.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(failed)?;
    let (color, depth) = reader.output_color_type();
    if color != ColorType::Grayscale {
        return Err(place.error(format!("a {color:?} picture; one of grey levels is needed")));
    }
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let size = reader.output_buffer_size().filter(|size| *size <= limit);
    let size = size.ok_or_else(|| {
        place.error(format!("{width} × {height} pixels are promised: truncated, or not what it says"))
    })?;
    let mut bytes = vec![0; size];
    reader.next_frame(&mut bytes).map_err(failed)?;
    let levels: Vec<f32> = match depth {
        BitDepth::Sixteen => {
            bytes.chunks_exact(2).map(|pair| f32::from(u16::from_be_bytes([pair[0], pair[1]]))).collect()
        }
        _ => bytes.iter().map(|level| f32::from(*level)).collect(),
    };
    let text = reader.info().uncompressed_latin1_text.iter().find(|chunk| chunk.keyword == KEYWORD);
    let values = ArrayD::from_shape_vec(IxDyn(&[height, width]), levels).map_err(|error| place.error(error))?;
    Ok((Values::F32(values), text.map(|chunk| chunk.text.clone())))
}

fn read_image(place: &Place) -> Result<Image> {
    let (levels, text) = read_picture(place)?;
    let mut image = bare_image(place, levels, "PNG grey levels")?;
    // Grey levels are no longer what the quantity says.
    if let Some((grid, unit, _)) = text.and_then(|text| understand(&text, image.grid.shape)) {
        (image.grid, image.unit, image.quantity) = (grid, unit, Quantity::Unknown);
    }
    Ok(image)
}

fn write_image(path: &Path, image: &Image, options: &WriteOptions, staging: &mut Staging) -> Result<Option<String>> {
    let values = image.values.as_standard_layout();
    check_finite("the image", values.shape(), values.as_slice().unwrap_or_default())?;
    let window = match options.window {
        Some((centre, width)) if centre.is_finite() && width.is_finite() && width > 0.0 => {
            [centre - width / 2.0, centre + width / 2.0]
        }
        Some((centre, width)) => {
            return Err(Error::Option(format!(
                "a window of centre {centre} and width {width}: the width must be above 0"
            )));
        }
        None => full_window(&image.values),
    };
    let mut one = image.clone_without_values();
    for (z, slice) in image.values.outer_iter().enumerate() {
        one.grid.first = image.grid.position([z as f64, 0.0, 0.0]);
        write_picture(&numbered(path, z, image.values.dim().0), slice, window, &one, staging)?;
    }
    let [low, high] = window;
    Ok(options.window.is_none().then(|| {
        format!(
            "grey runs from {low} to {high} {}, the least and greatest value; --window chooses",
            image.quantity.unit()
        )
    }))
}

/// Least and greatest value.
fn full_window(values: &Array3<f32>) -> [f64; 2] {
    let bounds = values.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], v| [low.min(*v), high.max(*v)]);
    bounds.map(f64::from)
}

fn write_picture(
    path: &Path,
    slice: ArrayView2<f32>,
    [low, high]: [f64; 2],
    about: &Image,
    staging: &mut Staging,
) -> Result<()> {
    let (height, width) = slice.dim();
    let (Ok(height), Ok(width)) = (u32::try_from(height), u32::try_from(width)) else {
        return Err(Error::file(path, "too many rows or columns for PNG"));
    };
    let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
    // A float to an integer saturates: what lies outside the window is black or white.
    let levels: Vec<u8> = slice.iter().map(|v| ((f64::from(*v) - low) * scale).round() as u8).collect();
    staging.add(path, |output| {
        let mut encoder = Encoder::new(output, width, height);
        encoder.set_color(ColorType::Grayscale);
        encoder.set_depth(BitDepth::Eight);
        if about.unit == LengthUnit::Millimetre {
            let [_, y, x] = about.grid.voxel().map(|size| (1000.0 / size).round() as u32);
            encoder.set_pixel_dims(Some(PixelDimensions { xppu: x, yppu: y, unit: Unit::Meter }));
        }
        encoder
            .add_text_chunk(KEYWORD.into(), describe(about))
            .and_then(|()| encoder.write_header())
            .and_then(|mut writer| writer.write_image_data(&levels).and_then(|()| writer.finish()))
            .map_err(io::Error::other)
    })
}
