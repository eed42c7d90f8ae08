//! Cells of a parallel view: blocks of lines of the slice pass by registers of cells, so that what they see stays in the first
//! cache.

use std::ops::Range;

use super::Padded;
use crate::{
    device::Simd,
    kernels::{
        footprint::{Comb, NARROWEST, Places, Table, Way},
        lanes::{self, Lanes, Loop},
    },
};

/// Cells of one task.
pub const BLOCK: usize = 128;
/// Lines of the slice that pass by before the next register of cells.
const LINES: usize = 16;

/// Adds what neighbouring cells, the first of them at `column` from the detector's middle, see of the slice.
pub fn project(simd: Simd, table: &Table, slice: &Padded, column: f32, cells: &mut [f32]) {
    let [n0, na, nr] = table.n.map(f64::from);
    let spread = (0.5 * nr.abs()).max(f64::from(NARROWEST));
    let comb = Comb::new([0.5, spread], na.abs(), 1.0 / na);
    let [middle, along] = slice.middle();
    let step = -nr / na;
    let start = (f64::from(column) - n0) / na + middle - step * along;
    let mut sums = [[0.0; BLOCK]; 2];
    let count = cells.len();
    match lanes::run(simd, WayOf(&comb)) {
        Way::Three => march::<{ Way::THREE }>(simd, &comb, slice, [start, step], &mut sums, count),
        Way::ThreeOfTwo => march::<{ Way::THREE_OF_TWO }>(simd, &comb, slice, [start, step], &mut sums, count),
        Way::Five => march::<{ Way::FIVE }>(simd, &comb, slice, [start, step], &mut sums, count),
        Way::FiveOfHalves => march::<{ Way::FIVE_OF_HALVES }>(simd, &comb, slice, [start, step], &mut sums, count),
        Way::Any => march::<{ Way::ANY }>(simd, &comb, slice, [start, step], &mut sums, count),
        Way::Far => march::<{ Way::FAR }>(simd, &comb, slice, [start, step], &mut sums, count),
    }
    let length = table.length(false, 0.0);
    let [middles, sides] = &sums;
    for (cell, (middle, side)) in cells.iter_mut().zip(middles.iter().zip(sides)) {
        *cell += length * (middle + comb.share() * side);
    }
}

struct WayOf<'a>(&'a Comb);

impl Loop for WayOf<'_> {
    type Output = Way;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> Way {
        self.0.way::<L>()
    }
}

fn march<const WAY: usize>(
    simd: Simd,
    comb: &Comb,
    slice: &Padded,
    path: [f64; 2],
    sums: &mut [[f32; BLOCK]; 2],
    cells: usize,
) {
    lanes::run(simd, March::<WAY> { comb, slice, path, sums, cells });
}

/// All `cells` along the slice; the first one's ray is at path[0] + path[1]·r in line r. Sums of [`Comb::about_middles`], or in the
/// place of the middles those of [`Comb::sums`].
struct March<'a, const WAY: usize> {
    comb: &'a Comb,
    slice: &'a Padded,
    path: [f64; 2],
    sums: &'a mut [[f32; BLOCK]; 2],
    cells: usize,
}

impl<const WAY: usize> Loop for March<'_, WAY> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { comb, slice, path: [start, step], sums: [middles, sides], cells } = self;
        // A copy, which no store can change: its numbers stay in registers.
        let comb = *comb;
        let lead = comb.lead::<L, WAY>();
        let width = (L::N - 1) as f64 * comb.stride;
        let reach = [width.min(0.0) - comb.radius - 1.0, width.max(0.0) + comb.radius + 1.0];
        let bounds = [-reach[1], slice.across as f64 - reach[0]];
        let mut places = Places::new();
        for block in (0..slice.along).step_by(LINES) {
            for first in (0..cells).step_by(L::N) {
                let start = start + first as f64 * comb.stride;
                // The lines of which any of these cells sees something: less than the padding away, but where all is far.
                let seen = within(start, step, bounds, block..slice.along.min(block + LINES));
                if seen.is_empty() {
                    continue;
                }
                unsafe {
                    let path = [start + step * seen.start as f64, step];
                    places.fill(seen.len(), path, lead, [-1e9, 1e9]);
                    let [middles, sides] = [&mut middles[first..], &mut sides[first..]].map(|sums| sums.as_mut_ptr());
                    let (mut middle, mut side) = (L::load(middles), L::load(sides));
                    let mut line = slice.line(seen.start);
                    for (base, offset) in places.base[..seen.len()].iter().zip(&places.offset) {
                        if Way::about_middles(WAY) {
                            let start = line.offset(*base as isize);
                            let [of_middle, of_side] = comb.about_middles::<L, WAY>(start, L::splat(*offset));
                            (middle, side) = (middle.add(of_middle), side.add(of_side));
                        } else {
                            let seen = comb.sums::<L, WAY>((line, slice.across), *base, L::splat(*offset));
                            middle = middle.add(seen);
                        }
                        line = line.wrapping_add(slice.stride());
                    }
                    middle.store(middles);
                    side.store(sides);
                }
            }
        }
    }
}

/// The lines of a range where start + step·r lies in `bounds`.
#[inline(always)]
pub fn within(start: f64, step: f64, bounds: [f64; 2], lines: Range<usize>) -> Range<usize> {
    let inside = |line: usize| (bounds[0]..=bounds[1]).contains(&(start + step * line as f64));
    if lines.is_empty() || (inside(lines.start) && inside(lines.end - 1)) {
        return lines;
    }
    let nothing = lines.start..lines.start;
    if step == 0.0 {
        return nothing;
    }
    let [low, high] = [lines.start as f64, lines.end as f64];
    let ends = bounds.map(|bound| (bound - start) / step);
    let first = ends[0].min(ends[1]).ceil().clamp(low, high) as usize;
    let end = (ends[0].max(ends[1]).floor() + 1.0).clamp(low, high) as usize;
    if first < end { first..end } else { nothing }
}
