//! Series of images that are locally of low rank: Σ ‖block‖_*, a block being the matrix [pixel, frame] of side × side pixels of all
//! frames (Trzasko & Manduca 2011). Its proximal map shrinks every block's singular values (Cai, Candès & Shen 2010).
//!
//! Singular vectors come from one-sided Jacobi rotations of the frames (Hestenes 1958), which work on columns as long as a block.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Proximal;
use crate::{
    device::{Array, Device, Simd},
    error::Result,
    kernels::lanes::{self, Lanes, Loop},
    random::Draws,
};

/// Sweeps at most; frames are done when they are orthogonal to this.
const SWEEPS: usize = 12;
const ORTHOGONAL: f32 = 1e-4;

/// Σ ‖block‖_* of complex frames stacked along lines, `[frames·nz·ny, 2, nx]`; blocks lie within a slice.
pub struct LocallyLowRank {
    device: Device,
    frames: usize,
    matrix: [usize; 3],
    side: usize,
    seed: Option<u64>,
    rounds: AtomicUsize,
}

impl LocallyLowRank {
    /// With a `seed`, every proximal map has its grid of blocks at another place, so that no borders stay in the image.
    ///
    /// # Panics
    /// If there are no frames, or blocks of no pixels.
    #[track_caller]
    pub fn new(device: &Device, frames: usize, matrix: [usize; 3], side: usize, seed: Option<u64>) -> Self {
        assert!(frames > 0 && side > 0, "{frames} frames in blocks of {side} × {side} pixels");
        Self { device: device.clone(), frames, matrix, side, seed, rounds: AtomicUsize::new(0) }
    }

    /// Where the first block begins in this round, along y and x.
    fn shift(&self, round: usize) -> [usize; 2] {
        let Some(seed) = self.seed else { return [0, 0] };
        let mut draws = Draws::new(seed, [round, 0, 0]);
        [(); 2].map(|()| (draws.uniform() * self.side as f64) as usize)
    }

    /// Shrinks the blocks' singular values in host memory, with the grid at a shift.
    fn shrink(&self, values: &mut [f32], threshold: f32, shift: [usize; 2]) {
        let [nz, ny, _] = self.matrix;
        let bands: Vec<(usize, Vec<usize>)> =
            (0..nz).flat_map(|z| runs(ny, self.side, shift[0]).into_iter().map(move |rows| (z, rows))).collect();
        let read: &[f32] = values;
        let shrunk: Vec<Vec<f32>> =
            bands.par_iter().map(|(z, rows)| self.band(read, (*z, rows), threshold, shift[1])).collect();
        for ((z, rows), band) in bands.iter().zip(&shrunk) {
            for (line, numbers) in self.lines(*z, rows).zip(band.chunks_exact(2 * self.matrix[2])) {
                values[line * numbers.len()..][..numbers.len()].copy_from_slice(numbers);
            }
        }
    }

    /// The lines of a band of rows, frame by frame.
    fn lines<'a>(&self, z: usize, rows: &'a [usize]) -> impl Iterator<Item = usize> + use<'a> {
        let ([nz, ny, _], frames) = (self.matrix, self.frames);
        (0..frames).flat_map(move |frame| rows.iter().map(move |y| (frame * nz + z) * ny + y))
    }

    /// A band of blocks, shrunk: `[frame, row, 2, nx]`.
    fn band(&self, values: &[f32], (z, rows): (usize, &[usize]), threshold: f32, shift: usize) -> Vec<f32> {
        let nx = self.matrix[2];
        let mut band: Vec<f32> =
            self.lines(z, rows).flat_map(|line| &values[line * 2 * nx..][..2 * nx]).copied().collect();
        for columns in runs(nx, self.side, shift) {
            let pixels = rows.len() * columns.len();
            let place =
                |frame: usize, row: usize, part: usize, x: usize| ((frame * rows.len() + row) * 2 + part) * nx + x;
            let mut block = Block::new(pixels, self.frames);
            for (frame, numbers) in block.values.chunks_exact_mut(2 * pixels).enumerate() {
                for (index, number) in numbers.iter_mut().enumerate() {
                    let (part, pixel) = (index / pixels, index % pixels);
                    let (row, x) = (pixel / columns.len(), columns[pixel % columns.len()]);
                    *number = band[place(frame, row, part, x)];
                }
            }
            block.shrink(threshold);
            for (frame, numbers) in block.values.chunks_exact(2 * pixels).enumerate() {
                for (index, number) in numbers.iter().enumerate() {
                    let (part, pixel) = (index / pixels, index % pixels);
                    let (row, x) = (pixel / columns.len(), columns[pixel % columns.len()]);
                    band[place(frame, row, part, x)] = *number;
                }
            }
        }
        band
    }
}

/// Indices 0..n in runs of `side`, the first of which begins at `shift`, the last going on at 0.
fn runs(n: usize, side: usize, shift: usize) -> Vec<Vec<usize>> {
    let order: Vec<usize> = (0..n).map(|index| (index + shift) % n).collect();
    order.chunks(side).map(<[usize]>::to_vec).collect()
}

impl Proximal for LocallyLowRank {
    /// The blocks are the CPU's, whatever the device.
    fn prox(&self, step: f32, x: &mut Array) -> Result<()> {
        let shift = self.shift(self.rounds.fetch_add(1, Ordering::Relaxed));
        let mut values: Vec<f32> = self.device.download(x)?;
        self.shrink(&mut values, step, shift);
        let shape = x.shape().to_vec();
        *x = self.device.upload(&shape, values)?;
        Ok(())
    }
}

/// A complex matrix by columns, one a frame: the real parts of its pixels, then the imaginary ones.
struct Block {
    pixels: usize,
    frames: usize,
    values: Vec<f32>,
}

impl Block {
    fn new(pixels: usize, frames: usize) -> Self {
        Self { pixels, frames, values: vec![0.0; 2 * pixels * frames] }
    }

    /// Takes `threshold` off every singular value, down to 0.
    fn shrink(&mut self, threshold: f32) {
        let square: f32 = self.values.iter().map(|value| value * value).sum();
        if square <= threshold * threshold {
            // No singular value is above the root of the sum of their squares.
            self.values.fill(0.0);
            return;
        }
        lanes::run(Simd::detected(), Shrink { block: self, threshold });
    }
}

struct Shrink<'a> {
    block: &'a mut Block,
    threshold: f32,
}

impl Loop for Shrink<'_> {
    type Output = ();
    // The compiler makes vectors of plain loops; `L` only says which instructions it may take.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { block: Block { pixels, frames, values }, threshold } = self;
        let (column, row) = (2 * *pixels, 2 * *frames);
        // X V = U Σ: columns of X and of V turn together.
        let mut vectors = vec![0.0_f32; *frames * row];
        (0..*frames).for_each(|frame| vectors[frame * row + frame] = 1.0);
        for _ in 0..SWEEPS {
            let mut settled = true;
            for p in 0..*frames {
                for q in p + 1..*frames {
                    let (x, y) = pair(values, p, q, column);
                    let Some(turn) = Turn::between(x, y) else { continue };
                    settled = false;
                    turn.apply(x, y);
                    let (x, y) = pair(&mut vectors, p, q, row);
                    turn.apply(x, y);
                }
            }
            if settled {
                break;
            }
        }
        let turned = std::mem::replace(values, vec![0.0; *frames * column]);
        for (source, numbers) in turned.chunks_exact(column).enumerate() {
            let size = numbers.iter().map(|value| value * value).sum::<f32>().sqrt();
            if size <= threshold {
                continue;
            }
            let kept = 1.0 - threshold / size;
            let (re, im) = numbers.split_at(*pixels);
            for (frame, into) in values.chunks_exact_mut(column).enumerate() {
                let vector = &vectors[source * row..][..row];
                // conj(v), element `frame` of column `source`.
                let (a, b) = (kept * vector[frame], -kept * vector[*frames + frame]);
                let (into_re, into_im) = into.split_at_mut(*pixels);
                for i in 0..*pixels {
                    into_re[i] += a * re[i] - b * im[i];
                    into_im[i] += a * im[i] + b * re[i];
                }
            }
        }
    }
}

#[inline(always)]
fn pair(values: &mut [f32], p: usize, q: usize, column: usize) -> (&mut [f32], &mut [f32]) {
    let (head, tail) = values.split_at_mut(q * column);
    (&mut head[p * column..][..column], &mut tail[..column])
}

/// (x, y) ← (c·x − s·e^(−iθ)·y, s·x + c·e^(−iθ)·y), which makes them orthogonal.
struct Turn {
    cos: f32,
    sin: f32,
    phase: (f32, f32),
}

impl Turn {
    #[inline(always)]
    fn between(x: &[f32], y: &[f32]) -> Option<Self> {
        let half = x.len() / 2;
        let ((a, b), (c, d)) = (x.split_at(half), y.split_at(half));
        // Sixteen partial sums, so that the loop is a vector's.
        const PARTS: usize = 16;
        let (mut xx, mut yy, mut re, mut im) = ([0.0_f32; PARTS], [0.0_f32; PARTS], [0.0_f32; PARTS], [0.0_f32; PARTS]);
        let whole = half / PARTS * PARTS;
        let mut add = |lane: usize, i: usize| {
            xx[lane] += a[i] * a[i] + b[i] * b[i];
            yy[lane] += c[i] * c[i] + d[i] * d[i];
            re[lane] += a[i] * c[i] + b[i] * d[i];
            im[lane] += a[i] * d[i] - b[i] * c[i];
        };
        for start in (0..whole).step_by(PARTS) {
            for lane in 0..PARTS {
                add(lane, start + lane);
            }
        }
        for i in whole..half {
            add(i - whole, i);
        }
        let [xx, yy, re, im] = [xx, yy, re, im].map(|parts| parts.iter().sum::<f32>());
        // ⟨x, y⟩ = Σ conj(x) y.
        let size = re.hypot(im);
        if size <= ORTHOGONAL * (xx * yy).sqrt() || size <= f32::MIN_POSITIVE {
            return None;
        }
        let cotangent = (yy - xx) / (2.0 * size);
        let tangent = 1.0_f32.copysign(cotangent) / (cotangent.abs() + cotangent.hypot(1.0));
        let cos = 1.0 / tangent.hypot(1.0);
        Some(Self { cos, sin: tangent * cos, phase: (re / size, -im / size) })
    }

    #[inline(always)]
    fn apply(&self, x: &mut [f32], y: &mut [f32]) {
        let half = x.len() / 2;
        let ((a, b), (c, d)) = (x.split_at_mut(half), y.split_at_mut(half));
        let (cos, sin, (u, v)) = (self.cos, self.sin, self.phase);
        for i in 0..half {
            let (re, im) = (c[i] * u - d[i] * v, c[i] * v + d[i] * u);
            let (p, q) = (a[i], b[i]);
            (a[i], b[i]) = (cos * p - sin * re, cos * q - sin * im);
            (c[i], d[i]) = (sin * p + cos * re, sin * q + cos * im);
        }
    }
}
