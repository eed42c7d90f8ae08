//! Random draws that depend on a seed and an index alone, not on the order in which they are made.
//!
//! Bits: Philox4x32-10, a counter-based generator (J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random
//! numbers: as easy as 1, 2, 3, SC11, 2011). Normal: G. E. P. Box, M. E. Muller 1958. Poisson: inversion below a mean
//! of 10, above it the exact transformed rejection PTRS (W. Hörmann, Insurance: Mathematics and Economics 12, 39–45,
//! 1993) with the probabilities of C. Loader, Fast and accurate computation of binomial probabilities, 2000.

use std::f64::consts::TAU;

/// One block of 128 random bits.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let wide = |factor: u32, word: u32| {
            let product = u64::from(factor) * u64::from(word);
            ((product >> 32) as u32, product as u32)
        };
        let (high0, low0) = wide(0xD251_1F53, counter[0]);
        let (high1, low1) = wide(0xCD9E_8D57, counter[2]);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// The draws that belong to one seed and one index.
#[derive(Clone, Debug)]
pub struct Draws {
    key: [u32; 2],
    index: [u32; 3],
    block: u32,
    words: [u32; 4],
    used: usize,
}

impl Draws {
    /// The draws of `seed` at `index`, such as (view, row, cell). Other indices give independent draws.
    pub fn new(seed: u64, index: [usize; 3]) -> Self {
        // No array has an extent of 2³² or more along an axis that is indexed here.
        let index = index.map(|i| i as u32);
        Self { key: [seed as u32, (seed >> 32) as u32], index, block: 0, words: [0; 4], used: 4 }
    }

    fn word(&mut self) -> u32 {
        if self.used == 4 {
            let [a, b, c] = self.index;
            self.words = philox([self.block, c, b, a], self.key);
            self.block = self.block.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Uniform in the open interval 0…1, in steps of 2⁻⁵².
    pub fn uniform(&mut self) -> f64 {
        let bits = u64::from(self.word()) << 32 | u64::from(self.word());
        ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Normal with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// Poisson of `mean`, a whole number.
    ///
    /// # Panics
    /// If `mean` is negative, not a number, or above 2⁵⁰, where f64 begins to miss whole numbers.
    #[track_caller]
    pub fn poisson(&mut self, mean: f64) -> f64 {
        assert!((0.0..=(1_u64 << 50) as f64).contains(&mean), "a Poisson mean must be from 0 to 2⁵⁰, not {mean}");
        if mean < 10.0 { self.poisson_by_inversion(mean) } else { self.poisson_by_rejection(mean) }
    }

    fn poisson_by_inversion(&mut self, mean: f64) -> f64 {
        let mut left = self.uniform();
        let (mut count, mut probability) = (0.0, (-mean).exp());
        // The rest of the tail is below the resolution of `left` long before the probability vanishes.
        while left > probability && probability > 0.0 {
            left -= probability;
            count += 1.0;
            probability *= mean / count;
        }
        count
    }

    fn poisson_by_rejection(&mut self, mean: f64) -> f64 {
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.02483 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let u_s = 0.5 - u.abs();
            let count = ((2.0 * a / u_s + b) * u + mean + 0.43).floor();
            if u_s >= 0.07 && v <= v_r {
                return count;
            }
            if count < 0.0 || (u_s < 0.013 && v > u_s) {
                continue;
            }
            if (v * inverse_alpha / (a / (u_s * u_s) + b)).ln() <= ln_poisson(count, mean) {
                return count;
            }
        }
    }
}

/// ln of the Poisson probability of `count`, without the cancellation of −μ + n ln μ − ln n! at large means.
fn ln_poisson(count: f64, mean: f64) -> f64 {
    if count == 0.0 {
        return -mean;
    }
    let off = (mean - count) / count;
    // n ln(n/μ) + μ − n
    let deviance = count * (off - off.ln_1p());
    -stirling_error(count) - deviance - (TAU * count).ln() / 2.0
}

/// ln n! − ((n + ½) ln n − n + ½ ln 2π).
fn stirling_error(count: f64) -> f64 {
    if count < 16.0 {
        let ln_factorial: f64 = (2..=count as u32).map(|k| f64::from(k).ln()).sum();
        return ln_factorial - ((count + 0.5) * count.ln() - count + TAU.ln() / 2.0);
    }
    let square = count * count;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / square) / square) / square) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random123 1.14, tests/kat_vectors, lines `philox4x32 10`: counter, key, block.
    const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];

    #[test]
    fn philox_gives_the_published_blocks() {
        for (counter, key, block) in KNOWN {
            assert_eq!(philox(counter, key), block);
        }
    }

    /// Mean and variance of `count` draws, one an index.
    fn moments(count: usize, draw: impl Fn(&mut Draws) -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..count).map(|i| draw(&mut Draws::new(7, [i / 1000, 0, i % 1000]))).collect();
        let mean = values.iter().sum::<f64>() / count as f64;
        (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (count - 1) as f64)
    }

    #[test]
    fn uniform_and_normal_draws_have_their_moments() {
        let n = 200_000;
        let (mean, variance) = moments(n, Draws::uniform);
        assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt() && (variance * 12.0 - 1.0).abs() < 0.01);
        let (mean, variance) = moments(n, Draws::normal);
        assert!(mean.abs() < 5.0 / (n as f64).sqrt() && (variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
    }

    #[test]
    fn poisson_draws_have_their_mean_and_variance() {
        let n = 200_000;
        for mean in [0.0, 0.3, 5.0, 9.99, 10.0, 30.0, 1000.0, 1e5, 1e12] {
            let (found, variance) = moments(n, |draws| draws.poisson(mean));
            // The fourth central moment of a Poisson variable is μ + 3μ².
            let spread = ((mean + 2.0 * mean * mean) / n as f64).sqrt();
            assert!((found - mean).abs() <= 5.0 * (mean / n as f64).sqrt(), "{mean}: mean {found}");
            assert!((variance - mean).abs() <= 5.0 * spread, "{mean}: variance {variance}");
        }
    }

    #[test]
    fn poisson_draws_have_their_distribution() {
        // χ² over the counts whose expectation is at least 20; its mean is the degrees of freedom f, its variance 2f.
        let n = 400_000;
        for mean in [0.3_f64, 5.0, 10.5, 30.0] {
            let mut seen = vec![0.0; 200];
            (0..n).for_each(|i| seen[Draws::new(3, [0, i / 1000, i % 1000]).poisson(mean) as usize] += 1.0);
            let mut probability = (-mean).exp();
            let (mut chi, mut cells) = (0.0, 0.0);
            for (count, seen) in seen.iter().enumerate() {
                let expected = probability * n as f64;
                if expected >= 20.0 {
                    chi += (seen - expected) * (seen - expected) / expected;
                    cells += 1.0;
                }
                probability *= mean / (count + 1) as f64;
            }
            assert!((chi - cells).abs() < 5.0 * (2.0_f64 * cells).sqrt(), "{mean}: χ² {chi} over {cells} cells");
        }
    }

    #[test]
    fn poisson_probabilities_are_those_of_the_formula() {
        for mean in [10.0_f64, 33.3] {
            let mut expected = (-mean).exp();
            for count in 0..80 {
                let found = ln_poisson(f64::from(count), mean).exp();
                assert!((found / expected - 1.0).abs() < 1e-10, "{count} of {mean}: {found} {expected}");
                expected *= mean / f64::from(count + 1);
            }
        }
    }
}
