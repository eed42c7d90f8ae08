//! What a transform in lanes consists of: passes of butterflies, products with a table, transposition.

use std::f64::consts::TAU;

use super::butterfly::butterfly;
use crate::kernels::lanes::{Lanes, Loop};

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
    pub(super) fn exchanged(self, exchange: bool) -> Self {
        if exchange { Self { re: self.im, im: self.re, ..self } } else { self }
    }
}

#[derive(Debug)]
pub(super) struct Pass {
    pub radix: usize,
    /// Product of the radices before.
    pub span: usize,
    /// e^(−2πi rk/(radix·span)), `[k, r − 1]`, as pairs.
    pub twiddles: Vec<f32>,
}

/// The passes of these radices.
pub(super) fn passes(radices: &[usize]) -> Vec<Pass> {
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
pub(super) struct Butterflies<'a> {
    pub pass: &'a Pass,
    pub from: Rows,
    pub into: Rows,
    pub scale: f32,
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
pub(super) struct Multiply<'a> {
    pub from: Rows,
    pub into: Rows,
    pub table: &'a [f32],
    pub scale: f32,
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
pub(super) struct Transpose {
    /// Rows and columns of `from`.
    pub extents: [usize; 2],
    pub from: *const f32,
    pub from_step: usize,
    pub into: *mut f32,
    pub into_step: usize,
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
