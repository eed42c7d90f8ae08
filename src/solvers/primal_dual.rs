//! The preconditioned primal–dual method of Chambolle & Pock (2011), over-relaxed (Condat 2013, algorithm 3.2):
//!
//! ```text
//! x̃ = clamp(x − τ (Aᵀy + Σ Kᵀp)),  x̄ = 2x̃ − x
//! y ← y + ρ (G (A x̄ − b) − H y)
//! p ← p + ρ (P_λ(p + σ (K x̄ − c)) − p)
//! x ← x + ρ (x̃ − x)
//! ```
//!
//! with P_λ the projection onto balls of radius λ, and G and H from a positive map S of the data's space
//! ([`Metric`]). A filter S that rises with frequency as the ramp does makes AᵀSA nearly a multiple of the identity, so
//! that coarse and fine structures converge alike (a preconditioner as in Pock & Chambolle 2011; a filter as in FBP). With
//! [`Metric::Gradient`] it is the method of Condat (2013) and Vũ (2013): Aᴴ(Ax − b) stands in the place of Aᵀy.

use super::{
    Progress, Solver,
    watch::{Growth, Watch},
};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{GUARD, PrimalStep, ShrinkDual},
    monitor::Monitor,
    operators::{
        arithmetic::{add, add_columns},
        scalars::Scalars,
    },
    problem::{Fidelity, Metric, Problem, Term},
};

/// Step sizes. Convergence needs τ (‖AᵀSA‖ + Σ σ‖K‖²) ≤ 1; for [`Metric::Gradient`] with L = ‖AᴴA‖ and
/// r = 1/τ − Σ σ‖K‖², r > L/2 and ρ < 2 − L/(2r).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// τ.
    pub primal: f32,
    /// Σ σ‖K‖² over all terms, shared equally.
    pub terms: f32,
    /// ρ, 1 to 2.
    pub relaxation: f32,
}

/// The method, ready to be iterated.
pub struct PrimalDual {
    device: Device,
    problem: Problem,
    steps: Steps,
    iteration: usize,
    x: Array,
    bar: Array,
    /// Σ Kᵀp, and one of its parts.
    sum: Array,
    part: Array,
    /// A x̄ and what becomes of it.
    projected: Array,
    /// What the metric's filters make, if it has any.
    filtered: Vec<Array>,
    y: Array,
    duals: Vec<Dual>,
    /// ‖A x̄ − b‖², looked at now and then, and whether it runs away.
    square: Scalars,
    growth: Growth,
}

/// ‖A x̄ − b‖² among the scalars.
const SQUARE: usize = 1;

struct Dual {
    p: Array,
    /// K x̄.
    g: Array,
    step: f32,
}

impl PrimalDual {
    /// Starts from `start`, or from 0.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`]. Iterations report [`crate::Error::Diverged`] where steps are too long.
    ///
    /// # Panics
    /// If the problem's shapes do not fit each other, or the start's.
    #[track_caller]
    pub fn new(device: &Device, problem: Problem, start: Option<&Array>, steps: Steps) -> Result<Self> {
        problem.check();
        let zeros = |shape: &[usize]| device.zeros(shape, Element::F32);
        let (domain, range) = (problem.fidelity.operator.domain(), problem.fidelity.operator.range());
        let mut x = zeros(domain)?;
        if let Some(start) = start {
            add(device, 1.0, start, &mut x);
        }
        let dual =
            |term: &Term| Ok(Dual { p: zeros(term.operator.range())?, g: zeros(term.operator.range())?, step: 0.0 });
        let duals = problem.terms.iter().map(dual).collect::<Result<_>>()?;
        let data = &problem.fidelity.data;
        let mut square = Scalars::new(device, &[0.0], &[data])?;
        square.dot(SQUARE, data, data);
        // An empty image leaves ‖b‖²; on the way to the solution there may be some more for a while.
        let growth = Growth::above("the residual's square", 2.0 * f64::from(square.read()?[SQUARE]));
        let mut solver = Self {
            device: device.clone(),
            steps,
            iteration: 0,
            bar: zeros(domain)?,
            sum: zeros(domain)?,
            part: zeros(domain)?,
            projected: zeros(range)?,
            filtered: vec![],
            y: zeros(range)?,
            x,
            duals,
            square,
            growth,
            problem,
        };
        let metric = std::mem::replace(&mut solver.problem.fidelity.metric, Metric::Scalar(0.0));
        solver.set_steps(metric, steps)?;
        Ok(solver)
    }

    /// The problem, whose strengths and factors may be changed between iterations.
    pub fn problem_mut(&mut self) -> &mut Problem {
        &mut self.problem
    }

    /// Changes metric and step sizes between iterations.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    pub fn set_steps(&mut self, metric: Metric, steps: Steps) -> Result<()> {
        self.filtered = match &metric {
            Metric::Lines { gain, decay } => [gain, decay]
                .into_iter()
                .map(|filter| self.device.zeros(&filter.filtered_shape(), Element::F32))
                .collect::<Result<_>>()?,
            Metric::Scalar(_) | Metric::Gradient => vec![],
        };
        let share = steps.terms / self.duals.len().max(1) as f32;
        for (term, dual) in self.problem.terms.iter().zip(&mut self.duals) {
            dual.step = share / (term.norm * term.norm) as f32;
        }
        self.problem.fidelity.metric = metric;
        self.steps = steps;
        Ok(())
    }

    /// A x − b, downloaded.
    ///
    /// # Errors
    /// What goes wrong on the device.
    pub fn residuals(&mut self) -> Result<Vec<f32>> {
        let Fidelity { operator, data, .. } = &self.problem.fidelity;
        operator.forward(&self.x, &mut self.projected)?;
        add(&self.device, -1.0, data, &mut self.projected);
        self.device.download(&self.projected)
    }

    fn step(&mut self) -> Result<()> {
        let Fidelity { operator, data, metric } = &self.problem.fidelity;
        match metric {
            Metric::Gradient => {
                operator.forward(&self.x, &mut self.sum)?;
                add(&self.device, -1.0, data, &mut self.sum);
                watch((&mut self.square, &mut self.growth), self.iteration, &self.sum)?;
            }
            _ => operator.adjoint(&self.y, &mut self.sum)?,
        }
        for (term, dual) in self.problem.terms.iter().zip(&self.duals) {
            term.operator.adjoint(&dual.p, &mut self.part)?;
            add(&self.device, 1.0, &self.part, &mut self.sum);
        }
        self.primal();
        self.data()?;
        for (term, dual) in self.problem.terms.iter().zip(&mut self.duals) {
            term.operator.forward(&self.bar, &mut dual.g)?;
            if let Some(shift) = &term.shift {
                add(&self.device, -1.0, shift, &mut dual.g);
            }
            dual.shrink(&self.device, term, self.steps.relaxation);
        }
        Ok(())
    }

    fn primal(&mut self) {
        let shape = self.x.shape().to_vec();
        let (nx, channels) = (shape[shape.len() - 1], if shape.len() == 3 { shape[1] } else { 1 });
        let outputs = self.x.slabs_mut().iter_mut().zip(self.bar.slabs_mut());
        for ((x, bar), sum) in outputs.zip(self.sum.slabs()) {
            let kernel = PrimalStep {
                count: (x.lines().len() * nx * channels) as u32,
                nx: nx as u32,
                channels: channels as u32,
                step: self.steps.primal,
                lower: self.problem.bounds.lower,
                upper: self.problem.bounds.upper,
                relaxation: self.steps.relaxation,
            };
            self.device.run(&kernel, &[sum], &mut [x, bar]);
        }
    }

    fn data(&mut self) -> Result<()> {
        let Fidelity { operator, data, metric } = &self.problem.fidelity;
        if matches!(metric, Metric::Gradient) {
            return Ok(());
        }
        operator.forward(&self.bar, &mut self.projected)?;
        add(&self.device, -1.0, data, &mut self.projected);
        watch((&mut self.square, &mut self.growth), self.iteration, &self.projected)?;
        let (relaxation, columns) = (self.steps.relaxation, data.line_len());
        match metric {
            Metric::Lines { gain, decay } => {
                let [gained, decayed] = &mut self.filtered[..] else { unreachable!("two filters have two arrays") };
                gain.apply(&self.projected, gained, &Monitor::silent())?;
                decay.apply(&self.y, decayed, &Monitor::silent())?;
                add_columns(&self.device, relaxation, (gained, &mut self.y), columns, [GUARD, 0]);
                add_columns(&self.device, -relaxation, (decayed, &mut self.y), columns, [GUARD, 0]);
            }
            Metric::Scalar(step) => {
                let gain = step / (1.0 + step);
                add(&self.device, -1.0, &self.y, &mut self.projected);
                add(&self.device, relaxation * gain, &self.projected, &mut self.y);
            }
            Metric::Gradient => {}
        }
        Ok(())
    }
}

/// Looks now and then whether what is left of the data runs away.
fn watch((square, growth): (&mut Scalars, &mut Growth), iteration: usize, rest: &Array) -> Result<()> {
    if !Watch::is_due(iteration) {
        return Ok(());
    }
    square.dot(SQUARE, rest, rest);
    growth.check(iteration, f64::from(square.read()?[SQUARE]))
}

impl Dual {
    fn shrink(&mut self, device: &Device, term: &Term, relaxation: f32) {
        let &[_, width, nx] = term.operator.range() else { unreachable!("checked") };
        let Self { p, g, step } = self;
        for (p, g) in p.slabs_mut().iter_mut().zip(g.slabs()) {
            let (mut line, end) = (p.lines().start, p.lines().end);
            while line < end {
                // Without factors any array will do; the kernel does not look at it.
                let factors = term.factors.as_ref().map_or(g, |factors| factors.slab_of(line));
                let to = if term.factors.is_some() { factors.lines().end.min(end) } else { end };
                let kernel = ShrinkDual {
                    lines: (to - line) as u32,
                    first: (line - p.lines().start) as u32,
                    factors_first: (line - factors.lines().start) as u32,
                    width: width as u32,
                    nx: nx as u32,
                    weighted: u32::from(term.factors.is_some()),
                    step: *step,
                    strength: term.strength,
                    shrink: 1.0 / (1.0 + *step * term.smoothing / term.strength),
                    relaxation,
                };
                device.run(&kernel, &[g, factors], &mut [p]);
                line = to;
            }
        }
    }
}

impl Iterator for PrimalDual {
    type Item = Result<Progress>;

    fn next(&mut self) -> Option<Self::Item> {
        self.iteration += 1;
        Some(self.step().map(|()| Progress { iteration: self.iteration }))
    }
}

impl Solver for PrimalDual {
    fn solution(&self) -> &Array {
        &self.x
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
