//! Low-contrast detectability: the channelised Hotelling observer, a linear observer trained on examples.
//!
//! Barrett, Yao, Rolland, Myers, "Model observers for assessment of image quality", Proc. Natl. Acad. Sci. USA 90 (1993)
//! 9758; Barrett, Myers, "Foundations of Image Science" (2004), ch. 14. An image g is seen as v = Uᵀg; the observer's
//! score is wᵀv, w = K⁻¹(v̄₁ − v̄₀), with K the mean of the covariances with and without the signal.

pub mod auc;
pub mod channels;
mod hotelling;

use ndarray::ArrayView3;

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
    /// How many channels they were made of.
    pub channels: usize,
}

/// Trains and judges an observer on regions `[n, y, x]` with and without the signal.
///
/// # Errors
/// Those of [`scores`] and [`Scores::judge`].
pub fn study(
    present: ArrayView3<f32>,
    absent: ArrayView3<f32>,
    channels: &Channels,
    options: &Options,
) -> Result<Detectability> {
    scores(present, absent, channels, options)?.judge(options)
}

/// Trains an observer and scores the regions `[n, y, x]`, as [`Options::validation`] says.
///
/// # Errors
/// Regions of two sizes, values that are not finite, channels that cannot be, too few images for the channels, a
/// channel without noise.
pub fn scores(
    present: ArrayView3<f32>,
    absent: ArrayView3<f32>,
    channels: &Channels,
    options: &Options,
) -> Result<Scores> {
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
    hotelling::scores(present.view(), absent.view(), options.validation)
}

impl Scores {
    /// The figures, with their intervals.
    ///
    /// # Errors
    /// Images that all have one score, too few bootstrap samples.
    pub fn judge(&self, options: &Options) -> Result<Detectability> {
        if options.resamples < 100 {
            return Err(Error::Option(format!("{} bootstrap samples: an interval needs 100", options.resamples)));
        }
        let dprime = self.dprime();
        if !dprime.is_finite() {
            return Err(Error::Option("all images have one score: there is no noise to see the signal in".into()));
        }
        let (auc, variance) = auc::delong(&self.present, &self.absent);
        let images = [self.present.len(), self.absent.len()];
        Ok(Detectability {
            auc,
            auc_interval: auc::interval(auc, variance, images[0].min(images[1])),
            dprime,
            dprime_interval: self.bootstrap(options.resamples, options.seed),
            channels: self.channels,
            images,
        })
    }

    /// The ROC curve: (false, true) positive fraction for every threshold, from (0, 0) to (1, 1).
    pub fn roc(&self) -> Vec<[f64; 2]> {
        let kind = |scores: &[f64], kind: usize| scores.iter().map(|score| (*score, kind)).collect::<Vec<_>>();
        let mut all = [kind(&self.absent, 0), kind(&self.present, 1)].concat();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let totals = [self.absent.len() as f64, self.present.len() as f64];
        let (mut counts, mut curve) = ([0.0; 2], vec![[0.0; 2]]);
        // Equal scores pass a threshold together.
        for tied in all.chunk_by(|a, b| a.0 == b.0) {
            tied.iter().for_each(|(_, kind)| counts[*kind] += 1.0);
            curve.push([counts[0] / totals[0], counts[1] / totals[1]]);
        }
        curve
    }

    /// d′ of these scores.
    pub fn dprime(&self) -> f64 {
        dprime(&self.present, &self.absent)
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
                let (present, absent) = (draw(&self.present, &mut draws), draw(&self.absent, &mut draws));
                dprime(&present, &absent)
            })
            .filter(|dprime| dprime.is_finite())
            .collect();
        found.sort_by(f64::total_cmp);
        // A sample may be one image many times over and have no spread; of a handful of images all may.
        let at = |part: f64| found.get((part * (found.len() as f64 - 1.0)).round() as usize).copied();
        [at(0.025).unwrap_or(f64::NEG_INFINITY), at(0.975).unwrap_or(f64::INFINITY)]
    }
}

/// Difference of the means over the root mean variance.
fn dprime(present: &[f64], absent: &[f64]) -> f64 {
    let [a, b] = [present, absent].map(|scores| {
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        (mean, scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (scores.len() - 1) as f64)
    });
    (a.0 - b.0) / ((a.1 + b.1) / 2.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roc_curve_encloses_the_auc() {
        let scores = Scores { present: vec![3.0, 4.0, 2.0, 3.0], absent: vec![1.0, 3.0, 0.5], channels: 1 };
        let curve = scores.roc();
        assert_eq!((curve[0], *curve.last().unwrap()), ([0.0, 0.0], [1.0, 1.0]));
        let area: f64 = curve.windows(2).map(|ends| (ends[1][0] - ends[0][0]) * (ends[0][1] + ends[1][1]) / 2.0).sum();
        assert!((area - auc::delong(&scores.present, &scores.absent).0).abs() < 1e-12, "{area}");
    }
}
