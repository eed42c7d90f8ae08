//! Flags of MR reconstructions, and the way from k-space to an image file.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ndarray::{Array4, Axis, Ix3, Ix4};
use num_complex::Complex32;
use rushlight::{
    Error, Result,
    calibration::Espirit,
    geometry::Trajectory,
    image::Part,
    io::{self, Content, KSpaceLayout, TrajectoryUnit},
    recipes::mr::{self, Combine, MrOptions, PartialFourier},
    scan::{
        Encoding, KSpace,
        misread::{self, Axes},
    },
};
use serde_json::json;

use super::{Global, iterative::IterativeFlags, output::OutputFlags, report::Report};

/// What of the complex image is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PartFlag {
    /// |x|
    Magnitude,
    /// arg x, in radians
    Phase,
    /// x; formats without complex numbers take the magnitude
    #[default]
    Complex,
}

/// What a trajectory's numbers are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum UnitFlag {
    /// Cycles per field of view, −N/2…N/2
    #[default]
    FieldOfView,
    /// Cycles per voxel, −½…½
    Voxel,
    /// Radians per voxel, −π…π
    Radian,
}

/// Trajectories that reach less of the matrix's k-space than this are remarked on.
const SMALL_REACH: f32 = 0.4;

/// How images of single coils become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CombineFlag {
    /// By the leading eigenvector of the coils' covariance around each pixel (Walsh 2000)
    Adaptive,
    /// √Σ|xⱼ|²; no phase
    RootSumOfSquares,
}

/// How the half of k-space that was left out follows from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PartialFourierFlag {
    /// Projections onto phase and data, by turns (Haacke 1991)
    Pocs,
    /// One weighted transform (Noll 1991)
    Homodyne,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "MR")]
pub struct MrFlags {
    /// Points of the samples, [sample, 2 or 3] in (x, y, z) order, cycles per field of view
    #[arg(long, value_name = "FILE")]
    trajectory: Option<PathBuf>,
    /// What a step of 1 in the trajectory is
    #[arg(long, value_enum, default_value_t, value_name = "UNIT")]
    trajectory_unit: UnitFlag,
    /// Pixels of the image along x, y and z: X,Y or X,Y,Z
    #[arg(long, value_name = "X,Y[,Z]", value_parser = matrix)]
    matrix: Option<[usize; 3]>,
    /// What the axes of a bare array are, such as coil,z,y,x or y,x,slice,average
    #[arg(long, value_name = "NAMES")]
    axes: Option<KSpaceLayout>,
    /// Side of the calibration region, from which coil maps are made; 24 by default, or what was sampled
    #[arg(long, value_name = "POINTS")]
    calibration: Option<usize>,
    /// Sets of coil maps that sense takes; by default 2 where the object is larger than the field of view and folds over
    #[arg(long, value_name = "N")]
    map_sets: Option<usize>,
    /// Coil maps that fade by what ESPIRiT's eigenvalues say alone; by default they follow the signal, too
    #[arg(long)]
    soft_maps: bool,
    /// Coil maps [coil, y, x] or [coil, z, y, x], instead of ESPIRiT's; the image times the maps is the coils' images
    #[arg(long, value_name = "FILE", conflicts_with_all = ["map_sets", "soft_maps"])]
    maps: Option<PathBuf>,
    /// Compress to so many virtual coils; from 13 coils on as many as keep 99.95 % of the signal
    #[arg(long, value_name = "N")]
    virtual_coils: Option<usize>,
    /// How zero-filled, grappa and partial-fourier combine coils; by default with coil maps where there are some, else adaptively
    #[arg(long, value_enum, value_name = "HOW")]
    combine: Option<CombineFlag>,
    /// How partial-fourier fills the other half; pocs by default
    #[arg(long, value_enum, value_name = "HOW")]
    partial_fourier: Option<PartialFourierFlag>,
    /// What is written of the complex image
    #[arg(long, value_enum, default_value_t)]
    part: PartFlag,
}

/// `X,Y` or `X,Y,Z` as extents along z, y, x.
pub fn matrix(text: &str) -> Result<[usize; 3]> {
    let parts: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match parts.as_deref() {
        Some(&[x, y]) if x * y > 0 => Ok([1, y, x]),
        Some(&[x, y, z]) if x * y * z > 0 => Ok([z, y, x]),
        _ => Err(Error::Quantity { text: text.into(), expected: "a matrix: pixels along x, y and z, such as 256,256" }),
    }
}

/// What is wrong with numbers that should be k-space.
pub fn real_numbers(input: &Path) -> String {
    format!(
        "{} holds real numbers, where k-space is complex; if they are real and imaginary parts, join them: k[..., 0] + 1j * k[..., 1]",
        input.display()
    )
}

impl MrFlags {
    /// Whether `input` is to be read as k-space: it says so itself, or a flag does.
    pub fn concern(&self, input: &Path) -> Result<bool> {
        Ok(self.trajectory.is_some() || self.axes.is_some() || io::content(input)? == Content::KSpace)
    }

    /// A flag that only MR has, if one was given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            ("--matrix", self.matrix.is_some()),
            ("--trajectory-unit", self.trajectory_unit != UnitFlag::FieldOfView),
            ("--calibration", self.calibration.is_some()),
            ("--map-sets", self.map_sets.is_some()),
            ("--soft-maps", self.soft_maps),
            ("--maps", self.maps.is_some()),
            ("--virtual-coils", self.virtual_coils.is_some()),
            ("--combine", self.combine.is_some()),
            ("--partial-fourier", self.partial_fourier.is_some()),
            ("--part", self.part != PartFlag::Complex),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    fn read(&self, input: &Path) -> Result<KSpace> {
        match (&self.trajectory, self.matrix) {
            (Some(trajectory), Some(matrix)) => {
                let unit = match self.trajectory_unit {
                    UnitFlag::FieldOfView => TrajectoryUnit::CyclesPerFieldOfView,
                    UnitFlag::Voxel => TrajectoryUnit::CyclesPerVoxel,
                    UnitFlag::Radian => TrajectoryUnit::RadiansPerVoxel,
                };
                let trajectory = io::read_trajectory(trajectory, matrix, unit)?;
                io::read_samples(input, trajectory, self.axes.as_ref())
            }
            (Some(_), None) => Err(Error::Option("--trajectory needs the image's size too: --matrix X,Y".into())),
            (None, Some(_)) => {
                Err(Error::Option("--matrix goes with --trajectory; on a Cartesian grid k-space tells".into()))
            }
            (None, None) if self.trajectory_unit != UnitFlag::FieldOfView => {
                Err(Error::Option("--trajectory-unit is of a --trajectory, and none was given".into()))
            }
            (None, None) => io::read_kspace(input, self.axes.as_ref()),
        }
    }

    /// As [`Self::read`], and refuses numbers that are no k-space.
    fn read_complex(&self, input: &Path) -> Result<KSpace> {
        let scan = self.read(input)?;
        // A header's k-space is complex, and so is what is known to be k-space without a flag.
        let told = self.trajectory.is_some() || self.axes.is_some();
        if told && !io::is_complex(input)? { Err(Error::Scan(real_numbers(input))) } else { Ok(scan) }
    }

    fn maps(&self) -> Result<Option<Array4<Complex32>>> {
        let Some(path) = &self.maps else { return Ok(None) };
        let array = io::read_complex(path)?;
        let shape = array.shape().to_vec();
        let wrong =
            || Error::file(path, format!("an array of shape {shape:?}; coil maps are [coil, y, x] or [coil, z, y, x]"));
        let maps = match shape.len() {
            3 => array.into_dimensionality::<Ix3>().map_err(|_| wrong())?.insert_axis(Axis(1)),
            4 => array.into_dimensionality::<Ix4>().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        if let Some(index) = maps.iter().position(|value| !(value.re.is_finite() && value.im.is_finite())) {
            return Err(Error::file(path, format!("value {index} (C order) of the coil maps is not a finite number")));
        }
        Ok(Some(maps))
    }
}

/// Everything that `recon` was told, for MR.
pub struct Task<'a> {
    pub input: &'a Path,
    pub method: &'a str,
    pub flags: &'a MrFlags,
    pub iterative: &'a IterativeFlags,
    pub output: &'a OutputFlags,
    pub json: bool,
}

impl Task<'_> {
    pub fn run(&self, global: &Global) -> Result<()> {
        let device = global.open()?;
        let monitor = global.monitor();
        let mut notes = Vec::new();
        let scan = monitor.step("read", 1, || self.flags.read_complex(self.input))?;
        if let Encoding::Trajectory(list) = &scan.encoding {
            let reach = list.iter().map(Trajectory::reach).fold(0.0, f32::max);
            if reach < SMALL_REACH {
                notes.push(format!(
                    "the trajectory reaches {:.0} % of the matrix's k-space: details of that fineness are all there can be, \
                     unless its numbers are in another unit (--trajectory-unit) or the matrix is too large",
                    100.0 * reach
                ));
            }
        }
        let axes = match self.flags.trajectory {
            Some(_) => Axes::Named,
            None => io::kspace_axes(self.input, self.flags.axes.as_ref())?,
        };
        notes.extend(misread::remarks(&scan, axes));
        let (iteration, strength, trace) = self.iterative.for_mr(scan.grid, scan.unit)?;
        let options = MrOptions {
            strength,
            iteration,
            calibration: self.flags.calibration,
            espirit: Espirit { sets: self.flags.map_sets, soft: self.flags.soft_maps, ..Espirit::default() },
            maps: self.flags.maps()?,
            virtual_coils: self.flags.virtual_coils,
            combine: self.flags.combine.map(|how| match how {
                CombineFlag::Adaptive => Combine::Adaptive,
                CombineFlag::RootSumOfSquares => Combine::RootSumOfSquares,
            }),
            partial_fourier: match self.flags.partial_fourier {
                Some(PartialFourierFlag::Homodyne) => PartialFourier::Homodyne,
                _ => PartialFourier::Pocs,
            },
            denoiser: self.iterative.denoiser(self.method, "pnp (a denoiser)")?,
        };
        let shape = scan.samples.shape().to_vec();
        let made = mr::named(self.method, &options)?.reconstruct(scan, &device, &monitor)?;
        notes.extend(made.notes);
        let part = match self.flags.part {
            PartFlag::Magnitude => Part::Magnitude,
            PartFlag::Phase => Part::Phase,
            PartFlag::Complex => Part::Complex,
        };
        let mut outputs = self.output.write_complex(&made.image, part, &monitor, &mut notes)?;
        outputs.extend(self.iterative.write_trace(&trace, self.output.options().force)?);
        let facts = vec![
            ("method", json!(self.method)),
            ("samples", json!(shape)),
            ("image", json!(made.image.values.shape())),
            ("voxel", json!(made.image.grid.voxel())),
        ];
        Report { verb: "recon", device: Some(&device), monitor: &monitor, notes: &notes, outputs, facts }
            .print(self.json, global)
    }
}
