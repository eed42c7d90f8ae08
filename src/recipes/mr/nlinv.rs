//! Image and coils together: min ‖y − P F(ρ·cⱼ)‖² over ρ and smooth cⱼ, by an iteratively regularised Gauss–Newton method (Uecker,
//! Hohage, Block & Frahm 2008). No maps and no calibration region are needed.
//!
//! cⱼ = F⁻¹ W ĉⱼ, W = (1 + 220|k|²)^(−16) with k in −½…½, and each step solves (DᴴD + αₙ) dx = Dᴴ(y − F(xₙ)) + αₙ(x₀ − xₙ) for αₙ = 2⁻ⁿ by
//! conjugate gradients. The image is ρ·√Σ|cⱼ|². The work is the CPU's, whatever the device.

use ndarray::{Array3, Axis};
use num_complex::Complex32;
use rayon::prelude::*;

use super::{
    MrOptions, MrRecipe, MrReconstruction, coil_images, encoding,
    frames::{assembled, check},
    prepare::uncalibrated,
};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::Mask,
    monitor::Monitor,
    operators::{Direction, HostFourier, coils::planar},
    recipes::Strength,
    scan::KSpace,
};

/// W's width and half its exponent.
const SMOOTHNESS: (f64, f64) = (220.0, 16.0);
/// ‖y‖ after scaling, so that α begins at 1.
const SCALE: f64 = 100.0;
/// From step to step α is divided by this.
const REDUCTION: f64 = 2.0;
/// Gauss–Newton steps where nobody says how many.
const STEPS: usize = 9;
/// Of the conjugate gradients: the residual's part at which they stop, and how many there are at most.
const ENOUGH: f64 = 0.02;
const MOST: usize = 60;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Nlinv(pub MrOptions);

impl MrRecipe for Nlinv {
    fn reconstruct(&self, scan: KSpace, _device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        check(&self.0)?;
        if self.0.maps.is_some() {
            return Err(Error::Option("nlinv finds the coils itself: leave --maps out, or use sense, tv or tgv".into()));
        }
        if self.0.strength != Strength::Auto {
            return Err(Error::Option(
                "nlinv is regularised by its number of steps: give --iterations instead of --strength; fewer are smoother".into(),
            ));
        }
        let prepared = uncalibrated(scan, &self.0, monitor)?;
        let mut notes = prepared.notes.clone();
        let steps = self.0.iteration.count.unwrap_or(STEPS);
        let mut frames = Vec::new();
        for frame in 0..prepared.scan.frames() {
            let mask = coil_images::mask(&prepared.scan, frame, "nlinv")?;
            let mut joint = Joint::new(&prepared.scan, frame, mask);
            let (image, said) = monitor.step("iterate", steps as u64, || joint.solve(steps, monitor))?;
            if frame == 0 {
                notes.push(said);
            }
            frames.push(image);
        }
        Ok(MrReconstruction { image: assembled("nlinv", &prepared.scan, &frames), notes })
    }
}

/// One frame's problem. Unknowns are one vector, `[1 + coils, nz·ny, 2, nx]`: ρ, then the ĉⱼ.
struct Joint {
    matrix: [usize; 3],
    fourier: HostFourier,
    /// W at every point of k-space, planar: the same for both parts.
    weights: Vec<f32>,
    /// P, planar.
    sampled: Vec<f32>,
    /// y, planar, scaled.
    measured: Vec<f32>,
    scale: f64,
    /// ρ and the cⱼ of the point where the model is linear.
    at: Vec<f32>,
}

impl Joint {
    fn new(scan: &KSpace, frame: usize, mask: &Mask) -> Self {
        let [nz, ny, nx] = mask.shape;
        let number = |index: usize| {
            let (line, x) = (index / (2 * nx), index % nx);
            (line * nx + x, [line / ny, line % ny, x])
        };
        let count = 2 * nz * ny * nx;
        let weight = |index: usize| {
            let place = number(index).1;
            let squares = place.iter().zip(mask.shape).map(|(at, n)| ((*at as f64 - (n / 2) as f64) / n as f64).powi(2));
            (1.0 + SMOOTHNESS.0 * squares.sum::<f64>()).powf(-SMOOTHNESS.1) as f32
        };
        let sampled: Vec<f32> = (0..count).map(|index| f32::from(mask.sampled[number(index).0])).collect();
        let mut measured = planar(scan.samples.index_axis(Axis(0), frame).rows().into_iter());
        measured.chunks_exact_mut(count).for_each(|coil| coil.iter_mut().zip(&sampled).for_each(|(y, p)| *y *= p));
        let scale = SCALE / dot(&measured, &measured, count).sqrt().max(f64::MIN_POSITIVE);
        measured.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        Self {
            matrix: mask.shape,
            fourier: HostFourier::centred(mask.shape, &coil_images::axes(mask.shape)),
            weights: (0..count).map(weight).collect(),
            sampled,
            measured,
            scale,
            at: Vec::new(),
        }
    }

    /// Numbers of an image.
    fn len(&self) -> usize {
        self.weights.len()
    }

    fn solve(&mut self, steps: usize, monitor: &Monitor) -> Result<(Array3<Complex32>, String)> {
        let len = self.len();
        let mut start = vec![0.0; len + self.measured.len()];
        start[..len].chunks_exact_mut(self.matrix[2]).step_by(2).for_each(|re| re.fill(1.0));
        let (mut x, mut damping, mut rounds) = (start.clone(), 1.0, 0);
        let mut unexplained = 1.0;
        for step in 0..steps {
            let mut difference = self.linearise(&x);
            difference.iter_mut().zip(&self.measured).for_each(|(model, measured)| *model = measured - *model);
            unexplained = dot(&difference, &difference, len).sqrt() / SCALE;
            let mut right = self.adjoint(&difference);
            let pull = right.iter_mut().zip(&start).zip(&x);
            pull.for_each(|((right, start), x)| *right += damping as f32 * (start - x));
            rounds += self.conjugate_gradients(right, damping, &mut x, monitor)?;
            damping /= REDUCTION;
            monitor.advance(step as u64 + 1)?;
        }
        self.linearise(&x);
        let [_, _, nx] = self.matrix;
        let (image, coils) = self.at.split_at(len);
        let mut root = vec![0.0_f32; len];
        for coil in coils.chunks_exact(len) {
            for (into, line) in root.chunks_exact_mut(2 * nx).zip(coil.chunks_exact(2 * nx)) {
                (0..nx).for_each(|x| into[x] += line[x] * line[x] + line[x + nx] * line[x + nx]);
            }
        }
        let mut values = image.to_vec();
        for (line, root) in values.chunks_exact_mut(2 * nx).zip(root.chunks_exact(2 * nx)) {
            for x in 0..2 * nx {
                line[x] = (f64::from(line[x] * root[x % nx].sqrt()) / self.scale) as f32;
            }
        }
        if !values.iter().all(|value| value.is_finite()) {
            let what = "the image has values that are not finite".to_string();
            return Err(Error::Diverged { iteration: steps, what });
        }
        let note = format!(
            "{steps} Gauss–Newton steps with {rounds} conjugate gradients on the CPU; {:.1} % of the data unexplained before the last",
            100.0 * unexplained
        );
        Ok((encoding::image(&values, self.matrix), note))
    }

    /// Takes x as the point where the model is linear; the model there.
    fn linearise(&mut self, x: &[f32]) -> Vec<f32> {
        let len = self.len();
        let mut at = x.to_vec();
        at[len..].par_chunks_exact_mut(len).for_each(|coil| self.coil(coil));
        self.at = at;
        let (image, coils) = self.at.split_at(len);
        let mut model = coils.to_vec();
        model.par_chunks_exact_mut(len).for_each(|coil| {
            self.multiply(image, coil, false);
            self.measure(coil);
        });
        model
    }

    /// ĉ → c.
    fn coil(&self, coil: &mut [f32]) {
        coil.iter_mut().zip(&self.weights).for_each(|(value, weight)| *value *= weight);
        self.fourier.transform(Direction::Adjoint, coil, &mut self.fourier.scratch());
    }

    /// x ← P F x.
    fn measure(&self, image: &mut [f32]) {
        self.fourier.transform(Direction::Forward, image, &mut self.fourier.scratch());
        image.iter_mut().zip(&self.sampled).for_each(|(value, sampled)| *value *= sampled);
    }

    /// y ← factor·y, or its conjugate's product.
    fn multiply(&self, factor: &[f32], y: &mut [f32], conjugate: bool) {
        let nx = self.matrix[2];
        let sign = if conjugate { -1.0 } else { 1.0 };
        for (factor, y) in factor.chunks_exact(2 * nx).zip(y.chunks_exact_mut(2 * nx)) {
            let ((a, b), (re, im)) = (factor.split_at(nx), y.split_at_mut(nx));
            for x in 0..nx {
                let b = sign * b[x];
                (re[x], im[x]) = (a[x] * re[x] - b * im[x], a[x] * im[x] + b * re[x]);
            }
        }
    }

    /// Dᴴ y; the coils' parts are parallel, and ρ's is summed in their order.
    fn adjoint(&self, y: &[f32]) -> Vec<f32> {
        let len = self.len();
        let mut back = y.to_vec();
        back.par_chunks_exact_mut(len).for_each(|coil| {
            self.fourier.transform(Direction::Adjoint, coil, &mut self.fourier.scratch());
        });
        self.scattered(back)
    }

    /// DᴴD x.
    fn normal(&self, x: &[f32]) -> Vec<f32> {
        let len = self.len();
        let (image, coils) = self.at.split_at(len);
        let (change, changes) = x.split_at(len);
        let mut back = changes.to_vec();
        back.par_chunks_exact_mut(len).zip(coils.par_chunks_exact(len)).for_each(|(back, coil)| {
            self.coil(back);
            self.multiply(image, back, false);
            let mut other = change.to_vec();
            self.multiply(coil, &mut other, false);
            back.iter_mut().zip(&other).for_each(|(back, other)| *back += other);
            self.measure(back);
            self.fourier.transform(Direction::Adjoint, back, &mut self.fourier.scratch());
        });
        self.scattered(back)
    }

    /// From Fᴴ P y of every coil: Σ conj(cⱼ)·yⱼ, and W F conj(ρ)·yⱼ.
    fn scattered(&self, back: Vec<f32>) -> Vec<f32> {
        let len = self.len();
        let (image, coils) = self.at.split_at(len);
        let mut parts = back.clone();
        parts.par_chunks_exact_mut(len).zip(coils.par_chunks_exact(len)).for_each(|(part, coil)| {
            self.multiply(coil, part, true);
        });
        let mut made = vec![0.0_f32; len + back.len()];
        let (sum, spectra) = made.split_at_mut(len);
        for part in parts.chunks_exact(len) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        spectra.copy_from_slice(&back);
        spectra.par_chunks_exact_mut(len).for_each(|coil| {
            self.multiply(image, coil, true);
            self.fourier.transform(Direction::Forward, coil, &mut self.fourier.scratch());
            coil.iter_mut().zip(&self.weights).for_each(|(value, weight)| *value *= weight);
        });
        made
    }

    /// x ← x + dx with (DᴴD + α) dx = right; how many iterations that took.
    fn conjugate_gradients(&self, right: Vec<f32>, damping: f64, x: &mut [f32], monitor: &Monitor) -> Result<usize> {
        let len = self.len();
        let mut direction = right.clone();
        let mut rest = right;
        let begun = dot(&rest, &rest, len);
        let mut square = begun;
        for round in 0..MOST {
            if square <= ENOUGH * ENOUGH * begun || square <= 0.0 {
                return Ok(round);
            }
            monitor.check()?;
            let mut product = self.normal(&direction);
            product.iter_mut().zip(&direction).for_each(|(product, p)| *product += damping as f32 * p);
            let step = (square / dot(&direction, &product, len)) as f32;
            x.iter_mut().zip(&direction).for_each(|(x, p)| *x += step * p);
            rest.iter_mut().zip(&product).for_each(|(rest, product)| *rest -= step * product);
            let next = dot(&rest, &rest, len);
            let turn = (next / square) as f32;
            direction.iter_mut().zip(&rest).for_each(|(p, rest)| *p = rest + turn * *p);
            square = next;
        }
        Ok(MOST)
    }
}

/// ⟨x, y⟩, in the same parts on any number of threads.
fn dot(x: &[f32], y: &[f32], part: usize) -> f64 {
    let of_part = |(x, y): (&[f32], &[f32])| -> f64 {
        x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    let parts: Vec<f64> = x.par_chunks(part).zip(y.par_chunks(part)).map(of_part).collect();
    parts.iter().sum()
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(Nlinv(options.clone()))
}
