//! An image and what is known of its noise, as denoisers take them.

use std::ops::Range;

use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    operators::arithmetic::{add_lines, fill},
};

/// The standard deviation of the noise.
#[derive(Debug)]
pub enum Sigma {
    /// Everywhere the same.
    Flat(f32),
    /// That of every pixel, shaped like the image.
    Map(Array),
}

/// An image `[nz·ny, nx]` with noise.
#[derive(Clone, Copy, Debug)]
pub struct Noisy<'a> {
    /// The image.
    pub image: &'a Array,
    /// Slices, lines of a slice, columns.
    pub slices: [usize; 3],
    /// The noise.
    pub sigma: &'a Sigma,
}

impl<'a> Noisy<'a> {
    /// Puts the three together.
    ///
    /// # Errors
    /// [`Error::Option`] for a σ that is not above 0.
    ///
    /// # Panics
    /// If the shapes of image, slices and map differ.
    #[track_caller]
    pub fn new(image: &'a Array, slices: [usize; 3], sigma: &'a Sigma) -> Result<Self> {
        let [nz, ny, nx] = slices;
        assert_eq!(image.shape(), [nz * ny, nx], "an image of slices {slices:?}");
        match sigma {
            Sigma::Map(map) => assert_eq!(map.shape(), image.shape(), "a map of the noise"),
            Sigma::Flat(sigma) if *sigma > 0.0 && sigma.is_finite() => {}
            Sigma::Flat(sigma) => return Err(bad_sigma(f64::from(*sigma))),
        }
        Ok(Self { image, slices, sigma })
    }

    /// Slice `z` and as many as `depth` on either side of it.
    pub fn near(&self, z: usize, depth: usize) -> Range<usize> {
        z.saturating_sub(depth)..z.saturating_add(depth).saturating_add(1).min(self.slices[0])
    }

    /// Most slices that are near one.
    pub fn most_near(&self, depth: usize) -> usize {
        depth.saturating_mul(2).saturating_add(1).min(self.slices[0])
    }

    /// Lines of slices `z`, one slice behind the other, in an array of their own.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] also where they do not fit one binding: their pixels are compared with each other.
    pub fn take(&self, device: &Device, z: Range<usize>, lines: &Range<usize>) -> Result<Array> {
        self.cut(device, self.image, z, lines)
    }

    /// σ of lines of slice `z`.
    ///
    /// # Errors
    /// As for [`Self::take`].
    pub fn sigma_of(&self, device: &Device, z: usize, lines: &Range<usize>) -> Result<Array> {
        match self.sigma {
            Sigma::Map(map) => self.cut(device, map, z..z + 1, lines),
            Sigma::Flat(sigma) => {
                let mut map = device.zeros(&[lines.len(), self.slices[2]], Element::F32)?;
                fill(device, *sigma, &mut map);
                Ok(map)
            }
        }
    }

    /// σ of each slice, one for all where it is the same everywhere, or the root of the mean of its squares where it varies.
    ///
    /// # Errors
    /// What has gone wrong on the device.
    pub fn of_slices(&self, device: &Device) -> Result<Vec<f32>> {
        match self.sigma {
            Sigma::Flat(sigma) => Ok(vec![*sigma]),
            Sigma::Map(map) => Ok(of_slices(&device.download::<f32>(map)?, self.slices[1] * self.slices[2])),
        }
    }

    /// σ, or the root of the mean of its squares where it varies.
    ///
    /// # Errors
    /// What has gone wrong on the device.
    pub fn typical(&self, device: &Device) -> Result<f32> {
        let squares = self.of_slices(device)?.into_iter().map(|sigma| f64::from(sigma).powi(2)).collect::<Vec<f64>>();
        Ok((squares.iter().sum::<f64>() / squares.len() as f64).sqrt() as f32)
    }

    fn cut(&self, device: &Device, image: &Array, z: Range<usize>, lines: &Range<usize>) -> Result<Array> {
        let [_, ny, nx] = self.slices;
        let bytes = 4 * (z.len() * lines.len() * nx) as u64;
        if bytes > device.binding_limit() {
            return Err(Error::OutOfMemory {
                device: device.name(),
                bytes,
                limit: format!("slices must fit one binding of {} bytes to be compared", device.binding_limit()),
            });
        }
        let mut slices = device.zeros(&[z.len() * lines.len(), nx], Element::F32)?;
        for (index, z) in z.enumerate() {
            add_lines(device, (image, &mut slices), [z * ny + lines.start, index * lines.len()], lines.len());
        }
        Ok(slices)
    }
}

/// The root of the mean of the squares of σ in each slice of `size` pixels; of one σ, itself.
pub(super) fn of_slices(sigmas: &[f32], size: usize) -> Vec<f32> {
    let typical = |sigmas: &[f32]| {
        let square: f64 = sigmas.iter().map(|sigma| f64::from(*sigma).powi(2)).sum();
        (square / sigmas.len() as f64).sqrt() as f32
    };
    sigmas.chunks(size).map(typical).collect()
}

/// What is said of a σ that cannot be.
pub(super) fn bad_sigma(sigma: f64) -> Error {
    Error::Option(format!("noise with a standard deviation of {sigma}: it must be a finite number above 0"))
}
