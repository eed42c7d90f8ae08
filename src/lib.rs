//! Rushlight reconstructs clear pictures from little light.
#![warn(missing_docs)]

pub mod error;
pub mod monitor;
pub mod random;
pub mod units;

pub mod device;
pub mod geometry;

pub mod kernels;

pub mod operators;

pub mod image;
pub mod scan;

pub mod io;
pub mod phantom;
pub mod quality;
pub mod recipes;

pub use error::{Error, Result};
