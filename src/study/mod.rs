//! Studies: methods × doses (or views) × realisations of the noise, on phantoms and slices, judged and written up.
//!
//! A [`Protocol`] says everything that the figures depend on. A [`Study`] is a protocol in a folder: its cells are
//! computed in parallel and stored one by one, so that it can be interrupted and continued; [`Study::analyse`] measures
//! what they hold, [`Study::publish`] writes `results.csv`, `results.json`, plots, and one self-contained `report.html`.

pub mod analysis;
pub mod cell;
mod digest;
pub mod effort;
pub mod equivalence;
pub mod gantry;
mod measures;
pub mod method;
pub mod metrics;
mod picture;
mod plot;
pub mod protocol;
mod report;
pub mod run;
pub mod slice;
pub mod statistics;
pub mod subject;

pub use analysis::Findings;
pub use effort::Effort;
pub use method::Method;
pub use protocol::{Protocol, Sweep};
pub use run::{Study, Tally};
pub use subject::Subject;

/// What [`Study::publish`] writes, beside the folder of plots.
const OUTPUTS: &[&str] = &["results.csv", "results.json", "report.html"];
/// The folder of plots.
const PLOTS: &str = "plots";
