//! Adds a multiple of some columns of each line to some columns of another: y ← y + factor · x. For filtered lines, whose
//! guard is left out, for channels of a line, and, with no columns left out, for whole arrays.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::combination::accumulate;
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 256;

/// Input: x `[lines, stride]`, of which `columns` from `skip` on count. Output, in place: y `[lines, into_stride]`, of which
/// those from `into_skip` on change; lines from `into_first` on.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct AddLines {
    /// Lines to add.
    pub lines: u32,
    /// Numbers to add in each line.
    pub columns: u32,
    /// Numbers of a line of x.
    pub stride: u32,
    /// First column of x that counts.
    pub skip: u32,
    /// First line of x that counts.
    pub first: u32,
    /// First line of y that changes.
    pub into_first: u32,
    /// Numbers of a line of y.
    pub into_stride: u32,
    /// First column of y that changes.
    pub into_skip: u32,
    /// Factor on x.
    pub factor: f32,
}

impl Kernel for AddLines {
    const NAME: &'static str = "add_lines";
    const WGSL: &'static str = include_str!("../../shaders/add_lines.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.columns as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (columns, stride) = (self.columns as usize, self.stride as usize);
        let x = &inputs[0].numbers::<f32>()[self.first as usize * stride..];
        let into_stride = self.into_stride as usize;
        let y = &mut outputs[0].numbers::<f32>()[self.into_first as usize * into_stride..];
        let y = &mut y[..self.lines as usize * into_stride];
        let lines = y.par_chunks_exact_mut(into_stride).zip(x.par_chunks_exact(stride)).with_min_len(8);
        let simd = Simd::detected();
        lines.for_each(|(y, x)| {
            let y = &mut y[self.into_skip as usize..][..columns];
            accumulate(simd, self.factor, &x[self.skip as usize..][..columns], y);
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self {
            lines: 7,
            columns: 50,
            stride: 60,
            skip: 4,
            first: 2,
            into_first: 1,
            into_stride: 55,
            into_skip: 3,
            factor: 1.5,
        };
        let x = HostArray::noise(&[9, 60], seed);
        Example { kernel, inputs: vec![x], outputs: vec![HostArray::noise(&[8, 55], seed + 1)] }
    }
}
