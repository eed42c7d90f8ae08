//! Denoisers: what a user asks for by name, and what stands as a prior inside a reconstruction. Each takes an image with
//! noise of a known standard deviation and gives one with less; [`mp_pca`] takes a series of images, and tells the noise itself.

mod bands;
mod careful;
pub mod level;
mod levelled;
pub mod mp_pca;
mod noisy;
mod patch_transform;
mod stabilised;
mod variational;

pub use network::Weights;
pub use noisy::{Noisy, Sigma};
pub use stabilised::{Stabilised, Transform};

use crate::{
    device::{Array, Device},
    error::{Error, Result},
    noise::Correlation,
};

/// A way from a noisy image to one with less noise.
pub trait Denoiser: Send + Sync {
    /// What becomes of `noisy`, an image of the same shape.
    ///
    /// # Errors
    /// [`Error::Option`] where the method cannot take the image; what goes wrong on the device.
    fn denoise(&self, device: &Device, noisy: &Noisy) -> Result<Array>;
}

/// What the noise is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Model {
    /// Gaussian.
    #[default]
    Gaussian,
    /// That of magnitudes of complex numbers with Gaussian noise, whose parts have deviation σ.
    Rician,
    /// That of counts p, Poisson-distributed, and Gaussian noise of deviation σ: αp + n.
    Poisson {
        /// α, the value of one count.
        gain: f64,
    },
}

impl Model {
    /// Names, as `--noise` takes them.
    pub const ALL: &[&str] = &["gaussian", "rician", "poisson"];

    /// The one of that name; counts of value 1.
    ///
    /// # Errors
    /// [`Error::Option`] if there is none.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "gaussian" => Ok(Self::Gaussian),
            "rician" => Ok(Self::Rician),
            "poisson" => Ok(Self::Poisson { gain: 1.0 }),
            _ => Err(Error::Option(format!("there is no noise '{name}'; there are {}", Self::ALL.join(", ")))),
        }
    }

    /// Refuses counts that are worth nothing.
    fn check(self) -> Result<()> {
        match self {
            Self::Poisson { gain } if !(gain > 0.0 && gain.is_finite()) => {
                Err(Error::Option(format!("a gain of {gain}: one count has a value above 0")))
            }
            _ => Ok(()),
        }
    }
}

/// What every method can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What the noise is.
    pub noise: Model,
    /// How much is taken off, relative to the method's own choice.
    pub strength: f64,
    /// What the network has learnt.
    pub weights: Weights,
    /// What neighbouring pixels share of the noise, for bm3d.
    pub correlation: Correlation,
    /// Slices on either side of one in which nlm and bm3d look for its like; 0 takes every slice by itself.
    pub depth: usize,
    /// Whether net is asked of the image turned and mirrored in all eight ways: better by 0.15 to 0.2 dB, and eight times the work.
    pub turned: bool,
    /// Whether tv, tgv and bilateral ask how much they help before they are believed (Stein's estimate of the risk): two to eight times the work,
    /// and never an image that is worse than it was.
    pub careful: bool,
    /// Whether bm3d takes a patch's like every six pixels instead of every three: a quarter of the work, for what is denoised again.
    pub coarse: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            noise: Model::Gaussian,
            strength: 1.0,
            weights: Weights::Ct,
            correlation: Correlation::white(),
            depth: 0,
            turned: true,
            careful: true,
            coarse: false,
        }
    }
}

/// The one list: declares the modules and the names that `--method` takes.
macro_rules! denoisers {
    ($($name:literal => $module:ident),* $(,)?) => {
        $(pub mod $module;)*
        /// Names of the methods.
        pub const ALL: &[&str] = &[$($name),*];

        /// The method of that name.
        ///
        /// # Errors
        /// [`Error::Option`] if there is none, or for a strength that cannot be.
        pub fn named(name: &str, options: &Options) -> Result<Box<dyn Denoiser>> {
            if !(options.strength > 0.0 && options.strength.is_finite()) {
                return Err(Error::Option(format!("a strength of {}: give a factor above 0, such as 1.2", options.strength)));
            }
            options.noise.check()?;
            match name {
                $($name => Ok($module::denoiser(options)),)*
                _ => Err(Error::Option(format!("there is no denoiser '{name}'; there are {}", ALL.join(", ")))),
            }
        }
    };
}

denoisers! {
    "bm3d" => block_matching,
    "nlm" => non_local_means,
    "tv" => tv,
    "tgv" => tgv,
    "bilateral" => bilateral,
    "net" => network,
}
