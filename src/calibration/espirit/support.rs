//! Where an object is, by its calibration data: the image at low resolution, in the mixture of coils that the maps are, beside what
//! noise makes of it.
//!
//! The eigenvalues of ESPIRiT tell as much of signal that is strong. A faint part beside a bright one has eigenvectors as good, of
//! eigenvalues well below 1, since its patches are among those of noise.

use std::f64::consts::TAU;

use ndarray::{Array3, ArrayView4, Axis, s};
use num_complex::{Complex32, Complex64};

/// Energies over the noise's, for one frame: none up to the first, all from the second on. Of noise alone one point of 3000 passes
/// the first.
const SIGNAL: [f64; 2] = [8.0, 20.0];
/// The part of the largest amplitude below which the window's side lobes may lie.
const LOBES: f64 = 5e-3;

/// The image at low resolution, `[frame, coil, z, y, x]` flat, on a grid twice as fine as its resolution.
pub struct LowResolution {
    /// The grid's extents.
    grid: [usize; 3],
    frames: Vec<Vec<Complex64>>,
    /// The noise of a number of it, for noise of 1 a sample, on average over the frames.
    noise: f64,
}

impl LowResolution {
    /// From the calibration data of some frames, `[coil, z, y, x]`, for an image of `matrix`.
    pub fn new(frames: &[ArrayView4<Complex32>], matrix: [usize; 3]) -> Self {
        let extents = |axis: usize| frames.iter().map(|frame| frame.shape()[axis + 1]).max().unwrap_or(1);
        let grid =
            std::array::from_fn(|axis| if matrix[axis] == 1 { 1 } else { (2 * extents(axis)).min(matrix[axis]) });
        let made: Vec<(Vec<Complex64>, f64)> = frames.iter().map(|frame| windowed(*frame, grid)).collect();
        let noise = made.iter().map(|(_, noise)| noise).sum::<f64>() / made.len().max(1) as f64;
        Self { grid, frames: made.into_iter().map(|(values, _)| values).collect(), noise }
    }

    /// The grid's extents, z, y, x.
    pub fn grid(&self) -> [usize; 3] {
        self.grid
    }

    /// The energy of each point in the mixture that its map is, `[z, y, x]`; for unit maps `[coil, z, y, x]` on the grid.
    pub fn energy(&self, map: ArrayView4<Complex32>) -> Array3<f64> {
        let points: usize = self.grid.iter().product();
        Array3::from_shape_fn(self.grid, |(z, y, x)| {
            let index = (z * self.grid[1] + y) * self.grid[2] + x;
            let mixed = |frame: &Vec<Complex64>| {
                let terms = map.slice(s![.., z, y, x]);
                let term = |(c, s): (usize, &Complex32)| {
                    Complex64::new(s.re.into(), -f64::from(s.im)) * frame[c * points + index]
                };
                terms.iter().enumerate().map(term).sum::<Complex64>().norm_sqr()
            };
            self.frames.iter().map(mixed).sum()
        })
    }

    /// The energy of all coils at all points.
    pub fn total(&self) -> f64 {
        self.frames.iter().flatten().map(|value| value.norm_sqr()).sum()
    }

    /// How surely there is signal where the first map sees so much energy, for noise of this variance a sample.
    pub fn signal(&self, energies: Array3<f64>, variance: f64) -> Signal {
        let count = self.frames.len() as f64;
        let largest = energies.iter().copied().fold(0.0, f64::max);
        // The noise of n frames is n ± √n times that of one.
        let noise = self.noise * variance;
        let [low, high] = SIGNAL.map(|limit| noise * (count + (limit - 1.0) * count.sqrt()) + LOBES * LOBES * largest);
        Signal { values: energies.mapv_into(|energy| smooth((energy - low) / (high - low).max(f64::MIN_POSITIVE))) }
    }
}

/// How surely there is signal, on a coarse grid.
pub struct Signal {
    values: Array3<f64>,
}

impl Signal {
    /// At a voxel of an image, between the grid's points linearly.
    pub fn at(&self, voxel: [usize; 3], matrix: [usize; 3]) -> f64 {
        let shape = self.values.shape();
        // The two neighbours along each axis, around the corner, and the second one's part.
        let near: [([usize; 2], f64); 3] = std::array::from_fn(|axis| {
            let n = shape[axis];
            let place = (voxel[axis] as f64 - (matrix[axis] / 2) as f64) / matrix[axis] as f64 * n as f64;
            let first = place.floor();
            let index = (first as isize + (n / 2) as isize).rem_euclid(n as isize) as usize;
            ([index, (index + 1) % n], place - first)
        });
        let mut sum = 0.0;
        for corner in 0..8 {
            let second = |axis: usize| corner >> axis & 1;
            let part = |axis: usize| if second(axis) == 1 { near[axis].1 } else { 1.0 - near[axis].1 };
            let place: [usize; 3] = std::array::from_fn(|axis| near[axis].0[second(axis)]);
            sum += part(0) * part(1) * part(2) * self.values[place];
        }
        sum
    }
}

/// From 0 at 0 to 1 at 1, with flat ends.
pub fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Coil images `[coil, z, y, x]` of calibration data under a Hann window, on a grid, and the noise of a number for noise of 1.
fn windowed(data: ArrayView4<Complex32>, grid: [usize; 3]) -> (Vec<Complex64>, f64) {
    let mut values = data.map(|x| Complex64::new(x.re.into(), x.im.into()));
    let mut noise = 1.0;
    for axis in 0..3 {
        let (from, into) = (values.shape()[axis + 1], grid[axis]);
        let centre = (from / 2) as f64;
        let window = |k: usize| {
            let k = k as f64 - centre;
            if from == 1 { 1.0 } else { 0.5 + 0.5 * (TAU * k / (from + 1) as f64).cos() }
        };
        noise *= (0..from).map(|k| window(k).powi(2)).sum::<f64>() / into as f64;
        let wave = |k: usize, i: usize| {
            let turns = (k as f64 - centre) * (i as f64 - (into / 2) as f64) / into as f64;
            Complex64::cis(TAU * turns) * (window(k) / (into as f64).sqrt())
        };
        let waves = ndarray::Array2::from_shape_fn((into, from), |(i, k)| wave(k, i));
        let mut shape = values.raw_dim();
        shape[axis + 1] = into;
        let mut made = ndarray::Array4::zeros(shape);
        made.lanes_mut(Axis(axis + 1)).into_iter().zip(values.lanes(Axis(axis + 1))).for_each(|(mut line, from)| {
            line.assign(&waves.dot(&from));
        });
        values = made;
    }
    (values.iter().copied().collect(), noise)
}
