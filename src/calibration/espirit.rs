//! ESPIRiT: coil sensitivities as eigenvectors of what the calibration data say about neighbours in k-space (M. Uecker et al.,
//! Magn Reson Med 71, 990–1001, 2014).
//!
//! Patches of k-space `x_c[p + i]` of a scan lie in a small space. At a pixel r whose coil sensitivities are s, the patches
//! s_c e^(−2πi i·r/N) belong to it, so the sensitivities are the eigenvectors with eigenvalue 1 of M(r), the projector onto
//! that space seen at r. Here the projector comes from the Gram matrix by a smooth threshold (`signal_space`), and M(r) from a
//! short Fourier series (`series`).

mod eigenmaps;
pub(super) mod gram;
pub(super) mod matrix;
mod pixels;
mod series;
pub(super) mod signal_space;
mod support;

use ndarray::{Array4, Array5, ArrayView4, Axis, Zip};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::{
    compression::flat,
    covariance::{coil_covariance, eigenvectors},
};
use crate::error::{Error, Result};
use pixels::Pixels;
use series::{Series, Waves};
use signal_space::{SignalSpace, Spectrum};
use support::{LowResolution, Signal, smooth};

/// The threshold over the mean of the eigenvalues that it leaves; its least over the largest eigenvalue; rounds in which it is found
/// at most, and the change in one that is too small for another.
const NOISE: f64 = 5.0;
const LEAST: f64 = 1e-6;
const ROUNDS: usize = 5;
const SETTLED: f64 = 0.5;
/// The range of eigenvalues over which maps fade.
const EDGE: f32 = 0.1;
const NOTHING: f32 = 0.02;
/// The second set is asked for where second eigenvalues above this hold more than such parts of the energy at low resolution in the
/// first set and in the second. Objects within the field of view have 0.002 and 4·10⁻⁵ at most, with a bright rim close to its edges
/// 0.02 and 2·10⁻⁴; those that reach beyond have from 0.05 and 2·10⁻⁴. Smaller kernels cannot tell.
const FOLDED: f32 = 0.9;
const FOLDED_ENERGIES: [f64; 2] = [0.03, 1.2e-4];
const FOLDED_KERNEL: usize = 5;
/// Points of a calibration region along an axis, at least.
const SMALLEST: usize = 4;

/// Where the patches' space ends: eigenvalues of the Gram matrix above it are signal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Threshold {
    /// Five times the mean of the eigenvalues that it leaves itself: some times the noise's.
    #[default]
    Automatic,
    /// This part of the largest eigenvalue; 0.001 is usual.
    Relative(f64),
}

/// How to calibrate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Espirit {
    /// Side of a patch, in points of k-space; by default 6 in two dimensions and 5 in three.
    pub kernel: Option<usize>,
    /// Which eigenvalues count as signal.
    pub threshold: Threshold,
    /// Where the eigenvalue of a pixel is not about this or more, and the calibration data show no signal, the map fades to 0; in
    /// 0…1, 0 keeps all.
    pub crop: f64,
    /// Sets of maps; by default 1, or 2 where the eigenvalues ask for it: the object is larger than the field of view.
    pub sets: Option<usize>,
    /// Maps that fade out with their eigenvalue alone, over a wide range of it.
    pub soft: bool,
}

impl Default for Espirit {
    fn default() -> Self {
        Self { kernel: None, threshold: Threshold::default(), crop: 0.8, sets: None, soft: false }
    }
}

/// Coil sensitivities of unit root sum of squares over coils where there is an object, 0 (or faded) elsewhere. Their phase is
/// such that the calibration data's first principal mixture of coils is real.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivities {
    /// `[set, coil, z, y, x]`.
    pub maps: Array5<Complex32>,
    /// `[set, z, y, x]`, 1 where the model holds, near 0 where there is no object.
    pub eigenvalues: Array4<f32>,
    /// The threshold that was used, as a part of the largest eigenvalue.
    pub threshold: f64,
    /// Whether the eigenvalues ask for a second set: the object is larger than the field of view, or fills it.
    pub folded: bool,
}

impl Espirit {
    /// Maps for images of `matrix` (z, y, x) from the calibration data `[coil, z, y, x]` of some frames: the fully sampled centre of
    /// their k-space with zero frequency at index N/2. What they say of patches is summed, so that their phases do not matter.
    ///
    /// # Errors
    /// [`Error::Scan`] if the calibration data are too small for the kernel, all 0, or not finite; [`Error::Option`] if an option
    /// cannot be used.
    ///
    /// # Panics
    /// If there is no frame, or frames have different coils.
    #[track_caller]
    pub fn maps(&self, frames: &[ArrayView4<Complex32>], matrix: [usize; 3]) -> Result<Sensitivities> {
        let kernel = self.checked_kernel(frames, matrix)?;
        let coils = frames[0].dim().0;
        let gram = gram::of_frames(frames, kernel);
        let spectrum = Spectrum::new(&gram);
        if spectrum.largest <= 0.0 {
            return Err(Error::Scan(format!(
                "the calibration region of {coils} coils holds only zeros; name another with --calibration, or give coil \
                 maps with --maps FILE"
            )));
        }
        let patches_of = |frame: &ArrayView4<Complex32>| -> usize {
            (0..3).map(|axis| frame.shape()[axis + 1] - kernel[axis] + 1).product()
        };
        let patches = frames.iter().map(patches_of).sum();
        let (space, mut threshold, noise) = self.signal_space(&spectrum, patches, ROUNDS);
        let mut series = Series::new(&space.projector, coils, kernel);
        let covariance = frames.iter().map(|frame| coil_covariance(flat(*frame).view())).reduce(|sum, one| sum + one);
        let (_, components) = eigenvectors(&covariance.expect("at least one frame"));
        let solve = |series: &Series, matrix: [usize; 3], sets: usize| {
            let begin: Vec<Vec<Complex64>> = (0..sets).map(|set| components.column(set).to_vec()).collect();
            let waves = Waves::new(kernel[2] - 1, matrix[2]);
            Pixels { series, waves, matrix, coils, begin }.solve()
        };
        // First on a coarse grid, beside the image at low resolution.
        let low = LowResolution::new(frames, matrix);
        let (coarse, values) = solve(&series, low.grid(), coils.min(2));
        let folded = coils > 1 && kernel.iter().zip(matrix).all(|(side, n)| *side >= FOLDED_KERNEL || n == 1) && {
            let strong = values.index_axis(Axis(0), 1);
            let there = |set: usize| -> f64 {
                let energy = low.energy(coarse.index_axis(Axis(0), set));
                energy.iter().zip(&strong).filter(|(_, value)| **value > FOLDED).map(|(energy, _)| energy).sum()
            };
            (0..2).all(|set| there(set) > FOLDED_ENERGIES[set] * low.total())
        };
        let sets = self.sets.unwrap_or(if folded { 2 } else { 1 });
        if folded && sets == 1 {
            // Of two that fold together one set shows the stronger, which a higher threshold prefers.
            let (space, higher, _) = self.signal_space(&spectrum, patches, 1);
            (series, threshold) = (Series::new(&space.projector, coils, kernel), higher);
        }
        let (mut maps, eigenvalues) = solve(&series, matrix, sets);
        if self.crop > 0.0 {
            let energy = low.energy(coarse.index_axis(Axis(0), 0));
            let signal = (!self.soft).then(|| low.signal(energy, noise / patches as f64));
            self.fade(&mut maps, &eigenvalues, signal);
        }
        Ok(Sensitivities { maps, eigenvalues, threshold: threshold / spectrum.largest, folded })
    }

    /// The projector onto the patches' space, its threshold after so many rounds, and what noise adds to the Gram matrix's diagonal.
    fn signal_space(&self, spectrum: &Spectrum, patches: usize, rounds: usize) -> (SignalSpace, f64, f64) {
        // A scan without any noise must not divide by zero.
        let least = LEAST * spectrum.largest;
        let noise = |space: &SignalSpace| space.mean_rest(spectrum.columns(), patches);
        let mut threshold = match self.threshold {
            Threshold::Relative(part) => part * spectrum.largest,
            Threshold::Automatic => 1e-3 * spectrum.largest,
        };
        let mut space = spectrum.filtered(threshold);
        if self.threshold == Threshold::Automatic {
            // Faint signal below the first threshold is no noise.
            for round in 0..rounds {
                let next = (NOISE * noise(&space)).max(least);
                if round > 0 && next > SETTLED * threshold {
                    break;
                }
                threshold = next;
                space = spectrum.filtered(threshold);
            }
        }
        let noise = noise(&space).max(least / NOISE);
        (space, threshold, noise)
    }

    /// Lets maps of unit length fade to 0 where neither their eigenvalue nor, in the first set, a signal says that anything is seen.
    fn fade(&self, maps: &mut Array5<Complex32>, values: &Array4<f32>, signal: Option<Signal>) {
        let (_, _, nz, ny, nx) = maps.dim();
        let mut weights = values.mapv(|value| self.weight(value));
        if let Some(signal) = signal {
            Zip::indexed(weights.index_axis_mut(Axis(0), 0)).par_for_each(|(z, y, x), weight| {
                if *weight < 1.0 {
                    *weight = weight.max(signal.at([z, y, x], [nz, ny, nx]) as f32);
                }
            });
        }
        for (mut set, weights) in maps.outer_iter_mut().zip(weights.outer_iter()) {
            set.axis_iter_mut(Axis(0)).into_par_iter().for_each(|mut coil| {
                // What is nearly nothing is nothing.
                coil.zip_mut_with(&weights, |map, weight| *map *= if *weight > NOTHING { *weight } else { 0.0 });
            });
        }
    }

    /// The kernel's extents along z, y, x.
    fn checked_kernel(&self, frames: &[ArrayView4<Complex32>], matrix: [usize; 3]) -> Result<[usize; 3]> {
        let coils = frames[0].dim().0;
        let extents: [usize; 3] =
            std::array::from_fn(|axis| frames.iter().map(|frame| frame.shape()[axis + 1]).min().unwrap_or(0));
        let sets = self.sets.unwrap_or(1);
        if self.kernel == Some(0) || sets == 0 || sets > coils || !(0.0..1.0).contains(&self.crop) {
            return Err(Error::Option(format!(
                "ESPIRiT with a kernel of {:?}, {sets} sets of maps for {coils} coils and a crop of {}: the kernel is at least 1, \
                 sets are 1…coils, the crop lies in 0…1",
                self.kernel, self.crop
            )));
        }
        if matches!(self.threshold, Threshold::Relative(part) if !(part > 0.0 && part < 1.0)) {
            return Err(Error::Option(format!(
                "ESPIRiT with {:?}: the threshold lies between 0 and 1",
                self.threshold
            )));
        }
        if frames.iter().flatten().any(|x| !(x.re.is_finite() && x.im.is_finite())) {
            return Err(Error::Scan(
                "the calibration region holds numbers that are not finite; mend or mask them".into(),
            ));
        }
        let usual = if matrix[0] > 1 { 5 } else { 6 };
        let side = |axis: usize| match self.kernel {
            _ if matrix[axis] == 1 => 1,
            Some(side) => side,
            // A short axis that is sampled whole has one map all along.
            None if extents[axis] < SMALLEST && extents[axis] == matrix[axis] => 1,
            // Fewer patches than numbers in one would make everything signal.
            None => extents[axis].div_ceil(3).clamp(2, usual),
        };
        let kernel: [usize; 3] = std::array::from_fn(side);
        let fits = |axis: usize| {
            let least = if self.kernel.is_some() { kernel[axis] + 1 } else { SMALLEST };
            extents[axis] <= matrix[axis] && (kernel[axis] == 1 || extents[axis] >= least)
        };
        if !(0..3).all(fits) {
            return Err(Error::Scan(format!(
                "a calibration region of {extents:?} points (z, y, x) in an image of {matrix:?} is too small for coil maps: the \
                 fully sampled centre needs {} along each axis, and 24 are usual; name it with --calibration, give coil maps with \
                 --maps FILE, or take --method zero-filled or nlinv",
                self.kernel.map_or(SMALLEST, |kernel| kernel + 1)
            )));
        }
        Ok(kernel)
    }

    /// What an eigenvalue makes of a map's length.
    fn weight(&self, value: f32) -> f32 {
        let crop = self.crop as f32;
        if !self.soft {
            return smooth(f64::from((value - crop) / EDGE + 0.5)) as f32;
        }
        // Smooth from 0 to 1, a half at crop²; Uecker et al. 2014 weight soft-SENSE maps so that they fade at the object's edge.
        let x = ((value.max(0.0).sqrt() - crop) / (1.0 - crop)).clamp(-1.0, 1.0);
        0.5 + x / (1.0 + x * x)
    }
}
