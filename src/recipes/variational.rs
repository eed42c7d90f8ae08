//! What the recipes tv, tgv and piccs share: from a scan and a few terms to an image, by the primal–dual method, with a
//! strength that follows the noise.

use ndarray::Array3;

use super::{
    Reconstruction, classical,
    iteration::{Enough, LOOK},
    noise,
    options::{Options, Strength},
};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    geometry::{Geometry, Grid, LengthUnit},
    image::{Image, Quantity},
    kernels::GUARD,
    monitor::Monitor,
    operators::{
        Beyond, FirstChannels, LineFilter, LineFilterPlan, LinearOperator, Weighted, XRay,
        arithmetic::{add_columns, fill},
    },
    problem::{Fidelity, Metric, Problem, Term},
    scan::Scan,
    solvers::{PrimalDual, Progress, Solver, primal_dual::Steps},
};

/// 1/τ = BALANCE · λ / rms(x): then primal and dual variables come to rest at the same pace. Within a factor of two it
/// hardly matters.
const BALANCE: f64 = 25.0;
/// The data's share of the step sizes; the terms have the rest.
const DATA_SHARE: f64 = 0.35;
/// Over-relaxation.
const RELAXATION: f32 = 1.5;
/// The first guess of σ, as a part of the data's rms.
const FIRST_GUESS: f64 = 0.02;
/// The strength follows the noise so long, and then stays.
const TUNED: usize = 140;
/// When an image has settled.
const ENOUGH: Enough = Enough { change: 2e-3, most: 400 };

/// Reconstructs with the terms that `terms` makes for a strength; `channels` is 3 where a vector field goes with the image.
pub fn reconstruct(
    (name, options): (&str, &Options),
    scan: Scan,
    grid: &Grid,
    (device, monitor): (&Device, &Monitor),
    channels: usize,
    terms: impl Fn(f64) -> Result<Vec<Term>>,
) -> Result<Reconstruction> {
    options.strength.check()?;
    options.iteration.check(&scan.geometry, grid)?;
    let mut solver = monitor.step("plan", 1, || Tuned::new(options, scan, grid, device, channels, terms))?;
    let (values, note) = options.iteration.run(&mut solver, ENOUGH, grid.shape, monitor)?;
    let notes = vec![solver.rays.clone(), solver.remark(), note];
    Ok(Reconstruction { image: image(name, options, values, (grid, solver.geometry.unit)), notes })
}

/// The image of these values.
pub(super) fn image(name: &str, options: &Options, values: Array3<f32>, (grid, unit): (&Grid, LengthUnit)) -> Image {
    Image {
        // Over-relaxed images may lie a little outside.
        values: values.mapv_into(|value| value.clamp(options.bounds.lower, options.bounds.upper)),
        grid: *grid,
        unit,
        quantity: Quantity::Attenuation(unit),
        provenance: super::provenance(name),
    }
}

/// A primal–dual solver whose strength follows the residuals.
pub(super) struct Tuned {
    pub inner: PrimalDual,
    pub geometry: Geometry,
    wish: Strength,
    ramp: Vec<f64>,
    /// ‖AᵀHA‖.
    norm: f64,
    weighted: bool,
    /// Which rays meet the object.
    meeting: Vec<bool>,
    /// The largest σ.
    most: f64,
    /// What the rays are worth, for the report.
    rays: String,
    /// g.
    pub gain: f64,
    /// λ.
    pub strength: f64,
}

impl Tuned {
    pub fn new(
        options: &Options,
        scan: Scan,
        grid: &Grid,
        device: &Device,
        channels: usize,
        terms: impl Fn(f64) -> Result<Vec<Term>>,
    ) -> Result<Self> {
        let xray = XRay::new(device, &scan.geometry, grid)?;
        let trust = classical::trust(&scan, options.photons)?;
        let weights = noise::weights(&scan, &trust);
        let Scan { projections, geometry } = scan;
        let shape = [geometry.views.len() * geometry.rows, geometry.columns];
        let (ramp, weighted) = (ramp(&geometry, grid), weights.is_some());
        let mut projections = projections;
        let meeting = noise::meeting(projections.as_slice().unwrap_or_default());
        let roots: Option<Vec<f32>> = weights.map(|weights| weights.iter().map(|weight| weight.sqrt()).collect());
        let most = noise::most(&trust, roots.as_deref(), &meeting);
        let operator: Box<dyn LinearOperator> = match roots {
            None => Box::new(xray),
            Some(roots) => {
                projections.iter_mut().zip(&roots).for_each(|(value, root)| *value *= root);
                Box::new(Weighted::new(device, xray, device.upload(&shape, roots)?)?)
            }
        };
        let gain = noise::gain(&*operator, device)?;
        let norm = norm(&*operator, &filter(device, &geometry, &ramp)?, device, geometry.columns)?;
        if norm == 0.0 || gain == 0.0 {
            return Err(Error::Geometry("no ray meets the grid; check its size and centre".into()));
        }
        let size = noise::rms(projections.iter().copied());
        let guess = projections.iter().zip(&meeting).filter(|(_, meets)| **meets);
        let guess = guess.map(|(value, _)| FIRST_GUESS as f32 * value);
        let strength = options.strength.of(noise::factor(geometry.views.len()) * gain * noise::deviation(guess));
        // A ray through half of the grid has the data's rms.
        let [_, height, width] = grid.voxel();
        let typical = size / (0.25 * (height * grid.shape[1] as f64 + width * grid.shape[2] as f64));
        let data = device.upload(&shape, projections.into_raw_vec_and_offset().0)?;
        let operator: Box<dyn LinearOperator> = match channels {
            1 => operator,
            _ => Box::new(FirstChannels::new(device, operator, channels)?),
        };
        let start = options.iteration.start.as_ref().map(|start| first(start, device, channels)).transpose()?;
        // Both are replaced at once.
        let (metric, steps) = (Metric::Scalar(0.0), Steps { primal: 0.0, terms: 0.0, relaxation: RELAXATION });
        let fidelity = Fidelity { operator, data, metric };
        let problem = Problem { fidelity, terms: terms(strength)?, bounds: options.bounds };
        let inner = PrimalDual::new(device, problem, start.as_ref(), steps)?;
        let mut tuned = Self {
            inner,
            geometry,
            wish: options.strength,
            ramp,
            norm,
            weighted,
            meeting,
            most,
            gain,
            strength,
            rays: trust.note,
        };
        tuned.set_steps(typical)?;
        Ok(tuned)
    }

    /// Sets the strength to what the residuals say.
    fn tune(&mut self) -> Result<()> {
        if !matches!(self.wish, Strength::Fixed(_)) {
            let residuals = self.inner.residuals()?.into_iter().zip(&self.meeting);
            let found = noise::deviation(residuals.filter(|(_, meets)| **meets).map(|(value, _)| value));
            let usual = noise::factor(self.geometry.views.len()) * self.gain * found.min(self.most);
            let strength = self.wish.of(usual);
            if strength > 0.0 {
                let factor = (strength / self.strength) as f32;
                self.inner.problem_mut().terms.iter_mut().for_each(|term| term.strength *= factor);
                self.strength = strength;
            }
        }
        let typical = noise::rms_of(self.inner.device(), self.inner.solution())?;
        self.set_steps(typical)
    }

    /// Step sizes for an image of rms `typical`.
    pub fn set_steps(&mut self, typical: f64) -> Result<()> {
        if !(typical > 0.0 && typical.is_finite()) {
            return Ok(());
        }
        let balance = BALANCE * self.strength / typical;
        let scale = DATA_SHARE * balance / self.norm;
        let device = self.inner.device().clone();
        let response = |form: fn(f64, f64) -> f64| -> Result<Box<LineFilter>> {
            let length = self.ramp.len();
            let value = |(index, ramp): (usize, &f64)| form(scale * ramp, believed(index, length));
            let response: Vec<f64> = self.ramp.iter().enumerate().map(value).collect();
            filter(&device, &self.geometry, &response).map(Box::new)
        };
        let gain = response(|step, weight| step / (1.0 + step / weight))?;
        let decay = response(|step, weight| step / (weight + step))?;
        let metric = Metric::Lines { gain, decay };
        let terms = ((1.0 - DATA_SHARE) * balance) as f32;
        self.inner.set_steps(metric, Steps { primal: (1.0 / balance) as f32, terms, relaxation: RELAXATION })
    }

    pub fn remark(&self) -> String {
        let factor = noise::factor(self.geometry.views.len());
        let how = match self.wish {
            Strength::Auto => format!("from the noise, {factor:.2}·σ·g"),
            Strength::Times(factor) => format!("{factor} times that from the noise"),
            Strength::Fixed(_) => "as asked".to_string(),
        };
        let sigma = self.strength / (factor * self.gain);
        let weights = if self.weighted { ", rays weighted by their noise" } else { "" };
        format!("strength λ {:.4e} ({how}; σ {sigma:.2e} of a line integral{weights})", self.strength)
    }
}

impl Iterator for Tuned {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        let progress = self.inner.next()?;
        let done = progress.as_ref().map_or(0, |progress| progress.iteration);
        if done > 0 && done <= TUNED && done.is_multiple_of(LOOK) {
            return Some(self.tune().and(progress));
        }
        Some(progress)
    }
}

impl Solver for Tuned {
    fn solution(&self) -> &Array {
        self.inner.solution()
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }
}

/// The first image, with zero fields beside it.
fn first(start: &Array3<f32>, device: &Device, channels: usize) -> Result<Array> {
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

/// W: how far a frequency of the detector's lines is believed, as if neighbouring cells were averaged. What no image on the
/// grid can explain of an exact scan, the discretisation error, lies in the highest frequencies.
fn believed(index: usize, length: usize) -> f64 {
    const LEAST: f64 = 0.03;
    let frequency = index.min(length - index) as f64 / length as f64;
    LEAST + (1.0 - LEAST) * (std::f64::consts::PI * frequency).cos().powi(2)
}

/// A ramp, cut where so few views no longer sample the object.
fn ramp(geometry: &Geometry, grid: &Grid) -> Vec<f64> {
    let (views, length) = (geometry.views.len() as f64, (2 * geometry.columns).next_power_of_two());
    let pixels = grid.shape[1].max(grid.shape[2]) as f64;
    let frequency = |index: usize| index.min(length - index) as f64 / length as f64;
    let height = |index| (std::f64::consts::PI * frequency(index) * pixels / views).clamp(1.0 / views, 1.0);
    (0..length).map(height).collect()
}

fn filter(device: &Device, geometry: &Geometry, response: &[f64]) -> Result<LineFilter> {
    let [views, rows, columns] = geometry.shape();
    let plan = LineFilterPlan {
        views,
        rows,
        columns,
        length: response.len(),
        beyond: Beyond::default(),
        tails: [0; 2],
        response: response.iter().map(|value| *value as f32).collect(),
        weights: vec![1.0; columns],
        scales: vec![1.0; views],
    };
    LineFilter::new(device, plan)
}

/// ‖AᵀHA‖, and a little more, by the power method from an image of ones.
fn norm(operator: &dyn LinearOperator, filter: &LineFilter, device: &Device, columns: usize) -> Result<f64> {
    const ROUNDS: usize = 12;
    let (domain, range) = (operator.domain(), operator.range());
    let mut values: Vec<f32> = vec![1.0; domain.iter().product()];
    let mut filtered = device.zeros(&filter.filtered_shape(), Element::F32)?;
    let (mut lines, mut largest) = (device.zeros(range, Element::F32)?, 0.0);
    for _ in 0..ROUNDS {
        let size = noise::rms(values.iter().copied());
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
        largest = noise::rms(values.iter().copied());
    }
    // The method approaches from below.
    Ok(1.03 * largest)
}
