//! The image-space operator of ESPIRiT as a Fourier series: `M(r)[c, c′] = K⁻¹ Σ_d e^(2πi d·r/N) Σ_{i−j=d} P[(c, i), (c′, j)]`,
//! with K points in the kernel, so that its eigenvalues lie within 0…1.

use std::f64::consts::TAU;

use super::matrix::Matrix;

/// Coefficients for every offset d and pair of coils c ≥ c′.
pub struct Series {
    pub pairs: usize,
    kernel: [usize; 3],
    /// `[dz, dy, dx, pair]`, real parts and imaginary parts.
    re: Vec<f32>,
    im: Vec<f32>,
}

/// The pair's place among those with c ≥ c′.
pub fn pair(c: usize, other: usize) -> usize {
    c * (c + 1) / 2 + other
}

impl Series {
    /// From the lower triangle of the projector.
    pub fn new(projector: &Matrix, coils: usize, kernel: [usize; 3]) -> Self {
        let points: usize = kernel.iter().product();
        let pairs = coils * (coils + 1) / 2;
        let [_, ly, lx] = kernel.map(|k| 2 * k - 1);
        let offsets: usize = kernel.iter().map(|k| 2 * k - 1).product();
        let (mut re, mut im) = (vec![0.0; offsets * pairs], vec![0.0; offsets * pairs]);
        let place = |i: usize| [i / (kernel[1] * kernel[2]), i / kernel[2] % kernel[1], i % kernel[2]];
        for c in 0..coils {
            for other in 0..=c {
                for i in 0..points {
                    for j in 0..points {
                        let (row, column) = (c * points + i, other * points + j);
                        let (low, high) = (row.max(column), row.min(column));
                        let index = low * projector.columns + high;
                        let sign = if row >= column { 1.0 } else { -1.0 };
                        let (a, b) = (place(i), place(j));
                        let [dz, dy, dx]: [usize; 3] = std::array::from_fn(|axis| a[axis] + kernel[axis] - 1 - b[axis]);
                        let into = ((dz * ly + dy) * lx + dx) * pairs + pair(c, other);
                        re[into] += projector.re[index] / points as f64;
                        im[into] += sign * projector.im[index] / points as f64;
                    }
                }
            }
        }
        let cast = |numbers: Vec<f64>| numbers.into_iter().map(|x| x as f32).collect();
        Self { pairs, kernel, re: cast(re), im: cast(im) }
    }

    /// Numbers of [`Self::line`]: for a pair the constant, then what goes with the cosine and with the sine of each frequency.
    pub fn terms(&self) -> usize {
        2 + 4 * (self.kernel[2] - 1)
    }

    /// Sums over z and y at a line `(z, y)` of an image of `matrix`: `[pair, term]`, a term of two reals, for [`Waves`].
    pub fn line(&self, matrix: [usize; 3], at: [usize; 2], terms: &mut [f32]) {
        let [lz, ly, lx] = self.kernel.map(|k| 2 * k - 1);
        let run = lx * self.pairs;
        let (mut re, mut im) = (vec![0.0_f32; run], vec![0.0_f32; run]);
        for dz in 0..lz {
            for dy in 0..ly {
                let turns = turn(dz, self.kernel[0], at[0], matrix[0]) + turn(dy, self.kernel[1], at[1], matrix[1]);
                let (sin, cos) = (TAU * turns).sin_cos();
                let (sin, cos) = (sin as f32, cos as f32);
                let from = (dz * ly + dy) * run..(dz * ly + dy + 1) * run;
                let (a, b) = (&self.re[from.clone()], &self.im[from]);
                for i in 0..run {
                    re[i] += a[i] * cos - b[i] * sin;
                    im[i] += a[i] * sin + b[i] * cos;
                }
            }
        }
        self.fold(&re, &im, terms);
    }

    /// a e^(iθ) + b e^(−iθ) = (a + b) cos θ + i(a − b) sin θ.
    fn fold(&self, re: &[f32], im: &[f32], terms: &mut [f32]) {
        let middle = self.kernel[2] - 1;
        for (pair, terms) in terms.chunks_exact_mut(self.terms()).enumerate() {
            let at = |d: usize| (re[d * self.pairs + pair], im[d * self.pairs + pair]);
            (terms[0], terms[1]) = at(middle);
            for (d, four) in terms[2..].chunks_exact_mut(4).enumerate() {
                let (plus, minus) = (at(middle + d + 1), at(middle - d - 1));
                four.copy_from_slice(&[plus.0 + minus.0, plus.1 + minus.1, minus.1 - plus.1, plus.0 - minus.0]);
            }
        }
    }
}

/// d·r/N, in turns, from the index of d.
fn turn(d: usize, kernel: usize, at: usize, extent: usize) -> f64 {
    let d = d as f64 - (kernel - 1) as f64;
    d * (at as f64 - (extent / 2) as f64) / extent as f64
}

/// cos and sin of 2πdx/N along a line, for d = 1…, padded so that vectors may read past the end.
pub struct Waves {
    /// `[d − 1, x]`.
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
    /// Numbers a frequency.
    pub stride: usize,
}

impl Waves {
    /// For `frequencies` frequencies along a line of `nx` pixels.
    pub fn new(frequencies: usize, nx: usize) -> Self {
        let stride = nx.next_multiple_of(16);
        let angle = |index: usize| {
            let (d, x) = (index / stride + 1, index % stride);
            TAU * d as f64 * (x as f64 - (nx / 2) as f64) / nx as f64
        };
        let all = 0..frequencies * stride;
        let cos = all.clone().map(|index| angle(index).cos() as f32).collect();
        Self { cos, sin: all.map(|index| angle(index).sin() as f32).collect(), stride }
    }
}
