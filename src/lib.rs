//! Rushlight makes clear pictures from little light: it reconstructs CT and MR scans, takes noise off images and measures what came
//! out, on the CPU and, through wgpu, on GPUs.
//!
//! A tour, in the order in which data flow (`examples/library.rs` runs it):
//!
//! 1. A file becomes an [`io::Recording`]. CT: raw counts become line integrals ([`scan::Counts`]); with a
//!    [`geometry::Geometry`], a list of views, they are a [`scan::Scan`]. MR: samples and their encoding are a
//!    [`scan::KSpace`], whose coils [`calibration`] knows. Or a [`phantom::Phantom`] is scanned exactly, by rays or in
//!    k-space, or an image by a virtual [`scanner`], whose beam [`physics`] knows.
//! 2. A [`device::Device`] is opened: [`device::Choice`] takes the best GPU, else the CPU.
//! 3. A recipe turns the scan into an [`image::Image`] on a [`geometry::Grid`] ([`recipes`]), or k-space into an
//!    [`image::ComplexImage`] ([`recipes::mr`]). It is made of [`operators`] over arrays, and these of [`kernels`], each written
//!    twice: for the GPU and for the CPU.
//! 4. [`denoisers`] take noise off images and series, or serve a recipe as its prior.
//! 5. The image is judged ([`quality`]) and written ([`io::write_image`]).
//! 6. A [`study`] does all this for many methods, doses and realisations of the noise, and compares them.
//!
//! Lengths are in mm (or detector cells), angles in radians, attenuation in mm⁻¹ (or per cell). Arrays are C order:
//! images `[z, y, x]`, projections `[view, row, column]`, k-space `[frame, coil, z, y, x]`. Axes: see [`geometry`].
//!
//! ```
//! use rushlight::{device::Device, geometry::{Grid, LengthUnit, Parallel}, monitor::Monitor};
//! use rushlight::{phantom::Phantom, recipes::{Recipe, fbp::Fbp}};
//!
//! let angles = (0..90).map(|i| f64::from(2 * i).to_radians()).collect();
//! let unit = LengthUnit::Millimetre;
//! let scanner = Parallel { angles, columns: 96, rows: 1, cell: 3.0, cell_height: 3.0, center: None, unit };
//! let monitor = Monitor::silent();
//! let scan = Phantom::named("disk")?.scan(&scanner.geometry(), &monitor)?;
//! let grid = Grid::centered([1, 64, 64], [4.0; 3], [0.0; 3]);
//! let image = Fbp::default().reconstruct(scan, &grid, &Device::cpu(), &monitor)?.image;
//! let water = image.values[[0, 32, 32]];
//! assert!((water / 0.0192 - 1.0).abs() < 0.01, "{water} per mm");
//! # Ok::<(), rushlight::Error>(())
//! ```
#![warn(missing_docs)]

pub mod error;
pub mod monitor;
pub mod random;
pub mod units;

pub mod device;
pub mod geometry;
pub mod physics;

pub mod kernels;

pub mod operators;

pub mod functionals;
pub mod problem;

pub mod calibration;
pub mod image;
pub mod noise;
pub mod regularisers;
pub mod scan;
pub mod solvers;

pub mod denoisers;

pub mod io;
pub mod phantom;
pub mod quality;
pub mod recipes;
pub mod scanner;

pub mod study;

pub use error::{Error, Result};

/// The programs on README and on the page of the library, so that they are compiled and run as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/library.md")]
    struct Library;
}
