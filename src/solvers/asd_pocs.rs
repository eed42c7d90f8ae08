//! Adaptive steepest descent with projections onto convex sets (Sidky & Pan 2008): a sweep of SART within bounds, then a few
//! steps down the total variation, which may undo no more than a part of what the sweep did.
//!
//! The descent's steps are shares of the sweep's own change d_p: α d_p at first, and shorter by α_red whenever the descent
//! moved the image further than r_max d_p. Three scalars a sweep are read back.

use super::{Progress, Sirt, Solver};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::ShrinkDual,
    operators::{
        FiniteDifferences, LinearOperator, Scalars,
        arithmetic::{add, fill},
    },
};

/// The paper's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// Steps after each sweep.
    pub steps: usize,
    /// α.
    pub share: f64,
    /// α_red.
    pub reduction: f64,
    /// r_max.
    pub most: f64,
    /// By what the sweep's relaxation shrinks each time.
    pub relaxation: f32,
    /// Gradients below this part of the largest value count as nearly flat: their direction is not taken at full length.
    pub flat: f32,
}

impl Default for Descent {
    fn default() -> Self {
        Self { steps: 20, share: 0.2, reduction: 0.95, most: 0.95, relaxation: 0.995, flat: 1e-3 }
    }
}

/// One iteration is a sweep and a descent.
pub struct AsdPocs {
    sweep: Sirt,
    descent: Descent,
    gradient: FiniteDifferences,
    /// ∇x, its directions, and the total variation's gradient.
    slopes: Array,
    directions: Array,
    down: Array,
    before: Array,
    scalars: Scalars,
    /// Length of the descent's first step; none before the first sweep.
    length: Option<f64>,
    contrast: f32,
}

/// −‖x − before‖², and ‖down‖², among the scalars.
const MOVED: usize = 1;
const STEEP: usize = 2;

impl AsdPocs {
    /// Over slices `[nz, ny, nx]`; `contrast` is roughly the largest value of the image.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the sweep is over other slices.
    pub fn new(sweep: Sirt, slices: [usize; 3], contrast: f32, descent: Descent) -> Result<Self> {
        let device = sweep.device().clone();
        let gradient = FiniteDifferences::new(&device, slices);
        assert_eq!(gradient.domain(), sweep.solution().shape(), "slices");
        let zeros = |shape: &[usize]| device.zeros(shape, Element::F32);
        let scalars = Scalars::new(&device, &[0.0, 0.0], &[sweep.solution()])?;
        Ok(Self {
            slopes: zeros(gradient.range())?,
            directions: zeros(gradient.range())?,
            down: zeros(gradient.domain())?,
            before: zeros(gradient.domain())?,
            sweep,
            descent,
            gradient,
            scalars,
            length: None,
            contrast,
        })
    }

    fn remember(&mut self) {
        fill(self.sweep.device(), 0.0, &mut self.before);
        add(self.sweep.device(), 1.0, self.sweep.solution(), &mut self.before);
    }

    /// How far x is from what was remembered.
    fn moved(&mut self) -> Result<f64> {
        self.scalars.dot_of_differences(MOVED, self.sweep.solution(), &self.before, self.sweep.solution());
        Ok(f64::from(-self.scalars.read()?[MOVED]).max(0.0).sqrt())
    }

    fn iterate(&mut self) -> Result<Progress> {
        self.remember();
        let progress = self.sweep.next().expect("solvers never end")?;
        let swept = self.moved()?;
        let length = *self.length.get_or_insert(self.descent.share * swept);
        self.remember();
        let mut step = None;
        for _ in 0..self.descent.steps {
            self.point_down()?;
            // The gradient's norm changes little on so short a way: it is read once.
            let step = match step {
                Some(step) => step,
                None => {
                    self.scalars.dot(STEEP, &self.down, &self.down);
                    let norm = f64::from(self.scalars.read()?[STEEP]).sqrt();
                    *step.insert(if norm > 0.0 { (length / norm) as f32 } else { 0.0 })
                }
            };
            let device = self.sweep.device().clone();
            add(&device, -step, &self.down, self.sweep.solution_mut());
        }
        if self.moved()? > self.descent.most * swept {
            self.length = Some(length * self.descent.reduction);
        }
        self.sweep.relax(self.descent.relaxation);
        Ok(progress)
    }

    /// down ← ∇ᵀ(∇x/|∇x|), the gradients' lengths being at least `flat` of the contrast.
    fn point_down(&mut self) -> Result<()> {
        let &[_, width, nx] = self.gradient.range() else { unreachable!("gradients are [lines, 2, nx]") };
        self.gradient.forward(self.sweep.solution(), &mut self.slopes)?;
        let device = self.sweep.device();
        fill(device, 0.0, &mut self.directions);
        for (directions, slopes) in self.directions.slabs_mut().iter_mut().zip(self.slopes.slabs()) {
            let kernel = ShrinkDual {
                lines: directions.lines().len() as u32,
                first: 0,
                factors_first: 0,
                width: width as u32,
                nx: nx as u32,
                weighted: 0,
                step: 1.0 / (self.descent.flat * self.contrast),
                strength: 1.0,
                shrink: 1.0,
                relaxation: 1.0,
            };
            device.run(&kernel, &[slopes, slopes], &mut [directions]);
        }
        self.gradient.adjoint(&self.directions, &mut self.down)
    }
}

impl Iterator for AsdPocs {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.iterate())
    }
}

impl Solver for AsdPocs {
    fn solution(&self) -> &Array {
        self.sweep.solution()
    }

    fn device(&self) -> &Device {
        self.sweep.device()
    }
}
