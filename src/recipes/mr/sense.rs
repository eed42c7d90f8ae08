//! SENSE: ½‖Ax − b‖² + ½λ‖x‖² by conjugate gradients (Pruessmann, Weiger, Börnert & Boesiger 2001), A the coils' encoding.
//!
//! λ = STRENGTH·σ²/s², as a Wiener filter takes it for an image of mean square s² a pixel: with σ from what the image of
//! zero damping leaves unexplained, and s² from that image itself.

use std::sync::Arc;

use super::{MrOptions, MrRecipe, MrReconstruction, encoding, frames};
use crate::{
    device::{Device, Element},
    error::Result,
    monitor::Monitor,
    recipes::{Strength, iteration::Enough},
    scan::KSpace,
    solvers::{LinearSystem, Solver},
};

/// λ over σ²/s²; by trial on heads and phantoms, R = 4 and 5.
const STRENGTH: f64 = 13.0;
/// Iterations of the trial without damping.
const TRIAL: usize = 5;
/// When an image has settled.
const ENOUGH: Enough = Enough { change: 5e-3, most: 30 };

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct SenseRecipe(pub MrOptions);

impl MrRecipe for SenseRecipe {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        frames::each_frame(("sense", &self.0), scan, (device, monitor), |encoded| {
            let zeros = || device.zeros(encoded.normal.domain(), Element::F32);
            let solver = |damping: f64| {
                let right = encoded.right(device)?;
                LinearSystem::new(device, Arc::clone(&encoded.normal), right, zeros()?, damping as f32)
            };
            let damping = match self.0.strength {
                Strength::Fixed(damping) => damping,
                strength => {
                    let mut trial = solver(0.0)?;
                    for _ in 0..TRIAL {
                        trial.next().expect("solvers never end")?;
                    }
                    let unexplained = encoded.equations(device)?.residual(trial.solution())?;
                    let size = crate::recipes::noise::rms_of(device, trial.solution())?;
                    strength.of(STRENGTH * (encoded.deviation(unexplained) / size.max(f64::MIN_POSITIVE)).powi(2))
                }
            };
            let [nz, ny, nx] = encoded.matrix;
            let iteration = frames::iteration(&self.0, encoded.matrix);
            let shape = [nz, ny, 2 * encoded.sets * nx];
            let (values, note) = iteration.run(&mut solver(damping)?, ENOUGH, shape, monitor)?;
            let notes = vec![format!("strength λ {damping:.3e} of ‖AᴴA‖"), note];
            Ok((encoding::image(values.as_slice().unwrap_or_default(), encoded.matrix), notes))
        })
    }
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(SenseRecipe(options.clone()))
}
