//! Projects an image: each cell gains the integral over its rays, averaged over its width (see `footprint.rs`).
//!
//! On the CPU a register of neighbouring cells walks down the slice. What they see of a line of the slice fits into two
//! registers, from which it is picked by permutes; slices whose rays march along x are transposed first. Parallel rays
//! have one trapezoid a view, fans one for every edge.

use rayon::prelude::*;

use super::{
    footprint::{Comb, MATRIX, NARROWEST, PAD, SLACK, Table, Trapezoid, share},
    lanes::{self, Lanes, Loop},
    part::Part,
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd, fold};

/// `lines += A image`. Inputs: a slab of the image `[lines, nx]`, a slab of matrices `[views, 12]`. Output: a slab of
/// projections `[views·rows, columns]`, updated in place. `part` calls the projections filtered lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct FootprintProject {
    /// What this dispatch does.
    pub part: Part,
    /// 1: the detector is curved; 0: it is flat.
    pub curved: u32,
}

/// Cells of one task.
const BLOCK: usize = 128;

impl FootprintProject {
    /// The same as `on_cpu` with a chosen SIMD level.
    ///
    /// # Panics
    /// If this machine lacks the level, or a slab is smaller than `part` says.
    #[track_caller]
    pub fn accumulate(&self, simd: Simd, image: &[f32], matrices: &[f32], lines: &mut [f32]) {
        let part = &self.part;
        let (rows, columns) = (part.rows as usize, part.columns as usize);
        let matrices: &[[f32; MATRIX]] = bytemuck::cast_slice(matrices);
        let lines = &mut lines[..part.filtered_lines as usize * columns];
        for z in part.slices() {
            let views = part.views_of(z as usize);
            let table = |view: usize| Table::read(&matrices[view - part.matrices_first as usize]);
            let [upright, lying] =
                [false, true].map(|lying| views.clone().any(|view| table(view).transposed == lying));
            let upright = upright.then(|| Padded::new(part, image, z as usize, false));
            let lying = lying.then(|| Padded::new(part, image, z as usize, true));
            lines.par_chunks_mut(columns).enumerate().for_each(|(index, line)| {
                let line_index = part.filtered_first as usize + index;
                let view = line_index / rows;
                if line_index % rows != z as usize || !views.contains(&view) {
                    return;
                }
                let table = table(view);
                let Some(slice) = (if table.transposed { &lying } else { &upright }) else { return };
                line.par_chunks_mut(BLOCK).enumerate().for_each(|(block, cells)| {
                    let middle = (columns as f32 - 1.0) / 2.0;
                    let first = (block * BLOCK) as f32 - middle;
                    lanes::run(simd, Cells { table, curved: self.curved == 1, slice, first, cells });
                });
            });
        }
    }
}

/// A slice, or its transpose, between zeros; what the slab does not hold of it is zero.
struct Padded {
    numbers: Vec<f32>,
    /// Pixels across and along, without padding.
    across: usize,
    along: usize,
}

impl Padded {
    fn new(part: &Part, image: &[f32], z: usize, transposed: bool) -> Self {
        let (nx, ny) = (part.nx as usize, part.ny as usize);
        let (first, end) = (part.image_first as usize, (part.image_first + part.image_lines) as usize);
        let (from, to) = (first.max(z * ny), end.min((z + 1) * ny));
        let slab = &image[(from - first) * nx..(to - first) * nx];
        let (top, held) = (from - z * ny, to - from);
        let [across, along] = if transposed { [ny, nx] } else { [nx, ny] };
        let stride = across + 2 * PAD;
        let mut numbers = vec![0.0; stride * along];
        if transposed {
            // 16 lines at a time: what is read of a cache line is used at once.
            numbers.par_chunks_mut(16 * stride).enumerate().for_each(|(block, lines)| {
                for y in 0..held {
                    let pixels = &slab[y * nx..][16 * block..nx.min(16 * (block + 1))];
                    for (line, pixel) in lines.chunks_exact_mut(stride).zip(pixels) {
                        line[PAD + top + y] = *pixel;
                    }
                }
            });
        } else {
            let lines = numbers[top * stride..].par_chunks_exact_mut(stride).zip(slab.par_chunks_exact(nx));
            lines.for_each(|(line, pixels)| line[PAD..PAD + nx].copy_from_slice(pixels));
        }
        Self { numbers, across, along }
    }

    fn stride(&self) -> usize {
        self.across + 2 * PAD
    }

    /// The number 0 of line `r`.
    #[inline(always)]
    fn line(&self, r: usize) -> *const f32 {
        self.numbers[r * self.stride()..][..self.stride()][PAD..].as_ptr()
    }

    /// Middle of the slice, as index across and along.
    fn middle(&self) -> [f64; 2] {
        [(self.across as f64 - 1.0) / 2.0, (self.along as f64 - 1.0) / 2.0]
    }
}

/// Neighbouring cells of one line.
struct Cells<'a> {
    table: Table<f32>,
    curved: bool,
    slice: &'a Padded,
    /// Column of the first, from the detector's middle.
    first: f32,
    cells: &'a mut [f32],
}

impl Loop for Cells<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        unsafe {
            for start in (0..self.cells.len()).step_by(L::N) {
                let mut sums = [0.0; 16];
                let column = self.first + start as f32;
                let vector: L = match (self.table.parallel(), self.curved) {
                    (true, _) => self.parallel(column),
                    (false, false) => self.fan::<L, false>(column),
                    (false, true) => self.fan::<L, true>(column),
                };
                vector.store(sums.as_mut_ptr());
                let cells = self.cells.len().min(start + L::N) - start;
                for (index, sum) in sums[..cells].iter().enumerate() {
                    let length = self.table.length(self.curved, column + index as f32);
                    self.cells[start + index] += sum * length;
                }
            }
        }
    }
}

impl Cells<'_> {
    #[inline(always)]
    unsafe fn parallel<L: Lanes>(&mut self, column: f32) -> L {
        let [_, na, nr] = self.table.n.map(f64::from);
        let spread = (0.5 * nr.abs()).max(f64::from(NARROWEST));
        let radius = (0.5 + 0.5 * na.abs() + spread) / na.abs();
        let comb = Comb::new(Trapezoid::new(0.5, spread), na.abs(), radius, 1.0 / na);
        unsafe {
            match (comb.near::<L>(), comb.taps) {
                (true, 2) => self.march::<L, 2, false>(&comb, column),
                (true, 3) => self.march::<L, 3, false>(&comb, column),
                (true, 4) => self.march::<L, 4, false>(&comb, column),
                (true, _) => self.march::<L, 0, false>(&comb, column),
                _ => self.march::<L, 0, true>(&comb, column),
            }
        }
    }

    #[inline(always)]
    unsafe fn march<L: Lanes, const TAPS: usize, const FAR: bool>(&self, comb: &Comb, column: f32) -> L {
        let [n0, na, nr] = self.table.n.map(f64::from);
        let [middle, along] = self.slice.middle();
        // The first cell's ray: position = start + step·r.
        let step = -nr / na;
        let start = (f64::from(column) - n0) / na + middle - step * along;
        let width = (L::N - 1) as f64 * comb.stride;
        let reach = [width.min(0.0) - comb.radius - 1.0, width.max(0.0) + comb.radius + 1.0];
        let lines = within(start, step, [-reach[1], self.slice.across as f64 - reach[0]], self.slice.along);
        unsafe {
            let mut sums = [L::splat(0.0); 2];
            let mut line = self.slice.line(0).add(lines.start * self.slice.stride());
            for r in lines {
                let position = start + step * r as f64;
                let sum = comb.sums::<L, TAPS, FAR>(line, self.slice.across, position);
                sums[r % 2] = sums[r % 2].add(sum);
                line = line.wrapping_add(self.slice.stride());
            }
            sums[0].add(sums[1])
        }
    }

    #[inline(always)]
    unsafe fn fan<L: Lanes, const CURVED: bool>(&mut self, column: f32) -> L {
        unsafe {
            let table = self.table.splat::<L>();
            let [middle, along] = self.slice.middle().map(|middle| middle as f32);
            let rays: [[L; 2]; 2] = self.edges::<L, CURVED>(column);
            let half = L::splat(0.5);
            let columns = L::count().add(L::splat(column));
            let lean = rays[0][1].abs().max(rays[1][1].abs()).mul_add(half, L::splat(0.5 + SLACK));
            let mut sum = L::splat(0.0);
            for line in 0..self.slice.along {
                let r = L::splat(line as f32 - along);
                let [one, other] = rays.map(|[p, q]| q.mul_add(r, p));
                let first = one.min(other).sub(lean).add(L::splat(middle)).floor().add(L::splat(1.0));
                let end = one.max(other).add(lean).add(L::splat(middle));
                let [base, last] = extremes(first, end);
                if last < 0.0 || base > self.slice.across as f32 - 1.0 || !(last - base).is_finite() {
                    continue;
                }
                let taps = widest(end.sub(first)) as usize + 1;
                let near = last - base + taps as f32 + 1.0 < 2.0 * L::N as f32 && base >= -(PAD as f32);
                let pixels = self.slice.line(line);
                let index = first.sub(L::splat(base));
                let mut before = {
                    let (c, b) = table.column::<CURVED>(first.sub(L::splat(middle + 0.5)), r);
                    share(c.sub(columns), b)
                };
                for tap in 0..taps {
                    let a = first.add(L::splat(tap as f32 + 0.5 - middle));
                    let (c, b) = table.column::<CURVED>(a, r);
                    let after = share(c.sub(columns), b);
                    let value = if near {
                        L::pick(pixels.offset(base as isize).add(tap), index)
                    } else {
                        let inside = first.add(L::splat(tap as f32)).max(L::splat(-1.0));
                        L::pick_far(pixels, inside.min(L::splat(self.slice.across as f32)))
                    };
                    sum = after.sub(before).abs().mul_add(value, sum);
                    before = after;
                }
            }
            sum
        }
    }

    /// Each cell's two edges as rays: a = p + q·r.
    #[inline(always)]
    unsafe fn edges<L: Lanes, const CURVED: bool>(&self, column: f32) -> [[L; 2]; 2] {
        let mut rays = [[[0.0_f32; 16]; 2]; 2];
        for lane in 0..L::N {
            for (side, ray) in rays.iter_mut().enumerate() {
                let (p, q) = self.table.ray(CURVED, column + lane as f32 + side as f32 - 0.5);
                (ray[0][lane], ray[1][lane]) = (p as f32, q as f32);
            }
        }
        unsafe { rays.map(|ray| ray.map(|numbers| L::load(numbers.as_ptr()))) }
    }
}

/// Least number of `low` and largest of `high`; both run one way, so that the ends have them.
#[inline(always)]
unsafe fn extremes<L: Lanes>(low: L, high: L) -> [f32; 2] {
    let [mut lows, mut highs] = [[0.0_f32; 16]; 2];
    unsafe {
        low.store(lows.as_mut_ptr());
        high.store(highs.as_mut_ptr());
    }
    [lows[0].min(lows[L::N - 1]), highs[0].max(highs[L::N - 1])]
}

/// The largest number.
#[inline(always)]
unsafe fn widest<L: Lanes>(width: L) -> f32 {
    let mut widths = [0.0_f32; 16];
    unsafe { width.store(widths.as_mut_ptr()) };
    widths[..L::N].iter().fold(0.0, |most, width| most.max(*width))
}

/// The lines r of 0..count where start + step·r lies in `bounds`.
fn within(start: f64, step: f64, bounds: [f64; 2], count: usize) -> std::ops::Range<usize> {
    if step == 0.0 {
        let inside = start >= bounds[0] && start <= bounds[1];
        return 0..if inside { count } else { 0 };
    }
    let ends = bounds.map(|bound| (bound - start) / step);
    let first = ends[0].min(ends[1]).ceil().clamp(0.0, count as f64) as usize;
    let end = (ends[0].max(ends[1]).floor() + 1.0).clamp(0.0, count as f64) as usize;
    first..end.max(first)
}

impl Kernel for FootprintProject {
    const NAME: &'static str = "footprint_project";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/footprint.wgsl"), include_str!("../../shaders/footprint_project.wgsl"));
    const TOLERANCE: f32 = 5e-5;

    fn workgroups(&self) -> [u32; 3] {
        fold(self.part.columns.div_ceil(64) as usize * self.part.filtered_lines as usize)
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        self.accumulate(Simd::detected(), inputs[0].numbers(), inputs[1].numbers(), outputs[0].numbers());
    }

    fn example(seed: u64) -> Example<Self> {
        let (kernel, matrices) = super::footprint::example(seed);
        let (part, curved) = kernel;
        let image = HostArray::noise(&[part.image_lines as usize, part.nx as usize], seed);
        let lines = HostArray::noise(&[part.filtered_lines as usize, part.columns as usize], seed + 1);
        Example { kernel: Self { part, curved }, inputs: vec![image, matrices], outputs: vec![lines] }
    }
}
