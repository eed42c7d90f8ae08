//! One patch of a series, a matrix of r rows and q columns (frames and pixels, whichever are fewer in rows): its noise and
//! what is left without.
//!
//! The eigenvalues of the Gram matrix that are noise's are those of a random matrix (p rows, q − (r − p) columns, r − p
//! components being signal: Cordero-Grande, Christiaens, Hutter, Price & Hajnal 2019, NeuroImage 200, 391): as wide spread as
//! Marchenko & Pastur 1967 say, 4σ²√(p·(q − r + p)), with the mean σ²(q − r + p). The most eigenvalues, the least first, for which
//! the spread's σ² is below the mean's are noise (Veraart et al. 2016); and so are those below the upper edge for all rows,
//! σ²(√q + √r)².

use super::{
    eigen::Tridiagonal,
    number::{Number, add, dot},
};

/// What was found of a patch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The variance of a matrix element, both parts of a complex one together.
    pub variance: f64,
    /// Components of the signal.
    pub components: usize,
}

/// How many of the eigenvalues of a Gram matrix, the least first, are noise's, and its variance; q columns.
pub(super) fn noise_of(values: &[f64], q: usize) -> (usize, f64) {
    let r = values.len();
    let (mut sum, mut found) = (0.0, (0, 0.0));
    for (index, value) in values.iter().enumerate() {
        sum += value;
        let rows = (index + 1) as f64;
        let columns = (q - (r - index - 1)) as f64;
        let mean = sum / (rows * columns);
        let spread = (value - values[0]) / (4.0 * (rows * columns).sqrt());
        if spread < mean {
            found = (index + 1, mean);
        }
    }
    // What is below the edge of a whole matrix of that noise cannot be told from it.
    let (noise, variance) = found;
    let edge = variance * ((q as f64).sqrt() + (r as f64).sqrt()).powi(2);
    (noise.max(values.partition_point(|value| *value < edge)), variance)
}

/// Takes the noise off `matrix`, `[row, column]` of r rows and q columns; `gram` and `row` are room to work in. The mean over
/// pixels has been taken off, so there is one pixel less to vary: of the columns, or, where `by_pixel`, of the rows.
#[inline(always)]
pub(super) fn denoise<T: Number>(
    matrix: &mut [T],
    ([r, q], by_pixel): ([usize; 2], bool),
    gram: &mut [T],
    row: &mut [T],
) -> Found {
    let gram = &mut gram[..r * r];
    for i in 0..r {
        for j in 0..=i {
            // Σ a_i conj(a_j).
            let product = dot(&matrix[j * q..][..q], &matrix[i * q..][..q]);
            gram[i * r + j] = product;
            gram[j * r + i] = product.conj();
        }
    }
    let reduced = Tridiagonal::of(gram, r);
    let mut values = reduced.values();
    // Eigenvalues that rounding makes are none.
    let least = values[r - 1] * f64::EPSILON * r as f64;
    values.iter_mut().filter(|value| **value < least).for_each(|value| *value = 0.0);
    let (free, columns) = if by_pixel { (&values[1..], q) } else { (&values[..], q - 1) };
    let (noise, variance) = noise_of(free, columns);
    let components = free.len() - noise;
    if noise > 0 {
        // The projection onto the signal's components: V(VᴴX), one after the other.
        let vectors = reduced.vectors(&values, components);
        let mut quiet = vec![T::zero(); r * q];
        let row = &mut row[..q];
        for vector in vectors.chunks_exact(r) {
            row.fill(T::zero());
            for (line, v) in matrix.chunks_exact(q).zip(vector) {
                add(v.conj(), line, row);
            }
            for (line, v) in quiet.chunks_exact_mut(q).zip(vector) {
                add(*v, row, line);
            }
        }
        matrix.copy_from_slice(&quiet);
    }
    Found { variance, components }
}
