//! Coil maps as trigonometric polynomials, s(u) = Σₘ Cₘ e^(2πi m·u/2), fitted to the fields of loops by least squares.
//!
//! u is the position in fields of view from the voxel N/2, the period two fields of view. What such a coil receives of an
//! object with the Fourier transform F is Σₘ Cₘ F(k − m/2), so that k-space is exact with coils, too. The polynomial *is* the
//! map; the loops' field over its root sum of squares only told what to fit, so the maps' root sum of squares is 1 to the
//! misfit (below 1 % within the head), not exactly.

use ndarray::{Array2, Array4, Axis, Zip};
use num_complex::{Complex32, Complex64};
use std::f64::consts::PI;

use crate::{
    error::{Error, Result},
    geometry::Grid,
    physics::Helmet,
};

/// The polynomials have the harmonics −H…H along each axis.
pub const HARMONICS: usize = 3;

/// Nodes of the fit along each axis of the field of view.
const NODES: usize = 32;

/// Weight of small coefficients in the fit, relative to that of the data: what the loops do not tell stays small.
const RIDGE: f64 = 1e-7;

/// Radius of the cylinder that bears the loops, in fields of view: beyond the corners.
const HELMET_RADIUS: f64 = 0.8;

/// Sensitivities of the coils over a field of view.
#[derive(Clone, Debug, PartialEq)]
pub struct CoilMaps {
    /// `[coil, mz, my, mx]`, m from −H to H; one m = 0 along an axis without variation.
    pub coefficients: Array4<Complex64>,
}

impl CoilMaps {
    /// One coil that receives everything alike: s = 1.
    pub fn uniform() -> Self {
        Self { coefficients: Array4::from_elem((1, 1, 1, 1), Complex64::ONE) }
    }

    /// The maps of `coils` loops around the field of view of `grid`, in two rings where it has slices and at least 6 coils.
    ///
    /// # Errors
    /// Numbers of coils that are not from 1 to 256.
    pub fn around(coils: usize, grid: &Grid) -> Result<Self> {
        if !(1..=256).contains(&coils) {
            return Err(Error::Option(format!("{coils} coils: there must be from 1 to 256")));
        }
        let [nz, ny, nx] = grid.shape;
        let [dz, dy, dx] = grid.voxel();
        let radius = HELMET_RADIUS * (ny as f64 * dy).max(nx as f64 * dx);
        let rings = if nz > 1 && coils >= 6 { 2 } else { 1 };
        let loops = Helmet { coils, radius, rings, ring_distance: nz as f64 * dz / 2.0 }.loops();
        let nodes = [if nz > 1 { NODES } else { 1 }, NODES, NODES];
        let position = |axis: usize, node: usize| (node as f64 + 0.5) / nodes[axis] as f64 - 0.5;
        let mut fields = Array4::from_shape_fn((coils, nodes[0], nodes[1], nodes[2]), |(coil, z, y, x)| {
            let u = [position(0, z), position(1, y), position(2, x)];
            let index = [0, 1, 2].map(|axis| (grid.shape[axis] / 2) as f64 + u[axis] * grid.shape[axis] as f64);
            let at = if nz > 1 { index } else { [0.0, index[1], index[2]] };
            loops[coil].sensitivity(grid.position(at))
        });
        for mut node in fields.lanes_mut(Axis(0)) {
            let size = node.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
            node.mapv_inplace(|value| value / size);
        }
        let fit = |axis: usize| {
            let count = nodes[axis];
            fitting_matrix(&(0..count).map(|node| position(axis, node)).collect::<Vec<_>>())
        };
        Ok(Self { coefficients: contracted(fields, [fit(0), fit(1), fit(2)]) })
    }

    /// Number of coils.
    pub fn coils(&self) -> usize {
        self.coefficients.dim().0
    }

    /// Harmonics along z, y, x: −H…H.
    pub(super) fn harmonics(&self) -> [usize; 3] {
        let (_, z, y, x) = self.coefficients.dim();
        [z, y, x].map(|count| count / 2)
    }

    /// The maps at the voxels of a grid of `shape` over the same field of view, `[coil, z, y, x]`.
    pub fn at_voxels(&self, shape: [usize; 3]) -> Array4<Complex32> {
        let harmonics = self.harmonics();
        let matrix = |axis: usize| {
            let (extent, most) = (shape[axis], harmonics[axis]);
            Array2::from_shape_fn((extent, 2 * most + 1), |(index, m)| {
                let u = (index as f64 - (extent / 2) as f64) / extent as f64;
                Complex64::cis(PI * (m as f64 - most as f64) * u)
            })
        };
        let maps = contracted(self.coefficients.clone(), [matrix(0), matrix(1), matrix(2)]);
        maps.mapv(|value| Complex32::new(value.re as f32, value.im as f32))
    }
}

/// Σ_{ijk} A[a, i] B[b, j] C[c, k] values[coil, i, j, k].
fn contracted(values: Array4<Complex64>, matrices: [Array2<Complex64>; 3]) -> Array4<Complex64> {
    let mut values = values;
    for (axis, matrix) in matrices.iter().enumerate() {
        let mut shape = values.raw_dim();
        shape[axis + 1] = matrix.nrows();
        let mut next = Array4::zeros(shape);
        Zip::from(next.lanes_mut(Axis(axis + 1)))
            .and(values.lanes(Axis(axis + 1)))
            .for_each(|mut to, from| to.assign(&matrix.dot(&from)));
        values = next;
    }
    values
}

/// The matrix (BᴴB + λ)⁻¹Bᴴ that makes values at `nodes`, which lie symmetrically about 0, the coefficients of the nearest
/// polynomial. BᴴB is real then.
fn fitting_matrix(nodes: &[f64]) -> Array2<Complex64> {
    let most = if nodes.len() > 1 { HARMONICS } else { 0 };
    let size = 2 * most + 1;
    let harmonic = |m: usize| PI * (m as f64 - most as f64);
    let gram = |m: usize, n: usize| nodes.iter().map(|u| ((harmonic(m) - harmonic(n)) * u).cos()).sum::<f64>();
    let mut left = Array2::from_shape_fn((size, size), |(m, n)| {
        gram(m, n) + if m == n { RIDGE * nodes.len() as f64 } else { 0.0 }
    });
    let mut right = Array2::from_shape_fn((size, nodes.len()), |(m, i)| Complex64::cis(-harmonic(m) * nodes[i]));
    // Gauss and Jordan; a positive definite matrix needs no pivots.
    for pivot in 0..size {
        let by = 1.0 / left[[pivot, pivot]];
        left.row_mut(pivot).mapv_inplace(|value| value * by);
        right.row_mut(pivot).mapv_inplace(|value| value * by);
        for other in (0..size).filter(|other| *other != pivot) {
            let factor = left[[other, pivot]];
            for column in 0..size {
                let value = left[[pivot, column]];
                left[[other, column]] -= factor * value;
            }
            for column in 0..nodes.len() {
                let value = right[[pivot, column]];
                right[[other, column]] -= factor * value;
            }
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deviation(coils: usize, shape: [usize; 3]) -> f64 {
        let grid = Grid::centered(shape, [4.0; 3], [0.0; 3]);
        let maps = CoilMaps::around(coils, &grid).unwrap().at_voxels(shape);
        let mut worst = 0.0_f64;
        for ((z, y, x), sum) in maps.map(|s| f64::from(s.norm_sqr())).sum_axis(Axis(0)).indexed_iter() {
            let u = [(y, 1), (x, 2)].map(|(i, axis)| i as f64 / shape[axis] as f64 - 0.5);
            let inside = shape[0] == 1 || (z as f64 / shape[0] as f64 - 0.5).abs() < 0.4;
            if inside && u[0].hypot(u[1]) < 0.46 {
                worst = worst.max((sum.sqrt() - 1.0).abs());
            }
        }
        worst
    }

    #[test]
    fn the_maps_have_unit_root_sum_of_squares_where_the_head_is() {
        for (coils, shape) in
            [(1, [1, 64, 64]), (4, [1, 64, 64]), (8, [1, 64, 64]), (16, [1, 64, 64]), (8, [16, 64, 64])]
        {
            let worst = deviation(coils, shape);
            assert!(worst < 0.01, "{coils} coils on {shape:?}: off by {worst}");
        }
    }

    #[test]
    fn every_coil_is_loudest_on_its_own_side() {
        let grid = Grid::centered([1, 64, 64], [4.0; 3], [0.0; 3]);
        let maps = CoilMaps::around(8, &grid).unwrap().at_voxels(grid.shape);
        for coil in 0..8 {
            let (sin, cos) = (f64::from(coil as u8) * PI / 4.0).sin_cos();
            let at = |side: f64| {
                let [x, y] = [cos, sin].map(|c| (32.0 + 26.0 * side * c).round() as usize);
                maps[[coil, 0, y, x]].norm()
            };
            assert!(at(1.0) > 2.0 * at(-1.0), "coil {coil}: {} and {}", at(1.0), at(-1.0));
        }
    }

    #[test]
    fn impossible_numbers_of_coils_are_refused() {
        let grid = Grid::centered([1, 8, 8], [4.0; 3], [0.0; 3]);
        assert!(CoilMaps::around(0, &grid).is_err() && CoilMaps::around(1000, &grid).is_err());
    }
}
