//! Backprojects without filter or weight, as the exact adjoint of `footprint_project` (see `footprint.rs`).
//!
//! On the CPU a register of neighbouring pixels takes from each view what it sees of two registers of cells.

use rayon::prelude::*;

use super::{
    footprint::{Comb, Edges, MATRIX, NARROWEST, PAD, SLACK, Table, greater, lesser, share},
    lanes::{self, Lanes, Loop},
    part::Part,
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, Simd};

/// `image += Aᵀ lines`. Inputs: a slab of projections `[views·rows, columns]`, a slab of matrices `[views, 12]`. Output:
/// a slab of the image `[lines, nx]`, updated in place. `part` calls the projections filtered lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct FootprintBackproject {
    /// What this dispatch does.
    pub part: Part,
    /// 1: the detector is curved; 0: it is flat.
    pub curved: u32,
}

/// Lines of the image of one task.
const BAND: usize = 8;

impl FootprintBackproject {
    /// The same as `on_cpu` with a chosen SIMD level.
    ///
    /// # Panics
    /// If this machine lacks the level, or a slab is smaller than `part` says.
    #[track_caller]
    pub fn accumulate(&self, simd: Simd, lines: &[f32], matrices: &[f32], image: &mut [f32]) {
        let part = &self.part;
        let (nx, ny, columns) = (part.nx as usize, part.ny as usize, part.columns as usize);
        let matrices: &[[f32; MATRIX]] = bytemuck::cast_slice(matrices);
        let matrices = &matrices[part.first_view as usize - part.matrices_first as usize..][..part.views as usize];
        let weighted = self.weighted(&lines[..part.filtered_lines as usize * columns], matrices);
        let stride = columns + 2 * PAD;
        let image = &mut image[..part.image_lines as usize * nx];
        image.par_chunks_mut(nx * BAND).enumerate().for_each(|(band, pixels)| {
            let first = part.image_first as usize + band * BAND;
            // A band may end one slice and begin the next.
            let mut pixels = pixels;
            let mut line = first;
            while !pixels.is_empty() {
                let (z, y) = (line / ny, line % ny);
                let (own, others) = pixels.split_at_mut(pixels.len().min((ny - y) * nx));
                line += own.len() / nx;
                pixels = others;
                let seen = part.views_of(z).map(|view| View {
                    table: Table::read(&matrices[view - part.first_view as usize]),
                    line: &weighted[(view * part.rows as usize + z - part.filtered_first as usize) * stride..]
                        [..stride],
                });
                let (parallel, fan) = seen.partition(|view| view.table.parallel());
                let middle = [(nx as f64 - 1.0) / 2.0, (ny as f64 - 1.0) / 2.0];
                lanes::run(simd, Band { parallel, fan, curved: self.curved == 1, columns, middle, nx, y, pixels: own });
            }
        });
    }

    /// The lines between zeros, times the length of each cell's ray in a line of the slice (for parallel rays, times what a
    /// pixel sees of it).
    fn weighted(&self, lines: &[f32], matrices: &[[f32; MATRIX]]) -> Vec<f32> {
        let part = &self.part;
        let columns = part.columns as usize;
        let stride = columns + 2 * PAD;
        let mut weighted = vec![0.0; part.filtered_lines as usize * stride];
        let pairs = weighted.par_chunks_exact_mut(stride).zip(lines.par_chunks_exact(columns));
        pairs.enumerate().for_each(|(index, (weighted, line))| {
            let view = (part.filtered_first as usize + index) / part.rows as usize;
            let Some(matrix) = view.checked_sub(part.first_view as usize).and_then(|view| matrices.get(view)) else {
                return;
            };
            let table = Table::read(matrix);
            let middle = (columns as f32 - 1.0) / 2.0;
            // A parallel view's pixel sees as much as its width across the detector.
            let same = table.parallel().then(|| table.length(false, 0.0) * table.n[1].abs());
            for (column, (weighted, value)) in weighted[PAD..].iter_mut().zip(line).enumerate() {
                let length = same.unwrap_or_else(|| table.length(self.curved == 1, column as f32 - middle));
                *weighted = value * length;
            }
        });
        weighted
    }
}

struct View<'a> {
    table: Table<f32>,
    /// Weighted, with its padding.
    line: &'a [f32],
}

/// Lines of one slice, and what they see.
struct Band<'a> {
    parallel: Vec<View<'a>>,
    fan: Vec<View<'a>>,
    curved: bool,
    columns: usize,
    /// Of the slice: x, y.
    middle: [f64; 2],
    nx: usize,
    /// Of the first line.
    y: usize,
    pixels: &'a mut [f32],
}

impl Loop for Band<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        unsafe {
            if !self.parallel.is_empty() {
                self.parallel::<L>();
            }
            if self.curved {
                self.fan::<L, true>();
            } else {
                self.fan::<L, false>();
            }
        }
    }
}

/// What a pixel sees of a parallel view.
fn parallel(table: &Table<f32>) -> Comb {
    let [_, na, nr] = table.n.map(f64::from);
    let spread = (0.5 * nr.abs()).max(f64::from(NARROWEST));
    Comb::new([0.5 * na.abs(), spread], 1.0, if table.transposed { nr } else { na })
}

/// Registers that see a view one after the other, so that what concerns the view alone is brought once.
const SIDE_BY_SIDE: usize = 4;

impl Band<'_> {
    /// A few registers of pixels see all parallel views.
    #[inline(always)]
    unsafe fn parallel<L: Lanes>(&mut self) {
        let combs: Vec<_> = self.parallel.iter().map(|view| parallel(&view.table)).collect();
        let columns = self.columns as f64;
        for (index, pixels) in self.pixels.chunks_exact_mut(self.nx).enumerate() {
            let y = (self.y + index) as f64 - self.middle[1];
            for (block, pixels) in pixels.chunks_mut(SIDE_BY_SIDE * L::N).enumerate() {
                let x = (block * SIDE_BY_SIDE * L::N) as f64 - self.middle[0];
                unsafe {
                    let mut sums = [L::splat(0.0); SIDE_BY_SIDE];
                    for (view, comb) in self.parallel.iter().zip(&combs) {
                        let [n0, na, nr] = view.table.n.map(f64::from);
                        let (nx, ny) = if view.table.transposed { (nr, na) } else { (na, nr) };
                        let position = n0 + nx * x + ny * y + (columns - 1.0) / 2.0;
                        let cells = view.line.as_ptr().add(PAD);
                        match (comb.few::<L>(), comb.near::<L>()) {
                            (Some(true), _) => of_three::<L, true>(comb, (cells, columns), position, &mut sums),
                            (Some(false), _) => of_three::<L, false>(comb, (cells, columns), position, &mut sums),
                            (None, near) => {
                                for (place, sum) in sums.iter_mut().enumerate() {
                                    let position = position + (place * L::N) as f64 * comb.stride;
                                    *sum = sum.add(if near {
                                        comb.sums::<L, 0, false>(cells, self.columns, position)
                                    } else {
                                        comb.sums::<L, 0, true>(cells, self.columns, position)
                                    });
                                }
                            }
                        }
                    }
                    for (pixels, sum) in pixels.chunks_mut(L::N).zip(sums) {
                        add(sum, pixels);
                    }
                }
            }
        }
    }

    /// A view of a fan is seen by all lines, one after the other: a line's edges are found once.
    #[inline(always)]
    unsafe fn fan<L: Lanes, const CURVED: bool>(&mut self) {
        let [mut before, mut after] = [0, 1].map(|_| Edges::new(self.nx + 1));
        for view in &self.fan {
            let table = unsafe { view.table.splat::<L>() };
            for (index, pixels) in self.pixels.chunks_exact_mut(self.nx).enumerate() {
                let (x, y) = (-self.middle[0] as f32, ((self.y + index) as f64 - self.middle[1]) as f32);
                unsafe {
                    if view.table.transposed {
                        // Edges above and below; what was below the line before is above this one.
                        if index == 0 {
                            before.fill::<L, CURVED>(&table, 0..self.nx, [y - 0.5, x], [0.0, 1.0]);
                        } else {
                            std::mem::swap(&mut before, &mut after);
                        }
                        after.fill::<L, CURVED>(&table, 0..self.nx, [y + 0.5, x], [0.0, 1.0]);
                        gather::<L>(view, self.columns, [(&before, 0), (&after, 0)], pixels);
                    } else {
                        let count = self.nx.next_multiple_of(L::N) + 1;
                        before.fill::<L, CURVED>(&table, 0..count, [x - 0.5, y], [1.0, 0.0]);
                        gather::<L>(view, self.columns, [(&before, 0), (&before, 1)], pixels);
                    }
                }
            }
        }
    }
}

/// Adds what registers side by side, the first at `position`, see of a view's `(cells, columns)`, see [`Comb::of_three`].
#[inline(always)]
unsafe fn of_three<L: Lanes, const ONE: bool>(
    comb: &Comb,
    (cells, columns): (*const f32, f64),
    position: f64,
    sums: &mut [L; SIDE_BY_SIDE],
) {
    unsafe {
        let share = L::splat(comb.share());
        for (place, sum) in sums.iter_mut().enumerate() {
            let position = position + (place * L::N) as f64 * comb.stride;
            let [middle, sides] = comb.of_three::<L, ONE>(cells, Some([1.0 - PAD as f64, columns + 1.0]), position);
            *sum = sum.add(sides.mul_add(share, middle));
        }
    }
}

/// A line of pixels takes what it sees of a fan's view; the edges of pixel i are number i of the two lists, from the
/// offsets on.
#[inline(always)]
unsafe fn gather<L: Lanes>(view: &View, columns: usize, edges: [(&Edges, usize); 2], pixels: &mut [f32]) {
    let middle = (columns as f32 - 1.0) / 2.0;
    let [(one, _), (other, _)] = edges;
    let shift = [edges[0].1, edges[1].1];
    let spread = greater(one.widest, other.widest) + SLACK;
    for start in (0..pixels.len()).step_by(L::N) {
        let last = start + L::N - 1;
        let (a0, b0) = (one.at(start + shift[0]), other.at(start + shift[1]));
        let (a1, b1) = (one.at(last + shift[0]), other.at(last + shift[1]));
        let width = greater((a0 - b0).abs(), (a1 - b1).abs());
        let low = lesser(lesser(a0, b0), lesser(a1, b1)) - spread - 0.5 + middle;
        let high = greater(greater(a0, b0), greater(a1, b1)) + spread + 0.5 + middle;
        let taps = (width + 2.0 * spread + 1.0).ceil();
        if !(high >= 0.0 && low < columns as f32 && high - low < 1e6) {
            continue;
        }
        let (base, taps) = (low.floor(), taps as usize);
        let near = high - base + 1.0 < 2.0 * L::N as f32 && base >= -(PAD as f32) && taps <= PAD / 4;
        unsafe {
            let sum = match (near, taps) {
                (true, 2) => weigh::<L, 2, false>(view, columns, edges, start, (base, taps)),
                (true, 3) => weigh::<L, 3, false>(view, columns, edges, start, (base, taps)),
                (true, _) => weigh::<L, 0, false>(view, columns, edges, start, (base, taps)),
                _ => weigh::<L, 0, true>(view, columns, edges, start, (base, taps)),
            };
            add(sum, &mut pixels[start..]);
        }
    }
}

/// What a register of pixels from `start` on sees, of cells from `base` on, `taps` a pixel (`TAPS`, if that is not 0).
#[inline(always)]
unsafe fn weigh<L: Lanes, const TAPS: usize, const FAR: bool>(
    view: &View,
    columns: usize,
    edges: [(&Edges, usize); 2],
    start: usize,
    (base, taps): (f32, usize),
) -> L {
    unsafe {
        let [(c0, b0, s0), (c1, b1, s1)] =
            [edges[0].0.load::<L>(start + edges[0].1), edges[1].0.load(start + edges[1].1)];
        let middle = (columns as f32 - 1.0) / 2.0;
        // The first cell whose far edge is reached.
        let first = c0.sub(b0).min(c1.sub(b1)).add(L::splat(middle - 0.5)).floor().add(L::splat(1.0));
        let index = first.sub(L::splat(base));
        let cells = view.line.as_ptr().add(PAD);
        let mut centre = first.sub(L::splat(middle));
        let mut sum = L::splat(0.0);
        for tap in 0..if TAPS == 0 { taps } else { TAPS } {
            let weight = share(c1.sub(centre), b1, s1).sub(share(c0.sub(centre), b0, s0)).abs();
            let value = if FAR {
                let cell = first.add(L::splat(tap as f32));
                L::pick_far(cells, cell.max(L::splat(-1.0)).min(L::splat(columns as f32)))
            } else {
                L::pick(cells.offset(base as isize).add(tap), index)
            };
            sum = weight.mul_add(value, sum);
            centre = centre.add(L::splat(1.0));
        }
        sum
    }
}

/// Adds a register to the pixels, as many as there are.
#[inline(always)]
unsafe fn add<L: Lanes>(sum: L, pixels: &mut [f32]) {
    if pixels.len() >= L::N {
        unsafe { L::load(pixels.as_ptr()).add(sum).store(pixels.as_mut_ptr()) };
        return;
    }
    let mut sums = [0.0; 16];
    unsafe { sum.store(sums.as_mut_ptr()) };
    pixels.iter_mut().zip(sums).for_each(|(pixel, sum)| *pixel += sum);
}

impl Kernel for FootprintBackproject {
    const NAME: &'static str = "footprint_backproject";
    const WGSL: &'static str = concat!(
        include_str!("../../shaders/lib/footprint.wgsl"),
        include_str!("../../shaders/footprint_backproject.wgsl")
    );
    const TOLERANCE: f32 = 5e-5;

    fn workgroups(&self) -> [u32; 3] {
        self.part.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        self.accumulate(Simd::detected(), inputs[0].numbers(), inputs[1].numbers(), outputs[0].numbers());
    }

    fn example(seed: u64) -> Example<Self> {
        let ((part, curved), matrices) = super::footprint::example(seed);
        let lines = HostArray::noise(&[part.filtered_lines as usize, part.columns as usize], seed);
        let image = HostArray::noise(&[part.image_lines as usize, part.nx as usize], seed + 1);
        Example { kernel: Self { part, curved }, inputs: vec![lines, matrices], outputs: vec![image] }
    }
}
