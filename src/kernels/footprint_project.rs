//! Projects an image: each cell gains the integral over its rays, averaged over its width (see `footprint.rs`).
//!
//! On the CPU a register of neighbouring cells walks down the slice. What they see of a line of the slice fits into two
//! registers, from which it is picked by permutes; slices whose rays march along x are transposed first. Parallel rays
//! have one trapezoid a view, fans one for every edge: they go line by line, all cells along an edge's trapezoid at once.

use rayon::prelude::*;

use super::{
    footprint::{Comb, Edges, MATRIX, NARROWEST, PAD, SLACK, Table, greater, lesser, share},
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
/// The same of fans, which find edges once a task.
const FAN_BLOCK: usize = 512;

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
            let [upright, lying] = [false, true].map(|lying| views.clone().any(|view| table(view).transposed == lying));
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
                let size = if table.parallel() { BLOCK } else { FAN_BLOCK };
                line.par_chunks_mut(size).enumerate().for_each(|(block, cells)| {
                    let middle = (columns as f32 - 1.0) / 2.0;
                    let first = (block * size) as f32 - middle;
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
    unsafe fn run<L: Lanes>(self) {
        unsafe {
            match (self.table.parallel(), self.curved) {
                (true, _) => self.parallel::<L>(),
                (false, false) => self.fan::<L, false>(),
                (false, true) => self.fan::<L, true>(),
            }
        }
    }
}

impl Cells<'_> {
    #[inline(always)]
    unsafe fn parallel<L: Lanes>(mut self) {
        let [_, na, nr] = self.table.n.map(f64::from);
        let spread = (0.5 * nr.abs()).max(f64::from(NARROWEST));
        let comb = Comb::new([0.5, spread], na.abs(), 1.0 / na);
        for start in (0..self.cells.len()).step_by(L::N) {
            let column = self.first + start as f32;
            unsafe {
                let sums = match (comb.few::<L>(), comb.near::<L>(), comb.taps) {
                    (Some(true), ..) => self.march_of_three::<L, true>(&comb, column),
                    (Some(false), ..) => self.march_of_three::<L, false>(&comb, column),
                    (None, true, 4) => self.march::<L, 4, false>(&comb, column),
                    (None, true, _) => self.march::<L, 0, false>(&comb, column),
                    _ => self.march::<L, 0, true>(&comb, column),
                };
                self.add(start, sums);
            }
        }
    }

    /// Adds a register's sums, times the lengths of the rays, to the cells from `start` on.
    #[inline(always)]
    unsafe fn add<L: Lanes>(&mut self, start: usize, sums: L) {
        let mut numbers = [0.0; 16];
        unsafe { sums.store(numbers.as_mut_ptr()) };
        for (index, (cell, sum)) in self.cells[start..].iter_mut().zip(&numbers[..L::N]).enumerate() {
            *cell += sum * self.table.length(self.curved, self.first + (start + index) as f32);
        }
    }

    /// The first cell's ray, position = start + step·r, and the lines of which any cell sees something.
    #[inline(always)]
    fn path<L: Lanes>(&self, comb: &Comb, column: f32) -> ([f64; 2], std::ops::Range<usize>) {
        let [n0, na, nr] = self.table.n.map(f64::from);
        let [middle, along] = self.slice.middle();
        let step = -nr / na;
        let start = (f64::from(column) - n0) / na + middle - step * along;
        let width = (L::N - 1) as f64 * comb.stride;
        let reach = [width.min(0.0) - comb.radius - 1.0, width.max(0.0) + comb.radius + 1.0];
        let lines = within(start, step, [-reach[1], self.slice.across as f64 - reach[0]], self.slice.along);
        ([start, step], lines)
    }

    #[inline(always)]
    unsafe fn march<L: Lanes, const TAPS: usize, const FAR: bool>(&self, comb: &Comb, column: f32) -> L {
        let ([start, step], lines) = self.path::<L>(comb, column);
        unsafe {
            let mut sum = L::splat(0.0);
            let mut line = self.slice.line(0).add(lines.start * self.slice.stride());
            for r in lines {
                sum = sum.add(comb.sums::<L, TAPS, FAR>(line, self.slice.across, start + step * r as f64));
                line = line.wrapping_add(self.slice.stride());
            }
            sum
        }
    }

    #[inline(always)]
    unsafe fn march_of_three<L: Lanes, const ONE: bool>(&self, comb: &Comb, column: f32) -> L {
        let ([start, step], lines) = self.path::<L>(comb, column);
        unsafe {
            let (mut middles, mut sides) = (L::splat(0.0), L::splat(0.0));
            let mut line = self.slice.line(0).add(lines.start * self.slice.stride());
            for r in lines {
                // Such lines are less than the padding away.
                let [middle, side] = comb.of_three::<L, ONE>(line, None, start + step * r as f64);
                (middles, sides) = (middles.add(middle), sides.add(side));
                line = line.wrapping_add(self.slice.stride());
            }
            sides.mul_add(L::splat(comb.share()), middles)
        }
    }

    #[inline(always)]
    unsafe fn fan<L: Lanes, const CURVED: bool>(mut self) {
        unsafe {
            let (table, cells) = (self.table.splat::<L>(), self.cells.len());
            let [middle, along] = self.slice.middle().map(|middle| middle as f32);
            let starts = (0..cells).step_by(L::N);
            let rays: Vec<Rays<L>> =
                starts.clone().map(|start| Rays::new(&self.table, CURVED, self.first + start as f32)).collect();
            let mut sums = vec![L::splat(0.0); rays.len()];
            let mut edges = Edges::new(self.slice.across + 1);
            let origin = -0.5 - middle;
            // Whether columns grow along the line.
            let [one, other] = [0.0, 1.0].map(|a| self.table.splat::<f32>().column::<CURVED>(a, 0.0).0);
            let sign = L::splat(if other > one { 1.0 } else { -1.0 });
            for line in 0..self.slice.along {
                let r = line as f32 - along;
                let [low, high] = [&rays[0], &rays[rays.len() - 1]]
                    .map(|rays| rays.seen(r, middle))
                    .into_iter()
                    .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], [a, b]| [low.min(a), high.max(b)]);
                let count = self.slice.across as f32;
                if !(high >= 0.0 && low < count) {
                    continue;
                }
                let range = low.max(0.0) as usize..(high + 2.0).min(count + 1.0) as usize;
                edges.fill::<L, CURVED>(&table, range, [origin, r], [1.0, 0.0]);
                let pixels = self.slice.line(line);
                for (rays, sum) in rays.iter().zip(&mut sums) {
                    *sum = sum.add(rays.sums(&edges, (pixels, self.slice.across), (r, middle), sign));
                }
            }
            starts.zip(sums).for_each(|(start, sums)| self.add(start, sums));
        }
    }
}

/// A register of neighbouring cells of a fan, their edges as rays a = p + q·r.
struct Rays<L> {
    /// Of each cell's two edges.
    p: [L; 2],
    q: [L; 2],
    /// By how much what a cell sees of a line exceeds its rays on each side, pixels; and the most of these.
    lean: L,
    most: f32,
    /// The outermost rays, (p, q), and how far the edges of the first and the last cell lie apart.
    ends: [[f32; 2]; 2],
    apart: [[f32; 2]; 2],
    columns: L,
}

impl<L: Lanes> Rays<L> {
    #[inline(always)]
    unsafe fn new(table: &Table<f32>, curved: bool, column: f32) -> Self {
        let mut rays = [[0.0_f32; 17]; 2];
        let [ps, qs] = &mut rays;
        for (edge, (p, q)) in ps.iter_mut().zip(qs).enumerate().take(L::N + 1) {
            let ray = table.ray(curved, column + edge as f32 - 0.5);
            (*p, *q) = (ray.0 as f32, ray.1 as f32);
        }
        let [p, q] = rays;
        let apart = |cell: usize| [p[cell + 1] - p[cell], q[cell + 1] - q[cell]];
        let steepest = q[..=L::N].iter().fold(0.0_f32, |most, q| most.max(q.abs()));
        unsafe {
            let (p0, p1) = (L::load(p.as_ptr()), L::load(p[1..].as_ptr()));
            let (q0, q1) = (L::load(q.as_ptr()), L::load(q[1..].as_ptr()));
            Self {
                lean: q0.abs().max(q1.abs()).mul_add(L::splat(0.5), L::splat(0.5 + SLACK)),
                most: 0.5 * steepest + 0.5 + 2.0 * SLACK,
                ends: [[p[0], q[0]], [p[L::N], q[L::N]]],
                apart: [apart(0), apart(L::N - 1)],
                p: [p0, p1],
                q: [q0, q1],
                columns: L::count().add(L::splat(column)),
            }
        }
    }

    /// Between which indices the pixels of line `r` lie that any of the cells sees.
    #[inline(always)]
    fn seen(&self, r: f32, middle: f32) -> [f32; 2] {
        let [[p0, q0], [p1, q1]] = self.ends;
        let (one, other) = (p0 + q0 * r + middle, p1 + q1 * r + middle);
        [lesser(one, other) - self.most, greater(one, other) + self.most]
    }

    /// What the cells see of line `r`, without the rays' lengths; `sign` says whether columns grow along it.
    #[inline(always)]
    unsafe fn sums(&self, edges: &Edges, (pixels, count): (*const f32, usize), (r, middle): (f32, f32), sign: L) -> L {
        let [low, high] = self.seen(r, middle);
        let [[p0, q0], [p1, q1]] = self.apart;
        let taps = (greater((p0 + q0 * r).abs(), (p1 + q1 * r).abs()) + 2.0 * self.most).ceil();
        if !(high >= 0.0 && low < count as f32 && high - low < 1e6 && taps < 1e6) {
            return unsafe { L::splat(0.0) };
        }
        let (base, taps) = (low.floor(), taps as usize);
        let near = high - base + 1.0 < 2.0 * L::N as f32 && base >= -(PAD as f32) && taps <= PAD / 4;
        unsafe {
            match (near, taps) {
                (true, 3) => self.taps::<3, false>(edges, (pixels, count), (r, middle), (base, taps), sign),
                (true, 4) => self.taps::<4, false>(edges, (pixels, count), (r, middle), (base, taps), sign),
                (true, _) => self.taps::<0, false>(edges, (pixels, count), (r, middle), (base, taps), sign),
                _ => self.taps::<0, true>(edges, (pixels, count), (r, middle), (base, taps), sign),
            }
        }
    }

    /// The same from pixel `base` on, `taps` pixels a cell (`TAPS`, if that is not 0).
    #[inline(always)]
    unsafe fn taps<const TAPS: usize, const FAR: bool>(
        &self,
        edges: &Edges,
        (pixels, count): (*const f32, usize),
        (r, middle): (f32, f32),
        (base, taps): (f32, usize),
        sign: L,
    ) -> L {
        unsafe {
            let r = L::splat(r);
            let (one, other) = (self.q[0].mul_add(r, self.p[0]), self.q[1].mul_add(r, self.p[1]));
            let first = one.min(other).sub(self.lean).add(L::splat(middle)).floor().add(L::splat(1.0));
            let index = first.sub(L::splat(base));
            let [column, spread, slope] = edges.pointers();
            let pick = |numbers: *const f32, tap: usize| {
                if FAR {
                    let inside = first.add(L::splat(tap as f32)).max(L::splat(-1.0));
                    L::pick_far(numbers, inside.min(L::splat(count as f32)))
                } else {
                    L::pick(numbers.offset(base as isize).add(tap), index)
                }
            };
            // The outermost edges lie beyond the trapezoid: ∓½.
            let mut before = pick(pixels, 0);
            let mut sum = L::splat(0.0);
            let ends = before;
            for tap in 1..if TAPS == 0 { taps } else { TAPS } {
                let next = pick(pixels, tap);
                let share = share(pick(column, tap).sub(self.columns), pick(spread, tap), pick(slope, tap));
                sum = share.mul_add(before.sub(next), sum);
                before = next;
            }
            ends.add(before).mul_add(L::splat(0.5), sum.mul(sign))
        }
    }
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
