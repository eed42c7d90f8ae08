//! What sirt, sart, cgls and pwls share: rays with data and variances, the first image, and when the data are explained.

use ndarray::Array3;

use super::{Reconstruction, options::Options};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    functionals::{DataTerm, LeastSquares},
    geometry::Grid,
    image::{Image, Quantity},
    operators::{LinearOperator, XRay},
    scan::{NoiseLaw, Scan},
    solvers::{Progress, Solver},
};

/// How far pixels can explain an object with edges, of the largest line integral: the rms difference between the exact scan of
/// the Toft phantom and the projections of its 512² raster, 30 views.
const MODEL: f64 = 1.5e-3;

/// Line integrals that no scanner measures.
const NO_PHOTON: f32 = 100.0;
/// Where pixels' errors are a tenth of the rays' variance, these are known too badly to tell rays apart by them: total
/// variation from 30 views of the Toft phantom loses 0.8 dB by weights at 10⁵ photons, below this ratio.
const CLEARLY: f64 = 10.0;
/// And below this ratio the noise is not worth a word.
const NEXT_TO_NOTHING: f64 = 1e-2;

/// Some views of a scan: their operator, and their lines.
pub fn rays(scan: &Scan, views: &[usize], grid: &Grid, device: &Device) -> Result<(XRay, Array)> {
    let operator = XRay::of_views(device, &scan.geometry, views, grid)?;
    let data = device.upload(operator.range(), of_views(scan.projections.as_slice(), scan, views))?;
    Ok((operator, data))
}

/// The numbers of some views, from those of all, in C order.
pub fn of_views(numbers: Option<&[f32]>, scan: &Scan, views: &[usize]) -> Vec<f32> {
    let (numbers, size) = (numbers.unwrap_or_default(), scan.geometry.rows * scan.geometry.columns);
    views.iter().flat_map(|view| &numbers[view * size..(view + 1) * size]).copied().collect()
}

/// What the numbers of a scan are worth.
pub struct Trust {
    /// 1/variance of every ray, in the order of the projections: the data's noise and what pixels add.
    pub weights: Vec<f32>,
    /// The weight of the typical ray through the object times the number of views, in the unit in which the noise follows the line
    /// integrals as photons make it, e^p; where it does not, that of the typical ray.
    pub information: f64,
    /// The noise by which rays differ: that of the photons given, or as the data tell where it makes at least [`CLEARLY`] times
    /// the variance that pixels do.
    pub noise: Option<NoiseLaw>,
    /// The median of the rays through the object.
    pub typical: f32,
    /// For the report.
    pub note: String,
}

/// Weighs the rays by the noise that the data carry, or by the photons in the open beam if these are given. All weigh the same
/// where the noise does not follow the line integrals.
pub fn trust(scan: &Scan, photons: Option<f64>) -> Result<Trust> {
    let largest = scan.projections.iter().fold(0.0_f32, |most, value| most.max(*value));
    if largest <= 0.0 {
        return Err(Error::Scan("no line integral is above 0: there is nothing to reconstruct".into()));
    }
    let noise = match photons {
        Some(_) if largest > NO_PHOTON => {
            return Err(Error::Scan(format!(
                "line integrals up to {largest:.3e} would let no photon through, so that --photons cannot tell what rays are \
                 worth; leave it out where the numbers are no attenuation"
            )));
        }
        Some(photons) if photons > 0.0 && photons.is_finite() => NoiseLaw::of_photons(photons),
        Some(photons) => return Err(Error::Option(format!("{photons} photons: give a number above 0"))),
        None => NoiseLaw::of(&scan.projections).unwrap_or(NoiseLaw { open: 0.0, growth: 0.0 }),
    };
    let mut through: Vec<f32> = scan.projections.iter().copied().filter(|value| *value > 0.1 * largest).collect();
    let middle = through.len() / 2;
    let typical = *through.select_nth_unstable_by(middle, f32::total_cmp).1;
    let model = (MODEL * f64::from(largest)).powi(2);
    let variance = |value: f32| noise.variance(value) + model;
    let note = match photons {
        Some(photons) => format!("weights: {photons:.3e} photons per ray in the open beam, as given"),
        None if noise.variance(typical) < NEXT_TO_NOTHING * model => {
            format!("weights: no noise to speak of; pixels explain the data to {MODEL} of the largest")
        }
        None => format!(
            "weights: by the noise in the data, σ {:.2e} in a typical ray of {typical:.2e}, {:.2e} in one of nothing",
            noise.variance(typical).sqrt(),
            noise.open.sqrt()
        ),
    };
    let weights = scan.projections.iter().map(|value| (1.0 / variance(*value)) as f32).collect();
    let unit = f64::from(typical).min(1.0 / noise.growth);
    let information = unit * unit / variance(typical) * scan.geometry.views.len() as f64;
    let clear = photons.is_some() || noise.variance(typical) > CLEARLY * model;
    Ok(Trust { weights, information, noise: Some(noise).filter(|_| clear), typical, note })
}

/// The first image: the one asked for, else that of `usual`, else an empty one.
pub fn start(options: &Options, grid: &Grid, device: &Device, usual: Option<Array3<f32>>) -> Result<Array> {
    let shape = [grid.shape[0] * grid.shape[1], grid.shape[2]];
    let bounds = options.bounds;
    match options.iteration.start.as_ref().or(usual.as_ref()) {
        Some(image) => {
            let values: Vec<f32> = image.iter().map(|value| value.clamp(bounds.lower, bounds.upper)).collect();
            device.upload(&shape, values)
        }
        None => device.zeros(&shape, Element::F32),
    }
}

/// The image with its facts.
pub fn finished(name: &str, values: Array3<f32>, scan: &Scan, grid: &Grid, notes: Vec<String>) -> Reconstruction {
    let unit = scan.geometry.unit;
    let provenance = super::provenance(name);
    let image = Image { values, grid: *grid, unit, quantity: Quantity::Attenuation(unit), provenance };
    Reconstruction { image, notes }
}

/// Safety of the discrepancy principle: a little above 1, or an underrated noise would be fitted (Hansen 2010, §5.2).
const SAFETY: f64 = 1.05;

/// A solver that rests once the data are explained to within their noise: Σ (Ax − b)²/σ² ≤ SAFETY · the number of rays (the
/// discrepancy principle, Morozov 1966), or, where pixels cannot do that, at the iteration that a trial found best or once the sum
/// hardly falls any more. What would follow fits noise.
pub struct Resting<S> {
    solver: S,
    operator: XRay,
    term: LeastSquares,
    lines: Array,
    rays: f64,
    every: usize,
    /// Below what fall of the sum from look to look it rests.
    least_fall: f64,
    /// The iteration that explains views best which a trial was not shown.
    best: Option<usize>,
    sum: f64,
    last: Option<Progress>,
    rests: Option<&'static str>,
}

impl<S: Solver> Resting<S> {
    /// Looks at the data every so many iterations.
    pub fn new(solver: S, (scan, grid): (&Scan, &Grid), weights: Vec<f32>, every: usize) -> Result<Self> {
        let device = solver.device().clone();
        let operator = XRay::new(&device, &scan.geometry, grid)?;
        let data = scan.projections.iter().copied().collect();
        let term = LeastSquares::new(&device, operator.range(), data, weights)?;
        let lines = device.zeros(operator.range(), Element::F32)?;
        let rays = scan.projections.len() as f64;
        let least_fall = f64::NEG_INFINITY;
        let (best, sum) = (None, f64::INFINITY);
        Ok(Self { solver, operator, term, lines, rays, every, least_fall, best, sum, last: None, rests: None })
    }

    /// Rests, too, at the iteration that a trial found best.
    pub fn at(self, best: Option<usize>) -> Self {
        Self { best, ..self }
    }

    /// Rests, too, once the sum falls by less than this part of itself from look to look.
    pub fn unless_it_falls(self, least_fall: Option<f64>) -> Self {
        Self { least_fall: least_fall.unwrap_or(f64::NEG_INFINITY), ..self }
    }

    /// What came of it.
    pub fn note(&self) -> String {
        match (self.last, self.rests) {
            (Some(Progress { iteration }), Some(why)) => {
                format!("after {iteration} iterations {why}: no more were done")
            }
            _ => "the data are not yet explained to within their noise".into(),
        }
    }

    fn step(&mut self) -> Option<Result<Progress>> {
        let progress = match self.solver.next()? {
            Ok(progress) => progress,
            Err(error) => return Some(Err(error)),
        };
        self.last = Some(progress);
        if self.best.is_some_and(|best| progress.iteration >= best) {
            self.rests = Some("views left out of a trial were explained best");
        } else if progress.iteration.is_multiple_of(self.every) {
            let Self { solver, operator, term, lines, .. } = self;
            match operator.forward(solver.solution(), lines).and_then(|()| term.value(lines)) {
                Ok(half) => {
                    let before = std::mem::replace(&mut self.sum, 2.0 * half);
                    if self.sum <= SAFETY * self.rays {
                        self.rests = Some("the data are explained to within their noise");
                    } else if self.sum > (1.0 - self.least_fall) * before {
                        self.rests = Some("the misfit hardly falls any more");
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(progress))
    }
}

impl<S: Solver> Iterator for Resting<S> {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.last {
            Some(last) if self.rests.is_some() => Some(Ok(last)),
            _ => self.step(),
        }
    }
}

impl<S: Solver> Solver for Resting<S> {
    fn solution(&self) -> &Array {
        self.solver.solution()
    }

    fn device(&self) -> &Device {
        self.solver.device()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        geometry::{LengthUnit, Parallel},
        scan::noise::Noise,
    };

    /// A disk whose longest rays are attenuated by e⁻³.
    #[test]
    fn rays_differ_by_photons_where_these_are_given_or_dominate() {
        let angles = (0..60).map(|view| f64::from(view) * 0.05).collect();
        let unit = LengthUnit::Millimetre;
        let scanner = Parallel { angles, columns: 400, rows: 1, cell: 1.0, cell_height: 1.0, center: None, unit };
        let chord = |(_, _, column)| 3.0 * (1.0 - ((column as f32 - 199.5) / 150.0).powi(2)).max(0.0).sqrt();
        let scan = Scan::new(Array3::from_shape_fn((60, 1, 400), chord), scanner.geometry()).unwrap();
        let told = |given: Option<f64>, photons: Option<f64>| {
            let mut scan = scan.clone();
            if let Some(photons) = photons {
                Noise { photons, seed: 5, electronic: 0.0 }.apply(&mut scan).unwrap();
            }
            trust(&scan, given).unwrap().noise.map(|noise| 2.6_f64.exp() / noise.variance(2.6))
        };
        assert_eq!(told(None, None), None, "nothing to tell");
        // Variances: e^2.6/10⁶ by photons, (0.0015 · 3)² by pixels, which is more.
        assert_eq!(told(None, Some(1e6)), None, "pixels dominate");
        let found = told(None, Some(4e3)).unwrap();
        assert!((found / 4e3 - 1.0).abs() < 0.15, "{found:.3e}");
        let given = told(Some(1e6), Some(1e6)).unwrap();
        assert!((given / 1e6 - 1.0).abs() < 1e-6, "given, {given:e}");
    }
}
