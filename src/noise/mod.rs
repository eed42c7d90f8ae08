//! What an image tells of its own noise: how much there is, where, and of which kind; and transforms that make it alike
//! everywhere.
//!
//! | noise | level | made alike by |
//! |---|---|---|
//! | Gaussian | [`level()`], [`map()`] where it varies | nothing needed |
//! | Rician: magnitudes of complex numbers with Gaussian noise | [`rician_level`] | [`Rician`] |
//! | Poisson and Gaussian together | [`poisson()`] | [`Anscombe`] |
//!
//! What neighbouring pixels share of it is a [`Correlation`].

pub mod anscombe;
pub mod correlation;
pub mod level;
pub mod map;
pub mod poisson;
pub mod rician;

pub use anscombe::Anscombe;
pub use correlation::Correlation;
pub use level::{level, rician_level};
pub use map::map;
pub use poisson::poisson;
pub use rician::Rician;
