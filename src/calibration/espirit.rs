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
mod series;
pub(super) mod signal_space;

use ndarray::{Array4, Array5, ArrayView4};
use num_complex::{Complex32, Complex64};
use rayon::prelude::*;

use super::{
    compression::flat,
    covariance::{coil_covariance, eigenvectors},
};
use crate::{
    device::Simd,
    error::{Error, Result},
    kernels::lanes,
};
use eigenmaps::{GROUP, Line, LineState};
use series::{Series, Waves};
use signal_space::Spectrum;

/// Lines that one task solves one after the other: fixed, so that the maps do not depend on the number of threads.
const LINES: usize = 16;

/// Where the patches' space ends: eigenvalues of the Gram matrix above it are signal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Threshold {
    /// Five times the mean of the eigenvalues that a threshold of 0.001 leaves: some times the noise's.
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
    /// Where the eigenvalue of a pixel is not above this, the map is 0; in 0…1, 0 keeps all.
    pub crop: f64,
    /// Sets of maps: 1, or 2 where the object is larger than the field of view.
    pub sets: usize,
    /// Maps that fade out with their eigenvalue, rather than end at `crop`.
    pub soft: bool,
}

impl Default for Espirit {
    fn default() -> Self {
        Self { kernel: None, threshold: Threshold::default(), crop: 0.8, sets: 1, soft: false }
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
}

impl Espirit {
    /// Maps for images of `matrix` (z, y, x) from calibration data `[coil, z, y, x]`, the fully sampled centre of k-space with zero
    /// frequency at index N/2.
    ///
    /// # Errors
    /// [`Error::Scan`] if the calibration data are too small for the kernel, all 0, or not finite; [`Error::Option`] if an option
    /// cannot be used.
    pub fn maps(&self, calibration: ArrayView4<Complex32>, matrix: [usize; 3]) -> Result<Sensitivities> {
        let kernel = self.checked_kernel(calibration, matrix)?;
        let coils = calibration.dim().0;
        let gram = gram::gram(calibration, kernel);
        let spectrum = Spectrum::new(&gram);
        if spectrum.largest <= 0.0 {
            return Err(Error::Scan(format!(
                "the calibration region of {coils} coils holds only zeros; name another with --calibration, or give coil \
                 maps with --maps FILE"
            )));
        }
        let patches = (0..3).map(|axis| calibration.shape()[axis + 1] - kernel[axis] + 1).product();
        let threshold = match self.threshold {
            Threshold::Relative(part) => part * spectrum.largest,
            Threshold::Automatic => 5.0 * spectrum.filtered(1e-3 * spectrum.largest).mean_rest(gram.columns, patches),
        };
        // A scan without any noise must not divide by zero.
        let threshold = threshold.max(1e-7 * spectrum.largest);
        let series = Series::new(&spectrum.filtered(threshold).projector, coils, kernel);
        let (_, components) = eigenvectors(&coil_covariance(flat(calibration).view()));
        let begin: Vec<Vec<Complex64>> = (0..self.sets).map(|set| components.column(set).to_vec()).collect();
        let pixels = Pixels {
            series: &series,
            waves: Waves::new(kernel[2] - 1, matrix[2]),
            matrix,
            coils,
            begin,
            options: *self,
        };
        let (maps, eigenvalues) = pixels.solve();
        Ok(Sensitivities { maps, eigenvalues, threshold: threshold / spectrum.largest })
    }

    /// The kernel's extents along z, y, x.
    fn checked_kernel(&self, calibration: ArrayView4<Complex32>, matrix: [usize; 3]) -> Result<[usize; 3]> {
        let (coils, nz, ny, nx) = calibration.dim();
        let extents = [nz, ny, nx];
        let side = self.kernel.unwrap_or(if matrix[0] > 1 { 5 } else { 6 });
        if side == 0 || self.sets == 0 || self.sets > coils || !(0.0..1.0).contains(&self.crop) {
            return Err(Error::Option(format!(
                "ESPIRiT with a kernel of {side}, {} sets of maps for {coils} coils and a crop of {}: the kernel is at least 1, \
                 sets are 1…coils, the crop lies in 0…1",
                self.sets, self.crop
            )));
        }
        if matches!(self.threshold, Threshold::Relative(part) if !(part > 0.0 && part < 1.0)) {
            return Err(Error::Option(format!(
                "ESPIRiT with {:?}: the threshold lies between 0 and 1",
                self.threshold
            )));
        }
        if calibration.iter().any(|x| !(x.re.is_finite() && x.im.is_finite())) {
            return Err(Error::Scan(
                "the calibration region holds numbers that are not finite; mend or mask them".into(),
            ));
        }
        let kernel = matrix.map(|extent| if extent == 1 { 1 } else { side });
        // With one patch only, everything would be signal.
        let fits = |axis: usize| {
            extents[axis] <= matrix[axis] && extents[axis] >= kernel[axis] + usize::from(kernel[axis] > 1)
        };
        if !(0..3).all(fits) {
            return Err(Error::Scan(format!(
                "a calibration region of {extents:?} (z, y, x) in an image of {matrix:?}: ESPIRiT's kernel of {kernel:?} needs a \
                 fully sampled centre larger than itself; sample one, name it with --calibration, or give coil maps with \
                 --maps FILE"
            )));
        }
        Ok(kernel)
    }

    /// What an eigenvalue makes of a map's length.
    fn weight(&self, value: f32) -> f32 {
        let crop = self.crop as f32;
        if !self.soft {
            return f32::from(u8::from(value > crop || crop == 0.0));
        }
        // Smooth from 0 to 1, a half at crop²; Uecker et al. 2014 weight soft-SENSE maps so that they fade at the object's edge.
        let x = ((value.max(0.0).sqrt() - crop) / (1.0 - crop)).clamp(-1.0, 1.0);
        0.5 + x / (1.0 + x * x)
    }
}

/// The second half of the work: an eigenproblem at every pixel.
struct Pixels<'a> {
    series: &'a Series,
    waves: Waves,
    matrix: [usize; 3],
    coils: usize,
    /// Principal mixtures of the coils: what the iteration begins with, the first also the reference of phase.
    begin: Vec<Vec<Complex64>>,
    options: Espirit,
}

/// Maps `[set, coil, line, x]` and eigenvalues `[set, line, x]` of some lines.
struct Part {
    maps: Vec<Complex32>,
    values: Vec<f32>,
}

impl Pixels<'_> {
    fn solve(&self) -> (Array5<Complex32>, Array4<f32>) {
        let [nz, ny, nx] = self.matrix;
        let (sets, coils) = (self.options.sets, self.coils);
        let starts: Vec<(usize, usize)> = (0..nz).flat_map(|z| (0..ny).step_by(LINES).map(move |y| (z, y))).collect();
        let parts: Vec<Part> = starts.par_iter().map(|(z, y)| self.lines(*z, *y..(*y + LINES).min(ny))).collect();
        let mut maps = Array5::zeros((sets, coils, nz, ny, nx));
        let mut values = Array4::zeros((sets, nz, ny, nx));
        let blocks = ny.div_ceil(LINES);
        // One plane z of one coil after the other takes its lines from the parts.
        let planes = maps.as_slice_mut().expect("made above").par_chunks_mut(ny * nx).enumerate();
        planes.for_each(|(index, plane)| {
            let (row, z) = (index / nz, index % nz);
            for (lines, part) in plane.chunks_mut(LINES * nx).zip(&parts[z * blocks..]) {
                lines.copy_from_slice(&part.maps[row * lines.len()..][..lines.len()]);
            }
        });
        let planes = values.as_slice_mut().expect("made above").chunks_mut(ny * nx).enumerate();
        planes.for_each(|(index, plane)| {
            let (set, z) = (index / nz, index % nz);
            for (lines, part) in plane.chunks_mut(LINES * nx).zip(&parts[z * blocks..]) {
                lines.copy_from_slice(&part.values[set * lines.len()..][..lines.len()]);
            }
        });
        (maps, values)
    }

    fn lines(&self, z: usize, rows: std::ops::Range<usize>) -> Part {
        let nx = self.matrix[2];
        let (sets, coils) = (self.options.sets, self.coils);
        let begin: Vec<Vec<(f32, f32)>> =
            self.begin.iter().map(|set| set.iter().map(|x| (x.re as f32, x.im as f32)).collect()).collect();
        let mut state = LineState::new(self.series, nx, coils, &begin);
        let count = rows.len();
        let mut part =
            Part { maps: vec![Complex32::ZERO; sets * coils * count * nx], values: vec![0.0; sets * count * nx] };
        for (row, y) in rows.enumerate() {
            let (series, waves, matrix) = (self.series, &self.waves, self.matrix);
            lanes::run(Simd::detected(), Line { series, waves, matrix, at: [z, y], coils, sets, state: &mut state });
            self.keep(&state, &begin[0], row, count, &mut part);
        }
        part
    }

    /// Turns a line's vectors to the reference's phase, weights them, and lays them down as line `row` of `count`.
    fn keep(&self, state: &LineState, reference: &[(f32, f32)], row: usize, count: usize, part: &mut Part) {
        let nx = self.matrix[2];
        let (sets, coils) = (self.options.sets, self.coils);
        for group in 0..nx.div_ceil(GROUP) {
            let width = GROUP.min(nx - group * GROUP);
            for set in 0..sets {
                let values = &state.values[(group * sets + set) * GROUP..][..GROUP];
                let vectors = &state.vectors[(group * sets + set) * coils * 2 * GROUP..][..coils * 2 * GROUP];
                let at = (set * count + row) * nx + group * GROUP;
                part.values[at..at + width].copy_from_slice(&values[..width]);
                let turns = turns(vectors, reference);
                let weights: [f32; GROUP] = std::array::from_fn(|lane| self.options.weight(values[lane]));
                for (coil, both) in vectors.chunks_exact(2 * GROUP).enumerate() {
                    let at = ((set * coils + coil) * count + row) * nx + group * GROUP;
                    for (lane, into) in part.maps[at..at + width].iter_mut().enumerate() {
                        *into = Complex32::new(both[lane], both[lane + GROUP]) * turns[lane] * weights[lane];
                    }
                }
            }
        }
    }
}

/// conj(p)/|p| of p = referenceᴴ v, pixel by pixel.
fn turns(vectors: &[f32], reference: &[(f32, f32)]) -> [Complex32; GROUP] {
    let (mut re, mut im) = ([0.0_f32; GROUP], [0.0_f32; GROUP]);
    for (both, (a, b)) in vectors.chunks_exact(2 * GROUP).zip(reference) {
        for lane in 0..GROUP {
            re[lane] += a * both[lane] + b * both[lane + GROUP];
            im[lane] += a * both[lane + GROUP] - b * both[lane];
        }
    }
    std::array::from_fn(|lane| {
        let size = (re[lane] * re[lane] + im[lane] * im[lane]).sqrt();
        if size > 0.0 { Complex32::new(re[lane], -im[lane]) / size } else { Complex32::ONE }
    })
}
