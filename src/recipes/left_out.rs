//! How many iterations serve rays that the solver does not see. An eighth of the views is left out of a trial, and the iteration that
//! explains them best is the one to end at (cross-validation: Stone 1974, J. R. Stat. Soc. B 36, 111): what follows fits noise, or
//! what pixels cannot explain, and no law of the noise needs to be known for it.
//!
//! Residuals are judged as their errors stand in the image: by the slice theorem ‖x‖² = ∫∫ |k| |p̂(k, φ)|² dk dφ, so that their power is
//! weighed by |k|; plain squares would hardly see fine noise.

use rustfft::{FftPlannerScalar, num_complex::Complex32};

use super::{classical, fbp::ramp::length};
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

/// The iteration, of at most `most`, at which `solver` of the other views explains those left out best, all rays alike, as the
/// solvers take them. None where the last one does, where there are too few views, or the user has stopped the trial. Looks every so
/// many iterations.
pub fn best<S: Solver>(
    solver: impl Fn(&[usize]) -> Result<S>,
    (scan, grid): (&Scan, &Grid),
    (every, most): (usize, usize),
    (device, monitor): (&Device, &Monitor),
) -> Result<Option<usize>> {
    let Some([seen, judging]) = split(scan.geometry.views.len()) else { return Ok(None) };
    let mut solver = solver(&seen)?;
    let operator = XRay::of_views(device, &scan.geometry, &judging, grid)?;
    let data = classical::of_views(scan.projections.as_slice(), scan, &judging);
    let mut lines = device.zeros(operator.range(), Element::F32)?;
    monitor.step("trial", most as u64, || {
        let (mut least, mut at) = (f64::INFINITY, 0);
        for done in 1..=most {
            solver.next().expect("solvers never end")?;
            if done.is_multiple_of(every) {
                operator.forward(solver.solution(), &mut lines)?;
                let misfit = misfit(&device.download(&lines)?, &data, scan.geometry.columns);
                if misfit < least {
                    (least, at) = (misfit, done);
                } else if done >= at + PATIENCE * every {
                    return Ok(Some(at));
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

/// Σ |k| |r̂(k)|² over the lines of r = found − measured, in no particular unit.
fn misfit(found: &[f32], measured: &[f32], columns: usize) -> f64 {
    let long = length(2 * columns);
    let transform = FftPlannerScalar::new().plan_fft_forward(long);
    let mut line = vec![Complex32::ZERO; long];
    let of_line = |(found, measured): (&[f32], &[f32])| {
        line.fill(Complex32::ZERO);
        line.iter_mut().zip(found.iter().zip(measured)).for_each(|(r, (found, measured))| r.re = found - measured);
        transform.process(&mut line);
        line[..=long / 2].iter().enumerate().map(|(k, r)| k as f64 * f64::from(r.norm_sqr())).sum::<f64>()
    };
    found.chunks_exact(columns).zip(measured.chunks_exact(columns)).map(of_line).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_eighth_view_judges() {
        let [seen, judging] = split(17).unwrap();
        assert_eq!(judging, [4, 12]);
        assert_eq!(seen.len(), 15);
        assert!(split(15).is_none());
    }
}
