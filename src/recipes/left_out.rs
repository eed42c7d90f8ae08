//! How many iterations serve rays that the solver does not see. An eighth of the views is left out of a trial, and the iteration that
//! explains them best is the one to end at (cross-validation: Stone 1974, J. R. Stat. Soc. B 36, 111): what follows fits noise, or
//! what pixels cannot explain, and no law of the noise needs to be known for it.
//!
//! Residuals are judged as their errors stand in the image: by the slice theorem ‖x‖² = ∫∫ |k| |p̂(k, φ)|² dk dφ, so that their power is
//! weighed by |k|; plain squares would hardly see fine noise.

use std::sync::Arc;

use ndarray::Array3;
use rustfft::{Fft, FftPlannerScalar, num_complex::Complex64};

use super::{
    classical::{self, Resting, Trust},
    fbp::ramp::length,
    iteration::Enough,
    options::Options,
};
use crate::{
    device::{Device, Element},
    error::{Error, Result},
    geometry::Grid,
    monitor::Monitor,
    operators::{LinearOperator, XRay},
    scan::Scan,
    solvers::Solver,
};

/// Of so many neighbouring views one is left out.
const ONE_OF: usize = 8;
/// Fewer views than this cannot spare any.
const FEWEST: usize = 2 * ONE_OF;
/// Looks without a better one that end a trial.
const PATIENCE: usize = 3;

/// The views that a trial sees, and those that judge it; none where there are too few.
fn split(views: usize) -> Option<[Vec<usize>; 2]> {
    let judges = |view: &usize| view % ONE_OF == ONE_OF / 2;
    (views >= FEWEST).then(|| {
        let (judging, seen) = (0..views).partition(judges);
        [seen, judging]
    })
}

/// When a method that only the number of iterations regularises has done enough, if the user has not said how many.
pub struct Ending {
    /// Where the data do not end it.
    pub enough: Enough,
    /// Looks at the data every so many iterations.
    pub every: usize,
    /// Rests, too, once the misfit falls by less than this part of itself from look to look.
    pub least_fall: Option<f64>,
}

/// Iterates with `solver`, made of all views, as often as asked, or until the data are explained: to within their noise, or as well as a
/// trial says that they should be. The image and what was done.
pub fn iterate<S: Solver>(
    solver: impl Fn(&[usize]) -> Result<S>,
    (scan, grid): (&Scan, &Grid),
    (options, trust): (&Options, Trust),
    ending: &Ending,
    (device, monitor): (&Device, &Monitor),
) -> Result<(Array3<f32>, Vec<String>)> {
    let every_view: Vec<usize> = (0..scan.geometry.views.len()).collect();
    if options.iteration.count.is_some() {
        let (values, note) = options.iteration.run(&mut solver(&every_view)?, ending.enough, grid.shape, monitor)?;
        return Ok((values, vec![note]));
    }
    // Without noise to speak of, there is none to be fitted.
    let best = match trust.noise {
        Some(_) => best(&solver, (scan, grid), ending, (device, monitor))?,
        None => None,
    };
    let resting = Resting::new(solver(&every_view)?, (scan, grid), trust.weights, ending.every)?;
    let mut resting = resting.at(best).unless_it_falls(ending.least_fall);
    let (values, note) = options.iteration.run(&mut resting, ending.enough, grid.shape, monitor)?;
    Ok((values, vec![resting.note(), note]))
}

/// The iteration at which `solver` of the other views explains those left out best, all rays alike, as the solvers take them. None where
/// the last one does, where there are too few views, or the user has stopped the trial.
fn best<S: Solver>(
    solver: impl Fn(&[usize]) -> Result<S>,
    (scan, grid): (&Scan, &Grid),
    Ending { enough, every, .. }: &Ending,
    (device, monitor): (&Device, &Monitor),
) -> Result<Option<usize>> {
    let Some([seen, judging]) = split(scan.geometry.views.len()) else { return Ok(None) };
    let mut solver = solver(&seen)?;
    let operator = XRay::of_views(device, &scan.geometry, &judging, grid)?;
    let mut judge = Judge::new(classical::of_views(scan.projections.as_slice(), scan, &judging), scan.geometry.columns);
    let mut lines = device.zeros(operator.range(), Element::F32)?;
    monitor.step("trial", enough.most as u64, || {
        let (mut least, mut at) = (f64::INFINITY, None);
        for done in 1..=enough.most {
            solver.next().expect("solvers never end")?;
            if done.is_multiple_of(*every) {
                operator.forward(solver.solution(), &mut lines)?;
                let misfit = judge.misfit(&device.download(&lines)?);
                if misfit < least {
                    (least, at) = (misfit, Some(done));
                } else if done >= at.unwrap_or(0) + PATIENCE * every {
                    return Ok(at);
                }
            }
            match monitor.advance(done as u64) {
                // The user may wish to keep the image, of which there is none yet.
                Err(Error::Interrupted) => return Ok(None),
                other => other?,
            }
        }
        Ok(None)
    })
}

/// Measured lines, and what it takes to weigh what differs from them.
struct Judge {
    measured: Vec<f32>,
    columns: usize,
    transform: Arc<dyn Fft<f64>>,
    line: Vec<Complex64>,
}

impl Judge {
    fn new(measured: Vec<f32>, columns: usize) -> Self {
        let long = length(2 * columns);
        let transform = FftPlannerScalar::new().plan_fft_forward(long);
        Self { measured, columns, transform, line: vec![Complex64::ZERO; long] }
    }

    /// Σ |k| |r̂(k)|² over the lines of r = found − measured, in no particular unit.
    fn misfit(&mut self, found: &[f32]) -> f64 {
        let Self { measured, columns, transform, line } = self;
        let half = line.len() / 2;
        let of_line = |(found, measured): (&[f32], &[f32])| {
            line.fill(Complex64::ZERO);
            let pairs = found.iter().zip(measured);
            line.iter_mut().zip(pairs).for_each(|(r, (found, measured))| r.re = f64::from(found - measured));
            transform.process(line);
            line[..=half].iter().enumerate().map(|(k, r)| k as f64 * r.norm_sqr()).sum::<f64>()
        };
        found.chunks_exact(*columns).zip(measured.chunks_exact(*columns)).map(of_line).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The residual δ₀ has |r̂(k)|² = 1, so that Σ k over 0 … n/2 is left; a constant line is seen at its ends alone, and the power
    /// of numbers k times as large is k² times as large, far beyond what f32 holds.
    #[test]
    fn a_residual_is_weighed_by_its_frequency() {
        let columns = 8;
        let half = (length(2 * columns) / 2) as f64;
        for unit in [1.0_f32, 1e25, 1e-25] {
            let mut found = vec![0.0; 2 * columns];
            found[columns] = 3.0 * unit;
            let mut judge = Judge::new(vec![0.0; 2 * columns], columns);
            let expected = 9.0 * f64::from(unit).powi(2) * half * (half + 1.0) / 2.0;
            assert!((judge.misfit(&found) / expected - 1.0).abs() < 1e-6, "{unit}");
        }
    }

    #[test]
    fn every_eighth_view_judges() {
        let [seen, judging] = split(17).unwrap();
        assert_eq!(judging, [4, 12]);
        assert_eq!(seen.len(), 15);
        assert!(split(15).is_none());
    }
}
