//! How good an image is: figures that are defined in the literature, each with its source.
//!
//! Beside the truth: [`compare`]. For a task: the noise power spectrum ([`nps`]), the task transfer function ([`ttf`]),
//! CT-number bias and noise ([`ct_number`]) and low-contrast detectability by model observers ([`observer`]).

pub mod ct_number;
pub mod nps;
pub mod observer;
pub mod psnr;
pub mod rmse;
pub mod roi;
pub mod ssim;
pub mod stack;
pub mod ttf;

pub use roi::Roi;

use std::fmt;

use ndarray::{Array3, Zip};

use crate::error::{Error, Result, check_finite};

/// How two images are compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Data range for PSNR and SSIM; by default the window's width, or, without a window, the truth's max − min (of
    /// the whole truth, whatever the region, so that regions can be compared).
    pub data_range: Option<f64>,
    /// Where to compare; everywhere by default.
    pub roi: Option<Roi>,
    /// Centre and width of the grey-value window both images are clipped to.
    pub window: Option<(f64, f64)>,
}

/// An image beside its truth.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// Root mean square error, in the images' unit.
    pub rmse: f64,
    /// ‖image − truth‖/‖truth‖; JSON `null` where the truth is 0 everywhere.
    pub nrmse: f64,
    /// Peak signal-to-noise ratio, dB; infinite for equal images, in JSON `null`.
    pub psnr: f64,
    /// Mean structural similarity; `None`, in JSON `null`, where no window of 11 × 11 pixels fits.
    pub ssim: Option<f64>,
    /// The range that PSNR and SSIM were taken with, in the images' unit.
    pub data_range: f64,
    /// How many voxels were compared.
    pub voxels: usize,
}

/// One line a figure, for a terminal.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "RMSE        {:.6e}", self.rmse)?;
        writeln!(f, "NRMSE       {:.6}", self.nrmse)?;
        writeln!(f, "PSNR        {:.3} dB", self.psnr)?;
        match self.ssim {
            Some(ssim) => writeln!(f, "SSIM        {ssim:.6}")?,
            None => writeln!(f, "SSIM        none: no 11 × 11 window fits")?,
        }
        writeln!(f, "data range  {}", self.data_range)?;
        write!(f, "voxels      {}", self.voxels)
    }
}

/// Two images made ready to be compared: same shape, finite, clipped to the window.
pub struct Pair<'a> {
    image: Array3<f32>,
    truth: Array3<f32>,
    data_range: f64,
    roi: Option<&'a Roi>,
}

impl<'a> Pair<'a> {
    /// Checks and prepares `image` and `truth`, `[z, y, x]`.
    ///
    /// # Errors
    /// Shapes that differ, values that are not finite, a region or window that is empty, no data range.
    pub fn new(image: &Array3<f32>, truth: &Array3<f32>, options: &'a Options) -> Result<Self> {
        if image.dim() != truth.dim() {
            return Err(Error::Option(format!(
                "the image is {:?} [z, y, x], the truth {:?}: only images of one shape can be compared",
                image.shape(),
                truth.shape()
            )));
        }
        let (mut image, mut truth) = (image.as_standard_layout().into_owned(), truth.as_standard_layout().into_owned());
        check_finite("the image", image.shape(), image.as_slice().unwrap_or_default())?;
        check_finite("the truth", truth.shape(), truth.as_slice().unwrap_or_default())?;
        if let Some((centre, width)) = options.window {
            if !(width > 0.0 && width.is_finite() && centre.is_finite()) {
                return Err(Error::Option(format!("window {centre},{width}: its width must be above 0")));
            }
            let (low, high) = ((centre - width / 2.0) as f32, (centre + width / 2.0) as f32);
            if low == high {
                return Err(Error::Option(format!(
                    "window {centre},{width}: between its ends no two values differ in 32 bits; a wider one is needed"
                )));
            }
            image.par_mapv_inplace(|value| value.clamp(low, high));
            truth.par_mapv_inplace(|value| value.clamp(low, high));
        }
        let data_range = match (options.data_range, options.window) {
            (Some(range), _) => range,
            (None, Some((_, width))) => width,
            (None, None) => {
                let (low, high) = truth.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
                f64::from(high) - f64::from(low)
            }
        };
        if !(data_range > 0.0 && data_range.is_finite()) {
            return Err(Error::Option(match options.data_range {
                Some(range) => format!("a data range of {range}: it must be above 0"),
                None => "the truth has one value everywhere, so it has no data range: give one".into(),
            }));
        }
        // SSIM squares it: beyond, its constants are 0 or infinite, and it is 0/0.
        if !(1e-60..=1e60).contains(&data_range) {
            return Err(Error::Option(format!(
                "a data range of {data_range:e}: no image has one; 1e-60 to 1e60 is taken"
            )));
        }
        let pair = Self { image, truth, data_range, roi: options.roi.as_ref() };
        if pair.sum(|_, _| 0.0).1 == 0 {
            return Err(Error::Option(format!(
                "no voxel of the images, {:?} [z, y, x], lies in the region of interest",
                pair.truth.shape()
            )));
        }
        Ok(pair)
    }

    /// Whether a voxel is to be compared.
    fn contains(&self, z: usize, y: usize, x: usize) -> bool {
        self.roi.is_none_or(|roi| roi.contains(z, y, x))
    }

    /// Sum of `of(image, truth)` over the region, and how many voxels it has.
    fn sum(&self, of: impl Fn(f64, f64) -> f64 + Sync) -> (f64, usize) {
        let sums = Zip::indexed(self.image.rows()).and(self.truth.rows()).par_map_collect(|(z, y), image, truth| {
            let mut sum = (0.0, 0);
            for (x, (&image, &truth)) in image.iter().zip(truth).enumerate() {
                if self.contains(z, y, x) {
                    sum.0 += of(image.into(), truth.into());
                    sum.1 += 1;
                }
            }
            sum
        });
        sums.iter().fold((0.0, 0), |total, row| (total.0 + row.0, total.1 + row.1))
    }
}

/// Compares `image` with `truth`, both `[z, y, x]` in the same unit.
///
/// # Errors
/// Those of [`Pair::new`].
pub fn compare(image: &Array3<f32>, truth: &Array3<f32>, options: &Options) -> Result<Comparison> {
    let pair = Pair::new(image, truth, options)?;
    Ok(Comparison {
        rmse: rmse::rmse(&pair),
        nrmse: rmse::nrmse(&pair),
        psnr: psnr::psnr(&pair),
        ssim: ssim::ssim(&pair),
        data_range: pair.data_range,
        voxels: pair.sum(|_, _| 0.0).1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Truth 0..11 in a row, and an image that is 0.5 above it.
    fn pair() -> (Array3<f32>, Array3<f32>) {
        let truth = Array3::from_shape_fn((1, 1, 11), |(_, _, x)| x as f32);
        (truth.mapv(|v| v + 0.5), truth)
    }

    #[test]
    fn figures_have_their_defined_values() {
        let (image, truth) = pair();
        let figures = compare(&image, &truth, &Options::default()).unwrap();
        assert_eq!((figures.rmse, figures.data_range, figures.voxels), (0.5, 10.0, 11));
        // Σ d² = 11/4, Σ x² = 385; 20·log10(10/0.5).
        assert!((figures.nrmse - (2.75_f64 / 385.0).sqrt()).abs() < 1e-12);
        assert!((figures.psnr - 26.020599913279625).abs() < 1e-12);
    }

    #[test]
    fn regions_and_windows_choose_what_is_compared() {
        let (mut image, truth) = pair();
        image[[0, 0, 9]] = 100.0;
        let region = Options { roi: Some("box:2..6,0..1".parse().unwrap()), ..Options::default() };
        let figures = compare(&image, &truth, &region).unwrap();
        assert_eq!((figures.rmse, figures.data_range, figures.voxels), (0.5, 10.0, 4));
        // Clipped to 3..7: only the truths 3 to 6 differ, by 0.5, and 2 and 7 not at all.
        let window = Options { window: Some((5.0, 4.0)), ..Options::default() };
        let figures = compare(&image, &truth, &window).unwrap();
        assert!((figures.rmse - (4.0 * 0.25_f64 / 11.0).sqrt()).abs() < 1e-12);
        assert_eq!(figures.data_range, 4.0);
    }

    #[test]
    fn equal_images_give_valid_json() {
        let (_, truth) = pair();
        let figures = compare(&truth, &truth, &Options::default()).unwrap();
        assert_eq!(figures.psnr, f64::INFINITY);
        let json = serde_json::to_string(&figures).unwrap();
        assert_eq!(json, r#"{"rmse":0.0,"nrmse":0.0,"psnr":null,"ssim":null,"data_range":10.0,"voxels":11}"#);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let (image, truth) = pair();
        let message = |image: &Array3<f32>, truth: &Array3<f32>, options: &Options| {
            compare(image, truth, options).unwrap_err().to_string()
        };
        let said = message(&Array3::zeros((1, 2, 11)), &truth, &Options::default());
        assert!(said.contains("[1, 2, 11]") && said.contains("[1, 1, 11]"), "{said}");
        let said = message(&image, &Array3::ones((1, 1, 11)), &Options::default());
        assert!(said.contains("data range"), "{said}");
        let said = message(&image.mapv(|v| v / 0.0 - f32::INFINITY), &truth, &Options::default());
        assert!(said.contains("not finite"), "{said}");
        let outside = Options { roi: Some("circle:90,0,3".parse().unwrap()), ..Options::default() };
        assert!(message(&image, &truth, &outside).contains("region"));
        for options in [
            Options { data_range: Some(0.0), ..Options::default() },
            Options { data_range: Some(f64::NAN), ..Options::default() },
            Options { window: Some((3.0, -1.0)), ..Options::default() },
            Options { window: Some((3.0, 0.0)), ..Options::default() },
            Options { window: Some((3.0, 1e-9)), ..Options::default() },
            Options { window: Some((0.0, 1e300)), ..Options::default() },
            Options { data_range: Some(1e-200), ..Options::default() },
        ] {
            assert!(compare(&image, &truth, &options).is_err(), "{options:?}");
        }
    }
}
