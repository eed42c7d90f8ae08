//! Looks now and then whether an iteration runs away: what it should lower must not come to exceed twice its bound, or,
//! where no bound is known, not grow at one look after another.

use crate::error::{Error, Result};

/// A figure that a converging iteration keeps below a bound.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    what: &'static str,
    bound: f64,
}

impl Watch {
    /// Of `what`, whose bound is for instance its value for an empty image.
    pub fn new(what: &'static str, bound: f64) -> Self {
        Self { what, bound }
    }

    /// Whether `iteration` is one to look at: often at first, seldom later, since a look waits for the device.
    pub fn is_due(iteration: usize) -> bool {
        iteration.is_power_of_two() || iteration.is_multiple_of(64)
    }

    /// Refuses a figure that is not finite, or more than twice the bound; what there is at first may lie above it.
    pub fn check(&mut self, iteration: usize, figure: f64) -> Result<()> {
        if iteration == 0 && figure.is_finite() {
            self.bound = self.bound.max(figure);
        }
        if figure.is_finite() && figure <= 2.0 * self.bound.max(f64::from(f32::MIN_POSITIVE)) {
            return Ok(());
        }
        let what = format!("{} is {figure:.3e}, where {:.3e} was to be lowered", self.what, self.bound);
        Err(Error::Diverged { iteration, what })
    }
}

/// A figure that a converging iteration may raise, but not for long.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    what: &'static str,
    above: f64,
    last: f64,
    streak: usize,
}

impl Growth {
    /// Looks in a row at which the figure may grow by half or more.
    const MOST: usize = 4;

    pub fn new(what: &'static str) -> Self {
        Self::above(what, 0.0)
    }

    /// Of a figure whose growth is of no concern below `bound`.
    pub fn above(what: &'static str, bound: f64) -> Self {
        Self { what, above: bound, last: f64::INFINITY, streak: 0 }
    }

    /// Refuses a figure that is not finite, or has grown too often in a row.
    pub fn check(&mut self, iteration: usize, figure: f64) -> Result<()> {
        self.streak = if figure > self.above.max(1.5 * self.last) { self.streak + 1 } else { 0 };
        self.last = figure;
        if figure.is_finite() && self.streak < Self::MOST {
            return Ok(());
        }
        Err(Error::Diverged { iteration, what: format!("{} grows on and on, to {figure:.3e}", self.what) })
    }
}
