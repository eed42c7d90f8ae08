//! Samples from a fine grid and samples onto it on the CPU: y[m] = Σₗ φ(uₘ − l) g[l] and g[l] = Σₘ φ(uₘ − l) y[m].
//!
//! The samples are sorted into tiles of the grid, planned once. Spreading writes each tile's samples by one thread; tiles
//! that run at the same time are of one colour, a chessboard's, and too far apart to meet: the bits are the same on any
//! number of threads. Coils stand side by side in registers, so that a weight serves eight of them; a lone coil has the
//! neighbours along x in its registers instead.

mod loops;

use std::ops::Range;

use rayon::prelude::*;

use super::lanes;
use crate::device::Simd;

use loops::{Ground, Interpolate, Spread};

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
