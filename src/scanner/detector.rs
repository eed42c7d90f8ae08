//! The detector: quanta, cross-talk, electronic noise, and the logarithm with its zero-count rule.
//!
//! Quanta are drawn from a scaled Poisson law with the mean and the variance of the compound Poisson signal, which is
//! exact for one energy and for counting detectors (I. A. Elbakri, J. A. Fessler, IEEE Nucl. Sci. Symp. 2003). Cross-talk
//! spreads each cell's signal over its neighbours after the quanta are drawn, as light does in scintillators, and so
//! correlates their noise; what would leave the row stays in its last cell.

use ndarray::{Array3, Axis, Zip};
use rayon::prelude::*;

use super::Signals;
use crate::{
    error::{Error, Result},
    random::Draws,
    scan::noise::{FLOOR, MOST_PHOTONS},
};

/// A row of detector cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detector {
    /// Photons per cell and view in the open beam (without bow-tie); without them, no noise at all.
    pub photons: Option<f64>,
    /// Standard deviation of the electronic noise, in photons of the open beam's mean signal.
    pub electronic: f64,
    /// Part of a cell's signal that each neighbour in its row gets.
    pub cross_talk: f64,
    /// The zero-count rule: what falls below this many photons is set to it, for it has no logarithm.
    pub floor: f64,
    /// The same seed gives the same noise, whatever the number of threads.
    pub seed: u64,
}

impl Default for Detector {
    fn default() -> Self {
        Self { photons: None, electronic: 0.0, cross_talk: 0.0, floor: FLOOR, seed: 0 }
    }
}

impl Detector {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Option(what));
        if let Some(photons) = self.photons.filter(|photons| !(*photons > 0.0 && *photons <= MOST_PHOTONS)) {
            return refuse(format!("{photons} photons: give a number above 0, at most {MOST_PHOTONS:e}"));
        }
        if !(self.electronic >= 0.0 && self.electronic.is_finite()) {
            return refuse(format!("electronic noise of {} photons: give 0 or more", self.electronic));
        }
        if self.electronic > 0.0 && self.photons.is_none() {
            return refuse("electronic noise is told in photons: say how many the open beam has".into());
        }
        if !(0.0..=0.25).contains(&self.cross_talk) {
            return refuse(format!("a cross-talk of {} to each neighbour: give 0 to 0.25", self.cross_talk));
        }
        if !(self.floor > 0.0 && self.floor < f64::INFINITY) {
            return refuse(format!("a zero-count rule of {} photons: give a number above 0", self.floor));
        }
        Ok(())
    }

    /// Line integrals from the signals of object and open beam, and how many readings met the zero-count rule.
    pub(super) fn read(&self, signals: &Signals, open: &Array3<f64>) -> Result<(Array3<f32>, usize)> {
        let (views, rows, columns) = open.dim();
        let mut projections = Array3::zeros((views, rows, columns));
        let floored: Result<Vec<usize>> = projections
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .enumerate()
            .map(|(view, mut projection)| {
                let mut floored = 0;
                for (row, mut line) in projection.rows_mut().into_iter().enumerate() {
                    let part = |array: &Array3<f64>| array.slice(ndarray::s![view, row, ..]).to_vec();
                    let [mean, variance, open] = [&signals.mean, &signals.variance, open].map(part);
                    let counts = self.counts([view, row], &mean, &variance)?;
                    Zip::from(&mut line).and(&counts).and(&self.mixed(open)).for_each(|value, count, open| {
                        let bounded = if self.photons.is_some() { count.max(self.floor) } else { *count };
                        floored += usize::from(bounded > *count);
                        *value = -(bounded / (self.photons.unwrap_or(1.0) * open)).ln() as f32;
                    });
                }
                Ok(floored)
            })
            .collect();
        Ok((projections, floored?.into_iter().sum()))
    }

    /// What a row of cells reads, in photons of the open beam's mean signal; the signal itself where there is no noise.
    fn counts(&self, [view, row]: [usize; 2], mean: &[f64], variance: &[f64]) -> Result<Vec<f64>> {
        let Some(photons) = self.photons else {
            return Ok(self.mixed(mean.to_vec()));
        };
        let mut draws: Vec<Draws> = (0..mean.len()).map(|column| Draws::new(self.seed, [view, row, column])).collect();
        let mut quanta = Vec::with_capacity(mean.len());
        for (column, draws) in draws.iter_mut().enumerate() {
            // Signal of one quantum: 1 for a single energy.
            let gain = if mean[column] > 0.0 { variance[column] / mean[column] } else { 1.0 };
            let expected = photons * mean[column] / gain;
            if expected.is_nan() || expected > MOST_PHOTONS {
                return Err(Error::Scan(format!(
                    "{expected:e} photons in view {view}, row {row}, column {column}: too many; is the object's attenuation negative?"
                )));
            }
            quanta.push(gain * draws.poisson(expected));
        }
        let mut counts = self.mixed(quanta);
        if self.electronic > 0.0 {
            counts.iter_mut().zip(&mut draws).for_each(|(count, draws)| *count += self.electronic * draws.normal());
        }
        Ok(counts)
    }

    /// A row of signals after cross-talk.
    fn mixed(&self, signal: Vec<f64>) -> Vec<f64> {
        if self.cross_talk == 0.0 {
            return signal;
        }
        let at = |column: usize, step: isize| {
            let neighbour = column.saturating_add_signed(step).min(signal.len() - 1);
            signal[neighbour]
        };
        let mixed = |column: usize| {
            let neighbours = at(column, -1) + at(column, 1);
            (1.0 - 2.0 * self.cross_talk) * signal[column] + self.cross_talk * neighbours
        };
        (0..signal.len()).map(mixed).collect()
    }
}
