//! How much of a sinogram's Fourier transform lies beside the double wedge: the metric of Vo et al. 2014 (see
//! [`super::axis`]), for one sinogram and any trial axis. The paper takes the mean magnitude; here it is the
//! mean energy, because noise adds the same to it at every trial axis.

use std::{f64::consts::PI, ops::Range, sync::Arc};

use ndarray::Array2;
use rayon::prelude::*;
use rustfft::{Fft, FftPlannerScalar, num_complex::Complex};

use super::opposite::between;

/// One sinogram over a half turn, ready to be tried.
pub(super) struct Metric {
    /// `[view, column]`, evenly spread over a half turn.
    sinogram: Array2<f64>,
    along_row: Arc<dyn Fft<f64>>,
    along_views: Arc<dyn Fft<f64>>,
    /// Spectrum of the measured half: for each view, at the frequencies in use.
    measured: Vec<Complex<f64>>,
    /// The frequencies u in use, in cycles a row of the detector.
    frequencies: Range<usize>,
}

/// The lowest frequencies along the row tell little of the axis, and hold the most energy.
const FIRST_FREQUENCY: usize = 2;

impl Metric {
    pub(super) fn new(sinogram: Array2<f64>) -> Self {
        let (views, columns) = sinogram.dim();
        let mut planner = FftPlannerScalar::new();
        // Beside a wedge of half the detector's width there is space up to u = views/π. Fine detail is left to the image:
        // above 1/16 of the sampling frequency there is more noise than there are tears.
        let highest = ((views as f64 / PI) as usize).min((columns / 16).max(16)).min(columns / 4);
        let mut metric = Self {
            along_row: planner.plan_fft_forward(columns),
            along_views: planner.plan_fft_forward(2 * views),
            measured: Vec::new(),
            frequencies: FIRST_FREQUENCY..highest.max(FIRST_FREQUENCY + 1),
            sinogram,
        };
        metric.measured = metric.row_spectra(|view, column| metric.sinogram[[view, column]]);
        metric
    }

    /// Mean energy beside the double wedge, if the axis were at `column`.
    pub(super) fn at(&self, column: f64) -> f64 {
        self.terms(column).into_iter().sum()
    }

    /// The same as one term a frequency.
    pub(super) fn terms(&self, column: f64) -> Vec<f64> {
        let views = self.sinogram.nrows();
        let last = self.sinogram.ncols() as f64 - 1.0;
        let mirrored = self.row_spectra(|view, cell| {
            let opposite = 2.0 * column - cell as f64;
            if (0.0..=last).contains(&opposite) {
                between(self.sinogram.row(view), opposite)
            } else {
                // Where the detector did not reach, the measured half runs backwards: no tear.
                self.sinogram[[views - 1 - view, cell]]
            }
        });
        let used = self.frequencies.len();
        let sums: Vec<(f64, usize)> = (0..used)
            .into_par_iter()
            .map(|index| {
                let halves = [&self.measured, &mirrored];
                let mut turn: Vec<Complex<f64>> =
                    halves.iter().flat_map(|half| half.iter().skip(index).step_by(used)).copied().collect();
                self.along_views.process(&mut turn);
                let beside = self.beside(self.frequencies.start + index);
                let sum = beside.clone().map(|k| turn[k].norm_sqr() + turn[2 * views - k].norm_sqr()).sum();
                (sum, 2 * beside.len())
            })
            .collect();
        let count = sums.iter().map(|(_, count)| count).sum::<usize>().max(1) as f64;
        sums.into_iter().map(|(sum, _)| sum / count).collect()
    }

    /// Frequencies k > 0, in cycles a turn, that lie beside the wedge of an object as wide as the detector, at
    /// row frequency `u`. The lowest are left out, as the paper does.
    fn beside(&self, u: usize) -> Range<usize> {
        let views = self.sinogram.nrows();
        let lowest = (views / 9).min(20) + 1;
        lowest.max((PI * u as f64).ceil() as usize)..views
    }

    /// Transforms of the rows that `value(view, column)` gives, at the frequencies in use, one row after the other.
    fn row_spectra(&self, value: impl Fn(usize, usize) -> f64 + Sync) -> Vec<Complex<f64>> {
        let (views, columns) = self.sinogram.dim();
        let mut spectra = vec![Complex::default(); views * self.frequencies.len()];
        spectra.par_chunks_exact_mut(self.frequencies.len()).enumerate().for_each_init(
            || vec![Complex::default(); columns],
            |row, (view, spectrum)| {
                row.iter_mut().enumerate().for_each(|(column, cell)| *cell = Complex::new(value(view, column), 0.0));
                self.along_row.process(row);
                spectrum.copy_from_slice(&row[self.frequencies.clone()]);
            },
        );
        spectra
    }
}
