//! Images of single coils become one: adaptively, x = vᴴc with v the leading eigenvector of the coils' covariance around each
//! pixel (Walsh, Gmitro & Marcellin 2000); by root sum of squares (Roemer et al. 1990); or with maps, Σ conj(Sⱼ) xⱼ / Σ|Sⱼ|².
//!
//! Where coils were whitened, a mixture M tells how those that were measured follow from them: the adaptive image is multiplied
//! by |Mv|, and the root sum of squares is that of M x.

use ndarray::{Array2, Array3, Array4, ArrayView4, Axis, Zip};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use crate::calibration::covariance::{coil_covariance, eigenvectors};

/// Pixels on either side, along z and in plane, whose coils are taken together.
const REACH: [usize; 2] = [1, 2];
/// Rounds of the power method at most, and when a vector is done.
const ROUNDS: usize = 20;
const DONE: f32 = 1e-6;

/// √Σ|xⱼ|² of coil images `[coil, z, y, x]`.
pub fn root_sum_of_squares(images: ArrayView4<Complex32>, mixture: Option<&Array2<Complex32>>) -> Array3<Complex32> {
    images.map_axis(Axis(0), |coils| Complex32::new(length(coils.iter(), mixture), 0.0))
}

/// √Σ|xⱼ|² of one pixel, in the coils as they were measured.
pub fn length<'a>(coils: impl Iterator<Item = &'a Complex32> + Clone, mixture: Option<&Array2<Complex32>>) -> f32 {
    let square = match mixture {
        None => coils.map(|value| value.norm_sqr()).sum::<f32>(),
        Some(mixture) => {
            let row = |row: ndarray::ArrayView1<Complex32>| {
                row.iter().zip(coils.clone()).map(|(m, x)| m * x).sum::<Complex32>().norm_sqr()
            };
            mixture.outer_iter().map(row).sum()
        }
    };
    square.sqrt()
}

/// Σ conj(Sⱼ) xⱼ / Σ|Sⱼ|²: the image whose product with the maps is nearest to the coils' images; 0 where maps are.
pub fn with_maps(images: ArrayView4<Complex32>, maps: ArrayView4<Complex32>) -> Array3<Complex32> {
    let (_, nz, ny, nx) = images.dim();
    let (mut sum, mut squares) = (Array3::zeros([nz, ny, nx]), Array3::<f32>::zeros([nz, ny, nx]));
    for (image, map) in images.outer_iter().zip(maps.outer_iter()) {
        Zip::from(&mut sum).and(&mut squares).and(image).and(map).for_each(|sum, square, x, s| {
            *sum += s.conj() * x;
            *square += s.norm_sqr();
        });
    }
    Zip::from(&mut sum).and(&squares).for_each(|sum, square| {
        *sum = if *square > 0.0 { *sum / *square } else { Complex32::ZERO };
    });
    sum
}

/// The adaptive combination. The phase is that of the coils' strongest common mixture, as ESPIRiT's maps have it.
pub fn adaptive(images: ArrayView4<Complex32>, mixture: Option<&Array2<Complex32>>) -> Array3<Complex32> {
    let (coils, nz, ny, nx) = images.dim();
    // Squares of covariances have no room in f32 unless the largest number is about 1: a power of 2 changes no digit.
    let largest = images.iter().fold(0.0_f32, |most, value| most.max(value.re.abs()).max(value.im.abs()));
    let power = if largest > 0.0 && largest.is_finite() { largest.log2().round() as i32 } else { 0 };
    let (down, up) = (2.0_f64.powi(-power) as f32, 2.0_f64.powi(power) as f32);
    let images: Array4<Complex32> = images.mapv(|value| value * down);
    let flat = images.view().into_shape_with_order([coils, nz * ny * nx]).expect("C order");
    let (_, components) = eigenvectors(&coil_covariance(flat));
    let narrow = |value: &Complex64| Complex32::new(value.re as f32, value.im as f32);
    let reference: Vec<Complex32> = components.column(0).iter().map(narrow).collect();
    let values = images.as_slice().expect("C order");
    let line = |line: usize| combined_line((values, [coils, nz, ny, nx]), line, &reference, mixture);
    let lines: Vec<Vec<Complex32>> = (0..nz * ny).into_par_iter().map(line).collect();
    let mut combined = Array3::from_shape_vec([nz, ny, nx], lines.concat()).expect("a line a line");
    combined.mapv_inplace(|value| value * up);
    combined
}

/// One line of the image.
fn combined_line(
    (values, [coils, nz, ny, nx]): (&[Complex32], [usize; 4]),
    line: usize,
    reference: &[Complex32],
    mixture: Option<&Array2<Complex32>>,
) -> Vec<Complex32> {
    let (z, y) = (line / ny, line % ny);
    let around = |at: usize, reach: usize, extent: usize| at.saturating_sub(reach)..(at + reach + 1).min(extent);
    let of_coil = |coil: usize, z: usize, y: usize| &values[((coil * nz + z) * ny + y) * nx..][..nx];
    // Σ xₐ conj(x_b) over the neighbouring lines, for a ≥ b.
    let pairs = coils * (coils + 1) / 2;
    let mut sums = vec![Complex32::ZERO; pairs * nx];
    for (z, y) in around(z, REACH[0], nz).flat_map(|z| around(y, REACH[1], ny).map(move |y| (z, y))) {
        for (pair, (a, b)) in (0..coils).flat_map(|a| (0..=a).map(move |b| (a, b))).enumerate() {
            let sum = &mut sums[pair * nx..][..nx];
            sum.iter_mut().zip(of_coil(a, z, y)).zip(of_coil(b, z, y)).for_each(|((sum, a), b)| *sum += a * b.conj());
        }
    }
    let mut vector = reference.to_vec();
    let mut matrix = vec![Complex32::ZERO; coils * coils];
    let pixel = |x: usize| {
        let mut pair = 0;
        for a in 0..coils {
            for b in 0..=a {
                let sum: Complex32 = sums[pair * nx..][around(x, REACH[1], nx)].iter().sum();
                (matrix[a * coils + b], matrix[b * coils + a]) = (sum, sum.conj());
                pair += 1;
            }
        }
        leading(&matrix, &mut vector, reference);
        let mixed: Complex32 = (0..coils).map(|coil| vector[coil].conj() * of_coil(coil, z, y)[x]).sum();
        let turn: Complex32 = reference.iter().zip(&vector).map(|(u, v)| u.conj() * v).sum();
        let mixed = if turn.norm() > 0.0 { mixed * turn / turn.norm() } else { mixed };
        if mixture.is_some() { mixed * length(vector.iter(), mixture) } else { mixed }
    };
    (0..nx).map(pixel).collect()
}

/// v ← the leading eigenvector, by the power method from where v is.
fn leading(matrix: &[Complex32], vector: &mut Vec<Complex32>, reference: &[Complex32]) {
    let coils = vector.len();
    // A touch of the reference, should v have none of what is wanted.
    vector.iter_mut().zip(reference).for_each(|(v, u)| *v += u * 0.01);
    for _ in 0..ROUNDS {
        let row = |row: usize| -> Complex32 {
            matrix[row * coils..][..coils].iter().zip(vector.iter()).map(|(m, v)| m * v).sum()
        };
        let mut next: Vec<Complex32> = (0..coils).map(row).collect();
        let size = next.iter().map(Complex32::norm_sqr).sum::<f32>().sqrt();
        if size.is_nan() || size <= f32::MIN_POSITIVE {
            vector.copy_from_slice(reference);
            return;
        }
        next.iter_mut().for_each(|v| *v /= size);
        let change: f32 = next.iter().zip(vector.iter()).map(|(a, b)| (a - b).norm_sqr()).sum();
        *vector = next;
        if change < DONE {
            return;
        }
    }
}
