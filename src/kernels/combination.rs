//! Sums of a few lines, each times a number: what short filters come to on the CPU.

use super::lanes::{Lanes, Loop, run};
use crate::device::Simd;

struct Combine<'a, const K: usize> {
    factors: [f32; K],
    lines: [&'a [f32]; K],
    sum: &'a mut [f32],
}

impl<const K: usize> Loop for Combine<'_, K> {
    type Output = ();

    // Plain numbers: the compiler makes vectors of them, of the level that its caller allows.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { factors, lines, sum } = self;
        let lines = lines.map(|line| &line[..sum.len()]);
        for (index, sum) in sum.iter_mut().enumerate() {
            let mut total = factors[0] * lines[0][index];
            for k in 1..K {
                total += factors[k] * lines[k][index];
            }
            *sum = total;
        }
    }
}

/// sum ← Σₖ factorₖ · lineₖ, over the length of `sum`.
///
/// # Panics
/// If a line is shorter than the sum.
#[inline]
pub(crate) fn combine<const K: usize>(simd: Simd, factors: [f32; K], lines: [&[f32]; K], sum: &mut [f32]) {
    run(simd, Combine { factors, lines, sum });
}

struct Accumulate<'a> {
    factor: f32,
    line: &'a [f32],
    sum: &'a mut [f32],
}

impl Loop for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { factor, line, sum } = self;
        sum.iter_mut().zip(line).for_each(|(sum, x)| *sum += factor * x);
    }
}

/// sum ← sum + factor · line, over the length of the shorter.
#[inline]
pub(crate) fn accumulate(simd: Simd, factor: f32, line: &[f32], sum: &mut [f32]) {
    run(simd, Accumulate { factor, line, sum });
}

struct Soften<'a> {
    threshold: f32,
    parts: &'a mut [f32],
    stride: usize,
    norms: &'a mut [f32],
}

impl Loop for Soften<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { threshold, parts, stride, norms } = self;
        norms.fill(0.0);
        for part in parts.chunks(stride) {
            norms.iter_mut().zip(part).for_each(|(norm, value)| *norm += value * value);
        }
        norms.iter_mut().for_each(|norm| *norm = 1.0 - threshold / norm.sqrt().max(threshold));
        for part in parts.chunks_mut(stride) {
            part.iter_mut().zip(&*norms).for_each(|(value, factor)| *value *= factor);
        }
    }
}

/// Shortens groups by `threshold`, above 0, and those below it to nothing. A group's numbers are `stride` apart; there are as
/// many groups as `norms`, which is scratch.
#[inline]
pub(crate) fn soften(simd: Simd, threshold: f32, parts: &mut [f32], stride: usize, norms: &mut [f32]) {
    run(simd, Soften { threshold, parts, stride, norms });
}
