//! What is known of images, as terms of a problem: a functional and an operator each.

pub mod tgv;
pub mod tv;

pub use tgv::total_generalised_variation;
pub use tv::total_variation;
