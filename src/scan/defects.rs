//! Cells that measured nothing, and single readings that are wrong: found, and bridged along the detector row.
//!
//! Dead cells answer the beam far less than their neighbours do ([`super::stuck`] finds those that answer nothing). Zingers (a photon
//! that hits the sensor itself, in one view: Rivers, "Tutorial introduction to X-ray computed microtomography data processing",
//! 1998) stand out against the median over neighbouring views *and* over neighbouring columns; how far is judged by the
//! median absolute deviation around them (Hampel's identifier: Davies and Gather, "The identification of multiple
//! outliers", J. Am. Stat. Assoc. 88 (1993) 782). An edge does not stand out in both directions; a crack seen edge-on
//! does, but it shows in the next view too. The first and last view and column, with neighbours on one side only, are
//! left as they are.

use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::median::{median, running_median};
use crate::error::{Error, Result};

/// Median absolute deviation to standard deviation, for normal noise.
const MAD_TO_SIGMA: f32 = 1.4826;

/// What counts as defective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repair {
    /// A cell is dead if it answers the open beam with no more than this fraction of its neighbours' median.
    pub response: f32,
    /// How many cells of the row, around the one in question, are its neighbours.
    pub neighbours: usize,
    /// Whether zingers are looked for.
    pub zingers: bool,
    /// Width of the medians a reading is held against, in views and in columns.
    pub window: usize,
    /// A zinger stands out by more than this many standard deviations of the noise around it.
    pub threshold: f32,
    /// A zinger stands out by more than this, as a line integral: 0.2 is 22 % more counts.
    pub jump: f32,
    /// Whether a single reading that attenuates too much is an outlier too. A thin wire can look the same.
    pub dark: bool,
}

impl Default for Repair {
    fn default() -> Self {
        Self { response: 0.1, neighbours: 11, zingers: true, window: 5, threshold: 8.0, jump: 0.2, dark: false }
    }
}

/// What was repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repaired {
    /// Cells bridged in every view.
    pub dead_cells: usize,
    /// Single readings bridged because they were missing (NaN).
    pub missing: usize,
    /// Single readings bridged because they counted nothing where their neighbours did.
    pub empty: usize,
    /// Single readings bridged because they stood out.
    pub zingers: usize,
}

/// Cells of `response` (open beam minus dark, `[row, column]`) that answer not at all or far less than their neighbours.
pub fn dead_cells(response: ArrayView2<f32>, options: &Repair) -> Array2<bool> {
    let mut dead = Array2::from_elem(response.dim(), false);
    let mut scratch = Vec::new();
    for (row, mut dead) in response.rows().into_iter().zip(dead.rows_mut()) {
        let row: Vec<f32> = row.iter().map(|&v| if v.is_finite() { v } else { 0.0 }).collect();
        let mut medians = vec![0.0; row.len()];
        running_median(&row, options.neighbours, &mut medians, &mut scratch);
        for ((dead, &value), &median) in dead.iter_mut().zip(&row).zip(&medians) {
            *dead = value <= 0.0 || value <= options.response * median;
        }
    }
    dead
}

/// Bridges the `dead` cells (`[row, column]`), missing readings (NaN) and zingers of `projections`
/// (`[view, row, column]`, line integrals) by linear interpolation along the detector row.
///
/// `floor` is the line integral of every cell (`[row, column]`) whose count is none. Such a reading among bright ones, in one
/// view alone, is not the object's: it is bridged, too.
///
/// # Errors
/// `dead` of another shape; a row of a view without a single working cell.
pub fn repair(
    projections: &mut Array3<f32>,
    dead: &Array2<bool>,
    floor: Option<ArrayView2<f32>>,
    options: &Repair,
) -> Result<Repaired> {
    let (views, rows, columns) = projections.dim();
    if dead.dim() != (rows, columns) {
        return Err(Error::Scan(format!(
            "the map of dead cells is {:?} [row, column], the projections have {rows} rows × {columns} columns",
            dead.shape()
        )));
    }
    let counts: Vec<[usize; 3]> = projections
        .axis_iter_mut(Axis(1))
        .into_par_iter()
        .enumerate()
        .map(|(row, mut sinogram)| {
            let dead = dead.row(row);
            let mut missing = 0;
            for (view, mut readings) in sinogram.rows_mut().into_iter().enumerate() {
                missing += readings.iter().zip(&dead).filter(|(value, dead)| !value.is_finite() && !**dead).count();
                readings.zip_mut_with(&dead, |value, &dead| {
                    if dead {
                        *value = f32::NAN
                    }
                });
                bridge(readings).map_err(|()| {
                    Error::Scan(format!("detector row {row} has no working cell in view {view}: leave that row out"))
                })?;
            }
            if !(options.zingers && views >= 3) {
                return Ok([missing, 0, 0]);
            }
            let floor = floor.as_ref().map(|floor| floor.row(row));
            let alive = |column: usize| !dead[column];
            let is_empty = |(view, column): (usize, usize), sinogram: &ArrayViewMut2<f32>| {
                alive(column) && floor.is_some_and(|floor| sinogram[[view, column]] >= floor[column])
            };
            let empty = Array2::from_shape_fn((views, columns), |at| is_empty(at, &sinogram));
            let [empty, zingers] = remove_outliers(&mut sinogram, &empty, dead, options);
            Ok([missing, empty, zingers])
        })
        .collect::<Result<_>>()?;
    let mut repaired = Repaired { dead_cells: dead.iter().filter(|dead| **dead).count(), ..Repaired::default() };
    for [missing, empty, zingers] in counts {
        repaired.missing += missing;
        repaired.empty += empty;
        repaired.zingers += zingers;
    }
    Ok(repaired)
}

/// Replaces what is not finite by the line between its nearest finite neighbours, or by the one there is.
fn bridge(mut readings: ArrayViewMut1<f32>) -> std::result::Result<(), ()> {
    let mut last: Option<usize> = None;
    for index in 0..readings.len() {
        if !readings[index].is_finite() {
            continue;
        }
        let (value, first) = (readings[index], last.map_or(0, |last| last + 1));
        let from = last.map_or(value, |last| readings[last]);
        let width = (index + 1 - first) as f32;
        for gap in first..index {
            readings[gap] = from + (value - from) * (gap + 1 - first) as f32 / width;
        }
        last = Some(index);
    }
    let last = last.ok_or(())?;
    let value = readings[last];
    readings.iter_mut().skip(last + 1).for_each(|gap| *gap = value);
    Ok(())
}

/// Bridges the readings of one sinogram, `[view, column]`, that stand out: those that are `empty`, and zingers; their numbers.
fn remove_outliers(
    sinogram: &mut ArrayViewMut2<f32>,
    empty: &Array2<bool>,
    dead: ArrayView1<bool>,
    options: &Repair,
) -> [usize; 2] {
    let over_columns = above_median(sinogram.view(), options.window);
    let over_views = above_median(sinogram.t(), options.window).reversed_axes();
    let readings = sinogram.view();
    let found: Vec<(usize, usize)> = over_views
        .indexed_iter()
        .filter_map(|(at, &by_view)| {
            let by_column = over_columns[at];
            let zinger = || {
                let by = if by_view.abs() < by_column.abs() { by_view } else { by_column };
                (by_view * by_column > 0.0 && (options.dark || by < 0.0)).then_some(by)
            };
            let by = if empty[at] { Some(readings[at] - around(readings, at, options.window)) } else { zinger() }?;
            let stands_out = by.abs() > options.jump
                && by.abs() > options.threshold * noise(&over_views, at, options.window)
                && !has_kin(&over_columns, at, by, empty[at]);
            stands_out.then_some(at)
        })
        .collect();
    for &at in &found {
        sinogram[at] = f32::NAN;
    }
    for view in found.iter().map(|at| at.0) {
        // A dead cell beside it was bridged with it. Each is an outlier against its own neighbours' median, so no row is
        // outliers throughout.
        let mut readings = sinogram.row_mut(view);
        readings.iter_mut().zip(dead).filter(|(_, dead)| **dead).for_each(|(value, _)| *value = f32::NAN);
        let _ = bridge(readings);
    }
    let nothing = found.iter().filter(|at| empty[**at]).count();
    [nothing, found.len() - nothing]
}

/// Median of a reading's neighbours in view and column, without itself; at the borders too.
fn around(sinogram: ArrayView2<f32>, (view, column): (usize, usize), window: usize) -> f32 {
    let near = |at: usize, extent: usize| at.saturating_sub(window / 2)..(at + window / 2 + 1).min(extent);
    let (views, columns) = (near(view, sinogram.nrows()), near(column, sinogram.ncols()));
    let places = views.flat_map(|v| columns.clone().map(move |c| (v, c))).filter(|at| *at != (view, column));
    median(&mut places.map(|at| sinogram[at]).collect::<Vec<_>>())
}

/// How far each value lies above (or below: negative) the median of its neighbours in the row.
fn above_median(values: ArrayView2<f32>, window: usize) -> Array2<f32> {
    let mut above = Array2::zeros(values.dim());
    let (mut medians, mut scratch) = (vec![0.0; values.ncols()], Vec::new());
    for (row, mut above) in values.rows().into_iter().zip(above.rows_mut()) {
        running_median(&row.to_vec(), window, &mut medians, &mut scratch);
        above.iter_mut().zip(row).zip(&medians).for_each(|((above, value), median)| *above = value - median);
    }
    above
}

/// Whether the view before or after has something a quarter as strong, of the same sign, as near as the object can have
/// turned it: a crack or a wire seen edge-on, which a zinger never is.
///
/// A shadow lasts: `lasting`, both views must have it, where there are both.
fn has_kin(over_columns: &Array2<f32>, (view, column): (usize, usize), by: f32, lasting: bool) -> bool {
    let (views, columns) = over_columns.dim();
    // The detector's edge moves by half its width times the angle between views, of a full turn at most.
    let reach = (std::f64::consts::PI * columns as f64 / views as f64).ceil() as usize;
    let near = column.saturating_sub(reach)..(column + reach + 1).min(columns);
    let beside = [view.checked_sub(1), Some(view + 1).filter(|next| *next < views)];
    let mut beside = beside.into_iter().flatten().map(|view| {
        over_columns.slice(s![view, near.clone()]).iter().any(|other| other * by.signum() >= 0.25 * by.abs())
    });
    if lasting { beside.all(|kin| kin) } else { beside.any(|kin| kin) }
}

/// Standard deviation of the noise near a reading: of the deviations within one window each way.
fn noise(over_views: &Array2<f32>, (view, column): (usize, usize), window: usize) -> f32 {
    let near = |at: usize, extent: usize| -> Range<usize> { at.saturating_sub(window)..(at + window + 1).min(extent) };
    let (views, columns) = (near(view, over_views.nrows()), near(column, over_views.ncols()));
    let mut deviations: Vec<f32> =
        over_views.slice(s![views, columns]).iter().map(|deviation| deviation.abs()).collect();
    MAD_TO_SIGMA * median(&mut deviations)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line integrals of a disk off the axis and a pin, `[view, row, column]`, with a ripple for noise.
    fn clean(noise: f32) -> Array3<f32> {
        Array3::from_shape_fn((90, 2, 128), |(view, row, column)| {
            let chord = |r: f64, x: f64, y: f64| {
                let (sin, cos) = (view as f64 * std::f64::consts::PI / 90.0).sin_cos();
                let t = column as f64 - 63.5 - x * cos - y * sin;
                2.0 * (r * r - t * t).max(0.0).sqrt()
            };
            // A hash of the indices, uniform in ±1.
            let mut hash = ((view * 2 + row) * 128 + column) as u32;
            for _ in 0..3 {
                hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
            }
            let ripple = f64::from(hash >> 8) / f64::from(1 << 23) - 1.0;
            (0.03 * chord(40.0, 8.0, -5.0) + 0.4 * chord(1.2, -30.0, 20.0) + f64::from(noise) * ripple) as f32
        })
    }

    /// The column on which the pin's centre falls.
    fn pin(view: usize) -> f64 {
        let (sin, cos) = (view as f64 * std::f64::consts::PI / 90.0).sin_cos();
        63.5 - 30.0 * cos + 20.0 * sin
    }

    fn alive() -> Array2<bool> {
        Array2::from_elem((2, 128), false)
    }

    #[test]
    fn a_clean_scan_stays_as_it_is_to_the_bit() {
        for noise in [0.0, 0.02, 0.2] {
            let truth = clean(noise);
            let mut projections = truth.clone();
            let repaired = repair(&mut projections, &alive(), None, &Repair::default()).unwrap();
            assert_eq!((repaired, projections), (Repaired::default(), truth), "noise {noise}");
        }
    }

    #[test]
    fn dead_cells_are_bridged_to_within_the_curvature() {
        let truth = clean(0.0);
        let mut projections = truth.clone();
        let mut dead = alive();
        for (row, column) in [(0, 0), (0, 50), (1, 51), (1, 52), (1, 127)] {
            dead[[row, column]] = true;
            projections.slice_mut(s![.., row, column]).fill(9.0);
        }
        projections[[7, 0, 60]] = f32::NAN;
        let repaired = repair(&mut projections, &dead, None, &Repair::default()).unwrap();
        assert_eq!(repaired, Repaired { dead_cells: 5, missing: 1, ..Repaired::default() });
        // Over three cells a line errs by p″ at most: 2·0.03·r²/(r² − t²)^1.5 = 0.0026 for |t| < 22, away from the pin.
        for view in (0..90).filter(|&view| (51.5 - pin(view)).abs() > 5.0) {
            for column in [51, 52] {
                let error = (projections[[view, 1, column]] - truth[[view, 1, column]]).abs();
                assert!(error < 0.0027, "{view} {column}: {error}");
            }
        }
        assert!((projections[[7, 0, 60]] - truth[[7, 0, 60]]).abs() < 0.002);
        assert_eq!((projections[[3, 0, 0]], projections[[3, 1, 127]]), (truth[[3, 0, 1]], truth[[3, 1, 126]]));
    }

    #[test]
    fn zingers_are_found_where_they_were_planted_and_nowhere_else() {
        let truth = clean(0.02);
        let mut projections = truth.clone();
        // Off the pin: on it, a zinger only makes a thinner pin.
        let planted: Vec<_> = (0..40)
            .map(|i| (2 * i + 1 + i % 3, i % 2, (37 * i) % 128))
            .filter(|&(view, _, column)| (column as f64 - pin(view)).abs() > 4.0 && (1..127).contains(&column))
            .collect();
        assert!(planted.len() > 30);
        for &at in &planted {
            projections[at] -= 0.7;
        }
        let repaired = repair(&mut projections, &alive(), None, &Repair::default()).unwrap();
        assert_eq!(repaired, Repaired { zingers: planted.len(), ..Repaired::default() });
        for (at, truth) in truth.indexed_iter() {
            let error = (projections[at] - truth).abs();
            assert!(error == 0.0 || (planted.contains(&at) && error < 0.35), "{at:?}: {error}");
        }
        let off = Repair { zingers: false, ..Repair::default() };
        let mut projections = truth.clone();
        projections[planted[0]] -= 0.7;
        assert_eq!(repair(&mut projections, &alive(), None, &off).unwrap(), Repaired::default());
    }

    #[test]
    fn a_crack_seen_edge_on_is_no_zinger() {
        let mut truth = clean(0.0);
        // It drifts by two columns a view and is deepest in one view.
        for (view, depth) in [(40, 0.1), (41, 0.2), (42, 0.5), (43, 0.2), (44, 0.1)] {
            truth[[view, 0, 2 * view - 20]] -= depth;
        }
        let mut projections = truth.clone();
        assert_eq!(repair(&mut projections, &alive(), None, &Repair::default()).unwrap(), Repaired::default());
        assert_eq!(projections, truth);
    }

    #[test]
    fn a_cell_is_dead_by_its_neighbours() {
        let mut response = Array2::from_shape_fn((2, 64), |(_, column)| 100.0 + 50.0 * column as f32);
        for (column, value) in [(3, 0.0), (20, -5.0), (33, f32::NAN), (40, 100.0)] {
            response[[0, column]] = value;
        }
        let dead = dead_cells(response.view(), &Repair::default());
        let found: Vec<_> = dead.indexed_iter().filter(|(_, dead)| **dead).map(|(at, _)| at).collect();
        assert_eq!(found, [(0, 3), (0, 20), (0, 33), (0, 40)]);
    }

    #[test]
    fn what_cannot_be_bridged_is_refused() {
        let mut projections = clean(0.0);
        assert!(repair(&mut projections, &Array2::from_elem((1, 128), false), None, &Repair::default()).is_err());
        projections.slice_mut(s![4, 1, ..]).fill(f32::NAN);
        let said = repair(&mut projections, &alive(), None, &Repair::default()).unwrap_err().to_string();
        assert!(said.contains("row 1") && said.contains("view 4"), "{said}");
    }
}
