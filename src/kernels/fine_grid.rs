//! Images to a finer grid of frequencies and back on the CPU: multiplied, put between zeros with the middle at index 0,
//! and transformed; lines and columns that hold only zeros, or that nobody asks for, are left out.
//!
//! A transform works on a register's width of columns at once: on neighbours along x of a lone coil, on a point or two of
//! eight coils.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    fft_lanes::{FftLanes, Rows},
    gridding::{COILS, Layout, MARGIN, Shared},
};
use crate::device::Simd;

/// The plan for images of one matrix on one grid.
pub(crate) struct FineGrid {
    /// Image points along z, y, x.
    image: [usize; 3],
    layout: Layout,
    /// Factors of the image along z, y, x.
    factors: [Vec<f32>; 3],
    columns: [FftLanes; 3],
}

/// What a thread transforms in, and the transform's own memory.
struct Work {
    length: usize,
    /// `[length, re | im, lanes]`.
    buffer: Vec<f32>,
    passes: Vec<f32>,
}

impl Work {
    fn new(columns: &FftLanes, length: usize) -> Self {
        Self { length, buffer: vec![0.0; length * 2 * columns.lanes()], passes: vec![0.0; columns.work_len()] }
    }

    /// In place, by e^(−2πi …) or its inverse, without a scale.
    fn transform(&mut self, columns: &FftLanes, inverse: bool) {
        let lanes = columns.lanes();
        if self.length == 1 {
            return;
        }
        let re = self.buffer.as_mut_ptr();
        let rows = Rows { re, im: re.wrapping_add(lanes), step: 2 * lanes, turn: 0, length: self.length };
        // SAFETY: the buffer is this long, and this thread's.
        unsafe { columns.columns(inverse, (rows, rows), lanes, 1.0, &mut self.passes) };
    }
}

/// Part of the grid that one task has to itself.
///
/// # Safety
/// No other thread may touch it.
unsafe fn own(grid: Shared, start: usize, len: usize) -> &'static mut [f32] {
    // SAFETY: the caller's; `at` checks the bounds.
    unsafe { std::slice::from_raw_parts_mut(grid.at(start, len), len) }
}

/// The lanes `lanes` of neighbouring points `[re…, im…]` of `coils` coils into a row `[re | im, lanes]` of a buffer.
fn load(points: &[f32], coils: usize, lanes: Range<usize>, row: &mut [f32]) {
    let (re, im) = row.split_at_mut(row.len() / 2);
    match coils {
        1 if lanes.start == 0 => {
            for ((re, im), point) in re.iter_mut().zip(im).zip(points.chunks_exact(2)) {
                (*re, *im) = (point[0], point[1]);
            }
        }
        COILS if re.len() >= COILS => {
            let rows = re.chunks_exact_mut(COILS).zip(im.chunks_exact_mut(COILS));
            for ((re, im), point) in rows.zip(points.chunks_exact(2 * COILS)) {
                re.copy_from_slice(&point[..COILS]);
                im.copy_from_slice(&point[COILS..]);
            }
        }
        _ => {
            for (lane, (re, im)) in lanes.zip(re.iter_mut().zip(im)) {
                let place = lane / coils * 2 * coils + lane % coils;
                (*re, *im) = (points[place], points[place + coils]);
            }
        }
    }
}

/// The way back.
fn store(row: &[f32], coils: usize, lanes: Range<usize>, points: &mut [f32]) {
    let (re, im) = row.split_at(row.len() / 2);
    match coils {
        1 if lanes.start == 0 => {
            for ((re, im), point) in re.iter().zip(im).zip(points.chunks_exact_mut(2)) {
                (point[0], point[1]) = (*re, *im);
            }
        }
        COILS if re.len() >= COILS => {
            let rows = re.chunks_exact(COILS).zip(im.chunks_exact(COILS));
            for ((re, im), point) in rows.zip(points.chunks_exact_mut(2 * COILS)) {
                point[..COILS].copy_from_slice(re);
                point[COILS..].copy_from_slice(im);
            }
        }
        _ => {
            for (lane, (re, im)) in lanes.zip(re.iter().zip(im)) {
                let place = lane / coils * 2 * coils + lane % coils;
                (points[place], points[place + coils]) = (*re, *im);
            }
        }
    }
}

impl FineGrid {
    /// Plans for `coils` images, 1 or 8, side by side.
    pub fn new(simd: Simd, image: [usize; 3], fine: [usize; 3], factors: [Vec<f32>; 3], coils: usize) -> Self {
        let columns = fine.map(|length| FftLanes::new(length, simd));
        Self { image, layout: Layout { shape: fine, coils }, factors, columns }
    }

    /// Floats of the grid.
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Where point `index` of the image stands along `axis` of the grid.
    fn place(&self, axis: usize, index: usize) -> usize {
        let (image, fine) = (self.image[axis], self.layout.shape[axis]);
        (index + fine - image / 2) % fine
    }

    fn places(&self, axis: usize) -> Vec<usize> {
        (0..self.image[axis]).map(|index| self.place(axis, index)).collect()
    }

    /// grid ← F D x, with its margins, for planar images `[nz·ny, 2, nx]`, one a coil.
    pub fn forward(&self, x: &[&[f32]], grid: &mut [f32]) {
        let [nz, ny, nx] = self.layout.shape;
        assert_eq!((x.len(), grid.len()), (self.layout.coils, self.len()), "images and floats of the grid");
        let shared = Shared::new(grid);
        self.lines_forward(x, shared);
        if ny > 1 {
            self.transform_columns(1, false, &self.places(0), shared);
        }
        if nz > 1 {
            self.transform_columns(0, false, &(0..ny).collect::<Vec<_>>(), shared);
        }
        let point = 2 * self.layout.coils;
        grid.par_chunks_exact_mut(self.layout.line()).for_each(|line| {
            for index in 0..MARGIN {
                line.copy_within(index * point..(index + 1) * point, (nx + index) * point);
            }
        });
    }

    /// x ← D Fᴴ grid; the margins' numbers are added to those they stand for, and the grid is used up.
    pub fn adjoint(&self, grid: &mut [f32], x: &mut [&mut [f32]]) {
        let [nz, ny, nx] = self.layout.shape;
        assert_eq!((x.len(), grid.len()), (self.layout.coils, self.len()), "images and floats of the grid");
        let points = nx * 2 * self.layout.coils;
        grid.par_chunks_exact_mut(self.layout.line()).for_each(|line| {
            let (line, margin) = line.split_at_mut(points);
            for (index, number) in margin.iter().enumerate() {
                line[index % points] += number;
            }
        });
        let shared = Shared::new(grid);
        if nz > 1 {
            self.transform_columns(0, true, &(0..ny).collect::<Vec<_>>(), shared);
        }
        if ny > 1 {
            self.transform_columns(1, true, &self.places(0), shared);
        }
        self.lines_adjoint(shared, x);
    }

    /// grid ← w · grid with a real weight a point, `[nz·ny, nx]`; the margins become zeros, ready for the way back.
    pub fn weigh(&self, weights: &[f32], grid: &mut [f32]) {
        let (nx, point) = (self.layout.shape[2], 2 * self.layout.coils);
        let lines = grid.par_chunks_exact_mut(self.layout.line()).zip(weights.par_chunks_exact(nx));
        lines.for_each(|(line, weights)| {
            let (line, margin) = line.split_at_mut(nx * point);
            for (numbers, weight) in line.chunks_exact_mut(point).zip(weights) {
                numbers.iter_mut().for_each(|number| *number *= weight);
            }
            margin.fill(0.0);
        });
    }

    /// Transforms along `axis` (0: z, 1: y) in place; `others` are the indices on the other of these two axes.
    /// Forward, only the image's points are read, as the others are zeros; inverse, only they are written.
    fn transform_columns(&self, axis: usize, inverse: bool, others: &[usize], grid: Shared) {
        let Layout { shape: [_, ny, nx], coils } = self.layout;
        let line = self.layout.line();
        let (step, other) = if axis == 0 { (ny * line, line) } else { (line, ny * line) };
        let (columns, length) = (&self.columns[axis], self.layout.shape[axis]);
        let places = self.places(axis);
        let all: Vec<usize> = (0..length).collect();
        let [from, into] = if inverse { [&all, &places] } else { [&places, &all] };
        let wide = (columns.lanes() / coils).max(1);
        let blocks = nx.div_ceil(wide);
        let task = |work: &mut Work, index: usize| {
            let x = index % blocks * wide;
            let len = wide.min(nx - x) * 2 * coils;
            let start = others[index / blocks] * other + x * 2 * coils;
            for first in (0..len / 2).step_by(columns.lanes()) {
                let lanes = first..(first + columns.lanes()).min(len / 2);
                let width = 2 * columns.lanes();
                if from.len() < length || lanes.len() < columns.lanes() {
                    work.buffer.fill(0.0);
                }
                for row in from {
                    // SAFETY: no other task has these columns.
                    let points = unsafe { own(grid, start + row * step, len) };
                    load(points, coils, lanes.clone(), &mut work.buffer[row * width..][..width]);
                }
                work.transform(columns, inverse);
                for row in into {
                    // SAFETY: as above.
                    let points = unsafe { own(grid, start + row * step, len) };
                    store(&work.buffer[row * width..][..width], coils, lanes.clone(), points);
                }
            }
        };
        (0..others.len() * blocks).into_par_iter().with_min_len(4).for_each_init(|| Work::new(columns, length), task);
    }

    /// The factor that a line's y and z give, and where the line begins in the grid.
    fn line(&self, line: usize) -> (f32, usize) {
        let ny = self.image[1];
        let (z, y) = (line / ny, line % ny);
        let start = (self.place(0, z) * self.layout.shape[1] + self.place(1, y)) * self.layout.line();
        (self.factors[0][z] * self.factors[1][y], start)
    }

    /// Runs `task` on the lines of the image, as many (line, coil) at once as there are lanes, with what it needs to know:
    /// the lane's column in the buffer, its line and its coil.
    fn by_lines(&self, task: impl Fn(&mut Work, &[Lane]) + Sync) {
        let ([nz, ny, _], coils) = (self.image, self.layout.coils);
        let (columns, length) = (&self.columns[2], self.layout.shape[2]);
        let (lanes, count) = (columns.lanes(), nz * ny * coils);
        // No two tasks share a line.
        let block = lanes.max(coils);
        (0..count.div_ceil(block)).into_par_iter().for_each_init(
            || Work::new(columns, length),
            |work, index| {
                let end = count.min((index + 1) * block);
                for first in (index * block..end).step_by(lanes) {
                    let of = |lane: usize| Lane { column: lane - first, line: lane / coils, coil: lane % coils };
                    task(work, &(first..end.min(first + lanes)).map(of).collect::<Vec<_>>());
                }
            },
        );
    }

    fn lines_forward(&self, x: &[&[f32]], grid: Shared) {
        let columns = &self.columns[2];
        let (nx, width) = (self.image[2], 2 * columns.lanes());
        self.by_lines(|work, lanes| {
            work.buffer.fill(0.0);
            for lane in lanes {
                let factor = self.line(lane.line).0;
                for (part, numbers) in x[lane.coil][lane.line * 2 * nx..][..2 * nx].chunks_exact(nx).enumerate() {
                    let column = &mut work.buffer[lane.column + part * columns.lanes()..];
                    for (from, into) in self.halves() {
                        let own = numbers[from.clone()].iter().zip(&self.factors[2][from]);
                        let into = column[into.start * width..].iter_mut().step_by(width);
                        into.zip(own).for_each(|(into, (number, own))| *into = number * own * factor);
                    }
                }
            }
            work.transform(columns, false);
            self.exchange(&mut work.buffer, lanes, grid, false);
        });
    }

    fn lines_adjoint(&self, grid: Shared, x: &mut [&mut [f32]]) {
        let columns = &self.columns[2];
        let (nx, width) = (self.image[2], 2 * columns.lanes());
        let x: Vec<Shared> = x.iter_mut().map(|image| Shared::new(image)).collect();
        self.by_lines(|work, lanes| {
            self.exchange(&mut work.buffer, lanes, grid, true);
            work.transform(columns, true);
            for lane in lanes {
                let factor = self.line(lane.line).0;
                // SAFETY: no other task has this line.
                let line = unsafe { own(x[lane.coil], lane.line * 2 * nx, 2 * nx) };
                for (part, numbers) in line.chunks_exact_mut(nx).enumerate() {
                    let column = &work.buffer[lane.column + part * columns.lanes()..];
                    for (into, from) in self.halves() {
                        let own = numbers[into.clone()].iter_mut().zip(&self.factors[2][into]);
                        let from = column[from.start * width..].iter().step_by(width);
                        own.zip(from).for_each(|((into, own), number)| *into = number * own * factor);
                    }
                }
            }
        });
    }

    /// Points of an image's line and where they stand in the grid: what is left of the middle stands at the end.
    fn halves(&self) -> [(Range<usize>, Range<usize>); 2] {
        let (nx, fine, middle) = (self.image[2], self.layout.shape[2], self.image[2] / 2);
        [(0..middle, fine - middle..fine), (middle..nx, 0..nx - middle)]
    }

    /// The lanes of a buffer into their lines of the grid, or the way back.
    fn exchange(&self, buffer: &mut [f32], lanes: &[Lane], grid: Shared, back: bool) {
        let (fine, coils, width) = (self.layout.shape[2], self.layout.coils, self.columns[2].lanes());
        for lanes in lanes.chunk_by(|a, b| a.line == b.line) {
            // SAFETY: no other task has these coils of this line.
            let line = unsafe { own(grid, self.line(lanes[0].line).1, fine * 2 * coils) };
            let rows = line.chunks_exact_mut(2 * coils).zip(buffer.chunks_exact_mut(2 * width));
            for (point, row) in rows {
                for (part, point) in point.chunks_exact_mut(coils).enumerate() {
                    let row = &mut row[part * width + lanes[0].column..];
                    match (point.first_chunk_mut::<COILS>(), row.first_chunk_mut::<COILS>()) {
                        (Some(point), Some(row)) if lanes.len() == COILS && back => *row = *point,
                        (Some(point), Some(row)) if lanes.len() == COILS => *point = *row,
                        _ => {
                            for (lane, row) in lanes.iter().zip(row) {
                                if back { *row = point[lane.coil] } else { point[lane.coil] = *row }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One transform along x.
struct Lane {
    /// Its column in the buffer.
    column: usize,
    /// Line of the image.
    line: usize,
    coil: usize,
}
