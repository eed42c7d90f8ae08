//! From stored cells to figures: every point of every curve with its interval, and what they come to.

use ndarray::Array2;
use serde_json::json;

use super::{
    cell::Outcome,
    equivalence::{Answer, Curve, equivalent},
    measures,
    metrics::{self, Metric},
    run::Study,
    statistics::Estimate,
    subject::Subject,
};
use crate::{error::Result, monitor::Monitor};

/// One figure of one method at one level.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Index of the subject.
    pub subject: usize,
    /// Which figure.
    pub metric: &'static str,
    /// Of which disc; empty for the whole image.
    pub part: String,
    /// Index of the method.
    pub method: usize,
    /// Dose fraction, or views.
    pub level: f64,
    /// The figure with its interval.
    pub estimate: Estimate,
    /// Realisations behind it.
    pub realisations: usize,
}

/// A figure that is a function of frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// Index of the subject.
    pub subject: usize,
    /// `nps` or `ttf`.
    pub kind: &'static str,
    /// Of which disc; empty for the background.
    pub part: String,
    /// Index of the method.
    pub method: usize,
    /// Dose fraction, or views.
    pub level: f64,
    /// Frequency (1/mm), value, and its standard error where it is known.
    pub samples: Vec<[f64; 3]>,
}

/// How much dose a method needs for the reference's quality.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Index of the subject.
    pub subject: usize,
    /// Which figure.
    pub metric: &'static str,
    /// Of which disc.
    pub part: String,
    /// Index of the method.
    pub method: usize,
    /// The level.
    pub answer: Answer,
    /// The same in words.
    pub sentence: String,
}

/// A picture and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Index of the subject.
    pub subject: usize,
    /// Index of the method.
    pub method: usize,
    /// Dose fraction, or views.
    pub level: f64,
    /// The image `[y, x]`, HU.
    pub picture: Array2<f32>,
    /// Mean time of one reconstruction, s, while others ran beside it.
    pub seconds: f64,
    /// What the recipe decided.
    pub notes: Vec<String>,
}

/// All that a study has found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Figures.
    pub points: Vec<Point>,
    /// Spectra.
    pub spectra: Vec<Spectrum>,
    /// Verdicts.
    pub verdicts: Vec<Verdict>,
    /// First realisations.
    pub shown: Vec<Shown>,
    /// What could not be measured, and why.
    pub remarks: Vec<String>,
}

/// One point of the design with all its realisations.
pub struct Sample<'a> {
    /// What was scanned.
    pub subject: &'a Subject,
    /// Index of the subject.
    pub subject_index: usize,
    /// Index of the method.
    pub method: usize,
    /// Dose fraction, or views.
    pub level: f64,
    /// Channels of the observer.
    pub channels: String,
    /// Its cells' figures and crops.
    pub outcome: Outcome,
}

impl Study {
    /// Reads all cells and measures what is to be measured.
    ///
    /// # Errors
    /// A cell that is missing; interruption.
    pub fn analyse(&self, monitor: &Monitor) -> Result<Findings> {
        let protocol = &self.protocol;
        let mut findings = Findings::default();
        let total = protocol.subjects.len() * protocol.levels.len() * protocol.methods.len();
        monitor.step("analyse", total as u64, || {
            let mut done = 0;
            for (subject_index, subject) in protocol.subjects.iter().enumerate() {
                for &level in &protocol.levels {
                    for method in 0..protocol.methods.len() {
                        let outcome = self.outcome(subject_index, method, level)?;
                        findings.take(
                            Sample {
                                subject,
                                subject_index,
                                method,
                                level,
                                channels: protocol.channels.clone(),
                                outcome,
                            },
                            self,
                        )?;
                        done += 1;
                        monitor.advance(done)?;
                    }
                }
            }
            Ok(())
        })?;
        findings.judge(self);
        Ok(findings)
    }
}

impl Findings {
    fn take(&mut self, sample: Sample, study: &Study) -> Result<()> {
        let place = || {
            let protocol = &study.protocol;
            let method = protocol.methods[sample.method].label();
            format!("{}, {method}, {}", sample.subject.name, protocol.sweep.describe(sample.level))
        };
        let measured = measures::measure(&sample)?;
        self.points.extend(measured.points);
        self.spectra.extend(measured.spectra);
        self.remarks.extend(measured.remarks.into_iter().map(|remark| format!("{}: {remark}", place())));
        let images = sample.outcome.crops.len().max(1) * sample.subject.realisations;
        self.shown.extend(sample.outcome.picture.map(|picture| Shown {
            subject: sample.subject_index,
            method: sample.method,
            level: sample.level,
            picture,
            seconds: sample.outcome.seconds / images as f64,
            notes: sample.outcome.notes,
        }));
        Ok(())
    }

    /// The curve of one figure of one method, the largest level first.
    pub fn curve(&self, subject: usize, metric: &str, part: &str, method: usize) -> Curve {
        let own = |point: &&Point| {
            point.subject == subject && point.metric == metric && point.part == part && point.method == method
        };
        self.points.iter().filter(own).map(|point| (point.level, point.estimate)).collect()
    }

    /// Every figure there is: subject, metric, part; in the order of the report.
    pub fn figures(&self) -> Vec<(usize, &'static Metric, String)> {
        let mut found = Vec::new();
        let subjects = self.points.iter().map(|point| point.subject + 1).max().unwrap_or(0);
        for subject in 0..subjects {
            for metric in metrics::ALL {
                for point in self.points.iter().filter(|point| point.subject == subject && point.metric == metric.name)
                {
                    let figure = (subject, metric, point.part.clone());
                    if !found.iter().any(|(s, m, p): &(usize, &Metric, String)| {
                        (*s, m.name, p) == (subject, metric.name, &point.part)
                    }) {
                        found.push(figure);
                    }
                }
            }
        }
        found
    }

    /// Holds every method against the first at its full level.
    fn judge(&mut self, study: &Study) {
        let protocol = &study.protocol;
        let (full, least) = (protocol.full_level(), protocol.levels[protocol.levels.len() - 1]);
        for (subject, metric, part) in self.figures() {
            let reference = self.curve(subject, metric.name, &part, 0);
            let Some((_, target)) = reference.iter().find(|(level, _)| *level == full) else { continue };
            for (method, named) in protocol.methods.iter().enumerate().skip(1) {
                let curve = self.curve(subject, metric.name, &part, method);
                let Some(answer) = equivalent(metric, &curve, *target) else { continue };
                let title = if part.is_empty() { metric.words() } else { format!("{} ({part})", metric.words()) };
                let names = [named.label(), protocol.methods[0].label(), title];
                let names = names.each_ref().map(String::as_str);
                let sentence = answer.sentence(protocol.sweep, full, least, names);
                self.verdicts.push(Verdict {
                    subject,
                    metric: metric.name,
                    part: part.clone(),
                    method,
                    answer,
                    sentence,
                });
            }
        }
    }

    /// Everything but pictures, as JSON.
    pub fn json(&self, study: &Study) -> serde_json::Value {
        let protocol = &study.protocol;
        let subject = |index: usize| &protocol.subjects[index].name;
        let method = |index: usize| protocol.methods[index].name();
        let points: Vec<_> = self.points.iter().map(|point| json!({
            "subject": subject(point.subject), "metric": point.metric, "part": point.part, "method": method(point.method),
            "level": point.level, "value": point.estimate.value, "low": point.estimate.low, "high": point.estimate.high,
            "realisations": point.realisations,
        })).collect();
        let spectra: Vec<_> = self
            .spectra
            .iter()
            .map(|spectrum| {
                json!({
                    "subject": subject(spectrum.subject), "kind": spectrum.kind, "part": spectrum.part,
                    "method": method(spectrum.method), "level": spectrum.level,
                    "columns": ["frequency_per_mm", "value", "standard_error"], "samples": spectrum.samples,
                })
            })
            .collect();
        let verdicts: Vec<_> = self
            .verdicts
            .iter()
            .map(|verdict| {
                json!({
                    "subject": subject(verdict.subject), "metric": verdict.metric, "part": verdict.part,
                    "method": method(verdict.method), "reached": verdict.answer.reached,
                    "low": verdict.answer.interval[0], "high": verdict.answer.interval[1], "sentence": verdict.sentence,
                })
            })
            .collect();
        let units: serde_json::Map<_, _> = metrics::ALL.iter().map(|m| (m.name.to_string(), json!(m.unit))).collect();
        json!({
            "protocol": protocol.json(), "units": units, "points": points, "spectra": spectra, "verdicts": verdicts,
            "remarks": self.remarks,
        })
    }

    /// One line a point.
    pub fn csv(&self, study: &Study) -> String {
        let protocol = &study.protocol;
        let mut text = String::from("subject,metric,part,unit,method,sweep,level,value,low95,high95,realisations\n");
        for point in &self.points {
            let unit = Metric::named(point.metric).map_or("", |metric| metric.unit);
            let Estimate { value, low, high } = point.estimate;
            text += &format!(
                "{},{},\"{}\",{unit},{},{},{},{value},{low},{high},{}\n",
                protocol.subjects[point.subject].name,
                point.metric,
                point.part,
                protocol.methods[point.method].name(),
                protocol.sweep.name(),
                point.level,
                point.realisations
            );
        }
        text
    }
}
