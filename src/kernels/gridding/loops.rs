//! The loops of gridding over lanes: the samples of one tile, their windows' widths known to the compiler.

use std::ops::Range;

use super::{COILS, Gridding, Shared};
use crate::kernels::lanes::{Lanes, Loop};

/// What all tiles share.
pub(super) struct Ground<'a> {
    pub plan: &'a Gridding,
    /// Where line y begins in its slice, y running past the end.
    pub lines: Vec<usize>,
    /// Where slice z begins in the grid, z running past the end.
    pub slices: Vec<usize>,
    /// Points of the window along z.
    pub deep: usize,
    pub coils: usize,
}

/// One sample: pointers to its weights, and its first points.
struct Sample<'a> {
    x: *const f32,
    y: *const f32,
    z: *const f32,
    lines: &'a [usize],
    slices: &'a [usize],
    /// First float within a line.
    start: usize,
    /// Its place in the trajectory.
    index: usize,
}

impl Ground<'_> {
    #[inline(always)]
    fn sample(&self, sample: usize) -> Sample<'_> {
        let width = self.plan.width;
        let stride = width.next_multiple_of(8) + width + self.deep;
        let [z, y, x] = self.plan.first[sample].map(|first| first as usize);
        let along_x = self.plan.weights[sample * stride..][..stride].as_ptr();
        let along_y = along_x.wrapping_add(width.next_multiple_of(8));
        Sample {
            x: along_x,
            y: along_y,
            z: along_y.wrapping_add(width),
            lines: &self.lines[y..y + width],
            slices: &self.slices[z..z + self.deep],
            start: x * 2 * self.coils,
            index: self.plan.order[sample] as usize,
        }
    }
}

pub(super) struct Interpolate<'a> {
    pub ground: &'a Ground<'a>,
    pub samples: Range<usize>,
    pub grid: &'a [f32],
    pub values: Shared,
}

pub(super) struct Spread<'a> {
    pub ground: &'a Ground<'a>,
    pub samples: Range<usize>,
    pub values: &'a [f32],
    pub grid: Shared,
}

/// Calls a method with the width as a constant, so that its sums stay in registers.
macro_rules! by_width {
    ($width:expr, $self:ident.$method:ident::<$lanes:ident>()) => {
        match $width {
            3 => $self.$method::<$lanes, 3>(),
            4 => $self.$method::<$lanes, 4>(),
            5 => $self.$method::<$lanes, 5>(),
            6 => $self.$method::<$lanes, 6>(),
            7 => $self.$method::<$lanes, 7>(),
            8 => $self.$method::<$lanes, 8>(),
            9 => $self.$method::<$lanes, 9>(),
            _ => $self.$method::<$lanes, 10>(),
        }
    };
}

impl Loop for Interpolate<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        unsafe {
            match self.ground.coils {
                1 => by_width!(self.ground.plan.width, self.one::<L>()),
                _ => by_width!(self.ground.plan.width, self.eight::<L>()),
            }
        }
    }
}

impl Interpolate<'_> {
    /// One coil: a register holds complex neighbours along x; there is a sum for each line of the window.
    #[inline(always)]
    unsafe fn one<L: Lanes, const W: usize>(&self) {
        for sample in self.samples.clone() {
            let at = self.ground.sample(sample);
            let mut value = [0.0_f32; 2];
            // SAFETY: a window and its register's overhang end within the line's margin; `order` is a permutation.
            unsafe {
                for start in (0..2 * W).step_by(L::N) {
                    let mut sums = [L::splat(0.0); W];
                    for (dz, slice) in at.slices.iter().enumerate() {
                        let weight = L::splat(*at.z.add(dz));
                        for (dy, sum) in sums.iter_mut().enumerate() {
                            let line = self.grid.as_ptr().add(slice + *at.lines.get_unchecked(dy) + at.start + start);
                            *sum = L::load(line).mul_add(weight, *sum);
                        }
                    }
                    let mut sum = sums[0].mul(L::splat(*at.y));
                    for (dy, line) in sums.iter().enumerate().skip(1) {
                        sum = line.mul_add(L::splat(*at.y.add(dy)), sum);
                    }
                    let [re, im] = sum.mul(L::twice(at.x, start)).sums_by_two(start);
                    value = [value[0] + re, value[1] + im];
                }
                self.values.at(2 * at.index, 2).copy_from_nonoverlapping(value.as_ptr(), 2);
            }
        }
    }

    /// Eight coils: a register or two hold a grid point; there is a sum for each column of the window.
    #[inline(always)]
    unsafe fn eight<L: Lanes, const W: usize>(&self) {
        for sample in self.samples.clone() {
            let at = self.ground.sample(sample);
            // SAFETY: as above.
            unsafe {
                let value = self.values.at(2 * COILS * at.index, 2 * COILS);
                for lane in (0..2 * COILS).step_by(L::N) {
                    let mut sums = [L::splat(0.0); W];
                    for (dz, slice) in at.slices.iter().enumerate() {
                        for dy in 0..W {
                            let weight = L::splat(*at.z.add(dz) * *at.y.add(dy));
                            let line = self.grid.as_ptr().add(slice + *at.lines.get_unchecked(dy) + at.start + lane);
                            for (dx, sum) in sums.iter_mut().enumerate() {
                                *sum = L::load(line.add(2 * COILS * dx)).mul_add(weight, *sum);
                            }
                        }
                    }
                    let mut sum = sums[0].mul(L::splat(*at.x));
                    for (dx, column) in sums.iter().enumerate().skip(1) {
                        sum = column.mul_add(L::splat(*at.x.add(dx)), sum);
                    }
                    sum.store(value.add(lane));
                }
            }
        }
    }
}

impl Loop for Spread<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        unsafe {
            match self.ground.coils {
                1 => by_width!(self.ground.plan.width, self.one::<L>()),
                _ => by_width!(self.ground.plan.width, self.eight::<L>()),
            }
        }
    }
}

impl Spread<'_> {
    #[inline(always)]
    unsafe fn one<L: Lanes, const W: usize>(&self) {
        for sample in self.samples.clone() {
            let at = self.ground.sample(sample);
            // SAFETY: a window and its register's overhang end within the line's margin, and nearer than the next tile
            // of this colour.
            unsafe {
                let value = self.values.as_ptr().add(2 * at.index);
                for start in (0..2 * W).step_by(L::N) {
                    let along = L::repeated(value, start).mul(L::twice(at.x, start));
                    for (dz, slice) in at.slices.iter().enumerate() {
                        for dy in 0..W {
                            let weight = L::splat(*at.z.add(dz) * *at.y.add(dy));
                            let line = self.grid.at(slice + *at.lines.get_unchecked(dy) + at.start + start, L::N);
                            along.mul_add(weight, L::load(line)).store(line);
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn eight<L: Lanes, const W: usize>(&self) {
        for sample in self.samples.clone() {
            let at = self.ground.sample(sample);
            // SAFETY: as above.
            unsafe {
                for lane in (0..2 * COILS).step_by(L::N) {
                    let value = L::load(self.values.as_ptr().add(2 * COILS * at.index + lane));
                    let mut along = [value; W];
                    for (dx, along) in along.iter_mut().enumerate() {
                        *along = value.mul(L::splat(*at.x.add(dx)));
                    }
                    for (dz, slice) in at.slices.iter().enumerate() {
                        for dy in 0..W {
                            let weight = L::splat(*at.z.add(dz) * *at.y.add(dy));
                            let line = self.grid.at(slice + *at.lines.get_unchecked(dy) + at.start + lane, L::N);
                            for (dx, along) in along.iter().enumerate() {
                                let point = line.add(2 * COILS * dx);
                                along.mul_add(weight, L::load(point)).store(point);
                            }
                        }
                    }
                }
            }
        }
    }
}
