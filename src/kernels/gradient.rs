//! Forward differences within a slice, along y and along x; where the image carries a vector field v beside it, less
//! that field: ∇u − v. Zero across the slice's last line and column, where there is no difference for v to explain.
//!
//! x is `[lines, channels, nx]`: u alone, or u, v_y, v_x. p is `[lines, 2, nx]`: along y, along x. Complex images have two
//! parts, real and imaginary, in the place of each of these channels, `[lines, 2·channels, nx]` and `[lines, 4, nx]`.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

const SIZE: usize = 256;

/// `p ← ∇u − v`. Inputs: a slab of x, and the slab that holds the line after its last one (else any). Output: a slab of p.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Gradient {
    /// What the slabs hold.
    pub field: Field,
}

/// Lines of an image, alone or with a vector field: which of them one dispatch makes, and where they are. Input and output
/// are cut into slabs at different lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Field {
    /// Columns.
    pub nx: u32,
    /// Lines of a slice.
    pub ny: u32,
    /// First line to make.
    pub first: u32,
    /// Lines to make; the input's slab has them all.
    pub lines: u32,
    /// First line of the input's slab.
    pub input: u32,
    /// Lines of the input's slab.
    pub input_lines: u32,
    /// First line of the slab with the neighbour beyond the input's.
    pub other: u32,
    /// First line of the output's slab.
    pub output: u32,
    /// Parts of a number: 1 real, 2 complex.
    pub parts: u32,
    /// Of the image, its parts counted: parts for u, 3·parts for u, v_y, v_x.
    pub channels: u32,
}

impl Field {
    /// Workgroups, one invocation a pixel.
    pub(super) fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.nx as usize).div_ceil(SIZE))
    }

    /// An example, with a neighbour beyond the slab, before or after it.
    pub(super) fn example(seed: u64, after: bool) -> Self {
        let parts = 1 + seed as u32 / 2 % 2;
        let channels = if seed.is_multiple_of(2) { parts } else { 3 * parts };
        let (first, other) = if after { (7, 13) } else { (3, 0) };
        Self { nx: 37, ny: 5, first, lines: 6, input: 3, input_lines: 10, other, output: 2, parts, channels }
    }

    /// Noise for `lines` lines of `channels` channels.
    pub(super) fn noise(&self, lines: u32, channels: u32, seed: u64) -> HostArray {
        HostArray::noise(&[lines as usize, channels as usize, self.nx as usize], seed)
    }

    /// One channel of the input, seen line by line.
    pub(super) fn channel<'a>(&self, slabs: [&'a [f32]; 2], channel: usize, channels: usize) -> Channel<'a> {
        Channel { field: *self, slabs, channel, channels }
    }

    /// The lines to make, each with its index in the whole array and its `width` channels of the output.
    pub(super) fn lines<'a>(
        &self,
        output: &'a mut [f32],
        width: usize,
    ) -> impl IndexedParallelIterator<Item = (usize, &'a mut [f32])> {
        let line = width * self.nx as usize;
        let (skip, first) = ((self.first - self.output) as usize, self.first as usize);
        let lines = output[skip * line..][..self.lines as usize * line].par_chunks_exact_mut(line);
        lines.with_min_len(8).enumerate().map(move |(index, line)| (first + index, line))
    }
}

/// One channel of an input and of the slab beyond it.
#[derive(Clone, Copy)]
pub(super) struct Channel<'a> {
    field: Field,
    slabs: [&'a [f32]; 2],
    channel: usize,
    channels: usize,
}

impl<'a> Channel<'a> {
    pub fn line(&self, line: usize) -> &'a [f32] {
        let (first, nx) = (self.field.input as usize, self.field.nx as usize);
        let inside = (first..first + self.field.input_lines as usize).contains(&line);
        let (slab, first) = if inside { (self.slabs[0], first) } else { (self.slabs[1], self.field.other as usize) };
        &slab[((line - first) * self.channels + self.channel) * nx..][..nx]
    }

    /// Whether its slice has a line after `line`.
    pub fn has_below(&self, line: usize) -> bool {
        !(line + 1).is_multiple_of(self.field.ny as usize)
    }

    /// Whether its slice has a line before `line`.
    pub fn has_above(&self, line: usize) -> bool {
        !line.is_multiple_of(self.field.ny as usize)
    }

    /// The line after `line` in its slice, if there is one.
    pub fn below(&self, line: usize) -> Option<&'a [f32]> {
        self.has_below(line).then(|| self.line(line + 1))
    }

    /// The line before `line` in its slice, if there is one.
    pub fn above(&self, line: usize) -> Option<&'a [f32]> {
        self.has_above(line).then(|| self.line(line - 1))
    }
}

impl Kernel for Gradient {
    const NAME: &'static str = "gradient";
    const WGSL: &'static str = include_str!("../../shaders/gradient.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        self.field.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let slabs = [inputs[0].numbers::<f32>(), inputs[1].numbers()];
        let Field { nx, parts, channels, .. } = self.field;
        let (nx, parts, channels) = (nx as usize, parts as usize, channels as usize);
        let channel = |index| self.field.channel(slabs, index, channels);
        let simd = Simd::detected();
        self.field.lines(outputs[0].numbers(), 2 * parts).for_each(|(line, p)| {
            let (along_y, along_x) = p.split_at_mut(parts * nx);
            let pairs = along_y.chunks_exact_mut(nx).zip(along_x.chunks_exact_mut(nx));
            for (part, (along_y, along_x)) in pairs.enumerate() {
                let u = channel(part);
                let v = (channels > parts).then(|| [1, 2].map(|field| channel(field * parts + part).line(line)));
                lanes::run(simd, Line { along_y, along_x, here: u.line(line), below: u.below(line), v });
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let field = Field::example(seed, true);
        let x = field.noise(field.input_lines, field.channels, seed);
        let other = field.noise(3, field.channels, seed + 1);
        let p = field.noise(12, 2 * field.parts, seed + 2);
        Example { kernel: Self { field }, inputs: vec![x, other], outputs: vec![p] }
    }
}

/// One part of a line.
struct Line<'a> {
    along_y: &'a mut [f32],
    along_x: &'a mut [f32],
    here: &'a [f32],
    below: Option<&'a [f32]>,
    /// Its field: v_y, v_x.
    v: Option<[&'a [f32]; 2]>,
}

impl Loop for Line<'_> {
    type Output = ();

    // Plain numbers: the compiler makes vectors of them, of the level that its caller allows.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { along_y, along_x, here, below, v } = self;
        let last = along_x.len() - 1;
        match below {
            Some(below) => along_y.iter_mut().zip(below.iter().zip(here)).for_each(|(p, (b, u))| *p = b - u),
            None => along_y.fill(0.0),
        }
        along_x[..last].iter_mut().zip(here[1..].iter().zip(here)).for_each(|(p, (right, u))| *p = right - u);
        along_x[last] = 0.0;
        if let Some([v_y, v_x]) = v {
            if below.is_some() {
                along_y.iter_mut().zip(v_y).for_each(|(p, v)| *p -= v);
            }
            along_x[..last].iter_mut().zip(v_x).for_each(|(p, v)| *p -= v);
        }
    }
}
