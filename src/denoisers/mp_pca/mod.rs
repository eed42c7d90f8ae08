//! Series of images (directions of diffusion, echoes, points in time), by principal components of local patches (MP-PCA: Veraart,
//! Novikov, Christiaens, Ades-aron, Sijbers & Fieremans 2016, NeuroImage 142, 394).
//!
//! A patch of N pixels in all M frames is a matrix. What frames share fills few of its principal components, white noise fills
//! all of them alike, and the law of Marchenko and Pastur tells from the eigenvalues alone which are noise's, and its σ: nobody
//! has to know it. The mean over a patch's pixels is taken off every frame before and put back after: where all pixels are alike it
//! is all there is. Patches overlap; a pixel is the mean of what they say, patches of few components counting more, 1/(1 + rank)
//! (Manjón, Coupé, Concha, Buades, Collins & Robles 2013, PLoS ONE 8, e73021).
//!
//! Noise must be white: alike in every frame, and not shared by neighbouring pixels, as interpolation and smoothing make it.
//! Magnitudes of faint signals keep the bias of Rician noise, which frames share like any signal; complex images
//! have none. Those are taken as complex numbers, not as twice as many real ones: a frame may have any phase of its own (each
//! direction of diffusion has), which then costs no component.

pub(super) mod eigen;
mod number;
mod patch;

use ndarray::{Array3, Array4, ArrayView4};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use self::{number::Number, patch::Found};
use crate::{
    device::Simd,
    error::{Error, Result, check_finite},
    kernels::lanes::{self, Lanes, Loop},
    monitor::Monitor,
};

/// What `--method` calls it.
pub const NAME: &str = "mp-pca";
/// Side of a patch, unless there are more frames than its pixels.
const SIDE: usize = 5;
/// Pixels of a patch at least: with two or three the law knows no signal from noise.
const FEWEST: usize = 8;
/// Rows of patches whose results wait to be added up.
const WAITING: usize = 32;

/// A pixel's value: `f32`, or complex of that.
#[expect(private_bounds, reason = "who calls need not know with which numbers it is worked")]
pub trait Sample: Wide + Copy + Send + Sync + 'static {}

trait Wide {
    type Number: Number;
    /// Real numbers in one, each with noise of deviation σ.
    const PARTS: usize;
    fn wide(self) -> Self::Number;
    fn rounded(number: Self::Number) -> Self;
    /// Finite where all its parts are.
    fn probe(self) -> f32;
}

impl Sample for f32 {}
impl Wide for f32 {
    type Number = f64;
    const PARTS: usize = 1;
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn rounded(number: f64) -> Self {
        number as f32
    }
    fn probe(self) -> f32 {
        self
    }
}

impl Sample for Complex32 {}
impl Wide for Complex32 {
    type Number = Complex64;
    const PARTS: usize = 2;
    #[inline(always)]
    fn wide(self) -> Complex64 {
        Complex64::new(f64::from(self.re), f64::from(self.im))
    }
    #[inline(always)]
    fn rounded(number: Complex64) -> Self {
        Self::new(number.re as f32, number.im as f32)
    }
    fn probe(self) -> f32 {
        0.0 * self.re + 0.0 * self.im
    }
}

/// The method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpPca {
    /// Pixels of a patch along z, y and x, at most those of the image; by default 5 × 5 × 5, or so many more along each axis as
    /// there must be to have one for every frame.
    pub patch: Option<[usize; 3]>,
    /// Pixels from one patch to the next, along each axis. With 2 the work is an eighth.
    pub step: usize,
}

impl Default for MpPca {
    fn default() -> Self {
        Self { patch: None, step: 1 }
    }
}

/// A series without its noise, and what was found of that.
#[derive(Clone, Debug)]
pub struct Denoised<T> {
    /// `[frame, z, y, x]`.
    pub values: Array4<T>,
    /// σ of the noise (of either part, where values are complex), `[z, y, x]`: the mean over the patches about a pixel.
    pub sigma: Array3<f32>,
    /// Components that were kept beside the mean, likewise.
    pub components: Array3<f32>,
}

/// Sums over the patches of a row, or of all: `[frame, z, y, x]` and three of `[z, y, x]`.
struct Sums<N> {
    values: Vec<N>,
    weights: Vec<f64>,
    sigma: Vec<f64>,
    components: Vec<f64>,
    patches: Vec<f64>,
}

impl<N: Number> Sums<N> {
    fn new(frames: usize, pixels: usize) -> Self {
        let zeros = || vec![0.0; pixels];
        let values = vec![N::zero(); frames * pixels];
        Self { values, weights: zeros(), sigma: zeros(), components: zeros(), patches: zeros() }
    }
}

impl MpPca {
    /// Takes the noise off `series`, `[frame, z, y, x]`.
    ///
    /// # Errors
    /// [`Error::Option`] for less than two frames, patches of less than eight pixels or a step of 0; [`Error::NonFinite`];
    /// [`Error::Interrupted`].
    pub fn denoise<T: Sample>(&self, series: &ArrayView4<T>, monitor: &Monitor) -> Result<Denoised<T>> {
        let (frames, nz, ny, nx) = series.dim();
        if frames < 2 {
            return Err(Error::Option(format!(
                "mp-pca needs a series [frame, z, y, x], the more frames the better, and there are {frames}; use bm3d or nlm"
            )));
        }
        let patch = self.patch([nz, ny, nx], frames)?;
        let values: Vec<T> = series.iter().copied().collect();
        let probe: Vec<f32> = values.iter().map(|value| value.probe()).collect();
        check_finite("the series", &[frames, nz, ny, nx], &probe)?;
        drop(probe);
        let volume = Volume { values, shape: [frames, nz, ny, nx], patch };
        let starts: [Vec<usize>; 3] = std::array::from_fn(|axis| starts([nz, ny, nx][axis], patch[axis], self.step));
        let rows: Vec<[usize; 2]> = starts[0].iter().flat_map(|z| starts[1].iter().map(|y| [*z, *y])).collect();
        let mut sums: Sums<T::Number> = Sums::new(frames, nz * ny * nx);
        for rows in rows.chunks(WAITING) {
            monitor.check()?;
            let found: Vec<_> = rows
                .par_iter()
                .map(|row| lanes::run(Simd::detected(), Row { volume: &volume, row: *row, starts: &starts[2] }))
                .collect();
            // In the order of rows, whatever the threads.
            for (row, found) in rows.iter().zip(&found) {
                volume.add(found, *row, &mut sums);
            }
        }
        let pixels = nz * ny * nx;
        let values = (0..frames * pixels).map(|at| T::rounded(sums.values[at] * (1.0 / sums.weights[at % pixels])));
        let of_patches = |sum: &[f64]| {
            let means = sum.iter().zip(&sums.patches).map(|(sum, count)| (sum / count) as f32).collect();
            Array3::from_shape_vec((nz, ny, nx), means).expect("a number a pixel")
        };
        Ok(Denoised {
            values: Array4::from_shape_vec((frames, nz, ny, nx), values.collect()).expect("a number a pixel"),
            sigma: of_patches(&sums.sigma),
            components: of_patches(&sums.components),
        })
    }

    /// Pixels of a patch along each axis of an image of `shape`.
    fn patch(&self, shape: [usize; 3], frames: usize) -> Result<[usize; 3]> {
        let within = |side: usize| shape.map(|extent| side.min(extent));
        let count = |patch: [usize; 3]| patch.iter().product::<usize>();
        if self.step == 0 || self.patch.is_some_and(|patch| count(patch) == 0) {
            return Err(Error::Option("patches of no pixels, or a step of 0: give 1 or more".into()));
        }
        let patch = match self.patch {
            Some(patch) => std::array::from_fn(|axis| patch[axis].min(shape[axis])),
            None => {
                let largest = *shape.iter().max().unwrap_or(&0);
                let enough = (SIDE..largest).step_by(2).find(|side| count(within(*side)) >= frames);
                within(enough.unwrap_or(largest.max(SIDE)))
            }
        };
        if count(patch) < FEWEST {
            return Err(Error::Option(format!(
                "patches of {patch:?} pixels (z, y, x) in images of {shape:?}: too few to tell noise by; {FEWEST} at least"
            )));
        }
        if (0..3).any(|axis| patch[axis] < shape[axis] && self.step > patch[axis]) {
            return Err(Error::Option(format!(
                "a step of {} leaves out pixels between patches of {patch:?}",
                self.step
            )));
        }
        Ok(patch)
    }
}

/// Where patches begin along an axis: every `step` pixels, and at the end.
fn starts(extent: usize, patch: usize, step: usize) -> Vec<usize> {
    let last = extent - patch;
    (0..last).step_by(step).chain([last]).collect()
}

/// The series and how it is cut.
struct Volume<T> {
    values: Vec<T>,
    shape: [usize; 4],
    patch: [usize; 3],
}

impl<T: Sample> Volume<T> {
    /// Adds what a row of patches found, `[frame, patch z, patch y, x]`.
    fn add(&self, found: &Sums<T::Number>, [z, y]: [usize; 2], sums: &mut Sums<T::Number>) {
        let ([frames, nz, ny, nx], [pz, py, _]) = (self.shape, self.patch);
        for line in 0..pz * py {
            let (from, into) = (line * nx, ((z + line / py) * ny + y + line % py) * nx);
            for frame in 0..frames {
                let values = &found.values[frame * pz * py * nx + from..][..nx];
                let sums = &mut sums.values[frame * nz * ny * nx + into..][..nx];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum = *sum + *value);
            }
            let add = |sums: &mut [f64], values: &[f64]| {
                sums[into..into + nx].iter_mut().zip(&values[from..from + nx]).for_each(|(sum, value)| *sum += value);
            };
            add(&mut sums.weights, &found.weights);
            add(&mut sums.sigma, &found.sigma);
            add(&mut sums.components, &found.components);
            add(&mut sums.patches, &found.patches);
        }
    }
}

/// The patches of one row.
struct Row<'a, T> {
    volume: &'a Volume<T>,
    row: [usize; 2],
    starts: &'a [usize],
}

impl<T: Sample> Loop for Row<'_, T> {
    type Output = Sums<T::Number>;
    // The compiler makes vectors of plain loops; `L` only says which instructions it may take.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> Self::Output {
        let Self { volume: Volume { values, shape, patch }, row: [z, y], starts } = self;
        let ([frames, nz, ny, nx], [pz, py, px]) = (*shape, *patch);
        let pixels = pz * py * px;
        // The mean over pixels leaves one less of them to vary.
        let by_frame = frames < pixels;
        let (r, q) = (frames.min(pixels), frames.max(pixels));
        let place = |frame: usize, pixel: usize| if by_frame { frame * pixels + pixel } else { pixel * frames + frame };
        let (mut matrix, mut means) = (vec![T::Number::of(0.0); r * q], vec![T::Number::of(0.0); frames]);
        let (mut gram, mut line) = (vec![T::Number::of(0.0); r * r], vec![T::Number::of(0.0); q]);
        let mut sums: Sums<T::Number> = Sums::new(frames, pz * py * nx);
        for x in starts {
            for frame in 0..frames {
                for pixel in 0..pixels {
                    let (dz, dy, dx) = (pixel / (py * px), pixel / px % py, pixel % px);
                    let at = ((frame * nz + z + dz) * ny + y + dy) * nx + x + dx;
                    matrix[place(frame, pixel)] = values[at].wide();
                }
            }
            for (frame, mean) in means.iter_mut().enumerate() {
                let sum = (0..pixels).fold(T::Number::of(0.0), |sum, pixel| sum + matrix[place(frame, pixel)]);
                *mean = sum * (1.0 / pixels as f64);
                for pixel in 0..pixels {
                    matrix[place(frame, pixel)] = matrix[place(frame, pixel)] - *mean;
                }
            }
            let Found { variance, components } = patch::denoise(&mut matrix, ([r, q], !by_frame), &mut gram, &mut line);
            let weight = 1.0 / (1.0 + components as f64);
            let sigma = (variance / T::PARTS as f64).sqrt();
            for pixel in 0..pixels {
                let at = pixel / px * nx + x + pixel % px;
                for frame in 0..frames {
                    let sum: &mut T::Number = &mut sums.values[frame * pz * py * nx + at];
                    *sum = *sum + (means[frame] + matrix[place(frame, pixel)]) * weight;
                }
                sums.weights[at] += weight;
                sums.sigma[at] += sigma;
                sums.components[at] += components as f64;
                sums.patches[at] += 1.0;
            }
        }
        sums
    }
}
