//! CT-number accuracy and noise in a region: mean − truth, and the standard deviation (AAPM TG-233, 2019; ICRU Report 87).

use ndarray::ArrayView3;

use super::Roi;
use crate::error::{Error, Result};

/// Mean and spread of the voxels of a region, in the image's unit.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct CtNumber {
    /// Mean value.
    pub mean: f64,
    /// Mean − truth.
    pub bias: f64,
    /// Standard deviation between voxels (n − 1 in the denominator): noise, where the object is uniform there.
    pub noise: f64,
    /// Voxels in the region.
    pub voxels: usize,
}

/// Measures `image`, `[z, y, x]` (or `[realisation, y, x]`), in `roi`, where the object's value is `truth`.
///
/// # Errors
/// A region with fewer than two voxels of the image, values that are not finite.
pub fn measure(image: ArrayView3<f32>, roi: &Roi, truth: f64) -> Result<CtNumber> {
    let inside = || image.indexed_iter().filter(|&((z, y, x), _)| roi.contains(z, y, x)).map(|(_, &v)| f64::from(v));
    let voxels = inside().count();
    if voxels < 2 {
        return Err(Error::Option(format!(
            "{voxels} voxels of the image, {:?} [z, y, x], lie in the region of interest; a mean and a spread need two",
            image.shape()
        )));
    }
    let mean = inside().sum::<f64>() / voxels as f64;
    // Twice through the voxels: the difference of large sums would lose the digits of a small noise.
    let squares: f64 = inside().map(|value| (value - mean).powi(2)).sum();
    if !squares.is_finite() {
        return Err(Error::Option("the region of interest holds values that are not finite (NaN or infinite)".into()));
    }
    Ok(CtNumber { mean, bias: mean - truth, noise: (squares / (voxels - 1) as f64).sqrt(), voxels })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn mean_bias_and_noise_have_their_defined_values() {
        // 0, 1, … 6 in the box: mean 3, Σ (v − 3)² = 28. The shift of 1000 must not cost digits.
        let image = Array3::from_shape_fn((1, 3, 9), |(_, y, x)| if y == 1 { 1000.0 + x as f32 } else { -5e6 });
        let found = measure(image.view(), &"box:0..7,1..2".parse().unwrap(), 1001.0).unwrap();
        assert_eq!((found.mean, found.bias, found.voxels), (1003.0, 2.0, 7));
        assert!((found.noise - (28.0_f64 / 6.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn regions_without_voxels_are_refused() {
        let image = Array3::<f32>::zeros((1, 3, 9));
        for roi in ["circle:20,1,2", "box:2..3,1..2"] {
            assert!(measure(image.view(), &roi.parse().unwrap(), 0.0).unwrap_err().to_string().contains("region"));
        }
        let image = Array3::from_elem((1, 3, 9), f32::NAN);
        assert!(measure(image.view(), &"circle:4,1,2".parse().unwrap(), 0.0).is_err());
    }
}
