//! The protocol of LoDoPaB-CT: J. Leuschner, M. Schmidt, D. O. Baguer, P. Maass, LoDoPaB-CT, a benchmark dataset for
//! low-dose computed tomography reconstruction, Sci. Data 8, 109 (2021), and its published scripts.
//!
//! A slice's middle 362 × 362 pixels are laid on a square of 0.26 m whatever their own size; CT numbers become
//! attenuation with 20/m for water and 0.02/m for air, after a uniform deviate of 0 … 1 HU is added to break the whole
//! numbers up, and are bounded to 0 … 81.35858/m (3071 HU). Scanned is that truth on 1000 × 1000 pixels (bilinear) in
//! 1000 parallel views over half a turn, 513 cells over the square's diagonal, 4096 photons a cell, and 0 photons are
//! taken for 0.1.
//!
//! Units here: truth in mm⁻¹, projections dimensionless. The data set's own numbers are those in m⁻¹, and the line
//! integrals, both divided by μ_max = 81.35858/m. Axes: views and cells are in the data set's order for the same array of
//! pixels. Ours differ from theirs in two ways: line integrals are averaged over each cell instead of traced along
//! single rays, and the seed's deviates are other ones.

use std::f64::consts::{PI, SQRT_2};

use super::{Detector, Scanned, Scanner, object};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::{Geometry, Grid, LengthUnit, Parallel},
    image::{Image, Quantity},
    monitor::Monitor,
    random::Draws,
};

/// Pixels of the truth along each side.
pub const SIZE: usize = 362;
/// Side of the square, mm.
pub const WIDTH: f64 = 260.0;
/// Pixels of the image that is scanned.
pub const FINE: usize = 1000;
/// Views over half a turn, at the middles of as many equal parts of it.
pub const VIEWS: usize = 1000;
/// Cells over the diagonal of the square.
pub const COLUMNS: usize = 513;
/// Photons per cell and view in the open beam.
pub const PHOTONS: f64 = 4096.0;
/// What 0 photons are taken for.
pub const ZERO: f64 = 0.1;

/// Attenuation of water and of air, mm⁻¹.
const WATER: f64 = 0.02;
const AIR: f64 = 2e-5;
/// Attenuation of 3071 HU, mm⁻¹, by which the data set's numbers are divided: 81.35858/m.
pub const MU_MAX: f64 = 3071.0 * (WATER - AIR) / 1000.0 + WATER;

/// Draws that break up CT numbers are others than those of the photons.
const STREAM: u64 = 0x4C6F_446F_5061_4221;

/// The scan's geometry.
pub fn geometry() -> Geometry {
    let cell = WIDTH * SQRT_2 / COLUMNS as f64;
    // Theirs turns from the rows' axis to the columns', ours the other way.
    let angles = (0..VIEWS).map(|view| PI / 2.0 - (view as f64 + 0.5) * PI / VIEWS as f64).collect();
    Parallel { angles, columns: COLUMNS, rows: 1, cell, cell_height: cell, center: None, unit: LengthUnit::Millimetre }
        .geometry()
}

/// The truth, 362² in mm⁻¹ on 260 mm, from a slice in HU, or from one that is in mm⁻¹ already.
///
/// # Errors
/// Slices of fewer pixels, stacks, values of other meaning.
pub fn truth(slice: &Image, seed: u64) -> Result<Image> {
    let [slices, rows, columns] = slice.grid.shape;
    if slices != 1 || rows < SIZE || columns < SIZE {
        return Err(Error::Option(format!(
            "LoDoPaB scans the middle {SIZE} × {SIZE} pixels of a slice, and this image has {slices} of {rows} × {columns}"
        )));
    }
    let [top, left] = [(rows - SIZE) / 2, (columns - SIZE) / 2];
    let part = slice.values.slice(ndarray::s![.., top..top + SIZE, left..left + SIZE]);
    let part = part.as_standard_layout().into_owned();
    crate::error::check_finite("the image", part.shape(), part.as_slice().unwrap_or_default())?;
    let values = match slice.quantity {
        Quantity::Hounsfield { .. } => ndarray::Array3::from_shape_fn(part.raw_dim(), |index| {
            let (z, y, x) = index;
            let hu = f64::from(part[index]) + Draws::new(seed ^ STREAM, [z, y, x]).uniform();
            (WATER + hu * (WATER - AIR) / 1000.0).clamp(0.0, MU_MAX) as f32
        }),
        Quantity::Attenuation(LengthUnit::Millimetre) => part.mapv(|mu| mu.clamp(0.0, MU_MAX as f32)),
        _ => {
            return Err(Error::Option(
                "the image to scan: what its values are is not known; say it, such as --unit hu".into(),
            ));
        }
    };
    let pixel = WIDTH / SIZE as f64;
    Ok(Image {
        values,
        grid: Grid::centered([1, SIZE, SIZE], [pixel; 3], [0.0; 3]),
        unit: LengthUnit::Millimetre,
        quantity: Quantity::Attenuation(LengthUnit::Millimetre),
        provenance: format!("Rushlight {} LoDoPaB-CT truth", env!("CARGO_PKG_VERSION")),
    })
}

/// The scanner: 4096 photons, 0 taken for 0.1.
pub fn scanner(seed: u64) -> Scanner {
    let detector = Detector { photons: Some(PHOTONS), floor: ZERO, seed, ..Detector::default() };
    Scanner { detector, ..Scanner::default() }
}

/// Scans a truth that [`truth`] made.
pub fn scan(truth: &Image, seed: u64, device: &Device, monitor: &Monitor) -> Result<Scanned> {
    scanner(seed).scan(&object::resampled(truth, [FINE, FINE]), &geometry(), device, monitor)
}
