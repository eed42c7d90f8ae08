//! What a user may say about a reconstruction; each recipe reads what concerns it.

use ndarray::Array3;

use super::{fbp::Fbp, iteration::Iteration};
use crate::{
    error::{Error, Result},
    problem::Bounds,
};

/// How strongly a regulariser weighs against the data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Strength {
    /// From the noise that the data carry.
    #[default]
    Auto,
    /// So many times that.
    Times(f64),
    /// This, in the unit of the recipe's objective.
    Fixed(f64),
}

impl Strength {
    /// The strength, where `auto` would give `usual`.
    pub fn of(self, usual: f64) -> f64 {
        match self {
            Self::Auto => usual,
            Self::Times(factor) => factor * usual,
            Self::Fixed(strength) => strength,
        }
    }

    /// Refuses what is no strength.
    pub fn check(self) -> Result<()> {
        match self {
            Self::Times(number) | Self::Fixed(number) if !(number > 0.0 && number.is_finite()) => Err(Error::Option(
                format!("a strength of {number} regularises nothing; give a number above 0, such as 2x, or auto"),
            )),
            _ => Ok(()),
        }
    }
}

/// Everything that recipes can be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Filtered backprojection.
    pub fbp: Fbp,
    /// Of the regulariser.
    pub strength: Strength,
    /// Of iterative methods.
    pub iteration: Iteration,
    /// Where the image's values lie.
    pub bounds: Bounds,
    /// Photons per ray in the open beam: the weights of the rays.
    pub photons: Option<f64>,
    /// Ordered subsets, where a method has them.
    pub subsets: Option<usize>,
    /// A prior image on the grid of the reconstruction.
    pub prior: Option<Array3<f32>>,
    /// The denoiser that is pnp's prior, by its name in [`crate::denoisers::ALL`]; block matching by default.
    pub denoiser: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fbp: Fbp::default(),
            strength: Strength::Auto,
            iteration: Iteration::default(),
            bounds: Bounds::NON_NEGATIVE,
            photons: None,
            subsets: None,
            prior: None,
            denoiser: None,
        }
    }
}
