//! Large dense complex matrices in f64, real and imaginary parts apart, and the one vector loop that all work on them is
//! made of.

use crate::{device::Simd, kernels::lanes};

/// Row by row.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub columns: usize,
    pub re: Vec<f64>,
    pub im: Vec<f64>,
}

impl Matrix {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { columns, re: vec![0.0; rows * columns], im: vec![0.0; rows * columns] }
    }

    /// Rows from `first` on, as parts.
    pub fn rows_from(&self, first: usize) -> Rows<'_> {
        Rows { columns: self.columns, re: &self.re[first * self.columns..], im: &self.im[first * self.columns..] }
    }
}

/// A run of rows.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub columns: usize,
    pub re: &'a [f64],
    pub im: &'a [f64],
}

/// `into += Σⱼ factor(j) · row j`, over columns `from` and up of the rows.
pub struct AddRows<'a, F> {
    pub into: (&'a mut [f64], &'a mut [f64]),
    pub rows: Rows<'a>,
    pub count: usize,
    pub from: usize,
    /// (re, im) of the j-th factor.
    pub factor: F,
}

impl<F: Fn(usize) -> (f64, f64)> AddRows<'_, F> {
    /// With the best instructions of this machine.
    pub fn run(self) {
        lanes::run(Simd::detected(), self);
    }
}

impl<F: Fn(usize) -> (f64, f64)> lanes::Loop for AddRows<'_, F> {
    type Output = ();
    // The compiler makes vectors of plain loops over f64; `L` only says which instructions it may take.
    #[inline(always)]
    unsafe fn run<L: lanes::Lanes>(self) {
        let Self { into: (re, im), rows, count, from, factor } = self;
        let len = re.len();
        let im = &mut im[..len];
        let row = |j: usize| {
            let start = j * rows.columns + from;
            (&rows.re[start..start + len], &rows.im[start..start + len])
        };
        let fours = count / 4 * 4;
        for j in (0..fours).step_by(4) {
            let [(ar, ai), (br, bi), (cr, ci), (dr, di)] = [row(j), row(j + 1), row(j + 2), row(j + 3)];
            let [a, b, c, d] = [factor(j), factor(j + 1), factor(j + 2), factor(j + 3)];
            for i in 0..len {
                let first = a.0 * ar[i] - a.1 * ai[i] + (b.0 * br[i] - b.1 * bi[i]);
                let second = c.0 * cr[i] - c.1 * ci[i] + (d.0 * dr[i] - d.1 * di[i]);
                re[i] += first + second;
                let first = a.0 * ai[i] + a.1 * ar[i] + (b.0 * bi[i] + b.1 * br[i]);
                let second = c.0 * ci[i] + c.1 * cr[i] + (d.0 * di[i] + d.1 * dr[i]);
                im[i] += first + second;
            }
        }
        for j in fours..count {
            let ((ar, ai), a) = (row(j), factor(j));
            for i in 0..len {
                re[i] += a.0 * ar[i] - a.1 * ai[i];
                im[i] += a.0 * ai[i] + a.1 * ar[i];
            }
        }
    }
}
