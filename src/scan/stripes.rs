//! Stripes along the views, which become rings in the image, removed by sorting: Vo, Atwood, Drakopoulos, "Superior
//! techniques for eliminating ring artifacts in X-ray micro-tomography", Optics Express 26 (2018) 28396, algorithm 3.
//!
//! Neighbouring cells see nearly the same set of readings over the views, if not in the same order. So each column is
//! sorted over the views, a median over neighbouring columns takes out the cell that answers
//! differently, and the sorting is undone. A stripe shrinks to the profile's step from one column to the next, no
//! further, and details narrower than the window lose a little: both are the method's.

use ndarray::{Array3, ArrayViewMut2, Axis};
use rayon::prelude::*;

use super::median::running_median;
use crate::error::{Error, Result};

/// How stripes are removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stripes {
    /// Width of the median, in columns (made odd); over twice the widest stripe, and not much more. By default 1/80 of
    /// the detector, and 5 at least.
    pub window: Option<usize>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Suppressed {
    /// Root mean square of the change of each column's mean over the views: the strength of the stripes, as a line integral.
    pub strength: f64,
}

/// Suppresses the stripes of `projections`, `[view, row, column]`, finite line integrals.
///
/// # Errors
/// A window of less than 3 columns, which would do nothing.
pub fn suppress(projections: &mut Array3<f32>, options: &Stripes) -> Result<Suppressed> {
    let (views, rows, columns) = projections.dim();
    let window = options.window.unwrap_or((columns / 80).max(5));
    if window < 3 {
        return Err(Error::Option(format!("a stripe window of {window} columns: it must be 3 or more")));
    }
    let squares: Vec<f64> =
        projections.axis_iter_mut(Axis(1)).into_par_iter().map(|sinogram| suppress_in(sinogram, window)).collect();
    let cells = (rows * columns).max(1) as f64;
    Ok(Suppressed { strength: (squares.iter().sum::<f64>() / cells).sqrt() / views.max(1) as f64 })
}

/// One sinogram, `[view, column]`; returns the sum over the columns of (sum of the change over the views)².
fn suppress_in(mut sinogram: ArrayViewMut2<f32>, window: usize) -> f64 {
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
    for (rank, values) in ranked.chunks_exact(columns.max(1)).enumerate() {
        running_median(values, window, &mut medians, &mut scratch);
        for (column, (&value, &median)) in values.iter().zip(&medians).enumerate() {
            sinogram[[order[column][rank] as usize, column]] = median;
            change[column] += f64::from(median) - f64::from(value);
        }
    }
    change.iter().map(|sum| sum * sum).sum()
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
        assert!(striped.iter().all(|&value| value == 1.0));
        assert!((suppressed.strength - 0.5 / 200_f64.sqrt()).abs() < 1e-12, "{suppressed:?}");
    }

    #[test]
    fn a_window_too_small_is_refused() {
        assert!(suppress(&mut clean(), &Stripes { window: Some(1) }).is_err());
    }
}
