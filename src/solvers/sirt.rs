//! Simultaneous iterative reconstruction, x ← clamp(x + λ C Aᵀ R (b − A x)), with R and C the inverse row and column sums of
//! A (Gregor & Benson 2008); by ordered subsets of the rays, and with one view a subset: SART (Andersen & Kak 1984).
//!
//! Each subset has its own R. C is shared: the inverse of the largest of a pixel's column sums, so that no subset
//! overshoots and one image's memory serves any number of them.

use super::{Bounds, Progress, Solver, watch::Watch};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    operators::{LinearOperator, Scalars, scalars},
};

/// Some of the rays: A without negative weights, and b, of the operator's range.
pub struct Subset {
    /// A.
    pub operator: Box<dyn LinearOperator>,
    /// b.
    pub data: Array,
}

/// How the steps are taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SirtOptions {
    /// λ; converges for 0 < λ < 2.
    pub relaxation: f32,
    /// Least and largest value.
    pub bounds: Bounds,
}

impl Default for SirtOptions {
    fn default() -> Self {
        Self { relaxation: 1.0, bounds: Bounds::NON_NEGATIVE }
    }
}

/// One iteration goes through all subsets, in the order given.
pub struct Sirt {
    device: Device,
    options: SirtOptions,
    parts: Vec<Part>,
    /// C.
    inverse_columns: Array,
    x: Array,
    /// Aᵀ R (b − A x), then the next image.
    back: Array,
    scalars: Scalars,
    watch: Watch,
    iteration: usize,
}

struct Part {
    subset: Subset,
    /// R.
    inverse_rows: Array,
    lines: Array,
}

/// Index of the residual's square among the scalars.
const RESIDUAL: usize = 1;

impl Sirt {
    /// Prepares the iteration from `start`: one projection and one backprojection of each subset.
    ///
    /// # Errors
    /// [`Error::Option`] for a relaxation that is not above 0, [`Error::Scan`] if no ray meets the image, those of the
    /// operators.
    ///
    /// # Panics
    /// Without subsets, or with shapes that do not fit.
    #[track_caller]
    pub fn new(device: &Device, subsets: Vec<Subset>, start: Array, options: SirtOptions) -> Result<Self> {
        if !(options.relaxation > 0.0 && options.relaxation.is_finite()) {
            return Err(Error::Option(format!("a relaxation of {}: give one above 0, below 2", options.relaxation)));
        }
        for Subset { operator, data } in &subsets {
            assert_eq!(operator.domain(), start.shape(), "a subset's image");
            assert_eq!(operator.range(), data.shape(), "a subset's lines");
        }
        let (parts, inverse_columns) = sums(device, subsets, start.shape())?;
        let like: Vec<&Array> = parts.iter().map(|part| &part.lines).collect();
        let mut scalars = Scalars::new(device, &[0.0], &like)?;
        let watch = Watch::new("the residual's square", empty_residual(device, &parts[0], &mut scalars)?);
        let back = device.zeros(start.shape(), Element::F32)?;
        let device = device.clone();
        Ok(Self { device, options, parts, inverse_columns, x: start, back, scalars, watch, iteration: 0 })
    }

    /// The image, for methods that change it between iterations.
    pub fn solution_mut(&mut self) -> &mut Array {
        &mut self.x
    }

    /// Multiplies the relaxation by `factor`.
    pub fn relax(&mut self, factor: f32) {
        self.options.relaxation *= factor;
    }

    fn iterate(&mut self) -> Result<()> {
        let Bounds { lower, upper } = self.options.bounds;
        for (index, Part { subset, inverse_rows, lines }) in self.parts.iter_mut().enumerate() {
            subset.operator.forward(&self.x, lines)?;
            scalars::weigh(&self.device, 1.0, &subset.data, inverse_rows, lines);
            if index == 0 && Watch::is_due(self.iteration) {
                self.scalars.dot(RESIDUAL, lines, lines);
                self.watch.check(self.iteration, f64::from(self.scalars.read()?[RESIDUAL]))?;
            }
            subset.operator.adjoint(lines, &mut self.back)?;
            let step = (self.options.relaxation, &self.x, &self.inverse_columns);
            scalars::update(&self.device, step, [lower, upper], &mut self.back);
            std::mem::swap(&mut self.x, &mut self.back);
        }
        self.iteration += 1;
        Ok(())
    }
}

/// Each subset's R, and C of all.
fn sums(device: &Device, subsets: Vec<Subset>, domain: &[usize]) -> Result<(Vec<Part>, Array)> {
    let ones = |shape: &[usize]| device.upload(shape, vec![1.0_f32; shape.iter().product()]);
    let (image, mut back) = (ones(domain)?, device.zeros(domain, Element::F32)?);
    let mut columns = vec![0.0_f32; domain.iter().product()];
    let mut parts = Vec::with_capacity(subsets.len());
    for subset in subsets {
        let range = subset.operator.range();
        let mut lines = device.zeros(range, Element::F32)?;
        subset.operator.forward(&image, &mut lines)?;
        let inverse_rows = device.upload(range, inverses(device.download(&lines)?))?;
        subset.operator.adjoint(&ones(range)?, &mut back)?;
        columns.iter_mut().zip(device.download::<f32>(&back)?).for_each(|(most, sum)| *most = most.max(sum));
        parts.push(Part { subset, inverse_rows, lines });
    }
    if columns.iter().all(|sum| *sum <= 0.0) {
        return Err(Error::Scan("no ray meets the image; check the geometry's centre and the grid".into()));
    }
    Ok((parts, device.upload(domain, inverses(columns))?))
}

/// 1/x; 0 for rays that miss the image, and pixels that no ray meets.
fn inverses(mut sums: Vec<f32>) -> Vec<f32> {
    // Far below any weight that is more than rounding.
    let least = 1e-6 * sums.iter().fold(0.0, |most: f32, sum| most.max(*sum));
    sums.iter_mut().for_each(|sum| *sum = if *sum > least { 1.0 / *sum } else { 0.0 });
    sums
}

/// ‖R b‖²: what an empty image leaves.
fn empty_residual(device: &Device, part: &Part, scalars: &mut Scalars) -> Result<f64> {
    let mut lines = device.zeros(part.lines.shape(), Element::F32)?;
    scalars::weigh(device, 1.0, &part.subset.data, &part.inverse_rows, &mut lines);
    scalars.dot(RESIDUAL, &lines, &lines);
    Ok(f64::from(scalars.read()?[RESIDUAL]))
}

impl Iterator for Sirt {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl Solver for Sirt {
    fn solution(&self) -> &Array {
        &self.x
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
