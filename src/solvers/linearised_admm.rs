//! Linearised alternating directions: lowers Σ f(K x) over terms, within bounds (Parikh & Boyd 2014, §4.4.2): with all K
//! stacked, x ← clamp(x − τ Kᵀ(K x − z + u)), z ← prox of σ f at K x + u, u ← u + K x − z; τ·‖K‖² ≤ 1.

use super::{
    Bounds, Progress, Solver,
    watch::{Growth, Watch},
};
use crate::{
    device::{Array, Device, Element},
    error::{Error, Result},
    functionals::Proximal,
    operators::{Factor, LinearOperator, Scalars, scalars},
};

/// f(K x): K and f's proximal map.
pub struct SplitTerm {
    /// K.
    pub operator: Box<dyn LinearOperator>,
    /// f.
    pub functional: Box<dyn Proximal>,
}

/// Step lengths and bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdmmOptions {
    /// σ > 0: any converges; how fast depends on the scale of the terms.
    pub penalty: f32,
    /// τ, at most 1/‖K‖² of all operators together.
    pub step: f32,
    /// Least and largest value.
    pub bounds: Bounds,
}

/// One iteration applies every operator and every adjoint once.
pub struct LinearisedAdmm {
    device: Device,
    options: AdmmOptions,
    splits: Vec<Split>,
    x: Array,
    gradient: Array,
    part: Array,
    ones: Array,
    scalars: Scalars,
    growth: Growth,
    iteration: usize,
}

/// A term with its variables.
struct Split {
    term: SplitTerm,
    /// K x, then K x − z + u.
    kx: Array,
    z: Array,
    u: Array,
}

const ONE: Factor = Factor::constant(1.0);
const NONE: Factor = Factor::constant(0.0);
/// Index of Σ ‖K x − z‖² among the scalars.
const APART: usize = 1;

impl LinearisedAdmm {
    /// Prepares the iteration from `start`.
    ///
    /// # Errors
    /// [`Error::Option`] for steps that are not above 0; those of the operators.
    ///
    /// # Panics
    /// Without terms, or if the shapes do not fit.
    #[track_caller]
    pub fn new(device: &Device, terms: Vec<SplitTerm>, start: Array, options: AdmmOptions) -> Result<Self> {
        for (what, value) in [("penalty", options.penalty), ("step", options.step)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::Option(format!("a {what} of {value}: give one above 0")));
            }
        }
        assert!(!terms.is_empty(), "nothing to minimise");
        let zeros = |shape: &[usize]| device.zeros(shape, Element::F32);
        let mut splits = Vec::with_capacity(terms.len());
        for term in terms {
            assert_eq!(term.operator.domain(), start.shape(), "a term's image");
            let range = term.operator.range();
            let (kx, z, u) = (zeros(range)?, zeros(range)?, zeros(range)?);
            splits.push(Split { term, kx, z, u });
        }
        let like: Vec<&Array> = splits.iter().map(|split| &split.kx).collect();
        let scalars = Scalars::new(device, &[0.0], &like)?;
        let (gradient, part) = (zeros(start.shape())?, zeros(start.shape())?);
        let ones = device.upload(start.shape(), vec![1.0_f32; start.shape().iter().product()])?;
        let (device, growth) = (device.clone(), Growth::new("the splits' distance from the image"));
        let mut admm = Self { device, options, splits, x: start, gradient, part, ones, scalars, growth, iteration: 0 };
        admm.split(false)?;
        Ok(admm)
    }

    fn iterate(&mut self) -> Result<()> {
        let Self { device, options, splits, x, gradient, part, scalars, .. } = self;
        for (index, Split { term, kx, .. }) in splits.iter().enumerate() {
            term.operator.adjoint(kx, part)?;
            let keep = if index == 0 { NONE } else { ONE };
            scalars.blend(ONE, part, keep, gradient);
        }
        let Bounds { lower, upper } = options.bounds;
        scalars::update(device, (-options.step, x, &self.ones), [lower, upper], gradient);
        std::mem::swap(x, gradient);
        self.iteration += 1;
        let due = Watch::is_due(self.iteration);
        self.split(due)?;
        if due { self.growth.check(self.iteration, f64::from(self.scalars.read()?[APART])) } else { Ok(()) }
    }

    /// z, u and K x − z + u for the image as it is; `measured`: also how far z and K x are apart.
    fn split(&mut self, measured: bool) -> Result<()> {
        let Self { options, splits, x, scalars, .. } = self;
        for (index, Split { term, kx, z, u }) in splits.iter_mut().enumerate() {
            term.operator.forward(x, kx)?;
            scalars.blend(ONE, kx, ONE, u);
            scalars.blend(ONE, u, NONE, z);
            term.functional.prox(options.penalty, z)?;
            scalars.blend(ONE.negative(), z, ONE, u);
            scalars.blend(ONE.negative(), z, ONE, kx);
            match (measured, index) {
                (true, 0) => scalars.dot(APART, kx, kx),
                (true, _) => scalars.add_dot(APART, 1.0, kx, kx),
                _ => {}
            }
            scalars.blend(ONE, u, ONE, kx);
        }
        Ok(())
    }
}

impl Iterator for LinearisedAdmm {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate().map(|()| Progress { iteration: self.iteration }))
    }
}

impl Solver for LinearisedAdmm {
    fn solution(&self) -> &Array {
        &self.x
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
