//! Where the rotation axis falls on the detector of a parallel scan: Vo, Drakopoulos, Atwood, Reinhard, "Reliable method
//! for calculating the center of rotation in parallel-beam tomography", Optics Express 22 (2014) 19078.
//!
//! A half turn, and the same mirrored about the axis, make a full turn. Its 2-D Fourier transform lies in a double wedge,
//! |k| ≤ 2π·R·u for an object within R columns of the axis (k cycles a turn, u cycles a column); a wrong axis
//! tears the sinogram where the halves meet and fills the space beside it. The axis is where that space holds least.

use std::ops::RangeInclusive;

use ndarray::{Array2, ArrayView2, ArrayView3, Axis as Direction, s};
use rayon::prelude::*;

use super::double_wedge::Metric;
use crate::error::{Error, Result, check_finite};

/// Where and how finely to search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// Columns between which the axis lies; by default the middle half of the detector.
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
    /// The detector rows that were asked.
    pub rows: Vec<usize>,
}

/// Columns and views the coarse search makes do with.
const COARSE_COLUMNS: usize = 320;
const COARSE_VIEWS: usize = 256;
/// The widest gap between views (and at the end of the half turn) that may be bridged, in radians.
const WIDEST_GAP: f64 = 10.0 * std::f64::consts::PI / 180.0;

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
    let half = half_turn(angles)?;
    let asked = search.rows.clamp(1, rows);
    let rows: Vec<usize> = (0..asked).map(|i| (2 * i + 1) * rows / (2 * asked)).collect();
    let sinograms = rows
        .iter()
        .map(|&row| even_sinogram(projections.index_axis(Direction(1), row), &half))
        .collect::<Result<Vec<_>>>()?;
    let column = descend(&sinograms, coarse(&sinograms, low..=high)?, search.step);
    Ok(Axis { column, rows })
}

/// The sinogram `[view, column]` at the views of an even half turn.
fn even_sinogram(sinogram: ArrayView2<f32>, half: &[Between]) -> Result<Array2<f64>> {
    let sinogram = sinogram.as_standard_layout();
    check_finite("the scan", sinogram.shape(), sinogram.as_slice().unwrap_or_default())?;
    Ok(Array2::from_shape_fn((half.len(), sinogram.ncols()), |(view, column)| {
        let Between { before, after, weight } = half[view];
        let (a, b) = (f64::from(sinogram[[before, column]]), f64::from(sinogram[[after, column]]));
        a + weight * (b - a)
    }))
}

/// A view of the even half turn, between two of the scan's.
struct Between {
    before: usize,
    after: usize,
    weight: f64,
}

/// Views evenly spread over a half turn, from those at `angles`.
fn half_turn(angles: &[f64]) -> Result<Vec<Between>> {
    use std::f64::consts::{PI, TAU};
    let mut sorted: Vec<(f64, usize)> = angles.iter().map(|angle| angle.rem_euclid(TAU)).zip(0..).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    // The half turn begins after the widest gap.
    let gap_before = |i: usize| {
        let before = sorted[(i + sorted.len() - 1) % sorted.len()].0;
        (sorted[i].0 - before).rem_euclid(TAU)
    };
    // A sum of rounded angles must not choose among equal gaps.
    let start = (0..sorted.len()).fold(0, |best, i| if gap_before(i) > gap_before(best) + 1e-9 { i } else { best });
    sorted.rotate_left(start);
    let first = sorted.first().map_or(0.0, |first| first.0);
    sorted.iter_mut().for_each(|(angle, _)| *angle = (*angle - first).rem_euclid(TAU));
    let step = PI / sorted.iter().filter(|(angle, _)| *angle < PI * (1.0 - 1e-9)).count().max(1) as f64;
    sorted.retain(|(angle, _)| *angle < PI - 0.5 * step);
    let ends = sorted.iter().map(|(angle, _)| *angle).chain([PI]);
    let widest = ends.clone().skip(1).zip(ends).map(|(next, angle)| next - angle).fold(0.0, f64::max);
    if sorted.len() < 8 || widest > WIDEST_GAP.max(2.5 * step) {
        return Err(Error::Scan(format!(
            "the axis search needs views all over a half turn; these leave a gap of {:.1}°: give the axis column instead",
            widest.to_degrees()
        )));
    }
    let even = |i: usize| {
        let angle = i as f64 * PI / sorted.len() as f64;
        let after = sorted.partition_point(|(other, _)| *other < angle).clamp(1, sorted.len() - 1);
        let ((low, before), (high, after)) = (sorted[after - 1], sorted[after]);
        let weight = ((angle - low) / (high - low)).clamp(0.0, 1.0);
        Between { before, after, weight: if weight.is_nan() { 0.0 } else { weight } }
    };
    Ok((0..sorted.len()).map(even).collect())
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
            "no rotation axis between columns {} and {}: the best is at the end of that range; give a wider range, or the axis column",
            range.start(),
            range.end()
        )));
    }
    Ok(candidates[best])
}

/// Halves the step around the best column until it is `step`, then takes the vertex of the parabola through the last three.
fn descend(sinograms: &[Array2<f64>], start: f64, step: f64) -> f64 {
    let metrics: Vec<Metric> = sinograms.iter().cloned().map(Metric::new).collect();
    let value = |column: f64| metrics.iter().map(|metric| metric.at(column)).sum::<f64>();
    let mut width = (sinograms[0].ncols().div_ceil(COARSE_COLUMNS)) as f64;
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
