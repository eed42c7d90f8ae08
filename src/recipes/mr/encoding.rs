//! What solvers see of one frame of a scan: the normal equations of its encoding, and what noise does to them.

use std::sync::Arc;

use ndarray::{Axis, s};
use num_complex::Complex32;

use super::prepare::Prepared;
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    functionals::NormalEquations,
    operators::{LinearOperator, Sense, coils::interleaved},
    random::Draws,
    scan::Encoding,
};

/// N, the encoding's normal operator, as solvers share it.
pub type Shared = Arc<dyn LinearOperator + Send + Sync>;

/// One frame.
pub struct Encoded {
    /// AᴴA.
    pub normal: Shared,
    /// Aᴴb, host memory, planar.
    pub right: Vec<f32>,
    /// ‖b‖².
    pub energy: f64,
    /// Real numbers measured.
    pub numbers: usize,
    /// g: the rms of the numbers of Aᴴn where there are maps, for noise n of variance 1 a number.
    pub gain: f64,
    /// Image extents.
    pub matrix: [usize; 3],
    /// Sets of maps.
    pub sets: usize,
}

const SEED: u64 = 1;

impl Encoded {
    /// Of frame `frame`.
    pub fn new(device: &Device, prepared: &Prepared, frame: usize) -> Result<Self> {
        let (scan, maps) = (&prepared.scan, prepared.maps(frame));
        let samples = scan.samples.index_axis(Axis(0), frame);
        let (coils, nz, ny, nx) = samples.dim();
        let Encoding::Cartesian(masks) = &scan.encoding else {
            return Err(Error::Option("scans along a trajectory are not reconstructed yet".into()));
        };
        let mask = &masks[if masks.len() > 1 { frame } else { 0 }];
        let sense = Sense::new(device, maps, mask)?;
        let data = sense.data(samples)?;
        let mut right = device.zeros(sense.domain(), Element::F32)?;
        sense.adjoint(&data, &mut right)?;
        let right = device.download(&right)?;
        let sampled = |index: usize| mask.sampled[index % mask.sampled.len()];
        let energy = samples.iter().enumerate().filter(|(index, _)| sampled(*index));
        let energy = energy.map(|(_, value)| f64::from(value.norm_sqr())).sum();
        drop(data);
        let gain = gain(device, &sense, maps.slice(s![0, .., .., .., ..]).iter(), [coils, nz, ny, nx])?;
        let normal = Arc::new(sense.normal()?);
        let numbers = 2 * coils * mask.count();
        Ok(Self { normal, right, energy, numbers, gain, matrix: [nz, ny, nx], sets: maps.dim().0 })
    }

    /// Aᴴb on a device.
    pub fn right(&self, device: &Device) -> Result<Array> {
        device.upload(self.normal.domain(), &self.right)
    }

    /// The least squares of the frame.
    pub fn equations(&self, device: &Device) -> Result<NormalEquations> {
        NormalEquations::new(device, self.normal.clone(), self.right(device)?, self.energy)
    }

    /// σ of a measured number, if an image leaves so much of the data unexplained.
    pub fn deviation(&self, residual: f64) -> f64 {
        (residual.max(0.0) / self.numbers as f64).sqrt()
    }
}

/// g by trial on white noise (seeded).
fn gain<'a>(
    device: &Device,
    sense: &Sense,
    maps: impl Iterator<Item = &'a Complex32>,
    [coils, nz, ny, nx]: [usize; 4],
) -> Result<f64> {
    let noise = |line: usize| {
        let mut draws = Draws::new(SEED, [0, 0, line]);
        (0..nx).map(move |_| Complex32::new(draws.normal() as f32, draws.normal() as f32))
    };
    let noise: Vec<Complex32> = (0..coils * nz * ny).flat_map(noise).collect();
    let noise = ndarray::Array4::from_shape_vec([coils, nz, ny, nx], noise).expect("as many as the shape says");
    let mut image = device.zeros(sense.domain(), Element::F32)?;
    sense.adjoint(&sense.data(noise.view())?, &mut image)?;
    let image: Vec<f32> = device.download(&image)?;
    let square: f64 = image.iter().map(|value| f64::from(*value).powi(2)).sum();
    // Pixels without maps hold nothing.
    let pixels = nz * ny * nx;
    let mut covered = vec![false; pixels];
    maps.enumerate().for_each(|(index, map)| covered[index % pixels] |= *map != Complex32::ZERO);
    let covered = covered.into_iter().filter(|covered| *covered).count();
    Ok((square / (2 * covered).max(1) as f64).sqrt())
}

/// The complex image `[z, y, x]` in the first two channels of planar lines, combined over several sets of maps.
pub fn image(values: &[f32], [nz, ny, nx]: [usize; 3]) -> ndarray::Array3<Complex32> {
    let values = interleaved(values, nx);
    ndarray::Array3::from_shape_vec([nz, ny, nx], values).expect("an image of the scan's matrix")
}
