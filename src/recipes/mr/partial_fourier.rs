//! Half of k-space and a little more: an image whose phase is smooth has Hermitian symmetry but for that phase, which the
//! symmetric centre tells. By projections, x ← Re(x·e^(−iφ))·e^(iφ) and the measured samples put back (POCS: Haacke, Lindskog
//! & Lin 1991), or by one transform weighted 0…2 across the centre (homodyne: Noll, Nishimura & Macovski 1991).
//!
//! The projection is onto images of that phase or its opposite: with |x| in the place of Re, noise in air would not average
//! out. Coil by coil, on the CPU whatever the device; gaps within the measured part are filled by GRAPPA first.

use std::ops::Range;

use ndarray::{Array4, ArrayView4, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

use super::{
    MrOptions, MrRecipe, MrReconstruction, PartialFourier, coil_images,
    grappa::{fill, sampled_box},
};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::Mask,
    monitor::Monitor,
    operators::{
        Direction, HostFourier,
        coils::{interleaved, planar},
    },
    scan::KSpace,
};

/// Each halves what is missing.
const ITERATIONS: usize = 12;
/// How much stronger than at N/2 k-space must be elsewhere for the echo to be there.
const ECHO: f64 = 1.2;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct PartialFourierRecipe(pub MrOptions);

impl MrRecipe for PartialFourierRecipe {
    fn reconstruct(&self, scan: KSpace, _device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        // Refused before coils are combined.
        for frame in (0..scan.frames()).filter(|frame| !scan.lacks(*frame)) {
            Asymmetry::of(
                scan.samples.index_axis(Axis(0), frame),
                coil_images::mask(&scan, frame, "partial-fourier")?,
            )?;
        }
        coil_images::each_frame(("partial-fourier", &self.0), scan, monitor, false, |scan, frame| {
            let mask = coil_images::mask(scan, frame, "partial-fourier")?;
            let asymmetry = Asymmetry::of(scan.samples.index_axis(Axis(0), frame), mask)?;
            let filled = fill(scan.samples.index_axis(Axis(0), frame), mask, &self.0)?;
            let whole =
                Half { asymmetry, iterations: self.0.iteration.count.unwrap_or(ITERATIONS), matrix: mask.shape };
            let mut notes = vec![filled.note, whole.note(self.0.partial_fourier)];
            let (coils, lines, nx) = (filled.samples.dim().0, mask.shape[0] * mask.shape[1], mask.shape[2]);
            let mut images = planar(filled.samples.rows().into_iter());
            let fourier = HostFourier::centred(mask.shape, &coil_images::axes(mask.shape));
            images.par_chunks_mut(2 * lines * nx).for_each(|image| match self.0.partial_fourier {
                PartialFourier::Pocs => whole.pocs(&fourier, image),
                PartialFourier::Homodyne => whole.homodyne(&fourier, image),
            });
            let [nz, ny, nx] = mask.shape;
            let images = Array4::from_shape_vec([coils, nz, ny, nx], interleaved(&images, nx)).expect("as there were");
            if self.0.partial_fourier == PartialFourier::Homodyne && self.0.iteration.count.is_some() {
                notes.push("homodyne does not iterate".into());
            }
            Ok((images, notes))
        })
    }
}

/// Where k-space is sampled farther on one side of its centre than on the other.
#[derive(Clone, Debug, PartialEq)]
struct Asymmetry {
    /// 0, 1, 2 for z, y, x.
    axis: usize,
    /// Sampled indices.
    sampled: Range<usize>,
    /// Where the echo is: the index about which k-space is symmetric.
    centre: usize,
    /// The shorter side: indices centre ± this are sampled.
    symmetric: usize,
}

impl Asymmetry {
    /// The axis that is most asymmetric.
    fn of(samples: ArrayView4<Complex32>, mask: &Mask) -> Result<Self> {
        let sides = sampled_box(mask);
        let of_axis = |axis: usize| {
            let (centre, sampled) = (echo(samples, mask, axis), sides[axis].clone());
            let shorter = centre.saturating_sub(sampled.start).min(sampled.end.saturating_sub(centre + 1));
            let longer = centre.abs_diff(sampled.start).max(sampled.end.abs_diff(centre + 1));
            (longer - shorter, Self { axis, sampled, centre, symmetric: shorter })
        };
        let (difference, found) = (0..3).map(of_axis).max_by_key(|(difference, _)| *difference).expect("three axes");
        // An even matrix has one more index on one side.
        if difference <= 1 {
            return Err(Error::Scan(
                "k-space is sampled as far on one side of its centre as on the other: partial-fourier has nothing to add; use \
                 zero-filled, sense or grappa"
                    .into(),
            ));
        }
        if found.symmetric < 2 {
            return Err(Error::Scan(format!(
                "along {} only indices {}…{} of {} are sampled: too little on the other side of the centre, {}, to tell the \
                 image's phase from",
                ["z", "y", "x"][found.axis],
                found.sampled.start,
                found.sampled.end - 1,
                mask.shape[found.axis],
                found.centre
            )));
        }
        Ok(found)
    }
}

/// The index along an axis at which k-space is strongest, if that is not merely about N/2: an echo that comes early or late, or an
/// image whose phase rises evenly, has its symmetry there.
fn echo(samples: ArrayView4<Complex32>, mask: &Mask, axis: usize) -> usize {
    let [_, ny, nx] = mask.shape;
    // Energy and samples by index; some lines may have more samples than others.
    let mut found = vec![(0.0, 0_usize); mask.shape[axis]];
    for ((_, z, y, x), value) in samples.indexed_iter().filter(|((_, z, y, x), _)| mask.sampled[(z * ny + y) * nx + x])
    {
        let at = &mut found[[z, y, x][axis]];
        *at = (at.0 + f64::from(value.norm_sqr()), at.1 + 1);
    }
    let strength = |index: usize| found[index].0 / found[index].1.max(1) as f64;
    let middle = mask.shape[axis] / 2;
    let strongest =
        (0..found.len()).fold(middle, |best, index| if strength(index) > strength(best) { index } else { best });
    if strength(strongest) > ECHO * strength(middle) { strongest } else { middle }
}

/// What both ways know.
struct Half {
    asymmetry: Asymmetry,
    iterations: usize,
    matrix: [usize; 3],
}

impl Half {
    fn note(&self, how: PartialFourier) -> String {
        let Asymmetry { axis, sampled, centre, symmetric } = &self.asymmetry;
        let echo = match *centre == self.matrix[*axis] / 2 {
            true => String::new(),
            false => format!(" about the echo at {centre}"),
        };
        let how = match how {
            PartialFourier::Pocs => format!("POCS, {} iterations", self.iterations),
            PartialFourier::Homodyne => "homodyne".into(),
        };
        format!(
            "partial Fourier along {}: {} of {} sampled, phase from the central {}{echo}; {how}",
            ["z", "y", "x"][*axis],
            sampled.len(),
            self.matrix[*axis],
            2 * symmetric + 1
        )
    }

    /// One factor an index along the axis, of its distance from the echo.
    fn factors(&self, factor: impl Fn(isize) -> f32) -> Vec<f32> {
        let extent = self.matrix[self.asymmetry.axis] as isize;
        (0..extent).map(|index| factor(index - self.asymmetry.centre as isize)).collect()
    }

    /// Multiplies a planar image with factors along the axis.
    fn weigh(&self, image: &mut [f32], factors: &[f32]) {
        let [_, ny, nx] = self.matrix;
        for (line, values) in image.chunks_exact_mut(2 * nx).enumerate() {
            let at = [line / ny, line % ny];
            values.iter_mut().enumerate().for_each(|(x, value)| {
                *value *= factors[if self.asymmetry.axis == 2 { x % nx } else { at[self.asymmetry.axis] }];
            });
        }
    }

    /// e^(iφ) of the symmetric centre, under a Hann window, planar.
    fn phase(&self, fourier: &HostFourier, kspace: &[f32]) -> Vec<f32> {
        let width = self.asymmetry.symmetric as f32 + 1.0;
        let hann = |k: isize| 0.5 + 0.5 * (std::f32::consts::PI * (k as f32 / width).clamp(-1.0, 1.0)).cos();
        let mut image = kspace.to_vec();
        self.weigh(&mut image, &self.factors(hann));
        fourier.transform(Direction::Adjoint, &mut image, &mut fourier.scratch());
        each_number(&mut image, self.matrix[2], |_, value| {
            let size = value.norm();
            if size > 0.0 { value / size } else { Complex32::ONE }
        });
        image
    }

    fn pocs(&self, fourier: &HostFourier, image: &mut [f32]) {
        let measured = image.to_vec();
        let phase = self.phase(fourier, image);
        let sampled = |k: isize| {
            let index = k + self.asymmetry.centre as isize;
            f32::from(self.asymmetry.sampled.contains(&(index as usize)))
        };
        let missing = self.factors(|k| 1.0 - sampled(k));
        let mut scratch = fourier.scratch();
        fourier.transform(Direction::Adjoint, image, &mut scratch);
        for _ in 0..self.iterations {
            self.project(&phase, image);
            fourier.transform(Direction::Forward, image, &mut scratch);
            self.weigh(image, &missing);
            image.iter_mut().zip(&measured).for_each(|(value, measured)| *value += measured);
            fourier.transform(Direction::Adjoint, image, &mut scratch);
        }
    }

    fn homodyne(&self, fourier: &HostFourier, image: &mut [f32]) {
        let phase = self.phase(fourier, image);
        let Asymmetry { sampled, centre, symmetric, .. } = &self.asymmetry;
        // Towards the longer side.
        let sign = if *centre - sampled.start > *symmetric { -1.0 } else { 1.0 };
        let width = *symmetric as f32 + 1.0;
        self.weigh(image, &self.factors(|k| 1.0 + (sign * k as f32 / width).clamp(-1.0, 1.0)));
        fourier.transform(Direction::Adjoint, image, &mut fourier.scratch());
        self.project(&phase, image);
    }

    /// x ← Re(x·conj(p))·p.
    fn project(&self, phase: &[f32], image: &mut [f32]) {
        let nx = self.matrix[2];
        each_number(image, nx, |at, value| {
            let phase = Complex32::new(phase[at], phase[at + nx]);
            phase * (value * phase.conj()).re
        });
    }
}

/// Replaces the complex numbers of planar lines; `change` is told where the real part is.
fn each_number(image: &mut [f32], nx: usize, change: impl Fn(usize, Complex32) -> Complex32) {
    for (line, values) in image.chunks_exact_mut(2 * nx).enumerate() {
        let (re, im) = values.split_at_mut(nx);
        for (x, (re, im)) in re.iter_mut().zip(im).enumerate() {
            let changed = change(2 * nx * line + x, Complex32::new(*re, *im));
            (*re, *im) = (changed.re, changed.im);
        }
    }
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(PartialFourierRecipe(options.clone()))
}
