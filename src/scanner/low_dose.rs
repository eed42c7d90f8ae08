//! Low dose inserted into a scan that was measured: noise is added until mean and variance are those of fewer photons.
//!
//! In counts, as S. Zabic, Q. Wang, T. Morton, K. M. Brown do (A low dose simulation tool for CT systems with energy
//! integrating detectors, Med. Phys. 40, 031102, 2013): of a reading y with mean N and variance N + σ², the part a of it
//! has the variance a²(N + σ²), and a scan with the part a of the photons aN + σ², so a·y + ε with
//! Var ε = a(1 − a) y + (1 − a²) σ² is such a scan; that y stands for N is right on average. Linearised, this is the
//! rule of L. Yu, M. Shiung, D. Jondal, C. H. McCollough (J. Comput. Assist. Tomogr. 36, 477–487, 2012).

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Axis;
use rayon::prelude::*;

use crate::{
    error::{Error, Result},
    random::Draws,
    scan::{
        Scan,
        noise::{FLOOR, MOST_PHOTONS},
    },
};

/// How a scan is thinned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowDose {
    /// Part of the photons that is kept, above 0 and at most 1.
    pub fraction: f64,
    /// Photons per cell and view in the open beam of the scan as it is.
    pub photons: f64,
    /// Standard deviation of the electronic noise that it has, in photons.
    pub electronic: f64,
    /// The zero-count rule: what falls below this many photons is set to it.
    pub floor: f64,
    /// The same seed gives the same noise, whatever the number of threads.
    pub seed: u64,
}

/// Draws of a scan's own noise and of the noise added to it must not be the same, even where their seeds are.
const STREAM: u64 = 0x4C6F_7744_6F73_6521;

impl LowDose {
    /// A part `fraction` of a scan with `photons` in its open beam.
    pub fn new(fraction: f64, photons: f64) -> Self {
        Self { fraction, photons, electronic: 0.0, floor: FLOOR, seed: 0 }
    }

    /// Thins `scan`. Returns how many readings met the zero-count rule.
    ///
    /// # Errors
    /// A fraction or a number of photons that cannot be; electronic noise below 0.
    pub fn insert(&self, scan: &mut Scan) -> Result<usize> {
        self.check()?;
        let floored = AtomicUsize::new(0);
        scan.projections.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(view, mut projection)| {
            let mut low = 0;
            for ((row, column), value) in projection.indexed_iter_mut() {
                let count = self.count(f64::from(*value), [view, row, column]);
                low += usize::from(count < self.floor);
                *value = -(count.max(self.floor) / (self.fraction * self.photons)).ln() as f32;
            }
            floored.fetch_add(low, Ordering::Relaxed);
        });
        Ok(floored.into_inner())
    }

    fn count(&self, line_integral: f64, index: [usize; 3]) -> f64 {
        let (a, count) = (self.fraction, self.photons * (-line_integral).exp());
        let variance = a * (1.0 - a) * count + (1.0 - a * a) * self.electronic * self.electronic;
        a * count + variance.sqrt() * Draws::new(self.seed ^ STREAM, index).normal()
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Option(what));
        if !(self.fraction > 0.0 && self.fraction <= 1.0) {
            return refuse(format!(
                "a dose of {} of the scan's own: give a fraction above 0, at most 1",
                self.fraction
            ));
        }
        if !(self.photons > 0.0 && self.photons <= MOST_PHOTONS) {
            return refuse(format!("{} photons: give a number above 0, at most {MOST_PHOTONS:e}", self.photons));
        }
        if !(self.electronic >= 0.0 && self.electronic.is_finite()) {
            return refuse(format!("electronic noise of {} photons: give 0 or more", self.electronic));
        }
        if !(self.floor > 0.0 && self.floor.is_finite()) {
            return refuse(format!("a zero-count rule of {} photons: give a number above 0", self.floor));
        }
        Ok(())
    }
}
