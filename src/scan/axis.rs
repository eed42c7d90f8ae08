//! Where the rotation axis falls on the detector of a parallel scan: Vo, Drakopoulos, Atwood, Reinhard, "Reliable method
//! for calculating the center of rotation in parallel-beam tomography", Optics Express 22 (2014) 19078.
//!
//! A half turn, and the same mirrored about the axis, make a full turn. Its 2-D Fourier transform lies in a double wedge,
//! |k| ≤ 2π·R·u for an object within R columns of the axis (k cycles a turn, u cycles a column); a wrong axis
//! tears the sinogram where the halves meet and fills the space beside it. The axis is where that space holds least.
//!
//! A full turn is compared with itself instead, where its halves are clearly alike: `opposite`. Its axis may lie near an edge of the
//! detector (half acquisition), and what reaches beyond the detector does not draw it aside.

use std::ops::RangeInclusive;

use ndarray::{Array2, ArrayView3, Axis as Direction, s};
use rayon::prelude::*;

use super::{
    double_wedge::Metric,
    even_views::{Between, even_sinogram, full_turn, half_turn},
    opposite::Opposite,
};
use crate::error::{Error, Result};

/// Where and how finely to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// Columns between which the axis lies; by default the middle half of the detector, or all of it for a full turn.
    pub between: Option<(f64, f64)>,
    /// How many detector rows, evenly spread, are asked together.
    pub rows: usize,
    /// The last step of the search, in columns.
    pub step: f64,
}

impl Default for Search {
    fn default() -> Self {
        Self { between: None, rows: 3, step: 0.0625 }
    }
}

/// The axis that was found.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Axis {
    /// Column on which the axis falls (0 = centre of the first).
    pub column: f64,
    /// Standard error of the column, from how far the parts of the measure (frequencies, or views) disagree on it.
    pub uncertainty: f64,
    /// How it was found.
    pub method: &'static str,
    /// The detector rows that were asked.
    pub rows: Vec<usize>,
}

/// Columns and views the coarse search makes do with.
const COARSE_COLUMNS: usize = 320;
const COARSE_VIEWS: usize = 256;

/// Finds the axis column of a parallel scan: `projections` `[view, row, column]` (finite line integrals), taken at `angles`
/// (radians, in any order, a half turn or more).
///
/// # Errors
/// Angles that do not number the views or leave a gap in the half turn, values that are not finite, a range outside
/// the detector, and a range at whose end the best column lies.
pub fn find(projections: ArrayView3<f32>, angles: &[f64], search: &Search) -> Result<Axis> {
    let (views, rows, columns) = projections.dim();
    if angles.len() != views || rows == 0 || columns < 8 {
        return Err(Error::Scan(format!(
            "the axis search needs one angle a view and 8 columns at least: {} angles, projections {:?} [view, row, column]",
            angles.len(),
            projections.shape()
        )));
    }
    let last = columns as f64 - 1.0;
    let (low, high) = search.between.unwrap_or((0.25 * last, 0.75 * last));
    if !(low < high && low >= 0.0 && high <= last && search.step > 0.0) {
        return Err(Error::Option(format!(
            "an axis search from column {low} to {high} in steps of {}: the columns are 0 to {last}",
            search.step
        )));
    }
    let asked = search.rows.clamp(1, rows);
    let rows: Vec<usize> = (0..asked).map(|i| (2 * i + 1) * rows / (2 * asked)).collect();
    let even = |views: &[Between]| {
        rows.iter()
            .map(|&row| even_sinogram(projections.index_axis(Direction(1), row), views))
            .collect::<Result<Vec<_>>>()
    };
    if let Some(turn) = full_turn(angles) {
        let turns = even(&turn)?;
        let (low, high) = search.between.unwrap_or((0.0, last));
        if let Some(column) = facing(&turns, low, high) {
            let (column, uncertainty) = align(&turns, column);
            return Ok(Axis { column, uncertainty, method: "views that face each other", rows });
        }
    }
    let sinograms = even(&half_turn(angles)?)?;
    let metrics: Vec<Metric> = sinograms.iter().cloned().map(Metric::new).collect();
    let column = descend(&metrics, coarse(&sinograms, low..=high)?, columns, search.step);
    let terms = |column: f64| metrics.iter().flat_map(|metric| metric.terms(column)).collect::<Vec<f64>>();
    let uncertainty = uncertainty([-2.0, 0.0, 2.0].map(|step| terms(column + step)), 2.0);
    Ok(Axis { column, uncertainty, method: "Vo 2014", rows })
}

/// The standard error of a minimum of Σ terms, from the terms a `step` before it, there, and a `step` behind it: their slopes
/// scatter by chance, and the sum's curvature turns slope into distance (the sandwich of Huber 1967). What the slopes add up to,
/// 0 at the bottom of a smooth valley, is how far a dent in it has drawn the minimum aside.
fn uncertainty([before, at, behind]: [Vec<f64>; 3], step: f64) -> f64 {
    let slopes = before.iter().zip(&behind).map(|(before, behind)| (behind - before) / (2.0 * step));
    let (total, squares) = slopes.fold((0.0, 0.0), |(total, squares), slope| (total + slope, squares + slope * slope));
    let sum = |terms: &[f64]| terms.iter().sum::<f64>();
    let curvature = (sum(&before) - 2.0 * sum(&at) + sum(&behind)) / (step * step);
    if curvature > 0.0 { total.hypot(squares.sqrt()) / curvature } else { f64::INFINITY }
}

/// The column about which the views of a full turn face each other, to within a few, from sinograms of fewer views and columns.
fn facing(turns: &[Array2<f64>], low: f64, high: f64) -> Option<f64> {
    let (views, columns) = turns[0].dim();
    let (stride, width) = ((views / 2).div_ceil(COARSE_VIEWS), columns.div_ceil(COARSE_COLUMNS));
    let pairs = views / 2 / stride;
    let binned = |turn: &Array2<f64>| {
        let mean = |(view, column): (usize, usize)| {
            let view = view / pairs * (views / 2) + view % pairs * stride;
            turn.slice(s![view, column * width..(column + 1) * width]).sum() / width as f64
        };
        Opposite::new(&Array2::from_shape_fn((2 * pairs, columns / width), mean))
    };
    let binned: Vec<Opposite> = turns.iter().map(binned).collect();
    let (width, offset) = (width as f64, (width as f64 - 1.0) / 2.0);
    let found = Opposite::search(&binned, ((low - offset) / width).max(0.0), ((high - offset) / width).max(0.0))?;
    Some(found * width + offset)
}

/// The axis near `about` and its standard error, from views that face each other.
fn align(turns: &[Array2<f64>], about: f64) -> (f64, f64) {
    const STEP: f64 = 0.25;
    let margin = turns[0].ncols().div_ceil(COARSE_COLUMNS) as f64 + 2.0;
    let opposite: Vec<Opposite> = turns.iter().map(Opposite::new).collect();
    let terms = |column: f64| opposite.iter().flat_map(|o| o.terms(column, about, margin)).collect::<Vec<f64>>();
    let steps = (margin / STEP) as isize;
    let values: Vec<f64> = (-steps..=steps).map(|i| terms(about + i as f64 * STEP).iter().sum()).collect();
    let least = (1..values.len() - 1).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(1);
    let (left, right) = (values[least - 1], values[least + 1]);
    let curvature = left - 2.0 * values[least] + right;
    let vertex = if curvature > 0.0 { 0.5 * (left - right) / curvature } else { 0.0 };
    let column = about + (least as f64 - steps as f64 + vertex) * STEP;
    (column, uncertainty([-1.0, 0.0, 1.0].map(|step| terms(column + step)), 1.0))
}

/// The best column to within a few, from sinograms of fewer views and wider columns.
fn coarse(sinograms: &[Array2<f64>], range: RangeInclusive<f64>) -> Result<f64> {
    let (views, columns) = sinograms[0].dim();
    let (stride, width) = (views.div_ceil(COARSE_VIEWS), columns.div_ceil(COARSE_COLUMNS));
    let binned: Vec<Metric> = sinograms
        .iter()
        .map(|sinogram| {
            let thinned = sinogram.slice(s![..;stride, ..]);
            let mean =
                |(view, column)| thinned.slice(s![view, column * width..(column + 1) * width]).sum() / width as f64;
            Metric::new(Array2::from_shape_fn((thinned.nrows(), columns / width), mean))
        })
        .collect();
    let steps = ((range.end() - range.start()) / width as f64).ceil().max(2.0) as usize;
    let candidates: Vec<f64> =
        (0..=steps).map(|i| range.start() + (range.end() - range.start()) * i as f64 / steps as f64).collect();
    let values: Vec<f64> = candidates
        .par_iter()
        .map(|column| binned.iter().map(|metric| metric.at((column - (width as f64 - 1.0) / 2.0) / width as f64)).sum())
        .collect();
    let best = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap_or(0);
    if best == 0 || best == steps {
        return Err(Error::Scan(format!(
            "no rotation axis between columns {:.1} and {:.1}: the best is at the end of that range; give the axis column, such as --center 300.5",
            range.start(),
            range.end()
        )));
    }
    Ok(candidates[best])
}

/// Halves the step around the best column until it is `step`, then takes the vertex of the parabola through the last three.
fn descend(metrics: &[Metric], start: f64, columns: usize, step: f64) -> f64 {
    let value = |column: f64| metrics.iter().map(|metric| metric.at(column)).sum::<f64>();
    let mut width = columns.div_ceil(COARSE_COLUMNS) as f64;
    let (mut best, mut least) = (start, value(start));
    loop {
        let (mut left, mut right) = (value(best - width), value(best + width));
        while left < least || right < least {
            (left, least, right) = if left < right {
                best -= width;
                (value(best - width), left, least)
            } else {
                best += width;
                (least, right, value(best + width))
            };
        }
        if width <= step {
            let curvature = left - 2.0 * least + right;
            return if curvature > 0.0 { best + 0.5 * width * (left - right) / curvature } else { best };
        }
        width /= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use std::f64::consts::PI;

    /// Line integrals of disks: 2·√(r² − (t − x·cos θ − y·sin θ)²) each, with the axis at `center`.
    fn sinogram(angles: &[f64], columns: usize, center: f64) -> Array3<f32> {
        const DISKS: [(f64, f64, f64, f64); 4] =
            [(150.0, 40.0, -25.0, 1.0), (60.0, -60.0, 30.0, 0.8), (25.0, 90.0, 10.0, -0.7), (9.0, -20.0, -120.0, 2.0)];
        let scale = columns as f64 / 640.0;
        Array3::from_shape_fn((angles.len(), 1, columns), |(view, _, column)| {
            let (sin, cos) = angles[view].sin_cos();
            let t = (column as f64 - center) / scale;
            let chord = |(r, x, y, mu): (f64, f64, f64, f64)| {
                0.02 * mu * (r * r - (t - x * cos - y * sin).powi(2)).max(0.0).sqrt()
            };
            DISKS.into_iter().map(chord).sum::<f64>() as f32
        })
    }

    fn error(angles: &[f64], columns: usize, center: f64, noise: f64) -> f64 {
        let mut projections = sinogram(angles, columns, center);
        // A sum of 12 uniform numbers is near enough normal; SplitMix64.
        let mut state = 7_u64;
        let mut uniform = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as f64 / u64::MAX as f64
        };
        if noise > 0.0 {
            projections.mapv_inplace(|p| p + (noise * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0)) as f32);
        }
        find(projections.view(), angles, &Search::default()).unwrap().column - center
    }

    fn turn(views: usize, over: f64) -> Vec<f64> {
        (0..views).map(|i| over * i as f64 / views as f64).collect()
    }

    #[test]
    fn the_axis_is_found_far_from_the_middle_and_in_noise() {
        for center in [300.3, 250.1, 319.5, 420.6] {
            let (clean, noisy) = (error(&turn(181, PI), 640, center, 0.0), error(&turn(181, PI), 640, center, 0.05));
            assert!(clean.abs() < 0.02 && noisy.abs() < 0.25, "{center}: {clean} {noisy}");
        }
        for (views, columns, center) in [(60, 640, 345.75), (400, 736, 340.4), (181, 1280, 600.6)] {
            let (clean, noisy) =
                (error(&turn(views, PI), columns, center, 0.0), error(&turn(views, PI), columns, center, 0.05));
            assert!(clean.abs() < 0.05 && noisy.abs() < 0.25, "{views} × {columns}: {clean} {noisy}");
        }
    }

    #[test]
    fn the_order_direction_and_extent_of_the_angles_do_not_matter() {
        let ends: Vec<f64> = (0..=180).map(|i| i as f64 * PI / 180.0).collect();
        let down: Vec<f64> = turn(360, 2.0 * PI).into_iter().map(|angle| 2.0 * PI - angle).collect();
        let across: Vec<f64> = turn(181, PI).into_iter().map(|angle| angle - PI / 2.0).collect();
        let shuffled: Vec<f64> = (0..181).map(|i| (i * 50 % 181) as f64 * PI / 181.0).collect();
        let golden: Vec<f64> = (0..300).map(|i| i as f64 * PI * (5_f64.sqrt() - 1.0) / 2.0).collect();
        let short: Vec<f64> = turn(230, 230.0 * PI / 180.0);
        for (name, angles, within) in [
            ("0..=180°", ends, 0.1),
            ("360..0°", down, 0.05),
            ("-90..90°", across, 0.05),
            ("shuffled", shuffled, 0.05),
            ("golden", golden, 0.2),
            ("230°", short, 0.05),
        ] {
            let error = error(&angles, 640, 300.3, 0.0);
            assert!(error.abs() < within, "{name}: {error}");
        }
    }

    #[test]
    fn what_the_method_cannot_use_is_refused() {
        let angles = turn(90, PI);
        let projections = sinogram(&angles, 128, 60.0);
        let said = |angles: &[f64], search: &Search| find(projections.view(), angles, search).unwrap_err().to_string();
        assert!(said(&turn(90, PI / 2.0), &Search::default()).contains("gap of 91.0°"));
        assert!(said(&angles[1..], &Search::default()).contains("89 angles"));
        let between = |low, high| Search { between: Some((low, high)), ..Search::default() };
        assert!(said(&angles, &between(80.0, 300.0)).contains("0 to 127"));
        assert!(said(&angles, &between(64.0, 90.0)).contains("end of that range"));
        let mut lost = projections.clone();
        lost[[3, 0, 9]] = f32::NAN;
        let message = find(lost.view(), &angles, &Search::default()).unwrap_err().to_string();
        assert!(message.contains("[3, 9]"), "{message}");
    }
}
