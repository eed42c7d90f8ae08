//! What the recipes tv, tgv, and piccs share: from a scan and a few terms to an image, by the primal–dual method.

use super::{
    Reconstruction,
    iteration::Enough,
    noise::{self, Noise},
    options::Options,
};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    geometry::{Geometry, Grid},
    image::{Image, Quantity},
    kernels::GUARD,
    monitor::Monitor,
    operators::{
        FirstChannel, LineFilter, LineFilterPlan, LinearOperator, XRay,
        arithmetic::{add_columns, fill},
    },
    problem::{Fidelity, Metric, Problem, Term},
    scan::Scan,
    solvers::{PrimalDual, primal_dual::Steps},
};

/// τ⁻¹ = BALANCE · λ / contrast: the primal and dual variables then come to rest at the same pace. Found by trial on the
/// Toft phantom and on chest slices, 20 to 30 views, with and without noise; within a factor of two it hardly matters.
const BALANCE: f64 = 60.0;
/// The data's share of the step sizes; the terms have the rest.
const DATA_SHARE: f64 = 0.35;
/// Over-relaxation.
const RELAXATION: f32 = 1.5;
/// When tv, tgv and piccs have settled.
const ENOUGH: Enough = Enough { change: 2e-3, most: 400 };

/// Facts that a recipe's terms are made from.
pub struct Facts<'a> {
    pub device: &'a Device,
    pub grid: &'a Grid,
    /// λ as the options and the noise have it: (line integral)² per attenuation.
    pub strength: f64,
    /// The attenuation of the object, roughly.
    pub contrast: f64,
}

/// Reconstructs with the terms that `terms` makes; `channels` is 3 where a vector field goes with the image.
pub fn reconstruct(
    (name, options): (&str, &Options),
    scan: Scan,
    grid: &Grid,
    (device, monitor): (&Device, &Monitor),
    channels: usize,
    terms: impl Fn(&Facts) -> Result<Vec<Term>>,
) -> Result<Reconstruction> {
    options.strength.check()?;
    options.iteration.check(grid)?;
    let xray = XRay::new(device, &scan.geometry, grid)?;
    let noise = monitor.step("noise", 1, || noise::of(&scan, grid, options.photons))?;
    let strength = options.strength.of(noise.strength(&scan.geometry, grid));
    let mut notes = noise.notes(options.photons);
    notes.push(format!(
        "strength {strength:.4} (λ of the objective ½Σw(Ax − b)² + λ·TV, in line integral² per unit of the image)"
    ));
    let facts = Facts { device, grid, strength, contrast: noise.contrast };
    let terms = terms(&facts)?;
    let Scan { projections, geometry } = scan;
    let shape = [geometry.views.len() * geometry.rows, geometry.columns];
    let data = monitor.step("upload", 1, || device.upload(&shape, projections.into_raw_vec_and_offset().0))?;
    let operator: Box<dyn LinearOperator> = match channels {
        1 => Box::new(xray),
        _ => Box::new(FirstChannel::new(device, xray, channels)?),
    };
    let (metric, steps) = monitor.step("plan", 1, || {
        let balance = BALANCE * strength / noise.contrast;
        steps(&*operator, device, &geometry, grid, (balance, &noise))
    })?;
    let inverse_weights = noise.inverse_weights.map(|weights| device.upload(&shape, weights)).transpose()?;
    let start = options.iteration.start.as_ref().map(|start| first(start, device, channels)).transpose()?;
    let fidelity = Fidelity { operator, data, inverse_weights, metric };
    let problem = Problem { fidelity, terms, bounds: options.bounds };
    let mut solver = PrimalDual::new(device, problem, start.as_ref(), steps)?;
    let (values, note) = options.iteration.run(&mut solver, ENOUGH, grid.shape, monitor)?;
    notes.push(note);
    let image = Image {
        // Over-relaxed images may lie a little outside.
        values: values.mapv_into(|value| value.clamp(options.bounds.lower, options.bounds.upper)),
        grid: *grid,
        unit: geometry.unit,
        quantity: Quantity::Attenuation(geometry.unit),
        provenance: format!("Rushlight {} {name}", env!("CARGO_PKG_VERSION")),
    };
    Ok(Reconstruction { image, notes })
}

/// The first image, with zero fields beside it.
fn first(start: &ndarray::Array3<f32>, device: &Device, channels: usize) -> Result<Array> {
    let (nz, ny, nx) = start.dim();
    let values: Vec<f32> = start.iter().copied().collect();
    let image = device.upload(&[nz * ny, nx], values)?;
    if channels == 1 {
        return Ok(image);
    }
    let mut whole = device.zeros(&[nz * ny, channels, nx], Element::F32)?;
    add_columns(device, 1.0, (&image, &mut whole), nx, [0, 0]);
    Ok(whole)
}

/// The metric of the data and the step sizes, by the norm of AᵀHA for a filter H like a ramp that is cut at 1: below
/// that frequency a few views do not sample the object, and the ramp would overshoot.
fn steps(
    operator: &dyn LinearOperator,
    device: &Device,
    geometry: &Geometry,
    grid: &Grid,
    (balance, noise): (f64, &Noise),
) -> Result<(Metric, Steps)> {
    let [views, _, columns] = geometry.shape();
    let length = (2 * columns).next_power_of_two();
    let pixels = grid.shape[1].max(grid.shape[2]) as f64;
    let ramp: Vec<f64> = (0..length)
        .map(|index| {
            let frequency = index.min(length - index) as f64 / length as f64;
            (std::f64::consts::PI * frequency * pixels / views as f64).clamp(1.0 / views as f64, 1.0)
        })
        .collect();
    let filter = |response: Vec<f64>| {
        let plan = LineFilterPlan {
            views,
            rows: geometry.rows,
            columns,
            length,
            extend: 0,
            response: response.iter().map(|value| *value as f32).collect(),
            weights: vec![1.0; columns],
            scales: vec![1.0; views],
        };
        LineFilter::new(device, plan)
    };
    let norm = norm(operator, &filter(ramp.clone())?, device, columns)?;
    if norm == 0.0 {
        return Err(Error::Geometry("no ray meets the grid; check its size and centre".into()));
    }
    let scale = DATA_SHARE * balance / norm;
    // The data's own term bends the step: 1/w is the slope of its gradient.
    let bend = noise.largest_inverse_weight() / 2.0;
    let response = ramp.iter().map(|ramp| 1.0 / (1.0 / (scale * ramp) + bend)).collect();
    let steps =
        Steps { primal: (1.0 / balance) as f32, terms: ((1.0 - DATA_SHARE) * balance) as f32, relaxation: RELAXATION };
    Ok((Metric::Lines(filter(response)?), steps))
}

/// ‖AᵀHA‖, and a little more, by the power method from an image of ones.
fn norm(operator: &dyn LinearOperator, filter: &LineFilter, device: &Device, columns: usize) -> Result<f64> {
    const ROUNDS: usize = 12;
    let (domain, range) = (operator.domain(), operator.range());
    let count: usize = domain.iter().product();
    let mut values: Vec<f32> = vec![1.0; count];
    let mut filtered = device.zeros(&filter.filtered_shape(), Element::F32)?;
    let (mut lines, mut largest) = (device.zeros(range, Element::F32)?, 0.0);
    for _ in 0..ROUNDS {
        let size = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if size == 0.0 {
            return Ok(0.0);
        }
        values.iter_mut().for_each(|value| *value /= size as f32);
        let mut image = device.upload(domain, &values)?;
        operator.forward(&image, &mut lines)?;
        filter.apply(&lines, &mut filtered, &Monitor::silent())?;
        fill(device, 0.0, &mut lines);
        add_columns(device, 1.0, (&filtered, &mut lines), columns, [GUARD, 0]);
        operator.adjoint(&lines, &mut image)?;
        values = device.download(&image)?;
        largest = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    }
    // The method approaches from below.
    Ok(1.03 * largest)
}
