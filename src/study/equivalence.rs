//! How much dose a method needs for the quality that another has at full dose.
//!
//! A curve of quality against dose is read as straight lines between the measured levels, in the logarithm of the
//! dose. The answer's interval comes from 2000 repeats in which every measured value, the reference's too, is moved by
//! its own standard error as if independent and normal; methods share their noise, so the truth is narrower rather than wider.

use serde::Serialize;

use super::{
    metrics::{Better, Metric},
    protocol::{Sweep, rounded},
    statistics::{Estimate, interval},
};
use crate::random::Draws;

const REPEATS: usize = 2000;

/// At what level a method has the quality asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// At this one.
    At(f64),
    /// At all that were measured; this is the least of them.
    Everywhere(f64),
    /// Not even at the largest, which is this one.
    Nowhere(f64),
}

/// The answer, with its interval: 0 and infinity stand for "less than was measured" and "more".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// The level.
    pub reached: Reached,
    /// Its interval of 95 % confidence.
    pub interval: [f64; 2],
}

/// A curve: levels, the largest first, and what was measured there.
pub type Curve = Vec<(f64, Estimate)>;

/// The least level from which up `quality` (the more the better) is at least `target`; levels fall.
fn reach(points: &[(f64, f64)], target: f64) -> Reached {
    let (largest, least) = (points[0].0, points[points.len() - 1].0);
    if points[0].1 < target {
        return Reached::Nowhere(largest);
    }
    let crossing = points.windows(2).find(|pair| pair[1].1 < target);
    crossing.map_or(Reached::Everywhere(least), |pair| {
        let [(above, good), (below, bad)] = [pair[0], pair[1]];
        let part = (good - target) / (good - bad);
        Reached::At((above.ln() + part * (below.ln() - above.ln())).exp())
    })
}

/// Where `curve` has what the reference has, `target`; `None` for a curve without points.
pub fn equivalent(metric: &Metric, curve: &Curve, target: Estimate) -> Option<Answer> {
    if curve.is_empty() || metric.better == Better::Neither {
        return None;
    }
    let quality = |value: f64| match metric.better {
        Better::More | Better::Neither => value,
        Better::Less => -value,
        Better::NearZero => -value.abs(),
    };
    let points: Vec<_> = curve.iter().map(|(level, found)| (*level, quality(found.value))).collect();
    let reached = reach(&points, quality(target.value));
    let mut levels: Vec<f64> = (0..REPEATS)
        .map(|repeat| {
            let mut draws = Draws::new(1, [repeat, 0, 0]);
            let mut moved = |estimate: &Estimate| quality(estimate.value + estimate.standard_error() * draws.normal());
            let target = moved(&target);
            let points: Vec<_> = curve.iter().map(|(level, found)| (*level, moved(found))).collect();
            match reach(&points, target) {
                Reached::At(level) => level,
                Reached::Everywhere(_) => 0.0,
                Reached::Nowhere(_) => f64::INFINITY,
            }
        })
        .collect();
    Some(Answer { reached, interval: interval(&mut levels) })
}

impl Answer {
    /// "TV reaches FBP (Hann)'s RMSE at full dose with 18 % of its dose (95 % interval: 15 to 22 %)."
    pub fn sentence(&self, sweep: Sweep, full: f64, least: f64, names: [&str; 3]) -> String {
        let [method, reference, metric] = names;
        let dose = |level: f64| format!("{} %", rounded(100.0 * level / full));
        let what = format!("{reference}'s {metric} at {}", sweep.full(full));
        match (self.reached, sweep) {
            (Reached::Nowhere(most), _) => {
                let also = match self.interval[0] {
                    low if low.is_finite() => "; within the errors of the measurement it may".to_string(),
                    _ => String::new(),
                };
                format!("{method} does not reach {what}, at least not up to {}{also}.", sweep.describe(most))
            }
            (Reached::Everywhere(least), _) => {
                format!(
                    "{method} is at or beyond {what} even at {}, the least that was measured.",
                    sweep.describe(least)
                )
            }
            (Reached::At(level), Sweep::Dose) => {
                format!("{method} reaches {what} with {} of its dose ({}).", dose(level), self.spread(sweep, least))
            }
            (Reached::At(level), Sweep::Views) => format!(
                "{method} reaches {what} with {} views, {} of them ({}).",
                rounded(level),
                dose(level),
                self.spread(sweep, least)
            ),
        }
    }

    fn spread(&self, sweep: Sweep, least: f64) -> String {
        let [low, high] = self.interval;
        let low = if low > 0.0 { sweep.short(low) } else { format!("below {}", sweep.short(least)) };
        let high = if high.is_finite() { sweep.short(high) } else { "beyond what was measured".into() };
        format!("95 % interval: {low} to {high}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// σ = 10/√dose: a tenth of the dose has √10 times the noise.
    fn noise(dose: f64, factor: f64, error: f64) -> (f64, Estimate) {
        let value = factor * 10.0 / dose.sqrt();
        (dose, Estimate { value, low: value * (1.0 - error), high: value * (1.0 + error) })
    }

    fn less() -> Metric {
        *Metric::named("rmse").unwrap()
    }

    #[test]
    fn the_sentence_is_right_on_a_curve_in_closed_form() {
        // Half the noise everywhere is the reference's noise at a quarter of the dose. The levels are so near each other
        // that straight lines between them err by less than a percent.
        let levels: Vec<f64> = (0..60).map(|i| 2.0 * 0.95_f64.powi(i)).collect();
        let curve: Curve = levels.iter().map(|level| noise(*level, 0.5, 0.02)).collect();
        let answer = equivalent(&less(), &curve, noise(1.0, 1.0, 0.02).1).unwrap();
        let Reached::At(level) = answer.reached else { panic!("{answer:?}") };
        assert!((level / 0.25 - 1.0).abs() < 0.01, "{level}");
        let [low, high] = answer.interval;
        assert!(low < 0.25 && 0.25 < high && low > 0.2 && high < 0.31, "{low} {high}");
        let sentence = answer.sentence(Sweep::Dose, 1.0, 0.1, ["TV", "FBP", "RMSE"]);
        assert!(
            sentence.starts_with("TV reaches FBP's RMSE at full dose with 25 % of its dose (95 % interval: 2"),
            "{sentence}"
        );
        let views = answer.sentence(Sweep::Views, 1.0, 0.1, ["TV", "FBP", "RMSE"]);
        assert!(views.contains("views"), "{views}");
    }

    #[test]
    fn more_than_the_full_dose_and_never_are_said() {
        let levels = [2.0, 1.0, 0.5];
        let target = noise(1.0, 1.0, 0.001).1;
        let worse: Curve = levels.iter().map(|level| noise(*level, 1.2, 0.001)).collect();
        let answer = equivalent(&less(), &worse, target).unwrap();
        let sentence = answer.sentence(Sweep::Dose, 1.0, 0.5, ["A", "B", "RMSE"]);
        assert!(matches!(answer.reached, Reached::At(level) if level > 1.3 && level < 1.5), "{answer:?}");
        assert!(sentence.contains("with 14") && sentence.contains("% of its dose"), "{sentence}");
        let never: Curve = levels.iter().map(|level| noise(*level, 3.0, 0.001)).collect();
        let sentence = equivalent(&less(), &never, target).unwrap().sentence(Sweep::Dose, 1.0, 0.5, ["A", "B", "RMSE"]);
        assert_eq!(sentence, "A does not reach B's RMSE at full dose, at least not up to 200 % of the dose.");
        let always: Curve = levels.iter().map(|level| noise(*level, 0.1, 0.001)).collect();
        let sentence =
            equivalent(&less(), &always, target).unwrap().sentence(Sweep::Dose, 1.0, 0.5, ["A", "B", "RMSE"]);
        assert_eq!(
            sentence,
            "A is at or beyond B's RMSE at full dose even at 50 % of the dose, the least that was measured."
        );
        assert_eq!(equivalent(&less(), &Vec::new(), target), None);
    }

    #[test]
    fn uncertain_curves_have_open_intervals() {
        let curve: Curve = [2.0, 1.0, 0.5].iter().map(|level| noise(*level, 1.0, 0.6)).collect();
        let answer = equivalent(&less(), &curve, noise(1.0, 1.0, 0.6).1).unwrap();
        assert_eq!(answer.interval, [0.0, f64::INFINITY]);
        let sentence = answer.sentence(Sweep::Dose, 1.0, 0.5, ["A", "B", "RMSE"]);
        assert!(sentence.contains("below 50 % to beyond what was measured"), "{sentence}");
    }

    #[test]
    fn quality_that_sinks_and_rises_again_counts_from_the_top() {
        let points = [(1.0, 5.0), (0.5, 1.0), (0.25, 9.0)];
        assert!(matches!(reach(&points, 4.0), Reached::At(level) if level > 0.5 && level < 1.0));
    }
}
