//! Views evenly spread over a half turn or a whole one, between those of a scan, for the search of its axis.

use std::f64::consts::{PI, TAU};

use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result, check_finite};

/// The widest gap between views (and at the end of the half turn) that may be bridged, in radians.
const WIDEST_GAP: f64 = 10.0 * PI / 180.0;

/// The sinogram `[view, column]` at even views.
pub(super) fn even_sinogram(sinogram: ArrayView2<f32>, half: &[Between]) -> Result<Array2<f64>> {
    let sinogram = sinogram.as_standard_layout();
    check_finite("the scan", sinogram.shape(), sinogram.as_slice().unwrap_or_default())?;
    Ok(Array2::from_shape_fn((half.len(), sinogram.ncols()), |(view, column)| {
        let Between { before, after, weight } = half[view];
        let (a, b) = (f64::from(sinogram[[before, column]]), f64::from(sinogram[[after, column]]));
        a + weight * (b - a)
    }))
}

/// A view of the even half turn, between two of the scan's.
pub(super) struct Between {
    before: usize,
    after: usize,
    weight: f64,
}

/// Views evenly spread over a half turn, from those at `angles`.
pub(super) fn half_turn(angles: &[f64]) -> Result<Vec<Between>> {
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

/// An even number of views, evenly spread over a turn, from those at `angles`; `None` if these leave a gap.
pub(super) fn full_turn(angles: &[f64]) -> Option<Vec<Between>> {
    let mut sorted: Vec<(f64, usize)> = angles.iter().map(|angle| angle.rem_euclid(TAU)).zip(0..).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (count, start) = (sorted.len(), sorted.first()?.0);
    // Once round, with the first view again at the end.
    sorted.push((start + TAU, sorted[0].1));
    let widest = sorted.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max);
    if count < 16 || widest > WIDEST_GAP.max(2.5 * TAU / count as f64) {
        return None;
    }
    let pairs = count / 2;
    let even = |i: usize| {
        let angle = start + i as f64 * TAU / (2 * pairs) as f64;
        let after = sorted.partition_point(|(other, _)| *other < angle).clamp(1, count);
        let ((low, before), (high, after)) = (sorted[after - 1], sorted[after]);
        let weight = if high > low { ((angle - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        Between { before, after, weight }
    };
    Some((0..2 * pairs).map(even).collect())
}
