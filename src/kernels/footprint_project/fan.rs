//! Cells of a fan's view, each of which sees a few pixels of a line: as with parallel rays, the one that its ray is in, whole,
//! and beyond each of that one's edges an area of the trapezoid, here one for every edge.
//!
//! Everything about an edge follows from its distance to the ray, δ: with n′ and d′ such that n′ = 0 along the ray (turned by its
//! angle, if the detector is curved), n′ = n′ₐ·δ, and what else depends on the line is linear along the ray. So no edge is
//! looked up, none of the ray's large numbers are subtracted, and a small angle's arc is a short series. That is some 70
//! instructions a register and line with one division (80 curved), and 55 for each further pair of pixels: 18 and 14 cycles of a
//! processor that begins four of them in each.

use super::{Padded, parallel::within};
use crate::{
    device::Simd,
    kernels::{
        footprint::{Line, MARGIN, NARROWEST, PAD, Places, Table, area, greater, lesser},
        lanes::{self, Lanes, Loop},
    },
};

/// Cells of one task.
pub const BLOCK: usize = 128;
/// Lines of the slice that pass by before the next register of cells.
const LINES: usize = 16;

/// Adds what neighbouring cells, the first of them at `column` from the detector's middle, see of the slice.
pub fn project(simd: Simd, table: &Table, curved: bool, slice: &Padded, column: f32, cells: &mut [f32]) {
    let rays = Rays::new(table, curved, slice, f64::from(column), cells.len());
    let mut sums = [0.0; BLOCK];
    let task = Task { rays: &rays, slice, sums: &mut sums };
    if curved {
        lanes::run(simd, March::<true>(task));
    } else {
        lanes::run(simd, March::<false>(task));
    }
    for (cell, (sum, length)) in cells.iter_mut().zip(sums.iter().zip(&rays.length)) {
        *cell += sum * length;
    }
}

/// The rays of a block of cells, a = p + q·r, and what is linear along them.
struct Rays {
    count: usize,
    /// Of each cell: p as an index, q.
    p: [f64; BLOCK],
    q: [f64; BLOCK],
    /// Cells to a pixel times d′, without sign (radians times d′, if curved).
    n: [f32; BLOCK],
    /// d′ on the ray at r = 0, its change with r, and with a beside the ray.
    d: [[f32; BLOCK]; 3],
    /// Twice n_r·d − n·d_r, of which 4·spread is made, likewise; in cells.
    k: [[f32; BLOCK]; 3],
    length: [f32; BLOCK],
    scale: f32,
}

impl Rays {
    fn new(table: &Table, curved: bool, slice: &Padded, column: f64, count: usize) -> Self {
        let [n, d] = [table.n, table.d].map(|numbers| numbers.map(|number| f64::from(number) / f64::from(table.d[0])));
        let scale = if curved { f64::from(table.scale) } else { 1.0 };
        let [across, _] = slice.middle();
        let zeros = [0.0_f32; BLOCK];
        let mut rays = Self {
            count,
            p: [0.0; BLOCK],
            q: [0.0; BLOCK],
            n: zeros,
            d: [zeros; 3],
            k: [zeros; 3],
            length: zeros,
            scale: scale as f32,
        };
        let [k0, k1] = [n[2] * d[0] - n[0] * d[2], n[2] * d[1] - n[1] * d[2]].map(|k| 2.0 * scale * k);
        // Sine and cosine of a cell's angle, turned on from one to the next.
        let [[mut sine, mut cosine], [sine_step, cosine_step]] = [column, 1.0].map(|angle| {
            let (sine, cosine) = (angle / scale).sin_cos();
            [sine, cosine]
        });
        for cell in 0..count {
            let (turned, ahead) = if curved {
                let turned = [0, 1, 2].map(|i| cosine * n[i] - sine * d[i]);
                let ahead = [0, 1, 2].map(|i| sine * n[i] + cosine * d[i]);
                (sine, cosine) = (sine * cosine_step + cosine * sine_step, cosine * cosine_step - sine * sine_step);
                (turned, ahead)
            } else {
                ([0, 1, 2].map(|i| n[i] - (column + cell as f64) * d[i]), d)
            };
            let (p, q) = (-turned[0] / turned[1], -turned[2] / turned[1]);
            let d = [ahead[0] + ahead[1] * p, ahead[2] + ahead[1] * q, ahead[1]];
            let k = [k0 + k1 * p, k1 * q, k1];
            (rays.p[cell], rays.q[cell]) = (p + across, q);
            rays.n[cell] = turned[1].abs() as f32;
            for (of, values) in [(&mut rays.d, d), (&mut rays.k, k)] {
                of.iter_mut().zip(values).for_each(|(numbers, value)| numbers[cell] = value as f32);
            }
            let [size_across, size_along] = table.size.map(f64::from);
            rays.length[cell] = (size_across * size_across + (size_along * q).powi(2)).sqrt() as f32;
        }
        rays
    }

    /// How many edges on either side of the ray count for cells between these two and `r` between these, and whether boxes may be
    /// wider than cells.
    #[inline(always)]
    fn sees(&self, cells: [usize; 2], r: [f64; 2]) -> (usize, bool) {
        let [mut nearest, mut farthest, mut n, mut k] = [f32::INFINITY, 0.0, f32::INFINITY, 0.0];
        // All is linear along rays, and nearly so across; a little beside them, too.
        for cell in cells {
            n = lesser(n, self.n[cell]);
            for r in r {
                let [d, turn] = [&self.d, &self.k].map(|of| of[0][cell] + of[1][cell] * r as f32);
                let [d_beside, k_beside] = [&self.d, &self.k].map(|of| 8.0 * of[2][cell].abs());
                nearest = lesser(nearest, d - d_beside);
                farthest = greater(farthest, d + d_beside);
                k = greater(k, turn.abs() + k_beside);
            }
        }
        let spread = greater(k / (4.0 * nearest * nearest), NARROWEST);
        // An edge whose pixels are both beyond counts nothing.
        let pairs = (0.5 + spread) * farthest / (0.999 * n * self.scale);
        (pairs.ceil() as usize, spread > 0.5)
    }
}

struct Task<'a> {
    rays: &'a Rays,
    slice: &'a Padded,
    sums: &'a mut [f32; BLOCK],
}

/// Sums of all cells.
struct March<'a, const CURVED: bool>(Task<'a>);

impl<const CURVED: bool> Loop for March<'_, CURVED> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Task { rays, slice, sums } = self.0;
        let [_, middle] = slice.middle();
        let mut places = Places::new();
        for block in (0..slice.along).step_by(LINES) {
            let lines = block..slice.along.min(block + LINES);
            let ends = [lines.start, lines.end - 1].map(|line| line as f64 - middle);
            for first in (0..rays.count).step_by(L::N) {
                let (p, q) = (rays.p[first], rays.q[first]);
                let last = rays.count.min(first + L::N) - 1;
                // How far the last cell is from the first.
                let apart = ends.map(|r| rays.p[last] - p + (rays.q[last] - q) * r);
                let (low, high) = (apart[0].min(apart[1]).min(0.0), apart[0].max(apart[1]).max(0.0));
                let (pairs, wide) = rays.sees([first, last], ends);
                let sees = pairs as f64 + 1.5;
                let (start, bounds) = (p - q * middle, [-high - sees, slice.across as f64 - low + sees]);
                let seen = within(start, q, bounds, lines.clone());
                if seen.is_empty() {
                    continue;
                }
                let most = if L::N == 1 { PAD } else { 2 * L::N };
                let near = high - low + 2.0 * sees <= most as f64;
                unsafe {
                    places.fill(seen.len(), [start + q * seen.start as f64, q], low + 0.5 - MARGIN, [-1e9, 1e9]);
                    let register = Register::<L>::new(rays, first, last);
                    let r = seen.start as f32 - middle as f32;
                    let sums = sums[first..].as_mut_ptr();
                    let lines = (slice.line(seen.start), slice.stride(), slice.across);
                    let (places, sum) = ((&places, seen.len()), L::load(sums));
                    let sum = match (near, pairs, wide) {
                        (true, 1, false) => register.march::<CURVED, false, false, false>(lines, r, places, 1, sum),
                        (true, 1, true) => register.march::<CURVED, false, true, false>(lines, r, places, 1, sum),
                        (true, ..) => register.march::<CURVED, true, true, false>(lines, r, places, pairs, sum),
                        (false, ..) => register.march::<CURVED, true, true, true>(lines, r, places, pairs, sum),
                    };
                    sum.store(sums);
                }
            }
        }
    }
}

/// A register of [`Rays`].
struct Register<L> {
    /// Places against the first: at r = 0, and their change.
    place: [L; 2],
    n: L,
    d: [L; 3],
    k: [L; 3],
    scale: L,
}

impl<L: Lanes> Register<L> {
    #[inline(always)]
    unsafe fn new(rays: &Rays, first: usize, last: usize) -> Self {
        let mut place = [[0.0_f32; 16]; 2];
        let [p, q] = &mut place;
        for (lane, (p, q)) in p.iter_mut().zip(q).enumerate().take(L::N) {
            // Lanes without a cell repeat the last one's ray; what they see is not asked for.
            let cell = last.min(first + lane);
            *p = (rays.p[cell] - rays.p[first]) as f32;
            *q = (rays.q[cell] - rays.q[first]) as f32;
        }
        unsafe {
            let load = |numbers: &[f32; BLOCK]| L::load(numbers[first..].as_ptr());
            Self {
                place: [L::load(place[0].as_ptr()), L::load(place[1].as_ptr())],
                n: load(&rays.n),
                d: [load(&rays.d[0]), load(&rays.d[1]), load(&rays.d[2])],
                k: [load(&rays.k[0]), load(&rays.k[1]), load(&rays.k[2])],
                scale: L::splat(rays.scale),
            }
        }
    }

    /// What the cells see of so many lines from `r` on, of which number 0 of the first is at `line`, added to `sum`; `pairs` is 1
    /// unless `MANY`.
    #[inline(always)]
    unsafe fn march<const CURVED: bool, const MANY: bool, const WIDE: bool, const FAR: bool>(
        &self,
        (mut line, stride, count): (*const f32, usize, usize),
        r: f32,
        (places, lines): (&Places, usize),
        pairs: usize,
        mut sum: L,
    ) -> L {
        for (index, (base, offset)) in places.base[..lines].iter().zip(&places.offset).enumerate() {
            unsafe {
                let r = L::splat(r + index as i32 as f32);
                let place = self.place[1].mul_add(r, self.place[0]).add(L::splat(*offset));
                let marked = place.marked();
                let away = place.sub(marked.unmarked());
                let (d, k) = (self.d[1].mul_add(r, self.d[0]), self.k[1].mul_add(r, self.k[0]));
                let half = L::splat(0.5);
                let (mut right, mut left) = (half.sub(away), half.add(away));
                let from = Line { line, count, base: *base, marked };
                let own = from.get::<false, FAR>(0);
                let (mut after, mut before) = (from.get::<false, FAR>(1), from.get::<false, FAR>(-1));
                let [above, below] = self.beyond::<CURVED, WIDE>(d, k, right, left);
                let mut seen = below.mul_add(before.sub(own), above.mul_add(after.sub(own), own));
                if MANY {
                    for pair in 2..=pairs as i32 {
                        (right, left) = (right.add(L::splat(1.0)), left.add(L::splat(1.0)));
                        let [above, below] = self.beyond::<CURVED, WIDE>(d, k, right, left);
                        let (next_after, next_before) = (from.get::<false, FAR>(pair), from.get::<false, FAR>(-pair));
                        seen = above.mul_add(next_after.sub(after), seen);
                        seen = below.mul_add(next_before.sub(before), seen);
                        (after, before) = (next_after, next_before);
                    }
                }
                sum = sum.add(seen);
            }
            line = line.wrapping_add(stride);
        }
        sum
    }

    /// The part of the trapezoid beyond an edge so far `right` of the ray, and beyond one so far `left`; `d` and `k` are on the ray.
    #[inline(always)]
    unsafe fn beyond<const CURVED: bool, const WIDE: bool>(&self, d: L, k: L, right: L, left: L) -> [L; 2] {
        unsafe {
            let (n0, n1) = (self.n.mul(right), self.n.mul(left));
            let (d0, d1) = (self.d[2].mul_add(right, d), self.d[2].neg_mul_add(left, d));
            let (k0, k1) = (self.k[2].mul_add(right, k).abs(), self.k[2].neg_mul_add(left, k).abs());
            // Spread = k / (4·size).
            let (mut size0, mut size1) = (d0.mul(d0), d1.mul(d1));
            if CURVED {
                (size0, size1) = (n0.mul_add(n0, size0), n1.mul_add(n1, size1));
            }
            let least = L::splat(4.0 * NARROWEST);
            let (k0, k1) = (k0.max(size0.mul(least)), k1.max(size1.mul(least)));
            // One division for all.
            let (mut all0, mut all1) = (d0.mul(k0), d1.mul(k1));
            if CURVED {
                (all0, all1) = (all0.mul(size0), all1.mul(size1));
            }
            let inverse = all0.mul(all1).inverse();
            let of0 = (n0, d0, size0, k0, inverse.mul(all1));
            let of1 = (n1, d1, size1, k1, inverse.mul(all0));
            [self.part::<CURVED, WIDE>(of0), self.part::<CURVED, WIDE>(of1)]
        }
    }

    #[inline(always)]
    unsafe fn part<const CURVED: bool, const WIDE: bool>(&self, (n, d, size, k, inverse): (L, L, L, L, L)) -> L {
        unsafe {
            let (t, four_spreads, slope);
            if CURVED {
                let by_size = inverse.mul(size);
                let x = n.mul(by_size.mul(k));
                let square = x.mul(x);
                let series = square.mul_add(L::splat(0.2), L::splat(-1.0 / 3.0)).mul(square).mul_add(x, x);
                t = series.mul(self.scale);
                four_spreads = d.mul(inverse).mul(k).mul(k);
                slope = by_size.mul(d).mul(size);
            } else {
                let over = k.mul(inverse);
                t = n.mul(over);
                four_spreads = over.mul(over).mul(k);
                slope = size.mul(d).mul(inverse);
            }
            let far = four_spreads.mul_add(L::splat(0.25), L::splat(0.5).sub(t));
            let trapezoid = [four_spreads.mul(L::splat(0.5)), slope];
            let part = area(far, trapezoid);
            // Less what is beyond the cell's other side.
            if WIDE { part.sub(area(far.sub(L::splat(1.0)), trapezoid)) } else { part }
        }
    }
}
