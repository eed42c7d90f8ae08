//! Peak signal-to-noise ratio, 20·log₁₀(data range/RMSE), in dB.

use super::{Pair, rmse::rmse};

/// PSNR over the pair's region, dB; infinite where the images are the same.
pub fn psnr(pair: &Pair) -> f64 {
    20.0 * (pair.data_range / rmse(pair)).log10()
}
