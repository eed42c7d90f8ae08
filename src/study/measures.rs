//! What is measured on the realisations of one subject, method and level.

use std::collections::BTreeSet;

use ndarray::{ArrayView3, Axis};

use super::{
    analysis::{Point, Sample, Spectrum},
    statistics::{Estimate, mean},
    subject::Task,
};
use crate::error::Result;

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
    for metric in super::metrics::ALL.iter().filter(|metric| names.contains(&metric.name.to_string())) {
        let values: Vec<f64> = figures.iter().filter_map(|figures| figures.get(metric.name).copied()).collect();
        measured.add(sample, metric.name, "", mean(&values));
    }
    match sample.subject.task {
        Task::Fidelity => {}
        Task::Edges => edges(sample, &mut measured),
        Task::Detection => background(sample, &mut measured)?,
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

/// Bias of every disc, well inside its edge.
fn edges(sample: &Sample, measured: &mut Measured) {
    let subject = sample.subject;
    let images = &sample.outcome.crops[0];
    for disc in &subject.discs {
        let biases = means(images.view(), subject.index_in_crop(disc.center), 0.6 * disc.radius / subject.pixel());
        let bias: Vec<f64> = biases.iter().map(|found| found - disc.contrast).collect();
        measured.add(sample, "bias", &disc.name, mean(&bias));
    }
}

/// Noise and bias of the body without discs.
fn background(sample: &Sample, measured: &mut Measured) -> Result<()> {
    let subject = sample.subject;
    let images = sample.outcome.crops[1].view();
    let middle = (images.len_of(Axis(1)) as f64 - 1.0) / 2.0;
    let biases = means(images, [middle, middle], 20.0 / subject.pixel());
    measured.add(sample, "bias", "", mean(&biases));
    let count = images.len_of(Axis(0)) as f64;
    let average = images.map_axis(Axis(0), |values| values.iter().map(|&v| f64::from(v)).sum::<f64>() / count);
    let variance = |image: ndarray::ArrayView2<f32>| {
        let squares = image.iter().zip(&average).map(|(value, mean)| (f64::from(*value) - mean).powi(2));
        squares.sum::<f64>() / average.len() as f64 * count / (count - 1.0)
    };
    let variances: Vec<f64> = images.outer_iter().map(variance).collect();
    measured.add(sample, "noise", "", mean(&variances).map(|found| found.map(|variance| variance.max(0.0).sqrt())));
    Ok(())
}

/// The mean of each image `[n, y, x]` in the circle about column and row `center`.
fn means(images: ArrayView3<f32>, [x, y]: [f64; 2], radius: f64) -> Vec<f64> {
    let inside = |image: ndarray::ArrayView2<f32>| {
        let near =
            image.indexed_iter().filter(|((row, column), _)| (*column as f64 - x).hypot(*row as f64 - y) <= radius);
        let (sum, count) = near.fold((0.0, 0.0), |(sum, count), (_, value)| (sum + f64::from(*value), count + 1.0));
        sum / count
    };
    images.outer_iter().map(inside).collect()
}
