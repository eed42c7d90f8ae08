//! The transforms that block matching takes of 8 × 8 patches, along either axis, and the window by which patches are weighed.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::{
    kernels::{match_patches::PATCH, shrink_groups::Tables},
    noise::Correlation,
};

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

/// The tables of a transform for noise that neighbouring pixels share as `correlation` says.
pub fn tables(matrix: &Matrix, correlation: &Correlation) -> Tables {
    let single = |matrix: &Matrix| matrix.map(|row| row.map(|value| value as f32));
    // What each coefficient along an axis makes of two pixels so many places apart: Σ t(a) t(a + apart).
    let products: Vec<[f64; PATCH]> = (0..PATCH)
        .map(|apart| matrix.map(|row| (apart..PATCH).map(|place| row[place] * row[place - apart]).sum()))
        .collect();
    let reach = PATCH as isize - 1;
    let covariance = |[dy, dx]: [isize; 2], [fy, fx]: [usize; 2]| -> f64 {
        let along_x = |y: isize| -> f64 {
            (-reach..=reach).map(|x| products[x.unsigned_abs()][fx] * correlation.at([dy + y, dx + x])).sum()
        };
        (-reach..=reach).map(|y| products[y.unsigned_abs()][fy] * along_x(y)).sum()
    };
    let shifts = (0..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| [dy, dx]));
    let coefficients = (0..PATCH * PATCH).map(|k| [k / PATCH, k % PATCH]);
    Tables {
        forward: single(matrix),
        inverse: single(&inverse(matrix)),
        covariances: shifts.flat_map(|shift| coefficients.clone().map(move |k| covariance(shift, k) as f32)).collect(),
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

    /// Of white noise, patches share that of the pixels that both have; of other noise a coefficient's variance is what many
    /// patches of it show.
    #[test]
    fn covariances_are_those_of_the_noise() {
        let at = |tables: &Tables, [dy, dx]: [usize; 2], k: usize| {
            f64::from(tables.covariances[(dy * 15 + dx + 7) * 64 + k])
        };
        for matrix in [cosine(), biorthogonal()] {
            let white = tables(&matrix, &Correlation::white());
            let shared =
                |shift: usize, f: usize| (shift..PATCH).map(|p| matrix[f][p] * matrix[f][p - shift]).sum::<f64>();
            for ([dy, dx], k) in [([0, 0], 9), ([0, 3], 17), ([2, 1], 0), ([7, 7], 63)] {
                assert!((at(&white, [dy, dx], k) - shared(dy, k / 8) * shared(dx, k % 8)).abs() < 1e-6);
            }
            assert!((white.breadth() - 1.0).abs() < 1e-5);
        }
        // n(y, x) + ½ n(y − 1, x + 1), of variance 1.25, correlated by 0.4 along one diagonal.
        let spectrum = ndarray::Array2::from_shape_fn((16, 16), |(y, x)| {
            (1.25 + (std::f64::consts::TAU * (y as f64 - x as f64) / 16.0).cos()) as f32
        });
        let (matrix, patches) = (cosine(), 4000);
        let known = tables(&matrix, &Correlation::of_spectrum(spectrum.view()).unwrap());
        let mut draws = crate::random::Draws::new(3, [0, 0, 0]);
        let mut sums = [[0.0; 2]; PATCH * PATCH];
        for _ in 0..patches {
            // A patch and the one that begins a line below and a column to the left of it.
            let white: Vec<f64> = (0..11 * 11).map(|_| draws.normal()).collect();
            let noise =
                |y: usize, x: usize| (white[(y + 1) * 11 + x + 1] + 0.5 * white[y * 11 + x + 2]) / 1.25_f64.sqrt();
            for (k, sum) in sums.iter_mut().enumerate() {
                let coefficient = |top: usize, left: usize| -> f64 {
                    let term =
                        |p: usize| matrix[k / 8][p / 8] * matrix[k % 8][p % 8] * noise(top + p / 8, left + p % 8);
                    (0..PATCH * PATCH).map(term).sum()
                };
                let first = coefficient(0, 1);
                sum[0] += first * first / f64::from(patches);
                sum[1] += first * coefficient(1, 0) / f64::from(patches);
            }
        }
        for (k, [variance, covariance]) in sums.into_iter().enumerate() {
            // A covariance's error is as large as the variance over √patches.
            let error = 4.5 * (2.0 / f64::from(patches)).sqrt() * variance;
            assert!((variance - at(&known, [0, 0], k)).abs() < error, "{k}: {variance}");
            let shift = f64::from(known.covariances[(15 + 6) * 64 + k]);
            assert!((covariance - shift).abs() < error, "{k}: {covariance}, not {shift}");
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
