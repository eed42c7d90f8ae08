//! `rushlight scan PHANTOM --mr`: exact k-space of a phantom seen by coils, with noise.

use std::path::{Path, PathBuf};

use clap::Args;
use ndarray::{Array2, Ix2};
use rushlight::{
    Error, Result,
    geometry::{Grid, Mask, Sampling, sampling::READ_OUT_OVERSAMPLING},
    image::Image,
    io::{self, TrajectoryUnit},
    monitor::Monitor,
    phantom::{CoilMaps, Phantom},
    physics::field_strength::{REFERENCE_FIELD, relative_snr},
    scan::{CoilNoise, KSpace, coil_noise::neighbours},
    units,
};

use super::sampling::{DesignFlags, described, matrix};

/// What an MR scanner does.
#[derive(Args, Debug)]
#[command(next_help_heading = "MR scan (--mr)")]
pub struct MrFlags {
    /// Scan a phantom by magnetic resonance: exact k-space, in closed form
    #[arg(long)]
    pub mr: bool,
    /// The image's matrix, in the order x,y or x,y,z; the field of view is the phantom's frame
    #[arg(long, value_name = "X,Y[,Z]", value_parser = matrix, requires = "mr", default_value = "256,256")]
    matrix: [usize; 3],
    /// Number of receive coils around the head; 1 receives everything alike
    #[arg(long, value_name = "N", requires = "mr", default_value_t = 8)]
    coils: usize,
    /// Which points are measured: a design's name (rushlight sampling --help), or a mask or trajectory in an .npy file; all
    /// of the grid by default
    #[arg(long, value_name = "NAME|FILE", requires = "mr")]
    sampling: Option<String>,
    #[command(flatten)]
    pub design: DesignFlags,
    /// Noise: RMS of the object over RMS of the complex noise in the matched combination of a full scan at 3 T, such as 30dB;
    /// noise-free without
    #[arg(long, value_name = "LEVEL", requires = "mr", value_parser = units::decibels, allow_hyphen_values = true)]
    snr: Option<f64>,
    /// Field strength, such as 0.3T: the SNR is what is left there of that at 3 T (proportional to B0 where the body's noise
    /// prevails, to B0^(7/4) where the coil's does; equal at 0.2 T; nothing else changes)
    #[arg(long, value_name = "FIELD", requires = "snr", value_parser = units::field)]
    field: Option<f64>,
    /// Correlation of the noise of neighbouring coils; it falls by this factor from coil to coil
    #[arg(long, value_name = "RHO", requires = "snr", default_value_t = 0.0)]
    coil_correlation: f64,
    /// Covariance of the coils' noise, a real matrix [coil, coil] in a file; --snr sets its size
    #[arg(long, value_name = "FILE", requires = "snr", conflicts_with = "coil_correlation")]
    coil_covariance: Option<PathBuf>,
}

/// What was measured, and of what.
pub struct Measured {
    pub scan: KSpace,
    pub truth: Image,
}

impl MrFlags {
    /// Scans `phantom`; what was decided goes to `notes`.
    pub fn scan(&self, phantom: &Phantom, seed: u64, monitor: &Monitor, notes: &mut Vec<String>) -> Result<Measured> {
        let grid = self.grid(phantom)?;
        let (sampling, oversampling) = self.sampling(seed, notes)?;
        let maps = if self.coils == 1 { CoilMaps::uniform() } else { CoilMaps::around(self.coils, &grid)? };
        let mut scan = monitor.step("scan", 1, || phantom.kspace(&grid, &sampling, &maps))?;
        let truth = monitor.step("draw", 1, || phantom.signal(&grid))?;
        notes.push(format!(
            "{} coils; maps are trigonometric polynomials fitted to the fields of loops, so that k-space is exact",
            maps.coils()
        ));
        if let Some(level) = self.snr {
            let noise = monitor.step("noise", 1, || self.noise(level, &truth, &maps, oversampling, seed))?;
            monitor.step("noise", 1, || noise.apply(&mut scan))?;
            notes.push(self.noise_note(level, noise.sigma)?);
        }
        Ok(Measured { scan, truth })
    }

    /// The field of view is the phantom's frame along x and y; slices are as thick as a pixel is wide.
    fn grid(&self, phantom: &Phantom) -> Result<Grid> {
        let [_, ny, nx] = self.matrix;
        let width = phantom.frame / nx as f64;
        let grid = Grid::centered(self.matrix, [width, phantom.frame / ny as f64, width], [0.0; 3]);
        grid.check()?;
        Ok(grid)
    }

    /// The points, and how many samples there are for one of a Nyquist read-out.
    fn sampling(&self, seed: u64, notes: &mut Vec<String>) -> Result<(Sampling, usize)> {
        let Some(name) = &self.sampling else {
            if let Some(flag) = self.design.given() {
                return Err(Error::Option(format!("{flag} is for a design: give --sampling NAME, too")));
            }
            return Ok((Sampling::Mask(Mask::full(self.matrix)), 1));
        };
        let (sampling, oversampling) = if Path::new(name).exists() {
            if let Some(flag) = self.design.given() {
                return Err(Error::Option(format!("{flag} is for a design, but {name} says which points are sampled")));
            }
            (self.file(name)?, 1)
        } else {
            let sampling = self.design.sample(name, self.matrix, seed)?;
            let oversampling = if matches!(sampling, Sampling::Mask(_)) { 1 } else { READ_OUT_OVERSAMPLING };
            (sampling, oversampling)
        };
        notes.push(described(name, &sampling).0);
        Ok((sampling, oversampling))
    }

    /// An array as large as the matrix is a mask, one of two or three columns a trajectory.
    fn file(&self, path: &str) -> Result<Sampling> {
        let array = io::read_array(path)?;
        let [nz, ny, nx] = self.matrix;
        let shape = array.shape().to_vec();
        if shape == [nz, ny, nx] || (nz == 1 && shape == [ny, nx]) {
            if let Some(index) = array.iter().position(|value| !value.is_finite()) {
                return Err(Error::file(path, format!("value {index} of the mask is not a finite number")));
            }
            let mask = Mask { shape: self.matrix, sampled: array.iter().map(|value| *value != 0.0).collect() };
            mask.check()?;
            return Ok(Sampling::Mask(mask));
        }
        if !matches!(shape.last(), Some(2 | 3)) {
            return Err(Error::file(
                path,
                format!(
                    "an array of shape {shape:?}: neither a mask for --matrix {nx},{ny},{nz} ([z, y, x]) nor a trajectory ([sample, 2 or 3])"
                ),
            ));
        }
        io::read_trajectory(path, self.matrix, TrajectoryUnit::CyclesPerFieldOfView).map(Sampling::Trajectory)
    }

    /// SNR at the field that was asked for, over that at 3 T.
    fn of_field(&self) -> Result<f64> {
        self.field.map_or(Ok(1.0), relative_snr)
    }

    /// Noise of which the matched combination of a full Cartesian scan has the RMS that the level says. Where a read-out is
    /// twice oversampled, a sample takes half the time and has √2 times the noise.
    fn noise(&self, level: f64, truth: &Image, maps: &CoilMaps, oversampling: usize, seed: u64) -> Result<CoilNoise> {
        let most = truth.values.fold(0.0_f32, |most, value| most.max(value.abs()));
        let object = |value: f32| value.abs() > 0.05 * most;
        let (mut squares, mut count) = (0.0, 0.0_f64);
        for value in truth.values.iter().filter(|value| object(**value)) {
            squares += f64::from(*value).powi(2);
            count += 1.0;
        }
        let signal = (squares / count.max(1.0)).sqrt();
        let covariance = self.covariance(maps.coils())?;
        let at_voxels = maps.at_voxels(truth.grid.shape);
        let combined = CoilNoise::combined(&covariance, &at_voxels, |index| object(truth.values[index]));
        let ratio = 10_f64.powf(level / 20.0) * self.of_field()?;
        Ok(CoilNoise { sigma: signal / ratio / combined * (oversampling as f64).sqrt(), covariance, seed })
    }

    fn covariance(&self, coils: usize) -> Result<Array2<f64>> {
        let Some(path) = &self.coil_covariance else { return neighbours(coils, self.coil_correlation) };
        let array = io::read_array(path)?.mapv(f64::from);
        let shape = array.shape().to_vec();
        let matrix = array.into_dimensionality::<Ix2>().ok().filter(|matrix| matrix.dim() == (coils, coils));
        matrix.ok_or_else(|| {
            Error::file(
                path,
                format!("a covariance of shape {shape:?} for {coils} coils; [{coils}, {coils}] is needed"),
            )
        })
    }

    fn noise_note(&self, level: f64, sigma: f64) -> Result<String> {
        let at_field = match self.field {
            Some(field) => {
                format!(" at {REFERENCE_FIELD} T, so {:.2} dB at {field} T", level + 20.0 * self.of_field()?.log10())
            }
            None => String::new(),
        };
        Ok(format!("{level} dB{at_field}: noise of {sigma:.5} RMS in a sample; a noise scan is kept beside"))
    }
}
