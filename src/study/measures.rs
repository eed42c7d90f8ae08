//! What is measured on the realisations of one subject, method and level.

use std::collections::BTreeSet;

use ndarray::{Array3, ArrayView2, ArrayView3, Axis};

use super::{
    analysis::{Point, Sample, Spectrum},
    metrics,
    statistics::{Estimate, bootstrap, mean},
    subject::{Disc, Subject, Task},
};
use crate::{
    error::Result,
    quality::{
        nps::{self, Detrend},
        observer::{self, Channels},
        stack,
        ttf::{self, Disk},
    },
};

/// Below this total contrast-to-noise ratio a TTF is no longer to be believed (AAPM TG-233).
const LEAST_CNR: f64 = 15.0;
/// Resamplings for the interval of a TTF.
const REPEATS: usize = 200;

/// What was found at one point of the design.
#[derive(Default)]
pub struct Measured {
    /// Figures.
    pub points: Vec<Point>,
    /// Spectra.
    pub spectra: Vec<Spectrum>,
    /// What could not be measured.
    pub remarks: Vec<String>,
}

/// Measures everything that the subject's task asks for.
pub fn measure(sample: &Sample) -> Result<Measured> {
    let mut measured = Measured::default();
    let figures = &sample.outcome.figures;
    let names: BTreeSet<&String> = figures.iter().flat_map(|figures| figures.keys()).collect();
    for metric in metrics::ALL.iter().filter(|metric| names.contains(&metric.name.to_string())) {
        let values: Vec<f64> = figures.iter().filter_map(|figures| figures.get(metric.name).copied()).collect();
        measured.add(sample, metric.name, "", mean(&values));
    }
    match sample.subject.task {
        Task::Fidelity => {}
        Task::Edges => edges(sample, &mut measured)?,
        Task::Detection => detection(sample, &mut measured)?,
    }
    Ok(measured)
}

impl Measured {
    fn add(&mut self, sample: &Sample, metric: &'static str, part: &str, estimate: Option<Estimate>) {
        self.points.extend(estimate.map(|estimate| Point {
            subject: sample.subject_index,
            metric,
            part: part.to_string(),
            method: sample.method,
            level: sample.level,
            estimate,
            realisations: sample.subject.realisations,
        }));
    }
}

/// Bias of every disc, well inside its edge, and the sharpness of the edge.
fn edges(sample: &Sample, measured: &mut Measured) -> Result<()> {
    let subject = sample.subject;
    let images = sample.outcome.crops[0].view();
    for disc in &subject.discs {
        let found = means(images, subject.index_in_crop(disc.center), 0.6 * disc.radius / subject.pixel());
        let bias: Vec<f64> = found.iter().map(|found| found - disc.contrast).collect();
        measured.add(sample, "bias", &disc.name, mean(&bias));
        let reach = (disc.radius + subject.skirt()) / subject.pixel();
        let (patches, center) = patches(subject, images, disc, reach.floor() as usize)?;
        let disk = Disk { center, radius: disc.radius / subject.pixel() };
        measured.edge(sample, disc, patches.view(), disk);
    }
    Ok(())
}

/// Noise, its spectrum, and the bias of the body without discs; and whether the discs are seen.
fn detection(sample: &Sample, measured: &mut Measured) -> Result<()> {
    let subject = sample.subject;
    let [present, absent] = [0, 1].map(|scene| sample.outcome.crops[scene].view());
    let middle = (absent.len_of(Axis(1)) as f64 - 1.0) / 2.0;
    measured.add(sample, "bias", "", mean(&means(absent, [middle, middle], 20.0 / subject.pixel())));
    let noise = stack::noise(absent)?;
    let variances: Vec<f64> = noise.outer_iter().map(mean_square).collect();
    measured.add(sample, "noise", "", mean(&variances).map(|found| found.map(|variance| variance.max(0.0).sqrt())));
    measured.spectrum(sample, noise.view());
    for disc in &subject.discs {
        let seen = patches(subject, present, disc, subject.patch())
            .and_then(|with| Ok((with, patches(subject, absent, disc, subject.patch())?.0)))
            .and_then(|((with, center), without)| {
                let channels = Channels::named(&sample.channels, disc.radius / subject.pixel())?;
                let options = observer::Options { center: Some(center), ..observer::Options::default() };
                observer::study(with.view(), without.view(), &channels, &options)
            });
        match seen {
            Ok(seen) => {
                let estimate = |value: f64, [low, high]: [f64; 2]| Some(Estimate { value, low, high });
                measured.add(sample, "auc", &disc.name, estimate(seen.auc, seen.auc_interval));
                measured.add(sample, "dprime", &disc.name, estimate(seen.dprime, seen.dprime_interval));
            }
            Err(error) => measured.remarks.push(format!("{}: the observer: {error}", disc.name)),
        }
    }
    Ok(())
}

impl Measured {
    fn spectrum(&mut self, sample: &Sample, noise: ArrayView3<f32>) {
        let pixel = [sample.subject.pixel(); 2];
        let of_all = match nps::measure(noise, pixel, Detrend::None) {
            Ok(spectrum) => spectrum,
            Err(error) => return self.remarks.push(format!("the noise power spectrum: {error}")),
        };
        let each =
            noise.outer_iter().filter_map(|image| nps::measure(image.insert_axis(Axis(0)), pixel, Detrend::None).ok());
        let frequencies: Vec<f64> = each.map(|spectrum| spectrum.mean_frequency()).collect();
        self.add(sample, "nps_frequency", "", mean(&frequencies));
        let rings = of_all.frequencies.iter().zip(&of_all.radial).zip(&of_all.radial_error);
        let samples = rings.map(|((f, power), error)| [*f, *power, *error]).take_while(|s| s[0] <= of_all.nyquist());
        self.spectra.push(sample.spectrum("nps", "", samples.collect()));
    }

    fn edge(&mut self, sample: &Sample, disc: &Disc, images: ArrayView3<f32>, disk: Disk) {
        let pixel = sample.subject.pixel();
        let options = ttf::Options { search: 0.0, ..ttf::Options::default() };
        let found = match ttf::measure(images, pixel, disk, &options) {
            Ok(found) if found.total_cnr < LEAST_CNR => {
                let cnr = found.total_cnr;
                return self
                    .remarks
                    .push(format!("{}: its total CNR of {cnr:.1} is too low for a TTF ({LEAST_CNR})", disc.name));
            }
            Ok(found) => found,
            Err(error) => return self.remarks.push(format!("{}: the TTF: {error}", disc.name)),
        };
        let resampled =
            |indices: &[usize]| ttf::measure(images.select(Axis(0), indices).view(), pixel, disk, &options).ok()?.f50;
        let estimate = found.f50.and_then(|f50| bootstrap(f50, images.len_of(Axis(0)), REPEATS, resampled));
        self.add(sample, "ttf50", &disc.name, estimate);
        let pairs = found.frequencies.iter().zip(&found.values).map(|(f, value)| [*f, *value, 0.0]);
        let samples = pairs.take_while(|[f, ..]| *f <= 0.5 / pixel).collect();
        self.spectra.push(sample.spectrum("ttf", &disc.name, samples));
    }
}

impl Sample<'_> {
    fn spectrum(&self, kind: &'static str, part: &str, samples: Vec<[f64; 3]>) -> Spectrum {
        let (subject, method, level) = (self.subject_index, self.method, self.level);
        Spectrum { subject, kind, part: part.to_string(), method, level, samples }
    }
}

/// The squares of `2·half + 1` pixels about `disc`, and where in them its centre is (column, row).
fn patches(subject: &Subject, images: ArrayView3<f32>, disc: &Disc, half: usize) -> Result<(Array3<f32>, [f64; 2])> {
    let [x, y] = subject.index_in_crop(disc.center);
    let [column, row] = [x, y].map(|at| (at.round() as usize).saturating_sub(half));
    let parts = stack::cut(images, &[[row, column]], [2 * half + 1; 2])?;
    Ok((parts, [x - column as f64, y - row as f64]))
}

fn mean_square(image: ArrayView2<f32>) -> f64 {
    image.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / image.len() as f64
}

/// The mean of each image `[n, y, x]` in the circle about column and row `center`.
fn means(images: ArrayView3<f32>, [x, y]: [f64; 2], radius: f64) -> Vec<f64> {
    let inside = |image: ArrayView2<f32>| {
        let near =
            image.indexed_iter().filter(|((row, column), _)| (*column as f64 - x).hypot(*row as f64 - y) <= radius);
        let (sum, count) = near.fold((0.0, 0.0), |(sum, count), (_, value)| (sum + f64::from(*value), count + 1.0));
        sum / count
    };
    images.outer_iter().map(inside).collect()
}
