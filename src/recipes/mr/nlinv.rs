//! Image and coils together: min ‖y − P F(ρ·cⱼ)‖² over ρ and smooth cⱼ, by an iteratively regularised Gauss–Newton method (Uecker,
//! Hohage, Block & Frahm 2008). No maps and no calibration region are needed.
//!
//! cⱼ = F⁻¹ W ĉⱼ, W = (1 + 220|k|²)^(−16) with k in −½…½, and each step solves (DᴴD + αₙ) dx = Dᴴ(y − F(xₙ)) + αₙ(x₀ − xₙ) for αₙ = 2⁻ⁿ by
//! conjugate gradients. What is kept are the cⱼ: of unit root sum of squares, and in the phase that ESPIRiT's maps have, they are the
//! maps with which the image is made, as [`super::sense`] makes it. ρ itself, pulled towards 1, has neither the data's phase nor, before
//! noise grows, all of its weak parts.

use std::sync::{Arc, Mutex};

use ndarray::{Array3, Array4, Axis};
use num_complex::{Complex32, Complex64};

use super::{
    MrOptions, MrRecipe, MrReconstruction, coil_images,
    encoding::Encoded,
    frames::{assembled, check},
    prepare::{Prepared, uncalibrated},
    sense,
};
use crate::{
    calibration::covariance::{coil_covariance, eigenvectors},
    device::{Array, Device, Element},
    error::{Error, Result},
    geometry::Mask,
    monitor::Monitor,
    operators::{
        Direction, Fourier, LinearOperator, Scalars,
        arithmetic::{add, add_columns, add_lines, fill},
        coils::{self, interleaved, planar},
    },
    recipes::{Iteration, Strength},
    scan::KSpace,
    solvers::{LinearSystem, Solver},
};

/// W's width and half its exponent.
const SMOOTHNESS: (f64, f64) = (220.0, 16.0);
/// ‖y‖ after scaling, so that α begins at 1.
const SCALE: f64 = 100.0;
/// From step to step α is divided by this.
const REDUCTION: f32 = 2.0;
/// Gauss–Newton steps where nobody says how many.
const STEPS: usize = 8;
/// Of the conjugate gradients: the residual's part at which they stop, and how many there are at most. The residual is one number,
/// read every round: rounds more than are needed would amplify rounding.
const ENOUGH: f64 = 0.02;
const MOST: usize = 60;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Nlinv(pub MrOptions);

impl MrRecipe for Nlinv {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        check(&self.0)?;
        if self.0.maps.is_some() {
            return Err(Error::Option(
                "nlinv finds the coils itself: leave --maps out, or use sense, tv or tgv".into(),
            ));
        }
        if self.0.strength != Strength::Auto {
            return Err(Error::Option(
                "nlinv is regularised by its number of steps: give --iterations instead of --strength; fewer are smoother".into(),
            ));
        }
        let prepared = uncalibrated(scan, &self.0, monitor)?;
        let mut notes = prepared.notes.clone();
        let steps = self.0.iteration.count.unwrap_or(STEPS);
        let references = references(&prepared);
        let (mut frames, mut first) = (vec![None; prepared.scan.frames()], true);
        for (frames_of_slice, reference) in prepared.frames_by_slice().iter().zip(&references) {
            for frame in frames_of_slice {
                if prepared.scan.lacks(*frame) {
                    frames[*frame] = Some(Array3::zeros(prepared.scan.matrix()));
                    continue;
                }
                let mask = coil_images::mask(&prepared.scan, *frame, "nlinv")?;
                let model = Arc::new(Model::new(device, &prepared.scan, *frame, mask)?);
                let (coils, said) = monitor.step("coils and image", steps as u64, || solve(&model, steps, monitor))?;
                let maps = maps(coils, reference);
                let encoded = Encoded::with_maps(device, &prepared, *frame, maps.view().insert_axis(Axis(0)))?;
                let iteration = Iteration { keep: self.0.iteration.keep, ..Iteration::default() };
                let (image, more) = sense::image(&encoded, Strength::Auto, &iteration, (device, monitor))?;
                if std::mem::take(&mut first) {
                    notes.push(said);
                    notes.extend(more);
                }
                frames[*frame] = Some(image);
            }
        }
        let frames: Vec<_> = frames.into_iter().flatten().collect();
        Ok(MrReconstruction { image: assembled("nlinv", &prepared.scan, &frames), notes })
    }
}

/// The strongest mixture of the coils in all frames of each slice: the reference of phase.
fn references(prepared: &Prepared) -> Vec<Vec<Complex64>> {
    let strongest = |frames: &Vec<usize>| {
        let coils = prepared.scan.coils();
        let covariance = frames.iter().map(|frame| {
            let samples = prepared.scan.samples.index_axis(Axis(0), *frame).to_owned();
            let count = samples.len() / coils;
            coil_covariance(samples.into_shape_with_order([coils, count]).expect("C order").view())
        });
        let sum = covariance.reduce(|sum, one| sum + one).expect("a slice has frames");
        eigenvectors(&sum).1.column(0).to_vec()
    };
    prepared.frames_by_slice().iter().map(strongest).collect()
}

/// Coils `[coil, z, y, x]` as maps: of unit root sum of squares, in the reference's phase.
fn maps(mut coils: Array4<Complex32>, reference: &[Complex64]) -> Array4<Complex32> {
    for mut pixel in coils.lanes_mut(Axis(0)) {
        let size = pixel.iter().map(Complex32::norm_sqr).sum::<f32>().sqrt();
        let narrow = |value: &Complex64| Complex32::new(value.re as f32, value.im as f32);
        let mixed: Complex32 = reference.iter().zip(&pixel).map(|(u, c)| narrow(u).conj() * c).sum();
        let turn = if mixed.norm() > 0.0 { mixed.conj() / mixed.norm() } else { Complex32::ONE };
        pixel.mapv_inplace(|value| if size > 0.0 { value * turn / size } else { Complex32::ZERO });
    }
    coils
}

/// What one frame's problem is made of; x is one array `[(1 + coils)·nz·ny, 2, nx]`: ρ, then the ĉⱼ.
struct Model {
    device: Device,
    matrix: [usize; 3],
    count: usize,
    fourier: Fourier,
    /// W and P, `[nz·ny, nx]`.
    smooth: Array,
    sampled: Array,
    /// y, scaled.
    measured: Array,
}

/// The model about one point, where it is linear: D.
struct Joint {
    model: Arc<Model>,
    /// ρ, conj(ρ) and the cⱼ there.
    image: Array,
    conjugate: Array,
    sensitivities: Array,
    shape: [usize; 3],
    /// Two sets of coil images and an image.
    work: Mutex<([Array; 2], Array)>,
}

impl Model {
    fn new(device: &Device, scan: &KSpace, frame: usize, mask: &Mask) -> Result<Self> {
        let [nz, ny, nx] = mask.shape;
        coils::check(device, mask.shape, 1)?;
        let weight = |index: usize| {
            let place = [index / nx / ny, index / nx % ny, index % nx];
            let squares =
                place.iter().zip(mask.shape).map(|(at, n)| ((*at as f64 - (n / 2) as f64) / n as f64).powi(2));
            (1.0 + SMOOTHNESS.0 * squares.sum::<f64>()).powf(-SMOOTHNESS.1) as f32
        };
        let samples = scan.samples.index_axis(Axis(0), frame);
        let mut measured = planar(samples.rows().into_iter());
        let sampled: Vec<f32> = mask.sampled.iter().map(|sampled| f32::from(*sampled)).collect();
        for (line, values) in measured.chunks_exact_mut(2 * nx).enumerate() {
            let kept = &sampled[line % (nz * ny) * nx..][..nx];
            values.iter_mut().enumerate().for_each(|(x, value)| *value *= kept[x % nx]);
        }
        let norm = measured.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let scale = if norm > 0.0 { SCALE / norm } else { 1.0 };
        measured.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        let count = samples.dim().0;
        Ok(Self {
            fourier: Fourier::centred(device, count, mask.shape, &coil_images::axes(mask.shape))?,
            smooth: device.upload(&[nz * ny, nx], (0..nz * ny * nx).map(weight).collect::<Vec<f32>>())?,
            sampled: device.upload(&[nz * ny, nx], sampled)?,
            measured: device.upload(&[count * nz * ny, 2, nx], measured)?,
            device: device.clone(),
            matrix: mask.shape,
            count,
        })
    }

    /// Lines of one image.
    fn lines(&self) -> usize {
        self.matrix[0] * self.matrix[1]
    }

    /// Some images of zeros.
    fn zeros(&self, count: usize) -> Result<Array> {
        self.device.zeros(&[count * self.lines(), 2, self.matrix[2]], Element::F32)
    }

    /// Images `from` of x, into `into`.
    fn take(&self, x: &Array, from: usize, into: &mut Array) {
        let lines = into.shape()[0];
        fill(&self.device, 0.0, into);
        add_lines(&self.device, (x, into), [from * self.lines(), 0], lines);
    }

    /// ĉ → c.
    fn smoothed(&self, coils: &mut Array) {
        coils::weigh(&self.device, &self.smooth, coils);
        self.fourier.transform(Direction::Adjoint, coils);
    }

    /// x ← P F x.
    fn measure(&self, images: &mut Array) {
        self.fourier.transform(Direction::Forward, images);
        coils::weigh(&self.device, &self.sampled, images);
    }
}

impl Joint {
    fn at(model: &Arc<Model>, x: &Array) -> Result<Self> {
        let (device, nx) = (&model.device, model.matrix[2]);
        let (mut image, mut conjugate, mut sensitivities) =
            (model.zeros(1)?, model.zeros(1)?, model.zeros(model.count)?);
        model.take(x, 0, &mut image);
        add_columns(device, 1.0, (&image, &mut conjugate), nx, [0, 0]);
        add_columns(device, -1.0, (&image, &mut conjugate), nx, [nx, nx]);
        model.take(x, 1, &mut sensitivities);
        model.smoothed(&mut sensitivities);
        let work = Mutex::new(([model.zeros(model.count)?, model.zeros(model.count)?], model.zeros(1)?));
        let shape = [(1 + model.count) * model.lines(), 2, nx];
        Ok(Self { model: Arc::clone(model), image, conjugate, sensitivities, shape, work })
    }

    /// y − F(x) at the point itself.
    fn unexplained(&self) -> Result<Array> {
        let Model { device, measured, .. } = &*self.model;
        let zeros = || self.model.zeros(self.model.count);
        let (mut predicted, mut difference) = (zeros()?, zeros()?);
        coils::expand(device, (&self.image, 0), &self.sensitivities, 0.0, &mut predicted);
        self.model.measure(&mut predicted);
        add(device, 1.0, measured, &mut difference);
        add(device, -1.0, &predicted, &mut difference);
        Ok(difference)
    }

    /// Dᴴ y into `into`, from Fᴴ P y of every coil: Σ conj(cⱼ)·yⱼ, and W F conj(ρ)·yⱼ.
    fn scatter(&self, back: &Array, (spectra, sum): (&mut Array, &mut Array), into: &mut Array) {
        let Model { device, fourier, smooth, .. } = &*self.model;
        coils::combine(device, back, &self.sensitivities, (sum, 0));
        coils::expand(device, (&self.conjugate, 0), back, 0.0, spectra);
        fourier.transform(Direction::Forward, spectra);
        coils::weigh(device, smooth, spectra);
        fill(device, 0.0, into);
        add_lines(device, (sum, into), [0, 0], self.model.lines());
        add_lines(device, (spectra, into), [0, self.model.lines()], spectra.shape()[0]);
    }

    /// Dᴴ y, of y that is changed.
    fn adjoint_of(&self, y: &mut Array) -> Result<Array> {
        let mut made = self.model.device.zeros(&self.shape, Element::F32)?;
        let ([spectra, _], sum) = &mut *self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.model.fourier.transform(Direction::Adjoint, y);
        self.scatter(y, (spectra, sum), &mut made);
        Ok(made)
    }
}

/// DᴴD.
impl LinearOperator for Joint {
    fn domain(&self) -> &[usize] {
        &self.shape
    }

    fn range(&self) -> &[usize] {
        &self.shape
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let ([changes, back], change) = &mut *self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let device = &self.model.device;
        self.model.take(x, 0, change);
        self.model.take(x, 1, changes);
        self.model.smoothed(changes);
        coils::expand(device, (change, 0), &self.sensitivities, 0.0, back);
        coils::expand(device, (&self.image, 0), changes, 1.0, back);
        self.model.measure(back);
        self.model.fourier.transform(Direction::Adjoint, back);
        self.scatter(back, (changes, change), y);
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

/// Gauss–Newton steps from ρ = 1 and no coils; the coils `[coil, z, y, x]`, and what is to be said of them.
fn solve(model: &Arc<Model>, steps: usize, monitor: &Monitor) -> Result<(Array4<Complex32>, String)> {
    let (device, [nz, ny, nx]) = (&model.device, model.matrix);
    let (shape, lines) = ([(1 + model.count) * nz * ny, 2, nx], nz * ny);
    let ones = (0..shape.iter().product()).map(|index| f32::from(index < 2 * lines * nx && index / nx % 2 == 0));
    let start = device.upload(&shape, ones.collect::<Vec<f32>>())?;
    let mut x = device.zeros(&shape, Element::F32)?;
    add(device, 1.0, &start, &mut x);
    let (mut damping, mut rounds, mut unexplained) = (1.0, 0, 1.0);
    for step in 0..steps {
        let joint = Joint::at(model, &x)?;
        let mut difference = joint.unexplained()?;
        let mut square = Scalars::new(device, &[0.0], &[&difference])?;
        square.dot(1, &difference, &difference);
        unexplained = f64::from(square.read()?[1]).sqrt() / SCALE;
        let mut right = joint.adjoint_of(&mut difference)?;
        add(device, damping, &start, &mut right);
        add(device, -damping, &x, &mut right);
        let mut system =
            LinearSystem::new(device, Arc::new(joint), right, device.zeros(&shape, Element::F32)?, damping)?;
        let enough = ENOUGH * ENOUGH * system.residual_square()?;
        for _ in 0..MOST {
            monitor.check()?;
            system.next().expect("solvers never end")?;
            rounds += 1;
            if system.residual_square()? <= enough {
                break;
            }
        }
        add(device, 1.0, system.solution(), &mut x);
        damping /= REDUCTION;
        monitor.advance(step as u64 + 1)?;
    }
    let coils: Vec<f32> = device.download(&Joint::at(model, &x)?.sensitivities)?;
    if !coils.iter().all(|value| value.is_finite()) {
        return Err(Error::Diverged { iteration: steps, what: "the coils have values that are not finite".into() });
    }
    let note = format!(
        "{steps} Gauss–Newton steps with {rounds} conjugate gradients; {:.1} % of the data unexplained before the last",
        100.0 * unexplained
    );
    let coils = Array4::from_shape_vec([model.count, nz, ny, nx], interleaved(&coils, nx));
    Ok((coils.expect("as many as there were"), note))
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(Nlinv(options.clone()))
}
