//! The window that carries samples to the grid, φ(t) = e^(β(√(1 − (2t/w)²) − 1)) for |t| ≤ w/2, the "exponential of
//! semicircle" (A. H. Barnett, J. Magland & L. af Klinteberg, SIAM J. Sci. Comput. 41, C479, 2019): its Fourier
//! transform, its errors, and the choice of width and grid for a tolerance.

use std::f64::consts::{FRAC_PI_2, PI, TAU};

use crate::error::{Error, Result};

/// Widths that the loops are compiled for.
pub(super) const WIDTHS: std::ops::RangeInclusive<usize> = 3..=10;
/// Fine grid over image grid, as wished; lengths round up to products of 2, 3, 5 and 7.
const OVERSAMPLING: [f64; 4] = [1.25, 1.4, 1.6, 2.0];
/// Relative error of an f32 transform and the sums around it, before the window amplifies it; measured.
const ROUNDING: f64 = 2e-7;
/// The predicted error is held below this part of the tolerance: it is one of random data, and data are not.
const SAFETY: f64 = 0.55;
/// Nodes of the quadrature, enough for 1e-14 at the largest width.
const NODES: usize = 64;
/// Nodes of the quadrature over an image's points, most of whose error is at its edge.
const POINTS: usize = 16;
/// Axes of so few points are judged at all of them.
const SHORT: usize = 48;

/// φ with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// w, in steps of the fine grid.
    pub width: usize,
    /// β.
    pub beta: f64,
}

/// One axis of image and fine grid.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// Image points N.
    pub length: usize,
    /// Grid points n; 1 if N is 1.
    pub fine: usize,
    /// The window; not used if N is 1.
    pub window: Window,
}

/// The three axes z, y, x, and the error that is to be expected.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub axes: [Axis; 3],
    pub width: usize,
    pub error: f64,
}

impl Window {
    /// φ(t).
    pub fn value(&self, t: f64) -> f64 {
        let x = 2.0 * t / self.width as f64;
        if x.abs() > 1.0 { 0.0 } else { (self.beta * ((1.0 - x * x).sqrt() - 1.0)).exp() }
    }
}

/// φ at the nodes of a quadrature over t = w/2 sin θ, which takes the square root's ends away.
struct Transform {
    /// Node and weight · φ, on 0 … w/2.
    terms: Vec<[f64; 2]>,
    /// ∫φ².
    energy: f64,
}

impl Transform {
    fn new(window: Window, nodes: &[[f64; 2]]) -> Self {
        let half = window.width as f64 / 2.0;
        let at = |[x, weight]: [f64; 2]| {
            let (sin, cos) = (FRAC_PI_2 * 0.5 * (x + 1.0)).sin_cos();
            [half * sin, weight * FRAC_PI_2 * 0.5 * half * cos * (window.beta * (cos - 1.0)).exp()]
        };
        let terms: Vec<_> = nodes.iter().map(|node| at(*node)).collect();
        let energy = terms.iter().map(|[t, term]| 2.0 * term * window.value(*t)).sum();
        Self { terms, energy }
    }

    /// φ̂(ξ) = ∫ φ(t) cos 2πξt dt, ξ in cycles per grid step.
    fn at(&self, frequency: f64) -> f64 {
        self.terms.iter().map(|[t, term]| 2.0 * term * (TAU * frequency * t).cos()).sum()
    }
}

/// Nodes and weights of Gauss and Legendre on −1 … 1, by Newton's iteration on the recurrence.
fn gauss_legendre(count: usize) -> Vec<[f64; 2]> {
    let node = |index: usize| {
        let mut x = (PI * (index as f64 + 0.75) / (count as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..8 {
            let (mut before, mut value) = (1.0, x);
            for degree in 2..=count {
                let degree = degree as f64;
                (before, value) = (value, ((2.0 * degree - 1.0) * x * value - (degree - 1.0) * before) / degree);
            }
            slope = count as f64 * (x * value - before) / (x * x - 1.0);
            x -= value / slope;
        }
        [x, 2.0 / ((1.0 - x * x) * slope * slope)]
    };
    (0..count).map(node).collect()
}

/// 1/φ̂ at the image points of an axis, in order; 1 where there is but one.
pub(super) fn deapodisation(axis: &Axis) -> Vec<f64> {
    if axis.length == 1 {
        return vec![1.0];
    }
    let transform = Transform::new(axis.window, &gauss_legendre(NODES));
    let place = |r: usize| (r as f64 - (axis.length / 2) as f64) / axis.fine as f64;
    (0..axis.length).map(|r| 1.0 / transform.at(place(r))).collect()
}

/// The root mean square error of one axis, over image points and positions between grid points (the images of φ̂ that
/// fold into the band, by Poisson's sum), and the factor by which the window amplifies rounding: it divides by φ̂ and
/// then weighs by φ.
fn errors(window: Window, points: &[[f64; 2]], nodes: &[[f64; 2]]) -> [f64; 2] {
    let transform = Transform::new(window, nodes);
    let (mut folded, mut inverse) = (0.0, 0.0);
    for [frequency, weight] in points {
        let own = transform.at(*frequency).powi(2);
        let images: f64 = [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0].map(|m| transform.at(frequency + m).powi(2)).iter().sum();
        folded += weight * images / own;
        inverse += weight / own;
    }
    [folded.sqrt(), (inverse * transform.energy).sqrt()]
}

/// Where the points of an image's axis stand, in cycles per grid step, with weights of a mean over them: all of a short
/// axis, whose outermost point counts, and nodes of a quadrature for a long one.
fn image_points(length: usize, fine: usize) -> Vec<[f64; 2]> {
    let edge = 0.5 * length as f64 / fine as f64;
    if length <= SHORT {
        let weight = 1.0 / length as f64;
        return (0..length).map(|r| [(r as f64 - (length / 2) as f64) / fine as f64, weight]).collect();
    }
    gauss_legendre(POINTS).into_iter().map(|[x, weight]| [0.5 * edge * (x + 1.0), 0.5 * weight]).collect()
}

/// The β of the least error in all, with both errors.
fn best(width: usize, (length, fine): (usize, usize), nodes: &[[f64; 2]]) -> (Window, [f64; 2]) {
    // Up to πw(1 − 1/(2σ)) the transform of the window falls off before its first image comes.
    let edge = PI * width as f64 * (1.0 - 0.5 * length as f64 / fine as f64);
    let points = image_points(length, fine);
    let tried = (0..10).map(|step| {
        let window = Window { width, beta: edge * (0.82 + 0.02 * f64::from(step)) };
        (window, errors(window, &points, nodes))
    });
    let total = |errors: [f64; 2]| errors[0].hypot(ROUNDING * errors[1]);
    tried.min_by(|a, b| total(a.1).total_cmp(&total(b.1))).expect("ten were tried")
}

/// The least product of 2, 3, 5 and 7 that is no less, even beyond 16: FFTs of it are fast.
pub(super) fn smooth(least: usize) -> usize {
    let is_smooth = |mut n: usize| {
        for prime in [2, 3, 5, 7] {
            while n.is_multiple_of(prime) {
                n /= prime;
            }
        }
        n == 1
    };
    (least..).find(|n| is_smooth(*n) && (*n < 16 || n.is_multiple_of(4))).expect("powers of two are smooth")
}

/// Nanoseconds per coil, roughly: what a width and a grid cost on two threads.
fn cost(fine: [usize; 3], width: usize, samples: usize) -> f64 {
    let points = fine.iter().product::<usize>() as f64;
    let dimensions = fine.iter().filter(|n| **n > 1).count() as i32;
    // A tap is one multiply–add of a register; a pass of the transform over the grid moves it once.
    points * (1.0 + 0.12 * points.log2()) + 0.2 * samples as f64 * (width as f64).powi(dimensions)
}

/// The cheapest window and grid for images of `matrix` (z, y, x) whose expected error is below the tolerance.
pub(super) fn choose(matrix: [usize; 3], samples: usize, tolerance: f64) -> Result<Choice> {
    let nodes = gauss_legendre(NODES);
    let mut cheapest: Option<(f64, Choice)> = None;
    let mut reached = f64::INFINITY;
    for oversampling in OVERSAMPLING {
        // What is wider costs more: the first that will do is the best of this grid.
        for width in WIDTHS {
            let fine = matrix.map(|length| fine(length, oversampling, width));
            let cost = cost(fine, width, samples);
            if cheapest.as_ref().is_some_and(|(least, _)| cost >= *least) {
                break;
            }
            let choice = judge(matrix, fine, width, &nodes);
            reached = reached.min(choice.error);
            if choice.error <= SAFETY * tolerance {
                cheapest = Some((cost, choice));
                break;
            }
        }
    }
    cheapest.map(|(_, choice)| choice).ok_or_else(|| {
        let least = reached / SAFETY;
        Error::Option(format!(
            "a tolerance of {tolerance:e} of the non-uniform Fourier transform is beyond single precision; give {least:.1e} or more"
        ))
    })
}

/// Points of the grid for so many of the image.
fn fine(length: usize, oversampling: f64, width: usize) -> usize {
    if length == 1 { 1 } else { smooth(((oversampling * length as f64).ceil() as usize).max(2 * width)) }
}

/// The best windows of a width on a grid, and their error.
fn judge(matrix: [usize; 3], fine: [usize; 3], width: usize, nodes: &[[f64; 2]]) -> Choice {
    let mut known: Vec<(usize, (Window, [f64; 2]))> = Vec::new();
    let (mut folded, mut amplified) = (0.0_f64, 1.0);
    let axes = [0, 1, 2].map(|axis: usize| {
        let (length, fine) = (matrix[axis], fine[axis]);
        if length == 1 {
            return Axis { length, fine, window: Window { width, beta: 0.0 } };
        }
        let found = known.iter().find(|entry| entry.0 == length).map(|entry| entry.1);
        let (window, errors) = found.unwrap_or_else(|| best(width, (length, fine), nodes));
        known.push((length, (window, errors)));
        folded = folded.hypot(errors[0]);
        amplified *= errors[1];
        Axis { length, fine, window }
    });
    Choice { axes, width, error: folded.hypot(ROUNDING * amplified) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quadrature_is_exact_for_polynomials_and_meets_a_fine_sum() {
        let nodes = gauss_legendre(NODES);
        let moment = |power: i32| nodes.iter().map(|[x, weight]| weight * x.powi(power)).sum::<f64>();
        for power in [0, 2, 10, 60, 94] {
            assert!((moment(power) - 2.0 / f64::from(power + 1)).abs() < 1e-13, "x^{power}: {}", moment(power));
        }
        for width in WIDTHS {
            let window = Window { width, beta: 2.3 * width as f64 };
            let transform = Transform::new(window, &nodes);
            for frequency in [0.0, 0.2, 0.7, 3.4] {
                // Over θ, where the window is smooth, by a fine midpoint sum: slow, but a different formula.
                let steps = 200_000;
                let fine: f64 = (0..steps)
                    .map(|step| {
                        let t = width as f64 * ((f64::from(step) + 0.5) / f64::from(steps) - 0.5);
                        window.value(t) * (TAU * frequency * t).cos() * width as f64 / f64::from(steps)
                    })
                    .sum();
                assert!((transform.at(frequency) - fine).abs() < 1e-9, "w = {width}, ξ = {frequency}");
            }
        }
    }

    #[test]
    fn finer_tolerances_take_wider_windows_and_the_impossible_is_refused() {
        let width = |tolerance| choose([1, 256, 256], 32_768, tolerance).unwrap().width;
        let widths = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6].map(width);
        for tolerance in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6] {
            for (matrix, samples) in [([1, 256, 256], 32_768), ([128; 3], 1_000_000), ([1, 37, 53], 100)] {
                let choice = choose(matrix, samples, tolerance).unwrap();
                let fine = [0, 1, 2].map(|axis: usize| choice.axes[axis].fine);
                println!("{matrix:?} {tolerance:e}: width {}, grid {fine:?}, {:.1e}", choice.width, choice.error);
            }
        }
        assert!(widths.is_sorted(), "{widths:?}");
        let error = choose([1, 256, 256], 1, 1e-9).unwrap_err().to_string();
        assert!(error.contains("1e-9") && error.contains("single precision"), "{error}");
    }

    #[test]
    fn lengths_are_smooth() {
        assert_eq!([1, 11, 17, 230, 319, 320].map(smooth), [1, 12, 20, 240, 320, 320]);
    }
}
