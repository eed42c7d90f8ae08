//! Exact k-space of a phantom seen by coils: Σₘ Cₘ F(k − m/2), F the shapes' Fourier transform, in f64 at any k.
//!
//! No image is made on the way, so a reconstruction tested on it commits no inverse crime. Scale and origin are those of the
//! orthonormal discrete transform of the grid: F/(voxel·√N), measured from voxel N/2, so that the inverse transform of
//! all N samples has the phantom's values (1 means 1).
//!
//! In three dimensions the flat phantom is a cylinder of [`CYLINDER`] of the field of view along z: a factor sinc.

use ndarray::{Array2, Array4, Array5, ArrayView2, Axis};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::{
    CoilMaps, Phantom,
    spectrum::{Spectrum, sinc},
};
use crate::{
    error::{Error, Result},
    geometry::{Grid, LengthUnit, Mask, Sampling, Trajectory},
    image::{Image, Quantity},
    scan::{Encoding, KSpace},
};

/// Height of a flat phantom in a three-dimensional scan, in fields of view along z, about the middle of the grid.
pub const CYLINDER: f64 = 0.75;

/// A grid as k-space sees it.
struct Field<'a> {
    spectrum: &'a Spectrum,
    maps: &'a CoilMaps,
    /// Extents z, y, x.
    shape: [usize; 3],
    /// Field of view along x and y, mm.
    width: [f64; 2],
    /// Voxel N/2 (x, y), mm.
    origin: [f64; 2],
    /// From voxel N/2 to the middle of the grid along z, in fields of view.
    middle: f64,
    scale: f64,
}

impl Phantom {
    /// What coils with these maps measure of the phantom at the points of `sampling`, without noise.
    ///
    /// # Errors
    /// A shape without closed-form transform; a grid that is not along the axes, or not that of the sampling; no memory.
    pub fn kspace(&self, grid: &Grid, sampling: &Sampling, maps: &CoilMaps) -> Result<KSpace> {
        let spectrum = Spectrum::of(self)?;
        let field = Field::new(&spectrum, maps, grid)?;
        let (samples, encoding) = match sampling {
            Sampling::Mask(mask) => {
                mask.check()?;
                field.check(mask.shape)?;
                (field.cartesian(mask)?, Encoding::Cartesian(vec![mask.clone()]))
            }
            Sampling::Trajectory(trajectory) => {
                trajectory.check()?;
                field.check(trajectory.matrix)?;
                (field.along(trajectory)?, Encoding::Trajectory(vec![trajectory.clone()]))
            }
        };
        let scan = KSpace {
            samples,
            encoding,
            grid: *grid,
            unit: LengthUnit::Millimetre,
            axes: Vec::new(),
            noise: None,
            seen: None,
        };
        scan.check()?;
        Ok(scan)
    }

    /// The image that [`Self::kspace`] is the transform of, area-sampled: the phantom's values, in a stack the cylinder's.
    ///
    /// # Errors
    /// Those of [`Self::raster`].
    pub fn signal(&self, grid: &Grid) -> Result<Image> {
        let mut image = self.clone().with_scale(1.0).raster(grid)?;
        image.quantity = Quantity::Signal;
        let slices = grid.shape[0];
        if slices > 1 {
            let half = CYLINDER * slices as f64 / 2.0;
            for (slice, mut values) in image.values.axis_iter_mut(Axis(0)).enumerate() {
                // The part of the slice within the cylinder, whose middle is that of the stack.
                let top = slice as f64 - slices as f64 / 2.0;
                let covered = ((top + 1.0).min(half) - top.max(-half)).max(0.0);
                values.mapv_inplace(|value| (f64::from(value) * covered) as f32);
            }
        }
        Ok(image)
    }
}

impl<'a> Field<'a> {
    fn new(spectrum: &'a Spectrum, maps: &'a CoilMaps, grid: &Grid) -> Result<Self> {
        grid.check()?;
        let [dz, dy, dx] = grid.voxel();
        let straight = [[0.0, 0.0, dz], [0.0, dy, 0.0], [dx, 0.0, 0.0]];
        let off = grid.steps.iter().flatten().zip(straight.iter().flatten()).any(|(a, b)| (a - b).abs() > 1e-9 * dx);
        if off {
            return Err(Error::Geometry("an MR scan of a phantom needs a grid along x, y and z".into()));
        }
        let [nz, ny, nx] = grid.shape;
        let [x, y, _] = grid.position([0.0, (ny / 2) as f64, (nx / 2) as f64]);
        Ok(Self {
            spectrum,
            maps,
            shape: grid.shape,
            width: [nx as f64 * dx, ny as f64 * dy],
            origin: [x, y],
            middle: ((nz as f64 - 1.0) / 2.0 - (nz / 2) as f64) / nz as f64,
            scale: 1.0 / (dx * dy * (grid.len() as f64).sqrt()),
        })
    }

    fn check(&self, shape: [usize; 3]) -> Result<()> {
        match shape == self.shape {
            true => Ok(()),
            false => Err(Error::Scan(format!(
                "a sampling of {shape:?} and an image of {:?} (z, y, x): they must be alike",
                self.shape
            ))),
        }
    }

    /// F(kx, ky), k in cycles per field of view.
    fn plane(&self, [kx, ky]: [f64; 2]) -> Complex64 {
        self.scale * self.spectrum.at([kx / self.width[0], ky / self.width[1]], self.origin)
    }

    /// The cylinder's transform along z, in voxels; 1 in two dimensions.
    fn height(&self, kz: f64) -> Complex64 {
        match self.shape[0] {
            1 => Complex64::ONE,
            nz => {
                let phase = Complex64::cis(-std::f64::consts::TAU * kz * self.middle);
                CYLINDER * nz as f64 * sinc(CYLINDER * kz) * phase
            }
        }
    }

    /// Σ over mz of C·Z(kz − mz/2): `[coil, my·mx]`.
    fn weights(&self, kz: f64) -> Array2<Complex64> {
        let coefficients = &self.maps.coefficients;
        let (coils, count, my, mx) = coefficients.dim();
        let mut sum = Array2::zeros((coils, my * mx));
        for m in 0..count {
            let height = self.height(kz - (m as f64 - (count / 2) as f64) / 2.0);
            for coil in 0..coils {
                let part = coefficients.index_axis(Axis(0), coil);
                let part = part.index_axis(Axis(0), m);
                sum.row_mut(coil).iter_mut().zip(part.iter()).for_each(|(sum, c)| *sum += c * height);
            }
        }
        sum
    }

    /// `[1, coil, z, y, x]`, 0 where nothing is sampled. All shifts m/2 lie on one lattice of half cells.
    fn cartesian(&self, mask: &Mask) -> Result<Array5<Complex32>> {
        let [nz, ny, nx] = self.shape;
        let [_, hy, hx] = self.maps.harmonics();
        let lattice = (2 * ny + 2 * hy, 2 * nx + 2 * hx);
        let k = |index: usize, extent: usize, harmonics: usize| {
            (index as f64 - harmonics as f64) / 2.0 - (extent / 2) as f64
        };
        let mut fine = Array2::<Complex64>::zeros(lattice);
        fine.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(row, mut out)| {
            out.iter_mut()
                .enumerate()
                .for_each(|(column, value)| *value = self.plane([k(column, nx, hx), k(row, ny, hy)]));
        });
        let mut samples = room(self.maps.coils(), self.shape)?;
        for (z, mut slice) in samples.axis_iter_mut(Axis(1)).enumerate() {
            let weights = self.weights(z as f64 - (nz / 2) as f64);
            let of_row = |(line, mut row): (usize, ndarray::ArrayViewMut1<Complex32>)| {
                let (coil, y) = (line / ny, line % ny);
                let sampled = &mask.sampled[(z * ny + y) * nx..][..nx];
                for (x, value) in row.iter_mut().enumerate().filter(|(x, _)| sampled[*x]) {
                    *value =
                        narrow(shifted(fine.view(), weights.row(coil).as_slice().unwrap_or(&[]), [y, x], [hy, hx]));
                }
            };
            let lines: Vec<_> = slice.rows_mut().into_iter().enumerate().collect();
            lines.into_par_iter().for_each(of_row);
        }
        Ok(samples.insert_axis(Axis(0)))
    }

    /// `[1, coil, 1, 1, sample]`.
    fn along(&self, trajectory: &Trajectory) -> Result<Array5<Complex32>> {
        let [_, hy, hx] = self.maps.harmonics();
        let coils = self.maps.coils();
        let (across, down) = (2 * hx + 1, 2 * hy + 1);
        let count = trajectory.points.len();
        let flat = self.shape[0] == 1;
        let at_rest = self.weights(0.0);
        let of_point = |point: &[f32; 3]| -> Vec<Complex32> {
            let [kx, ky, kz] = point.map(f64::from);
            let own;
            let weights = if flat {
                &at_rest
            } else {
                own = self.weights(kz);
                &own
            };
            let half = |index: usize, harmonics: usize| (index as f64 - harmonics as f64) / 2.0;
            let plane: Vec<Complex64> = (0..down * across)
                .map(|m| self.plane([kx - half(m % across, hx), ky - half(m / across, hy)]))
                .collect();
            let received = |row: ndarray::ArrayView1<Complex64>| row.iter().zip(&plane).map(|(c, f)| c * f).sum();
            weights.rows().into_iter().map(|row| narrow(received(row))).collect()
        };
        let mut samples = room(coils, [1, 1, count])?;
        // In parts, so that what each point gives is not held twice over.
        for (part, points) in trajectory.points.chunks(1 << 14).enumerate() {
            let found: Vec<_> = points.par_iter().map(of_point).collect();
            for (index, values) in found.iter().enumerate() {
                (0..coils).for_each(|coil| samples[[coil, 0, 0, (part << 14) + index]] = values[coil]);
            }
        }
        Ok(samples.insert_axis(Axis(0)))
    }
}

/// Σ C[my, mx]·fine[2y − my, 2x − mx], the lattice beginning at −H half cells.
fn shifted(fine: ArrayView2<Complex64>, weights: &[Complex64], [y, x]: [usize; 2], [hy, hx]: [usize; 2]) -> Complex64 {
    let across = 2 * hx + 1;
    let mut sum = Complex64::ZERO;
    for (my, row) in weights.chunks_exact(across).enumerate() {
        // m runs from −H, so 2y + H − m does from 2y + 2H down.
        for (mx, weight) in row.iter().enumerate() {
            sum += weight * fine[[2 * y + 2 * hy - my, 2 * x + 2 * hx - mx]];
        }
    }
    sum
}

fn narrow(value: Complex64) -> Complex32 {
    Complex32::new(value.re as f32, value.im as f32)
}

/// Zeros `[coil, z, y, x]`, or an error where the memory for them cannot be had.
fn room(coils: usize, [nz, ny, nx]: [usize; 3]) -> Result<Array4<Complex32>> {
    let too_large = || Error::Geometry(format!("no memory for {coils} coils of {nx} × {ny} × {nz} samples"));
    let count = [nz, ny, nx].iter().try_fold(coils, |n, extent| n.checked_mul(*extent)).ok_or_else(too_large)?;
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| too_large())?;
    values.resize(count, Complex32::ZERO);
    Array4::from_shape_vec((coils, nz, ny, nx), values).map_err(|error| Error::Geometry(error.to_string()))
}
