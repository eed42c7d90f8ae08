//! How noisy line integrals are, from the numbers alone: the photons of an open beam that would make them so.
//!
//! Photons make the variance of a line integral e^p/N₀ (Sauer & Bouman 1993). A line's fourth differences, Σ k·p with
//! k = (1, −4, 6, −4, 1), see little of a smooth object, and their variance is Σ k²·e^p/N₀; the median of their sizes, which
//! edges hardly move, gives N₀ (differences: Gasser, Sroka & Jennen-Steinmetz 1986; median: Donoho & Johnstone 1994).
//! Noise that neighbouring cells share is missed; rays through many edges pass for noise, of up to half as many photons.

use ndarray::{Array3, Axis, s};
use rayon::prelude::*;

/// The median of the sizes of standard normal numbers.
const MEDIAN_SIZE: f64 = 0.674_489_75;
/// k.
const DIFFERENCE: [f64; 5] = [1.0, -4.0, 6.0, -4.0, 1.0];
/// Rays below this part of the largest line integral may have met nothing.
const OBJECT: f32 = 0.05;
/// Differences that are looked at, about: more would not make the median better.
const ENOUGH: usize = 1 << 20;

/// N₀, photons per ray in the open beam, from line integrals `[view, row, column]`. Infinite where the numbers are smooth to
/// the last bit; none if no five neighbouring rays meet an object.
pub fn photons(projections: &Array3<f32>) -> Option<f64> {
    let largest = projections.iter().fold(0.0_f32, |most, value| most.max(*value));
    let stride = (projections.len() / ENOUGH).max(1);
    let lines: Vec<_> = projections.lanes(Axis(2)).into_iter().step_by(stride).collect();
    let mut sizes: Vec<f32> = lines
        .into_par_iter()
        .flat_map_iter(|line| {
            let runs = (DIFFERENCE.len()..=line.len()).map(move |end| line.slice_move(s![end - DIFFERENCE.len()..end]));
            runs.filter(move |run| run.iter().all(|value| *value > OBJECT * largest)).map(|run| {
                let terms = run.iter().zip(DIFFERENCE).map(|(value, k)| (f64::from(*value), k));
                let (difference, variance) =
                    terms.fold((0.0, 0.0), |(sum, square), (p, k)| (sum + k * p, square + k * k * p.exp()));
                (difference.abs() / variance.sqrt()) as f32
            })
        })
        .collect();
    if sizes.is_empty() {
        return None;
    }
    let middle = sizes.len() / 2;
    let (_, median, _) = sizes.select_nth_unstable_by(middle, f32::total_cmp);
    Some((MEDIAN_SIZE / f64::from(*median)).powi(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        geometry::{LengthUnit, Parallel},
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

    #[test]
    fn the_open_beam_is_found_from_the_noise() {
        for (largest, open) in [(3.0, 1e5), (3.0, 1e3), (1.0, 1e4), (6.0, 1e6)] {
            let mut scan = scan(largest);
            Noise { photons: open, seed: 5, electronic: 0.0 }.apply(&mut scan).unwrap();
            let found = photons(&scan.projections).unwrap();
            assert!((found / open - 1.0).abs() < 0.15, "{found:.3e}, not {open:e}");
        }
    }

    #[test]
    fn without_noise_the_beam_is_bright_and_without_an_object_unknown() {
        let found = photons(&scan(3.0).projections).unwrap();
        assert!(found > 1e10, "{found:.3e}");
        assert_eq!(photons(&Array3::zeros((4, 1, 40))), None);
        assert_eq!(photons(&Array3::from_elem((4, 1, 40), 0.5)), Some(f64::INFINITY));
    }
}
