//! What a user may say about an MR reconstruction; each recipe reads what concerns it.

use ndarray::Array4;
use num_complex::Complex32;

use crate::{
    calibration::Espirit,
    recipes::{Iteration, Strength},
};

/// Everything that MR recipes can be told.
#[derive(Clone, Debug, Default)]
pub struct MrOptions {
    /// Of the regulariser.
    pub strength: Strength,
    /// Of iterative methods; its first image and observer are not for MR yet.
    pub iteration: Iteration,
    /// Side of the calibration region in k-space; what is fully sampled around the centre by default.
    pub calibration: Option<usize>,
    /// How coil maps are calibrated. More than one set, for objects larger than the field of view, is for `sense`, which takes two by
    /// itself where they are of use: the image is the root sum of squares of the sets' images, with the phase of the greatest.
    pub espirit: Espirit,
    /// Coil maps `[coil, z, y, x]`, instead: the image is the one whose products with them are the coils' images.
    pub maps: Option<Array4<Complex32>>,
    /// Virtual coils to compress to; by default as many as carry all but a small part of the signal.
    pub virtual_coils: Option<usize>,
    /// How images of single coils become one, where a recipe makes such; by default with the coil maps that were given or, for
    /// grappa, calibrated, and adaptively where there are none.
    pub combine: Option<Combine>,
    /// How partial-fourier fills the other half.
    pub partial_fourier: PartialFourier,
    /// The denoiser that is pnp's prior, by its name in [`crate::denoisers::ALL`]; block matching by default.
    pub denoiser: Option<String>,
}

/// How images of single coils become one without maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// With the leading eigenvector of the coils' covariance around each pixel (Walsh, Gmitro & Marcellin 2000): keeps the
    /// phase, and its noise in air is that of one coil.
    Adaptive,
    /// √Σ|xⱼ|² (Roemer et al. 1990): no phase, and a floor of noise in air.
    RootSumOfSquares,
}

/// How the half of k-space that was left out follows from the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialFourier {
    /// Projections onto the images of known phase and those of the measured data, by turns (Haacke, Lindskog & Lin 1991).
    #[default]
    Pocs,
    /// One weighted transform (Noll, Nishimura & Macovski 1991).
    Homodyne,
}
