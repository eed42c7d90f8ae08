//! Fourier transforms of shapes, F(k) = ∫ e^(−2πi k·r) dr over the shape, in closed form.
//!
//! Ellipse that a linear map M makes of the unit circle: |det M|·J₁(2πρ)/ρ with ρ = |Mᵀk| (M. R. Smith et al.; Koay, Sarlls,
//! Özarslan, Magn. Reson. Med. 58, 430, 2007). Polygon: by the divergence theorem a sum over its edges of length L, middle m
//! and outward normal n, i·(k·n)/(2π|k|²)·L·sinc(k·t L)·e^(−2πi k·m), t along the edge.

use std::f64::consts::{FRAC_PI_4, PI, TAU};

use num_complex::Complex64;

use super::{
    Phantom, Shape,
    shape::{Edge, Outline, Planar, cross, sub},
};
use crate::error::{Error, Result};

/// A phantom made ready for its Fourier transform: values, centres and outlines.
pub struct Spectrum {
    parts: Vec<(f64, Planar, Outline)>,
}

impl Spectrum {
    /// Of `phantom`, whose values count as they stand in its description (not in mm⁻¹).
    ///
    /// # Errors
    /// A shape without closed form: an ellipse that is cut.
    pub fn of(phantom: &Phantom) -> Result<Self> {
        let part = |(index, shape): (usize, &Shape)| {
            let outline = shape.outline().ok_or_else(|| Error::Phantom {
                name: phantom.name.clone(),
                what: format!(
                    "shape {} is an ellipse that is cut, and its Fourier transform has no closed form: an exact MR scan cannot be made",
                    index + 1
                ),
            })?;
            Ok((shape.value, shape.center(), outline))
        };
        Ok(Self { parts: phantom.shapes.iter().enumerate().map(part).collect::<Result<_>>()? })
    }

    /// ∫ f e^(−2πi k·(r − origin)) dr in mm², `k` in cycles per mm, to some 1e-11 of its largest.
    pub fn at(&self, k: Planar, origin: Planar) -> Complex64 {
        let part = |(value, center, outline): &(f64, Planar, Outline)| {
            let [x, y] = sub(*center, origin);
            let phase = Complex64::cis(-TAU * (k[0] * x + k[1] * y));
            value
                * phase
                * match outline {
                    Outline::Ellipse([a, b]) => {
                        let rho = (k[0] * a[0] + k[1] * a[1]).hypot(k[0] * b[0] + k[1] * b[1]);
                        Complex64::from(cross(*a, *b).abs() * jinc(rho))
                    }
                    Outline::Polygon(edges) => polygon(edges, k),
                }
        };
        self.parts.iter().map(part).sum()
    }
}

/// J₁(2πρ)/ρ; π at 0.
fn jinc(rho: f64) -> f64 {
    if rho < 1e-8 { PI } else { bessel_j1(TAU * rho) / rho }
}

/// sin(πx)/(πx).
pub fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-8 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

fn polygon(edges: &[Edge], k: Planar) -> Complex64 {
    let square = k[0] * k[0] + k[1] * k[1];
    let reach = edges.iter().flat_map(|edge| edge.ends).map(|[x, y]| x.hypot(y)).fold(0.0, f64::max);
    if square.sqrt() * reach < 1e-7 {
        // Twice the area is the sum over the edges of distance times length.
        let twice = |edge: &Edge| {
            let [from, to] = edge.ends;
            (from[0] * edge.normal[0] + from[1] * edge.normal[1]) * (to[0] - from[0]).hypot(to[1] - from[1])
        };
        return Complex64::from(edges.iter().map(twice).sum::<f64>() / 2.0);
    }
    let one = |edge: &Edge| {
        let [from, to] = edge.ends;
        let (along, middle) = (sub(to, from), [(from[0] + to[0]) / 2.0, (from[1] + to[1]) / 2.0]);
        let length = along[0].hypot(along[1]);
        let facing = (k[0] * edge.normal[0] + k[1] * edge.normal[1]) / (TAU * square);
        Complex64::new(0.0, facing * length * sinc(k[0] * along[0] + k[1] * along[1]))
            * Complex64::cis(-TAU * (k[0] * middle[0] + k[1] * middle[1]))
    };
    edges.iter().map(one).sum()
}

/// The Bessel function J₁ for x ≥ 0, to 1e-11: its power series below 14 (M. Abramowitz, I. A. Stegun, 9.1.10), Hankel's asymptotic
/// series above (9.2.5, 9.2.9 and 9.2.10).
fn bessel_j1(x: f64) -> f64 {
    if x < 14.0 {
        let quarter = -x * x / 4.0;
        let (mut term, mut sum) = (x / 2.0, x / 2.0);
        for n in 1..60 {
            let n = f64::from(n);
            term *= quarter / (n * (n + 1.0));
            sum += term;
        }
        return sum;
    }
    // (4ν² − 1²)(4ν² − 3²)…/(n!(8x)ⁿ) with ν = 1, up to its smallest term.
    let (mut term, mut p, mut q) = (1.0_f64, 1.0, 0.0);
    for n in 1..28 {
        let odd = f64::from(2 * n - 1);
        let next = term * (4.0 - odd * odd) / (f64::from(n) * 8.0 * x);
        if next.abs() > term.abs() || next == 0.0 {
            break;
        }
        term = next;
        let signed = if n / 2 % 2 == 0 { term } else { -term };
        if n % 2 == 0 { p += signed } else { q += signed }
    }
    let (sin, cos) = (x - 3.0 * FRAC_PI_4).sin_cos();
    (2.0 / (PI * x)).sqrt() * (p * cos - q * sin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j1_is_its_integral() {
        // J₁(x) = (1/π) ∫₀^π cos(τ − x sin τ) dτ (Abramowitz and Stegun 9.1.21); the trapezoidal rule over a period is exact
        // as soon as it has more points than x and some.
        for x in [0.0, 1e-3, 0.5, 3.831_705_970_207_512, 9.0, 13.9, 14.1, 20.0, 97.3, 740.0] {
            let count = 2 * x as usize + 80;
            let sum: f64 =
                (0..count).map(|i| TAU * i as f64 / count as f64).map(|tau| (tau - x * tau.sin()).cos()).sum();
            let (found, exact) = (bessel_j1(x), sum / count as f64);
            assert!((found - exact).abs() < 2e-11, "J1({x}) is {found}, not {exact}");
        }
    }

    /// ∫ e^(−2πi k·r) over the shape by chords along y: the inner integral closed, the outer by the midpoint rule.
    fn by_chords(shape: &Shape, k: Planar) -> Complex64 {
        let count = 40_000;
        let [low, high] = [-60.0, 60.0];
        let step = (high - low) / f64::from(count);
        let chord = |i: i32| {
            let x = low + (f64::from(i) + 0.5) * step;
            let Some((from, to)) = shape.interval([x, 0.0], [0.0, 1.0]) else { return Complex64::ZERO };
            let inner = (to - from) * sinc(k[1] * (to - from)) * Complex64::cis(-PI * k[1] * (from + to));
            inner * Complex64::cis(-TAU * k[0] * x) * step
        };
        (0..count).map(chord).sum()
    }

    #[test]
    fn closed_forms_are_the_integrals_over_the_shapes() {
        let clip = vec![super::super::HalfPlane::new(0.7, 9.0)];
        let shapes = [
            Shape::ellipse([5.0, -8.0], [30.0, 12.0], 0.4, vec![]),
            Shape::rectangle([-6.0, 3.0], [25.0, 14.0], 0.3, vec![]),
            Shape::rectangle([-6.0, 3.0], [40.0, 30.0], -0.5, clip),
        ];
        for shape in shapes {
            let phantom = Phantom {
                name: "one".into(),
                title: String::new(),
                source: String::new(),
                frame: 120.0,
                mu_per_value: 1.0,
                shapes: vec![shape.clone()],
            };
            let spectrum = Spectrum::of(&phantom).unwrap();
            let area = spectrum.at([0.0; 2], [0.0; 2]).re;
            for k in [[0.0, 0.0], [1e-9, 0.0], [0.004, 0.0], [0.0, 0.03], [0.011, -0.02], [-0.1, 0.07]] {
                let (found, exact) = (spectrum.at(k, [0.0; 2]), by_chords(&shape, k));
                assert!((found - exact).norm() < 2e-5 * area, "{k:?}: {found}, not {exact}");
            }
        }
    }

    #[test]
    fn a_cut_ellipse_is_refused() {
        let message = Spectrum::of(&Phantom::named("forbild-head").unwrap()).err().unwrap().to_string();
        assert!(message.contains("forbild-head") && message.contains("cut"), "{message}");
    }
}
