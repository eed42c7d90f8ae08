//! Scanners and matter as formulas and published tables: materials, tube spectra, what a polyenergetic beam measures; coils
//! and field strength.
//!
//! Photon energies are in keV, thicknesses in mm, linear attenuation in mm⁻¹; mass attenuation in cm²/g and densities
//! in g/cm³, as the tables have them.

pub mod beam;
pub mod coils;
pub mod field_strength;
pub mod material;
pub mod spectrum;
pub mod split;
mod table;
pub mod tube;

pub use beam::{Beam, Detector};
pub use coils::{Helmet, Loop};
pub use material::Material;
pub use spectrum::Spectrum;
pub use split::{Dense, Split};
pub use tube::{Filter, Tube};

/// Photon energy at which attenuation is told where a single one must be, keV: near the effective energy of a 120 kV
/// CT beam behind a body, where water has 0.0193 mm⁻¹.
pub const REFERENCE_ENERGY: f64 = 70.0;
