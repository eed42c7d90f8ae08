//! What is known of images, as terms of a problem: a functional and an operator each.
//!
//! | what is known | of the name | form | taken by |
//! |---|---|---|---|
//! | plateaus | [`total_variation`] | [`Term`] | [`PrimalDual`] |
//! | plateaus and gentle slopes | [`huber_total_variation`] | [`Term`] | [`PrimalDual`] |
//! | ramps | [`total_generalised_variation`] | two [`Term`]s | [`PrimalDual`], images with a vector field |
//! | sparse wavelet details | [`wavelet_l1`] | [`Term`] | [`PrimalDual`] |
//! | the same, one shift at a time | [`SparseWavelets`] | [`Proximal`] | [`Fista`] |
//! | a former image | [`prior_image()`] | two [`Term`]s | [`PrimalDual`] |
//! | alike neighbours: q-GGMRF, Huber | [`Neighbourhood`] | gradient | [`Objective`], for [`Fista`] and [`OrderedSubsets`] |
//! | no negative values, a range | [`Bounds`] | the problem's bounds | [`PrimalDual`], and others as theirs |
//!
//! Terms add up: a problem has any number of them.
//!
//! [`Term`]: crate::problem::Term
//! [`Bounds`]: crate::problem::Bounds
//! [`Proximal`]: crate::functionals::Proximal
//! [`SparseWavelets`]: crate::functionals::SparseWavelets
//! [`Neighbourhood`]: crate::functionals::Neighbourhood
//! [`Objective`]: crate::functionals::Objective
//! [`PrimalDual`]: ../solvers/struct.PrimalDual.html
//! [`Fista`]: ../solvers/struct.Fista.html
//! [`OrderedSubsets`]: ../solvers/struct.OrderedSubsets.html

pub mod huber;
pub mod prior_image;
pub mod tgv;
pub mod tv;
pub mod wavelet;

pub use huber::huber_total_variation;
pub use prior_image::prior_image;
pub use tgv::total_generalised_variation;
pub use tv::total_variation;
pub use wavelet::wavelet_l1;
