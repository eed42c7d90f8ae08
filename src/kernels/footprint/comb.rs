//! Parallel rays: one trapezoid a view, and where registers of sinks stand among the sources.
//!
//! A sink sees few sources: the one that its middle is in, whole, and beyond each of that one's edges an area of the trapezoid,
//! whose value differs from the middle's. With three sources that is some 25 vector instructions a register beside loads (31, if the
//! sources fill two registers; 50 with five sources): 6 to 13 cycles of a processor that begins four of them in each, at eight
//! lanes. Where a register's sources begin is found for a line of registers at once ([`Places`]).

use super::PAD;
use crate::kernels::lanes::Lanes;

/// Boxes of half widths `p` and `q`, which never change in a view: distances are scaled so that the trapezoid's height is 1.
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

/// How a register of sinks finds its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) enum Way {
    /// [`Comb::about_middles`]: three sources, which those of a register of sinks are in one register of sources.
    Three,
    /// The same, of two registers.
    ThreeOfTwo,
    /// Five sources, of two registers.
    Five,
    /// The same, of two registers for each half of the sinks.
    FiveOfHalves,
    /// [`Comb::sums`], of two registers.
    Any,
    /// The same, where they do not fit into them.
    Far,
}

/// [`Way`]s as numbers, for loops that know theirs.
impl Way {
    pub const THREE: usize = Self::Three as usize;
    pub const THREE_OF_TWO: usize = Self::ThreeOfTwo as usize;
    pub const FIVE: usize = Self::Five as usize;
    pub const FIVE_OF_HALVES: usize = Self::FiveOfHalves as usize;
    pub const ANY: usize = Self::Any as usize;
    pub const FAR: usize = Self::Far as usize;

    /// Whether it is by [`Comb::about_middles`].
    pub const fn about_middles(way: usize) -> bool {
        way <= Self::FIVE_OF_HALVES
    }
}

/// What a vector of sinks (cells, or pixels) gets from a line of sources (pixels, or cells), of which each sink sees up to
/// `taps` neighbours.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels) struct Comb {
    trapezoid: Trapezoid,
    /// Distance between two sources' edges, in the trapezoid's unit.
    edge: f32,
    /// Half of what a sink sees, in sources.
    pub radius: f64,
    /// From a sink to the next, in sources.
    pub stride: f64,
    taps: usize,
    /// Half of the trapezoid's foot less half a source; its ramp; 1/(2·ramp); 1 over its width at half height: in sources.
    foot: f32,
    ramp: f32,
    bend: f32,
    share: f32,
}

/// By how much the sinks' middles may lie beyond the half source about the first that they are counted from, so that rounding
/// does not take the one before.
pub(in crate::kernels) const MARGIN: f64 = 1e-3;

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

    /// Which way serves N sinks.
    #[inline(always)]
    pub fn way<L: Lanes>(&self) -> Way {
        let (one, two) = if L::N == 1 { (0, PAD) } else { (L::N, 2 * L::N) };
        let apart = (L::N - 1) as f64 * self.stride.abs();
        let middles = apart + 2.0 * MARGIN + 1.0;
        match self.taps {
            ..=3 if middles <= one as f64 => Way::Three,
            ..=3 if middles <= two as f64 => Way::ThreeOfTwo,
            ..=5 if middles <= two as f64 => Way::Five,
            // More would look beyond the padding.
            ..=5 if self.stride.abs() <= 3.0 => Way::FiveOfHalves,
            _ if apart + self.taps as f64 + 2.0 <= two as f64 => Way::Any,
            _ => Way::Far,
        }
    }

    /// Where the middles that the two halves of the sinks are in begin, from the first on.
    #[inline(always)]
    fn halves<L: Lanes>(&self) -> [i32; 2] {
        let apart = (0.5 * L::N as f64 * self.stride.abs()) as i32 - 1;
        if self.stride < 0.0 { [apart, 0] } else { [0, apart] }
    }

    /// What is added to the position of the first of N sinks before it is rounded down to the first source that they count from.
    #[inline(always)]
    pub fn lead<L: Lanes, const WAY: usize>(&self) -> f64 {
        let last = ((L::N - 1) as f64 * self.stride).min(0.0);
        if Way::about_middles(WAY) { last + 0.5 - MARGIN } else { last - self.radius }
    }

    /// Sums of `N` sinks, the first of them at `offset` from `start`, of which none sees more than three, or five, sources: the one
    /// that its middle is in, and parts of its neighbours. That is half the work of [`Self::sums`], as less than half of the
    /// trapezoid lies on either side. They are the first number and [`Self::share`] times the second.
    ///
    /// # Safety
    /// There are numbers from `start` − 2 to `start` + 2N + 1, those of halves as far behind.
    #[inline(always)]
    pub unsafe fn about_middles<L: Lanes, const WAY: usize>(&self, start: *const f32, offset: L) -> [L; 2] {
        unsafe {
            let place = L::count().mul_add(L::splat(self.stride as f32), offset);
            let marked = place.marked();
            let away = place.sub(marked.unmarked());
            let before = self.pick::<L, WAY>(start.sub(1), marked);
            let middle = self.pick::<L, WAY>(start, marked);
            let after = self.pick::<L, WAY>(start.add(1), marked);
            let (foot, slope) = (L::splat(self.foot), [L::splat(self.ramp), L::splat(self.bend)]);
            let (below, above) = (foot.sub(away), foot.add(away));
            let mut sides = area(below, slope).mul(before.sub(middle));
            sides = area(above, slope).mul_add(after.sub(middle), sides);
            if WAY >= Way::FIVE {
                let one = L::splat(1.0);
                let first = self.pick::<L, WAY>(start.sub(2), marked);
                let last = self.pick::<L, WAY>(start.add(2), marked);
                sides = area(below.sub(one), slope).mul_add(first.sub(before), sides);
                sides = area(above.sub(one), slope).mul_add(last.sub(after), sides);
            }
            [middle, sides]
        }
    }

    #[inline(always)]
    unsafe fn pick<L: Lanes, const WAY: usize>(&self, numbers: *const f32, marked: L) -> L {
        unsafe {
            match WAY {
                Way::THREE => L::pick_one(numbers, marked),
                Way::FIVE_OF_HALVES => L::pick_halves(numbers, marked, self.halves::<L>()),
                _ => L::pick_two(numbers, marked),
            }
        }
    }

    /// See [`Self::about_middles`].
    #[inline(always)]
    pub fn share(&self) -> f32 {
        self.share
    }

    /// The sums that [`Self::about_middles`] gives in two parts.
    #[inline(always)]
    pub unsafe fn whole<L: Lanes>(&self, [middle, sides]: [L; 2]) -> L {
        unsafe { sides.mul_add(L::splat(self.share), middle) }
    }

    /// Sums of `N` sinks, the first of them at `offset` from number `base` of the sources, of which `count` are meant and `PAD`
    /// zeros lie on either side.
    ///
    /// # Safety
    /// What they see of the sources is there.
    #[inline(always)]
    pub unsafe fn sums<L: Lanes, const WAY: usize>(
        &self,
        (sources, count): (*const f32, usize),
        base: i32,
        offset: L,
    ) -> L {
        unsafe {
            let left = L::count().mul_add(L::splat(self.stride as f32), offset.sub(L::splat(self.radius as f32)));
            let first = left.floor().add(L::splat(1.0));
            let start = sources.offset(base as isize);
            let pick = |tap: usize| {
                if WAY == Way::FAR {
                    let index = first.add(L::splat(base as f32 + tap as f32));
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
            for tap in 1..self.taps {
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

/// The area of a trapezoid of height 1 up to that `far` from its end; at most to its middle. `slope` is its ramp, and 1/(2·ramp).
#[inline(always)]
pub(in crate::kernels) unsafe fn area<L: Lanes>(far: L, [ramp, bend]: [L; 2]) -> L {
    unsafe {
        let far = far.max(L::splat(0.0));
        let sloped = far.min(ramp);
        sloped.mul_add(sloped.mul_add(bend, L::splat(-1.0)), far)
    }
}

/// Registers of a line, or lines of a register, among their sources: the first source and how far the first sink is from it.
pub(in crate::kernels) struct Places {
    pub base: [i32; Self::MOST],
    pub offset: [f32; Self::MOST],
}

impl Places {
    /// How many there may be.
    pub const MOST: usize = 64;

    pub const fn new() -> Self {
        Self { base: [0; Self::MOST], offset: [0.0; Self::MOST] }
    }

    /// Places whose number i is at `first` + i·`step`, see [`Comb::lead`]. The first source is kept within `bounds`, whole
    /// numbers of an i32, beyond which there are but zeros, whatever the sinks' weights.
    #[inline(always)]
    pub unsafe fn fill(&mut self, count: usize, [first, step]: [f64; 2], lead: f64, [least, most]: [f64; 2]) {
        let places = self.base[..count].iter_mut().zip(&mut self.offset[..count]);
        for (index, (base, offset)) in places.enumerate() {
            let position = first + step * f64::from(index as i32);
            let source = (position + lead).floor();
            *offset = (position - source) as f32;
            // Comparisons, so that it is one instruction.
            let source = if source > least { source } else { least };
            let source = if source < most { source } else { most };
            // SAFETY: bounds are less than 2³¹.
            *base = unsafe { source.to_int_unchecked() };
        }
    }
}

/// A line of sources of a fan, number 0 of `count` at `line`, and a register of sinks' own among them, counted from `base`.
pub(in crate::kernels) struct Line<L> {
    pub line: *const f32,
    pub count: usize,
    pub base: i32,
    pub marked: L,
}

impl<L: Lanes> Line<L> {
    /// The sources that lie `by` from their own.
    #[inline(always)]
    pub unsafe fn get<const ONE: bool, const FAR: bool>(&self, by: i32) -> L {
        unsafe {
            if FAR {
                let index = self.marked.unmarked().add(L::splat((self.base + by) as f32));
                L::pick_far(self.line, index.max(L::splat(-1.0)).min(L::splat(self.count as f32)))
            } else {
                let numbers = self.line.wrapping_offset((self.base + by) as isize);
                if ONE { L::pick_one(numbers, self.marked) } else { L::pick_two(numbers, self.marked) }
            }
        }
    }
}
