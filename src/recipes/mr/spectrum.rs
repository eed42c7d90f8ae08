//! What k-space says of signal and noise before anything is reconstructed: the mean energy of its samples in rings around the
//! centre. The quietest ring bounds the noise from above; what the rings hold beyond noise is the image's squared gradient, by
//! Parseval, whatever the sampling and however much air the field of view holds.

use super::encoding::Encoded;
use crate::geometry::{Mask, Trajectory};

/// Rings between the centre of k-space and its corner.
const RINGS: usize = 24;
/// Numbers in a ring below which its mean says little of noise.
const FEW: f64 = 500.0;

/// One ring: its samples, their energies e over all coils, and G = Σ 4 sin²(πk), the squared transform of differences along x
/// and y, summed over the samples and over the points of k-space that they stand for.
#[derive(Clone, Copy, Debug, Default)]
struct Ring {
    samples: f64,
    /// Σ e.
    energy: f64,
    /// Σ e·G.
    slope_energy: f64,
    /// Σ G over the samples, and over all points.
    slopes: [f64; 2],
}

impl Ring {
    fn add(&mut self, energy: f64, slope: f64) {
        self.samples += 1.0;
        self.energy += energy;
        self.slope_energy += energy * slope;
        self.slopes[0] += slope;
    }
}

/// Energies by ring.
#[derive(Clone, Debug)]
pub struct Spectrum {
    rings: Vec<Ring>,
    coils: f64,
}

impl Spectrum {
    /// Of samples on a grid; `energy` is that of all coils at an index.
    pub fn on_grid(mask: &Mask, coils: usize, energy: impl Fn(usize) -> f64) -> Self {
        let [nz, ny, nx] = mask.shape;
        let mut rings = vec![Ring::default(); RINGS];
        for index in 0..nz * ny * nx {
            let place = [index / nx / ny, index / nx % ny, index % nx];
            let k =
                [0, 1, 2].map(|axis| (place[axis] as f64 - (mask.shape[axis] / 2) as f64) / mask.shape[axis] as f64);
            let ring = &mut rings[ring(k)];
            ring.slopes[1] += slope(k);
            if mask.sampled[index] {
                ring.add(energy(index), slope(k));
            }
        }
        Self { rings, coils: coils as f64 }
    }

    /// Of samples along a trajectory, with the part of k-space that each stands for.
    pub fn along(trajectory: &Trajectory, weights: &[f32], coils: usize, energy: impl Fn(usize) -> f64) -> Self {
        let [nz, ny, nx] = trajectory.matrix.map(|extent| extent as f64);
        let mut rings = vec![Ring::default(); RINGS];
        for (index, [x, y, z]) in trajectory.points.iter().map(|point| point.map(f64::from)).enumerate() {
            let k = [z / nz, y / ny, x / nx];
            let ring = &mut rings[ring(k)];
            ring.slopes[1] += f64::from(weights[index]) * slope(k);
            ring.add(energy(index), slope(k));
        }
        Self { rings, coils: coils as f64 }
    }

    /// The most that the variance of a measured number can be: that of the quietest ring.
    pub fn quietest(&self) -> f64 {
        let numbers = |ring: &Ring| 2.0 * self.coils * ring.samples;
        let means = self.rings.iter().filter(|ring| numbers(ring) >= FEW).map(|ring| ring.energy / numbers(ring));
        means.fold(f64::INFINITY, f64::min)
    }

    /// ‖∇x‖² of the image x that coils of unit root sum of squares see, where a measured number has noise of such a variance.
    pub fn gradient(&self, variance: f64) -> f64 {
        let of_ring = |ring: &Ring| {
            let signal = ring.slope_energy - 2.0 * self.coils * variance * ring.slopes[0];
            signal.max(0.0) * ring.slopes[1] / ring.slopes[0]
        };
        self.rings.iter().filter(|ring| ring.slopes[0] > 0.0).map(of_ring).sum()
    }
}

/// The ring of a place in k-space, z, y, x in cycles a voxel.
fn ring(k: [f64; 3]) -> usize {
    let distance = k.iter().map(|k| k * k).sum::<f64>().sqrt();
    ((distance / 0.5_f64.sqrt() * RINGS as f64) as usize).min(RINGS - 1)
}

/// G.
fn slope([_, y, x]: [f64; 3]) -> f64 {
    let of = |k: f64| 4.0 * (std::f64::consts::PI * k).sin().powi(2);
    of(y) + of(x)
}

/// How many pixels a planar image fills, (Σa)²/Σa² with a² the energy in squares of three pixels beyond that of noise, and Σ|x|².
pub fn filled(image: &[f32], [_, ny, nx]: [usize; 3], sets: usize, noise: f64) -> (f64, f64) {
    let width = 2 * sets * nx;
    let energies: Vec<f64> = image
        .chunks_exact(width)
        .flat_map(|line| {
            (0..nx).map(|x| line[x..].iter().step_by(nx).map(|part| f64::from(*part).powi(2)).sum::<f64>())
        })
        .collect();
    let near = |at: usize, extent: usize| at.saturating_sub(1)..(at + 2).min(extent);
    let around = |index: usize| -> f64 {
        let (slice, y, x) = (index / (ny * nx), index / nx % ny, index % nx);
        near(y, ny)
            .flat_map(|y| near(x, nx).map(move |x| (y, x)))
            .map(|(y, x)| energies[(slice * ny + y) * nx + x])
            .sum()
    };
    let beyond = |index: usize| (around(index) - 9.0 * noise).max(0.0);
    let (sum, square) =
        (0..energies.len()).map(beyond).fold((0.0, 0.0), |(sum, square), e| (sum + e.sqrt(), square + e));
    (sum * sum / square.max(f64::MIN_POSITIVE), energies.iter().sum())
}

/// How noise and image compare, for strengths that depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    matrix: [usize; 3],
    sets: usize,
    /// From σ of a measured number to the deviation of a complex pixel that is settled by its own samples alone.
    noise: f64,
    /// Pixels over samples, as noise sees them: N Σw²/(Σw)².
    pub acceleration: f64,
}

impl Comparison {
    /// For images of a frame.
    pub fn of(encoded: &Encoded) -> Self {
        let part = encoded.gain / encoded.diagonal;
        let noise = std::f64::consts::SQRT_2 * part;
        Self { matrix: encoded.matrix, sets: encoded.sets, noise, acceleration: part * part * encoded.sensitivity }
    }

    /// ν: a pixel's noise, for σ of a measured number, over the rms of a planar image where the object is.
    pub fn noise_to_signal(&self, deviation: f64, image: &[f32]) -> f64 {
        let noise = self.noise * deviation;
        let (filled, energy) = filled(image, self.matrix, self.sets, noise * noise);
        let signal = (energy / filled.max(1.0)).sqrt();
        if signal > 0.0 { noise / signal } else { f64::INFINITY }
    }
}
