//! Density compensation for any trajectory, `w ← w / (C ∗ w)` at the samples until C ∗ w = 1 (J. G. Pipe, P. Menon, Magn Reson
//! Med 41, 179–186, 1999).
//!
//! C is a quadratic B-spline of one cell convolved with itself, of unit integral, computed over a grid of half cells. Its
//! transform vanishes at whole fields of view, so a fully sampled grid gets weights of exactly 1.

use rayon::prelude::*;

use crate::{error::Result, geometry::Trajectory};

/// Rounds that are enough for a few per cent.
pub const ROUNDS: usize = 20;

/// Points of the half-cell grid that a sample reaches along an axis.
const SUPPORT: usize = 6;

/// One weight a sample: the part of k-space that it stands for, in cells (1/FOV)^dimensions, 1 for a full Cartesian grid. With
/// the orthonormal transform A, A^H W A is nearly the identity where k-space is sampled densely enough.
///
/// Within two or three cells of the edge of k-space, where half of a sample's neighbours are missing, the weights ring: they
/// are up to a third too small, and the outermost ones too large. Spokes more than half a cell apart differ by a few per cent.
/// The grid takes 4 bytes for each of 2^dimensions times the image's points.
///
/// # Errors
/// As [`Trajectory::check`].
pub fn density_compensation(trajectory: &Trajectory, rounds: usize) -> Result<Vec<f32>> {
    trajectory.check()?;
    let spread = Spread::new(trajectory);
    let mut weights = vec![1.0_f32; trajectory.points.len()];
    for _ in 0..rounds {
        let grid = spread.on_grid(&weights);
        let found = spread.at_samples(&grid);
        weights.par_iter_mut().zip(found).for_each(|(weight, found)| *weight /= found.max(f32::MIN_POSITIVE));
    }
    Ok(weights)
}

/// What a sample reaches: first points along z, y, x, and the spline there.
struct Reach {
    first: [usize; 3],
    spline: [[f32; SUPPORT]; 3],
}

struct Spread {
    /// The grid's extents along z, y, x.
    grid: [usize; 3],
    /// Points that a sample reaches along each axis.
    support: [usize; 3],
    reaches: Vec<Reach>,
    /// Samples, ordered by the line (z, y) where their reach begins.
    order: Vec<usize>,
    /// Where a line's samples begin in `order`; one more than there are lines.
    starts: Vec<usize>,
}

impl Spread {
    fn new(trajectory: &Trajectory) -> Self {
        let grid = trajectory.matrix.map(|extent| if extent == 1 { 1 } else { 2 * extent + 2 * SUPPORT });
        let support = trajectory.matrix.map(|extent| if extent == 1 { 1 } else { SUPPORT });
        let reach = |point: &[f32; 3]| {
            let mut reach = Reach { first: [0; 3], spline: [[1.0; SUPPORT]; 3] };
            for axis in 0..3 {
                let extent = trajectory.matrix[axis];
                if extent > 1 {
                    // Points come as x, y, z.
                    let at = 2.0 * f64::from(point[2 - axis]) + (extent + SUPPORT) as f64;
                    reach.first[axis] = at.floor() as usize - 2;
                    reach.spline[axis] = std::array::from_fn(|i| spline(0.5 * (at - (reach.first[axis] + i) as f64)));
                }
            }
            reach
        };
        let reaches: Vec<Reach> = trajectory.points.par_iter().map(reach).collect();
        let line = |sample: usize| reaches[sample].first[0] * grid[1] + reaches[sample].first[1];
        let mut order: Vec<usize> = (0..reaches.len()).collect();
        order.sort_by_key(|sample| (line(*sample), *sample));
        let mut starts = vec![0; grid[0] * grid[1] + 1];
        order.iter().for_each(|sample| starts[line(*sample) + 1] += 1);
        (1..starts.len()).for_each(|i| starts[i] += starts[i - 1]);
        Self { grid, support, reaches, order, starts }
    }

    /// Every line of the grid gathers from the samples that reach it, in their order.
    fn on_grid(&self, weights: &[f32]) -> Vec<f32> {
        let [gz, gy, gx] = self.grid;
        let mut grid = vec![0.0_f32; gz * gy * gx];
        grid.par_chunks_mut(gx).enumerate().for_each(|(line, values)| {
            let (z, y) = (line / gy, line % gy);
            for dz in 0..self.support[0].min(z + 1) {
                for dy in 0..self.support[1].min(y + 1) {
                    let begins = (z - dz) * gy + y - dy;
                    for sample in &self.order[self.starts[begins]..self.starts[begins + 1]] {
                        let reach = &self.reaches[*sample];
                        let weight = weights[*sample] * reach.spline[0][dz] * reach.spline[1][dy];
                        let values = &mut values[reach.first[2]..][..self.support[2]];
                        values.iter_mut().zip(reach.spline[2]).for_each(|(value, spline)| *value += weight * spline);
                    }
                }
            }
        });
        grid
    }

    fn at_samples(&self, grid: &[f32]) -> Vec<f32> {
        let [_, gy, gx] = self.grid;
        // Half cells: a sum over the grid is an integral but for this.
        let cell: f32 = self.support.iter().map(|support| if *support > 1 { 0.5 } else { 1.0 }).product();
        let at_sample = |reach: &Reach| {
            let mut sum = 0.0;
            for dz in 0..self.support[0] {
                for dy in 0..self.support[1] {
                    let start = ((reach.first[0] + dz) * gy + reach.first[1] + dy) * gx + reach.first[2];
                    let line = &grid[start..start + self.support[2]];
                    let along: f32 = line.iter().zip(reach.spline[2]).map(|(value, spline)| value * spline).sum();
                    sum += along * reach.spline[0][dz] * reach.spline[1][dy];
                }
            }
            sum * cell
        };
        self.reaches.par_iter().map(at_sample).collect()
    }
}

/// The quadratic B-spline, u in cells.
fn spline(u: f64) -> f32 {
    let u = u.abs();
    let value = if u <= 0.5 {
        0.75 - u * u
    } else if u < 1.5 {
        0.5 * (1.5 - u) * (1.5 - u)
    } else {
        0.0
    };
    value as f32
}
