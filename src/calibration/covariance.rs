//! The covariance of coils, `Ψ[c, c′] = mean of x_c conj(x_c′)`, and its eigenvectors (cyclic Jacobi rotations: G. H. Golub,
//! C. F. Van Loan, Matrix Computations, §8.5).

use ndarray::{Array2, ArrayView2, s};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

/// Samples that are summed as one part: the same parts on any number of threads.
const PART: usize = 4096;

/// Mean of x xᴴ over the samples, from `[coil, sample]`; zero where there is no sample. The mean of x is not subtracted.
pub fn coil_covariance(samples: ArrayView2<Complex32>) -> Array2<Complex64> {
    let (coils, count) = samples.dim();
    let starts: Vec<usize> = (0..count).step_by(PART).collect();
    let sum_of = |start: &usize| {
        let part = samples.slice(s![.., *start..(start + PART).min(count)]);
        let part = part.map(|x| Complex64::new(x.re.into(), x.im.into()));
        let part = part.as_standard_layout();
        Array2::from_shape_fn((coils, coils), |(a, b)| match a >= b {
            true => part.row(a).iter().zip(part.row(b)).map(|(x, y)| x * y.conj()).sum::<Complex64>(),
            false => Complex64::ZERO,
        })
    };
    let parts: Vec<Array2<Complex64>> = starts.par_iter().map(sum_of).collect();
    let mut sum = Array2::zeros((coils, coils));
    parts.iter().for_each(|part| sum += part);
    let mean = 1.0 / count.max(1) as f64;
    Array2::from_shape_fn((coils, coils), |(a, b)| if a >= b { sum[[a, b]] * mean } else { sum[[b, a]].conj() * mean })
}

/// Eigenvalues of a Hermitian matrix, largest first, and its eigenvectors as columns in that order. Each vector's
/// largest element is real and positive.
///
/// # Panics
/// If the matrix is not square.
#[track_caller]
pub fn eigenvectors(matrix: &Array2<Complex64>) -> (Vec<f64>, Array2<Complex64>) {
    let n = matrix.nrows();
    assert_eq!(n, matrix.ncols(), "a Hermitian matrix is square");
    let mut a = matrix.clone();
    let mut vectors = Array2::eye(n);
    let total: f64 = a.iter().map(Complex64::norm_sqr).sum();
    // Convergence is quadratic; a dozen sweeps are never needed.
    for _ in 0..30 {
        let off: f64 = a.indexed_iter().filter(|((i, j), _)| i < j).map(|(_, x)| x.norm_sqr()).sum();
        if off <= 1e-30 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, p, q);
            }
        }
    }
    sorted(&a, &vectors)
}

/// Makes `a[p, q]` zero.
fn rotate(a: &mut Array2<Complex64>, vectors: &mut Array2<Complex64>, p: usize, q: usize) {
    let size = a[[p, q]].norm();
    if size == 0.0 {
        return;
    }
    let phase = a[[p, q]].conj() / size;
    let cotangent = (a[[q, q]].re - a[[p, p]].re) / (2.0 * size);
    let tangent = 1.0_f64.copysign(cotangent) / (cotangent.abs() + cotangent.hypot(1.0));
    let cos = 1.0 / tangent.hypot(1.0);
    let sin = tangent * cos;
    for i in 0..a.nrows() {
        for matrix in [&mut *a, &mut *vectors] {
            let (x, y) = (matrix[[i, p]], matrix[[i, q]] * phase);
            matrix[[i, p]] = x * cos - y * sin;
            matrix[[i, q]] = x * sin + y * cos;
        }
    }
    for j in 0..a.nrows() {
        let (x, y) = (a[[p, j]], a[[q, j]] * phase.conj());
        a[[p, j]] = x * cos - y * sin;
        a[[q, j]] = x * sin + y * cos;
    }
}

fn sorted(a: &Array2<Complex64>, vectors: &Array2<Complex64>) -> (Vec<f64>, Array2<Complex64>) {
    let mut order: Vec<usize> = (0..a.nrows()).collect();
    order.sort_by(|i, j| a[[*j, *j]].re.total_cmp(&a[[*i, *i]].re));
    let values = order.iter().map(|i| a[[*i, *i]].re).collect();
    let mut columns = vectors.select(ndarray::Axis(1), &order);
    for mut column in columns.columns_mut() {
        let largest = column.iter().copied().max_by(|x, y| x.norm_sqr().total_cmp(&y.norm_sqr()));
        if let Some(turn) = largest.filter(|x| x.norm() > 0.0).map(|x| x.conj() / x.norm()) {
            column.mapv_inplace(|x| x * turn);
        }
    }
    (values, columns)
}

/// One frame's samples `[coil, …]` as blocks of a few thousand samples of every coil, so that coils can be mixed block by block.
pub(super) fn blocks(frame: &mut [Complex32], per_coil: usize) -> Vec<Vec<&mut [Complex32]>> {
    const BLOCK: usize = 2048;
    let mut blocks: Vec<Vec<&mut [Complex32]>> = (0..per_coil.div_ceil(BLOCK)).map(|_| Vec::new()).collect();
    for coil in frame.chunks_mut(per_coil.max(1)) {
        blocks.iter_mut().zip(coil.chunks_mut(BLOCK)).for_each(|(block, part)| block.push(part));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eigenvectors_of_a_rotated_diagonal_matrix_are_found() {
        // (1, i)/√2 and (1, −i)/√2 with 3 and 1: [[2, −i], [i, 2]].
        let i = Complex64::I;
        let matrix = ndarray::array![[2.0.into(), -i], [i, 2.0.into()]];
        let (values, vectors) = eigenvectors(&matrix);
        assert!((values[0] - 3.0).abs() < 1e-14 && (values[1] - 1.0).abs() < 1e-14, "{values:?}");
        let ratio = vectors[[1, 0]] / vectors[[0, 0]];
        assert!((ratio - i).norm() < 1e-14, "{vectors}");
    }

    #[test]
    fn vectors_times_values_give_back_the_matrix() {
        let n = 12;
        let noise = Array2::from_shape_fn((n, n), |(i, j)| {
            let mut draws = crate::random::Draws::new(3, [i, j, 0]);
            Complex64::new(draws.normal(), draws.normal())
        });
        let matrix = noise.dot(&noise.t().mapv(|x| x.conj()));
        let (values, v) = eigenvectors(&matrix);
        let scaled = Array2::from_shape_fn((n, n), |(i, j)| v[[i, j]] * values[j]);
        let back = scaled.dot(&v.t().mapv(|x| x.conj()));
        let error = (&back - &matrix).iter().map(|x| x.norm()).fold(0.0, f64::max);
        assert!(error < 1e-11 * values[0], "{error:e}");
        assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
    }
}
