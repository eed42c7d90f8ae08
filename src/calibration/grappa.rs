//! GRAPPA's kernels: a missing sample of a coil as a sum over sampled neighbours in all coils, with weights that calibration data
//! determine (M. A. Griswold et al., Magn Reson Med 47, 1202–1210, 2002), one kernel for each pattern of sampled neighbours.
//!
//! All come from Gram matrices G of the calibration data's patches, S the sampled numbers of a patch and c its centre in each coil:
//! (G_SS + λ) conj(w) = G_Sc. Kernels are calibrated where there is much signal and applied where there is little, so that what is
//! wanted is the least expected error there: for a signal of energy E a sample the patches around the centre of k-space are weighed by
//! 1/(E + their own energy), shell by shell, and λ makes signal over noise what it is where the kernel is applied.

use ndarray::{ArrayView4, s};
use num_complex::{Complex32, Complex64};

use super::{
    Region,
    espirit::{gram::gram, matrix::Matrix, signal_space::Spectrum},
};
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
/// λ over the mean of G's diagonal, at least: prefix sums and weights leave rounding of 10⁻¹⁰.
const SINGULAR: f64 = 1e-8;
/// Positions of a patch along an axis that are not halved for another shell.
const FEW: usize = 8;

/// Which points of a patch are sampled: bit i stands for point i in C order.
pub type Pattern = u128;

/// What calibration data say about patches of k-space.
#[derive(Clone, Debug)]
pub struct Grappa {
    /// A patch's extents along z, y, x, odd.
    pub extents: [usize; 3],
    coils: usize,
    /// From the outermost one to the centre.
    shells: Vec<Shell>,
    /// The noise's variance a sample.
    pub noise: f64,
}

/// Patches at like distances from the centre of k-space.
#[derive(Clone, Debug)]
struct Shell {
    gram: Matrix,
    patches: f64,
    /// Of the signal, a sample.
    energy: f64,
}

/// The kernel of one pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Points of the patch that it sums over.
    pub points: Vec<usize>,
    /// `[target coil, source coil, point]`.
    pub values: Vec<Complex32>,
    /// The part of the signal's energy that estimates are expected to have.
    pub explained: f64,
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
        let boxes = boxes(region, extents);
        let mut grams: Vec<Matrix> = boxes
            .iter()
            .map(|[z, y, x]| gram(calibration.slice(s![.., z.clone(), y.clone(), x.clone()]), extents))
            .collect();
        let spectrum = Spectrum::new(&grams[0]);
        if spectrum.largest <= 0.0 {
            return Err(Error::Scan(format!("the calibration region of {coils} coils holds only zeros")));
        }
        let positions =
            |ranges: &Region| ranges.iter().zip(extents).map(|(range, extent)| range.len() - extent + 1).product();
        let counts: Vec<usize> = boxes.iter().map(positions).collect();
        // A scan without any noise must not divide by zero.
        let least = 1e-10 * spectrum.largest;
        let (mut threshold, mut noise) = (SIGNAL * spectrum.largest, f64::INFINITY);
        for _ in 0..ROUNDS {
            noise = noise.min(spectrum.filtered(threshold).mean_rest(grams[0].columns, counts[0])).max(least);
            if ABOVE_NOISE * noise > 0.7 * threshold {
                break;
            }
            threshold = ABOVE_NOISE * noise;
        }
        let noise = noise / counts[0] as f64;
        for outer in 0..grams.len() - 1 {
            let [outer, inner] = grams.get_disjoint_mut([outer, outer + 1]).expect("two of them");
            outer.re.iter_mut().zip(&inner.re).for_each(|(outer, inner)| *outer -= inner);
            outer.im.iter_mut().zip(&inner.im).for_each(|(outer, inner)| *outer -= inner);
        }
        let shell = |(index, gram): (usize, Matrix)| {
            let patches = (counts[index] - counts.get(index + 1).unwrap_or(&0)) as f64;
            let trace: f64 = (0..gram.columns).map(|i| gram.re[i * (gram.columns + 1)]).sum();
            Shell { energy: (trace / (gram.columns as f64 * patches) - noise).max(0.0), gram, patches }
        };
        Ok(Self { extents, coils, shells: grams.into_iter().enumerate().map(shell).collect(), noise })
    }

    /// Points of a patch.
    pub fn points(&self) -> usize {
        self.extents.iter().product()
    }

    /// The kernel for the samples of a pattern, where the signal has so much energy a sample; λ is `strength` times the usual.
    pub fn weights(&self, pattern: Pattern, energy: f64, strength: f64) -> Weights {
        let points: Vec<usize> = (0..self.points()).filter(|point| pattern >> point & 1 == 1).collect();
        let sources: Vec<usize> =
            (0..self.coils).flat_map(|coil| points.iter().map(move |point| coil * self.points() + point)).collect();
        let targets: Vec<usize> = (0..self.coils).map(|coil| coil * self.points() + self.points() / 2).collect();
        let (n, columns) = (sources.len(), sources.len() + targets.len());
        // Each shell's weight; then the signal and the noise that the sum of the shells holds.
        let shells: Vec<(f64, &Shell)> =
            self.shells.iter().map(|shell| (1.0 / (energy + shell.energy + self.noise), shell)).collect();
        let sum = |of: fn(&Shell) -> f64| shells.iter().map(|(weight, shell)| weight * of(shell)).sum::<f64>();
        let (signal, patches) = (sum(|shell| shell.patches * shell.energy), sum(|shell| shell.patches));
        // Without noise G is singular, but for rounding.
        let least = SINGULAR * (signal + patches * self.noise);
        let damping = (strength * self.noise * (signal / energy.max(f64::MIN_POSITIVE) - patches)).max(least);
        let (mut re, mut im) = (vec![0.0; n * columns], vec![0.0; n * columns]);
        for (row, source) in sources.iter().enumerate() {
            for (weight, Shell { gram, .. }) in &shells {
                let [from_re, from_im] =
                    [&gram.re, &gram.im].map(|part| &part[source * gram.columns..][..gram.columns]);
                for (column, other) in sources.iter().chain(&targets).enumerate().skip(row) {
                    re[row * columns + column] += weight * from_re[*other];
                    im[row * columns + column] += weight * from_im[*other];
                }
            }
            re[row * columns + row] += damping + f64::MIN_POSITIVE;
        }
        let known: Vec<Complex64> = (0..n)
            .flat_map(|row| (n..columns).map(move |column| row * columns + column))
            .map(|at| Complex64::new(re[at], im[at]))
            .collect();
        let mut system = System { n, columns, re, im };
        lanes::run(Simd::detected(), Solve(&mut system));
        let weight = |coil: usize, source: usize| {
            let at = source * columns + n + coil;
            Complex32::new(system.re[at] as f32, -system.im[at] as f32)
        };
        let values = (0..self.coils).flat_map(|coil| (0..n).map(move |source| (coil, source)));
        let solved = (0..n).flat_map(|row| (n..columns).map(move |column| row * columns + column));
        let explained: f64 = solved.zip(&known).map(|(at, b)| system.re[at] * b.re + system.im[at] * b.im).sum();
        let of_target = |target: &usize| {
            shells.iter().map(|(weight, shell)| weight * shell.gram.re[target * (shell.gram.columns + 1)]).sum::<f64>()
        };
        let of_targets = targets.iter().map(of_target).sum::<f64>() - self.coils as f64 * patches * self.noise;
        let explained = if of_targets > explained { explained / of_targets } else { 1.0 };
        let values = values.map(|(coil, source)| weight(coil, source)).collect();
        Weights { points, values, explained }
    }
}

/// The calibration region and boxes within it that have half as many positions of a patch along one axis, the longest.
fn boxes(region: [usize; 3], extents: [usize; 3]) -> Vec<Region> {
    let mut boxes: Vec<Region> = vec![region.map(|extent| 0..extent)];
    loop {
        let last = boxes.last().expect("at least one").clone();
        let positions = |axis: usize| last[axis].len() - extents[axis] + 1;
        let longest = (0..3).max_by_key(|axis| positions(*axis)).expect("three axes");
        if positions(longest) <= FEW {
            return boxes;
        }
        let (mut next, less) = (last.clone(), positions(longest) / 2);
        next[longest] = last[longest].start + less / 2..last[longest].end - less.div_ceil(2);
        boxes.push(next);
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
