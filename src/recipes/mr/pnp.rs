//! Plug and play for coils.

use std::sync::Arc;

use ndarray::Array5;
use num_complex::Complex32;

use super::{
    MrOptions, MrRecipe, MrReconstruction,
    encoding::{self, Encoded},
    frames, variational,
};
use crate::{
    denoisers::{self, Denoiser, Noisy, Sigma},
    device::{Array, Device, Element},
    error::Result,
    monitor::Monitor,
    operators::{
        Coils, LinearOperator, Pixels,
        arithmetic::{add_columns, fill},
        coils::interleaved,
    },
    problem::Bounds,
    recipes::{Strength, iteration::Enough},
    regularisers::total_variation,
    scan::KSpace,
    solvers::{
        Continuation, Solver,
        continuation::{Denoise, LeastSquaresStep, falling},
    },
};

fn env(name: &str, usual: f64) -> f64 {
    std::env::var(name).ok().map_or(usual, |v| v.parse().unwrap())
}

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Pnp(pub MrOptions);

impl MrRecipe for Pnp {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        let options = &self.0;
        let name = std::env::var("PNP_PRIOR").unwrap_or("bm3d".into());
        let denoiser = denoisers::named(&name, &Default::default())?;
        frames::each_frame(("pnp", options), scan, (device, monitor), |encoded| {
            let mut equations = encoded.equations(device)?;
            let terms = |slices, strength: f64| vec![total_variation(device, slices, Pixels::Complex, strength as f32)];
            let mut tv = variational::Tuned::new(Strength::Auto, encoded, device, (2, 1.0), &terms)?;
            for _ in 0..env("PNP_TV", 100.0) as usize {
                tv.next().expect("solvers never end")?;
            }
            let mut start = device.zeros(tv.solution().shape(), Element::F32)?;
            crate::operators::arithmetic::add(device, 1.0, tv.solution(), &mut start);
            let sigma = encoded.deviation(equations.residual(&start)?);
            let unit = sigma / encoded.gain;
            let rounds = options.iteration.count.unwrap_or(env("PNP_ROUNDS", 20.0) as usize);
            let lambda = options.strength.of(env("PNP_LAMBDA", 0.25)) * encoded.gain * encoded.gain * unit * unit;
            let schedule =
                falling([env("PNP_FIRST", 1.0) * unit, env("PNP_LAST", 0.25) * unit], lambda, rounds);
            let size = crate::recipes::noise::rms_of(device, &start)?;
            let phase = if env("PNP_PHASE", 1.0) > 0.0 {
                Some(phase(device, &start, encoded.matrix)?)
            } else {
                None
            };
            let mut parts = Parts::new(device, encoded, phase)?;
            let denoise: Denoise = Box::new(|image, sigma, into| parts.denoise(&*denoiser, image, sigma, into));
            let step = LeastSquaresStep {
                device: device.clone(),
                normal: Arc::clone(&encoded.normal),
                right: encoded.right(device)?,
                iterations: env("PNP_CG", 20.0) as usize,
            };
            let mut solver = Continuation::new(
                device,
                (step, denoise),
                start,
                (schedule, env("PNP_MEMORY", 1.0) as f32),
                Bounds::NONE,
            )?;
            let [nz, ny, nx] = encoded.matrix;
            let iteration = frames::iteration(options, encoded.matrix);
            let enough = Enough { change: 0.0, most: rounds };
            let (mut values, note) = iteration.run(&mut solver, enough, [nz, ny, 2 * nx], monitor)?;
            let w = env("PNP_OUT", 0.0) as f32;
            if w > 0.0 {
                let x: Vec<f32> = device.download(solver.of_the_data())?;
                values.iter_mut().zip(x).for_each(|(z, x)| *z = (1.0 - w) * *z + w * x);
            }
            let notes = vec![format!("sigma {sigma:.3e} unit {unit:.3e} rms {size:.3e}"), note];
            Ok((encoding::image(values.as_slice().unwrap_or_default(), encoded.matrix), notes))
        })
    }
}

struct Parts {
    device: Device,
    slices: [usize; 3],
    phase: Option<Coils>,
    turned: Array,
    parts: [Array; 2],
}

impl Parts {
    fn new(device: &Device, encoded: &Encoded, phase: Option<Coils>) -> Result<Self> {
        let [nz, ny, nx] = encoded.matrix;
        let turned = device.zeros(&[nz * ny, 2, nx], Element::F32)?;
        let part = || device.zeros(&[nz * ny, nx], Element::F32);
        Ok(Self { device: device.clone(), slices: encoded.matrix, phase, turned, parts: [part()?, part()?] })
    }

    fn denoise(&mut self, denoiser: &dyn Denoiser, image: &Array, sigma: f32, into: &mut Array) -> Result<()> {
        let Self { device, slices, phase, turned, parts } = self;
        let nx = slices[2];
        match phase {
            Some(phase) => phase.adjoint(image, turned)?,
            None => {
                fill(device, 0.0, turned);
                crate::operators::arithmetic::add(device, 1.0, image, turned);
            }
        }
        for (index, part) in parts.iter_mut().enumerate() {
            fill(device, 0.0, part);
            add_columns(device, 1.0, (turned, part), nx, [index * nx, 0]);
        }
        fill(device, 0.0, turned);
        let sigma = Sigma::Flat(sigma);
        for (index, part) in parts.iter().enumerate() {
            let quiet = denoiser.denoise(device, &Noisy::new(part, *slices, &sigma)?)?;
            add_columns(device, 1.0, (&quiet, turned), nx, [0, index * nx]);
        }
        match phase {
            Some(phase) => phase.forward(turned, into)?,
            None => {
                fill(device, 0.0, into);
                crate::operators::arithmetic::add(device, 1.0, turned, into);
            }
        }
        Ok(())
    }
}

/// The smooth image's phase, as a coil of unit size.
fn phase(device: &Device, image: &Array, [nz, ny, nx]: [usize; 3]) -> Result<Coils> {
    let width = env("PNP_SMOOTH", 2.0);
    let values = interleaved(&device.download::<f32>(image)?, nx);
    let mut values = Array5::from_shape_vec([1, 1, nz, ny, nx], values).expect("an image");
    let reach = (3.0 * width).ceil() as isize;
    let kernel: Vec<f32> = (-reach..=reach).map(|at| (-0.5 * (at as f64 / width).powi(2)).exp() as f32).collect();
    for axis in [3, 4] {
        for mut lane in values.lanes_mut(ndarray::Axis(axis)) {
            let before = lane.to_vec();
            for (at, value) in lane.iter_mut().enumerate() {
                let mut sum = Complex32::default();
                for (k, weight) in (-reach..=reach).zip(&kernel) {
                    if let Some(v) = before.get(at.wrapping_add_signed(k)) {
                        sum += *v * *weight;
                    }
                }
                *value = sum;
            }
        }
    }
    values.mapv_inplace(|value| if value.norm() > 0.0 { value / value.norm() } else { Complex32::new(1.0, 0.0) });
    Coils::new(device, values.view())
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(Pnp(options.clone()))
}
