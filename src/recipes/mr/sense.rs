//! SENSE: ½‖Ax − b‖² + ½λ‖∇x‖² by conjugate gradients (Pruessmann, Weiger, Börnert & Boesiger 2001), A the coils' encoding, and
//! then what was measured put back: x + α(Aᴴb − AᴴAx)/Σ|S|², the coils' images with their own samples where there are some. α is
//! the part of k-space that was sampled: a full scan is what it measured, and of a part of it the noise is not wanted, too.
//!
//! λ = STRENGTH·σ²/τ², as a Wiener filter has it for an image whose power falls with the square of the frequency, as that of
//! objects with edges does: τ² is the mean square of the image's differences over the pixels that the object fills. Flat parts keep
//! their values, and a full scan gives the combined transform whatever λ is. σ² is what k-space leaves unexplained, and no more
//! than its quietest ring holds; τ² comes from k-space, too (`spectrum.rs`), so that air around the object changes nothing.

use std::sync::{Arc, Mutex};

use ndarray::Array3;
use num_complex::Complex32;

use super::{
    MrOptions, MrRecipe, MrReconstruction,
    encoding::{self, Encoded, Shared},
    frames,
    spectrum::{Comparison, Spectrum, filled},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    functionals::NormalEquations,
    monitor::Monitor,
    operators::{FiniteDifferences, LinearOperator, Weighted, arithmetic::add},
    recipes::{
        Iteration, Strength,
        iteration::{Enough, LOOK},
    },
    scan::KSpace,
    solvers::{LinearSystem, Progress, Solver},
};

/// λ over σ²/τ²; by trial on two heads and a phantom, R = 4 and 5, three samplings.
const STRENGTH: f64 = 2.0;
/// λ over the mean diagonal of AᴴA at least: less is lost in the rounding of f32, and a damping in name only.
const LEAST_STRENGTH: f64 = 1e-6;
/// Iterations of the trial without damping.
const TRIAL: usize = 5;
/// The strength follows the noise so long, and then stays.
const TUNED: usize = 30;
/// When an image has settled: its change over σ's part of it, within these bounds; and the most iterations.
const SETTLED: f64 = 0.3;
const CHANGES: [f64; 2] = [1e-4, 5e-3];
const MOST: usize = 60;

/// Σ|S|², over its mean, below which less is put back.
const LEAST_SENSITIVITY: f32 = 0.25;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct SenseRecipe(pub MrOptions);

impl MrRecipe for SenseRecipe {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        frames::each_frame_of_sets(("sense", &self.0), scan, (device, monitor), |encoded| {
            image(encoded, self.0.strength, &frames::iteration(&self.0, encoded.matrix), (device, monitor))
        })
    }
}

/// The image of one frame `[z, y, x]`, and what is to be said of it.
pub(super) fn image(
    encoded: &Encoded,
    strength: Strength,
    iteration: &Iteration,
    (device, monitor): (&Device, &Monitor),
) -> Result<(Array3<Complex32>, Vec<String>)> {
    let mut solver = Tuned::new(strength, encoded, device)?;
    let ([nz, ny, nx], enough) = (encoded.matrix, solver.enough);
    let (_, note) = iteration.run(&mut solver, enough, [nz, ny, 2 * encoded.sets * nx], monitor)?;
    let values = solver.with_measured(encoded)?;
    let notes = vec![format!("strength λ {:.3e} of the squared gradient", solver.strength), note];
    Ok((encoding::combined(&values, encoded), notes))
}

/// Differences between neighbours that coils see, 0 to any other: where there are no maps the image is 0, and no neighbour.
type Differences = Weighted<FiniteDifferences>;

/// N + λ∇ᵀ∇.
struct Damped {
    device: Device,
    normal: Shared,
    gradient: Arc<Differences>,
    strength: f32,
    /// ∇x and ∇ᵀ∇x.
    work: Mutex<[Array; 2]>,
}

impl LinearOperator for Damped {
    fn domain(&self) -> &[usize] {
        self.normal.domain()
    }

    fn range(&self) -> &[usize] {
        self.normal.range()
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        self.normal.forward(x, y)?;
        if self.strength > 0.0 {
            let [differences, back] = &mut *self.work.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            self.gradient.forward(x, differences)?;
            self.gradient.adjoint(differences, back)?;
            add(&self.device, self.strength, back, y);
        }
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

/// Conjugate gradients that begin anew with a weaker λ where the image explains more than was thought.
struct Tuned {
    system: LinearSystem,
    equations: NormalEquations,
    gradient: Arc<Differences>,
    wish: Strength,
    noise: Noise,
    strength: f64,
    enough: Enough,
    iteration: usize,
}

impl Tuned {
    fn new(wish: Strength, encoded: &Encoded, device: &Device) -> Result<Self> {
        let gradient = Arc::new(differences(encoded, device)?);
        let mut equations = encoded.equations(device)?;
        let start = device.zeros(encoded.normal.domain(), Element::F32)?;
        let mut trial = LinearSystem::new(device, encoded.normal.clone(), encoded.right(device)?, start, 0.0)?;
        for _ in 0..TRIAL {
            trial.next().expect("solvers never end")?;
        }
        let residual = equations.residual(trial.solution())?;
        let noise = Noise::new(encoded, &device.download(trial.solution())?, residual);
        let strength = wish.of(noise.strength(noise.variance(residual, 0.0)));
        let enough = noise.enough(noise.variance(residual, 0.0));
        let start = device.zeros(encoded.normal.domain(), Element::F32)?;
        let system = system((&equations, &gradient), start, strength)?;
        Ok(Self { system, equations, gradient, wish, noise, strength, enough, iteration: 0 })
    }

    fn tune(&mut self) -> Result<()> {
        if matches!(self.wish, Strength::Fixed(_)) {
            return Ok(());
        }
        let residual = self.equations.residual(self.system.solution())?;
        // Of few numbers an image explains noise, too.
        let fitted = 2.0 * self.noise.filled;
        if 2.0 * fitted > self.noise.numbers {
            return Ok(());
        }
        let variance = self.noise.variance(residual, fitted);
        let strength = self.wish.of(self.noise.strength(variance));
        if strength > 0.0 && strength < 0.5 * self.strength {
            self.strength = strength;
            self.enough = self.noise.enough(variance);
            let device = self.system.device().clone();
            let mut start = device.zeros(self.equations.right.shape(), Element::F32)?;
            add(&device, 1.0, self.system.solution(), &mut start);
            self.system = system((&self.equations, &self.gradient), start, strength)?;
        }
        Ok(())
    }

    /// The image with what was measured put back; 0 where there are no maps.
    fn with_measured(&mut self, encoded: &Encoded) -> Result<Vec<f32>> {
        let device = self.system.device().clone();
        let mut product = device.zeros(encoded.normal.domain(), Element::F32)?;
        encoded.normal.forward(self.system.solution(), &mut product)?;
        let (mut values, product): (Vec<f32>, Vec<f32>) =
            (device.download(self.system.solution())?, device.download(&product)?);
        let sampled = (1.0 / Comparison::of(encoded).acceleration).min(1.0) as f32;
        // Where maps fade, noise must not grow.
        let least = LEAST_SENSITIVITY * encoded.sensitivity as f32;
        let parts = encoded.right.iter().zip(&product).zip(&encoded.squares);
        values.iter_mut().zip(parts).for_each(|(value, ((right, product), square))| {
            *value = if *square > 0.0 { *value + sampled * (right - product) / square.max(least) } else { 0.0 };
        });
        Ok(values)
    }
}

fn differences(encoded: &Encoded, device: &Device) -> Result<Differences> {
    let ([_, ny, nx], parts) = (encoded.matrix, 2 * encoded.sets);
    let operator = FiniteDifferences::of_parts(device, encoded.matrix, parts);
    let width = parts * nx;
    let mut seen = vec![0.0_f32; 2 * encoded.squares.len()];
    for (line, differences) in seen.chunks_exact_mut(2 * width).enumerate() {
        let here = &encoded.squares[line * width..][..width];
        let (along_y, along_x) = differences.split_at_mut(width);
        if !(line + 1).is_multiple_of(ny) {
            let below = &encoded.squares[(line + 1) * width..][..width];
            let pairs = here.iter().zip(below);
            along_y.iter_mut().zip(pairs).for_each(|(seen, (a, b))| *seen = f32::from(u8::from(*a > 0.0 && *b > 0.0)));
        }
        for (seen, here) in along_x.chunks_exact_mut(nx).zip(here.chunks_exact(nx)) {
            let pairs = here.windows(2);
            seen.iter_mut()
                .zip(pairs)
                .for_each(|(seen, pair)| *seen = f32::from(u8::from(pair[0] > 0.0 && pair[1] > 0.0)));
        }
    }
    let seen = device.upload(operator.range(), seen)?;
    Weighted::new(device, operator, seen)
}

fn system(
    (equations, gradient): (&NormalEquations, &Arc<Differences>),
    start: Array,
    strength: f64,
) -> Result<LinearSystem> {
    let (device, shape) = (equations.device(), equations.right.shape());
    let work = Mutex::new([device.zeros(gradient.range(), Element::F32)?, device.zeros(shape, Element::F32)?]);
    let (normal, gradient) = (Arc::clone(&equations.normal), Arc::clone(gradient));
    let damped = Damped { device: device.clone(), normal, gradient, strength: strength as f32, work };
    let mut right = device.zeros(shape, Element::F32)?;
    add(device, 1.0, &equations.right, &mut right);
    LinearSystem::new(device, Arc::new(damped), right, start, 0.0)
}

impl Iterator for Tuned {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        let progress = self.system.next()?;
        self.iteration += 1;
        if self.iteration <= TUNED
            && self.iteration.is_multiple_of(LOOK)
            && let Err(error) = self.tune()
        {
            return Some(Err(error));
        }
        Some(progress.map(|_| Progress { iteration: self.iteration }))
    }
}

impl Solver for Tuned {
    fn solution(&self) -> &Array {
        self.system.solution()
    }

    fn device(&self) -> &Device {
        self.system.device()
    }
}

/// What is known of noise and object.
struct Noise {
    spectrum: Spectrum,
    /// Real numbers measured, weighed.
    numbers: f64,
    /// From the variance of a measured number to that of noise in AᴴWA's units: Σ w²/Σ w, over Σ|S|².
    share: f64,
    diagonal: f64,
    sensitivity: f64,
    /// Pixels that the object fills.
    filled: f64,
    /// Σ|x|² over them all.
    energy: f64,
}

impl Noise {
    /// With a first image, planar, that leaves so much unexplained.
    fn new(encoded: &Encoded, image: &[f32], residual: f64) -> Self {
        let variance = (residual.max(0.0) / encoded.numbers).min(encoded.spectrum.quietest());
        let of_pixel = 2.0 * variance * (encoded.gain / encoded.diagonal).powi(2);
        let (filled, energy) = filled(image, encoded.matrix, encoded.sets, of_pixel);
        Self {
            spectrum: encoded.spectrum.clone(),
            numbers: encoded.numbers,
            share: encoded.gain.powi(2) / encoded.diagonal,
            diagonal: encoded.diagonal,
            sensitivity: encoded.sensitivity,
            filled,
            energy,
        }
    }

    /// σ² of a measured number, where so much is unexplained by an image that had so many numbers to fit.
    fn variance(&self, residual: f64, fitted: f64) -> f64 {
        (residual.max(0.0) / (self.numbers - fitted)).min(self.spectrum.quietest())
    }

    /// The usual λ.
    fn strength(&self, variance: f64) -> f64 {
        let gradient = self.spectrum.gradient(variance) / self.sensitivity;
        let wiener = STRENGTH * self.share * variance * 2.0 * self.filled / gradient.max(f64::MIN_POSITIVE);
        wiener.max(LEAST_STRENGTH * self.diagonal)
    }

    /// When to stop.
    fn enough(&self, variance: f64) -> Enough {
        let part = (self.share * variance * 2.0 * self.filled / self.energy.max(f64::MIN_POSITIVE)).sqrt();
        Enough { change: (SETTLED * part).clamp(CHANGES[0], CHANGES[1]), most: MOST }
    }
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(SenseRecipe(options.clone()))
}
