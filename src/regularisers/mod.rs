//! What is known of images, as terms of a problem: a functional and an operator each.

pub mod tv;

pub use tv::total_variation;
