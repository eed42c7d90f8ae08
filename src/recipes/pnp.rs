//! Plug and play: ½ Σ w (Ax − b)² in turns with a denoiser.

use std::sync::Arc;

use super::{
    Recipe, Reconstruction, classical,
    fbp::{Fbp, Filter},
    iteration::Enough,
    noise,
    options::Options,
};
use crate::{
    denoisers::{self, Noisy, Sigma},
    device::{Array, Device, Element},
    error::Result,
    geometry::Grid,
    monitor::Monitor,
    operators::{LinearOperator, Normal, Weighted, XRay, arithmetic},
    scan::Scan,
    solvers::{
        Continuation,
        continuation::{Denoise, LeastSquaresStep, falling},
    },
};

fn env(name: &str, usual: f64) -> f64 {
    std::env::var(name).ok().map_or(usual, |v| v.parse().unwrap())
}

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Pnp(pub Options);

impl Recipe for Pnp {
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        let options = &self.0;
        options.strength.check()?;
        options.iteration.check(&scan.geometry, grid)?;
        let trust = classical::trust(&scan, options.photons)?;
        let mut notes = vec![trust.note.clone()];
        let roots: Vec<f32> = trust.weights.iter().map(|w| w.sqrt()).collect();
        let xray = XRay::new(device, &scan.geometry, grid)?;
        let range = xray.range().to_vec();
        let data: Vec<f32> = scan.projections.iter().zip(&roots).map(|(b, r)| b * r).collect();
        let operator = Weighted::new(device, xray, device.upload(&range, roots)?)?;
        let g = noise::gain(&operator, device)?;
        let mut right = device.zeros(operator.domain(), Element::F32)?;
        operator.adjoint(&device.upload(&range, data)?, &mut right)?;
        let normal = Arc::new(Normal::new(device, operator)?);
        let start = match env("PNP_START", 0.0) as i32 {
            0 => Fbp { filter: Filter::Hann, ..Fbp::default() }.reconstruct(scan.clone(), grid, device, monitor)?,
            1 => super::named("tv", options)?.reconstruct(scan.clone(), grid, device, monitor)?,
            _ => super::named("pwls", options)?.reconstruct(scan.clone(), grid, device, monitor)?,
        };
        let start = classical::start(options, grid, device, Some(start.image.values))?;
        let rounds = options.iteration.count.unwrap_or(env("PNP_ROUNDS", 20.0) as usize);
        let (first, last) = (env("PNP_FIRST", 1.0) / g, env("PNP_LAST", 0.15) / g);
        let lambda = options.strength.of(env("PNP_LAMBDA", 1.0));
        notes.push(format!("g {g:.3e}, s {first:.3e}..{last:.3e} lambda {lambda}"));
        let name = std::env::var("PNP_PRIOR").unwrap_or("bm3d".into());
        let denoiser = denoisers::named(&name, &Default::default())?;
        let shape = grid.shape;
        let denoise: Denoise = Box::new(move |image, sigma, into| {
            let sigma = Sigma::Flat(sigma);
            *into = denoiser.denoise(device, &Noisy::new(image, shape, &sigma)?)?;
            Ok(())
        });
        let step =
            LeastSquaresStep { device: device.clone(), normal, right, iterations: env("PNP_CG", 6.0) as usize };
        let schedule = (falling([first, last], lambda, rounds), env("PNP_MEMORY", 0.5) as f32);
        let mut solver = Continuation::new(device, (step, denoise), start, schedule, options.bounds)?;
        let enough = Enough { change: 0.0, most: rounds };
        let (mut values, note) = options.iteration.run(&mut solver, enough, grid.shape, monitor)?;
        if env("PNP_OUT", 0.0) > 0.0 {
            let x: Vec<f32> = device.download(solver.of_the_data())?;
            let w = env("PNP_OUT", 0.0) as f32;
            values.iter_mut().zip(x).for_each(|(z, x)| *z = (1.0 - w) * *z + w * x);
        }
        notes.push(note);
        let _ = arithmetic::fill;
        let _: Option<Array> = None;
        Ok(classical::finished("pnp", values, &scan, grid, notes))
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Pnp(options.clone()))
}
