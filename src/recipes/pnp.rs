//! Plug and play: a denoiser as prior. ½ Σ w (Ax − b)² and the denoiser take turns by [`crate::solvers::continuation`], with a
//! σ that falls from round to round; it begins with the image of the recipe `tv`, from many views with that of `pwls`.
//!
//! The weights are absolute, one over the rays' variances, so that s = 1/g, with g² the mean diagonal of AᵀWA, is the noise of
//! a pixel that is settled by its own rays alone. σ falls from FIRST·s to LAST·s, and the pull between the data's image and the
//! denoised one is ρ = λ/σ². A denoiser that were the proximal map of σ²R, with R minus the logarithm of the images' density, would
//! have λ = 1; the strength is this λ.
//!
//! From many views it is gentle, as the slice holds noise of its own that is not to be lost, and in the end a share of what FBP
//! (Hann) makes of b − Ax is added: among what a denoiser took for noise are faint rods, which an observer then sees again, and the
//! rim of soft edges. A quarter makes the RMSE of a chest slice 0.5 % larger at a fifth of the dose; at a hundredth it would make
//! it 7 % larger, so that it is bounded, too. Pixels much wider than what is to be seen leave errors that are no noise of the rays,
//! of which s knows nothing: there `tv`, whose strength follows the residuals, is the better choice.

use std::sync::Arc;

use ndarray::Array3;

use super::{
    Iteration, Recipe, Reconstruction, classical,
    fbp::{Fbp, Filter},
    iteration::Enough,
    noise,
    options::{Options, Strength},
};
use crate::{
    denoisers::{self, Noisy, Sigma, Weights},
    device::{Array, Device, Element},
    error::{Error, Result},
    geometry::Grid,
    monitor::Monitor,
    operators::{LinearOperator, Normal, Weighted, XRay},
    problem::Bounds,
    scan::Scan,
    solvers::{
        Continuation,
        continuation::{Denoise, LeastSquaresStep, falling},
    },
};

/// The denoiser, unless one is named.
pub(super) const USUAL: &str = "bm3d";
/// What was found by trial on a chest slice, for few views and for many.
struct Tuning {
    /// The first σ and the last, over s.
    sigmas: [f64; 2],
    /// λ.
    lambda: f64,
    rounds: usize,
    /// Conjugate gradients in a round.
    steps: usize,
    /// Of the first image.
    start: &'static str,
    /// Of what the image leaves of the data, how much is added at most.
    returned: f32,
}

const FEW: Tuning = Tuning { sigmas: [1.2, 0.4], lambda: 0.25, rounds: 24, steps: 40, start: "tv", returned: 0.0 };
const MANY: Tuning = Tuning { sigmas: [0.5, 0.15], lambda: 0.25, rounds: 12, steps: 10, start: "pwls", returned: 0.25 };

/// What is added is at most so much of the image, both as rms: the fewer the photons, the more of it is noise.
const MOST_RETURNED: f32 = 0.015;

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Pnp(pub Options);

impl Recipe for Pnp {
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        let options = &self.0;
        options.strength.check()?;
        options.iteration.check(&scan.geometry, grid)?;
        let denoiser = named(options.denoiser.as_deref(), Weights::Ct)?;
        let tuning = if scan.geometry.views.len() < classical::MANY_VIEWS { FEW } else { MANY };
        let mut notes = Vec::new();
        let first = first(options, tuning.start, (&scan, grid), (device, monitor), &mut notes)?;
        if monitor.is_finishing() {
            return Ok(classical::finished("pnp", first, &scan, grid, notes));
        }
        let start = classical::start(options, grid, device, Some(first))?;
        let (step, gain) =
            monitor.step("plan", 1, || data(options, (&scan, grid), device, tuning.steps, &mut notes))?;
        let sigmas = tuning.sigmas.map(|sigma| sigma / gain);
        let lambda = options.strength.of(tuning.lambda);
        notes.push(remark(options.denoiser.as_deref(), lambda, sigmas));
        let denoise: Denoise = Box::new(|image, sigma, into| {
            let sigma = Sigma::Flat(sigma);
            *into = denoiser.denoise(device, &Noisy::new(image, grid.shape, &sigma)?)?;
            Ok(())
        });
        let rounds = options.iteration.count.unwrap_or(tuning.rounds);
        let schedule = falling(sigmas, lambda, rounds);
        let mut solver = Continuation::new(device, (step, denoise), start, schedule, options.bounds)?;
        let enough = Enough { change: 0.0, most: rounds };
        let (mut values, note) = options.iteration.run(&mut solver, enough, grid.shape, monitor)?;
        notes.push(note);
        if tuning.returned != 0.0 {
            if options.iteration.keep {
                // Little is left to do: the image is not given up for a wish to stop.
                monitor.finish();
            }
            match left_over(&values, (&scan, grid), (device, monitor)) {
                Ok(left) => notes.push(add(&mut values, &left, tuning.returned, options.bounds)),
                Err(Error::Geometry(why)) => {
                    notes.push(format!("nothing of what the data still say was added, as FBP could not ({why})"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(classical::finished("pnp", values, &scan, grid, notes))
    }
}

/// What FBP (Hann) makes of the data that an image does not explain.
fn left_over(
    values: &Array3<f32>,
    (scan, grid): (&Scan, &Grid),
    (device, monitor): (&Device, &Monitor),
) -> Result<Array3<f32>> {
    let xray = XRay::new(device, &scan.geometry, grid)?;
    let image = device.upload(xray.domain(), values.iter().copied().collect::<Vec<f32>>())?;
    let mut explained = device.zeros(xray.range(), Element::F32)?;
    xray.forward(&image, &mut explained)?;
    let explained: Vec<f32> = device.download(&explained)?;
    let mut left = scan.clone();
    left.projections.iter_mut().zip(&explained).for_each(|(measured, explained)| *measured -= explained);
    let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
    Ok(fbp.reconstruct(left, grid, device, monitor)?.image.values)
}

/// Adds that share of what is left over, or less, and says how much.
fn add(values: &mut Array3<f32>, left: &Array3<f32>, share: f32, Bounds { lower, upper }: Bounds) -> String {
    let size = |image: &Array3<f32>| image.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32;
    let whole = size(left) / size(values).max(f32::MIN_POSITIVE);
    let share = share.min(MOST_RETURNED / whole.max(f32::MIN_POSITIVE));
    values.zip_mut_with(left, |value, left| *value = (*value + share * left).clamp(lower, upper));
    format!("{share:.2} of what the data still say was added, {:.2} % of the image", 100.0 * share * whole)
}

/// The denoiser of that name; `weights` are those of a network.
pub(super) fn named(name: Option<&str>, weights: Weights) -> Result<Box<dyn denoisers::Denoiser>> {
    // A round asks once: the next one mends it.
    denoisers::named(name.unwrap_or(USUAL), &denoisers::Options { weights, turned: false, ..Default::default() })
}

/// What was decided.
pub(super) fn remark(name: Option<&str>, lambda: f64, [first, last]: [f64; 2]) -> String {
    format!("{}, strength λ {lambda:.3}, for noise from {first:.2e} to {last:.2e}", name.unwrap_or(USUAL))
}

/// The first image, made with what concerns pnp itself left out; the one that was given, if so.
fn first(
    options: &Options,
    method: &str,
    (scan, grid): (&Scan, &Grid),
    (device, monitor): (&Device, &Monitor),
    notes: &mut Vec<String>,
) -> Result<Array3<f32>> {
    if let Some(start) = &options.iteration.start {
        return Ok(start.clone());
    }
    let iteration = Iteration { keep: options.iteration.keep, ..Iteration::default() };
    let options = Options { strength: Strength::Auto, iteration, ..options.clone() };
    let made = super::named(method, &options)?.reconstruct(scan.clone(), grid, device, monitor)?;
    notes.extend(made.notes.into_iter().map(|note| format!("at first {method}: {note}")));
    Ok(made.image.values)
}

/// The weighted least squares of a scan, and g.
fn data(
    options: &Options,
    (scan, grid): (&Scan, &Grid),
    device: &Device,
    iterations: usize,
    notes: &mut Vec<String>,
) -> Result<(LeastSquaresStep, f64)> {
    let trust = classical::trust(scan, options.photons)?;
    notes.push(trust.note);
    let xray = XRay::new(device, &scan.geometry, grid)?;
    let range = xray.range().to_vec();
    let roots: Vec<f32> = trust.weights.iter().map(|weight| weight.sqrt()).collect();
    let lines: Vec<f32> = scan.projections.iter().zip(&roots).map(|(line, root)| line * root).collect();
    let operator = Weighted::new(device, xray, device.upload(&range, roots)?)?;
    let gain = noise::gain(&operator, device)?;
    if gain == 0.0 {
        return Err(Error::Geometry("no ray meets the grid; check its size and centre".into()));
    }
    let lines: Array = device.upload(&range, lines)?;
    let mut right = device.zeros(operator.domain(), Element::F32)?;
    operator.adjoint(&lines, &mut right)?;
    let normal = Arc::new(Normal::new(device, operator)?);
    Ok((LeastSquaresStep { device: device.clone(), normal, right, iterations }, gain))
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Pnp(options.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        geometry::{LengthUnit, Parallel},
        phantom::Phantom,
        units::AngleRange,
    };

    /// All of the data where the image is empty, and nothing where it explains them.
    #[test]
    fn what_is_left_over_is_fbp_of_what_is_not_explained() {
        let angles: AngleRange = "0..180deg".parse().unwrap();
        let geometry = Parallel {
            angles: angles.angles(60),
            columns: 50,
            rows: 1,
            cell: 1.0,
            cell_height: 1.0,
            center: None,
            unit: LengthUnit::Millimetre,
        }
        .geometry();
        let grid = Grid::centered([1, 48, 48], [1.0; 3], [0.0; 3]);
        let (device, monitor) = (Device::cpu(), Monitor::silent());
        let mut scan = Phantom::named("disk").unwrap().scan(&geometry, &monitor).unwrap();
        let left = |image: &Array3<f32>, scan: &Scan| left_over(image, (scan, &grid), (&device, &monitor)).unwrap();
        let fbp = Fbp { filter: Filter::Hann, ..Fbp::default() };
        let whole = fbp.reconstruct(scan.clone(), &grid, &device, &monitor).unwrap().image.values;
        assert_eq!(left(&Array3::zeros(grid.shape), &scan), whole);
        let xray = XRay::new(&device, &geometry, &grid).unwrap();
        let image = device.upload(xray.domain(), whole.iter().copied().collect::<Vec<f32>>()).unwrap();
        let mut lines = device.zeros(xray.range(), Element::F32).unwrap();
        xray.forward(&image, &mut lines).unwrap();
        let lines: Vec<f32> = device.download(&lines).unwrap();
        scan.projections = Array3::from_shape_vec(scan.projections.dim(), lines).unwrap();
        assert!(left(&whole, &scan).iter().all(|value| *value == 0.0));
    }

    #[test]
    fn what_is_added_is_bounded() {
        let bounds = Bounds { lower: 0.0, upper: 1.5 };
        let image = || Array3::from_shape_vec((1, 1, 4), vec![1.0_f32, 0.001, 1.499, 1.0]).unwrap();
        let left = |size: f32| Array3::from_shape_vec((1, 1, 4), vec![size, -size, size, 0.0]).unwrap();
        // A quarter of 0.016: 1.4/400 of the image.
        let mut values = image();
        let note = add(&mut values, &left(0.016), 0.25, bounds);
        assert_eq!(values.as_slice().unwrap(), [1.004, 0.0, 1.5, 1.0]);
        assert!(note.starts_with("0.25 of what") && note.contains(" 0.34 % "), "{note}");
        // Of what is large only so much that the image changes by 1.5 %.
        let mut values = image();
        let note = add(&mut values, &left(1.0), 0.25, Bounds::NONE);
        let size = |image: &Array3<f32>| image.iter().map(|value| value * value).sum::<f32>().sqrt();
        let changed = size(&(&values - &image())) / size(&image());
        assert!((changed - MOST_RETURNED).abs() < 1e-6, "{changed}");
        assert!(note.contains(" 1.50 % "), "{note}");
        // Nothing to nothing.
        let mut values = Array3::zeros((1, 1, 4));
        add(&mut values, &Array3::zeros((1, 1, 4)), 0.25, bounds);
        assert!(values.iter().all(|value| *value == 0.0));
    }
}
