//! As many transforms at once as a register has lanes, in a buffer `[length, re | im, lanes]`.

use std::sync::Arc;

use rustfft::{Fft, FftPlanner, num_complex::Complex32};

use crate::device::Simd;

/// The plan of one length.
pub(crate) struct Columns {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
}

/// Buffer and scratch of one thread.
pub(crate) struct Work {
    /// `[length, re | im, lanes]`.
    pub buffer: Vec<f32>,
    scratch: Vec<Complex32>,
}

impl Columns {
    pub fn new(length: usize, _simd: Simd) -> Self {
        let mut planner = FftPlanner::new();
        Self { forward: planner.plan_fft_forward(length), inverse: planner.plan_fft_inverse(length) }
    }

    pub fn length(&self) -> usize {
        self.forward.len()
    }

    /// Transforms in one buffer.
    pub fn lanes(&self) -> usize {
        16
    }

    pub fn work(&self) -> Work {
        Work {
            buffer: vec![0.0; self.length() * 2 * self.lanes()],
            scratch: vec![Complex32::ZERO; self.length() + self.forward.get_inplace_scratch_len()],
        }
    }

    /// In place, by e^(−2πi …) or its inverse, without a scale.
    pub fn transform(&self, inverse: bool, work: &mut Work) {
        let plan = if inverse { &self.inverse } else { &self.forward };
        let (line, scratch) = work.scratch.split_at_mut(self.length());
        let lanes = self.lanes();
        for lane in 0..lanes {
            for (number, row) in line.iter_mut().zip(work.buffer.chunks_exact(2 * lanes)) {
                *number = Complex32::new(row[lane], row[lanes + lane]);
            }
            plan.process_with_scratch(line, scratch);
            for (number, row) in line.iter().zip(work.buffer.chunks_exact_mut(2 * lanes)) {
                (row[lane], row[lanes + lane]) = (number.re, number.im);
            }
        }
    }
}
