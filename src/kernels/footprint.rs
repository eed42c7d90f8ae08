//! How much of a pixel a ray of finite width sees: the footprints that a matched pair of projectors shares.
//!
//! Rays march along one axis of a slice, `along`, and cross a few pixels of every line of the other, `across` (the
//! view's matrix says which is which). A cell's share of pixel (a, r) is |G(c(a + ½, r)) − G(c(a − ½, r))|, where c maps
//! a point of the slice to the detector and G is the part of the cell, widened by the slice's line, that lies on one
//! side of the pixel's edge: the integral of a trapezoid, a box of one cell convolved with a box of |∂c/∂r|. With the
//! length of the ray in a line of the slice this is, for parallel rays, the exact area of pixel ∩ strip over the cell's
//! width, and for fans a distance-driven footprint (De Man & Basu 2004) with the slope of the pixel's sides
//! (separable footprints: Long, Fessler & Balter 2010). The shares of a line add up to one, so that a constant image
//! has exact integrals whatever the geometry.
//!
//! A view's matrix, 12 numbers; columns and voxel indices are counted from the middle of detector and slice:
//!
//! | 0–2 | 3–5 | 6 | 7, 8 | 9 |
//! |---|---|---|---|---|
//! | n = n0 + nₐ·a + nᵣ·r | d = d0 + dₐ·a + dᵣ·r | scale | size of a voxel along r, along a | 1: a runs along y, r along x; 0: a along x |
//!
//! c = n/d on a flat detector (parallel rays: d = 1), scale·atan(n/d) on a curved one; d > 0.

use super::{lanes::Lanes, part::Part};
use crate::device::HostArray;

/// Numbers of a view's matrix.
pub const MATRIX: usize = 12;
/// Least |∂c/∂r| / 2, cells: a box of no width has no slope.
pub(super) const NARROWEST: f32 = 1e-4;
/// Zeros on each side of a padded line: more than two registers and the taps between.
pub(super) const PAD: usize = 64;
/// By how much the rays' own bounds are widened, pixels: footprints bend where magnification changes.
pub(super) const SLACK: f32 = 0.02;

/// A view's matrix, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<T> {
    pub n: [T; 3],
    pub d: [T; 3],
    pub scale: T,
    pub size: [T; 2],
    pub transposed: bool,
}

impl Table<f32> {
    pub fn read(m: &[f32; MATRIX]) -> Self {
        Self { n: [m[0], m[1], m[2]], d: [m[3], m[4], m[5]], scale: m[6], size: [m[7], m[8]], transposed: m[9] != 0.0 }
    }

    pub fn parallel(&self) -> bool {
        self.d[1] == 0.0 && self.d[2] == 0.0
    }

    /// The ray to `column` (from the middle) as a = p + q·r: (p, q).
    pub fn ray(&self, curved: bool, column: f32) -> (f64, f64) {
        let ratio = if curved { f64::from(column / self.scale).tan() } else { f64::from(column) };
        let [c0, ca, cr] = [0, 1, 2].map(|i| f64::from(self.n[i]) - ratio * f64::from(self.d[i]));
        (-c0 / ca, -cr / ca)
    }

    /// Length of the ray to `column` in one line of the slice.
    pub fn length(&self, curved: bool, column: f32) -> f32 {
        let (_, q) = self.ray(curved, column);
        f64::from(self.size[0]).hypot(f64::from(self.size[1]) * q) as f32
    }

    #[inline(always)]
    pub unsafe fn splat<L: Lanes>(&self) -> Table<L> {
        unsafe {
            Table {
                n: [L::splat(self.n[0]), L::splat(self.n[1]), L::splat(self.n[2])],
                d: [L::splat(self.d[0]), L::splat(self.d[1]), L::splat(self.d[2])],
                scale: L::splat(self.scale),
                size: [L::splat(self.size[0]), L::splat(self.size[1])],
                transposed: self.transposed,
            }
        }
    }
}

impl<L: Lanes> Table<L> {
    /// Column of the point (a, r), from the middle, and |∂c/∂r| / 2 there.
    #[inline(always)]
    pub unsafe fn column<const CURVED: bool>(&self, a: L, r: L) -> (L, L) {
        unsafe {
            let n = self.n[1].mul_add(a, self.n[2].mul_add(r, self.n[0]));
            let d = self.d[1].mul_add(a, self.d[2].mul_add(r, self.d[0]));
            let inverse = d.inverse();
            let ratio = n.mul(inverse);
            let slope = self.d[2].neg_mul_add(ratio, self.n[2]).mul(inverse);
            let half = L::splat(0.5);
            if CURVED {
                let bend = ratio.mul_add(ratio, L::splat(1.0)).inverse().mul(self.scale);
                (self.scale.mul(atan(ratio)), slope.mul(bend).abs().mul(half))
            } else {
                (ratio, slope.abs().mul(half))
            }
        }
    }
}

/// atan to about 1e-7: beyond 1 a quarter turn less that of the inverse; then from tan(π/8) on; then a series.
#[inline(always)]
unsafe fn atan<L: Lanes>(ratio: L) -> L {
    unsafe {
        let one = L::splat(1.0);
        let size = ratio.abs();
        // For size ≤ 1: size; beyond: 1/size, without a branch: min/max.
        let small = size.min(one).mul(size.max(one).inverse());
        // atan t = π/8 + atan((t − k) / (1 + t·k)) with k = tan(π/8), whose argument is at most k.
        let k = L::splat(0.414_213_56);
        let rest = small.sub(k).mul(small.mul_add(k, one).inverse());
        let square = rest.mul(rest);
        let mut series = L::splat(1.0 / 17.0);
        let terms = [-1.0 / 15.0, 1.0 / 13.0, -1.0 / 11.0, 1.0 / 9.0, -1.0 / 7.0, 1.0 / 5.0, -1.0 / 3.0, 1.0];
        for term in terms {
            series = series.mul_add(square, L::splat(term));
        }
        let angle = rest.mul_add(series, L::splat(std::f32::consts::FRAC_PI_8));
        // Which side of 1: 0 or 1, exactly.
        let beyond = size.sub(one).mul(L::splat(f32::MAX)).max(L::splat(0.0)).min(one);
        let other = L::splat(std::f32::consts::FRAC_PI_2).sub(angle);
        let angle = beyond.mul_add(other.sub(angle), angle);
        angle.with_sign(ratio)
    }
}

/// G − ½ at distance `t` from the cell's middle, for a box of half width `spread` ≥ NARROWEST, all in cells, and
/// `slope` = 1/(4·spread).
#[inline(always)]
pub(super) unsafe fn share<L: Lanes>(t: L, spread: L, slope: L) -> L {
    unsafe {
        let half = L::splat(0.5);
        let v = t.abs().min(spread.add(half));
        let over = v.sub(spread.sub(half).abs()).max(L::splat(0.0));
        let height = slope.add(slope).min(L::splat(1.0));
        over.mul(slope).neg_mul_add(over, height.mul(v)).with_sign(t)
    }
}

/// Where a view of a fan sees the edges of a line of pixels: everything about them that does not depend on the cell, so
/// that divisions and arcs are done once an edge.
#[derive(Clone, Debug)]
pub(super) struct Edges {
    /// Columns, from the detector's middle.
    column: Vec<f32>,
    /// |∂c/∂r| / 2, not below NARROWEST.
    spread: Vec<f32>,
    /// 1/(4·spread).
    slope: Vec<f32>,
    /// The largest spread of those filled last.
    pub widest: f32,
}

impl Edges {
    /// For `count` edges, between padding of which nothing is to be expected but that it is finite.
    pub fn new(count: usize) -> Self {
        let [column, spread, slope] = [0.0, 0.5, 0.5].map(|number| vec![number; count + 2 * PAD]);
        Self { column, spread, slope, widest: 0.5 }
    }

    /// Fills the edges `range`, of which number i lies at (a, r) = `origin` + i·`step`, and up to a register more.
    #[inline(always)]
    pub unsafe fn fill<L: Lanes, const CURVED: bool>(
        &mut self,
        table: &Table<L>,
        range: std::ops::Range<usize>,
        origin: [f32; 2],
        step: [f32; 2],
    ) {
        unsafe {
            let mut widest = L::splat(0.0);
            for index in range.step_by(L::N) {
                let number = L::count().add(L::splat(index as f32));
                let a = number.mul_add(L::splat(step[0]), L::splat(origin[0]));
                let r = number.mul_add(L::splat(step[1]), L::splat(origin[1]));
                let (column, spread) = table.column::<CURVED>(a, r);
                let spread = spread.max(L::splat(NARROWEST));
                widest = widest.max(spread);
                column.store(self.column[PAD + index..][..L::N].as_mut_ptr());
                spread.store(self.spread[PAD + index..][..L::N].as_mut_ptr());
                spread.mul(L::splat(4.0)).inverse().store(self.slope[PAD + index..][..L::N].as_mut_ptr());
            }
            let mut numbers = [0.0; 16];
            widest.store(numbers.as_mut_ptr());
            self.widest = numbers[..L::N].iter().fold(0.0, |most, number| greater(most, *number));
        }
    }

    /// The numbers 0: column, spread, slope.
    #[inline(always)]
    pub fn pointers(&self) -> [*const f32; 3] {
        [&self.column, &self.spread, &self.slope].map(|numbers| numbers[PAD..].as_ptr())
    }

    /// A register of edges: column, spread, slope.
    #[inline(always)]
    pub unsafe fn load<L: Lanes>(&self, start: usize) -> (L, L, L) {
        let [column, spread, slope] = self.pointers();
        unsafe { (L::load(column.add(start)), L::load(spread.add(start)), L::load(slope.add(start))) }
    }

    /// The column of one edge.
    #[inline(always)]
    pub fn at(&self, index: usize) -> f32 {
        self.column[PAD + index]
    }
}

/// The lesser of two numbers in one instruction, since NaN may give either.
#[inline(always)]
pub(super) fn lesser(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The greater, likewise.
#[inline(always)]
pub(super) fn greater(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The same for one view's parallel rays, whose boxes of half widths `p` and `q` never change: distances are scaled so
/// that the trapezoid's height is 1.
#[derive(Clone, Copy, Debug)]
struct Trapezoid {
    scale: f32,
    reach: f32,
    top: f32,
    bend: f32,
}

impl Trapezoid {
    fn new([p, q]: [f64; 2]) -> Self {
        let (wide, narrow) = (p.max(q), p.min(q));
        Self {
            scale: (0.5 / wide) as f32,
            reach: ((wide + narrow) * 0.5 / wide) as f32,
            top: ((wide - narrow) * 0.5 / wide) as f32,
            bend: (wide / (2.0 * narrow)) as f32,
        }
    }
}

/// What a vector of sinks (cells, or pixels) gets from a line of sources (pixels, or cells), of which each sink sees up to
/// `taps` neighbours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comb {
    trapezoid: Trapezoid,
    /// Distance between two sources' edges, in the trapezoid's unit.
    edge: f32,
    /// Half of what a sink sees, in sources.
    pub radius: f64,
    /// From a sink to the next, in sources.
    pub stride: f64,
    pub taps: usize,
    /// Half of the trapezoid's foot less half a source; its ramp; 1/(2·ramp); 1 over its width at half height: in sources.
    foot: f32,
    ramp: f32,
    bend: f32,
    share: f32,
}

/// By how much the sinks' middles may lie beyond the half source about the first that they are counted from, so that rounding
/// does not take the one before.
const MARGIN: f64 = 1e-3;

impl Comb {
    /// A sink sees a source by boxes of these half widths, where the sources' edges lie `edge` apart.
    pub fn new(boxes: [f64; 2], edge: f64, stride: f64) -> Self {
        let [p, q] = boxes.map(|half| half / edge);
        let (trapezoid, radius) = (Trapezoid::new(boxes), p + q + 0.5);
        // Rounding must not add an empty tap to what meets edge on edge.
        let taps = (2.0 * radius - 1e-6).ceil() as usize;
        let (foot, ramp, share) = ((p + q - 0.5) as f32, (2.0 * p.min(q)) as f32, (0.5 / p.max(q)) as f32);
        let (edge, bend) = (edge as f32 * trapezoid.scale, (0.25 / p.min(q)) as f32);
        Self { trapezoid, edge, radius, stride, taps, foot, ramp, bend, share }
    }

    /// Whether all that N sinks see fits into two registers.
    pub fn near<L: Lanes>(&self) -> bool {
        let most = if L::N == 1 { PAD } else { 2 * L::N };
        (L::N - 1) as f64 * self.stride.abs() + self.taps as f64 + 2.0 <= most as f64
    }

    /// Whether [`Self::of_three`] serves N sinks, and whether each of its sources fits into one register.
    pub fn few<L: Lanes>(&self) -> Option<bool> {
        (self.taps <= 3 && self.near::<L>()).then(|| self.stride.abs() <= 1.0)
    }

    /// From the first sink, at `position` among the sources, to the first source that any of the N sinks sees.
    #[inline(always)]
    pub fn base<L: Lanes>(&self, position: f64) -> f64 {
        let last = (L::N - 1) as f64 * self.stride;
        (position + last.min(0.0) - self.radius).floor()
    }

    /// Sums of `N` sinks, the first at `position`, of which none sees more than three sources: the one that its middle is in,
    /// and parts of its neighbours. That is half the work of [`Self::sums`], as less than half of the trapezoid lies on
    /// either neighbour. They are the first number and [`Self::share`] times the second.
    ///
    /// # Safety
    /// `sources` has, from `least` − 1 to `most` + 2N, numbers; `most` is a whole number, too.
    #[inline(always)]
    pub unsafe fn of_three<L: Lanes, const ONE: bool>(
        &self,
        sources: *const f32,
        bounds: Option<[f64; 2]>,
        position: f64,
    ) -> [L; 2] {
        unsafe {
            let last = ((L::N - 1) as f64 * self.stride).min(0.0);
            let first = (position + (last + 0.5 - MARGIN)).floor();
            let offset = L::splat((position - first) as f32);
            // What is clamped sees zeros only, whatever its weights.
            let first = bounds.map_or(first, |[least, most]| first.max(least).min(most));
            let start = sources.offset(first.to_int_unchecked::<isize>());
            let place = L::count().mul_add(L::splat(self.stride as f32), offset);
            let mut marked = place.marked();
            if ONE {
                marked = marked.min(L::splat((L::N - 1) as f32).marked());
            }
            let away = place.sub(marked.unmarked());
            let before = pick::<L, ONE>(start.sub(1), marked);
            let middle = pick::<L, ONE>(start, marked);
            let after = pick::<L, ONE>(start.add(1), marked);
            let (foot, slope) = (L::splat(self.foot), [L::splat(self.ramp), L::splat(self.bend)]);
            let below = area(foot.sub(away), slope).mul(before.sub(middle));
            [middle, area(foot.add(away), slope).mul_add(after.sub(middle), below)]
        }
    }

    /// See [`Self::of_three`].
    pub fn share(&self) -> f32 {
        self.share
    }

    /// Sums of `N` sinks, the first at `position`; `sources` is the line's number 0 between zeros, of which `count` are
    /// meant. With `TAPS` 0 the number of taps is the comb's.
    #[inline(always)]
    pub unsafe fn sums<L: Lanes, const TAPS: usize, const FAR: bool>(
        &self,
        sources: *const f32,
        count: usize,
        position: f64,
    ) -> L {
        unsafe {
            let base = self.base::<L>(position);
            let left =
                L::count().mul_add(L::splat(self.stride as f32), L::splat((position - self.radius - base) as f32));
            let first = left.floor().add(L::splat(1.0));
            // What is clamped sees zeros only, whatever its weights.
            let start = sources.offset((base as i64).clamp(-(PAD as i64), count as i64) as isize);
            let pick = |tap: usize| {
                if FAR {
                    let index = first.add(L::splat((base + tap as f64) as f32));
                    L::pick_far(sources, index.max(L::splat(-1.0)).min(L::splat(count as f32)))
                } else {
                    L::pick(start.add(tap), first)
                }
            };
            let Trapezoid { reach, top, bend, .. } = self.trapezoid;
            let (reach, top, bend) = (L::splat(reach), L::splat(top), L::splat(bend));
            let edge = L::splat(self.edge);
            let mut t = first.sub(left).sub(L::splat(self.radius as f32 - 0.5)).mul(edge);
            let mut before = pick(0);
            let mut sum = before.mul(L::splat(0.5));
            let taps = if TAPS == 0 { self.taps } else { TAPS };
            for tap in 1..taps {
                let next = pick(tap);
                let v = t.abs().min(reach);
                let over = v.sub(top).max(L::splat(0.0));
                let share = over.mul(bend).neg_mul_add(over, v).with_sign(t);
                sum = share.mul_add(before.sub(next), sum);
                t = t.add(edge);
                before = next;
            }
            before.mul_add(L::splat(0.5), sum)
        }
    }
}

// Functions, as a closure would not be given the loop's instructions unless the compiler chose to inline it.
#[inline(always)]
unsafe fn pick<L: Lanes, const ONE: bool>(numbers: *const f32, marked: L) -> L {
    unsafe { if ONE { L::pick_one(numbers, marked) } else { L::pick_two(numbers, marked) } }
}

/// The area of a trapezoid of height 1 up to that `far` from its end; at most to its middle. `slope` is its ramp, and 1/(2·ramp).
#[inline(always)]
unsafe fn area<L: Lanes>(far: L, [ramp, bend]: [L; 2]) -> L {
    unsafe {
        let far = far.max(L::splat(0.0));
        let sloped = far.min(ramp);
        sloped.mul_add(sloped.mul_add(bend, L::splat(-1.0)), far)
    }
}

/// Views for the kernels' examples: parallel, flat or curved, some of them marching along x.
pub(super) fn example(seed: u64) -> ((Part, u32), HostArray) {
    let part = Part {
        nx: 37 + seed as u32 % 3,
        ny: 29,
        image_first: 0,
        image_lines: 58,
        filtered_first: 2,
        filtered_lines: 17,
        rows: 2,
        columns: 41,
        first_view: 1,
        views: 8,
        matrices_first: 1,
    };
    let curved = u32::from(seed % 3 == 2);
    let distance = 70.0;
    let matrices: Vec<f32> = (0..part.views)
        .flat_map(|view| {
            let (sin, cos) = (0.3 + 0.7 * f64::from(view)).sin_cos();
            // Along the detector and towards it, in voxels.
            let (n, d) = match (seed % 3, curved) {
                (0, _) => ([0.4, 1.1 * cos, 1.1 * sin], [1.0, 0.0, 0.0]),
                (_, 0) => ([0.4, 1.1 * cos, 1.1 * sin], [1.0, -sin / distance, cos / distance]),
                _ => ([0.4, cos, sin], [distance, -sin, cos]),
            };
            let lying = sin.abs() > cos.abs();
            let turn = |[c, x, y]: [f64; 3]| if lying { [c, y, x] } else { [c, x, y] };
            let (n, d) = (turn(n), turn(d));
            let scale = if curved == 1 { 1.1 * distance } else { 1.0 };
            let size = if lying { [0.9, 0.7] } else { [0.7, 0.9] };
            let lying = f64::from(u8::from(lying));
            [n[0], n[1], n[2], d[0], d[1], d[2], scale, size[0], size[1], lying, 0.0, 0.0]
        })
        .map(|number| number as f32)
        .collect();
    ((part, curved), HostArray::new(&[part.views as usize, MATRIX], &matrices))
}
