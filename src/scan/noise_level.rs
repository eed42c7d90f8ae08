//! How noisy line integrals are, from the numbers alone: the law of their variance, v(p) = v₀·e^(a·p).
//!
//! Photons make it e^p/N₀ (Sauer & Bouman 1993): a = 1. Numbers in another unit have a in that unit's inverse, and noise that
//! knows nothing of p has a = 0. A line's fourth differences, Σ k·p with k = (1, −4, 6, −4, 1), see little of a smooth object, and
//! their variance is Σ k²·v; among neighbours in p the median of their sizes, which edges hardly move, gives v (differences:
//! Gasser, Sroka & Jennen-Steinmetz 1986; median: Donoho & Johnstone 1994), and the median of the slopes between all groups of
//! neighbours a (Theil 1950; Sen 1968). Noise that neighbouring cells share is missed; rays through many edges pass for noise.
//! Numbers k times as large have a law that says the same of them.

use std::cmp::Ordering;

use ndarray::{Array3, Axis};
use rayon::prelude::*;

/// The median of the sizes of standard normal numbers.
const MEDIAN_SIZE: f64 = 0.674_489_75;
/// k.
const DIFFERENCE: [f64; 5] = [1.0, -4.0, 6.0, -4.0, 1.0];
/// Rays below this part of the largest line integral may have met nothing.
const OBJECT: f32 = 0.05;
/// Differences that are looked at, about: more would not make the median better.
const ENOUGH: usize = 1 << 20;
/// Differences whose median tells a variance, at least, and groups of them, at most.
const GROUP: usize = 64;
const GROUPS: usize = 12;
/// The most that a variance grows over all line integrals, e to this: rays that let fewer photons through are not measured.
const STEEPEST: f64 = 12.0;

/// The law of the variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseLaw {
    /// v₀.
    pub open: f64,
    /// a, 0 or more.
    pub growth: f64,
}

impl NoiseLaw {
    /// Of so many photons in the open beam.
    pub fn of_photons(photons: f64) -> Self {
        Self { open: 1.0 / photons, growth: 1.0 }
    }

    /// v(p).
    pub fn variance(&self, line: f32) -> f64 {
        self.open * (self.growth * f64::from(line)).exp()
    }

    /// The law of line integrals `[view, row, column]`; v₀ is 0 where the numbers are smooth to the last bit. None if no five
    /// neighbouring rays meet an object.
    pub fn of(projections: &Array3<f32>) -> Option<Self> {
        let largest = projections.iter().fold(0.0_f32, |most, value| most.max(*value));
        let mut differences = differences(projections, largest);
        if differences.is_empty() {
            return None;
        }
        differences.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
        let groups = (differences.len() / GROUP).clamp(1, GROUPS);
        let group = |index: usize| {
            let [first, end] = [index, index + 1].map(|edge| edge * differences.len() / groups);
            let (lines, mut sizes): (Vec<f32>, Vec<f32>) = differences[first..end].iter().copied().unzip();
            (
                f64::from(lines[lines.len() / 2]),
                2.0 * (f64::from(median(&mut sizes, f32::total_cmp)) / MEDIAN_SIZE).ln(),
            )
        };
        // Numbers that are smooth to the last bit have no logarithm.
        let points: Vec<_> = (0..groups).map(group).filter(|(_, variance)| variance.is_finite()).collect();
        if 2 * points.len() <= groups {
            return Some(Self { open: 0.0, growth: 0.0 });
        }
        let slope = |(index, (line, variance)): (usize, &(f64, f64))| -> Vec<f64> {
            let others = points[index + 1..].iter().filter(|(other, _)| other > line);
            others.map(|(other, found)| (found - variance) / (other - line)).collect()
        };
        let mut slopes: Vec<f64> = points.iter().enumerate().flat_map(slope).collect();
        let growth = if slopes.is_empty() {
            0.0
        } else {
            median(&mut slopes, f64::total_cmp).clamp(0.0, STEEPEST / f64::from(largest))
        };
        let mut opens: Vec<f64> = points.iter().map(|(line, variance)| variance - growth * line).collect();
        Some(Self { open: median(&mut opens, f64::total_cmp).exp(), growth })
    }
}

/// Of every five neighbouring rays through the object the one in the middle, and the size of the fourth difference over
/// √(Σ k²).
fn differences(projections: &Array3<f32>, largest: f32) -> Vec<(f32, f32)> {
    let norm = DIFFERENCE.iter().map(|k| k * k).sum::<f64>().sqrt();
    let stride = (projections.len() / ENOUGH).max(1);
    let lines: Vec<_> = projections.lanes(Axis(2)).into_iter().step_by(stride).collect();
    let of_line = |line: ndarray::ArrayView1<f32>| -> Vec<(f32, f32)> {
        let runs =
            line.windows(DIFFERENCE.len()).into_iter().filter(|run| run.iter().all(|value| *value > OBJECT * largest));
        let difference =
            |run: &ndarray::ArrayView1<f32>| run.iter().zip(DIFFERENCE).map(|(p, k)| k * f64::from(*p)).sum::<f64>();
        runs.map(|run| (run[2], (difference(&run).abs() / norm) as f32)).collect()
    };
    lines.into_par_iter().flat_map_iter(of_line).collect()
}

/// The one in the middle, or above it.
fn median<T: Copy>(values: &mut [T], order: fn(&T, &T) -> Ordering) -> T {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, order).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        geometry::{LengthUnit, Parallel},
        random::Draws,
        scan::{Scan, noise::Noise},
    };

    /// Chords of an ellipse, up to `largest`, with edges and air around them.
    fn scan(largest: f32) -> Scan {
        let angles = (0..60).map(|view| f64::from(view) * 0.05).collect();
        let unit = LengthUnit::Millimetre;
        let scanner = Parallel { angles, columns: 400, rows: 1, cell: 1.0, cell_height: 1.0, center: None, unit };
        let chord = |(view, _, column): (usize, usize, usize)| {
            let t = (column as f32 - 199.5) / (120.0 + 30.0 * (view as f32 * 0.1).sin());
            largest * (1.0 - t * t).max(0.0).sqrt()
        };
        Scan::new(Array3::from_shape_fn((60, 1, 400), chord), scanner.geometry()).unwrap()
    }

    /// The law's variances over the right ones, at a small and at a large line integral.
    fn ratios(law: NoiseLaw, largest: f32, variance: impl Fn(f64) -> f64) -> [f64; 2] {
        [0.3 * largest, largest].map(|line| law.variance(line) / variance(f64::from(line)))
    }

    #[test]
    fn photons_are_found_from_the_noise_they_make() {
        for (largest, open) in [(3.0, 1e5), (3.0, 1e3), (1.0, 1e4), (6.0, 1e6)] {
            let mut scan = scan(largest);
            Noise { photons: open, seed: 5, electronic: 0.0 }.apply(&mut scan).unwrap();
            let law = NoiseLaw::of(&scan.projections).unwrap();
            let found = ratios(law, largest, |p| p.exp() / open);
            assert!(found.iter().all(|ratio| (ratio - 1.0).abs() < 0.2), "{largest}, {open:e}: {found:?} {law:?}");
        }
    }

    /// Noise that does not follow the line integrals, however large these are.
    #[test]
    fn noise_that_is_the_same_everywhere_is_seen_as_such() {
        for (largest, sigma) in [(10.0, 0.1), (50.0, 0.5), (2000.0, 3.0)] {
            let mut scan = scan(largest);
            for (index, value) in scan.projections.iter_mut().enumerate() {
                *value += sigma * Draws::new(3, [0, 0, index]).normal() as f32;
            }
            let law = NoiseLaw::of(&scan.projections).unwrap();
            let found = ratios(law, largest, |_| f64::from(sigma * sigma));
            assert!(found.iter().all(|ratio| (ratio - 1.0).abs() < 0.2), "{largest}, {sigma}: {found:?} {law:?}");
        }
    }

    #[test]
    fn numbers_in_another_unit_have_the_same_law() {
        let mut scan = scan(3.0);
        Noise { photons: 1e4, seed: 5, electronic: 0.0 }.apply(&mut scan).unwrap();
        let law = NoiseLaw::of(&scan.projections).unwrap();
        for factor in [1e-6_f32, 7.0, 1e6] {
            let found = NoiseLaw::of(&scan.projections.mapv(|value| factor * value)).unwrap();
            for line in [0.0, 1.0, 3.0] {
                let ratio = found.variance(factor * line) / (f64::from(factor).powi(2) * law.variance(line));
                assert!((ratio - 1.0).abs() < 1e-4, "{factor:e}: {ratio}");
            }
        }
    }

    #[test]
    fn without_noise_there_is_next_to_none_and_without_an_object_no_law() {
        let found = NoiseLaw::of(&scan(3.0).projections).unwrap();
        assert!(found.variance(3.0) < 1e-8, "{found:?}");
        assert_eq!(NoiseLaw::of(&Array3::zeros((4, 1, 40))), None);
        assert_eq!(NoiseLaw::of(&Array3::from_elem((4, 1, 40), 0.5)), Some(NoiseLaw { open: 0.0, growth: 0.0 }));
    }
}
