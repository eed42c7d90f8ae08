//! ℓ1-wavelet: ½‖Ax − b‖² + λ Σ |details of Wx| by FISTA (Lustig, Donoho & Pauly 2007; Beck & Teboulle 2009), W an orthogonal
//! wavelet transform at another shift in every iteration (cycle spinning; Figueiredo & Nowak 2003), A the coils' encoding.
//!
//! λ = c·σ·g, followed as in [`super::tv`], with c = FACTOR·(ν/(ν + KNEE·R^¾))^POWER, and LEAST at least: ν is a sample's noise over
//! the image's rms, R pixels over samples.

use super::{
    MrOptions, MrRecipe, MrReconstruction, encoding,
    following::{Following, Wish},
    frames,
    spectrum::Comparison,
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    functionals::SparseWavelets,
    monitor::Monitor,
    operators::{
        Factor, Pixels, Scalars, Wavelets,
        wavelet::{Family, usual_levels},
    },
    recipes::iteration::Enough,
    scan::KSpace,
    solvers::{Progress, Solver},
};

/// λ over σ·g, by trial on phantoms from 10 to 45 dB, fully sampled to R = 4, and on heads of 30 dB, R = 4 and 5.
const FACTOR: f64 = 2.2;
const KNEE: f64 = 0.12;
const POWER: f64 = 0.35;
const LEAST: f64 = 0.6;
/// The strength follows the noise so long, and then stays.
const TUNED: usize = 40;
/// From here on the image is the mean of all iterations' images, as every shift makes it a little different.
const SETTLED: usize = 30;
/// When an image has settled.
const ENOUGH: Enough = Enough { change: 4e-3, most: 100 };
/// Draws the shifts.
const SEED: u64 = 1;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct L1Wavelet(pub MrOptions);

impl MrRecipe for L1Wavelet {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        frames::each_frame(("l1-wavelet", &self.0), scan, (device, monitor), |encoded| {
            let [nz, ny, nx] = encoded.matrix;
            let wavelets =
                Wavelets::new(device, encoded.matrix, Pixels::Complex, Family::Db2, usual_levels(encoded.matrix))?;
            let sparse = SparseWavelets::new(device, wavelets, 1.0, Some(SEED))?;
            let mut look = encoded.equations(device)?;
            let residual = move |image: &Array| look.residual(image);
            let (gain, comparison) = (encoded.gain, Comparison::of(encoded));
            let usual =
                Box::new(move |deviation: f64, image: &[f32]| share(&comparison, deviation, image) * gain * deviation);
            let (numbers, most) = (encoded.numbers, encoded.spectrum.quietest());
            let wish = Wish { strength: self.0.strength, usual, numbers, most, tuned: TUNED };
            let parts = (encoded.equations(device)?, sparse, residual);
            let inner = Following::new(device, wish, parts, (encoded.right(device)?, encoded.energy, encoded.norm))?;
            let mean = device.zeros(encoded.normal.domain(), Element::F32)?;
            let mut solver = Averaged { inner, mean, scalars: Scalars::new(device, &[], &[])? };
            let iteration = frames::iteration(&self.0, encoded.matrix);
            let (values, note) = iteration.run(&mut solver, ENOUGH, [nz, ny, 2 * nx], monitor)?;
            let notes = vec![solver.inner.remark(), note];
            Ok((encoding::image(values.as_slice().unwrap_or_default(), encoded.matrix), notes))
        })
    }
}

/// c.
fn share(comparison: &Comparison, deviation: f64, image: &[f32]) -> f64 {
    let noise = comparison.noise_to_signal(deviation, image) / comparison.acceleration.sqrt();
    let part = if noise.is_finite() { noise / (noise + KNEE * comparison.acceleration.powf(0.75)) } else { 1.0 };
    (FACTOR * part.powf(POWER)).max(LEAST)
}

/// Gives the mean of another solver's images, once they have settled.
struct Averaged<S> {
    inner: S,
    mean: Array,
    scalars: Scalars,
}

impl<S: Solver> Iterator for Averaged<S> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        let progress = self.inner.next()?;
        let done = progress.as_ref().map_or(0, |progress| progress.iteration);
        // Until they have it is the newest image.
        let share = 1.0 / done.saturating_sub(SETTLED).max(1) as f32;
        let (new, kept) = (Factor::constant(share), Factor::constant(1.0 - share));
        self.scalars.blend(new, self.inner.solution(), kept, &mut self.mean);
        Some(progress)
    }
}

impl<S: Solver> Solver for Averaged<S> {
    fn solution(&self) -> &Array {
        &self.mean
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(L1Wavelet(options.clone()))
}
