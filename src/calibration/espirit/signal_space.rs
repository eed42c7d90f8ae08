//! The projector onto the space that the patches of k-space span, with a smooth threshold: `P = G²(G² + τ²)⁻¹`.
//!
//! ESPIRiT takes the eigenvectors of G whose eigenvalues pass τ. The filter λ²/(λ² + τ²) gives an eigenvector near τ a part of
//! its weight and needs no eigenvectors: P = 1 − τ²(G² + τ²)⁻¹ is one Cholesky factor and its inverse.

use std::ops::Range;

use rayon::prelude::*;

use super::matrix::{AddRows, Matrix, Rows};

/// Rows that are factored together.
const BLOCK: usize = 32;

/// A Gram matrix, ready to be filtered.
pub struct Spectrum<'a> {
    gram: &'a Matrix,
    /// G², upper triangle.
    square: Matrix,
    /// Its largest eigenvalue.
    pub largest: f64,
}

/// A filtered Gram matrix.
pub struct SignalSpace {
    /// P, lower triangle.
    pub projector: Matrix,
    /// Sum over eigenvalues λ of G of λ(1 − filter), and of (1 − filter).
    rest: (f64, f64),
}

impl SignalSpace {
    /// Mean of the eigenvalues of G, each weighted by how far the filter takes it away. Fewer `patches` than `features` leave
    /// eigenvalues of 0, which do not count.
    pub fn mean_rest(&self, features: usize, patches: usize) -> f64 {
        let weights = self.rest.1 - features.saturating_sub(patches) as f64;
        (self.rest.0 / weights.max(1.0)).max(0.0)
    }
}

impl<'a> Spectrum<'a> {
    pub fn new(gram: &'a Matrix) -> Self {
        Self { gram, square: upper_square(gram), largest: largest_eigenvalue(gram) }
    }

    /// The Gram matrix's columns.
    pub fn columns(&self) -> usize {
        self.gram.columns
    }

    /// P for the threshold τ, in the unit of the eigenvalues.
    pub fn filtered(&self, threshold: f64) -> SignalSpace {
        let n = self.gram.columns;
        let mut factor = self.square.clone();
        (0..n).for_each(|i| factor.re[i * n + i] += threshold * threshold);
        factorise(&mut factor);
        let mut projector = inverse(&factor);
        let (mut weights, mut energy) = (0.0, 0.0);
        let scale = threshold * threshold;
        for row in 0..n {
            for column in 0..=row {
                let index = row * n + column;
                // Re tr(G R) over one triangle of two Hermitian matrices.
                let twice = if row == column { 1.0 } else { 2.0 };
                let (re, im) = (scale * projector.re[index], scale * projector.im[index]);
                energy += twice * (self.gram.re[index] * re + self.gram.im[index] * im);
                weights += if row == column { re } else { 0.0 };
                (projector.re[index], projector.im[index]) = (f64::from(u8::from(row == column)) - re, -im);
            }
        }
        SignalSpace { projector, rest: (energy, weights) }
    }
}

/// Rows of the upper triangle of G².
fn upper_square(gram: &Matrix) -> Matrix {
    let n = gram.columns;
    let mut square = Matrix::zeros(n, n);
    let rows = square.re.par_chunks_mut(n).zip(square.im.par_chunks_mut(n)).enumerate();
    rows.for_each(|(i, (re, im))| {
        let factor = |k: usize| (gram.re[i * n + k], gram.im[i * n + k]);
        AddRows { into: (&mut re[i..], &mut im[i..]), rows: gram.rows_from(0), count: n, from: i, factor }.run();
    });
    square
}

/// A = Uᴴ U in place of the upper triangle of A.
fn factorise(a: &mut Matrix) {
    let n = a.columns;
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        let (above_re, here_re) = a.re.split_at_mut(start * n);
        let (above_im, here_im) = a.im.split_at_mut(start * n);
        let above = Rows { columns: n, re: above_re, im: above_im };
        let (here_re, here_im) = (&mut here_re[..(end - start) * n], &mut here_im[..(end - start) * n]);
        here_re.par_chunks_mut(n).zip(here_im.par_chunks_mut(n)).enumerate().for_each(|(row, (re, im))| {
            subtract(above, start, start + row, (re, im));
        });
        for row in 0..end - start {
            let i = start + row;
            let (above_re, rest_re) = here_re.split_at_mut(row * n);
            let (above_im, rest_im) = here_im.split_at_mut(row * n);
            let (re, im) = (&mut rest_re[..n], &mut rest_im[..n]);
            subtract(Rows { columns: n, re: above_re, im: above_im }, row, i, (re, im));
            // The shift by τ² keeps it positive but for rounding.
            let scale = 1.0 / re[i].max(f64::MIN_POSITIVE).sqrt();
            re[i..].iter_mut().chain(im[i..].iter_mut()).for_each(|x| *x *= scale);
        }
    }
}

/// Row i of A less Σⱼ conj(U[j, i]) U[j, i…], over `count` rows j.
fn subtract(above: Rows, count: usize, i: usize, (re, im): (&mut [f64], &mut [f64])) {
    let factor = |j: usize| (-above.re[j * above.columns + i], above.im[j * above.columns + i]);
    AddRows { into: (&mut re[i..], &mut im[i..]), rows: above, count, from: i, factor }.run();
}

/// (Uᴴ U)⁻¹, lower triangle: both triangular systems, for runs of columns of the identity.
fn inverse(factor: &Matrix) -> Matrix {
    const COLUMNS: usize = 64;
    let n = factor.columns;
    let runs: Vec<Range<usize>> = (0..n).step_by(COLUMNS).map(|start| start..(start + COLUMNS).min(n)).collect();
    let solved: Vec<Matrix> = runs.par_iter().map(|run| solve(factor, run.clone())).collect();
    let mut whole = Matrix::zeros(n, n);
    for (run, part) in runs.iter().zip(&solved) {
        for row in run.start..n {
            let from = (row - run.start) * run.len()..(row - run.start + 1) * run.len();
            whole.re[row * n..][run.clone()].copy_from_slice(&part.re[from.clone()]);
            whole.im[row * n..][run.clone()].copy_from_slice(&part.im[from]);
        }
    }
    whole
}

/// Columns `run` of the inverse, rows from `run.start` on.
fn solve(factor: &Matrix, run: Range<usize>) -> Matrix {
    let (n, width) = (factor.columns, run.len());
    let count = n - run.start;
    let mut x = Matrix::zeros(count, width);
    for row in 0..count {
        let k = run.start + row;
        let (above_re, rest_re) = x.re.split_at_mut(row * width);
        let (above_im, rest_im) = x.im.split_at_mut(row * width);
        let (re, im) = (&mut rest_re[..width], &mut rest_im[..width]);
        if row < width {
            re[row] = 1.0;
        }
        let rows = Rows { columns: width, re: above_re, im: above_im };
        let at = |j: usize| (run.start + j) * n + k;
        let factor_of = |j: usize| (-factor.re[at(j)], factor.im[at(j)]);
        AddRows { into: (&mut *re, &mut *im), rows, count: row, from: 0, factor: factor_of }.run();
        let scale = 1.0 / factor.re[k * n + k];
        re.iter_mut().chain(im).for_each(|x| *x *= scale);
    }
    for row in (0..count).rev() {
        let k = run.start + row;
        let (head_re, below_re) = x.re.split_at_mut((row + 1) * width);
        let (head_im, below_im) = x.im.split_at_mut((row + 1) * width);
        let (re, im) = (&mut head_re[row * width..], &mut head_im[row * width..]);
        let rows = Rows { columns: width, re: below_re, im: below_im };
        let at = |j: usize| k * n + k + 1 + j;
        let factor_of = |j: usize| (-factor.re[at(j)], -factor.im[at(j)]);
        AddRows { into: (&mut *re, &mut *im), rows, count: count - row - 1, from: 0, factor: factor_of }.run();
        let scale = 1.0 / factor.re[k * n + k];
        re.iter_mut().chain(im).for_each(|x| *x *= scale);
    }
    x
}

/// By the power iteration: the value, not the vector, so few rounds do.
fn largest_eigenvalue(gram: &Matrix) -> f64 {
    let n = gram.columns;
    let strongest = (0..n).max_by(|i, j| gram.re[i * n + i].total_cmp(&gram.re[j * n + j])).unwrap_or(0);
    let mut vector = Matrix::zeros(1, n);
    vector.re[strongest] = 1.0;
    let mut value = 0.0;
    for _ in 0..50 {
        let mut next = Matrix::zeros(1, n);
        // conj(v) from the left: rows combined, so that the loop is the same.
        let factor = |k: usize| (vector.re[k], vector.im[k]);
        AddRows { into: (&mut next.re, &mut next.im), rows: gram.rows_from(0), count: n, from: 0, factor }.run();
        let norm = next.re.iter().chain(&next.im).map(|x| x * x).sum::<f64>().sqrt();
        if norm == 0.0 {
            return 0.0;
        }
        next.re.iter_mut().chain(&mut next.im).for_each(|x| *x /= norm);
        vector = next;
        let settled = (norm - value).abs() < 1e-4 * norm;
        value = norm;
        if settled {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;

    #[test]
    fn a_known_spectrum_is_filtered_as_the_formula_says() {
        // G = Σ λ_k f_k f_kᴴ with the columns f_k of the discrete Fourier transform, larger than a block and not a multiple of 4.
        let n = 71;
        let values: Vec<f64> = (0..n).map(|k| 10.0_f64.powf(-6.0 * k as f64 / n as f64)).collect();
        let circulant = |weights: &dyn Fn(f64) -> f64, i: usize, j: usize| {
            let wave =
                |k: usize| num_complex::Complex64::cis(std::f64::consts::TAU * (k * (n + i - j) % n) as f64 / n as f64);
            (0..n).map(|k| wave(k) * weights(values[k])).sum::<num_complex::Complex64>() / n as f64
        };
        let mut gram = Matrix::zeros(n, n);
        for index in 0..n * n {
            let value = circulant(&|x| x, index / n, index % n);
            (gram.re[index], gram.im[index]) = (value.re, value.im);
        }
        let threshold = 1e-3;
        let spectrum = Spectrum::new(&gram);
        assert!((spectrum.largest / values[0] - 1.0).abs() < 0.01, "{}", spectrum.largest);
        let space = spectrum.filtered(threshold);
        let filter = |x: f64| x * x / (x * x + threshold * threshold);
        for row in 0..n {
            for column in 0..=row {
                let expected = circulant(&filter, row, column);
                let index = row * n + column;
                let (re, im) = (space.projector.re[index] - expected.re, space.projector.im[index] - expected.im);
                assert!(re.hypot(im) < 1e-9, "{row} {column}: {re:e} {im:e}");
            }
        }
        let rest: f64 = values.iter().map(|x| 1.0 - filter(*x)).sum();
        let mean = values.iter().map(|x| x * (1.0 - filter(*x))).sum::<f64>() / rest;
        let found = space.mean_rest(n, n);
        assert!((found / mean - 1.0).abs() < 1e-6, "{found} {mean}");
    }

    #[test]
    fn random_matrices_do_not_depend_on_the_threads() {
        let n = 100;
        let mut gram = Matrix::zeros(n, n);
        for i in 0..n {
            gram.re[i * n + i] = 1.0 + Draws::new(1, [i, 0, 0]).uniform();
        }
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Spectrum::new(&gram).filtered(0.1).projector)
        };
        let (one, three) = (run(1), run(3));
        assert!(one.re == three.re && one.im == three.im);
    }
}
