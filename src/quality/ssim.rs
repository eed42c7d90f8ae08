//! Structural similarity: Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
//! structural similarity", IEEE Trans. Image Process. 13 (2004) 600, eq. 13, with the constants and the window given there.
//!
//! The Gaussian window has 11 × 11 pixels and σ = 1.5, K₁ = 0.01, K₂ = 0.03, and variances are the window's own (not
//! the sample's). Only positions where the whole window fits count: a border of 5 pixels has none. A volume is
//! taken slice by slice, and all positions weigh the same.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::Pair;

const SIGMA: f64 = 1.5;
const RADIUS: usize = 5;
const WIDTH: usize = 2 * RADIUS + 1;
const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// The window along one axis; its weights sum to 1.
fn gaussian() -> [f64; WIDTH] {
    let mut weights = std::array::from_fn(|i| (-0.5 * ((i as f64 - RADIUS as f64) / SIGMA).powi(2)).exp());
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Weighted means over the window at one row of positions: of a, b, a² + b² and a·b.
type Moments = [Vec<f64>; 4];

/// Means down the columns, for the window whose first row is `row`.
fn down(image: ArrayView2<f32>, truth: ArrayView2<f32>, row: usize, weights: &[f64; WIDTH], moments: &mut Moments) {
    let columns = image.ncols();
    let [a_mean, b_mean, squares, product] = moments;
    for means in [&mut *a_mean, b_mean, squares, product] {
        means.clear();
        means.resize(columns, 0.0);
    }
    for (offset, &weight) in weights.iter().enumerate() {
        let (a, b) = (image.row(row + offset), truth.row(row + offset));
        let sums = a_mean.iter_mut().zip(b_mean.iter_mut()).zip(squares.iter_mut().zip(product.iter_mut()));
        for ((&a, &b), ((a_mean, b_mean), (squares, product))) in a.iter().zip(&b).zip(sums) {
            let (a, b) = (f64::from(a), f64::from(b));
            *a_mean += weight * a;
            *b_mean += weight * b;
            *squares += weight * (a * a + b * b);
            *product += weight * (a * b);
        }
    }
}

/// Means along the row, for each position where the window fits.
fn across(means: &[f64], weights: &[f64; WIDTH], out: &mut Vec<f64>) {
    out.clear();
    let positions = (means.len() + 1).saturating_sub(WIDTH);
    out.resize(positions, 0.0);
    for (offset, &weight) in weights.iter().enumerate() {
        for (out, mean) in out.iter_mut().zip(&means[offset..]) {
            *out += weight * mean;
        }
    }
}

/// Sum of the local similarity over the positions of one row that `inside` admits (by the window's middle column), and their number.
fn row_sum(moments: &Moments, data_range: f64, inside: impl Fn(usize) -> bool) -> (f64, usize) {
    let (c1, c2) = ((K1 * data_range).powi(2), (K2 * data_range).powi(2));
    let [a, b, squares, product] = moments;
    let mut sum = (0.0, 0);
    for column in (0..a.len()).filter(|column| inside(column + RADIUS)) {
        let (means_product, means_squared) = (a[column] * b[column], a[column].powi(2) + b[column].powi(2));
        let covariance = product[column] - means_product;
        let variances = squares[column] - means_squared;
        sum.0 += (2.0 * means_product + c1) * (2.0 * covariance + c2) / ((means_squared + c1) * (variances + c2));
        sum.1 += 1;
    }
    sum
}

/// Mean structural similarity over the positions whose middle is in the pair's region; `None` if no window fits.
pub fn ssim(pair: &Pair) -> Option<f64> {
    let (slices, rows, columns) = pair.truth.dim();
    if rows < WIDTH || columns < WIDTH {
        return None;
    }
    let weights = gaussian();
    let positions = rows + 1 - WIDTH;
    let sums: Vec<(f64, usize)> = (0..slices * positions)
        .into_par_iter()
        .map_init(<(Moments, Moments)>::default, |(vertical, both), index| {
            let (slice, row) = (index / positions, index % positions);
            let (image, truth) =
                (pair.image.index_axis(ndarray::Axis(0), slice), pair.truth.index_axis(ndarray::Axis(0), slice));
            down(image, truth, row, &weights, vertical);
            for (means, out) in vertical.iter().zip(both.iter_mut()) {
                across(means, &weights, out);
            }
            row_sum(both, pair.data_range, |column| pair.contains(slice, row + RADIUS, column))
        })
        .collect();
    let (sum, count) = sums.iter().fold((0.0, 0), |total, row| (total.0 + row.0, total.1 + row.1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use crate::quality::{Options, compare};
    use ndarray::Array3;

    /// A pair whose values are exact in f32, so that any software can make it again.
    fn pair(slices: usize) -> (Array3<f32>, Array3<f32>) {
        let truth =
            Array3::from_shape_fn((slices, 40, 52), |(z, y, x)| ((7 * x + 13 * y + x * y + 5 * z) % 64) as f32 / 64.0);
        let image = Array3::from_shape_fn((slices, 40, 52), |(z, y, x)| {
            truth[[z, y, x]] + ((11 * x + 3 * y * y + 17 * z) % 32) as f32 / 128.0 - 0.125
        });
        (image, truth)
    }

    #[test]
    fn agrees_with_scikit_image() {
        // structural_similarity(truth, image, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        // data_range=63/64), scikit-image 0.26.0, in f64.
        let (image, truth) = pair(1);
        let figures = compare(&image, &truth, &Options::default()).unwrap();
        assert!((figures.ssim.unwrap() - 0.9695054324986229).abs() < 1e-9, "{:?}", figures.ssim);
        // Three slices, each by itself, averaged.
        let (image, truth) = pair(3);
        let figures = compare(&image, &truth, &Options::default()).unwrap();
        assert!((figures.ssim.unwrap() - 0.9695058387445546).abs() < 1e-9, "{:?}", figures.ssim);
    }

    #[test]
    fn an_inverted_pattern_is_worse_than_none() {
        let (_, truth) = pair(1);
        let same = compare(&truth, &truth, &Options::default()).unwrap().ssim.unwrap();
        let inverse = compare(&truth.mapv(|v| 1.0 - v), &truth, &Options::default()).unwrap().ssim.unwrap();
        assert!((same - 1.0).abs() < 1e-12 && inverse < 0.0, "{same} {inverse}");
    }

    #[test]
    fn an_image_smaller_than_the_window_has_none() {
        let truth = Array3::from_shape_fn((1, 10, 40), |(_, y, x)| (x + y) as f32);
        assert_eq!(compare(&truth, &truth, &Options::default()).unwrap().ssim, None);
    }
}
