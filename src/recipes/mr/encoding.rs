//! What solvers see of one frame of a scan: the normal equations of its encoding, and what noise does to them.
//!
//! Samples along a trajectory are weighed with its density compensation W, ½‖Ax − b‖²_W: then AᴴWA is nearly the identity, and
//! solvers are quick. Samples near each other have like weights, so little is lost against equal ones.

use std::sync::Arc;

use ndarray::{Array4, ArrayView4, ArrayView5, Axis};
use num_complex::Complex32;

use super::{
    prepare::{Prepared, lengths},
    spectrum::Spectrum,
};
use crate::{
    calibration::density::{ROUNDS, density_compensation},
    device::{Array, Device, Element},
    error::Result,
    functionals::NormalEquations,
    geometry::{Mask, Trajectory},
    operators::{
        Coils, Composed, LinearOperator, Nufft, Sense, SenseToeplitz, Toeplitz,
        coils::{interleaved, planar},
    },
    scan::Encoding,
};

/// AᴴWA, as solvers share it.
pub type Shared = Arc<dyn LinearOperator + Send + Sync>;

/// One frame.
pub struct Encoded {
    /// AᴴWA.
    pub normal: Shared,
    /// ‖AᴴWA‖, or a little more.
    pub norm: f64,
    /// AᴴWb, host memory, planar.
    pub right: Vec<f32>,
    /// ‖b‖²_W.
    pub energy: f64,
    /// Σ w over the real numbers measured.
    pub numbers: f64,
    /// g: the rms of the numbers of AᴴWn where there are maps, for white noise n of variance 1 a number: the root of
    /// Σ w²/N · Σ |S|², since the transform's elements all have the size 1/√N.
    pub gain: f64,
    /// The mean of AᴴWA's diagonal where there are maps: Σ w/N · Σ |S|².
    pub diagonal: f64,
    /// Image extents.
    pub matrix: [usize; 3],
    /// Sets of maps.
    pub sets: usize,
    /// The mean of Σ |S|² over the coils, where there are maps.
    pub sensitivity: f64,
    /// Σ |S|² over the coils, for every number of the image: planar, as [`Self::right`].
    pub squares: Vec<f32>,
    /// What the samples themselves tell of signal and noise.
    pub spectrum: Spectrum,
    /// What the sets' images are multiplied by in the end, `[set, z, y, x]`, if by anything.
    lengths: Option<Array4<f32>>,
}

/// Relative error of non-uniform transforms: below the noise of any scan.
pub const TOLERANCE: f64 = 1e-3;

/// AᴴWA with AᴴWb, ‖b‖²_W, Σ w and Σ w², and the samples' spectrum.
struct Parts {
    normal: Shared,
    norm: f64,
    right: Vec<f32>,
    energy: f64,
    spectrum: Spectrum,
    weight: f64,
    square: f64,
}

impl Encoded {
    /// Of frame `frame`.
    pub fn new(device: &Device, prepared: &Prepared, frame: usize) -> Result<Self> {
        let encoded = Self::with_maps(device, prepared, frame, prepared.maps(frame))?;
        Ok(Self { lengths: prepared.lengths(frame).cloned(), ..encoded })
    }

    /// The same with maps `[set, coil, z, y, x]` that were found elsewhere.
    pub fn with_maps(device: &Device, prepared: &Prepared, frame: usize, maps: ArrayView5<Complex32>) -> Result<Self> {
        let scan = &prepared.scan;
        let samples = scan.samples.index_axis(Axis(0), frame);
        let parts = match &scan.encoding {
            Encoding::Cartesian(masks) => {
                cartesian(device, (samples, maps), &masks[if masks.len() > 1 { frame } else { 0 }])?
            }
            Encoding::Trajectory(list) => {
                along(device, (samples, maps), &list[if list.len() > 1 { frame } else { 0 }])?
            }
        };
        let (points, sensitivity) = (scan.matrix().iter().product::<usize>() as f64, sensitivity(maps));
        Ok(Self {
            normal: parts.normal,
            norm: parts.norm,
            right: parts.right,
            energy: parts.energy,
            numbers: 2.0 * parts.weight * samples.dim().0 as f64,
            gain: (parts.square / points * sensitivity).sqrt(),
            diagonal: parts.weight / points * sensitivity,
            matrix: scan.matrix(),
            sets: maps.dim().0,
            sensitivity,
            squares: squares(maps),
            spectrum: parts.spectrum,
            lengths: Some(lengths(maps, prepared.mixture(frame))),
        })
    }

    /// AᴴWb on a device.
    pub fn right(&self, device: &Device) -> Result<Array> {
        device.upload(self.normal.domain(), &self.right)
    }

    /// The least squares of the frame.
    pub fn equations(&self, device: &Device) -> Result<NormalEquations> {
        NormalEquations::new(device, self.normal.clone(), self.right(device)?, self.energy)
    }

    /// σ of a measured number, if an image leaves so much of the data unexplained: no more than the samples themselves can hold,
    /// since what maps do not show, be they too small or wrong, is no noise.
    pub fn deviation(&self, residual: f64) -> f64 {
        (residual.max(0.0) / self.numbers).min(self.spectrum.quietest()).sqrt()
    }
}

type Frame<'a> = (ArrayView4<'a, Complex32>, ArrayView5<'a, Complex32>);

fn cartesian(device: &Device, (samples, maps): Frame, mask: &Mask) -> Result<Parts> {
    let sense = Sense::new(device, maps, mask)?;
    let mut image = device.zeros(sense.domain(), Element::F32)?;
    sense.adjoint(&sense.data(samples)?, &mut image)?;
    let right = device.download(&image)?;
    let sampled = |index: usize| mask.sampled[index % mask.sampled.len()];
    let energy = samples.iter().enumerate().filter(|(index, _)| sampled(*index));
    let energy = energy.map(|(_, value)| f64::from(value.norm_sqr())).sum();
    let normal = Arc::new(sense.normal()?);
    let count = mask.count() as f64;
    let spectrum = Spectrum::on_grid(mask, samples.dim().0, |index| of_all_coils(samples, index));
    Ok(Parts { normal, norm: largest(maps), right, energy, spectrum, weight: count, square: count })
}

fn along(device: &Device, (samples, maps): Frame, trajectory: &Trajectory) -> Result<Parts> {
    let (coils, weights) = (samples.dim().0, density_compensation(trajectory, ROUNDS)?);
    let toeplitz = Toeplitz::new(device, trajectory, &weights, (coils, TOLERANCE))?;
    let normal: Shared = Arc::new(SenseToeplitz::new(device, Coils::new(device, maps)?, toeplitz)?);
    let nufft = Nufft::new(device, trajectory, coils, TOLERANCE)?;
    let operator = Composed::new(device, nufft, Coils::new(device, maps)?)?;
    let mut lines = planar(samples.rows().into_iter());
    lines.chunks_exact_mut(weights.len()).for_each(|line| {
        line.iter_mut().zip(&weights).for_each(|(number, weight)| *number *= weight);
    });
    let mut image = device.zeros(operator.domain(), Element::F32)?;
    operator.adjoint(&device.upload(operator.range(), lines)?, &mut image)?;
    let right: Vec<f32> = device.download(&image)?;
    let energy = samples.iter().enumerate();
    let energy = energy.map(|(index, value)| f64::from(weights[index % weights.len()] * value.norm_sqr())).sum();
    let sum = |power: i32| weights.iter().map(|weight| f64::from(*weight).powi(power)).sum();
    let norm = norm(device, &normal, &right)?;
    let spectrum = Spectrum::along(trajectory, &weights, coils, |index| of_all_coils(samples, index));
    Ok(Parts { normal, norm, right, energy, spectrum, weight: sum(1), square: sum(2) })
}

/// Σ |b|² over the coils at a sample.
fn of_all_coils(samples: ArrayView4<Complex32>, index: usize) -> f64 {
    let (_, _, ny, nx) = samples.dim();
    let (z, y, x) = (index / nx / ny, index / nx % ny, index % nx);
    (0..samples.dim().0).map(|coil| f64::from(samples[[coil, z, y, x]].norm_sqr())).sum()
}

/// Σ |S|² over the coils of each set, planar.
fn squares(maps: ArrayView5<Complex32>) -> Vec<f32> {
    let (sets, _, nz, ny, nx) = maps.dim();
    let mut squares = vec![0.0; nz * ny * 2 * sets * nx];
    for (set, coils) in maps.outer_iter().enumerate() {
        for coil in coils.outer_iter() {
            for (map, lines) in coil.rows().into_iter().zip(squares.chunks_exact_mut(2 * sets * nx)) {
                map.iter().zip(&mut lines[2 * set * nx..]).for_each(|(map, square)| *square += map.norm_sqr());
            }
        }
    }
    squares.chunks_exact_mut(2 * nx).for_each(|pair| pair.copy_within(..nx, nx));
    squares
}

/// The mean of Σ |S|² over coils, where a coil sees anything, in the first set of maps.
fn sensitivity(maps: ArrayView5<Complex32>) -> f64 {
    let first = maps.index_axis(Axis(0), 0);
    let mut square = vec![0.0_f32; first.len() / first.dim().0];
    for coil in first.axis_iter(Axis(0)) {
        coil.iter().zip(&mut square).for_each(|(map, square)| *square += map.norm_sqr());
    }
    let seen: Vec<f64> = square.into_iter().filter(|square| *square > 0.0).map(f64::from).collect();
    seen.iter().sum::<f64>() / seen.len().max(1) as f64
}

/// The largest Σ |s|² over the coils of a set: ‖AᴴA‖ is no more, since the transform is unitary and sets are orthogonal. About 1
/// for maps of ours; those that were given may have any size.
fn largest(maps: ArrayView5<Complex32>) -> f64 {
    let squares = maps.map_axis(Axis(1), |coils| coils.iter().map(|map| f64::from(map.norm_sqr())).sum::<f64>());
    squares.iter().fold(f64::MIN_POSITIVE, |most, square| most.max(*square))
}

/// ‖N‖, and a little more, by the power method.
fn norm(device: &Device, normal: &Shared, start: &[f32]) -> Result<f64> {
    const ROUNDS: usize = 15;
    let (mut values, mut largest) = (start.to_vec(), 0.0);
    let mut after = device.zeros(normal.domain(), Element::F32)?;
    for _ in 0..ROUNDS {
        let size = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        values.iter_mut().for_each(|value| *value = (f64::from(*value) / size.max(f64::MIN_POSITIVE)) as f32);
        normal.forward(&device.upload(normal.domain(), &values)?, &mut after)?;
        values = device.download(&after)?;
        largest = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    }
    // The method approaches from below.
    Ok(1.05 * largest)
}

/// The complex image `[z, y, x]` in planar lines.
pub fn image(values: &[f32], [nz, ny, nx]: [usize; 3]) -> ndarray::Array3<Complex32> {
    let values = interleaved(values, nx);
    ndarray::Array3::from_shape_vec([nz, ny, nx], values).expect("an image of the scan's matrix")
}

/// The image of a frame whose maps come in sets: the root sum of squares of the sets' images, at the scale of the coils as they were
/// measured, with the phase of the greatest.
pub fn combined(values: &[f32], encoded: &Encoded) -> ndarray::Array3<Complex32> {
    let ([nz, ny, nx], sets) = (encoded.matrix, encoded.sets);
    let parts = interleaved(values, nx);
    ndarray::Array3::from_shape_fn([nz, ny, nx], |(z, y, x)| {
        let of = |set: usize| {
            let length = encoded.lengths.as_ref().map_or(1.0, |lengths| lengths[[set, z, y, x]]);
            parts[((z * ny + y) * sets + set) * nx + x] * length
        };
        let size = (0..sets).map(|set| of(set).norm_sqr()).sum::<f32>().sqrt();
        let greatest =
            (1..sets).map(of).fold(of(0), |most, value| if value.norm_sqr() > most.norm_sqr() { value } else { most });
        if sets == 1 || size == 0.0 { of(0) } else { greatest * (size / greatest.norm()) }
    })
}
