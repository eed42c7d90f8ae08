//! What an MR scan tells of its own coils: noise covariance, virtual coils, sensitivities, density of samples.

pub mod compression;
pub mod covariance;
pub mod density;
pub mod espirit;
pub mod grappa;
pub mod region;
pub mod whitening;

pub use compression::{Compression, Keep};
pub use density::density_compensation;
pub use espirit::{Espirit, Sensitivities};
pub use grappa::Grappa;
pub use region::{Region, calibration_data, fully_sampled_region};
pub use whitening::Whitening;
