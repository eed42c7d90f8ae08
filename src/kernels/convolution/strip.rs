//! A line of one or two blocks of output channels, over lanes: register blocking.

use crate::kernels::{
    channel_blocks::BLOCK,
    lanes::{Lanes, Loop},
};

/// The line. Pointers are to the first number that its first pixel needs.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    /// Input maps, at the first tap of the first pixel.
    pub maps: *const f32,
    pub in_line: usize,
    pub in_map: usize,
    /// Input channels.
    pub channels: usize,
    pub weights: *const f32,
    /// From one block's weights to the next.
    pub weights_line: usize,
    pub out: *mut f32,
    /// From one output block to the next.
    pub out_map: usize,
    /// Output blocks: 1 or 2.
    pub blocks: usize,
    /// Pixels.
    pub width: usize,
    pub accumulate: bool,
    pub rectify: bool,
    /// Lines and columns of taps.
    pub taps: [usize; 2],
    /// Columns of the output from one pixel to the next.
    pub columns: usize,
}

/// A strip whose pixels are two input columns apart.
pub(super) struct Halved(pub Strip);

impl Loop for Strip {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { self.line::<L, 1>() }
    }
}

impl Loop for Halved {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe { self.0.line::<L, 2>() }
    }
}

impl Strip {
    /// `STEP`: input columns from one pixel to the next.
    #[inline(always)]
    unsafe fn line<L: Lanes, const STEP: usize>(&self) {
        // Registers hold P pixels × R vectors of sums; beside them R of weights and one of inputs: AVX-512 has 32, AVX2 16.
        // SAFETY: the caller's.
        unsafe {
            match (L::N, self.blocks) {
                (16, 2) => self.pixels::<L, 2, 12, STEP>(0),
                (16, _) => self.pixels::<L, 1, 12, STEP>(0),
                (8, blocks) => (0..blocks).for_each(|block| self.pixels::<L, 2, 6, STEP>(block)),
                (_, blocks) => (0..blocks).for_each(|block| self.plain::<STEP>(block)),
            }
        }
    }

    /// All pixels, P at a time, then the rest.
    #[inline(always)]
    unsafe fn pixels<L: Lanes, const R: usize, const P: usize, const STEP: usize>(&self, block: usize) {
        let mut x = 0;
        // SAFETY: the caller's.
        unsafe {
            while x + P <= self.width {
                self.sums::<L, R, P, STEP>(block, x);
                x += P;
            }
            if P > 8 && x + 8 <= self.width {
                self.sums::<L, R, 8, STEP>(block, x);
                x += 8;
            }
            if x + 4 <= self.width {
                self.sums::<L, R, 4, STEP>(block, x);
                x += 4;
            }
            while x < self.width {
                self.sums::<L, R, 1, STEP>(block, x);
                x += 1;
            }
        }
    }

    /// P pixels from `x` on, R vectors of channels from `block` on.
    #[allow(clippy::needless_range_loop, reason = "registers are told apart by known indices")]
    #[inline(always)]
    unsafe fn sums<L: Lanes, const R: usize, const P: usize, const STEP: usize>(&self, block: usize, x: usize) {
        // SAFETY: the caller's.
        unsafe {
            // Vector r holds channels of block r·N / 16, from r·N mod 16 on.
            let weights =
                |r: usize| self.weights.add((block + r * L::N / BLOCK) * self.weights_line + r * L::N % BLOCK);
            let mut weights: [*const f32; R] = std::array::from_fn(weights);
            let mut sums = [[L::splat(0.0); P]; R];
            for first in (0..self.channels).step_by(BLOCK) {
                let map = self.maps.add(first / BLOCK * self.in_map + x * STEP * BLOCK);
                let channels = BLOCK.min(self.channels - first);
                for tap_y in 0..self.taps[0] {
                    for tap_x in 0..self.taps[1] {
                        let inputs = map.add(tap_y * self.in_line + tap_x * BLOCK);
                        for channel in 0..channels {
                            let mut own = [L::splat(0.0); R];
                            for r in 0..R {
                                own[r] = L::load(weights[r].add(channel * BLOCK));
                            }
                            for p in 0..P {
                                let input = L::splat(*inputs.add(channel + p * STEP * BLOCK));
                                for r in 0..R {
                                    sums[r][p] = input.mul_add(own[r], sums[r][p]);
                                }
                            }
                        }
                        for weights in &mut weights {
                            *weights = weights.add(channels * BLOCK);
                        }
                    }
                }
            }
            // In memory from here on: the array that the loop below indexes must be another, or every sum would be stored at every
            // step above.
            let sums = std::hint::black_box(sums);
            for r in 0..R {
                let out = self.out.add((block + r * L::N / BLOCK) * self.out_map + r * L::N % BLOCK);
                for p in 0..P {
                    let out = out.add((x + p) * self.columns * BLOCK);
                    let mut sum = sums[r][p];
                    if self.accumulate {
                        sum = sum.add(L::load(out));
                    }
                    if self.rectify {
                        sum = sum.max(L::splat(0.0));
                    }
                    sum.store(out);
                }
            }
        }
    }

    /// Pixel by pixel: loops over arrays of known length, which become what vector code the processor has without being asked.
    #[inline(always)]
    unsafe fn plain<const STEP: usize>(&self, block: usize) {
        for x in 0..self.width {
            let mut sums = [0.0_f32; BLOCK];
            // SAFETY: the caller's.
            unsafe {
                let mut weights = self.weights.add(block * self.weights_line).cast::<[f32; BLOCK]>();
                for first in (0..self.channels).step_by(BLOCK) {
                    let map = self.maps.add(first / BLOCK * self.in_map + x * STEP * BLOCK);
                    let channels = BLOCK.min(self.channels - first);
                    for tap in 0..self.taps[0] * self.taps[1] {
                        let [tap_y, tap_x] = [tap / self.taps[1], tap % self.taps[1]];
                        let inputs = map.add(tap_y * self.in_line + tap_x * BLOCK);
                        for channel in 0..channels {
                            let input = *inputs.add(channel);
                            for (sum, weight) in sums.iter_mut().zip(&*weights) {
                                *sum += input * weight;
                            }
                            weights = weights.add(1);
                        }
                    }
                }
                let out = self.out.add(block * self.out_map + x * self.columns * BLOCK);
                let out = std::slice::from_raw_parts_mut(out, BLOCK);
                for (out, mut sum) in out.iter_mut().zip(sums) {
                    if self.accumulate {
                        sum += *out;
                    }
                    *out = if self.rectify { sum.max(0.0) } else { sum };
                }
            }
        }
    }
}
