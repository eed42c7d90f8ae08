//! Fans: where a view sees the edges of pixels.

use crate::kernels::{
    footprint::{NARROWEST, PAD, Table},
    lanes::Lanes,
};

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
}

impl Edges {
    /// For `count` edges, between padding of which nothing is to be expected but that it is finite.
    pub fn new(count: usize) -> Self {
        let [column, spread, slope] = [0.0, 0.5, 0.5].map(|number| vec![number; count + 2 * PAD]);
        Self { column, spread, slope }
    }

    /// Fills the edges `range`, of which number i lies at (a, r) = `origin` + i·`step`, and up to a register more.
    ///
    /// Numerator n, denominator d and n_r·d − n·d_r are linear along the line. From one division, of 1 by all that anything is
    /// divided by, come column, spread and slope.
    #[inline(always)]
    pub unsafe fn fill<L: Lanes, const CURVED: bool>(
        &mut self,
        table: &Table,
        range: std::ops::Range<usize>,
        origin: [f64; 2],
        step: [f64; 2],
    ) {
        let [n, d] = [table.n, table.d].map(|numbers| numbers.map(|number| f64::from(number) / f64::from(table.d[0])));
        let scale = if CURVED { table.scale } else { 1.0 };
        let linear = |c: [f64; 3]| {
            let [start, change] = [c[0] + c[1] * origin[0] + c[2] * origin[1], c[1] * step[0] + c[2] * step[1]];
            [start as f32, change as f32]
        };
        // Four spreads times the size below.
        let k = 2.0 * f64::from(scale);
        let turn = linear([k * (n[2] * d[0] - n[0] * d[2]), k * (n[2] * d[1] - n[1] * d[2]), 0.0]);
        let (n, d) = (linear(n), linear(d));
        unsafe {
            let ([n0, n1], [d0, d1], [k0, k1]) = (splat::<L>(n), splat::<L>(d), splat::<L>(turn));
            let (scale, least, quarter) = (L::splat(scale), L::splat(4.0 * NARROWEST), L::splat(0.25));
            for index in range.step_by(L::N) {
                let number = L::count().add(L::splat(index as f32));
                let (n, d) = (n1.mul_add(number, n0), d1.mul_add(number, d0));
                let size = if CURVED { n.mul_add(n, d.mul(d)) } else { d.mul(d) };
                let k = k1.mul_add(number, k0).abs().max(least.mul(size));
                let (column, spread, slope);
                if CURVED {
                    let length = n.abs();
                    let (small, large) = (length.min(d), length.max(d));
                    let inverse = large.mul(k).mul(size).inverse();
                    let (by_size, by_large) = (size.mul(inverse), large.mul(inverse));
                    let ratio = small.mul(by_size.mul(k));
                    // What rounding left.
                    let ratio = ratio.neg_mul_add(large, small).mul_add(by_size.mul(k), ratio);
                    column = arc(ratio, length.sub(d)).mul(scale).with_sign(n);
                    spread = by_large.mul(quarter).mul(k).mul(k);
                    slope = by_large.mul(size).mul(size);
                } else {
                    let inverse = d.mul(k).inverse();
                    let over = k.mul(inverse);
                    let ratio = n.mul(over);
                    column = ratio.neg_mul_add(d, n).mul_add(over, ratio);
                    spread = over.mul(quarter).mul(over).mul(k);
                    slope = size.mul(d).mul(inverse);
                }
                column.store(self.column[PAD + index..][..L::N].as_mut_ptr());
                spread.store(self.spread[PAD + index..][..L::N].as_mut_ptr());
                slope.store(self.slope[PAD + index..][..L::N].as_mut_ptr());
            }
        }
    }

    /// A register of edges: column, spread, slope.
    #[inline(always)]
    pub unsafe fn load<L: Lanes>(&self, start: usize) -> [L; 3] {
        debug_assert!(PAD + start + L::N <= self.column.len());
        let [column, spread, slope] = [&self.column, &self.spread, &self.slope].map(|numbers| numbers.as_ptr());
        let at = PAD + start;
        unsafe { [L::load(column.add(at)), L::load(spread.add(at)), L::load(slope.add(at))] }
    }

    /// The column of one edge.
    #[inline(always)]
    pub fn at(&self, index: usize) -> f32 {
        self.column[PAD + index]
    }
}

#[inline(always)]
unsafe fn splat<L: Lanes>(numbers: [f32; 2]) -> [L; 2] {
    unsafe { [L::splat(numbers[0]), L::splat(numbers[1])] }
}

/// atan of a ratio of 0 to 1, to 2e-8 (Abramowitz & Stegun 4.4.49), or a quarter turn less it where `beyond` is positive.
#[inline(always)]
unsafe fn arc<L: Lanes>(ratio: L, beyond: L) -> L {
    unsafe {
        let square = ratio.mul(ratio);
        let mut series = L::splat(0.002_866_225_7);
        let terms =
            [-0.016_165_737, 0.042_909_615, -0.075_289_64, 0.106_562_64, -0.142_089, 0.199_935_51, -0.333_331_47, 1.0];
        for term in terms {
            series = series.mul_add(square, L::splat(term));
        }
        let angle = ratio.mul(series);
        // 0 or 1, exactly.
        let beyond = beyond.mul(L::splat(f32::MAX)).max(L::splat(0.0)).min(L::splat(1.0));
        let other = L::splat(std::f32::consts::FRAC_PI_2).sub(angle);
        beyond.mul_add(other.sub(angle), angle)
    }
}
