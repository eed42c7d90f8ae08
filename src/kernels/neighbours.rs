//! The gradient of a smooth penalty on the differences between each pixel and its eight neighbours in the slice:
//! g ← keep·g + strength·∇R(x), R(x) = Σ over pairs of w·ρ(Δ).
//!
//! | | ρ(Δ) | ω(Δ) = ρ′(Δ)/Δ |
//! |---|---|---|
//! | q-GGMRF with p = 2 (Thibault et al. 2007, halved) | ½Δ² / (1 + t), t = abs(Δ/c)^(2−q) | (1 + t·q/2) / (1 + t)² |
//! | Huber 1964 | ½Δ² to c, then linear | min(1, c/abs(Δ)) |
//!
//! Both have ω ≤ 1. Weights fall with distance, w = 1 and 1/√2, and those of a pixel add up to one.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd};

/// Weight of a neighbour beside: 1 / (4 + 4/√2).
const BESIDE: f32 = 0.146_446_61;
/// Weight of a neighbour across the corner.
const CORNER: f32 = 0.103_553_39;

/// Inputs, f32: the slab of the image `[lines, nx]`, the slab that ends before it, the one that begins after it (any, where
/// there is none). Output, in place: a slab of the gradient, like that of the image. Line = z·ny + y.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Neighbours {
    /// Columns.
    pub nx: u32,
    /// Lines of a slice.
    pub ny: u32,
    /// First line of the slab.
    pub first: u32,
    /// Lines of the slab.
    pub lines: u32,
    /// Lines of the slab before.
    pub before: u32,
    /// 1: Huber; 0: q-GGMRF.
    pub huber: u32,
    /// Factor of what is there.
    pub keep: f32,
    /// Factor of the penalty's gradient.
    pub strength: f32,
    /// Where edges begin: c.
    pub edge: f32,
    /// Power of large differences: q, 1 ≤ q < 2.
    pub q: f32,
}

/// log₂ of x ≥ 0 to 2e-7, and at most −126 for 0: exponent and atanh series, in plain operations that become vectors.
#[inline(always)]
fn log2(x: f32) -> f32 {
    const HALF_OCTAVE: u32 = 0x3f35_04f3;
    let shifted = x.to_bits().wrapping_sub(HALF_OCTAVE) as i32 >> 23;
    let mantissa = f32::from_bits(x.to_bits().wrapping_sub((shifted << 23) as u32));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = 1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0 + square * (1.0 / 9.0))));
    shifted as f32 + 2.0 * std::f32::consts::LOG2_E * s * series
}

/// 2^x to 3e-7, for −126 ≤ x ≤ 126 and the ends beyond.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    let x = x.clamp(-126.0, 126.0);
    // Rounds: adding 1.5·2²³ leaves no room for fractions.
    const ROUND: f32 = 12_582_912.0;
    let whole = (x + ROUND) - ROUND;
    let y = (x - whole) * std::f32::consts::LN_2;
    let series =
        1.0 + y * (1.0 + y * (0.5 + y * (1.0 / 6.0 + y * (1.0 / 24.0 + y * (1.0 / 120.0 + y * (1.0 / 720.0))))));
    series * f32::from_bits(((whole as i32 + 127) << 23) as u32)
}

impl Neighbours {
    /// ω(Δ)·Δ.
    #[inline(always)]
    fn influence(&self, difference: f32) -> f32 {
        if self.huber == 1 {
            return difference.max(-self.edge).min(self.edge);
        }
        let t = exp2((2.0 - self.q) * log2(difference.abs() / self.edge));
        difference * (1.0 + 0.5 * self.q * t) / ((1.0 + t) * (1.0 + t))
    }

    /// Adds what `pixels` get from as many `others`.
    #[inline(always)]
    fn add(&self, pixels: &[f32], others: &[f32], weight: f32, gradient: &mut [f32]) {
        let weight = weight * self.strength;
        for ((gradient, pixel), other) in gradient.iter_mut().zip(pixels).zip(others) {
            *gradient += weight * self.influence(pixel - other);
        }
    }
}

/// One line of the image with those above and below, if there are any, and its line of the gradient.
struct Line<'a> {
    kernel: &'a Neighbours,
    above: Option<&'a [f32]>,
    own: &'a [f32],
    below: Option<&'a [f32]>,
    gradient: &'a mut [f32],
}

impl Loop for Line<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { kernel, above, own, below, gradient } = self;
        let last = own.len() - 1;
        gradient.iter_mut().for_each(|value| *value *= kernel.keep);
        for (line, beside, straight) in [(above, CORNER, BESIDE), (Some(own), BESIDE, 0.0), (below, CORNER, BESIDE)] {
            let Some(line) = line else { continue };
            kernel.add(&own[1..], &line[..last], beside, &mut gradient[1..]);
            kernel.add(&own[..last], &line[1..], beside, &mut gradient[..last]);
            if straight > 0.0 {
                kernel.add(own, line, straight, gradient);
            }
        }
    }
}

impl Kernel for Neighbours {
    const NAME: &'static str = "neighbours";
    const WGSL: &'static str = include_str!("../../shaders/neighbours.wgsl");
    const TOLERANCE: f32 = 1e-5;

    fn workgroups(&self) -> [u32; 3] {
        [self.nx.div_ceil(64), self.lines.min(65_535), self.lines.div_ceil(65_535)]
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [image, before, after] = [0, 1, 2].map(|index| inputs[index].numbers::<f32>());
        let [nx, ny, first, lines] = [self.nx, self.ny, self.first, self.lines].map(|count| count as usize);
        let line = |numbers: &'_ [f32], index: usize| -> std::ops::Range<usize> {
            debug_assert!((index + 1) * nx <= numbers.len());
            index * nx..(index + 1) * nx
        };
        let simd = Simd::detected();
        let gradient = outputs[0].numbers::<f32>()[..lines * nx].par_chunks_exact_mut(nx);
        gradient.enumerate().with_min_len(8).for_each(|(index, gradient)| {
            let y = (first + index) % ny;
            let above = (y > 0).then(|| match index {
                0 => &before[line(before, self.before as usize - 1)],
                _ => &image[line(image, index - 1)],
            });
            let below = (y + 1 < ny).then(|| match index + 1 {
                next if next < lines => &image[line(image, next)],
                _ => &after[line(after, 0)],
            });
            lanes::run(simd, Line { kernel: self, above, own: &image[line(image, index)], below, gradient });
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self {
            nx: 33,
            ny: 10,
            first: 14 + seed as u32,
            lines: 13,
            before: 3,
            huber: seed as u32 % 2,
            keep: 0.5,
            strength: 2.0,
            edge: 0.3,
            q: 1.2,
        };
        let array = |lines, index| HostArray::noise(&[lines, 33], seed + index);
        let inputs = vec![array(13, 0), array(3, 1), array(4, 2)];
        Example { kernel, inputs, outputs: vec![array(13, 3)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_standard_library() {
        for step in 0..4_000 {
            let x = 10_f32.powf(step as f32 / 400.0 - 5.0);
            assert!((log2(x) - x.log2()).abs() < 1e-6 * x.log2().abs().max(0.3), "log2 {x}: {}", log2(x));
            let power = x.log2() * 0.8;
            assert!((exp2(power) / power.exp2() - 1.0).abs() < 1e-6, "exp2 {power}: {}", exp2(power));
        }
        assert!(log2(0.0) <= -126.0 && exp2(-200.0) < 1e-37);
    }

    #[test]
    fn the_influence_is_the_slope_of_the_penalty() {
        let kernel = Neighbours { edge: 0.3, q: 1.2, ..Neighbours::example(0).kernel };
        let quadratic = |x: f64| 0.5 * x * x;
        let penalty = |huber: bool, x: f64| match huber {
            false => quadratic(x) / (1.0 + (x.abs() / 0.3).powf(0.8)),
            true if x.abs() < 0.3 => quadratic(x),
            true => 0.3 * (x.abs() - 0.15),
        };
        for huber in [false, true] {
            let kernel = Neighbours { huber: huber.into(), ..kernel };
            for step in -40..=40 {
                let x = f64::from(step) * 0.05 + 0.013;
                let slope = (penalty(huber, x + 1e-5) - penalty(huber, x - 1e-5)) / 2e-5;
                assert!((f64::from(kernel.influence(x as f32)) - slope).abs() < 1e-5, "huber {huber} at {x}: {slope}");
            }
        }
        assert_eq!(kernel.influence(0.0), 0.0);
    }

    #[test]
    fn weights_of_a_pixel_add_up_to_one() {
        assert!((4.0 * (BESIDE + CORNER) - 1.0).abs() < 1e-7 && (BESIDE / CORNER - 2_f32.sqrt()).abs() < 1e-6);
    }
}
