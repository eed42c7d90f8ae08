//! Which points of k-space a scan measures: designs by name, each a list of points and nothing else.

mod point_spread;

use super::{Mask, Trajectory};
use crate::error::{Error, Result};

pub use point_spread::peak_side_lobe;

/// What a design is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Extents of the image's matrix along z, y, x; nz = 1 in two dimensions.
    pub matrix: [usize; 3],
    /// R. The calibration region counts, except in equally spaced lines, where R is their distance.
    pub acceleration: f64,
    /// Side of the fully sampled region around the centre, in points of each axis that is undersampled; 0 for none.
    pub calibration: usize,
    /// The same seed gives the same points.
    pub seed: u64,
    /// Partial Fourier: the part of k-space along y that is measured, above ½ up to 1.
    pub fraction: f64,
    /// CAIPIRINHA: points along z by which a line is shifted against the one before; the best one by default.
    pub shift: Option<usize>,
    /// Variable-density random points: the exponent p of their density (1 − |k|/k_max)^p; 0 is uniform.
    pub decay: f64,
    /// Poisson disc: sample the corners of k-space, too, outside its inscribed ellipse.
    pub corners: bool,
    /// Spirals: number of interleaves.
    pub interleaves: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            matrix: [1, 256, 256],
            acceleration: 1.0,
            calibration: 0,
            seed: 0,
            fraction: 0.75,
            shift: None,
            decay: 2.0,
            corners: false,
            interleaves: 16,
        }
    }
}

/// Samples along a read-out for each cell of k-space that a trajectory passes: twofold oversampled, as scanners do.
pub const READ_OUT_OVERSAMPLING: usize = 2;

/// What a design makes.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampling {
    /// Points of the grid.
    Mask(Mask),
    /// Points anywhere.
    Trajectory(Trajectory),
}

/// A design. A new one is one file with a `DESIGN` and its name in the list below.
#[derive(Debug)]
pub struct Design {
    /// What the command line calls it.
    pub name: &'static str,
    /// One line for the help.
    pub about: &'static str,
    /// R where none is asked for.
    pub usual_acceleration: f64,
    make: fn(&Options) -> Result<Sampling>,
}

/// The one list: declares the modules and builds [`ALL`].
macro_rules! designs {
    ($($module:ident :: $design:ident),* $(,)?) => {
        designs!(@modules $($module)*);
        /// Every design.
        pub const ALL: &[&Design] = &[$(&$module::$design),*];
    };
    (@modules $($module:ident)*) => { $(mod $module;)* };
}

designs! {
    equispaced::DESIGN, random::DESIGN, poisson::DESIGN, partial_fourier::DESIGN, caipi::DESIGN, radial::DESIGN,
    spiral::DESIGN, kooshball::DESIGN,
}

impl Design {
    /// The design called `name`.
    ///
    /// # Errors
    /// [`Error::Option`] if there is none.
    pub fn named(name: &str) -> Result<&'static Self> {
        let known = || ALL.iter().map(|design| design.name).collect::<Vec<_>>().join(", ");
        ALL.iter()
            .find(|design| design.name == name)
            .copied()
            .ok_or_else(|| Error::Option(format!("there is no sampling '{name}'; there are {}", known())))
    }

    /// The points.
    ///
    /// # Errors
    /// [`Error::Option`] for what cannot be: R below 1 or out of reach, a calibration region larger than the matrix.
    pub fn sample(&self, options: &Options) -> Result<Sampling> {
        let [nz, ny, nx] = options.matrix;
        let points = nz.checked_mul(ny).and_then(|n| n.checked_mul(nx));
        if !points.is_some_and(|n| (1..1 << 32).contains(&n)) {
            return Err(Error::Option(format!("a matrix of {nx} × {ny} × {nz} (x, y, z) cannot be sampled")));
        }
        if !(options.acceleration >= 1.0 && options.acceleration.is_finite()) {
            return Err(Error::Option(format!(
                "an acceleration of {}: it must be 1 or more, for 1 measures everything",
                options.acceleration
            )));
        }
        let sampling = (self.make)(options)?;
        match &sampling {
            Sampling::Mask(mask) => mask.check()?,
            Sampling::Trajectory(trajectory) => trajectory.check()?,
        }
        Ok(sampling)
    }
}

impl Options {
    /// Rows and columns of the plane that is undersampled point by point: (y, x) in two dimensions, (z, y) in three, where x
    /// is the read-out.
    fn plane(&self) -> [usize; 2] {
        let [nz, ny, nx] = self.matrix;
        if nz == 1 { [ny, nx] } else { [nz, ny] }
    }

    /// The mask whose plane is `sampled`.
    fn mask_of_plane(&self, sampled: &[bool]) -> Sampling {
        let [nz, _, nx] = self.matrix;
        let read_out = if nz == 1 { 1 } else { nx };
        let sampled = sampled.iter().flat_map(|&point| std::iter::repeat_n(point, read_out)).collect();
        Sampling::Mask(Mask { shape: self.matrix, sampled })
    }

    /// The mask that has every line along x with these y, at every z.
    fn mask_of_lines(&self, lines: impl Fn(usize) -> bool) -> Sampling {
        let [nz, ny, nx] = self.matrix;
        let line = |index: usize| std::iter::repeat_n(lines(index % ny), nx);
        Sampling::Mask(Mask { shape: self.matrix, sampled: (0..nz * ny).flat_map(line).collect() })
    }

    /// The calibration region's indices along an axis of `extent` points.
    fn calibrated(&self, axis: &str, extent: usize) -> Result<std::ops::Range<usize>> {
        if self.calibration > extent {
            return Err(Error::Option(format!(
                "a calibration region of {} points is larger than the matrix along {axis}, {extent}",
                self.calibration
            )));
        }
        let first = extent / 2 - self.calibration / 2;
        Ok(first..first + self.calibration)
    }

    /// The calibration region of the plane that is undersampled point by point.
    fn calibrated_plane(&self) -> Result<Vec<bool>> {
        let [rows, columns] = self.plane();
        let names = if self.matrix[0] == 1 { ["y", "x"] } else { ["z", "y"] };
        let (down, across) = (self.calibrated(names[0], rows)?, self.calibrated(names[1], columns)?);
        Ok((0..rows * columns).map(|i| down.contains(&(i / columns)) && across.contains(&(i % columns))).collect())
    }

    /// R as the whole number that regular lattices need.
    fn whole_acceleration(&self, design: &str) -> Result<usize> {
        let whole = self.acceleration.round();
        if (whole - self.acceleration).abs() > 1e-9 {
            return Err(Error::Option(format!(
                "{design} needs a whole acceleration, not {}; random or poisson take any",
                self.acceleration
            )));
        }
        Ok(whole as usize)
    }

    /// How many of `points` R leaves; an error if the calibration region of `calibration` alone is more.
    fn budget(&self, points: usize, calibration: usize) -> Result<usize> {
        let budget = (points as f64 / self.acceleration).round() as usize;
        if budget < calibration.max(1) {
            return Err(Error::Option(format!(
                "an acceleration of {} leaves {budget} of {points} points, but the calibration region alone has {calibration}: the most it allows is {:.2}",
                self.acceleration,
                points as f64 / calibration.max(1) as f64
            )));
        }
        Ok(budget)
    }
}

/// Zeroed room for `count` points of a trajectory, or an error where the memory for it cannot be had.
fn room(count: usize) -> Result<Vec<[f32; 3]>> {
    let mut points = Vec::new();
    match points.try_reserve_exact(count) {
        Ok(()) => Ok(points),
        Err(_) => Err(Error::Option(format!("no memory for a trajectory of {count} points: a smaller --matrix helps"))),
    }
}
