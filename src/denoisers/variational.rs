//! What tv and tgv share: ½‖x − y‖² + λ·R(x) minimised by the primal–dual method, with λ a multiple of σ (Rudin, Osher & Fatemi
//! 1992). Where σ varies, so does λ.

use super::{Noisy, Sigma};
use crate::{
    device::{Array, Device, Element},
    error::Result,
    operators::{
        LinearOperator, WithinFirstChannels,
        arithmetic::{add, add_columns, fill},
    },
    problem::{Bounds, Fidelity, Metric, Problem, Term},
    solvers::{PrimalDual, primal_dual::Steps},
};

/// Iterations: λ·R changes by less than 1 in 1000 then.
const ITERATIONS: usize = 100;
/// Σ σ‖K‖² of the method; the data's term has the Lipschitz constant 1.
const TERMS: f32 = 2.0;
const RELAXATION: f32 = 1.45;

/// x ↦ x.
struct Identity {
    device: Device,
    shape: Vec<usize>,
}

impl LinearOperator for Identity {
    fn domain(&self) -> &[usize] {
        &self.shape
    }

    fn range(&self) -> &[usize] {
        &self.shape
    }

    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        fill(&self.device, 0.0, y);
        add(&self.device, 1.0, x, y);
        Ok(())
    }

    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

/// The minimiser, with the terms that `terms` makes for slices and λ = `strength` · σ; `channels` is 3 where a vector field
/// goes
/// with the image.
pub fn minimise(
    (device, noisy): (&Device, &Noisy),
    (channels, strength): (usize, f32),
    terms: impl Fn([usize; 3], f32) -> Vec<Term>,
) -> Result<Array> {
    let [nz, ny, nx] = noisy.slices;
    let lines = nz * ny;
    let typical = noisy.typical(device)?;
    let identity = |shape: Vec<usize>| Identity { device: device.clone(), shape };
    let mut data =
        device.zeros(&if channels == 1 { vec![lines, nx] } else { vec![lines, channels, nx] }, Element::F32)?;
    add_columns(device, 1.0, (noisy.image, &mut data), nx, [0, 0]);
    let operator: Box<dyn LinearOperator> = match channels {
        1 => Box::new(identity(vec![lines, nx])),
        _ => Box::new(WithinFirstChannels::new(device, identity(vec![lines, 1, nx]), channels)?),
    };
    let mut terms = terms(noisy.slices, strength * typical);
    if let Sigma::Map(map) = noisy.sigma {
        let factors: Vec<f32> = device.download::<f32>(map)?.into_iter().map(|sigma| sigma / typical).collect();
        for term in &mut terms {
            term.factors = Some(device.upload(&[lines, nx], &factors[..])?);
        }
    }
    let mut start = device.zeros(data.shape(), Element::F32)?;
    add(device, 1.0, &data, &mut start);
    let problem =
        Problem { fidelity: Fidelity { operator, data, metric: Metric::Gradient }, terms, bounds: Bounds::NONE };
    let steps = Steps { primal: 1.0 / (1.0 + TERMS), terms: TERMS, relaxation: RELAXATION };
    let mut solver = PrimalDual::new(device, problem, Some(&start), steps)?;
    solver.set_steps(Metric::Gradient, steps)?;
    for _ in 0..ITERATIONS {
        solver.next().expect("solvers never end")?;
    }
    let mut found = device.zeros(noisy.image.shape(), Element::F32)?;
    add_columns(device, 1.0, (crate::solvers::Solver::solution(&solver), &mut found), nx, [0, 0]);
    Ok(found)
}
