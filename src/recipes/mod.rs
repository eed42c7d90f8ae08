//! Recipes: what a user asks for by name. Each turns a scan into an image.

pub mod bone;
pub mod iteration;
pub mod mr;
pub mod options;

mod classical;
mod finer;
mod iterative;
mod left_out;
mod left_over;
mod noise;
mod shadows;
mod slices;
mod surroundings;
mod unit;
mod variational;

pub use iteration::Iteration;
pub use iterative::Iterative;
pub use options::{Options, Strength};

use ndarray::Array3;

use crate::{
    device::Device,
    error::{Error, Result},
    geometry::Grid,
    image::Image,
    monitor::Monitor,
    scan::Scan,
};

/// What a recipe made, and how.
#[derive(Clone, Debug)]
pub struct Reconstruction {
    /// The image.
    pub image: Image,
    /// What was decided on the way, one sentence each, for the report.
    pub notes: Vec<String>,
}

/// A way from a scan to an image.
pub trait Recipe {
    /// Reconstructs `scan` on `grid`.
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction>;
}

/// The one list: declares the modules and the names that `--method` takes.
macro_rules! recipes {
    ($($name:literal => $module:ident),* $(,)?) => {
        $(pub mod $module;)*
        /// Names of the recipes.
        pub const ALL: &[&str] = &[$($name),*];

        /// The recipe of that name.
        ///
        /// # Errors
        /// [`Error::Option`] if there is none.
        pub fn named(name: &str, options: &Options) -> Result<Box<dyn Recipe>> {
            match name {
                $($name => Ok($module::recipe(options)),)*
                "nonlocal" => Err(Error::Option("the method 'nonlocal' has given way to 'pnp'".into())),
                _ => Err(Error::Option(format!("there is no method '{name}'; there are {}", ALL.join(", ")))),
            }
        }
    };
}

recipes! {
    "fbp" => fbp,
    "tv" => tv,
    "tgv" => tgv,
    "piccs" => piccs,
    "asd-pocs" => asd_pocs,
    "sirt" => sirt,
    "sart" => sart,
    "cgls" => cgls,
    "pwls" => pwls,
    "pnp" => pnp,
}

/// Values of an image, from the lines of a device array.
fn volume(shape: [usize; 3], values: Vec<f32>) -> Array3<f32> {
    Array3::from_shape_vec(shape, values).expect("the image array has the grid's shape")
}

/// What made an image.
fn provenance(name: &str) -> String {
    format!("Rushlight {} {name}", env!("CARGO_PKG_VERSION"))
}
