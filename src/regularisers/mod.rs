//! What is known of images, as terms of a problem: a functional and an operator each.

pub mod huber;
pub mod prior_image;
pub mod tgv;
pub mod tv;

pub use huber::huber_total_variation;
pub use prior_image::prior_image;
pub use tgv::total_generalised_variation;
pub use tv::total_variation;
