//! Difference-of-Gaussians channels: exp(−½(ρ/Qσ_j)²) − exp(−½(ρ/σ_j)²) over radial frequency ρ, σ_j = σ₀αʲ⁻¹.
//!
//! Abbey, Barrett, "Human- and model-observer performance in ramp-spectrum noise: effects of regularization and object
//! variability", J. Opt. Soc. Am. A 18 (2001) 473: a sparse and a dense set. Here they are drawn in space, from
//! the Gaussians' transforms 2πs²·exp(−2π²s²r²). The widest of the dense set (σ₀ = 0.005) reaches over 60 pixels.

use std::f64::consts::PI;

use super::{Frame, Named};

pub(super) const NAMED: &[Named] = &[
    ("dog", "3 difference-of-Gaussians channels (sparse)", |_| DifferenceOfGaussians::sparse().into()),
    ("dog-dense", "10 difference-of-Gaussians channels (dense)", |_| DifferenceOfGaussians::dense().into()),
];

/// Difference-of-Gaussians channels.
#[derive(Clone, Debug, PartialEq)]
pub struct DifferenceOfGaussians {
    /// σ₀ of the first channel, cycles per pixel.
    pub first: f64,
    /// α: each channel's σ over the one before.
    pub ratio: f64,
    /// Q: the outer Gaussian's width over the inner one's, above 1.
    pub bandwidth: f64,
    /// How many.
    pub count: usize,
}

impl DifferenceOfGaussians {
    /// The sparse set of Abbey and Barrett: 3 channels, σ₀ = 0.015, α = 2, Q = 2.
    pub fn sparse() -> Self {
        Self { first: 0.015, ratio: 2.0, bandwidth: 2.0, count: 3 }
    }

    /// Their dense set: 10 channels, σ₀ = 0.005, α = 1.4, Q = 1.67.
    pub fn dense() -> Self {
        Self { first: 0.005, ratio: 1.4, bandwidth: 1.67, count: 10 }
    }

    pub(super) fn trouble(&self) -> Option<String> {
        let good = self.first > 0.0 && self.ratio > 1.0 && self.bandwidth > 1.0 && self.count > 0;
        let finite = [self.first, self.ratio, self.bandwidth].iter().all(|number| number.is_finite());
        (!good || !finite).then(|| {
            "difference-of-Gaussians channels need a first width above 0, a ratio and a bandwidth above 1, and a count".into()
        })
    }

    pub(super) fn templates(&self, frame: &Frame) -> Vec<Vec<f64>> {
        let gaussian = |s: f64, square: f64| 2.0 * PI * s * s * (-2.0 * PI * PI * s * s * square).exp();
        let channel = |index: usize| {
            let s = self.first * self.ratio.powi(index as i32);
            frame.draw(|x, y| {
                let square = x * x + y * y;
                gaussian(self.bandwidth * s, square) - gaussian(s, square)
            })
        };
        (0..self.count).map(channel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_their_response_over_frequency() {
        // Σ template·cos 2πρx is the response at ρ: the sum over pixels is the integral for so smooth a template.
        let channels = DifferenceOfGaussians { first: 0.03, ratio: 2.0, bandwidth: 2.0, count: 2 };
        let frame = Frame::centered([101, 101]);
        for (index, template) in channels.templates(&frame).iter().enumerate() {
            let s = 0.03 * 2.0_f64.powi(index as i32);
            for rho in [0.0_f64, 0.02, 0.05, 0.1] {
                let wave = frame.draw(|x, _| (2.0 * PI * rho * x).cos());
                let found: f64 = template.iter().zip(&wave).map(|(a, b)| a * b).sum();
                let expected = (-0.5 * (rho / (2.0 * s)).powi(2)).exp() - (-0.5 * (rho / s).powi(2)).exp();
                assert!((found - expected).abs() < 1e-4, "{index} at {rho}: {found} {expected}");
            }
        }
    }
}
