//! Rician noise made Gaussian of deviation 1, and back without bias.
//!
//! A magnitude z = |ν + n| with complex n of deviation σ in each part has the mean μ(ν) and the deviation s(ν) (Rice 1944).
//! f(z) = ∫ dμ/s(μ) has, to first order, deviation 1 whatever ν (the delta method), as Foi 2011 (Noise estimation and removal
//! in MR imaging: the variance-stabilization approach, ISBI, 1809) has it; two rounds more correct f by the deviation it is
//! found to leave.
//! The inverse is exact: a denoised f(z) estimates E f(z), so ν is looked up in a table of E f(z) over ν, by numerical
//! integration over the distribution.

use std::sync::OnceLock;

use rayon::prelude::*;

/// ν/σ up to which tables reach; beyond, noise is Gaussian to 1 in 10⁴ and f(z) = z + const.
const REACH: f64 = 24.0;
/// Entries for one σ.
const PER_SIGMA: usize = 64;
/// Rounds that correct f.
const ROUNDS: usize = 2;

/// The transform, for σ = 1.
#[derive(Debug)]
pub struct Rician {
    /// f at z = 0, 1/64, 2/64 …
    stable: Vec<f64>,
    /// E f(z) at ν = 0, 1/64, 2/64 …
    mean: Vec<f64>,
}

/// e^(−x)·I₀(x), the scaled Bessel function of order 0 (Abramowitz & Stegun 9.8.1–2; 2e-7).
fn bessel_i0_scaled(x: f64) -> f64 {
    let t = x / 3.75;
    if x < 3.75 {
        let t = t * t;
        let series = [1.0, 3.515_622_9, 3.089_942_4, 1.206_749_2, 0.265_973_2, 0.036_076_8, 0.004_581_3];
        return (-x).exp() * series.iter().rev().fold(0.0, |sum, c| sum * t + c);
    }
    let series = [
        0.398_942_28,
        0.013_285_92,
        0.002_253_19,
        -0.001_575_65,
        0.009_162_81,
        -0.020_577_06,
        0.026_355_37,
        -0.016_476_33,
        0.003_923_77,
    ];
    series.iter().rev().fold(0.0, |sum, c| sum / t + c) / x.sqrt()
}

/// The density of z for a signal ν, σ = 1.
fn density(z: f64, nu: f64) -> f64 {
    z * (-0.5 * (z - nu).powi(2)).exp() * bessel_i0_scaled(z * nu)
}

/// Mean and deviation of g(z) for a signal ν: Simpson's rule over ν ± 9.
pub(super) fn moments(nu: f64, g: impl Fn(f64) -> f64) -> [f64; 2] {
    const STEPS: usize = 600;
    let (from, to) = ((nu - 9.0).max(0.0), nu + 9.0);
    let step = (to - from) / STEPS as f64;
    let (mut norm, mut sum, mut square) = (0.0, 0.0, 0.0);
    for index in 0..=STEPS {
        let z = from + index as f64 * step;
        let simpson = if index == 0 || index == STEPS { 1.0 } else { 2.0 + 2.0 * (index % 2) as f64 };
        let (weight, value) = (simpson * density(z, nu), g(z));
        norm += weight;
        sum += weight * value;
        square += weight * value * value;
    }
    let mean = sum / norm;
    [mean, (square / norm - mean * mean).max(0.0).sqrt()]
}

/// Linear between entries, and beyond the last with slope 1.
fn look_up(table: &[f64], at: f64) -> f64 {
    let place = (at * PER_SIGMA as f64).max(0.0);
    let index = place as usize;
    match table.get(index..index + 2) {
        Some(&[a, b]) => a + (b - a) * (place - index as f64),
        _ => table[table.len() - 1] + at - (table.len() - 1) as f64 / PER_SIGMA as f64,
    }
}

/// Where a rising table has this value.
fn look_back(table: &[f64], value: f64) -> f64 {
    if value <= table[0] {
        return 0.0;
    }
    let index = table.partition_point(|entry| *entry < value);
    if index >= table.len() {
        return (table.len() - 1) as f64 / PER_SIGMA as f64 + value - table[table.len() - 1];
    }
    let (a, b) = (table[index - 1], table[index]);
    (index as f64 - 1.0 + (value - a) / (b - a).max(f64::MIN_POSITIVE)) / PER_SIGMA as f64
}

impl Rician {
    /// The tables, made once.
    pub fn tables() -> &'static Self {
        static TABLES: OnceLock<Rician> = OnceLock::new();
        TABLES.get_or_init(Self::new)
    }

    fn new() -> Self {
        let entries = (REACH * PER_SIGMA as f64) as usize + 1;
        let at = |index: usize| index as f64 / PER_SIGMA as f64;
        let mut stable: Vec<f64> = (0..entries).map(at).collect();
        for _ in 0..=ROUNDS {
            // Mean and deviation of what the transform so far makes of each ν.
            let found: Vec<[f64; 2]> =
                (0..entries).into_par_iter().map(|index| moments(at(index), |z| look_up(&stable, z))).collect();
            // g with g' = 1/s at those means, by the trapezium rule; below the least mean as steep as there.
            let mut climbed = vec![0.0; entries];
            for index in 1..entries {
                let [[m0, s0], [m1, s1]] = [found[index - 1], found[index]];
                climbed[index] = climbed[index - 1] + (m1 - m0) * 0.5 * (1.0 / s0 + 1.0 / s1);
            }
            let composed = |value: f64| {
                let last = entries - 1;
                if value <= found[0][0] {
                    return (value - found[0][0]) / found[0][1];
                }
                let index = found.partition_point(|[mean, _]| *mean < value);
                if index > last {
                    return climbed[last] + (value - found[last][0]) / found[last][1];
                }
                let (a, b) = (found[index - 1][0], found[index][0]);
                climbed[index - 1] + (climbed[index] - climbed[index - 1]) * (value - a) / (b - a).max(1e-300)
            };
            stable = stable.iter().map(|value| composed(*value)).collect();
        }
        let mean = (0..entries).into_par_iter().map(|index| moments(at(index), |z| look_up(&stable, z))[0]).collect();
        Self { stable, mean }
    }

    /// f(z) for z in units of σ.
    pub fn forward(&self, z: f64) -> f64 {
        look_up(&self.stable, z)
    }

    /// The ν, in units of σ, for which f(z) has the mean `stable`; 0 where it is lower than any.
    pub fn inverse(&self, stable: f64) -> f64 {
        look_back(&self.mean, stable)
    }
}
