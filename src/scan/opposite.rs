//! The rotation axis of a full turn from views that face each other: p(θ + π, s) = p(θ, −s) where both see the line. It needs only
//! the columns seen from both sides, so that the axis may lie near an edge of the detector (half acquisition).
//!
//! Lines are compared by their smoothed slopes, as their heights are much alike wherever the axis is.

use std::ops::Range;

use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

/// Standard deviation of the smoothing, in columns, and how far it reaches.
const SMOOTH: f64 = 1.5;
const REACH: usize = 4;
/// Fewest columns seen from both sides, besides those whose smoothing reaches over the detector's edge.
const FEWEST: usize = 3;
/// How much more alike than by chance the halves must look, in standard deviations of chance.
const CLEARLY: f64 = 6.0;

/// The slopes of a full turn's even views: those of its first half, and those that face them.
pub(super) struct Opposite {
    slopes: Array2<f64>,
    facing: Array2<f64>,
}

fn slopes(sinogram: &Array2<f64>) -> Array2<f64> {
    let reach = REACH as isize;
    let kernel: Vec<(isize, f64)> =
        (-reach..=reach).map(|lag| (lag, lag as f64 * (-0.5 * (lag as f64 / SMOOTH).powi(2)).exp())).collect();
    let last = sinogram.ncols() as isize - 1;
    Array2::from_shape_fn(sinogram.dim(), |(view, column)| {
        let at = |lag: isize| sinogram[[view, (column as isize + lag).clamp(0, last) as usize]];
        kernel.iter().map(|(lag, weight)| weight * at(*lag)).sum()
    })
}

impl Opposite {
    /// `turn` `[view, column]`: an even number of views, evenly spread over a turn.
    pub(super) fn new(turn: &Array2<f64>) -> Self {
        let slopes = slopes(turn);
        let (first, second) = slopes.view().split_at(ndarray::Axis(0), turn.nrows() / 2);
        // A line seen backwards has its slope turned over.
        Self { slopes: first.to_owned(), facing: second.mapv(|slope| -slope) }
    }

    /// Columns that face whole ones if the axis is between `low` and `high`.
    fn overlap(&self, low: f64, high: f64) -> Range<usize> {
        let (first, last) = (REACH as f64, (self.slopes.ncols() - 1) as f64 - REACH as f64);
        let columns = first.max(2.0 * high - last).ceil()..last.min(2.0 * low - first).floor() + 1.0;
        columns.start as usize..columns.end.max(columns.start) as usize
    }

    /// The sum of a·b and of (a² + b²)/2 over the lines seen from both sides, and their number, for the axis at `half`/2.
    fn alike(&self, half: usize) -> (f64, f64, usize) {
        let columns = self.overlap(half as f64 / 2.0, half as f64 / 2.0);
        let mut sums = (0.0, 0.0, 0);
        for (a, b) in self.slopes.rows().into_iter().zip(self.facing.rows()) {
            for column in columns.clone() {
                let (a, b) = (a[column], b[half - column]);
                sums = (sums.0 + a * b, sums.1 + 0.5 * (a * a + b * b), sums.2 + 1);
            }
        }
        sums
    }

    /// The axis between columns `low` and `high` about which the halves of all rows are most alike, to half a column; `None` if
    /// they are nowhere clearly so.
    pub(super) fn search(rows: &[Self], low: f64, high: f64) -> Option<f64> {
        let candidates: Vec<usize> = ((2.0 * low).ceil() as usize..=(2.0 * high).floor() as usize).collect();
        let score = |half: &usize| {
            let sums = rows.iter().map(|row| row.alike(*half));
            let (alike, most, count) = sums.fold((0.0, 0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
            let enough = count >= FEWEST * rows[0].slopes.nrows() * rows.len() && most > 0.0;
            if enough { alike / most - CLEARLY / (count as f64).sqrt() } else { -1.0 }
        };
        let scores: Vec<f64> = candidates.par_iter().map(score).collect();
        let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]))?;
        (scores[best] > 0.0).then_some(candidates[best] as f64 / 2.0)
    }

    /// Square differences of the halves with the axis at `column`, one term a view, over the columns that are seen from both sides
    /// wherever the axis is within `margin` of `about`.
    pub(super) fn terms(&self, column: f64, about: f64, margin: f64) -> Vec<f64> {
        let always = self.overlap(about - margin, about + margin);
        let columns = if always.len() < FEWEST { self.overlap(about, about) } else { always };
        let rows = self.slopes.rows().into_iter().zip(self.facing.rows());
        let term = |(a, b): (ArrayView1<f64>, ArrayView1<f64>)| {
            columns.clone().map(|at| (a[at] - between(b, 2.0 * column - at as f64)).powi(2)).sum()
        };
        rows.map(term).collect()
    }
}

/// The value between the columns, by Keys' cubic convolution (1981, a = −1/2).
pub(super) fn between(row: ArrayView1<f64>, column: f64) -> f64 {
    let t = column - column.floor();
    let at = |offset: isize| row[(column.floor() as isize + offset).clamp(0, row.len() as isize - 1) as usize];
    let (a, b, c, d) = (at(-1), at(0), at(1), at(2));
    b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
}
