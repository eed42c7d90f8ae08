//! Means and their intervals: Student's t for means, the percentile bootstrap for what is no mean.
//!
//! Student, Biometrika 6 (1908) 1; B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap (1993), ch. 13.

use crate::random::Draws;

/// A value with its interval of 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// The standard error that a normal variable with this interval has.
    pub fn standard_error(&self) -> f64 {
        (self.high - self.low) / (2.0 * NORMAL)
    }

    /// The same of a rising function of the value.
    pub fn map(self, rising: impl Fn(f64) -> f64) -> Self {
        Self { value: rising(self.value), low: rising(self.low), high: rising(self.high) }
    }
}

/// 97.5 % quantile of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

/// Mean of `values` with Student's interval; `None` for fewer than two.
pub fn mean(values: &[f64]) -> Option<Estimate> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = student(values.len() - 1) * (variance / n).sqrt();
    Some(Estimate { value: mean, low: mean - half, high: mean + half })
}

/// 97.5 % quantile of Student's t: closed forms for 1 and 2 degrees of freedom, else Fisher's expansion in 1/ν
/// (Abramowitz & Stegun 26.7.5), within 5e-3.
fn student(freedom: usize) -> f64 {
    match freedom {
        0 => f64::INFINITY,
        1 => 12.706_204_736_432_095,
        2 => 4.302_652_729_696_142,
        _ => {
            let (nu, z) = (freedom as f64, NORMAL);
            let powers = [3, 5, 7, 9].map(|power| z.powi(power));
            let [z3, z5, z7, z9] = powers;
            z + (z3 + z) / (4.0 * nu)
                + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * nu.powi(2))
                + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * nu.powi(3))
                + (79.0 * z9 + 776.0 * z7 + 1482.0 * z5 - 1920.0 * z3 - 945.0 * z) / (92160.0 * nu.powi(4))
        }
    }
}

/// `value` with the 2.5 % and 97.5 % quantiles of `statistic` over `repeats` resamplings of 0…count with replacement;
/// `None` where more than a tenth of them have no value.
pub fn bootstrap(
    value: f64,
    count: usize,
    repeats: usize,
    statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
) -> Option<Estimate> {
    use rayon::prelude::*;
    let resampled = |repeat: usize| {
        let mut draws = Draws::new(0, [repeat, count, 0]);
        let indices: Vec<usize> = (0..count).map(|_| (draws.uniform() * count as f64) as usize).collect();
        statistic(&indices)
    };
    let mut found: Vec<f64> = (0..repeats).into_par_iter().filter_map(resampled).collect();
    if count < 2 || found.len() * 10 < repeats * 9 {
        return None;
    }
    let [low, high] = interval(&mut found);
    Some(Estimate { value, low: low.min(value), high: high.max(value) })
}

/// 2.5 % and 97.5 % quantile of `values`, which may hold infinities; each is one of the values.
///
/// # Panics
/// If there are none.
pub fn interval(values: &mut [f64]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    [at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn student_quantiles_are_those_of_the_tables() {
        for (freedom, t) in
            [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)]
        {
            assert!((student(freedom) - t).abs() < 5e-3, "{freedom}: {} {t}", student(freedom));
        }
    }

    #[test]
    fn intervals_hold_the_mean_as_often_as_they_say() {
        // 95 % of 4000 intervals from 5 normal values each; the count's own spread is 14.
        let holds = |trial: usize| {
            let mut draws = Draws::new(3, [trial, 0, 0]);
            let values: Vec<f64> = (0..5).map(|_| draws.normal()).collect();
            let found = mean(&values).unwrap();
            found.low <= 0.0 && found.high >= 0.0
        };
        let held = (0..4000).filter(|trial| holds(*trial)).count();
        assert!(held.abs_diff(3800) < 60, "{held}");
        assert_eq!(mean(&[1.0]), None);
    }

    #[test]
    fn the_bootstrap_of_a_mean_is_as_wide_as_its_standard_error() {
        let values: Vec<f64> = (0..200).map(|i| Draws::new(5, [i, 0, 0]).normal()).collect();
        let average = |indices: &[usize]| Some(indices.iter().map(|i| values[*i]).sum::<f64>() / 200.0);
        let all: Vec<usize> = (0..200).collect();
        let found = bootstrap(average(&all).unwrap(), 200, 1000, average).unwrap();
        let exact = mean(&values).unwrap();
        assert!((found.standard_error() / exact.standard_error() - 1.0).abs() < 0.1);
        assert_eq!(bootstrap(0.0, 200, 100, |indices| (indices[0] > 50).then_some(1.0)), None);
    }
}
