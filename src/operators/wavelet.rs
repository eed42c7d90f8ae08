//! Wavelets of compact support within slices, with periodic boundaries (Daubechies, Ten Lectures on Wavelets, 1992): the
//! orthogonal transform, and the undecimated one that has all its shifts (Coifman & Donoho 1995).

mod family;
pub(crate) mod on_cpu;
mod orthogonal;
mod pass;
mod undecimated;

pub use family::Family;
pub use orthogonal::Wavelets;
pub use undecimated::UndecimatedWavelets;

/// Levels that leave the coarsest image at least 16 lines and columns, but one at least.
pub fn usual_levels([_, ny, nx]: [usize; 3]) -> usize {
    (ny.min(nx) / 16).max(2).ilog2() as usize
}
