//! Samples from a fine grid and samples onto it on the CPU: y[m] = Σₗ φ(uₘ − l) g[l] and g[l] = Σₘ φ(uₘ − l) y[m].
//!
//! The samples are sorted into tiles of the grid, planned once. Spreading writes each tile's samples by one thread; tiles
//! that run at the same time are of one colour, a chessboard's, and too far apart to meet: the bits are the same on any
//! number of threads. Coils stand side by side in registers, so that a weight serves eight of them; a lone coil has the
//! neighbours along x in its registers instead.

use std::ops::Range;

use rayon::prelude::*;

use super::lanes::{self, Lanes, Loop};
use crate::device::Simd;

/// Grid points of a tile's side: no fewer than the writes of one sample along an axis, so that tiles of a colour, at
/// least a tile apart, never meet.
const TILE: usize = 16;
/// Points behind a grid line that repeat its beginning, so that no sample wraps along x.
pub(crate) const MARGIN: usize = 16;
/// Coils that share registers.
pub(crate) const COILS: usize = 8;
/// Sixteen registers of sums and their weights are what AVX-512 holds.
const WIDEST: usize = 10;

/// The fine grid in memory: `[nz, ny, nx + MARGIN, 2, coils]` with 8 coils or 1, so that a point is `[re…, im…]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// nz, ny, nx.
    pub shape: [usize; 3],
    /// 1 or [`COILS`].
    pub coils: usize,
}

impl Layout {
    /// Floats of a line.
    pub fn line(&self) -> usize {
        (self.shape[2] + MARGIN) * 2 * self.coils
    }

    /// Floats of the grid.
    pub fn len(&self) -> usize {
        self.shape[0] * self.shape[1] * self.line()
    }
}

/// A sample's first grid points along z, y, x and its weights there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taps {
    /// First point along each axis, wrapped into the grid.
    pub first: [u32; 3],
    /// Weights `[z, y, x]`, `width` each; along an axis of one point 1, 0, 0 ….
    pub weights: [[f32; WIDEST]; 3],
}

/// The window along each axis z, y, x: φ(t).
pub(crate) type Windows<'a> = &'a (dyn Fn(usize, f64) -> f64 + Sync);
/// Where the samples lie: index → position z, y, x in steps of the grid, from its middle.
pub(crate) type Positions<'a> = &'a (dyn Fn(usize) -> [f64; 3] + Sync);

/// The first of `width` points around a position on a ring of `length`, before and after wrapping.
fn first(position: f64, length: usize, width: usize) -> (i64, u32) {
    if length == 1 {
        return (0, 0);
    }
    let first = (position - 0.5 * width as f64).ceil() as i64;
    (first, first.rem_euclid(length as i64) as u32)
}

impl Taps {
    /// Those of a sample at `position`.
    pub fn new(shape: [usize; 3], width: usize, position: [f64; 3], windows: Windows) -> Self {
        let mut taps = Self::default();
        for axis in 0..3 {
            if shape[axis] == 1 {
                taps.weights[axis][0] = 1.0;
                continue;
            }
            let (start, wrapped) = first(position[axis], shape[axis], width);
            taps.first[axis] = wrapped;
            for (tap, weight) in taps.weights[axis][..width].iter_mut().enumerate() {
                *weight = windows(axis, position[axis] - (start + tap as i64) as f64) as f32;
            }
        }
        taps
    }
}

/// Where all samples of a trajectory lie, in the order of tiles.
#[derive(Debug)]
pub(crate) struct Gridding {
    shape: [usize; 3],
    width: usize,
    simd: Simd,
    /// Sample → index in the trajectory.
    order: Vec<u32>,
    /// First points of each sample.
    first: Vec<[u32; 3]>,
    /// Weights of each sample: x (zeros up to a multiple of 8), y, z.
    weights: Vec<f32>,
    /// Tiles by colour, each a run of samples.
    colours: Vec<Vec<Range<usize>>>,
}

/// Memory that threads write at places of their own.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32, usize);

// SAFETY: whoever takes a pointer from it says why no other thread has that place.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub fn new(numbers: &mut [f32]) -> Self {
        Self(numbers.as_mut_ptr(), numbers.len())
    }

    /// The place of number `index`, of which `count` numbers will be touched.
    #[inline(always)]
    pub fn at(&self, index: usize, count: usize) -> *mut f32 {
        debug_assert!(index + count <= self.1, "{index} + {count} of {}", self.1);
        self.0.wrapping_add(index)
    }
}

/// Ends of tiles: an even number of them on a ring, one if there is no room for two.
fn tiles(length: usize) -> usize {
    if length < 2 * TILE { 1 } else { length / TILE / 2 * 2 }
}

/// The sort key of a sample: colour, tile, then the grid line.
fn key(shape: [usize; 3], first: [u32; 3]) -> u64 {
    let (mut colour, mut tile, mut cell) = (0_u64, 0_u64, 0_u64);
    for (length, first) in shape.into_iter().zip(first) {
        let count = tiles(length);
        let own = first as usize * count / length;
        colour = 2 * colour + (own % 2) as u64;
        tile = tile * count as u64 + own as u64;
        // Within a tile its number modulo 2⁵ is enough.
        cell = (cell << 5) | u64::from(first % 32);
    }
    (colour << 61) | (tile << 15) | cell
}

impl Gridding {
    /// Plans for a grid of `shape` (z, y, x) and windows of `width` points.
    ///
    /// # Panics
    /// If the window is wider than half the grid or than 10 points.
    #[track_caller]
    pub fn new(
        simd: Simd,
        (shape, width): ([usize; 3], usize),
        (samples, positions): (usize, Positions),
        windows: Windows,
    ) -> Self {
        assert!((3..=WIDEST).contains(&width), "a window of {width} points");
        assert!(shape.iter().all(|length| *length == 1 || *length >= 2 * width), "{shape:?} for {width} points");
        let key_of = |index: usize| {
            let position = positions(index);
            let cell = [0, 1, 2].map(|axis: usize| first(position[axis], shape[axis], width).1);
            (key(shape, cell), index as u32)
        };
        let mut keys: Vec<(u64, u32)> = (0..samples).into_par_iter().map(key_of).collect();
        keys.par_sort_unstable();
        let mut colours = vec![Vec::new(); 8];
        let mut start = 0;
        for run in keys.chunk_by(|a, b| a.0 >> 15 == b.0 >> 15) {
            colours[(run[0].0 >> 61) as usize].push(start..start + run.len());
            start += run.len();
        }
        // The longest first, so that no thread begins it when the others end.
        colours
            .iter_mut()
            .for_each(|tiles: &mut Vec<Range<usize>>| tiles.sort_by_key(|tile| (usize::MAX - tile.len(), tile.start)));
        let order: Vec<u32> = keys.into_iter().map(|(_, index)| index).collect();
        let stride = Self::stride(shape, width);
        let mut weights = vec![0.0; samples * stride];
        let mut first = vec![[0; 3]; samples];
        let places = weights.par_chunks_exact_mut(stride).zip(&mut first).zip(&order);
        places.for_each(|((weights, first), index)| {
            let taps = Taps::new(shape, width, positions(*index as usize), windows);
            let [z, y, x] = taps.weights;
            let (along_x, rest) = weights.split_at_mut(width.next_multiple_of(8));
            along_x[..width].copy_from_slice(&x[..width]);
            rest[..width].copy_from_slice(&y[..width]);
            let deep = rest.len() - width;
            rest[width..].copy_from_slice(&z[..deep]);
            *first = taps.first;
        });
        Self { shape, width, simd, order, first, weights, colours }
    }

    /// Weights of a sample: a grid of one slice needs one along z.
    fn stride(shape: [usize; 3], width: usize) -> usize {
        width.next_multiple_of(8) + width + if shape[0] == 1 { 1 } else { width }
    }

    /// How many samples.
    pub fn samples(&self) -> usize {
        self.order.len()
    }

    /// values ← the samples, `[samples, 2, coils]`, of the grid with its margins filled.
    ///
    /// # Panics
    /// If a length does not fit.
    #[track_caller]
    pub fn interpolate(&self, coils: usize, grid: &[f32], values: &mut [f32]) {
        let ground = &self.ground(coils, grid.len(), values.len());
        let values = Shared::new(values);
        let tiles: Vec<_> = self.colours.iter().flatten().cloned().collect();
        tiles.into_par_iter().for_each(|samples| {
            lanes::run(self.simd, Interpolate { ground, samples, grid, values });
        });
    }

    /// grid ← grid + the samples' windows; the margins hold what belongs to the lines' beginnings.
    ///
    /// # Panics
    /// If a length does not fit.
    #[track_caller]
    pub fn spread(&self, coils: usize, values: &[f32], grid: &mut [f32]) {
        let ground = &self.ground(coils, grid.len(), values.len());
        let grid = Shared::new(grid);
        for tiles in &self.colours {
            tiles.par_iter().for_each(|samples| {
                lanes::run(self.simd, Spread { ground, samples: samples.clone(), values, grid });
            });
        }
    }

    #[track_caller]
    fn ground(&self, coils: usize, grid: usize, values: usize) -> Ground<'_> {
        assert!(coils == 1 || coils == COILS, "{coils} coils side by side");
        let layout = Layout { shape: self.shape, coils };
        assert_eq!(grid, layout.len(), "floats of the grid");
        assert_eq!(values, self.samples() * 2 * coils, "floats of the samples");
        let wrapped = |length: usize, step: usize| (0..length + WIDEST).map(|index| index % length * step).collect();
        let [nz, ny, _] = layout.shape;
        Ground {
            plan: self,
            lines: wrapped(ny, layout.line()),
            slices: wrapped(nz, ny * layout.line()),
            deep: if nz == 1 { 1 } else { self.width },
            coils,
        }
    }
}

/// What all tiles share.
struct Ground<'a> {
    plan: &'a Gridding,
    /// Where line y begins in its slice, y running past the end.
    lines: Vec<usize>,
    /// Where slice z begins in the grid, z running past the end.
    slices: Vec<usize>,
    /// Points of the window along z.
    deep: usize,
    coils: usize,
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

struct Interpolate<'a> {
    ground: &'a Ground<'a>,
    samples: Range<usize>,
    grid: &'a [f32],
    values: Shared,
}

struct Spread<'a> {
    ground: &'a Ground<'a>,
    samples: Range<usize>,
    values: &'a [f32],
    grid: Shared,
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
                        for dy in 0..W {
                            let line = self.grid.as_ptr().add(slice + *at.lines.get_unchecked(dy) + at.start + start);
                            sums[dy] = L::load(line).mul_add(weight, sums[dy]);
                        }
                    }
                    let mut sum = sums[0].mul(L::splat(*at.y));
                    for dy in 1..W {
                        sum = sums[dy].mul_add(L::splat(*at.y.add(dy)), sum);
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
                            for dx in 0..W {
                                sums[dx] = L::load(line.add(2 * COILS * dx)).mul_add(weight, sums[dx]);
                            }
                        }
                    }
                    let mut sum = sums[0].mul(L::splat(*at.x));
                    for dx in 1..W {
                        sum = sums[dx].mul_add(L::splat(*at.x.add(dx)), sum);
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
                    for dx in 0..W {
                        along[dx] = value.mul(L::splat(*at.x.add(dx)));
                    }
                    for (dz, slice) in at.slices.iter().enumerate() {
                        for dy in 0..W {
                            let weight = L::splat(*at.z.add(dz) * *at.y.add(dy));
                            let line = self.grid.at(slice + *at.lines.get_unchecked(dy) + at.start + lane, L::N);
                            for dx in 0..W {
                                let point = line.add(2 * COILS * dx);
                                along[dx].mul_add(weight, L::load(point)).store(point);
                            }
                        }
                    }
                }
            }
        }
    }
}
