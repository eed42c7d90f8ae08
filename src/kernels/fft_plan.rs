//! How the transform of a length is done, on either device: Stockham passes of small radices where the length has no
//! other prime factors; else Bluestein's convolution with a chirp, itself done by such passes (L. Bluestein, "A linear
//! filtering approach to the computation of discrete Fourier transform", IEEE Trans. Audio Electroacoust. 18, 1970).

use std::f64::consts::{PI, TAU};

use rustfft::{FftPlannerScalar, num_complex::Complex};

/// Odd radices that have butterflies, besides 2, 4 and 8.
const ODD: [usize; 5] = [13, 11, 7, 5, 3];

/// The radices of a transform's passes in order, their product is `length`; none if it has a larger prime factor.
pub(crate) fn radices(length: usize) -> Option<Vec<usize>> {
    let mut rest = length;
    let mut radices = Vec::new();
    for radix in ODD {
        while rest.is_multiple_of(radix) {
            radices.push(radix);
            rest /= radix;
        }
    }
    if !rest.is_power_of_two() {
        return None;
    }
    // Eights, with two fours for a lone two: fewer passes than twos, and fuller ones.
    match (rest.trailing_zeros() % 3, rest) {
        (0, _) => {}
        (1, 2) => radices.push(2),
        (1, _) => radices.extend([4, 4]),
        _ => radices.push(4),
    }
    while radices.iter().product::<usize>() < length {
        radices.push(8);
    }
    Some(radices)
}

/// e^(−2πi m/length), m = 0..length, computed in f64.
pub fn twiddles(length: usize) -> Vec<f32> {
    (0..length)
        .flat_map(|m| {
            let (sin, cos) = (-TAU * m as f64 / length as f64).sin_cos();
            [cos as f32, sin as f32]
        })
        .collect()
}

/// X[k] = c[k] Σⱼ (x[j] c[j]) c̄[k − j] with the chirp c[j] = e^(−πi j²/n), since jk = (j² + k² − (k − j)²)/2: a
/// convolution, wrapped around at `length` ≥ 2n − 1.
#[derive(Debug)]
pub(crate) struct Bluestein {
    /// The convolution's length; its transform has only small radices.
    pub length: usize,
    /// c, `[n]`, as pairs of real and imaginary part.
    pub chirp: Vec<f32>,
    /// The transform of the wrapped c̄ over `length`, `[length]`: a plain transform, a product and a plain inverse
    /// transform without a scale are the convolution.
    pub response: Vec<f32>,
}

impl Bluestein {
    pub fn new(n: usize) -> Self {
        // Of the lengths with few factors the first is best: the work grows faster with the length than with the radix.
        let smooth = |length: &usize| length.is_multiple_of(8) && radices(*length).is_some();
        let length = (2 * n - 1..).find(smooth).expect("powers of two are smooth");
        // j² mod 2n keeps the angle small, so that it is exact to the last bit.
        let chirp: Vec<_> =
            (0..n).map(|j| Complex::cis(-PI * (j as u128 * j as u128 % (2 * n) as u128) as f64 / n as f64)).collect();
        let mut response = vec![Complex::ZERO; length];
        for (j, number) in chirp.iter().enumerate() {
            response[j] = number.conj() / length as f64;
            response[(length - j) % length] = response[j];
        }
        FftPlannerScalar::new().plan_fft_forward(length).process(&mut response);
        let pairs = |numbers: &[Complex<f64>]| numbers.iter().flat_map(|c| [c.re as f32, c.im as f32]).collect();
        Self { length, chirp: pairs(&chirp), response: pairs(&response) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radices_multiply_to_the_length_or_there_are_none() {
        assert_eq!(radices(1).unwrap(), [0; 0]);
        assert_eq!(radices(2).unwrap(), [2]);
        assert_eq!(radices(256).unwrap(), [4, 8, 8]);
        assert_eq!(radices(1024).unwrap(), [4, 4, 8, 8]);
        assert_eq!(radices(260).unwrap(), [13, 5, 4]);
        assert_eq!(radices(34), None);
        for length in 1..3000 {
            if let Some(radices) = radices(length) {
                assert_eq!(radices.iter().product::<usize>(), length);
            }
        }
    }
}
