//! Laguerre–Gauss channels: √2/a·exp(−πr²/a²)·L_j(2πr²/a²), for round signals at a known place.
//!
//! Gallas, Barrett, "Validating the use of channels to estimate the ideal linear observer", J. Opt. Soc. Am. A 20
//! (2003) 1725. They are orthonormal in the plane; a few of them come near the ideal linear observer.

use std::f64::consts::PI;

use super::{Frame, Named};

pub(super) const NAMED: &[Named] = &[(
    "lg",
    "6 Laguerre–Gauss channels, the first as wide as the signal",
    // exp(−πr²/a²) has the mean square radius of a disk of radius R where a²/π = R²/2.
    |radius| LaguerreGauss { width: radius * (PI / 2.0).sqrt(), count: 6 }.into(),
)];

/// Laguerre–Gauss channels.
#[derive(Clone, Debug, PartialEq)]
pub struct LaguerreGauss {
    /// The Gaussian's width a, pixels: exp(−πr²/a²).
    pub width: f64,
    /// How many, from order 0.
    pub count: usize,
}

impl LaguerreGauss {
    pub(super) fn trouble(&self) -> Option<String> {
        let bad = !(self.width > 0.0 && self.width.is_finite()) || self.count == 0;
        bad.then(|| format!("{} Laguerre–Gauss channels of width {} pixels cannot be", self.count, self.width))
    }

    pub(super) fn templates(&self, frame: &Frame) -> Vec<Vec<f64>> {
        let channel = |order: usize| {
            frame.draw(|x, y| {
                let at = 2.0 * PI * (x * x + y * y) / (self.width * self.width);
                std::f64::consts::SQRT_2 / self.width * (-at / 2.0).exp() * laguerre(order, at)
            })
        };
        (0..self.count).map(channel).collect()
    }
}

/// The Laguerre polynomial L_n(x), by (k + 1)L_{k+1} = (2k + 1 − x)L_k − kL_{k−1}.
fn laguerre(order: usize, x: f64) -> f64 {
    let (mut before, mut value) = (0.0, 1.0);
    for k in 0..order {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k + 1.0 - x) * value - k * before) / (k + 1.0));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_orthonormal_in_the_plane() {
        let channels = LaguerreGauss { width: 12.0, count: 5 };
        let templates = channels.templates(&Frame::centered([81, 81]));
        for (i, a) in templates.iter().enumerate() {
            for (j, b) in templates.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-6, "{i} {j}: {product}");
            }
        }
    }

    #[test]
    fn laguerre_polynomials_have_their_values() {
        // L₂(x) = (x² − 4x + 2)/2, L₃(x) = (−x³ + 9x² − 18x + 6)/6.
        assert!((laguerre(2, 3.0) + 0.5).abs() < 1e-12 && (laguerre(3, 2.0) + 1.0 / 3.0).abs() < 1e-12);
    }
}
