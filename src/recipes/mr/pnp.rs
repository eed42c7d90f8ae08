//! Plug and play: a denoiser as prior. ½‖Ax − b‖² and the denoiser take turns by [`crate::solvers::continuation`], with a σ that
//! falls from round to round; it begins with the image of the recipe `tv`.
//!
//! As in CT ([`crate::recipes::pnp`]), s is the noise of a number of the image that is settled by its own samples alone: σ̂·g over the
//! mean diagonal d of AᴴA, with σ̂ and g as in [`super::tv`]. σ falls from FIRST·s to LAST·s, and ρ = λ·d·(s/σ)², where the strength is
//! λ. Real and imaginary parts are denoised one by one, of an image whose smooth phase is taken off, so that nearly all of it
//! is real.

use std::sync::Arc;

use ndarray::{Array5, Axis};
use num_complex::Complex32;

use super::{MrOptions, MrRecipe, MrReconstruction, encoding, frames, variational};
use crate::{
    denoisers::{Denoiser, Noisy, Sigma, Weights},
    device::{Array, Device, Element},
    error::Result,
    monitor::Monitor,
    operators::{
        Coils, LinearOperator,
        arithmetic::{add_columns, fill},
        coils::interleaved,
    },
    problem::Bounds,
    recipes::{iteration::Enough, pnp},
    scan::KSpace,
    solvers::{
        Continuation,
        continuation::{Denoise, LeastSquaresStep, falling},
    },
};

/// The first σ and the last, over s; these and the numbers below were found by trial on two heads, R = 4 and 5.
const SIGMAS: [f64; 2] = [4.0, 1.5];
/// λ.
const LAMBDA: f64 = 1.0;
/// Rounds, and conjugate gradients in a round.
const ROUNDS: usize = 20;
const STEPS: usize = 20;
/// Iterations of total variation at first, at most.
const PRELUDE: usize = 100;
/// Deviation of the Gaussian that smooths the phase, in pixels.
const SMOOTH: f64 = 2.0;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Pnp(pub MrOptions);

impl MrRecipe for Pnp {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        let options = &self.0;
        let denoiser = pnp::named(options.denoiser.as_deref(), Weights::Mr, false)?;
        frames::each_frame(("pnp", options), scan, (device, monitor), |encoded| {
            let [nz, ny, nx] = encoded.matrix;
            let values = variational::first(encoded, (device, monitor), (PRELUDE, options.iteration.keep))?;
            let tv =
                |why: &str| Ok((encoding::image(&values, encoded.matrix), vec![format!("the image of tv: {why}")]));
            if monitor.is_finishing() {
                return tv("interrupted before the first round");
            }
            let start = device.upload(encoded.normal.domain(), &values)?;
            let deviation = encoded.deviation(encoded.equations(device)?.residual(&start)?);
            let noise = deviation * encoded.gain / encoded.diagonal;
            if !(noise > 0.0 && noise.is_finite()) {
                return tv("there is no noise to take off");
            }
            let lambda = options.strength.of(LAMBDA);
            let rounds = options.iteration.count.unwrap_or(ROUNDS);
            let sigmas = SIGMAS.map(|sigma| sigma * noise);
            let mut parts = Parts::new(device, encoded.matrix, &values)?;
            let denoise: Denoise = Box::new(|image, sigma, into| parts.denoise(&*denoiser, image, sigma, into));
            let step = LeastSquaresStep {
                device: device.clone(),
                normal: Arc::clone(&encoded.normal),
                right: encoded.right(device)?,
                iterations: STEPS,
            };
            let schedule = falling(sigmas, lambda * encoded.diagonal * noise * noise, rounds);
            let mut solver = Continuation::new(device, (step, denoise), start, schedule, Bounds::NONE)?;
            let enough = Enough { change: 0.0, most: rounds };
            let iteration = frames::iteration(options, encoded.matrix);
            let (values, note) = iteration.run(&mut solver, enough, [nz, ny, 2 * nx], monitor)?;
            let notes = vec![pnp::remark(options.denoiser.as_deref(), lambda, sigmas), note];
            Ok((encoding::image(values.as_slice().unwrap_or_default(), encoded.matrix), notes))
        })
    }
}

/// Denoises the two parts of a complex image whose smooth phase is known.
struct Parts {
    device: Device,
    slices: [usize; 3],
    /// e^(iφ), as the map of one coil.
    phase: Coils,
    turned: Array,
    part: Array,
}

impl Parts {
    /// For images like `image`, planar.
    fn new(device: &Device, slices: [usize; 3], image: &[f32]) -> Result<Self> {
        let [nz, ny, nx] = slices;
        let turned = device.zeros(&[nz * ny, 2, nx], Element::F32)?;
        let part = device.zeros(&[nz * ny, nx], Element::F32)?;
        let phase = Coils::new(device, phase(image, slices).view())?;
        Ok(Self { device: device.clone(), slices, phase, turned, part })
    }

    fn denoise(&mut self, denoiser: &dyn Denoiser, image: &Array, sigma: f32, into: &mut Array) -> Result<()> {
        let Self { device, slices, phase, turned, part } = self;
        let (nx, sigma) = (slices[2], Sigma::Flat(sigma));
        phase.adjoint(image, turned)?;
        fill(device, 0.0, into);
        for skip in [0, nx] {
            fill(device, 0.0, part);
            add_columns(device, 1.0, (turned, part), nx, [skip, 0]);
            let quiet = denoiser.denoise(device, &Noisy::new(part, *slices, &sigma)?)?;
            add_columns(device, 1.0, (&quiet, into), nx, [0, skip]);
        }
        fill(device, 0.0, turned);
        add_columns(device, 1.0, (into, turned), 2 * nx, [0, 0]);
        phase.forward(turned, into)
    }
}

/// e^(iφ), `[1, 1, z, y, x]`: the phase of the smoothed image. In air that is noise's own, so that its real part is above 0 there,
/// as magnitudes are: with one phase for all of the air, SSIM against a measured head fell by .02.
fn phase(image: &[f32], [nz, ny, nx]: [usize; 3]) -> Array5<Complex32> {
    let mut smooth = Array5::from_shape_vec([1, 1, nz, ny, nx], interleaved(image, nx)).expect("a planar image");
    let reach = (3.0 * SMOOTH).ceil() as isize;
    let weights: Vec<f32> = (-reach..=reach).map(|at| (-0.5 * (at as f64 / SMOOTH).powi(2)).exp() as f32).collect();
    let total: f32 = weights.iter().sum();
    for axis in [3, 4] {
        for mut line in smooth.lanes_mut(Axis(axis)) {
            let before = line.to_vec();
            for (at, value) in line.iter_mut().enumerate() {
                let near = (-reach..=reach).zip(&weights).filter_map(|(away, weight)| {
                    before.get(at.wrapping_add_signed(away)).map(|value| value * weight / total)
                });
                *value = near.sum();
            }
        }
    }
    smooth.mapv_into(unit)
}

/// A number's direction; 1 of none.
fn unit(value: Complex32) -> Complex32 {
    let size = value.norm();
    if size > 0.0 { value / size } else { Complex32::new(1.0, 0.0) }
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(Pnp(options.clone()))
}
