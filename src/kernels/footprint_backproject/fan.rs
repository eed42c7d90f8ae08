//! Pixels take what they see of a fan's view, line by line. What concerns an edge of pixels alone is found once, then each
//! pixel sees, of the cell that its middle is in, all of its width, and beyond each of that one's edges an area of the
//! trapezoid: some 20 instructions an edge with one division (45 curved), and 40 a pixel; 15 (21) cycles a register of a
//! processor that begins four of them in each.

use super::{View, add, edges::Edges};
use crate::{
    device::Simd,
    kernels::{
        footprint::{Line, NARROWEST, PAD, Table, area, lesser},
        lanes::{self, Lanes, Loop},
    },
};

/// Lines of pixels of a slice, the first pixel at `first` from the slice's middle (x, y), take what they see of views of so many
/// columns.
pub fn backproject(
    simd: Simd,
    views: &[View],
    curved: bool,
    columns: usize,
    nx: usize,
    first: [f64; 2],
    pixels: &mut [f32],
) {
    let mut edges = [0, 1].map(|_| Edges::new(nx + 1));
    for view in views {
        let (edges, pixels) = (&mut edges, &mut *pixels);
        if curved {
            lanes::run(simd, Gather::<true> { view, columns, nx, first, edges, pixels });
        } else {
            lanes::run(simd, Gather::<false> { view, columns, nx, first, edges, pixels });
        }
    }
}

/// Pixels for which it is asked together what they see at most.
const RUN: usize = 128;
/// By how much middles may lie beyond the half cell about the first that they are counted from: more than columns are rounded.
const MARGIN: f32 = 1.0 / 64.0;

struct Gather<'a, const CURVED: bool> {
    view: &'a View<'a>,
    columns: usize,
    nx: usize,
    first: [f64; 2],
    edges: &'a mut [Edges; 2],
    pixels: &'a mut [f32],
}

impl<const CURVED: bool> Loop for Gather<'_, CURVED> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { view, columns, nx, first: [x, y], edges: [before, after], pixels } = self;
        let table = &view.table;
        for (index, pixels) in pixels.chunks_exact_mut(nx).enumerate() {
            let y = y + index as f64;
            unsafe {
                let edges = if table.transposed {
                    // Edges above and below; what was below the line before is above this one.
                    if index == 0 {
                        before.fill::<L, CURVED>(table, 0..nx, [y - 0.5, x], [0.0, 1.0]);
                    } else {
                        std::mem::swap(before, after);
                    }
                    after.fill::<L, CURVED>(table, 0..nx, [y + 0.5, x], [0.0, 1.0]);
                    [(&*before, 0), (&*after, 0)]
                } else {
                    let count = nx.next_multiple_of(L::N) + 1;
                    before.fill::<L, CURVED>(table, 0..count, [x - 0.5, y], [1.0, 0.0]);
                    [(&*before, 0), (&*before, 1)]
                };
                // By columns.
                let edges = if table.grows() { edges } else { [edges[1], edges[0]] };
                for start in (0..nx).step_by(RUN) {
                    let end = nx.min(start + RUN);
                    let seen = Seen::of::<CURVED>(table, [x + start as f64, y], end - start);
                    let most = if L::N == 1 { PAD as f64 } else { 2.0 * L::N as f64 };
                    let one =
                        L::N > 1 && seen.stride * (L::N - 1) as f64 + 2.0 * f64::from(MARGIN) <= (L::N - 1) as f64;
                    let pairs = seen.pairs();
                    let near = pairs <= PAD / 8 && seen.stride * (L::N - 1) as f64 + 2.0 <= most;
                    let run = Run { view, columns, edges, start, end, pairs };
                    match (near, one && pairs == 1, pairs == 1 && seen.slim) {
                        (true, true, true) => run.take::<L, true, false, false, false>(pixels),
                        (true, true, false) => run.take::<L, true, false, true, false>(pixels),
                        (true, false, true) => run.take::<L, false, false, false, false>(pixels),
                        (true, ..) => run.take::<L, false, true, true, false>(pixels),
                        (false, ..) => run.take::<L, false, true, true, true>(pixels),
                    }
                }
            }
        }
    }
}

/// What holds for all pixels of a run.
struct Seen {
    /// Widest pixel and widest box, in cells; from a pixel's middle to the next at most.
    width: f64,
    spread: f64,
    stride: f64,
    /// Whether no box is wider than a pixel.
    slim: bool,
}

impl Seen {
    /// Of so many pixels from `[x, y]` on.
    fn of<const CURVED: bool>(table: &Table, [x, y]: [f64; 2], count: usize) -> Self {
        let [n, d] = [table.n, table.d].map(|numbers| numbers.map(f64::from));
        let at = |x: f64| if table.transposed { [y, x] } else { [x, y] };
        let form = |c: [f64; 3], [a, r]: [f64; 2]| c[0] + c[1] * a + c[2] * r;
        let ends = [at(x - 0.5), at(x + count as f64 - 0.5)];
        // n_a·d − n·d_a and n_r·d − n·d_r, and what they are divided by where a column's changes with a and r are asked for.
        let along_a = ends.map(|[_, r]| (n[1] * d[0] - n[0] * d[1] + (n[1] * d[2] - n[2] * d[1]) * r).abs());
        let along_r = ends.map(|[a, _]| (n[2] * d[0] - n[0] * d[2] + (n[2] * d[1] - n[1] * d[2]) * a).abs());
        let [from, to] = ends.map(|point| [if CURVED { form(n, point) } else { 0.0 }, form(d, point)]);
        let square = |[n, d]: [f64; 2]| n * n + d * d;
        let step = [to[0] - from[0], to[1] - from[1]];
        // Of the points between, that nearest to the source.
        let place = (-(from[0] * step[0] + from[1] * step[1]) / square(step).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        let least = square([from[0] + place * step[0], from[1] + place * step[1]]);
        let most = square(from).max(square(to));
        // A pixel's edges lie half a pixel beside the line, where they are not on it.
        let beside = (form([0.0, d[1], d[2]], [1.0, 1.0])).abs().max(d[1].abs() + d[2].abs());
        let beside = beside + if CURVED { n[1].abs() + n[2].abs() } else { 0.0 };
        let slack = 1.0 + 2.0 * beside / least.sqrt();
        let scale = if CURVED { f64::from(table.scale) } else { 1.0 };
        let width = scale * along_a[0].max(along_a[1]) / least * slack;
        let narrowest = scale * along_a[0].min(along_a[1]) / most / slack;
        let spread = (0.5 * scale * along_r[0].max(along_r[1]) / least * slack).max(f64::from(NARROWEST));
        let stride = if table.transposed { 2.0 * spread } else { width };
        Self { width, spread, stride, slim: spread <= 0.5 * narrowest }
    }

    /// How many cells on either side of the one that its middle is in a pixel sees at most.
    fn pairs(&self) -> usize {
        (0.5 * self.width + self.spread).ceil() as usize
    }
}

/// A run of pixels of a line; edges by columns.
struct Run<'a> {
    view: &'a View<'a>,
    columns: usize,
    edges: [(&'a Edges, usize); 2],
    start: usize,
    end: usize,
    pairs: usize,
}

impl Run<'_> {
    /// Adds what they see to the `pixels` of the line. All that those of a register are in fits into one register, if `ONE`, or into
    /// two, unless `FAR`; if `WIDE`, boxes may be wider than pixels; `pairs` is 1 unless `MANY`.
    #[inline(always)]
    unsafe fn take<L: Lanes, const ONE: bool, const MANY: bool, const WIDE: bool, const FAR: bool>(
        &self,
        pixels: &mut [f32],
    ) {
        let Self { view, columns, edges: [(one, shift_one), (other, shift_other)], end, pairs, .. } = *self;
        let middle = (columns as f32 - 1.0) / 2.0;
        let cells = view.line[PAD..].as_ptr();
        let (half, unit) = (0.5, 1.0);
        for start in (self.start..end).step_by(L::N) {
            let [left, right] = [start + shift_one, start + shift_other];
            let last = L::N.min(end - start) - 1;
            let ends = [one.at(left) + other.at(right), one.at(left + last) + other.at(right + last)];
            // Its truncation is the first cell, counted from the first zero.
            let first = lesser(ends[0], ends[1]) * half + (middle + 0.5 - MARGIN + PAD as f32);
            if !(FAR || (pairs as f32..=(columns + PAD + pairs) as f32).contains(&first)) {
                // Zeros, all that these see.
                continue;
            }
            let first = first.clamp(-1e9, 1e9);
            unsafe {
                let base = first.to_int_unchecked::<i32>() - PAD as i32;
                let [c0, b0, s0] = one.load::<L>(left);
                let [c1, b1, s1] = other.load::<L>(right);
                let (half, unit) = (L::splat(half), L::splat(unit));
                let marked = c0.add(c1).mul_add(half, L::splat(middle - base as f32)).marked();
                let cell = marked.unmarked().add(L::splat(base as f32 - middle));
                let from = Line { line: cells, count: columns, base, marked };
                // How far the boxes of the pixel's sides reach beyond the cell's sides.
                let (mut to_right, mut to_left) = (c1.sub(cell).sub(half).add(b1), cell.sub(c0).sub(half).add(b0));
                let (ramp0, ramp1) = ([b0.add(b0), s0], [b1.add(b1), s1]);
                // The same of its other sides.
                let (mut from_left, mut from_right) = (to_right, to_left);
                if WIDE {
                    (from_left, from_right) = (c0.sub(cell).sub(half).add(b0), cell.sub(c1).sub(half).add(b1));
                }
                let own = from.get::<ONE, FAR>(0);
                let (mut before, mut after) = (from.get::<ONE, FAR>(-1), from.get::<ONE, FAR>(1));
                let (mut above, mut below) = (area(to_right, ramp1), area(to_left, ramp0));
                if WIDE {
                    (above, below) = (above.sub(area(from_left, ramp0)), below.sub(area(from_right, ramp1)));
                }
                let mut seen = above.mul_add(after.sub(own), c1.sub(c0).mul(own));
                seen = below.mul_add(before.sub(own), seen);
                if MANY {
                    for pair in 2..=pairs as i32 {
                        (to_right, to_left) = (to_right.sub(unit), to_left.sub(unit));
                        (from_left, from_right) = (from_left.sub(unit), from_right.sub(unit));
                        above = area(to_right, ramp1).sub(area(from_left, ramp0));
                        below = area(to_left, ramp0).sub(area(from_right, ramp1));
                        let (next_after, next_before) = (from.get::<ONE, FAR>(pair), from.get::<ONE, FAR>(-pair));
                        seen = above.mul_add(next_after.sub(after), seen);
                        seen = below.mul_add(next_before.sub(before), seen);
                        (after, before) = (next_after, next_before);
                    }
                }
                add(seen, &mut pixels[start..end]);
            }
        }
    }
}
