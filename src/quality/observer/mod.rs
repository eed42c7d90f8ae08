//! Low-contrast detectability: the channelised Hotelling observer, a linear observer trained on examples.
//!
//! Barrett, Yao, Rolland, Myers, "Model observers for assessment of image quality", Proc. Natl. Acad. Sci. USA 90 (1993)
//! 9758; Barrett, Myers, "Foundations of Image Science" (2004), ch. 14. An image g is seen as v = Uᵀg; the observer's
//! score is wᵀv, w = K⁻¹(v̄₁ − v̄₀), with K the mean of the covariances with and without the signal.

pub mod auc;
pub mod channels;
mod hotelling;

use ndarray::{ArrayView2, ArrayView3};

use super::stack;
use crate::{
    error::{Error, Result},
    random::Draws,
};

pub use channels::{Channels, Frame};

/// Which images train the observer, and which it is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Validation {
    /// All do both: optimistic, the more so the more channels there are for the images.
    Resubstitution,
    /// The first part of each kind trains, the rest judges.
    HoldOut {
        /// The part that trains, between 0 and 1.
        training: f64,
    },
    /// Each image is judged by an observer trained on all others: a little pessimistic, and wastes none.
    #[default]
    LeaveOneOut,
}

/// How an observer is studied.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Column and row of the signal in the regions, in pixels; their middle by default.
    pub center: Option<[f64; 2]>,
    /// Training and judging.
    pub validation: Validation,
    /// Bootstrap samples for the interval of d′.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { center: None, validation: Validation::default(), resamples: 2000, seed: 0 }
    }
}

/// How well the signal is seen. Intervals hold 95 %; they take the trained observer as given.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Detectability {
    /// Area under the ROC curve: the chance that of two images the one with the signal has the higher score (Mann and
    /// Whitney).
    pub auc: f64,
    /// Interval of `auc`, by DeLong's variance.
    pub auc_interval: [f64; 2],
    /// d′: the difference of the mean scores over the root of the mean of their variances.
    pub dprime: f64,
    /// Interval of `dprime`, by the bootstrap over the images judged.
    pub dprime_interval: [f64; 2],
    /// How many channels there are.
    pub channels: usize,
    /// Images judged with and without the signal.
    pub images: [usize; 2],
}

/// Scores of the images judged, with and without the signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// With the signal.
    pub present: Vec<f64>,
    /// Without.
    pub absent: Vec<f64>,
}

/// Trains and judges an observer on regions `[n, y, x]` with and without the signal.
///
/// # Errors
/// Regions of two sizes, values that are not finite, channels that cannot be, too few images for the channels, noise
/// that some channel does not have.
pub fn study(
    present: ArrayView3<f32>,
    absent: ArrayView3<f32>,
    channels: &Channels,
    options: &Options,
) -> Result<Detectability> {
    stack::check("the images with the signal", present)?;
    stack::check("the images without the signal", absent)?;
    let (_, rows, columns) = present.dim();
    if absent.dim().1 != rows || absent.dim().2 != columns {
        return Err(Error::Option(format!(
            "the images with the signal are {:?} [n, y, x], those without {:?}: only images of one size can be compared",
            present.shape(),
            absent.shape()
        )));
    }
    let mut frame = Frame::centered([rows, columns]);
    if let Some([x, y]) = options.center {
        if !((0.0..=columns as f64 - 1.0).contains(&x) && (0.0..=rows as f64 - 1.0).contains(&y)) {
            return Err(Error::Option(format!(
                "the signal at {x},{y} lies outside the regions, {columns} × {rows} pixels"
            )));
        }
        frame.center = [x, y];
    }
    let matrix = channels.matrix(&frame)?;
    let [present, absent] = [present, absent].map(|images| channels::outputs(images, &matrix));
    judge(present.view(), absent.view(), options)
}

/// The same from channel outputs `[n, channel]`, for channels of one's own.
///
/// # Errors
/// Too few images for the channels, noise that some channel does not have.
pub fn judge(present: ArrayView2<f64>, absent: ArrayView2<f64>, options: &Options) -> Result<Detectability> {
    if options.resamples < 100 {
        return Err(Error::Option(format!("{} bootstrap samples: an interval needs 100", options.resamples)));
    }
    let scores = hotelling::scores(present, absent, options.validation)?;
    let dprime = scores.dprime();
    if !dprime.is_finite() {
        return Err(Error::Option("all images have one score: there is no noise to see the signal in".into()));
    }
    let (auc, variance) = auc::delong(&scores.present, &scores.absent);
    let images = [scores.present.len(), scores.absent.len()];
    Ok(Detectability {
        auc,
        auc_interval: auc::interval(auc, variance, images[0].min(images[1])),
        dprime,
        dprime_interval: scores.bootstrap(options.resamples, options.seed),
        channels: present.ncols(),
        images,
    })
}

impl Scores {
    /// Difference of the means over the root mean variance.
    pub fn dprime(&self) -> f64 {
        let [a, b] = [&self.present, &self.absent].map(|scores| {
            let mean = scores.iter().sum::<f64>() / scores.len() as f64;
            (mean, scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (scores.len() - 1) as f64)
        });
        (a.0 - b.0) / ((a.1 + b.1) / 2.0).sqrt()
    }

    /// The middle 95 % of d′ over samples of the scores, drawn with replacement (Efron's percentiles).
    fn bootstrap(&self, resamples: usize, seed: u64) -> [f64; 2] {
        let draw = |scores: &[f64], draws: &mut Draws| {
            let pick = |_| scores[(draws.uniform() * scores.len() as f64) as usize];
            (0..scores.len()).map(pick).collect::<Vec<_>>()
        };
        let mut found: Vec<f64> = (0..resamples)
            .map(|sample| {
                let mut draws = Draws::new(seed, [0, 0, sample]);
                Self { present: draw(&self.present, &mut draws), absent: draw(&self.absent, &mut draws) }.dprime()
            })
            .filter(|dprime| dprime.is_finite())
            .collect();
        found.sort_by(f64::total_cmp);
        // A sample may be one image many times over and have no spread; of a handful of images all may.
        let at = |part: f64| found.get((part * (found.len() as f64 - 1.0)).round() as usize).copied();
        [at(0.025).unwrap_or(f64::NEG_INFINITY), at(0.975).unwrap_or(f64::INFINITY)]
    }
}
