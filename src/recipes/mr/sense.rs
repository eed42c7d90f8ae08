//! SENSE: ½‖Ax − b‖² + ½λ‖x‖² by conjugate gradients (Pruessmann, Weiger, Börnert & Boesiger 2001), A the coils' encoding.
//!
//! λ = STRENGTH·σ²/s²/√r, as a Wiener filter takes σ²/s² for a white image of mean square s² a pixel: with σ from what the
//! image of a few undamped iterations leaves unexplained, and s² and its roughness r, the mean square of its differences over s²,
//! from that image itself: noise that is amplified lies in high frequencies in the main, where smooth images hold little.

use std::sync::Arc;

use super::{
    MrOptions, MrRecipe, MrReconstruction,
    encoding::{self, Encoded},
    frames,
};
use crate::{
    device::{Device, Element},
    error::Result,
    monitor::Monitor,
    recipes::{Strength, iteration::Enough},
    scan::KSpace,
    solvers::{LinearSystem, Solver},
};

/// λ over σ²/s²/√r; by trial on a head and a phantom, R = 4 and 5, three samplings.
const STRENGTH: f64 = 3.3;
/// Iterations of the trial without damping.
const TRIAL: usize = 5;
/// When an image has settled.
const ENOUGH: Enough = Enough { change: 5e-3, most: 30 };

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct SenseRecipe(pub MrOptions);

impl MrRecipe for SenseRecipe {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        frames::each_frame_of_sets(("sense", &self.0), scan, (device, monitor), |encoded| {
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
                    let (size, roughness) = size_and_roughness(&device.download(trial.solution())?, encoded);
                    let white = (encoded.deviation(unexplained) / size.max(f64::MIN_POSITIVE)).powi(2);
                    strength.of(STRENGTH * white / roughness.sqrt())
                }
            };
            let [nz, ny, nx] = encoded.matrix;
            let iteration = frames::iteration(&self.0, encoded.matrix);
            let shape = [nz, ny, 2 * encoded.sets * nx];
            let (values, note) = iteration.run(&mut solver(damping)?, ENOUGH, shape, monitor)?;
            let notes = vec![format!("strength λ {damping:.3e} of ‖AᴴA‖"), note];
            Ok((encoding::combined(values.as_slice().unwrap_or_default(), encoded), notes))
        })
    }
}

/// The rms of planar lines, and the mean square of their differences along x and y (half of each) over its square.
fn size_and_roughness(values: &[f32], encoded: &Encoded) -> (f64, f64) {
    let [_, ny, nx] = encoded.matrix;
    let width = 2 * encoded.sets * nx;
    let square = |sum: f64, value: f32| sum + f64::from(value).powi(2);
    let energy = values.iter().copied().fold(0.0, square);
    let along_x = values.chunks_exact(nx).flat_map(|row| row.windows(2).map(|pair| pair[1] - pair[0]));
    let along_y = values
        .chunks_exact(width * ny)
        .flat_map(|slice| slice[width..].iter().zip(&slice[..slice.len() - width]).map(|(below, above)| below - above));
    let differences = 0.5 * (along_x.fold(0.0, square) + along_y.fold(0.0, square));
    let size = (energy / values.len().max(1) as f64).sqrt();
    (size, (differences / energy.max(f64::MIN_POSITIVE)).max(1e-6))
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(SenseRecipe(options.clone()))
}
