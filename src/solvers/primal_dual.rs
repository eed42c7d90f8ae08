//! The preconditioned primal–dual method of Chambolle & Pock (2011), over-relaxed, with the data's term handled by its
//! gradient (Condat 2013, algorithm 3.2):
//!
//!     x̃ = clamp(x − τ (Aᵀy + Σ Kᵀp)),  x̄ = 2x̃ − x
//!     y ← y + ρ S (A x̄ − b − y/w)
//!     p ← p + ρ (P_λ(p + σ (K x̄ − c)) − p)
//!     x ← x + ρ (x̃ − x)
//!
//! with P_λ the projection onto balls of radius λ and S a positive map of the data's space. A line filter that rises with
//! frequency as the ramp does makes AᵀSA nearly a multiple of the identity, so that coarse and fine structures
//! converge alike (a preconditioner as in Pock & Chambolle 2011; a filter as in FBP).

use super::{Progress, Solver};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    kernels::{GUARD, PrimalStep, Residual, ShrinkDual},
    monitor::Monitor,
    operators::arithmetic::{add, add_columns},
    problem::{Fidelity, Metric, Problem, Term},
};

/// Step sizes. Convergence needs τ (‖AᵀSA‖ + Σ σ‖K‖²) ≤ 1.
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
    filtered: Option<Array>,
    y: Array,
    duals: Vec<Dual>,
}

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
    /// [`crate::Error::OutOfMemory`].
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
        let share = steps.terms / problem.terms.len().max(1) as f32;
        let dual = |term: &Term| {
            let step = share / (term.norm * term.norm) as f32;
            Ok(Dual { p: zeros(term.operator.range())?, g: zeros(term.operator.range())?, step })
        };
        let duals = problem.terms.iter().map(dual).collect::<Result<_>>()?;
        let filtered = match &problem.fidelity.metric {
            Metric::Lines(filter) => Some(zeros(&filter.filtered_shape())?),
            Metric::Scalar(_) => None,
        };
        Ok(Self {
            device: device.clone(),
            steps,
            iteration: 0,
            bar: zeros(domain)?,
            sum: zeros(domain)?,
            part: zeros(domain)?,
            projected: zeros(range)?,
            filtered,
            y: zeros(range)?,
            x,
            duals,
            problem,
        })
    }

    /// The problem, whose strengths and factors may be changed between iterations.
    pub fn problem_mut(&mut self) -> &mut Problem {
        &mut self.problem
    }

    fn step(&mut self) -> Result<()> {
        self.problem.fidelity.operator.adjoint(&self.y, &mut self.sum)?;
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
        let slabs = self.x.slabs_mut().iter_mut().zip(self.bar.slabs_mut()).zip(self.sum.slabs());
        for ((x, bar), sum) in slabs {
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
        let Fidelity { operator, data, inverse_weights, metric } = &self.problem.fidelity;
        operator.forward(&self.bar, &mut self.projected)?;
        let columns = data.line_len();
        for (index, r) in self.projected.slabs_mut().iter_mut().enumerate() {
            let weights = inverse_weights.as_ref().unwrap_or(data);
            let kernel =
                Residual { count: (r.lines().len() * columns) as u32, weighted: u32::from(inverse_weights.is_some()) };
            let inputs = [&data.slabs()[index], &self.y.slabs()[index], &weights.slabs()[index]];
            self.device.run(&kernel, &inputs, &mut [r]);
        }
        let relaxation = self.steps.relaxation;
        match (metric, &mut self.filtered) {
            (Metric::Lines(filter), Some(filtered)) => {
                filter.apply(&self.projected, filtered, &Monitor::silent())?;
                add_columns(&self.device, relaxation, (filtered, &mut self.y), columns, [GUARD, 0]);
            }
            (Metric::Lines(_), None) => unreachable!("a filter has its array"),
            (Metric::Scalar(step), _) => add(&self.device, relaxation * step, &self.projected, &mut self.y),
        }
        Ok(())
    }
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
