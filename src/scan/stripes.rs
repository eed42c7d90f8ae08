//! Stripes along the views, which become rings in the image, removed by sorting: Vo, Atwood, Drakopoulos, "Superior
//! techniques for eliminating ring artifacts in X-ray micro-tomography", Optics Express 26 (2018) 28396, algorithm 3.
//!
//! Neighbouring cells see nearly the same set of readings over the views, if not in the same order. So each column is
//! sorted over the views, a median over neighbouring columns takes out the cell that answers
//! differently, and the sorting is undone. A stripe shrinks to the profile's step from one column to the next, no
//! further, and details narrower than the window lose a little: both are the method's.
//!
//! So whether there are stripes is measured first, and only columns with one are changed: those whose mean over the views
//! would move by more than their noise explains. On the rotation axis the object itself makes a stripe: a wire there is in
//! the same cell in every view. Next to it a column is changed only if that is no more than stripes elsewhere explain.

use std::fmt;

use ndarray::{Array3, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::median::{median, running_median};
use crate::error::{Error, Result};

/// How stripes are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stripes {
    /// Width of the median, in columns (made odd); over twice the widest stripe, and not much more. By default 1/80 of
    /// the detector, and 5 at least.
    pub window: Option<usize>,
    /// Column on which the rotation axis falls, where it is known: what the object has there is left.
    pub axis: Option<f64>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Suppressed {
    /// Root mean square of the change of each column's mean over the views: the strength of the stripes, as a line integral.
    pub strength: f64,
    /// Cells of the detector that had one.
    pub cells: usize,
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.cells {
            0 => write!(f, "stripes: none found"),
            cells => write!(f, "stripes: {:.2e} (rms of the line integrals) taken out of {cells} cells", self.strength),
        }
    }
}

/// A column has a stripe if its mean over the views stands out by more than this many standard deviations of its noise.
const SIGNIFICANT: f64 = 4.0;
/// Median of absolute values to standard deviation, for normal noise.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Σ k² of the second difference, k = (1, −2, 1).
const SECOND_DIFFERENCE: f64 = 6.0;

/// Suppresses the stripes of `projections`, `[view, row, column]`, finite line integrals.
///
/// # Errors
/// A window of less than 3 columns, which would do nothing.
pub fn suppress(projections: &mut Array3<f32>, options: &Stripes) -> Result<Suppressed> {
    let (_, rows, columns) = projections.dim();
    let window = options.window.unwrap_or((columns / 80).max(5));
    if window < 3 {
        return Err(Error::Option(format!("a stripe window of {window} columns: it must be 3 or more")));
    }
    let changes: Vec<(f64, usize)> = projections
        .axis_iter_mut(Axis(1))
        .into_par_iter()
        .map(|sinogram| suppress_in(sinogram, window, options.axis))
        .collect();
    let cells = (rows * columns).max(1) as f64;
    Ok(Suppressed {
        strength: (changes.iter().map(|change| change.0).sum::<f64>() / cells).sqrt(),
        cells: changes.iter().map(|change| change.1).sum(),
    })
}

/// One sinogram, `[view, column]`; returns the sum over the columns of (change of the mean over the views)², and how many
/// columns were changed.
fn suppress_in(mut sinogram: ArrayViewMut2<f32>, window: usize, axis: Option<f64>) -> (f64, usize) {
    let (views, columns) = sinogram.dim();
    let mut order: Vec<Vec<u32>> = Vec::with_capacity(columns);
    // One row a rank, so that the median runs along memory.
    let mut ranked = vec![0.0; views * columns];
    for (column, readings) in sinogram.columns().into_iter().enumerate() {
        let mut sorted: Vec<(f32, u32)> = readings.iter().copied().zip(0..).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (rank, (value, _)) in sorted.iter().enumerate() {
            ranked[rank * columns + column] = *value;
        }
        order.push(sorted.into_iter().map(|(_, view)| view).collect());
    }
    let mut change = vec![0.0; columns];
    let (mut medians, mut scratch) = (vec![0.0; columns], Vec::new());
    for values in ranked.chunks_exact_mut(columns.max(1)) {
        running_median(values, window, &mut medians, &mut scratch);
        for (column, (value, &median)) in values.iter_mut().zip(&medians).enumerate() {
            change[column] += (f64::from(median) - f64::from(*value)) / views as f64;
            *value = median;
        }
    }
    let striped = striped(&sinogram, &change, window, axis);
    for &column in &striped {
        for (rank, &view) in order[column].iter().enumerate() {
            sinogram[[view as usize, column]] = ranked[rank * columns + column];
        }
    }
    (striped.iter().map(|&column| change[column].powi(2)).sum(), striped.len())
}

/// The columns whose `change` is that of a stripe.
fn striped(sinogram: &ArrayViewMut2<f32>, change: &[f64], window: usize, axis: Option<f64>) -> Vec<usize> {
    let views = sinogram.nrows();
    let noise_of_mean = |column: usize| {
        let readings = sinogram.column(column);
        let differences = readings.windows(3).into_iter().map(|run| (run[0] - 2.0 * run[1] + run[2]).abs());
        let mut differences: Vec<f32> = differences.collect();
        let middle = if differences.is_empty() { 0.0 } else { f64::from(median(&mut differences)) };
        MAD_TO_SIGMA * middle / (SECOND_DIFFERENCE * views as f64).sqrt()
    };
    let by_axis = |column: usize| axis.is_some_and(|axis| (column as f64 - axis).abs() <= window as f64);
    let mut sizes: Vec<f32> =
        (0..change.len()).filter(|column| !by_axis(*column)).map(|column| change[column].abs() as f32).collect();
    let usual = if sizes.is_empty() { 0.0 } else { MAD_TO_SIGMA * f64::from(median(&mut sizes)) };
    let stands_out = |column: &usize| change[*column].abs() > SIGNIFICANT * noise_of_mean(*column);
    let is_objects = |column: usize| by_axis(column) && change[column].abs() > SIGNIFICANT * usual;
    (0..change.len()).filter(stands_out).filter(|column| !is_objects(*column)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line integrals of two disks, one off the axis, over half a turn.
    fn clean() -> Array3<f32> {
        Array3::from_shape_fn((180, 1, 256), |(view, _, column)| {
            let chord = |r: f64, x: f64, y: f64| {
                let (sin, cos) = (view as f64 * std::f64::consts::PI / 180.0).sin_cos();
                let t = column as f64 - 127.5 - x * cos - y * sin;
                2.0 * (r * r - t * t).max(0.0).sqrt()
            };
            (0.01 * chord(100.0, 3.0, -4.0) + 0.01 * chord(25.0, 40.0, 20.0)) as f32
        })
    }

    fn rms(a: &Array3<f32>, b: &Array3<f32>) -> f64 {
        (a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
    }

    #[test]
    fn planted_stripes_shrink_fivefold_and_a_clean_scan_hardly_changes() {
        let truth = clean();
        let mut untouched = truth.clone();
        suppress(&mut untouched, &Stripes::default()).unwrap();
        let change = rms(&untouched, &truth) / rms(&truth, &Array3::zeros(truth.dim()));
        assert!(change < 0.01, "{change}");

        // Within 30 columns of the axis, where the profile's steps are well below the stripes.
        let mut striped = truth.clone();
        for (column, by) in [(98, 0.1), (108, -0.15), (109, -0.1), (128, 0.2), (139, 0.1), (150, -0.1)] {
            striped.slice_mut(ndarray::s![.., 0, column]).mapv_inplace(|value| value + by);
        }
        // A stripe, and the ring it makes, is what all views have in common.
        let stripes = |a: &Array3<f32>, b: &Array3<f32>| {
            let mean = (a - b).mean_axis(Axis(0)).unwrap().insert_axis(Axis(0));
            rms(&mean, &Array3::zeros(mean.dim()))
        };
        let before = stripes(&striped, &truth);
        suppress(&mut striped, &Stripes::default()).unwrap();
        let after = stripes(&striped, &untouched);
        assert!(after < before / 5.0, "{before} {after}");
    }

    #[test]
    fn the_strength_is_that_of_the_stripes() {
        let mut striped = Array3::from_elem((30, 2, 100), 1.0);
        striped.slice_mut(ndarray::s![.., 0, 40]).fill(1.5);
        let suppressed = suppress(&mut striped, &Stripes::default()).unwrap();
        assert_eq!(suppressed.cells, 1);
        assert!(striped.iter().all(|&value| value == 1.0));
        assert!((suppressed.strength - 0.5 / 200_f64.sqrt()).abs() < 1e-12, "{suppressed:?}");
    }

    #[test]
    fn without_stripes_nothing_changes_and_a_wire_on_the_axis_stays() {
        // A wire of 3 cells on the axis, 1.0 deep, and noise that is fresh in every view.
        let noisy = |gain: &dyn Fn(usize) -> f32| {
            let mut scan = clean();
            for ((view, row, column), value) in scan.indexed_iter_mut() {
                let half = (column as f32 - 127.5) / 1.5;
                *value += (1.0 - half * half).max(0.0).sqrt() + gain(column);
                *value += 0.02 * crate::random::Draws::new(5, [view, row, column]).normal() as f32;
            }
            scan
        };
        let options = Stripes { axis: Some(127.5), window: None };
        let truth = noisy(&|_| 0.0);
        let mut same = truth.clone();
        assert_eq!(suppress(&mut same, &options).unwrap().cells, 0);
        assert_eq!(same, truth);
        // A flat field's noise in every column: it shrinks, and the wire stays but for as much.
        let gain = |column: usize| 0.02 * crate::random::Draws::new(6, [0, 0, column]).normal() as f32;
        let mut striped = noisy(&gain);
        let suppressed = suppress(&mut striped, &options).unwrap();
        assert!(suppressed.cells > 100, "{suppressed}");
        let mean = (&striped - &truth).mean_axis(Axis(0)).unwrap();
        let rms = |columns: std::ops::Range<usize>| {
            let squares: f32 = columns.clone().map(|column| mean[[0, column]].powi(2)).sum();
            (squares / columns.len() as f32).sqrt()
        };
        assert!(rms(60..110) < 0.013 && rms(146..196) < 0.013, "{} {}", rms(60..110), rms(146..196));
        assert!((124..132).all(|column| mean[[0, column]].abs() < 0.08), "{mean}");
    }

    #[test]
    fn a_window_too_small_is_refused() {
        assert!(suppress(&mut clean(), &Stripes { window: Some(1), axis: None }).is_err());
    }
}
