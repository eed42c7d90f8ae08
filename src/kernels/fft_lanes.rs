//! Fourier transforms on the CPU, a register of them at once: lane l of every register belongs to transform l, so that
//! no number ever changes its lane. Stockham's passes (see `fft_pass`) run between buffers in cache; the inverse
//! transform is the forward one with real and imaginary parts exchanged.

mod butterfly;
mod loops;

use super::{
    fft_plan::{Bluestein, radices},
    lanes,
};
use crate::device::Simd;

pub(crate) use loops::Rows;
use loops::{Butterflies, Multiply, Pass, Transpose, passes};

/// Lanes of the widest registers.
const WIDEST: usize = 16;

/// Floats between two working buffers: their numbers of the same index shall not meet in the same set of the cache.
const GAP: usize = 512 + 32;

/// The plan of one length.
#[derive(Debug)]
pub(crate) struct FftLanes {
    length: usize,
    simd: Simd,
    /// Of the transform itself, or of Bluestein's convolution.
    passes: Vec<Pass>,
    chirped: Option<Bluestein>,
}

impl FftLanes {
    pub fn new(length: usize, simd: Simd) -> Self {
        let simd = if simd == Simd::Neon { Simd::Scalar } else { simd };
        match radices(length) {
            Some(radices) => Self { length, simd, passes: passes(&radices), chirped: None },
            None => {
                let chirped = Bluestein::new(length);
                let passes = passes(&radices(chirped.length).expect("Bluestein's length has small factors"));
                Self { length, simd, passes, chirped: Some(chirped) }
            }
        }
    }

    /// Transforms that run at once.
    pub fn lanes(&self) -> usize {
        match self.simd {
            Simd::Avx512 => 16,
            Simd::Avx2 => 8,
            _ => 1,
        }
    }

    fn buffer(&self) -> usize {
        2 * WIDEST * self.chirped.as_ref().map_or(self.length, |chirped| chirped.length) + GAP
    }

    /// Floats of working memory that the functions below need: three buffers, and room to align them.
    pub fn work_len(&self) -> usize {
        3 * self.buffer() + WIDEST
    }

    /// Three buffers: the first is the transform's stage, the others are for its passes.
    fn buffers(&self, work: &mut [f32]) -> [*mut f32; 3] {
        assert!(work.len() >= self.work_len(), "working memory of {} floats", work.len());
        let aligned = work.as_ptr().align_offset(64).min(WIDEST);
        let first = work[aligned..].as_mut_ptr();
        [0, 1, 2].map(|index| first.wrapping_add(index * self.buffer()))
    }

    fn in_buffer(&self, buffer: *mut f32, turn: usize) -> Rows {
        Rows { re: buffer, im: buffer.wrapping_add(self.lanes()), step: 2 * self.lanes(), turn, length: self.length }
    }

    /// Transforms `count` neighbouring columns, at most [`Self::lanes`], by e^(−2πi …), or its inverse. `from` and `into`
    /// may be the same.
    ///
    /// # Safety
    /// The numbers of `from` and `into` must be there for this thread alone.
    pub unsafe fn columns(
        &self,
        inverse: bool,
        (from, into): (Rows, Rows),
        count: usize,
        scale: f32,
        work: &mut [f32],
    ) {
        let buffers = self.buffers(work);
        let lanes = self.lanes();
        // SAFETY: the caller's, and buffers as large as asked for.
        unsafe {
            if count == lanes {
                return self.run(inverse, (from, into), [buffers[1], buffers[2]], scale);
            }
            let (stage, from_step, into_step) = (self.in_buffer(buffers[0], from.turn), from.step, into.step);
            for j in 0..self.length {
                for (from, stage) in [(from.re, stage.re), (from.im, stage.im)] {
                    let row = stage.add(j * 2 * lanes);
                    row.copy_from_nonoverlapping(from.add(j * from_step), count);
                    row.add(count).write_bytes(0, lanes - count);
                }
            }
            self.run(inverse, (stage, stage), [buffers[1], buffers[2]], scale);
            for j in 0..self.length {
                for (into, stage) in [(into.re, stage.re), (into.im, stage.im)] {
                    into.add(j * into_step).copy_from_nonoverlapping(stage.add(j * 2 * lanes), count);
                }
            }
        }
    }

    /// Transforms `count` neighbouring lines, at most [`Self::lanes`]. A line is `length` real parts, then as many
    /// imaginary ones; `turn` is the index of the number that counts as the 0th. `from` and `into` may be the same.
    ///
    /// # Safety
    /// As for [`Self::columns`].
    pub unsafe fn lines(
        &self,
        inverse: bool,
        (from, into): (*const f32, *mut f32),
        (count, turn): (usize, usize),
        scale: f32,
        work: &mut [f32],
    ) {
        let buffers = self.buffers(work);
        let stage = self.in_buffer(buffers[0], turn);
        let (line, step) = (2 * self.length, stage.step);
        // SAFETY: the caller's, and buffers as large as asked for.
        unsafe {
            if count < self.lanes() {
                stage.re.write_bytes(0, self.length * step);
            }
            for (part, stage) in [(0, stage.re), (self.length, stage.im)] {
                let extents = [count, self.length];
                let from = from.add(part);
                lanes::run(self.simd, Transpose { extents, from, from_step: line, into: stage, into_step: step });
            }
            self.run(inverse, (stage, stage), [buffers[1], buffers[2]], scale);
            for (part, stage) in [(0, stage.re), (self.length, stage.im)] {
                let extents = [self.length, count];
                let into = into.add(part);
                lanes::run(self.simd, Transpose { extents, from: stage, from_step: step, into, into_step: line });
            }
        }
    }

    fn run(&self, inverse: bool, (from, into): (Rows, Rows), buffers: [*mut f32; 2], scale: f32) {
        let (from, into) = (from.exchanged(inverse), into.exchanged(inverse));
        let [a, b] = buffers.map(|buffer| self.in_buffer(buffer, 0));
        let Some(Bluestein { length, chirp, response }) = &self.chirped else {
            let last = self.passes.len() - 1;
            for (index, pass) in self.passes.iter().enumerate() {
                let (source, target) = if index % 2 == 0 { (b, a) } else { (a, b) };
                let source = if index == 0 { from } else { source };
                let (target, scale) = if index == last { (into, scale) } else { (target, 1.0) };
                lanes::run(self.simd, Butterflies { pass, from: source, into: target, scale });
            }
            return;
        };
        let [a, b] = [a, b].map(|rows| Rows { length: *length, ..rows });
        let multiply = |from, into, table: &[f32], scale| lanes::run(self.simd, Multiply { from, into, table, scale });
        multiply(from, a, chirp, 1.0);
        let (a, b) = self.convolve_half(a, b);
        multiply(a, a, response, 1.0);
        let (a, _) = self.convolve_half(a.exchanged(true), b.exchanged(true));
        multiply(a.exchanged(true), into, chirp, scale);
    }

    /// A plain transform of what `a` holds, between `a` and `b`; first of the result is where it ends.
    fn convolve_half(&self, mut a: Rows, mut b: Rows) -> (Rows, Rows) {
        for pass in &self.passes {
            lanes::run(self.simd, Butterflies { pass, from: a, into: b, scale: 1.0 });
            (a, b) = (b, a);
        }
        (a, b)
    }
}
