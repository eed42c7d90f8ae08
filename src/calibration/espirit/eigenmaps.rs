//! The leading eigenvectors of M(r) at every pixel of a line, a vector of pixels at a time: orthogonal iteration that begins
//! with what the line before has found.

use super::series::{Series, Waves, pair};
use crate::kernels::lanes::{Lanes, Loop};

/// Rounds at most; a pixel whose eigenvalues are nearly equal has no leading eigenvector worth more.
const ROUNDS: usize = 40;
/// A vector of pixels is done when ‖Mv − λv‖ < this · λ in all of them.
const TOLERANCE: f32 = 1e-4;

/// Room for one line and what is kept between lines.
pub struct LineState {
    /// `[pixel group, set, coil, 2, lane]`: unit vectors, the real parts then the imaginary ones.
    pub vectors: Vec<f32>,
    /// `[pixel group, set, lane]`.
    pub values: Vec<f32>,
    terms: Vec<f32>,
    matrices: Vec<f32>,
    products: Vec<f32>,
}

/// What a line's loop needs.
pub struct Line<'a> {
    pub series: &'a Series,
    pub waves: &'a Waves,
    /// Extents of the image along z, y, x.
    pub matrix: [usize; 3],
    /// The line, (z, y).
    pub at: [usize; 2],
    pub coils: usize,
    pub sets: usize,
    pub state: &'a mut LineState,
}

/// Pixels of a group: as many as the widest vector has lanes; narrower ones take parts of it.
pub const GROUP: usize = 16;

impl LineState {
    /// Begins every pixel with the same vectors, `[set, coil]` as (re, im).
    pub fn new(series: &Series, nx: usize, coils: usize, begin: &[Vec<(f32, f32)>]) -> Self {
        let groups = nx.div_ceil(GROUP);
        let of_group = || {
            let parts = begin.iter().flatten().flat_map(|(re, im)| [*re, *im]);
            parts.flat_map(|part| [part; GROUP]).collect::<Vec<f32>>()
        };
        Self {
            vectors: (0..groups).flat_map(|_| of_group()).collect(),
            values: vec![0.0; groups * begin.len() * GROUP],
            terms: vec![0.0; series.pairs * series.terms()],
            matrices: vec![0.0; series.pairs * 2 * GROUP],
            products: vec![0.0; begin.len() * coils * 2 * GROUP],
        }
    }
}

impl Loop for Line<'_> {
    type Output = ();
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        self.series.line(self.matrix, self.at, &mut self.state.terms);
        let LineState { vectors, values, terms, matrices, products } = self.state;
        let of_group = self.sets * self.coils * 2 * GROUP;
        let groups = vectors.chunks_exact_mut(of_group).zip(values.chunks_exact_mut(self.sets * GROUP));
        for (group, (vectors, values)) in groups.enumerate() {
            for lane in (0..GROUP).step_by(L::N) {
                let pixel = Pixels { coils: self.coils, sets: self.sets, lane, matrices, products, vectors, values };
                // SAFETY: the caller has the instructions; `Pixels` keeps within its slices, all of whole groups.
                unsafe { pixel.solve::<L>(terms, self.series.terms(), self.waves, group * GROUP + lane) };
            }
        }
    }
}

/// L::N pixels of a group, from `lane` on.
struct Pixels<'a> {
    coils: usize,
    sets: usize,
    lane: usize,
    matrices: &'a mut [f32],
    products: &'a mut [f32],
    vectors: &'a mut [f32],
    values: &'a mut [f32],
}

/// # Safety
/// `at` holds L::N numbers from index · GROUP + lane on.
#[inline(always)]
unsafe fn load<L: Lanes>(at: &[f32], index: usize, lane: usize) -> L {
    debug_assert!(index * GROUP + lane + L::N <= at.len());
    unsafe { L::load(at.as_ptr().add(index * GROUP + lane)) }
}

/// # Safety
/// As [`load`].
#[inline(always)]
unsafe fn store<L: Lanes>(value: L, at: &mut [f32], index: usize, lane: usize) {
    debug_assert!(index * GROUP + lane + L::N <= at.len());
    unsafe { value.store(at.as_mut_ptr().add(index * GROUP + lane)) }
}

/// 1/√x, number by number.
///
/// # Safety
/// The caller has the instructions of `L`.
#[inline(always)]
unsafe fn inverse_root<L: Lanes>(x: L) -> L {
    let mut numbers = [0.0_f32; GROUP];
    unsafe { x.store(numbers.as_mut_ptr()) };
    numbers[..L::N].iter_mut().for_each(|x| *x = 1.0 / (*x + 1e-30).sqrt());
    unsafe { L::load(numbers.as_ptr()) }
}

impl Pixels<'_> {
    #[inline(always)]
    unsafe fn solve<L: Lanes>(mut self, terms: &[f32], stride: usize, waves: &Waves, x: usize) {
        unsafe {
            self.evaluate::<L>(terms, stride, waves, x);
            for _ in 0..ROUNDS {
                let mut rest = L::splat(0.0);
                for set in 0..self.sets {
                    rest = rest.max(self.multiply::<L>(set));
                }
                for set in 0..self.sets {
                    self.orthonormalise::<L>(set);
                }
                let mut numbers = [0.0_f32; GROUP];
                rest.store(numbers.as_mut_ptr());
                if numbers[..L::N].iter().all(|x| *x <= 0.0) {
                    break;
                }
            }
        }
    }

    /// M of these pixels from the line's terms.
    #[inline(always)]
    unsafe fn evaluate<L: Lanes>(&mut self, terms: &[f32], stride: usize, waves: &Waves, x: usize) {
        for (pair, terms) in terms.chunks_exact(stride).enumerate() {
            unsafe {
                let (mut re, mut im) = (L::splat(terms[0]), L::splat(terms[1]));
                for (d, four) in terms[2..].chunks_exact(4).enumerate() {
                    let at = d * waves.stride + x;
                    debug_assert!(at + L::N <= waves.cos.len());
                    let (cos, sin) = (L::load(waves.cos.as_ptr().add(at)), L::load(waves.sin.as_ptr().add(at)));
                    re = sin.mul_add(L::splat(four[2]), cos.mul_add(L::splat(four[0]), re));
                    im = sin.mul_add(L::splat(four[3]), cos.mul_add(L::splat(four[1]), im));
                }
                store(re, self.matrices, 2 * pair, self.lane);
                store(im, self.matrices, 2 * pair + 1, self.lane);
            }
        }
    }

    /// The product w = Mv of a set and its eigenvalue; ‖w − λv‖² − (tolerance · λ)².
    #[inline(always)]
    unsafe fn multiply<L: Lanes>(&mut self, set: usize) -> L {
        let (coils, lane) = (self.coils, self.lane);
        unsafe {
            let mut value = L::splat(0.0);
            for row in 0..coils {
                let (mut re, mut im) = (L::splat(0.0), L::splat(0.0));
                for column in 0..coils {
                    let at = pair(row.max(column), row.min(column));
                    let (a, b): (L, L) = (load(self.matrices, 2 * at, lane), load(self.matrices, 2 * at + 1, lane));
                    let (x, y) = self.vector::<L>(set, column);
                    re = a.mul_add(x, re);
                    im = a.mul_add(y, im);
                    // The upper triangle is the lower one conjugated.
                    if row >= column {
                        re = b.neg_mul_add(y, re);
                        im = b.mul_add(x, im);
                    } else {
                        re = b.mul_add(y, re);
                        im = b.neg_mul_add(x, im);
                    }
                }
                let (x, y) = self.vector::<L>(set, row);
                value = x.mul_add(re, y.mul_add(im, value));
                store(re, self.products, 2 * (set * coils + row), lane);
                store(im, self.products, 2 * (set * coils + row) + 1, lane);
            }
            store(value, self.values, set, lane);
            let mut rest = L::splat(0.0);
            for coil in 0..coils {
                let ((x, y), (re, im)) = (self.vector::<L>(set, coil), self.product::<L>(set, coil));
                let (re, im) = (value.neg_mul_add(x, re), value.neg_mul_add(y, im));
                rest = re.mul_add(re, im.mul_add(im, rest));
            }
            let allowed = value.mul(L::splat(TOLERANCE));
            allowed.neg_mul_add(allowed, rest)
        }
    }

    /// The set's next vector: its product without the parts along the sets before it, of unit length.
    #[inline(always)]
    unsafe fn orthonormalise<L: Lanes>(&mut self, set: usize) {
        let (coils, lane) = (self.coils, self.lane);
        unsafe {
            for other in 0..set {
                let (mut re, mut im) = (L::splat(0.0), L::splat(0.0));
                for coil in 0..coils {
                    let ((a, b), (x, y)) = (self.vector::<L>(other, coil), self.product::<L>(set, coil));
                    re = a.mul_add(x, b.mul_add(y, re));
                    im = a.mul_add(y, b.neg_mul_add(x, im));
                }
                for coil in 0..coils {
                    let ((a, b), (x, y)) = (self.vector::<L>(other, coil), self.product::<L>(set, coil));
                    let x = re.neg_mul_add(a, im.mul_add(b, x));
                    let y = re.neg_mul_add(b, im.neg_mul_add(a, y));
                    store(x, self.products, 2 * (set * coils + coil), lane);
                    store(y, self.products, 2 * (set * coils + coil) + 1, lane);
                }
            }
            let mut norm = L::splat(0.0);
            for coil in 0..coils {
                let (x, y) = self.product::<L>(set, coil);
                norm = x.mul_add(x, y.mul_add(y, norm));
            }
            let scale = inverse_root(norm);
            for coil in 0..coils {
                let (x, y) = self.product::<L>(set, coil);
                store(x.mul(scale), self.vectors, 2 * (set * coils + coil), lane);
                store(y.mul(scale), self.vectors, 2 * (set * coils + coil) + 1, lane);
            }
        }
    }

    #[inline(always)]
    unsafe fn vector<L: Lanes>(&self, set: usize, coil: usize) -> (L, L) {
        let at = 2 * (set * self.coils + coil);
        unsafe { (load(self.vectors, at, self.lane), load(self.vectors, at + 1, self.lane)) }
    }

    #[inline(always)]
    unsafe fn product<L: Lanes>(&self, set: usize, coil: usize) -> (L, L) {
        let at = 2 * (set * self.coils + coil);
        unsafe { (load(self.products, at, self.lane), load(self.products, at + 1, self.lane)) }
    }
}
