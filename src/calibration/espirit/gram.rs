//! The Gram matrix of all patches of the calibration data: `G[(c, i), (c′, j)] = Σ_p x_c[p + i] conj(x_c′[p + j])`.
//!
//! For one offset d = j − i it is a box sum of the product x_c[q] conj(x_c′[q + d]), so sums of a few prefix sums do the work of
//! the product of the calibration matrix with itself, which is never made.

use ndarray::ArrayView4;
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::matrix::Matrix;

/// Summed over some frames.
///
/// # Panics
/// If there is none.
#[track_caller]
pub fn of_frames(frames: &[ArrayView4<Complex32>], kernel: [usize; 3]) -> Matrix {
    let mut sum = gram(frames[0], kernel);
    for frame in &frames[1..] {
        let one = gram(*frame, kernel);
        sum.re.iter_mut().zip(&one.re).for_each(|(sum, one)| *sum += one);
        sum.im.iter_mut().zip(&one.im).for_each(|(sum, one)| *sum += one);
    }
    sum
}

/// From calibration data `[coil, z, y, x]` and a kernel's extents along z, y, x; rows and columns are coil slowest.
pub fn gram(calibration: ArrayView4<Complex32>, kernel: [usize; 3]) -> Matrix {
    let (coils, nz, ny, nx) = calibration.dim();
    let data: Vec<Complex64> = calibration.iter().map(|x| Complex64::new(x.re.into(), x.im.into())).collect();
    let points: usize = kernel.iter().product();
    let extents = [nz, ny, nx];
    let volume = nz * ny * nx;
    let pairs: Vec<(usize, usize)> = (0..coils).flat_map(|a| (0..=a).map(move |b| (a, b))).collect();
    let of_pair = |(a, b): &(usize, usize)| {
        let correlation =
            Correlation { a: &data[a * volume..][..volume], b: &data[b * volume..][..volume], extents, kernel };
        correlation.block()
    };
    let made: Vec<Vec<Complex64>> = pairs.par_iter().map(of_pair).collect();
    let n = coils * points;
    let mut all = Matrix::zeros(n, n);
    for ((a, b), block) in pairs.iter().zip(&made) {
        for (index, value) in block.iter().enumerate() {
            let (row, column) = (a * points + index / points, b * points + index % points);
            (all.re[row * n + column], all.im[row * n + column]) = (value.re, value.im);
            (all.re[column * n + row], all.im[column * n + row]) = (value.re, -value.im);
        }
    }
    all
}

struct Correlation<'a> {
    a: &'a [Complex64],
    b: &'a [Complex64],
    extents: [usize; 3],
    kernel: [usize; 3],
}

/// What one offset needs along an axis.
#[derive(Clone, Copy)]
struct Axis {
    offset: isize,
    /// First index i of the kernel for which i + offset is in the kernel too, and how many there are.
    first: usize,
    count: usize,
    /// Positions of the patch.
    window: usize,
}

impl Axis {
    fn new(offset: isize, kernel: usize, extent: usize) -> Self {
        let first = (-offset).max(0) as usize;
        Self { offset, first, count: kernel - offset.unsigned_abs(), window: extent - kernel + 1 }
    }

    /// Points whose products are needed.
    fn span(self) -> std::ops::Range<usize> {
        self.first..self.first + self.count + self.window - 1
    }
}

impl Correlation<'_> {
    /// `[i, j]` over the kernel's points.
    fn block(&self) -> Vec<Complex64> {
        let [kz, ky, kx] = self.kernel;
        let points = kz * ky * kx;
        let mut block = vec![Complex64::ZERO; points * points];
        let offsets = |k: usize| 1 - k as isize..k as isize;
        for dz in offsets(kz) {
            for dy in offsets(ky) {
                for dx in offsets(kx) {
                    let offsets = [dz, dy, dx];
                    let axes: [Axis; 3] =
                        std::array::from_fn(|axis| Axis::new(offsets[axis], self.kernel[axis], self.extents[axis]));
                    let shift = (dz * ky as isize + dy) * kx as isize + dx;
                    self.sums(axes, |[iz, iy, ix], sum| {
                        let i = (iz * ky + iy) * kx + ix;
                        block[i * points + (i as isize + shift) as usize] = sum;
                    });
                }
            }
        }
        block
    }

    /// Box sums of the product at this offset, handed to `take` with the kernel's point. Prefix sums along x, y and z: their
    /// rounding, 10⁻¹⁶ of the whole energy, lies far below any noise.
    fn sums(&self, axes: [Axis; 3], mut take: impl FnMut([usize; 3], Complex64)) {
        let [z, y, x] = axes;
        let plane = y.count * x.count;
        let mut along_z = vec![Complex64::ZERO; (z.span().len() + 1) * plane];
        let mut along_y = vec![Complex64::ZERO; (y.span().len() + 1) * x.count];
        let mut line = vec![Complex64::ZERO; x.span().len() + 1];
        for (depth, at_z) in z.span().enumerate() {
            for (height, at_y) in y.span().enumerate() {
                self.line(axes, [at_z, at_y], &mut line);
                for i in 0..x.count {
                    along_y[(height + 1) * x.count + i] = along_y[height * x.count + i] + line[i + x.window] - line[i];
                }
            }
            for i in 0..plane {
                let sum = along_y[i + y.window * x.count] - along_y[i];
                along_z[(depth + 1) * plane + i] = along_z[depth * plane + i] + sum;
            }
        }
        for iz in 0..z.count {
            for i in 0..plane {
                let sum = along_z[(iz + z.window) * plane + i] - along_z[iz * plane + i];
                take([z.first + iz, y.first + i / x.count, x.first + i % x.count], sum);
            }
        }
    }

    /// Prefix sums of the product along one line.
    fn line(&self, [z, y, x]: [Axis; 3], [at_z, at_y]: [usize; 2], prefix: &mut [Complex64]) {
        let [_, ny, nx] = self.extents;
        let moved = |at: usize, axis: Axis| (at as isize + axis.offset) as usize;
        let a = &self.a[(at_z * ny + at_y) * nx..][..nx][x.span()];
        let start = (moved(at_z, z) * ny + moved(at_y, y)) * nx;
        let b = &self.b[start..][moved(x.first, x)..][..a.len()];
        let mut sum = Complex64::ZERO;
        for ((total, a), b) in prefix[1..].iter_mut().zip(a).zip(b) {
            sum += a * b.conj();
            *total = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    #[test]
    fn it_is_the_product_of_the_calibration_matrix_with_itself() {
        for (extents, kernel) in [([1, 7, 9], [1, 3, 4]), ([4, 5, 6], [2, 3, 2])] {
            let [nz, ny, nx] = extents;
            let data = Array4::from_shape_fn((2, nz, ny, nx), |(c, z, y, x)| {
                let mut draws = crate::random::Draws::new(c as u64, [z, y, x]);
                Complex32::new(draws.normal() as f32, draws.normal() as f32)
            });
            let found = gram(data.view(), kernel);
            let [kz, ky, kx] = kernel;
            let points = kz * ky * kx;
            let at = |feature: usize, [z, y, x]: [usize; 3]| {
                let (coil, i) = (feature / points, feature % points);
                let value = data[[coil, z + i / (ky * kx), y + i / kx % ky, x + i % kx]];
                Complex64::new(value.re.into(), value.im.into())
            };
            for row in 0..2 * points {
                for column in 0..2 * points {
                    let mut sum = Complex64::ZERO;
                    for z in 0..=nz - kz {
                        for y in 0..=ny - ky {
                            for x in 0..=nx - kx {
                                sum += at(row, [z, y, x]) * at(column, [z, y, x]).conj();
                            }
                        }
                    }
                    let index = row * 2 * points + column;
                    let difference = Complex64::new(found.re[index], found.im[index]) - sum;
                    assert!(difference.norm() < 1e-12 * (1.0 + sum.norm()) * 100.0, "{row} {column}: {difference}");
                }
            }
        }
    }
}
