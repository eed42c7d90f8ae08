//! Pictures for the report: whole CT numbers in a PNG that a page can window, and truth and images alike.
//!
//! The picture has twice the image's rows: the upper half holds the high bytes of HU + 32768, the lower half the low
//! bytes, so that a canvas, which has eight bits a channel, gives back all sixteen.

use base64::{Engine, engine::general_purpose::STANDARD};
use ndarray::ArrayView2;
use png::{BitDepth, ColorType, Compression, Encoder};

use crate::error::{Error, Result};

/// `image` in HU as a data URI; CT numbers are rounded to whole ones and held to ±32767.
pub fn data_uri(image: ArrayView2<f32>) -> Result<String> {
    let levels: Vec<u16> = image.iter().map(|hu| (f64::from(*hu) + 32768.0).round() as u16).collect();
    let halves = levels.iter().map(|level| (level >> 8) as u8).chain(levels.iter().map(|level| *level as u8));
    let bytes: Vec<u8> = halves.collect();
    let (rows, columns) = image.dim();
    let trouble = |error: png::EncodingError| Error::Option(format!("a picture of the report: {error}"));
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, columns as u32, 2 * rows as u32);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::High);
    let mut writer = encoder.write_header().map_err(trouble)?;
    writer.write_image_data(&bytes).map_err(trouble)?;
    writer.finish().map_err(trouble)?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_gives_back_its_numbers() {
        let image = ndarray::arr2(&[[-1000.4, 0.0, 3071.6], [255.0, 256.0, -40000.0]]);
        let uri = data_uri(image.view()).unwrap();
        let file = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((frame.width, frame.height), (3, 4));
        let numbers: Vec<i32> = (0..6).map(|i| i32::from(bytes[i]) * 256 + i32::from(bytes[i + 6]) - 32768).collect();
        assert_eq!(numbers, [-1000, 0, 3072, 255, 256, -32768]);
    }
}
