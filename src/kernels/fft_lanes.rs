//! Fourier transforms on the CPU, a register of them at once: lane l of every register belongs to transform l, so that
//! no number ever changes its lane. Stockham's passes (see `fft_pass`) run between buffers in cache; the inverse
//! transform is the forward one with real and imaginary parts exchanged.

mod butterfly;

use std::f64::consts::TAU;

use super::{
    fft_plan::{Bluestein, radices},
    lanes::{self, Lanes, Loop},
};
use crate::device::Simd;

use butterfly::butterfly;

/// Lanes of the widest registers.
const WIDEST: usize = 16;

/// Floats between two working buffers: their numbers of the same index shall not meet in the same set of the cache.
const GAP: usize = 512 + 32;

/// Where the numbers of N neighbouring transforms stand: number j, N real parts side by side, at `re` +
/// `step`·((j + turn) mod length).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub re: *mut f32,
    pub im: *mut f32,
    pub step: usize,
    /// Less than the length.
    pub turn: usize,
    pub length: usize,
}

impl Rows {
    #[inline(always)]
    fn at(&self, j: usize) -> (*mut f32, *mut f32) {
        let turned = j + self.turn;
        let place = self.step * if turned < self.length { turned } else { turned - self.length };
        (self.re.wrapping_add(place), self.im.wrapping_add(place))
    }

    /// The same with real and imaginary parts exchanged.
    fn exchanged(self, exchange: bool) -> Self {
        if exchange { Self { re: self.im, im: self.re, ..self } } else { self }
    }
}

/// The plan of one length.
#[derive(Debug)]
pub(crate) struct FftLanes {
    length: usize,
    simd: Simd,
    /// Of the transform itself, or of Bluestein's convolution.
    passes: Vec<Pass>,
    chirped: Option<Bluestein>,
}

#[derive(Debug)]
struct Pass {
    radix: usize,
    /// Product of the radices before.
    span: usize,
    /// e^(−2πi rk/(radix·span)), `[k, r − 1]`, as pairs.
    twiddles: Vec<f32>,
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

fn passes(radices: &[usize]) -> Vec<Pass> {
    let mut span = 1;
    let pass = |&radix: &usize| {
        let root = |k: usize, r: usize| {
            let (sin, cos) = (-TAU * (r * k) as f64 / (radix * span) as f64).sin_cos();
            [cos as f32, sin as f32]
        };
        let twiddles = (0..span).flat_map(|k| (1..radix).flat_map(move |r| root(k, r))).collect();
        let pass = Pass { radix, span, twiddles };
        span *= radix;
        pass
    };
    radices.iter().map(pass).collect()
}

/// One pass: from\[i + r·length/radix\] to into\[(i − k)·radix + k + q·span\], k = i mod span.
struct Butterflies<'a> {
    pass: &'a Pass,
    from: Rows,
    into: Rows,
    scale: f32,
}

impl Loop for Butterflies<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's.
        unsafe {
            match self.pass.radix {
                2 => self.all::<L, 2>(),
                3 => self.all::<L, 3>(),
                4 => self.all::<L, 4>(),
                5 => self.all::<L, 5>(),
                7 => self.all::<L, 7>(),
                8 => self.all::<L, 8>(),
                11 => self.all::<L, 11>(),
                13 => self.all::<L, 13>(),
                radix => unreachable!("radix {radix}"),
            }
        }
    }
}

impl Butterflies<'_> {
    #[inline(always)]
    unsafe fn all<L: Lanes, const R: usize>(&self) {
        let span = self.pass.span;
        for group in 0..self.from.length / (R * span) {
            // SAFETY: the caller's.
            unsafe {
                self.one::<L, R, false>(group * span, 0);
                for k in 1..span {
                    self.one::<L, R, true>(group * span, k);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn one<L: Lanes, const R: usize, const TURNED: bool>(&self, first: usize, k: usize) {
        // SAFETY: the caller's; indices are below the length.
        unsafe {
            let Self { pass: Pass { span, twiddles, .. }, from, into, scale } = self;
            let apart = from.length / R;
            let (mut re, mut im) = ([L::splat(0.0); R], [L::splat(0.0); R]);
            for r in 0..R {
                let (x_re, x_im) = from.at(first + k + r * apart);
                (re[r], im[r]) = (L::load(x_re), L::load(x_im));
            }
            if TURNED {
                let twiddles = twiddles.as_ptr().add(2 * (R - 1) * k);
                for r in 1..R {
                    (re[r], im[r]) = turned(re[r], im[r], twiddles.add(2 * (r - 1)));
                }
            }
            butterfly((&mut re, &mut im));
            if *scale != 1.0 {
                let scale = L::splat(*scale);
                for r in 0..R {
                    (re[r], im[r]) = (re[r].mul(scale), im[r].mul(scale));
                }
            }
            for q in 0..R {
                let (y_re, y_im) = into.at(first * R + k + q * span);
                re[q].store(y_re);
                im[q].store(y_im);
            }
        }
    }
}

/// Times the complex number at `factor`.
#[inline(always)]
unsafe fn turned<L: Lanes>(re: L, im: L, factor: *const f32) -> (L, L) {
    // SAFETY: the caller's.
    unsafe {
        let (cos, sin) = (L::splat(*factor), L::splat(*factor.add(1)));
        (im.neg_mul_add(sin, re.mul(cos)), im.mul_add(cos, re.mul(sin)))
    }
}

/// into\[j\] = scale · table\[j\] · from\[j\], 0 behind the table's end.
struct Multiply<'a> {
    from: Rows,
    into: Rows,
    table: &'a [f32],
    scale: f32,
}

impl Loop for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller's; indices are below the lengths.
        unsafe {
            let scale = L::splat(self.scale);
            for (j, factor) in self.table.chunks_exact(2).enumerate() {
                let ((x_re, x_im), (y_re, y_im)) = (self.from.at(j), self.into.at(j));
                let (re, im) = turned(L::load(x_re), L::load(x_im), factor.as_ptr());
                re.mul(scale).store(y_re);
                im.mul(scale).store(y_im);
            }
            for j in self.table.len() / 2..self.into.length {
                let (re, im) = self.into.at(j);
                L::splat(0.0).store(re);
                L::splat(0.0).store(im);
            }
        }
    }
}

/// into\[column, row\] = from\[row, column\], in tiles that fit the registers.
struct Transpose {
    /// Rows and columns of `from`.
    extents: [usize; 2],
    from: *const f32,
    from_step: usize,
    into: *mut f32,
    into_step: usize,
}

impl Loop for Transpose {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { extents, from, from_step, into, into_step } = self;
        let [tiled_rows, tiled_columns] = extents.map(|extent| extent / L::N * L::N);
        // SAFETY: the caller's.
        unsafe {
            for row in (0..tiled_rows).step_by(L::N) {
                for column in (0..tiled_columns).step_by(L::N) {
                    let (from, into) = (from.add(row * from_step + column), into.add(column * into_step + row));
                    L::transpose(from, from_step, into, into_step);
                }
            }
            for row in 0..extents[0] {
                for column in if row < tiled_rows { tiled_columns } else { 0 }..extents[1] {
                    *into.add(column * into_step + row) = *from.add(row * from_step + column);
                }
            }
        }
    }
}
