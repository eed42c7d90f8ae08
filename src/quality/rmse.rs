//! Root mean square error, √(mean (a − b)²), and the same relative to the truth, ‖a − b‖/‖b‖.
//!
//! The relative one is normalised by the truth's Euclidean norm, as in Fienup, "Invariant error metrics for image
//! reconstruction", Applied Optics 36 (1997) 8352, eq. 1 (without its optimal scale): scale matters in CT.

use super::Pair;

/// Root mean square error over the pair's region, in the images' unit.
pub fn rmse(pair: &Pair) -> f64 {
    let (squares, count) = pair.sum(|image, truth| (image - truth).powi(2));
    (squares / count as f64).sqrt()
}

/// ‖image − truth‖/‖truth‖ over the pair's region, a pure number; infinite or NaN where the truth is 0 everywhere.
pub fn nrmse(pair: &Pair) -> f64 {
    let (squares, _) = pair.sum(|image, truth| (image - truth).powi(2));
    let (truth, _) = pair.sum(|_, truth| truth.powi(2));
    (squares / truth).sqrt()
}
