//! Recipes for MR: what a user asks for by name. Each turns k-space into a complex image. A name that CT knows too means the
//! same here, with the coils' encoding in the place of the rays.

pub mod options;

mod calibrate;
mod coil_images;
mod combine;
mod encoding;
mod following;
mod frames;
mod prepare;
mod spectrum;
mod variational;

pub use options::{Combine, MrOptions, PartialFourier};

use crate::{
    device::Device,
    error::{Error, Result},
    image::ComplexImage,
    monitor::Monitor,
    recipes::Strength,
    scan::KSpace,
};

/// What a recipe made, and how.
#[derive(Clone, Debug)]
pub struct MrReconstruction {
    /// The image, `[frame, z, y, x]`.
    pub image: ComplexImage,
    /// What was decided on the way, one sentence each, for the report.
    pub notes: Vec<String>,
}

/// A way from k-space to an image.
pub trait MrRecipe {
    /// Reconstructs every frame of `scan`.
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction>;
}

/// The one list: declares the modules and the names that `--method` takes for MR.
macro_rules! mr_recipes {
    ($($name:literal => $module:ident),* $(,)?) => {
        $(pub mod $module;)*
        /// Names of the recipes.
        pub const ALL: &[&str] = &[$($name),*];

        /// The recipe of that name.
        ///
        /// # Errors
        /// [`Error::Option`] if there is none.
        pub fn named(name: &str, options: &MrOptions) -> Result<Box<dyn MrRecipe>> {
            match name {
                $($name => Ok($module::recipe(options)),)*
                _ => Err(Error::Option(format!("there is no method '{name}' for MR; there are {}", ALL.join(", ")))),
            }
        }
    };
}

mr_recipes! {
    "sense" => sense,
    "l1-wavelet" => l1_wavelet,
    "tv" => tv,
    "tgv" => tgv,
    "zero-filled" => zero_filled,
    "grappa" => grappa,
    "partial-fourier" => partial_fourier,
    "nlinv" => nlinv,
    "low-rank" => low_rank,
    "pnp" => pnp,
}

/// Where a strength came from, for the report.
fn said(strength: Strength) -> String {
    match strength {
        Strength::Auto => "from the noise".to_string(),
        Strength::Times(factor) => format!("{factor} times that from the noise"),
        Strength::Fixed(_) => "as asked".to_string(),
    }
}
