//! Pixels take what they see of a parallel view, line by line.

use super::{View, add};
use crate::{
    device::Simd,
    kernels::{
        footprint::{Comb, NARROWEST, PAD, Places, Table, Way},
        lanes::{self, Lanes, Loop},
    },
};

/// What a pixel sees of a view.
fn comb(table: &Table) -> Comb {
    let [_, na, nr] = table.n.map(f64::from);
    let spread = (0.5 * nr.abs()).max(f64::from(NARROWEST));
    Comb::new([0.5 * na.abs(), spread], 1.0, if table.transposed { nr } else { na })
}

/// Lines of pixels of a slice, the first pixel at `first` from the slice's middle (x, y), take what they see of a view of so
/// many columns.
pub fn backproject(simd: Simd, view: &View, columns: usize, nx: usize, first: [f64; 2], pixels: &mut [f32]) {
    let comb = &comb(&view.table);
    let [n0, na, nr] = view.table.n.map(f64::from);
    let (per_x, per_y) = if view.table.transposed { (nr, na) } else { (na, nr) };
    let [x, y] = first;
    let path = [n0 + per_x * x + per_y * y + (columns as f64 - 1.0) / 2.0, per_y];
    let cells = &view.line[PAD..];
    match lanes::run(simd, WayOf(comb)) {
        Way::Three => lanes::run(simd, Gather::<{ Way::THREE }> { comb, cells, columns, path, nx, pixels }),
        Way::ThreeOfTwo => lanes::run(simd, Gather::<{ Way::THREE_OF_TWO }> { comb, cells, columns, path, nx, pixels }),
        Way::Five => lanes::run(simd, Gather::<{ Way::FIVE }> { comb, cells, columns, path, nx, pixels }),
        Way::FiveOfHalves => {
            lanes::run(simd, Gather::<{ Way::FIVE_OF_HALVES }> { comb, cells, columns, path, nx, pixels });
        }
        Way::Any => lanes::run(simd, Gather::<{ Way::ANY }> { comb, cells, columns, path, nx, pixels }),
        Way::Far => lanes::run(simd, Gather::<{ Way::FAR }> { comb, cells, columns, path, nx, pixels }),
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

/// The first pixel of line i is at path[0] + path[1]·i among the cells.
struct Gather<'a, const WAY: usize> {
    comb: &'a Comb,
    /// From number 0 on, with `PAD` zeros before and after.
    cells: &'a [f32],
    columns: usize,
    path: [f64; 2],
    nx: usize,
    pixels: &'a mut [f32],
}

impl<const WAY: usize> Loop for Gather<'_, WAY> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { comb, cells, columns, path, nx, pixels } = self;
        // A copy, which no store can change: its numbers stay in registers.
        let comb = *comb;
        let (cells, lead) = (cells.as_ptr(), comb.lead::<L, WAY>());
        let bounds = if WAY == Way::FAR {
            [-1e9, 1e9]
        } else {
            // Two sources before the first may be asked for.
            [2.0 - PAD as f64, columns as f64 + 2.0]
        };
        let mut places = Places::new();
        for (index, line) in pixels.chunks_exact_mut(nx).enumerate() {
            let position = path[0] + path[1] * index as f64;
            for (block, pixels) in line.chunks_mut(Places::MOST * L::N).enumerate() {
                let first = position + (block * Places::MOST * L::N) as f64 * comb.stride;
                let count = pixels.len().div_ceil(L::N);
                unsafe {
                    places.fill(count, [first, L::N as f64 * comb.stride], lead, bounds);
                    let whole = pixels.len() / L::N;
                    for (index, (base, offset)) in places.base[..whole].iter().zip(&places.offset).enumerate() {
                        let pixels = pixels.as_mut_ptr().add(index * L::N);
                        let seen = see::<L, WAY>(&comb, (cells, columns), *base, *offset);
                        L::load(pixels).add(seen).store(pixels);
                    }
                    if whole < count {
                        let seen = see::<L, WAY>(&comb, (cells, columns), places.base[whole], places.offset[whole]);
                        add(seen, &mut pixels[whole * L::N..]);
                    }
                }
            }
        }
    }
}

/// What a register of pixels sees.
#[inline(always)]
unsafe fn see<L: Lanes, const WAY: usize>(comb: &Comb, cells: (*const f32, usize), base: i32, offset: f32) -> L {
    unsafe {
        let offset = L::splat(offset);
        if Way::about_middles(WAY) {
            comb.whole(comb.about_middles::<L, WAY>(cells.0.wrapping_offset(base as isize), offset))
        } else {
            comb.sums::<L, WAY>(cells, base, offset)
        }
    }
}
