//! Channels: the few numbers that an observer sees of an image, each the sum of the image times a template.
//!
//! One file a kind, and one list of them. Lengths are in pixels, frequencies in cycles per pixel.

use ndarray::{Array2, ArrayView3, Axis};
use rayon::prelude::*;

use crate::error::{Error, Result};

/// The templates' place: their size `[rows, columns]`, and their centre (x, y) in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Column and row of the centre.
    pub center: [f64; 2],
}

impl Frame {
    /// A frame whose centre is its middle.
    pub fn centered(size: [usize; 2]) -> Self {
        Self { size, center: [(size[1] as f64 - 1.0) / 2.0, (size[0] as f64 - 1.0) / 2.0] }
    }

    /// `of(x, y)` for every pixel, from the centre, in C order.
    fn draw(&self, of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
        let [rows, columns] = self.size;
        let [cx, cy] = self.center;
        (0..rows * columns).map(|i| of((i % columns) as f64 - cx, (i / columns) as f64 - cy)).collect()
    }
}

/// The one list: the kinds of channels, each `file::Kind`.
macro_rules! kinds {
    ($($file:ident :: $kind:ident),* $(,)?) => {
        $(mod $file;)*
        $(pub use $file::$kind;)*

        /// A set of channels.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Channels {
            $(#[doc = concat!("See [`", stringify!($kind), "`].")] $kind($kind),)*
        }

        $(impl From<$kind> for Channels {
            fn from(channels: $kind) -> Self {
                Self::$kind(channels)
            }
        })*

        impl Channels {
            /// One template a channel, each of the frame's pixels in C order.
            fn templates(&self, frame: &Frame) -> Vec<Vec<f64>> {
                match self {
                    $(Self::$kind(channels) => channels.templates(frame),)*
                }
            }

            /// What cannot be used, in words.
            fn trouble(&self) -> Option<String> {
                match self {
                    $(Self::$kind(channels) => channels.trouble(),)*
                }
            }
        }

        /// Every set that has a name, with its published or usual numbers; `radius` is the signal's, in pixels.
        const NAMED: &[&[Named]] = &[$($file::NAMED),*];
    };
}

kinds! { laguerre_gauss::LaguerreGauss, gabor::Gabor, difference_of_gaussians::DifferenceOfGaussians }

/// Name, one line about it, and the set for a signal of some radius, in pixels.
type Named = (&'static str, &'static str, fn(f64) -> Channels);

impl Channels {
    /// The names that [`Channels::named`] knows, with a line about each.
    pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        NAMED.iter().flat_map(|named| named.iter()).map(|(name, about, _)| (*name, *about))
    }

    /// The set called `name`, for a signal of `radius` pixels.
    ///
    /// # Errors
    /// An unknown name.
    pub fn named(name: &str, radius: f64) -> Result<Self> {
        match NAMED.iter().flat_map(|named| named.iter()).find(|named| named.0 == name) {
            Some((_, _, make)) => Ok(make(radius)),
            None => {
                let known: Vec<_> = Self::names().map(|(name, _)| name).collect();
                Err(Error::Option(format!("no channels '{name}'; known channels: {}", known.join(", "))))
            }
        }
    }

    /// The templates `[channel, pixel]` on `frame`, pixels in C order, each of norm 1.
    ///
    /// # Errors
    /// Numbers that make no channels, a channel that is 0 on the whole frame.
    pub fn matrix(&self, frame: &Frame) -> Result<Array2<f64>> {
        if let Some(trouble) = self.trouble() {
            return Err(Error::Option(trouble));
        }
        let mut templates = self.templates(frame);
        for (index, template) in templates.iter_mut().enumerate() {
            let norm = template.iter().map(|v| v * v).sum::<f64>().sqrt();
            if !(norm > 0.0 && norm.is_finite()) {
                return Err(Error::Option(format!("channel {index} is 0 on all of {:?} pixels [y, x]", frame.size)));
            }
            template.iter_mut().for_each(|value| *value /= norm);
        }
        let shape = (templates.len(), frame.size.iter().product());
        Array2::from_shape_vec(shape, templates.concat()).map_err(|error| Error::Option(error.to_string()))
    }
}

/// The channels' outputs `[n, channel]` for images `[n, y, x]`.
pub fn outputs(images: ArrayView3<f32>, matrix: &Array2<f64>) -> Array2<f64> {
    let images: Vec<_> = images.axis_iter(Axis(0)).collect();
    let dot = |image: &[f64], template: &[f64]| image.iter().zip(template).map(|(a, b)| a * b).sum::<f64>();
    let rows: Vec<Vec<f64>> = images
        .par_iter()
        .map(|image| {
            let image: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
            matrix.outer_iter().map(|row| dot(&image, row.as_slice().unwrap_or_default())).collect()
        })
        .collect();
    Array2::from_shape_fn((images.len(), matrix.nrows()), |(image, channel)| rows[image][channel])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_channels() {
        let frame = Frame::centered([64, 64]);
        let count = |name| Channels::named(name, 5.0).unwrap().matrix(&frame).unwrap().nrows();
        assert_eq!(["lg", "gabor", "dog", "dog-dense"].map(count), [6, 40, 3, 10]);
        assert_eq!(Channels::names().count(), 4);
        assert!(Channels::named("haar", 5.0).unwrap_err().to_string().contains("dog-dense"));
    }
}
