//! GRAPPA's kernels: a missing sample of a coil as a sum over sampled neighbours in all coils, with weights that calibration data
//! determine (M. A. Griswold et al., Magn Reson Med 47, 1202–1210, 2002), one kernel for each pattern of sampled neighbours.
//!
//! All come from one Gram matrix G of the calibration data's patches, S the sampled numbers of a patch and c its centre in each
//! coil: (G_SS + λ) conj(w) = G_Sc.

use ndarray::ArrayView4;
use num_complex::{Complex32, Complex64};

use super::espirit::{gram::gram, matrix::Matrix, signal_space::Spectrum};
use crate::{
    device::Simd,
    error::{Error, Result},
    kernels::lanes::{self, Lanes, Loop},
};

/// Part of the largest eigenvalue of G below which noise is looked for at first; then so many times the mean of what was below, for
/// as long as that falls: noise's eigenvalues reach up to four times their mean.
const SIGNAL: f64 = 1e-3;
const ABOVE_NOISE: f64 = 4.0;
const ROUNDS: usize = 8;

/// Which points of a patch are sampled: bit i stands for point i in C order.
pub type Pattern = u128;

/// What calibration data say about patches of k-space.
#[derive(Clone, Debug)]
pub struct Grappa {
    /// A patch's extents along z, y, x, odd.
    pub extents: [usize; 3],
    coils: usize,
    gram: Matrix,
    /// What noise adds to the diagonal of G: its variance a sample times the number of patches.
    pub noise: f64,
}

/// The kernel of one pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Points of the patch that it sums over.
    pub points: Vec<usize>,
    /// `[target coil, source coil, point]`.
    pub values: Vec<Complex32>,
}

impl Grappa {
    /// From calibration data `[coil, z, y, x]`, fully sampled, and a patch's extents.
    ///
    /// # Errors
    /// [`Error::Scan`] if the data are smaller than a patch, or all 0.
    ///
    /// # Panics
    /// If an extent is even, or the patch has more than 128 points.
    #[track_caller]
    pub fn new(calibration: ArrayView4<Complex32>, extents: [usize; 3]) -> Result<Self> {
        assert!(extents.iter().all(|extent| extent % 2 == 1), "a patch of {extents:?} has no centre");
        assert!(extents.iter().product::<usize>() <= Pattern::BITS as usize, "a patch of {extents:?}");
        let (coils, nz, ny, nx) = calibration.dim();
        let region = [nz, ny, nx];
        if region.iter().zip(extents).any(|(region, extent)| *region < extent) {
            return Err(Error::Scan(format!(
                "the calibration region has {region:?} points (z, y, x), and GRAPPA's patches {extents:?}; the centre of k-space \
                 must be sampled more widely"
            )));
        }
        let gram = gram(calibration, extents);
        let spectrum = Spectrum::new(&gram);
        if spectrum.largest <= 0.0 {
            return Err(Error::Scan(format!("the calibration region of {coils} coils holds only zeros")));
        }
        let patches = region.iter().zip(extents).map(|(region, extent)| region - extent + 1).product();
        // A scan without any noise must not divide by zero.
        let least = 1e-10 * spectrum.largest;
        let (mut threshold, mut noise) = (SIGNAL * spectrum.largest, f64::INFINITY);
        for _ in 0..ROUNDS {
            noise = noise.min(spectrum.filtered(threshold).mean_rest(gram.columns, patches)).max(least);
            if ABOVE_NOISE * noise > 0.7 * threshold {
                break;
            }
            threshold = ABOVE_NOISE * noise;
        }
        Ok(Self { extents, coils, gram, noise })
    }

    /// Points of a patch.
    pub fn points(&self) -> usize {
        self.extents.iter().product()
    }

    /// The kernel for the samples of a pattern, with λ.
    pub fn weights(&self, pattern: Pattern, damping: f64) -> Weights {
        let points: Vec<usize> = (0..self.points()).filter(|point| pattern >> point & 1 == 1).collect();
        let sources: Vec<usize> =
            (0..self.coils).flat_map(|coil| points.iter().map(move |point| coil * self.points() + point)).collect();
        let targets: Vec<usize> = (0..self.coils).map(|coil| coil * self.points() + self.points() / 2).collect();
        let (n, columns) = (sources.len(), sources.len() + targets.len());
        let (mut re, mut im) = (vec![0.0; n * columns], vec![0.0; n * columns]);
        for (row, source) in sources.iter().enumerate() {
            for (column, other) in sources.iter().chain(&targets).enumerate().skip(row) {
                let at = source * self.gram.columns + other;
                (re[row * columns + column], im[row * columns + column]) = (self.gram.re[at], self.gram.im[at]);
            }
            re[row * columns + row] += damping;
        }
        let mut system = System { n, columns, re, im };
        lanes::run(Simd::detected(), Solve(&mut system));
        let weight = |coil: usize, source: usize| {
            let at = source * columns + n + coil;
            Complex32::new(system.re[at] as f32, -system.im[at] as f32)
        };
        let values = (0..self.coils).flat_map(|coil| (0..n).map(move |source| (coil, source)));
        let values = values.map(|(coil, source)| weight(coil, source)).collect();
        Weights { points, values }
    }
}

/// (A | B), A Hermitian in its upper triangle, B as many columns as there are coils.
struct System {
    n: usize,
    columns: usize,
    re: Vec<f64>,
    im: Vec<f64>,
}

/// B ← A⁻¹ B by Cholesky's decomposition, row by row.
struct Solve<'a>(&'a mut System);

impl Loop for Solve<'_> {
    type Output = ();
    // The compiler makes vectors of plain loops over f64; `L` only says which instructions it may take.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let System { n, columns, re, im } = self.0;
        let (n, columns) = (*n, *columns);
        for k in 0..n {
            let (_, re) = re.split_at_mut(k * columns);
            let (_, im) = im.split_at_mut(k * columns);
            let ((pivot_re, below_re), (pivot_im, below_im)) = (re.split_at_mut(columns), im.split_at_mut(columns));
            let scale = 1.0 / pivot_re[k].max(f64::MIN_POSITIVE).sqrt();
            pivot_re[k..].iter_mut().chain(pivot_im[k..].iter_mut()).for_each(|value| *value *= scale);
            for row in k + 1..n {
                // conj(u_kr)
                let factor = Complex64::new(pivot_re[row], -pivot_im[row]);
                let start = (row - k - 1) * columns;
                let into = (&mut below_re[start + row..start + columns], &mut below_im[start + row..start + columns]);
                subtract(factor, (&pivot_re[row..], &pivot_im[row..]), into);
            }
        }
        for k in (0..n).rev() {
            let (above_re, below_re) = re.split_at_mut((k + 1) * columns);
            let (above_im, below_im) = im.split_at_mut((k + 1) * columns);
            let (row_re, row_im) = (&mut above_re[k * columns..], &mut above_im[k * columns..]);
            let ((u_re, b_re), (u_im, b_im)) = (row_re.split_at_mut(n), row_im.split_at_mut(n));
            for j in k + 1..n {
                let start = (j - k - 1) * columns + n;
                let solved = (&below_re[start..start + columns - n], &below_im[start..start + columns - n]);
                subtract(Complex64::new(u_re[j], u_im[j]), solved, (&mut *b_re, &mut *b_im));
            }
            let scale = 1.0 / u_re[k];
            b_re.iter_mut().chain(b_im.iter_mut()).for_each(|value| *value *= scale);
        }
    }
}

/// into −= factor · row.
#[inline(always)]
fn subtract(factor: Complex64, (re, im): (&[f64], &[f64]), (into_re, into_im): (&mut [f64], &mut [f64])) {
    let len = into_re.len();
    let (re, im, into_im) = (&re[..len], &im[..len], &mut into_im[..len]);
    for i in 0..len {
        into_re[i] -= factor.re * re[i] - factor.im * im[i];
        into_im[i] -= factor.re * im[i] + factor.im * re[i];
    }
}
