//! Means over an interval of a function that is smooth between known break points, at which it may end like a square
//! root: Gauss–Legendre, with x = −cos πs near break points (M. Abramowitz, I. A. Stegun, 25.4.29 and 25.4.36).

use std::{f64::consts::PI, sync::LazyLock};

/// Positions in −1…1 and weights whose sum is 1.
type Rule = Vec<(f64, f64)>;

/// This many interval widths away from break points, the few points of `SMOOTH` err by 1e-10.
const CLEARANCE: f64 = 2.0;

static SMOOTH: LazyLock<Rule> = LazyLock::new(|| gauss_legendre(5));

/// Under x = −cos πs, √(1 ± x) becomes a smooth function of s, and so does what ends like a square root. The worst case
/// is a root that ends some 3e-5 of the interval beyond it: the mean of √((x + g)(1 + g − x)) is then 4e-8 wrong.
static ENDS: LazyLock<Rule> = LazyLock::new(|| {
    let substitute = |(position, weight): (f64, f64)| {
        let angle = PI * (position + 1.0) / 2.0;
        (-angle.cos(), weight * angle.sin() * PI / 2.0)
    };
    gauss_legendre(24).into_iter().map(substitute).collect()
});

/// The roots of the Legendre polynomial of degree `count` by Newton's method, and their weights.
fn gauss_legendre(count: usize) -> Rule {
    let degree = count as f64;
    let root = |index: usize| {
        let mut x = (PI * (index as f64 + 0.75) / (degree + 0.5)).cos();
        let mut slope = 0.0;
        for _ in 0..100 {
            let (mut before, mut value) = (1.0, x);
            for k in 2..=count {
                let k = k as f64;
                (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
            }
            slope = degree * (x * value - before) / (x * x - 1.0);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        (x, 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(root).collect()
}

fn apply(rule: &Rule, from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (middle, half) = ((from + to) / 2.0, (to - from) / 2.0);
    rule.iter().map(|(position, weight)| weight * f(middle + half * position)).sum()
}

/// The mean of `f` between `from` and `to`; `breaks`, ascending, are where `f` is not smooth.
pub fn mean(from: f64, to: f64, breaks: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let width = to - from;
    let after = |x: f64| breaks.partition_point(|b| *b <= x);
    if after(from - CLEARANCE * width) == after(to + CLEARANCE * width) {
        return apply(&SMOOTH, from, to, f);
    }
    let inside = breaks[after(from)..].iter().copied().take_while(|b| *b < to);
    let mut start = from;
    let mut sum = 0.0;
    for end in inside.chain([to]) {
        if end > start {
            sum += (end - start) * apply(&ENDS, start, end, &f);
        }
        start = end;
    }
    sum / width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_integrated_exactly() {
        // 20 points are exact up to degree 39.
        let rule = gauss_legendre(20);
        for degree in [0, 2, 10, 38] {
            let sum: f64 = rule.iter().map(|(x, w)| w * x.powi(degree)).sum();
            assert!((sum - 1.0 / f64::from(degree + 1)).abs() < 1e-14, "{degree}: {sum}");
        }
    }

    #[test]
    fn half_a_circle_has_its_area_however_it_is_cut() {
        let circle = |x: f64| (1.0 - x * x).max(0.0).sqrt();
        let area = |x: f64| (x * (1.0 - x * x).sqrt() + x.asin()) / 2.0;
        for (from, to) in [(-1.0, 1.0), (-1.0, -0.9), (-0.99997, 0.99997), (0.5, 0.9999), (-0.01, 0.01), (0.2, 0.5)] {
            let found = mean(from, to, &[-1.0, 1.0], circle) * (to - from);
            let exact: f64 = area(to) - area(from);
            assert!((found - exact).abs() < 5e-8 * exact, "{from}..{to}: {found} {exact}");
        }
        assert!((mean(-3.0, 1.5, &[-1.0, 1.0], circle) * 4.5 - PI / 2.0).abs() < 1e-12);
    }
}
