//! The transforms that block matching takes of 8 × 8 patches, along either axis, and the window by which patches are weighed.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::kernels::{match_patches::PATCH, shrink_groups::Tables};

type Matrix = [[f64; PATCH]; PATCH];

/// The low-pass filter of the biorthogonal wavelet 1.5 (Cohen, Daubechies & Feauveau 1992), about the pair that it makes one
/// number of; the high-pass one is Haar's.
const LOW: [f64; 10] = {
    const A: f64 = 0.016_572_815_184_059_706;
    const B: f64 = 0.121_533_978_016_437_85;
    [A, -A, -B, B, FRAC_1_SQRT_2, FRAC_1_SQRT_2, B, -B, -A, A]
};

/// The cosine transform (DCT-II), orthonormal.
pub fn cosine() -> Matrix {
    std::array::from_fn(|frequency| {
        let scale = if frequency == 0 { 1.0 } else { 2.0 } / PATCH as f64;
        std::array::from_fn(|place| scale.sqrt() * (PI * frequency as f64 * (place as f64 + 0.5) / PATCH as f64).cos())
    })
}

/// The biorthogonal wavelet 1.5 down to one number, periodic; rows scaled to unit norm.
pub fn biorthogonal() -> Matrix {
    // Column by column: what becomes of a patch that is 1 at one place.
    let mut matrix = [[0.0; PATCH]; PATCH];
    for place in 0..PATCH {
        let mut smooth = vec![0.0; PATCH];
        smooth[place] = 1.0;
        while smooth.len() > 1 {
            let n = smooth.len();
            let tap = |pair: usize, tap: usize| smooth[(2 * pair + tap + 4 * n - 4) % n];
            let low = |pair: usize| LOW.iter().enumerate().map(|(t, factor)| factor * tap(pair, t)).sum::<f64>();
            for pair in 0..n / 2 {
                matrix[n / 2 + pair][place] = FRAC_1_SQRT_2 * (smooth[2 * pair] - smooth[2 * pair + 1]);
            }
            smooth = (0..n / 2).map(low).collect();
        }
        matrix[0][place] = smooth[0];
    }
    for row in &mut matrix {
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        row.iter_mut().for_each(|value| *value /= norm);
    }
    matrix
}

/// The inverse, by elimination with pivots.
fn inverse(matrix: &Matrix) -> Matrix {
    let (mut left, mut right) = (*matrix, [[0.0; PATCH]; PATCH]);
    (0..PATCH).for_each(|i| right[i][i] = 1.0);
    for column in 0..PATCH {
        let size = |row: &usize| left[*row][column].abs();
        let pivot = (column..PATCH).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        left.swap(column, pivot);
        right.swap(column, pivot);
        let scale = 1.0 / left[column][column];
        for other in (0..PATCH).filter(|row| *row != column) {
            let factor = left[other][column] * scale;
            for at in 0..PATCH {
                left[other][at] -= factor * left[column][at];
                right[other][at] -= factor * right[column][at];
            }
        }
        left[column].iter_mut().chain(&mut right[column]).for_each(|value| *value *= scale);
    }
    right
}

/// The tables of a transform for white noise: rows have unit norm, so every coefficient has the pixels' deviation.
pub fn tables(matrix: &Matrix) -> Tables {
    let single = |matrix: &Matrix| matrix.map(|row| row.map(|value| value as f32));
    // Coefficients of patches that are shifted against each other share the noise of the pixels that both have.
    let shared = |shift: usize, row: &[f64; PATCH]| {
        (shift..PATCH).map(|place| row[place] * row[place - shift]).sum::<f64>() as f32
    };
    Tables {
        forward: single(matrix),
        inverse: single(&inverse(matrix)),
        deviations: [1.0; PATCH * PATCH],
        correlations: std::array::from_fn(|shift| matrix.map(|row| shared(shift, &row))),
    }
}

/// Kaiser's window I₀(β√(1 − t²))/I₀(β) along both axes, `[8, 8]`.
pub fn kaiser(beta: f64) -> Vec<f32> {
    // I₀ by its power series, which converges fast for β of a few.
    let bessel = |x: f64| {
        (1..40)
            .fold((1.0, 1.0), |(sum, term), k| {
                let term = term * (x / 2.0 / f64::from(k)).powi(2);
                (sum + term, term)
            })
            .0
    };
    let at = |place: usize| {
        let t = 2.0 * place as f64 / (PATCH - 1) as f64 - 1.0;
        bessel(beta * (1.0 - t * t).max(0.0).sqrt()) / bessel(beta)
    };
    (0..PATCH * PATCH).map(|index| (at(index / PATCH) * at(index % PATCH)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_undo_and_rows_have_unit_norm() {
        for matrix in [cosine(), biorthogonal()] {
            for (i, (row, back)) in matrix.iter().zip(inverse(&matrix)).enumerate() {
                assert!((row.iter().map(|value| value * value).sum::<f64>() - 1.0).abs() < 1e-12);
                let product = |j: usize| back.iter().zip(&matrix).map(|(a, row)| a * row[j]).sum::<f64>();
                assert!((0..PATCH).all(|j| (product(j) - f64::from(u8::from(i == j))).abs() < 1e-12), "{i}");
            }
        }
    }

    #[test]
    fn all_but_the_first_coefficient_of_a_constant_vanish() {
        for matrix in [cosine(), biorthogonal()] {
            for (f, row) in matrix.iter().enumerate().skip(1) {
                assert!(row.iter().sum::<f64>().abs() < 1e-12, "{f}");
            }
        }
    }
}
