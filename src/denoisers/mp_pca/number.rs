//! Real and complex numbers by one name, and sums over rows of them, so that decompositions are written once.

use std::ops::Mul;

use num_complex::{Complex64, ComplexFloat};

/// A real or complex number.
pub(super) trait Number:
    ComplexFloat<Real = f64> + From<f64> + Mul<f64, Output = Self> + Send + Sync + 'static
{
    /// A real one.
    #[inline(always)]
    fn of(real: f64) -> Self {
        <Self as From<f64>>::from(real)
    }

    /// |x|².
    #[inline(always)]
    fn norm_sqr(self) -> f64 {
        self.re() * self.re() + self.im() * self.im()
    }
}

impl Number for f64 {}
impl Number for Complex64 {}

/// Σ conj(a)·b, in as many partial sums as a register has lanes.
#[inline(always)]
pub(super) fn dot<T: Number>(a: &[T], b: &[T]) -> T {
    const PARTS: usize = 8;
    let mut sums = [T::zero(); PARTS];
    let (a, a_rest) = a.as_chunks::<PARTS>();
    let (b, b_rest) = b.as_chunks::<PARTS>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..PARTS {
            sums[lane] = sums[lane] + a[lane].conj() * b[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).fold(T::zero(), |sum, (a, b)| sum + a.conj() * *b);
    sums.iter().fold(rest, |sum, part| sum + *part)
}

/// y ← y + factor·x.
#[inline(always)]
pub(super) fn add<T: Number>(factor: T, x: &[T], y: &mut [T]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = *y + factor * *x;
    }
}
