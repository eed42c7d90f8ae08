//! Locally low rank series: ½Σ‖Aₜxₜ − bₜ‖² + λ Σ ‖block‖_* by FISTA (Trzasko & Manduca 2011; Zhang, Pauly & Levesque 2015). A
//! block is 8 × 8 pixels of all frames, a matrix [pixel, frame]; its grid is shifted in every iteration.
//!
//! λ = FACTOR·√2·σ·g·(√64 + √T): the largest singular value of a block of noise alone, with σ·g as in [`super::tv`]. Gradients are
//! the device's, the blocks' decompositions the CPU's.

use ndarray::{Array3, Axis};

use super::{
    MrOptions, MrRecipe, MrReconstruction,
    encoding::{self, Encoded},
    following::{Following, Wish},
    frames::{self, assembled, check},
    prepare::prepare,
};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    functionals::{LocallyLowRank, NormalEquations, Smooth},
    monitor::Monitor,
    operators::arithmetic::{add_lines, fill},
    recipes::iteration::Enough,
    scan::KSpace,
};

/// λ over the formula above; by trial.
const FACTOR: f64 = 0.75;
/// Side of a block.
const SIDE: usize = 8;
/// The strength follows the noise so long, and then stays.
const TUNED: usize = 30;
/// When a series has settled: shifts change it a little each time.
const ENOUGH: Enough = Enough { change: 3e-3, most: 60 };
/// Draws the shifts.
const SEED: u64 = 1;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct LowRank(pub MrOptions);

impl MrRecipe for LowRank {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        check(&self.0)?;
        let alone = |series: &[Vec<usize>]| series.iter().any(|frames| frames.len() < 2);
        let refused = || {
            Error::Scan(
                "low-rank needs a series: several frames of each slice, such as repetitions, phases or echoes (axes t, phase, \
                 contrast, set), and there is one; use sense, l1-wavelet, tv or tgv"
                    .into(),
            )
        };
        if scan.frames() < 2 {
            return Err(refused());
        }
        let mut prepared = prepare(scan, &self.0, monitor)?;
        let mut series = prepared.frames_by_slice();
        series.iter_mut().for_each(|frames| frames.retain(|frame| !prepared.scan.lacks(*frame)));
        series.retain(|frames| !frames.is_empty());
        if alone(&series) {
            return Err(refused());
        }
        let mut notes = std::mem::take(&mut prepared.notes);
        let [nz, ny, nx] = prepared.scan.matrix();
        let mut images = vec![Array3::zeros([nz, ny, nx]); prepared.scan.frames()];
        for (slice, frames) in series.iter().enumerate() {
            let encoded = frames.iter().map(|frame| Encoded::new(device, &prepared, *frame));
            let encoded = monitor.step("plan", 1, || encoded.collect::<Result<Vec<_>>>())?;
            let mut solver = solver(&self.0, &encoded, device)?;
            let iteration = frames::iteration(&self.0, [frames.len() * nz, ny, nx]);
            let shape = [frames.len() * nz, ny, 2 * nx];
            let (values, note) = iteration.run(&mut solver, ENOUGH, shape, monitor)?;
            for (frame, values) in frames.iter().zip(values.axis_chunks_iter(Axis(0), nz)) {
                let values = values.as_standard_layout();
                let image = encoding::image(values.as_slice().unwrap_or_default(), [nz, ny, nx]);
                images[*frame] = prepared.scaled(*frame, image);
            }
            if slice == 0 {
                notes.push(format!(
                    "{} frames together, {} on blocks of {SIDE} × {SIDE} pixels",
                    frames.len(),
                    solver.remark()
                ));
                notes.push(note);
            }
        }
        Ok(MrReconstruction { image: assembled("low-rank", &prepared.scan, &images), notes })
    }
}

/// The frames' least squares, summed, as one function of all frames stacked.
struct Frames {
    device: Device,
    equations: Vec<NormalEquations>,
    image: Array,
    slope: Array,
}

impl Frames {
    fn new(encoded: &[Encoded], device: &Device) -> Result<Self> {
        let equations = encoded.iter().map(|frame| frame.equations(device)).collect::<Result<Vec<_>>>()?;
        let zeros = || device.zeros(encoded[0].normal.domain(), Element::F32);
        Ok(Self { device: device.clone(), equations, image: zeros()?, slope: zeros()? })
    }

    fn pick(&mut self, x: &Array, frame: usize) {
        let lines = self.image.shape()[0];
        fill(&self.device, 0.0, &mut self.image);
        add_lines(&self.device, (x, &mut self.image), [frame * lines, 0], lines);
    }

    /// Σ‖Aₜxₜ − bₜ‖².
    fn residual(&mut self, x: &Array) -> Result<f64> {
        let mut sum = 0.0;
        for frame in 0..self.equations.len() {
            self.pick(x, frame);
            sum += self.equations[frame].residual(&self.image)?;
        }
        Ok(sum)
    }
}

impl Smooth for Frames {
    fn gradient(&mut self, x: &Array, g: &mut Array) -> Result<()> {
        let lines = self.image.shape()[0];
        fill(&self.device, 0.0, g);
        for frame in 0..self.equations.len() {
            self.pick(x, frame);
            self.equations[frame].gradient(&self.image, &mut self.slope)?;
            add_lines(&self.device, (&self.slope, g), [0, frame * lines], lines);
        }
        Ok(())
    }

    fn value(&mut self, x: &Array) -> Result<f64> {
        Ok(0.5 * self.residual(x)?)
    }
}

/// FISTA for these frames of one slice.
fn solver(
    options: &MrOptions,
    encoded: &[Encoded],
    device: &Device,
) -> Result<Following<Frames, LocallyLowRank, impl FnMut(&Array) -> Result<f64>>> {
    let (count, matrix) = (encoded.len(), encoded[0].matrix);
    let sum = |of: fn(&Encoded) -> f64| encoded.iter().map(of).sum::<f64>();
    let gain = (sum(|frame| frame.gain.powi(2)) / count as f64).sqrt();
    let usual = FACTOR * 2_f64.sqrt() * gain * (SIDE as f64 + (count as f64).sqrt());
    let usual = Box::new(move |deviation: f64, _: &[f32]| usual * deviation);
    let most = encoded.iter().map(|frame| frame.spectrum.quietest()).fold(f64::INFINITY, f64::min);
    let wish = Wish { strength: options.strength, usual, numbers: sum(|frame| frame.numbers), most, tuned: TUNED };
    let domain = encoded[0].normal.domain();
    let mut start = device.zeros(&[domain[0] * count, domain[1], domain[2]], Element::F32)?;
    for (frame, one) in encoded.iter().enumerate() {
        add_lines(device, (&one.right(device)?, &mut start), [0, frame * domain[0]], domain[0]);
    }
    let mut look = Frames::new(encoded, device)?;
    let residual = move |series: &Array| look.residual(series);
    let blocks = LocallyLowRank::new(device, count, matrix, SIDE, Some(SEED));
    let norm = encoded.iter().map(|frame| frame.norm).fold(0.0, f64::max);
    let parts = (Frames::new(encoded, device)?, blocks, residual);
    Following::new(device, wish, parts, (start, sum(|frame| frame.energy), norm))
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(LowRank(options.clone()))
}
