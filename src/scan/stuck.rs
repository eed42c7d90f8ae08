//! Cells that are stuck: their readings follow neither the object nor the photons' noise, while their neighbours' do.
//!
//! A cell that reads no less than its open beam in every view, between cells in shadow, does not see the object. A cell that always
//! reads the same counts no photons if its neighbours fluctuate, wherever it is: near the axis of a round object nothing else tells.
//! Their noise is the median size of fourth differences (`photon.rs`), along the views and along the row, of
//! the two the lesser: so little of the object is in both.

use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;

use super::{
    defects::Repair,
    median::{median, running_median},
    photon::{DIFFERENCE, MEDIAN_SIZE},
};

/// A cell that sees the object has at least this line integral in one view of twenty.
const SEEN: f32 = 0.2;
/// Of fewer views, a gap in the object can look like a cell that does not see it.
const FEW: usize = 16;
/// A cell that counts photons spreads over three standard deviations of their noise, and has a good part of its neighbours' noise: one
/// that spreads over less than this part of their standard deviation counts none.
const STILL: f32 = 0.2;
/// Noise of less than 10⁸ photons is that of rounding.
const ROUNDING: f32 = 1e-4;
/// Noise of fewer steps from number to number may show as none in a cell that is in the middle of a step.
const STEPS: f32 = 1.5;

/// What a cell saw over the views, but for one in twenty at either end.
#[derive(Clone, Copy, Default)]
struct Shadow {
    weakest: f32,
    strongest: f32,
}

impl Shadow {
    fn of(readings: impl Iterator<Item = f32>) -> Self {
        let mut finite: Vec<f32> = readings.filter(|value| value.is_finite()).collect();
        if finite.is_empty() {
            return Self::default();
        }
        let (last, few) = (finite.len() - 1, finite.len() / 20);
        let mut at = |rank: usize| *finite.select_nth_unstable_by(rank, f32::total_cmp).1;
        Self { weakest: at(few), strongest: at(last - few) }
    }

    fn spread(&self) -> f32 {
        self.strongest - self.weakest
    }
}

/// The stuck cells (`[row, column]`) of `projections` `[view, row, column]`, whether bright, dark or in between. `floor` is the line
/// integral of every cell (`[row, column]`) whose count is none: behind what lets no photon through, a cell may well stand still.
pub fn stuck_cells(projections: ArrayView3<f32>, floor: ArrayView2<f32>, options: &Repair) -> Array2<bool> {
    let (views, rows, columns) = projections.dim();
    let mut stuck = Array2::from_elem((rows, columns), false);
    if views < FEW {
        return stuck;
    }
    let lines = stuck.axis_iter_mut(Axis(0)).into_par_iter().zip(projections.axis_iter(Axis(1)).into_par_iter());
    lines.zip(floor.axis_iter(Axis(0)).into_par_iter()).for_each(|((mut stuck, sinogram), floor)| {
        let shadows: Vec<Shadow> =
            sinogram.columns().into_iter().map(|readings| Shadow::of(readings.iter().copied())).collect();
        let mut scratch = Vec::new();
        let mut medians = |of: fn(&Shadow) -> f32| {
            let mut medians = vec![0.0; columns];
            running_median(&shadows.iter().map(of).collect::<Vec<_>>(), options.neighbours, &mut medians, &mut scratch);
            medians
        };
        let [strongest, spread] = [medians(|shadow| shadow.strongest), medians(Shadow::spread)];
        for (column, stuck) in stuck.iter_mut().enumerate() {
            let (own, beside) = (&shadows[column], Beside { column, reach: options.neighbours / 2, columns });
            let blind = strongest[column] > SEEN && own.strongest < options.response * strongest[column];
            let unmoved = spread[column] > SEEN && own.spread() == 0.0;
            let still = || {
                // Noise is dear to find, and no more than a third of the spread.
                own.weakest < floor[column]
                    && own.spread() < 0.5 * STILL * beside.most(|other| shadows[other].spread())
                    && own.spread() < STILL * beside.most(|other| noise(sinogram, other))
            };
            *stuck = blind || unmoved || still();
        }
    });
    stuck
}

/// The cells of the row within `reach` of `column`, without itself.
struct Beside {
    column: usize,
    reach: usize,
    columns: usize,
}

impl Beside {
    /// What three quarters of them have at least: a few may be stuck, too, but where more stand still there is no noise.
    fn most(&self, of: impl Fn(usize) -> f32) -> f32 {
        let near = self.column.saturating_sub(self.reach)..(self.column + self.reach + 1).min(self.columns);
        let mut values: Vec<f32> = near.filter(|other| *other != self.column).map(of).collect();
        let quarter = values.len() / 4;
        if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(quarter, f32::total_cmp).1 }
    }
}

/// The noise (standard deviation) of a cell's readings; 0 where it cannot be told from rounding.
fn noise(sinogram: ArrayView2<f32>, column: usize) -> f32 {
    let (views, columns) = sinogram.dim();
    let size = |at: &dyn Fn(usize) -> f32| (0..5).map(|i| DIFFERENCE[i] * at(i)).sum::<f32>().abs();
    let along_views = (2..views - 2).map(|view| size(&|i| sinogram[[view + i - 2, column]])).collect();
    let along_row = match columns < DIFFERENCE.len() {
        true => Vec::new(),
        false => {
            let first = column.saturating_sub(2).min(columns - DIFFERENCE.len());
            (0..views).map(|view| size(&|i| sinogram[[view, first + i]])).collect()
        }
    };
    let square: f32 = DIFFERENCE.iter().map(|k| k * k).sum();
    let deviation = |sizes: Vec<f32>| {
        let mut finite: Vec<f32> = sizes.into_iter().filter(|size| size.is_finite()).collect();
        median(&mut finite) / (MEDIAN_SIZE as f32 * square.sqrt())
    };
    // f32::min leaves out the NaN of no differences.
    let noise = deviation(along_views).min(deviation(along_row));
    let readings = sinogram.column(column);
    let steps = readings.windows(2).into_iter().map(|pair| (pair[1] - pair[0]).abs()).filter(|step| *step > 0.0);
    let step = steps.fold(f32::INFINITY, f32::min);
    if noise > ROUNDING && noise > STEPS * step { noise } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;
    use crate::random::Draws;

    /// A disc on the axis, `photons` in the open beam, one cell of it in its own column, and the floor.
    fn centred(photons: f64, gain: f64) -> (Array3<f32>, Array2<f32>) {
        let scan = Array3::from_shape_fn((90, 2, 64), |(view, row, column)| {
            let t = (column as f64 - 31.5) / 28.0;
            let count =
                Draws::new(3, [view, row, column]).poisson(photons * (-2.0 * (1.0 - t * t).max(0.0).sqrt()).exp());
            -((gain * count).round().max(0.5) / (gain * photons)).ln() as f32
        });
        (scan, Array2::from_elem((2, 64), (2.0 * gain * photons).ln() as f32))
    }

    fn found(scan: &Array3<f32>, floor: &Array2<f32>) -> Vec<(usize, usize)> {
        let stuck = stuck_cells(scan.view(), floor.view(), &Repair::default());
        stuck.indexed_iter().filter(|(_, stuck)| **stuck).map(|(at, _)| at).collect()
    }

    #[test]
    fn a_cell_without_noise_among_noise_is_stuck() {
        for photons in [1e3, 3e4, 1e6] {
            let (mut scan, floor) = centred(photons, 1.0);
            assert_eq!(found(&scan, &floor), [], "{photons}");
            // In the air, at the edge, behind the disc; one flickers by a count.
            for (row, column, value) in [(0, 1, 0.01), (0, 4, 0.1), (0, 33, 0.9), (1, 31, 2.0), (1, 63, 0.0)] {
                scan.slice_mut(s![.., row, column]).fill(value);
            }
            let flicker = 1.0 / (photons * (-0.9_f64).exp()) as f32;
            scan.slice_mut(s![..;3, 0, 33]).mapv_inplace(|value| value + if photons > 1e4 { flicker } else { 0.0 });
            assert_eq!(found(&scan, &floor), [(0, 1), (0, 4), (0, 33), (1, 31), (1, 63)], "{photons}");
        }
    }

    #[test]
    fn what_stands_still_for_another_reason_is_not_stuck() {
        // Noise of less than the steps of the numbers: some cells read the same in nearly all views.
        let (coarse, floor) = centred(4e5, 2e-4);
        assert!((0..64).any(|column| Shadow::of(coarse.slice(s![.., 0, column]).iter().copied()).spread() == 0.0));
        assert_eq!(found(&coarse, &floor), []);
        // A disc on the axis, or a little beside it, without noise, in any order of the views.
        for beside in [0.0, 0.3, 2.0] {
            let even = Array3::from_shape_fn((90, 1, 64), |(view, _, column)| {
                let angle = view as f64 * 2.399_963;
                let t = (column as f64 - 32.0 - beside * angle.cos()) / 28.0;
                (2.0 * (1.0 - t * t).max(0.0).sqrt()) as f32
            });
            assert_eq!(found(&even, &Array2::from_elem((1, 64), 10.0)), [], "{beside}");
        }
        // Nothing comes through a wire on the axis.
        let (mut wire, floor) = centred(3e4, 1.0);
        wire.slice_mut(s![.., 0, 31..33]).fill(floor[[0, 0]]);
        assert_eq!(found(&wire, &floor), []);
    }
}
