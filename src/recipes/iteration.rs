//! Runs a solver: so many iterations, or until the image no longer changes; watched, and stopped by the user.

use std::{fmt, sync::Arc, time::Instant};

use ndarray::Array3;

use crate::{
    error::{Error, Result},
    geometry::{Geometry, Grid},
    monitor::Monitor,
    solvers::Solver,
};

/// Iterations between two looks at the image.
pub const LOOK: usize = 10;

/// What an observer sees every [`LOOK`] iterations.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Iterations done.
    pub iteration: usize,
    /// Since the first iteration began.
    pub seconds: f64,
    /// ‖x − x'‖/‖x‖, with x' the image [`LOOK`] iterations before.
    pub change: f64,
    /// Which slice, of how many that are made one after the other.
    pub slice: [usize; 2],
    /// The image, `[z, y, x]`.
    pub image: &'a Array3<f32>,
}

/// Is shown the image on its way.
pub type Observer = Arc<dyn Fn(&Snapshot) -> Result<()> + Send + Sync>;

/// How to iterate.
#[derive(Clone, Default)]
pub struct Iteration {
    /// How often; until the image settles by default.
    pub count: Option<usize>,
    /// The first image, `[z, y, x]` on the grid of the reconstruction; the method's own choice by default.
    pub start: Option<Array3<f32>>,
    /// When the user interrupts, return the image so far.
    pub keep: bool,
    /// Watches.
    pub observer: Option<Observer>,
}

impl fmt::Debug for Iteration {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Iteration").field("count", &self.count).field("keep", &self.keep).finish_non_exhaustive()
    }
}

/// When a solver that was given no number of iterations has done enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enough {
    /// The image's relative change over [`LOOK`] iterations falls below this,
    pub change: f64,
    /// or so many iterations are done.
    pub most: usize,
}

impl Iteration {
    /// Refuses views that say nothing, and a number of iterations or a first image that cannot be.
    pub fn check(&self, geometry: &Geometry, grid: &Grid) -> Result<()> {
        let views = &geometry.views;
        if views.len() > 1 && views.iter().all(|view| view == &views[0]) {
            return Err(Error::Geometry(format!(
                "the {} views are all alike, so that nothing is known across them; check --angles",
                views.len()
            )));
        }
        if self.count == Some(0) {
            return Err(Error::Option("--iterations 0 makes no image; give 1 or more, or auto".into()));
        }
        if let Some(start) = &self.start {
            if start.shape() != grid.shape {
                return Err(Error::Option(format!(
                    "the first image has shape {:?}, the reconstruction {:?} (z, y, x): they must be alike",
                    start.shape(),
                    grid.shape
                )));
            }
            let values = start.as_slice().unwrap_or_default();
            crate::error::check_finite("the first image", start.shape(), values)?;
        }
        Ok(())
    }

    /// Iterates, and returns the image and what was done. Of lines with several channels the first is the image.
    pub fn run(
        &self,
        solver: &mut dyn Solver,
        enough: Enough,
        shape: [usize; 3],
        monitor: &Monitor,
    ) -> Result<(Array3<f32>, String)> {
        let most = self.count.unwrap_or(enough.most);
        let outcome = monitor.step("iterate", most as u64, || self.iterate(solver, enough, shape, monitor));
        if self.keep && matches!(monitor.check(), Err(Error::Interrupted)) {
            monitor.finish();
        }
        outcome
    }

    fn iterate(
        &self,
        solver: &mut dyn Solver,
        enough: Enough,
        shape: [usize; 3],
        monitor: &Monitor,
    ) -> Result<(Array3<f32>, String)> {
        let (begun, most) = (Instant::now(), self.count.unwrap_or(enough.most));
        let mut image = look(solver, shape)?;
        let mut change = f64::NAN;
        for done in 1..=most {
            solver.next().expect("solvers never end")?;
            let last = done == most;
            if done.is_multiple_of(LOOK) || last {
                let now = look(solver, shape)?;
                let size = norm(&now);
                if !size.is_finite() {
                    let what = "the image has values that are not finite".to_string();
                    return Err(Error::Diverged { iteration: done, what });
                }
                change = norm(&(&now - &image)) / size.max(f64::MIN_POSITIVE);
                image = now;
                if let Some(observer) = &self.observer {
                    let seconds = begun.elapsed().as_secs_f64();
                    observer(&Snapshot { iteration: done, seconds, change, slice: [0, 1], image: &image })?;
                }
                if self.count.is_none() && change < enough.change {
                    let note =
                        format!("{done} iterations: the last {LOOK} changed the image by {change:.1e} of itself");
                    return Ok((image, note));
                }
            }
            match monitor.advance(done as u64) {
                Err(Error::Interrupted) if self.keep => {
                    let note = format!("interrupted after {done} iterations: this is the image so far");
                    return Ok((look(solver, shape)?, note));
                }
                other => other?,
            }
        }
        let asked = if self.count.is_some() { "as asked" } else { "the most that are done unasked" };
        Ok((image, format!("{most} iterations, {asked}; the last changed the image by {change:.1e} of itself")))
    }
}

fn norm(image: &Array3<f32>) -> f64 {
    image.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

fn look(solver: &dyn Solver, [nz, ny, nx]: [usize; 3]) -> Result<Array3<f32>> {
    let values = solver.device().download::<f32>(solver.solution())?;
    let channels = values.len() / (nz * ny * nx);
    let values = match channels {
        1 => values,
        _ => values.chunks_exact(channels * nx).flat_map(|line| &line[..nx]).copied().collect(),
    };
    Ok(super::volume([nz, ny, nx], values))
}
