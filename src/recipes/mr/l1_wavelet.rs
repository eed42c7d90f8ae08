//! ℓ1-wavelet: ½‖Ax − b‖² + λ Σ |details of Wx| by FISTA (Lustig, Donoho & Pauly 2007; Beck & Teboulle 2009), W an orthogonal
//! wavelet transform at another shift in every iteration (cycle spinning; Figueiredo & Nowak 2003), A the coils' encoding.
//!
//! λ = FACTOR·σ·g, followed as in [`super::tv`].

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::{
    MrOptions, MrRecipe, MrReconstruction,
    encoding::{self, Encoded},
    frames,
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    functionals::{NormalEquations, Proximal, SparseWavelets},
    monitor::Monitor,
    operators::{
        Factor, Pixels, Scalars, Wavelets, arithmetic::add,
        wavelet::{Family, usual_levels},
    },
    recipes::{
        Strength,
        iteration::{Enough, LOOK},
    },
    scan::KSpace,
    solvers::{Fista, Progress, Solver},
};

/// λ over σ·g, by trial on heads and phantoms, R = 4 and 5.
const FACTOR: f64 = 0.9;
/// The first guess of σ, as a part of the data's rms.
const FIRST_GUESS: f64 = 0.1;
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
            let mut solver = Following::new(self.0.strength, encoded, device)?;
            let [nz, ny, nx] = encoded.matrix;
            let iteration = frames::iteration(&self.0, encoded.matrix);
            let (values, note) = iteration.run(&mut solver, ENOUGH, [nz, ny, 2 * nx], monitor)?;
            let notes = vec![solver.remark(), note];
            Ok((encoding::image(values.as_slice().unwrap_or_default(), encoded.matrix), notes))
        })
    }
}

/// A number that recipe and proximal map share.
#[derive(Clone, Default)]
struct Shared(Arc<AtomicU32>);

impl Shared {
    fn set(&self, value: f64) {
        self.0.store((value as f32).to_bits(), Ordering::Relaxed);
    }

    fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// λ·ℓ1 with a λ that may be changed between iterations.
struct Weighted {
    sparse: SparseWavelets,
    strength: Shared,
}

impl Proximal for Weighted {
    fn prox(&self, step: f32, x: &mut Array) -> Result<()> {
        self.sparse.prox(step * self.strength.get(), x)
    }
}

/// FISTA with a strength that follows what is unexplained.
struct Following<'a> {
    inner: Fista<NormalEquations, Weighted>,
    equations: NormalEquations,
    encoded: &'a Encoded,
    wish: Strength,
    strength: Shared,
    mean: Array,
    scalars: Scalars,
}

impl<'a> Following<'a> {
    fn new(wish: Strength, encoded: &'a Encoded, device: &Device) -> Result<Self> {
        let slices = encoded.matrix;
        let wavelets = Wavelets::new(device, slices, Pixels::Complex, Family::Db2, usual_levels(slices))?;
        let strength = Shared::default();
        strength.set(wish.of(FACTOR * encoded.gain * FIRST_GUESS * encoded.deviation(encoded.energy)));
        let sparse = SparseWavelets::new(device, wavelets, 1.0, Some(SEED))?;
        let (equations, right) = (encoded.equations(device)?, encoded.right(device)?);
        let mut start = device.zeros(right.shape(), Element::F32)?;
        add(device, 1.0, &right, &mut start);
        let proximal = Weighted { sparse, strength: strength.clone() };
        let inner = Fista::new(device, encoded.equations(device)?, proximal, start, (1.0 / encoded.norm) as f32)?;
        let mean = device.zeros(encoded.normal.domain(), Element::F32)?;
        let scalars = Scalars::new(device, &[], &[])?;
        Ok(Self { inner, equations, encoded, wish, strength, mean, scalars })
    }

    fn tune(&mut self) -> Result<()> {
        if !matches!(self.wish, Strength::Fixed(_)) {
            let deviation = self.encoded.deviation(self.equations.residual(self.inner.solution())?);
            let strength = self.wish.of(FACTOR * self.encoded.gain * deviation);
            if strength > 0.0 {
                self.strength.set(strength);
            }
        }
        Ok(())
    }

    fn remark(&self) -> String {
        format!("strength λ {:.4e} ({})", self.strength.get(), super::said(self.wish))
    }
}

impl Iterator for Following<'_> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        let progress = self.inner.next()?;
        let done = progress.as_ref().map_or(0, |progress| progress.iteration);
        // Until it has settled the mean is the newest image.
        let share = 1.0 / done.saturating_sub(SETTLED).max(1) as f32;
        let (new, kept) = (Factor::constant(share), Factor::constant(1.0 - share));
        self.scalars.blend(new, self.inner.solution(), kept, &mut self.mean);
        if done > 0 && done <= TUNED && done.is_multiple_of(LOOK) {
            return Some(self.tune().and(progress));
        }
        Some(progress)
    }
}

impl Solver for Following<'_> {
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
