//! Eigenvalues of a Hermitian matrix, all of them, and eigenvectors of the largest, as many as are wanted.
//!
//! Householder reflections make the matrix tridiagonal, QL with implicit shifts finds the eigenvalues (both after EISPACK: Smith
//! et al. 1976), inverse iteration the wanted eigenvectors (Wilkinson 1965), kept orthogonal to each other. Where few of many are
//! wanted that is a small part of the work of finding all (as Jacobi rotations would, [`crate::calibration::covariance`]).

use super::number::{Number, add, dot};

/// Rounds of inverse iteration; one is mostly enough.
const ROUNDS: usize = 3;
/// QL steps for one eigenvalue; a handful suffice.
const STEPS: usize = 60;

/// All eigenvalues of the symmetric `matrix`, `[row, column]`, whose contents are lost.
pub(in crate::denoisers) fn values_of(matrix: &mut [f64], n: usize) -> Vec<f64> {
    Tridiagonal::of(matrix, n).values()
}

/// A matrix of `n` rows made tridiagonal: reflections in its own place, what is left of it on and beside the diagonal.
pub(super) struct Tridiagonal<'a, T> {
    n: usize,
    /// Row k holds, from element k + 1 on, the vector of reflection k.
    reflections: &'a [T],
    /// 2/|v|² of reflection k; 0 where there was none to make.
    factors: Vec<f64>,
    diagonal: Vec<f64>,
    /// Element k stands beside rows k and k + 1.
    beside: Vec<T>,
}

impl<'a, T: Number> Tridiagonal<'a, T> {
    /// Of the Hermitian `matrix`, `[row, column]`, whose contents are lost.
    #[inline(always)]
    pub fn of(matrix: &'a mut [T], n: usize) -> Self {
        let (mut factors, mut diagonal, mut beside) =
            (vec![0.0; n], vec![0.0; n], vec![T::zero(); n.saturating_sub(1)]);
        let mut image = vec![T::zero(); n];
        for k in 0..n {
            diagonal[k] = matrix[k * n + k].re();
            if k + 1 == n {
                break;
            }
            // Column k below the diagonal is the conjugate of row k behind it.
            let (head, tail) = matrix.split_at_mut((k + 1) * n);
            let v = &mut head[k * n + k + 1..];
            v.iter_mut().for_each(|value| *value = value.conj());
            let size = v.iter().map(|value| value.norm_sqr()).sum::<f64>().sqrt();
            let first = v[0].norm_sqr().sqrt();
            let rest: f64 = v[1..].iter().map(|value| value.norm_sqr()).sum();
            if rest == 0.0 {
                beside[k] = v[0];
                continue;
            }
            // v ← v + phase·|v|·e₁; the reflection takes the column to −phase·|v|·e₁.
            let phase = if first > 0.0 { v[0] * (1.0 / first) } else { T::of(1.0) };
            beside[k] = phase * -size;
            v[0] = v[0] + phase * size;
            let factor = 2.0 / v.iter().map(|value| value.norm_sqr()).sum::<f64>();
            factors[k] = factor;
            // A ← HAH, H = 1 − factor·v·vᴴ: with p = factor·A·v and w = p − (factor/2)(vᴴp)·v, A − v·wᴴ − w·vᴴ.
            let m = n - k - 1;
            let p = &mut image[..m];
            p.fill(T::zero());
            for (row, v) in v.iter().enumerate() {
                // Column r of A is the conjugate of row r.
                let (line, v) = (&tail[row * n + k + 1..][..m], *v * factor);
                for (p, a) in p.iter_mut().zip(line) {
                    *p = *p + a.conj() * v;
                }
            }
            let half = dot(v, p) * (-0.5 * factor);
            add(half, v, p);
            for row in 0..m {
                let (a, b) = (v[row], p[row]);
                let line = &mut tail[row * n + k + 1..][..m];
                for ((value, w), v) in line.iter_mut().zip(&*p).zip(&*v) {
                    *value = *value - a * w.conj() - b * v.conj();
                }
            }
        }
        Self { n, reflections: matrix, factors, diagonal, beside }
    }

    /// The eigenvalues, the least first.
    #[inline(always)]
    pub fn values(&self) -> Vec<f64> {
        let mut d = self.diagonal.clone();
        // Sizes suffice: phases of off-diagonal elements change the vectors alone.
        let mut e: Vec<f64> = self.beside.iter().map(|value| value.norm_sqr().sqrt()).chain([0.0]).collect();
        // Numbers of about 1, so that their squares neither overflow nor vanish.
        let scale = d.iter().chain(&e).fold(0.0_f64, |most, value| most.max(value.abs()));
        if scale == 0.0 {
            return d;
        }
        d.iter_mut().chain(&mut e).for_each(|value| *value /= scale);
        for l in 0..self.n {
            for _ in 0..STEPS {
                let small = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
                let m = (l..self.n - 1).find(|m| small(*m)).unwrap_or(self.n - 1);
                if m == l {
                    break;
                }
                // Wilkinson's shift, then a chase from m up to l.
                let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
                let r = (g * g + 1.0).sqrt();
                let mut g = d[m] - d[l] + e[l] / (g + r.copysign(g));
                let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
                let mut broken = false;
                for i in (l..m).rev() {
                    let (f, b) = (s * e[i], c * e[i]);
                    let r = (f * f + g * g).sqrt();
                    e[i + 1] = r;
                    if r == 0.0 {
                        d[i + 1] -= p;
                        e[m] = 0.0;
                        broken = true;
                        break;
                    }
                    (s, c) = (f / r, g / r);
                    let q = d[i + 1] - p;
                    let r = (d[i] - q) * s + 2.0 * c * b;
                    p = s * r;
                    d[i + 1] = q + p;
                    g = c * r - b;
                }
                if !broken {
                    d[l] -= p;
                    e[l] = g;
                    e[m] = 0.0;
                }
            }
        }
        d.iter_mut().for_each(|value| *value *= scale);
        d.sort_by(f64::total_cmp);
        d
    }

    /// Eigenvectors of unit norm, one behind the other, of the last `count` of `values`, the largest first.
    #[inline(always)]
    pub fn vectors(&self, values: &[f64], count: usize) -> Vec<T> {
        let n = self.n;
        let mut found: Vec<T> = Vec::with_capacity(n * count);
        let scale = values.iter().fold(f64::MIN_POSITIVE, |most, value| most.max(value.abs()));
        for index in 0..count {
            // Equal eigenvalues are parted a little, so that their systems differ.
            let value = values[n - 1 - index] + scale * f64::EPSILON * (1.0 + index as f64);
            let solver = Shifted::of(&self.diagonal, &self.beside, value, scale);
            let mut x: Vec<T> = (0..n).map(|i| T::of(start(i, index))).collect();
            for _ in 0..ROUNDS {
                solver.solve(&mut x);
                for _ in 0..2 {
                    for other in found.chunks_exact(n) {
                        add(-dot(other, &x), other, &mut x);
                    }
                }
                let size = x.iter().map(|value| value.norm_sqr()).sum::<f64>().sqrt();
                x.iter_mut().for_each(|value| *value = *value * (1.0 / size));
            }
            found.extend(x);
        }
        // Back through the reflections.
        for x in found.chunks_exact_mut(n) {
            for k in (0..n.saturating_sub(2)).rev() {
                let v = &self.reflections[k * n + k + 1..(k + 1) * n];
                let along = dot(v, &x[k + 1..]) * -self.factors[k];
                add(along, v, &mut x[k + 1..]);
            }
        }
        found
    }
}

/// Where iteration begins: numbers from 1 to 2 without a pattern, others for every vector.
fn start(i: usize, index: usize) -> f64 {
    let turn = 0.618_033_988_75 * (i as f64 + 1.0) * (index as f64 + 1.0);
    1.0 + turn.fract()
}

/// The tridiagonal matrix less a number on the diagonal, as triangular factors with rows exchanged.
struct Shifted<T> {
    /// Diagonal of the upper factor and the two beside it.
    upper: Vec<[T; 3]>,
    /// Multipliers, and whether rows k and k + 1 changed places.
    lower: Vec<(T, bool)>,
}

impl<T: Number> Shifted<T> {
    #[inline(always)]
    fn of(diagonal: &[f64], beside: &[T], value: f64, scale: f64) -> Self {
        let n = diagonal.len();
        let least = T::of(scale * f64::EPSILON);
        let (mut upper, mut lower) = (vec![[T::zero(); 3]; n], Vec::with_capacity(n));
        let next = |k: usize| if k < beside.len() { beside[k].conj() } else { T::zero() };
        let mut row = [T::of(diagonal[0] - value), next(0), T::zero()];
        for k in 0..n - 1 {
            // Row k + 1 has beside[k] under the diagonal.
            let below = [beside[k], T::of(diagonal[k + 1] - value), next(k + 1)];
            let exchanged = below[0].norm_sqr() > row[0].norm_sqr();
            let (pivot, other) = if exchanged { (below, row) } else { (row, below) };
            let mut pivot = pivot;
            if pivot[0].norm_sqr() <= least.norm_sqr() {
                pivot[0] = least;
            }
            let ratio = other[0] * pivot[0].conj() * (1.0 / pivot[0].norm_sqr());
            upper[k] = pivot;
            lower.push((ratio, exchanged));
            row = [other[1] - ratio * pivot[1], other[2] - ratio * pivot[2], T::zero()];
        }
        if row[0].norm_sqr() <= least.norm_sqr() {
            row[0] = least;
        }
        upper[n - 1] = row;
        Self { upper, lower }
    }

    #[inline(always)]
    fn solve(&self, x: &mut [T]) {
        for (k, (ratio, exchanged)) in self.lower.iter().enumerate() {
            if *exchanged {
                x.swap(k, k + 1);
            }
            x[k + 1] = x[k + 1] - *ratio * x[k];
        }
        for k in (0..x.len()).rev() {
            let [pivot, first, second] = self.upper[k];
            let mut value = x[k];
            if k + 1 < x.len() {
                value = value - first * x[k + 1];
            }
            if k + 2 < x.len() {
                value = value - second * x[k + 2];
            }
            x[k] = value * pivot.conj() * (1.0 / pivot.norm_sqr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Draws;
    use num_complex::Complex64;

    /// Σ weightₖ·xₖ·xₖᴴ of random x, `n` × `n`, its diagonal less by `shift`.
    fn matrix(n: usize, weights: &[f64], shift: f64) -> Vec<Complex64> {
        let mut a = vec![Complex64::ZERO; n * n];
        for (k, weight) in weights.iter().enumerate() {
            let mut draws = Draws::new(3, [n, k, 0]);
            let x: Vec<Complex64> = (0..n).map(|_| Complex64::new(draws.normal(), draws.normal())).collect();
            for i in 0..n {
                for j in 0..n {
                    a[i * n + j] += x[i] * x[j].conj() * *weight;
                }
            }
        }
        (0..n).for_each(|i| a[i * n + i] -= shift);
        a
    }

    fn check<T: Number>(a: &[T], n: usize, count: usize) {
        let mut room = a.to_vec();
        let reduced = Tridiagonal::of(&mut room, n);
        let values = reduced.values();
        let vectors = reduced.vectors(&values, count);
        let scale = a.iter().map(|value| value.norm_sqr()).sum::<f64>().sqrt();
        let trace: f64 = (0..n).map(|i| a[i * n + i].re()).sum();
        assert!((values.iter().sum::<f64>() - trace).abs() < 1e-12 * scale * n as f64);
        let square: f64 = values.iter().map(|value| value * value).sum();
        assert!((square.sqrt() / scale - 1.0).abs() < 1e-12, "{n}: {square}");
        for (k, v) in vectors.chunks_exact(n).enumerate() {
            for (j, w) in vectors.chunks_exact(n).enumerate() {
                let off = (dot(v, w) - T::of(f64::from(u8::from(j == k)))).abs();
                assert!(off < 1e-12, "{n}: vectors {k} and {j}: {off:e}");
            }
            for (i, row) in a.chunks_exact(n).enumerate() {
                let product = row.iter().zip(v).fold(T::zero(), |sum, (a, v)| sum + *a * *v);
                let off = (product - v[i] * values[n - 1 - k]).abs();
                assert!(off < 1e-11 * scale, "{n}: vector {k}: {:e}", off / scale);
            }
        }
    }

    /// Full, of low rank, with equal eigenvalues, diagonal, of one element; real and complex.
    #[test]
    fn eigenvectors_solve_and_are_orthogonal() {
        for n in [1, 2, 3, 5, 17, 40, 61] {
            let full: Vec<f64> = (0..2 * n).map(|k| 1.0 + k as f64).collect();
            let few = [1e6, 3.0, 1e-4];
            let mut equal = vec![Complex64::ZERO; n * n];
            (0..n).for_each(|i| equal[i * n + i] = Complex64::new(if i % 3 == 0 { 2.0 } else { 1.0 }, 0.0));
            for (a, count) in [
                (matrix(n, &full, 0.0), n),
                (matrix(n, &few, 0.0), n.min(3)),
                (matrix(n, &few, -1e-9), n),
                (matrix(n, &[1.0, 1.0], -2.0), n),
                (equal, n),
            ] {
                check(&a, n, count);
                let real: Vec<f64> = a.iter().map(|value| value.re).collect();
                check(&real, n, count);
            }
        }
    }
}
