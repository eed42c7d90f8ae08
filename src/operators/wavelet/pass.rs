//! One pass of a wavelet transform over whole images: the periodic filter, slab by slab.

use super::family::{Family, row};
use crate::{
    device::{Array, Device},
    error::Result,
    kernels::{PeriodicFilter, periodic_filter::ROW},
    operators::Pixels,
};

/// Along which axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    X,
    Y,
}

/// out[a·i + b] ← keep·out[a·i + b] + scale·Σ tₖ in[(c·i + d·k + e) mod n + f], i = 0 … count − 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub axis: Axis,
    /// Extent of the block across the axis.
    pub across: usize,
    pub count: usize,
    /// a, b.
    pub out: [usize; 2],
    /// c.
    pub stride: usize,
    /// d.
    pub dilation: isize,
    /// e.
    pub offset: usize,
    /// n.
    pub period: usize,
    /// f.
    pub first: usize,
    pub row: u32,
    pub taps: usize,
    /// Whether to add.
    pub keep: bool,
    pub scale: f32,
}

impl Pass {
    /// `count` numbers from `first` on, left where they are.
    pub fn copy(axis: Axis, across: usize, first: usize, count: usize) -> Self {
        Self {
            axis,
            across,
            count,
            out: [1, first],
            stride: 1,
            dilation: 0,
            offset: 0,
            period: count,
            first,
            row: row::ONE,
            taps: 1,
            keep: false,
            scale: 1.0,
        }
    }
}

/// What runs passes: a table of filters, and what images look like.
#[derive(Debug)]
pub(super) struct Passes {
    pub device: Device,
    pub family: Family,
    filters: Array,
    /// z, y, x.
    pub slices: [usize; 3],
    pub pixels: Pixels,
}

impl Passes {
    /// # Panics
    /// If an extent is 0 or more than a u32 counts.
    #[track_caller]
    pub fn new(device: &Device, slices: [usize; 3], pixels: Pixels, family: Family) -> Result<Self> {
        let [nz, ny, nx] = slices;
        let count = nz * ny * nx * pixels.parts();
        assert!(count > 0 && u32::try_from(count).is_ok(), "slices of {nz} × {ny} × {nx}");
        let filters = device.upload(&[row::COUNT, ROW], family.table())?;
        Ok(Self { device: device.clone(), family, filters, slices, pixels })
    }

    pub fn lines(&self) -> usize {
        self.slices[0] * self.slices[1]
    }

    /// Taps of the filters.
    pub fn taps(&self) -> usize {
        self.family.low().len()
    }

    /// One pass from an image of x into one of y: x and y hold several, one after the other.
    pub fn run(&self, pass: &Pass, (x, from): (&Array, usize), (y, into): (&mut Array, usize)) {
        let lines = self.lines();
        let (x_first, y_first) = (from * lines, into * lines);
        for slab in y.slabs_mut() {
            let held = slab.lines();
            let (mut line, end) = (held.start.max(y_first), held.end.min(y_first + lines));
            while line < end {
                let line_of_image = line - y_first;
                let (sources, to) = match pass.axis {
                    Axis::X => {
                        let source = x.slab_of(x_first + line_of_image);
                        let to = (source.lines().end - x_first + y_first).min(end);
                        (vec![source], to)
                    }
                    Axis::Y => (self.slices_of(x, x_first, line_of_image..end - y_first), end),
                };
                for (index, source) in sources.into_iter().enumerate() {
                    let there = source.lines();
                    let input = there.start.max(x_first);
                    let kernel = PeriodicFilter {
                        first: line_of_image as u32,
                        lines: (to - line) as u32,
                        into: (line - held.start) as u32,
                        input: (input - x_first) as u32,
                        input_lines: (there.end.min(x_first + lines) - input) as u32,
                        from_line: (input - there.start) as u32,
                        // The parts of a sum that lie in further slabs are added.
                        keep: if pass.keep || index > 0 { 1.0 } else { 0.0 },
                        ..self.kernel(pass)
                    };
                    self.device.run(&kernel, &[self.filters.slab_of(0), source], &mut [slab]);
                }
                line = to;
            }
        }
    }

    /// Slabs with lines of the slices that these lines belong to.
    fn slices_of<'a>(&self, x: &'a Array, first: usize, lines: std::ops::Range<usize>) -> Vec<&'a crate::device::Slab> {
        let ny = self.slices[1];
        let (start, end) = (first + lines.start / ny * ny, first + lines.end.div_ceil(ny) * ny);
        x.slabs().iter().filter(|slab| slab.lines().start < end && start < slab.lines().end).collect()
    }

    fn kernel(&self, pass: &Pass) -> PeriodicFilter {
        let [_, ny, nx] = self.slices.map(|extent| extent as u32);
        PeriodicFilter {
            nx,
            ny,
            channels: self.pixels.parts() as u32,
            along_y: u32::from(pass.axis == Axis::Y),
            across: pass.across as u32,
            count: pass.count as u32,
            out_stride: pass.out[0] as u32,
            out_first: pass.out[1] as u32,
            in_stride: pass.stride as u32,
            dilation: pass.dilation.rem_euclid(pass.period as isize) as u32,
            offset: (pass.offset % pass.period) as u32,
            period: pass.period as u32,
            in_first: pass.first as u32,
            taps: pass.taps as u32,
            row: pass.row,
            scale: pass.scale,
            ..PeriodicFilter::default()
        }
    }
}
