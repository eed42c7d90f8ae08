//! Real and complex numbers by one name, and sums over rows of them, so that decompositions are written once.

use num_complex::Complex64;

/// A real or complex number.
pub(super) trait Number: Copy + Send + Sync + 'static {
    const ZERO: Self;
    fn of(real: f64) -> Self;
    fn re(self) -> f64;
    fn conj(self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn scaled(self, factor: f64) -> Self;
    fn norm_sqr(self) -> f64;
}

impl Number for f64 {
    const ZERO: Self = 0.0;
    #[inline(always)]
    fn of(real: f64) -> Self {
        real
    }
    #[inline(always)]
    fn re(self) -> f64 {
        self
    }
    #[inline(always)]
    fn conj(self) -> Self {
        self
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self * other
    }
    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        self * factor
    }
    #[inline(always)]
    fn norm_sqr(self) -> f64 {
        self * self
    }
}

impl Number for Complex64 {
    const ZERO: Self = Complex64::ZERO;
    #[inline(always)]
    fn of(real: f64) -> Self {
        Complex64::new(real, 0.0)
    }
    #[inline(always)]
    fn re(self) -> f64 {
        self.re
    }
    #[inline(always)]
    fn conj(self) -> Self {
        Complex64::conj(&self)
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self * other
    }
    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        self * factor
    }
    #[inline(always)]
    fn norm_sqr(self) -> f64 {
        Complex64::norm_sqr(&self)
    }
}

/// Σ conj(a)·b, in as many partial sums as a register has lanes.
#[inline(always)]
pub(super) fn dot<T: Number>(a: &[T], b: &[T]) -> T {
    const PARTS: usize = 8;
    let mut sums = [T::ZERO; PARTS];
    let (a, a_rest) = a.as_chunks::<PARTS>();
    let (b, b_rest) = b.as_chunks::<PARTS>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..PARTS {
            sums[lane] = sums[lane].plus(a[lane].conj().times(b[lane]));
        }
    }
    let rest = a_rest.iter().zip(b_rest).fold(T::ZERO, |sum, (a, b)| sum.plus(a.conj().times(*b)));
    sums.iter().fold(rest, |sum, part| sum.plus(*part))
}

/// y ← y + factor·x.
#[inline(always)]
pub(super) fn add<T: Number>(factor: T, x: &[T], y: &mut [T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = y.plus(factor.times(*x));
    }
}
