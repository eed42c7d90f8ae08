//! A short filter with periodic boundaries along the columns or the lines of slices, from a block of one image into a block
//! of another: each pass of a wavelet transform (Mallat 1989), decimated or not, and of its adjoint, is one of these.
//!
//! `out[a·i + b] ← keep·out[a·i + b] + scale·Σₖ tₖ in[(c·i + d·k + e) mod n + f]`, i = 0 … count − 1.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::combination::accumulate;
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 256;
/// Numbers in a row of the table of filters.
pub const ROW: usize = 8;

/// Inputs: filters `[rows, 8]`; a slab of images `[lines, channels, nx]`, of whose lines those that it lacks count as 0.
/// Output, in place: a slab of images like these. Images may lie among others: a line of an image is z·ny + y, wherever its
/// slab has it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub struct PeriodicFilter {
    /// Columns.
    pub nx: u32,
    /// Lines of a slice.
    pub ny: u32,
    /// Channels of a line.
    pub channels: u32,
    /// 1: along y, from line to line; 0: along x.
    pub along_y: u32,
    /// Lines (or columns, along y) of the block, across the filter.
    pub across: u32,
    /// How many i.
    pub count: u32,
    /// a.
    pub out_stride: u32,
    /// b.
    pub out_first: u32,
    /// c.
    pub in_stride: u32,
    /// d mod n.
    pub dilation: u32,
    /// e mod n.
    pub offset: u32,
    /// n.
    pub period: u32,
    /// f.
    pub in_first: u32,
    /// Numbers t.
    pub taps: u32,
    /// Their row in the table.
    pub row: u32,
    /// First line of the output image to make.
    pub first: u32,
    /// Lines to make.
    pub lines: u32,
    /// Where the first of them is in its slab.
    pub into: u32,
    /// First line of the input image in its slab.
    pub input: u32,
    /// Lines of the input image in its slab.
    pub input_lines: u32,
    /// Where the first of them is in its slab.
    pub from_line: u32,
    /// keep.
    pub keep: f32,
    /// scale.
    pub scale: f32,
}

impl PeriodicFilter {
    /// The i that makes number `place` along the filter, if there is one.
    fn index(&self, place: usize) -> Option<usize> {
        let (stride, first) = (self.out_stride as usize, self.out_first as usize);
        let past = place.checked_sub(first)?;
        (past.is_multiple_of(stride) && past / stride < self.count as usize).then_some(past / stride)
    }

    /// Where tap `k` reads for the number `index`.
    fn place(&self, index: usize, k: usize) -> usize {
        let at = self.in_stride as usize * index + self.dilation as usize * k + self.offset as usize;
        at % self.period as usize + self.in_first as usize
    }

    /// Where a line of the input image begins in its slab, if it is there.
    fn start(&self, line: usize) -> Option<usize> {
        let held = line.checked_sub(self.input as usize).filter(|held| *held < self.input_lines as usize)?;
        Some((self.from_line as usize + held) * (self.channels * self.nx) as usize)
    }

    fn along_y(&self, simd: Simd, taps: &[f32], input: &[f32], line: usize, out: &mut [f32]) {
        let (nx, ny, across) = (self.nx as usize, self.ny as usize, self.across as usize);
        let Some(index) = self.index(line % ny) else { return };
        for (channel, out) in out.chunks_exact_mut(nx).map(|out| &mut out[..across]).enumerate() {
            self.keep(out);
            for (k, tap) in taps.iter().enumerate() {
                let Some(start) = self.start(line - line % ny + self.place(index, k)) else { continue };
                accumulate(simd, self.scale * tap, &input[start + channel * nx..][..across], out);
            }
        }
    }

    fn along_x(&self, simd: Simd, taps: &[f32], input: &[f32], line: usize, out: &mut [f32]) {
        let (nx, count, period) = (self.nx as usize, self.count as usize, self.period as usize);
        let (Some(start), true) = (self.start(line), line % (self.ny as usize) < self.across as usize) else { return };
        for (channel, out) in out.chunks_exact_mut(nx).enumerate() {
            let out = &mut out[self.out_first as usize..];
            let input = &input[start + channel * nx + self.in_first as usize..][..period];
            if self.out_stride == 1 && self.in_stride == 1 {
                let out = &mut out[..count];
                self.keep(out);
                for (k, tap) in taps.iter().enumerate() {
                    // What lies before the seam, then again and again from the beginning.
                    let (mut done, mut place) = (0, self.place(0, k) - self.in_first as usize);
                    while done < count {
                        let length = (period - place).min(count - done);
                        accumulate(simd, self.scale * tap, &input[place..][..length], &mut out[done..][..length]);
                        (done, place) = (done + length, 0);
                    }
                }
            } else {
                for (index, out) in out.iter_mut().step_by(self.out_stride as usize).take(count).enumerate() {
                    let value = |(k, tap): (usize, &f32)| tap * input[self.place(index, k) - self.in_first as usize];
                    let sum: f32 = taps.iter().enumerate().map(value).sum();
                    self.keep(std::slice::from_mut(out));
                    *out += self.scale * sum;
                }
            }
        }
    }

    fn keep(&self, out: &mut [f32]) {
        if self.keep == 0.0 {
            out.fill(0.0);
        } else {
            out.iter_mut().for_each(|out| *out *= self.keep);
        }
    }
}

impl Kernel for PeriodicFilter {
    const NAME: &'static str = "periodic_filter";
    const WGSL: &'static str = include_str!("../../shaders/periodic_filter.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.channels as usize * self.nx as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let simd = Simd::detected();
        let taps = &inputs[0].numbers::<f32>()[self.row as usize * ROW..][..self.taps as usize];
        let input = inputs[1].numbers::<f32>();
        let line = (self.channels * self.nx) as usize;
        let out = &mut outputs[0].numbers::<f32>()[self.into as usize * line..][..self.lines as usize * line];
        out.par_chunks_exact_mut(line).with_min_len(8).enumerate().for_each(|(index, out)| {
            let line = self.first as usize + index;
            match self.along_y {
                1 => self.along_y(simd, taps, input, line, out),
                _ => self.along_x(simd, taps, input, line, out),
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let along_y = (seed % 2) as u32;
        let (n, across) = if along_y == 1 { (14, 30) } else { (30, 14) };
        let shape = [40, 2, 33];
        let kernel = Self {
            nx: 33,
            ny: 15,
            channels: 2,
            along_y,
            across,
            first: 3,
            lines: 22,
            into: 5,
            input: 2,
            input_lines: 25,
            from_line: 4,
            row: 1,
            keep: 0.5,
            scale: 0.7,
            ..Self::default()
        };
        let kernel = match seed % 3 {
            // Analysis, synthesis, and a filter with holes.
            0 => Self {
                count: n / 2,
                out_stride: 1,
                out_first: n / 2,
                in_stride: 2,
                dilation: 1,
                period: n,
                taps: 8,
                ..kernel
            },
            1 => {
                let half = n / 2;
                let (dilation, in_first) = (half - 1, half);
                Self {
                    count: half,
                    out_stride: 2,
                    out_first: 1,
                    in_stride: 1,
                    dilation,
                    period: half,
                    in_first,
                    taps: 3,
                    ..kernel
                }
            }
            _ => Self { count: n, out_stride: 1, in_stride: 1, dilation: 4, offset: 3, period: n, taps: 6, ..kernel },
        };
        let inputs = vec![HostArray::noise(&[3, ROW], seed), HostArray::noise(&shape, seed + 1)];
        Example { kernel, inputs, outputs: vec![HostArray::noise(&shape, seed + 2)] }
    }
}
