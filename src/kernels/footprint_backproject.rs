//! Backprojects without filter or weight, as the exact adjoint of `footprint_project` (see `footprint.rs`).
//!
//! On the CPU a register of neighbouring pixels takes from each view what it sees of two registers of cells.

use rayon::prelude::*;

use super::{
    footprint::{Comb, MATRIX, NARROWEST, PAD, Table, Trapezoid, share},
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
        image.par_chunks_mut(nx).enumerate().for_each(|(index, pixels)| {
            let (z, y) = ((part.image_first as usize + index) / ny, (part.image_first as usize + index) % ny);
            let views = part.views_of(z);
            let seen = views.map(|view| View {
                table: Table::read(&matrices[view - part.first_view as usize]),
                line: &weighted[(view * part.rows as usize + z - part.filtered_first as usize) * stride..][..stride],
            });
            let task = Pixels {
                views: seen.collect(),
                curved: self.curved == 1,
                columns,
                middle: [(nx as f64 - 1.0) / 2.0, (ny as f64 - 1.0) / 2.0],
                y,
                pixels,
            };
            lanes::run(simd, task);
        });
    }

    /// The lines between zeros, times the length of each cell's ray in a line of the slice.
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
            let same = table.parallel().then(|| table.length(false, 0.0));
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

/// One line of the image, and what it sees.
struct Pixels<'a> {
    views: Vec<View<'a>>,
    curved: bool,
    columns: usize,
    /// Of the slice: x, y.
    middle: [f64; 2],
    y: usize,
    pixels: &'a mut [f32],
}

impl Loop for Pixels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let combs: Vec<_> = self.views.iter().map(|view| parallel(&view.table)).collect();
        for start in (0..self.pixels.len()).step_by(L::N) {
            unsafe {
                let mut sum = L::splat(0.0);
                for (view, comb) in self.views.iter().zip(&combs) {
                    sum = match (comb, self.curved) {
                        (Some((comb, amplitude)), _) => {
                            self.parallel::<L>(view, comb, start).mul_add(L::splat(*amplitude), sum)
                        }
                        (None, false) => sum.add(self.fan::<L, false>(view, start)),
                        (None, true) => sum.add(self.fan::<L, true>(view, start)),
                    };
                }
                let mut sums = [0.0; 16];
                sum.store(sums.as_mut_ptr());
                self.pixels[start..].iter_mut().zip(&sums[..L::N]).for_each(|(pixel, sum)| *pixel += sum);
            }
        }
    }
}

/// What a pixel sees of a parallel view, and by what its sums are to be multiplied.
fn parallel(table: &Table<f32>) -> Option<(Comb, f32)> {
    table.parallel().then(|| {
        let [_, na, nr] = table.n.map(f64::from);
        let (half, spread) = (0.5 * na.abs(), (0.5 * nr.abs()).max(f64::from(NARROWEST)));
        let along_x = if table.transposed { nr } else { na };
        (Comb::new(Trapezoid::new(half, spread), 1.0, 0.5 + half + spread, along_x), na.abs() as f32)
    })
}

impl Pixels<'_> {
    #[inline(always)]
    unsafe fn parallel<L: Lanes>(&self, view: &View, comb: &Comb, start: usize) -> L {
        let [n0, na, nr] = view.table.n.map(f64::from);
        let (nx, ny) = if view.table.transposed { (nr, na) } else { (na, nr) };
        let (x, y) = (start as f64 - self.middle[0], self.y as f64 - self.middle[1]);
        let position = n0 + nx * x + ny * y + (self.columns as f64 - 1.0) / 2.0;
        unsafe {
            let cells = view.line.as_ptr().add(PAD);
            match (comb.near::<L>(), comb.taps) {
                (true, 2) => comb.sums::<L, 2, false>(cells, self.columns, position),
                (true, 3) => comb.sums::<L, 3, false>(cells, self.columns, position),
                (true, _) => comb.sums::<L, 0, false>(cells, self.columns, position),
                _ => comb.sums::<L, 0, true>(cells, self.columns, position),
            }
        }
    }

    #[inline(always)]
    unsafe fn fan<L: Lanes, const CURVED: bool>(&self, view: &View, start: usize) -> L {
        unsafe {
            let table = view.table.splat::<L>();
            let x = L::count().add(L::splat((start as f64 - self.middle[0]) as f32));
            let y = L::splat((self.y as f64 - self.middle[1]) as f32);
            let half = L::splat(0.5);
            let [(c0, b0), (c1, b1)] = if table.transposed {
                [table.column::<CURVED>(y.sub(half), x), table.column::<CURVED>(y.add(half), x)]
            } else {
                [table.column::<CURVED>(x.sub(half), y), table.column::<CURVED>(x.add(half), y)]
            };
            let middle = L::splat((self.columns as f32 - 1.0) / 2.0);
            let low = c0.sub(b0).min(c1.sub(b1)).sub(half).add(middle);
            let high = c0.add(b0).max(c1.add(b1)).add(half).add(middle);
            // From the first cell that is touched.
            let first = low.floor();
            let [mut firsts, mut highs] = [[0.0_f32; 16]; 2];
            first.store(firsts.as_mut_ptr());
            high.store(highs.as_mut_ptr());
            let base = firsts[..L::N].iter().fold(f32::INFINITY, |least, first| least.min(*first));
            let last = highs[..L::N].iter().fold(f32::NEG_INFINITY, |most, high| most.max(*high));
            if last < 0.0 || base > self.columns as f32 - 1.0 || !(last - base).is_finite() {
                return L::splat(0.0);
            }
            let spans = highs.iter().zip(&firsts).take(L::N).map(|(high, first)| high - first);
            let taps = spans.fold(0.0, f32::max) as usize + 1;
            let near = last - base + 2.0 < 2.0 * L::N as f32 && base >= -(PAD as f32);
            let cells = view.line.as_ptr().add(PAD);
            let mut sum = L::splat(0.0);
            for tap in 0..taps {
                let cell = first.add(L::splat(tap as f32));
                let centre = cell.sub(middle);
                let weight = share(c1.sub(centre), b1).sub(share(c0.sub(centre), b0)).abs();
                let value = if near {
                    L::pick(cells.offset(base as isize).add(tap), first.sub(L::splat(base)))
                } else {
                    L::pick_far(cells, cell.max(L::splat(-1.0)).min(L::splat(self.columns as f32)))
                };
                sum = weight.mul_add(value, sum);
            }
            sum
        }
    }
}

impl Kernel for FootprintBackproject {
    const NAME: &'static str = "footprint_backproject";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/footprint.wgsl"), include_str!("../../shaders/footprint_backproject.wgsl"));
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
