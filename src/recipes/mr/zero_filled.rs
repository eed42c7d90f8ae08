//! No prior at all: the inverse transform of what was sampled, coil by coil, then combined. Along a trajectory it is gridding,
//! the adjoint transform with density compensation (O'Sullivan 1985; Pipe & Menon 1999).

use ndarray::{Array4, ArrayView4, Axis};
use num_complex::Complex32;

use super::{MrOptions, MrRecipe, MrReconstruction, coil_images, encoding::TOLERANCE};
use crate::{
    calibration::density::{ROUNDS, density_compensation},
    device::{Device, Element},
    error::Result,
    geometry::Trajectory,
    monitor::Monitor,
    operators::{
        LinearOperator, Nufft,
        coils::{interleaved, planar},
    },
    scan::{Encoding, KSpace},
};

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct ZeroFilled(pub MrOptions);

impl MrRecipe for ZeroFilled {
    fn reconstruct(&self, scan: KSpace, device: &Device, monitor: &Monitor) -> Result<MrReconstruction> {
        coil_images::each_frame(("zero-filled", &self.0), scan, monitor, false, |scan, frame| {
            let samples = scan.samples.index_axis(Axis(0), frame);
            match &scan.encoding {
                Encoding::Cartesian(masks) => {
                    let part = 1.0 / masks[if masks.len() > 1 { frame } else { 0 }].acceleration();
                    let note = format!("zeros for what was not sampled, {:.1} % of k-space", 100.0 * (1.0 - part));
                    Ok((coil_images::of_kspace(device, samples)?, vec![note]))
                }
                Encoding::Trajectory(list) => {
                    let images = gridded(device, samples, &list[if list.len() > 1 { frame } else { 0 }])?;
                    Ok((images, vec!["gridded, with density compensation".into()]))
                }
            }
        })
    }
}

/// The image of each coil, `[coil, z, y, x]`.
fn gridded(device: &Device, samples: ArrayView4<Complex32>, trajectory: &Trajectory) -> Result<Array4<Complex32>> {
    let (coils, weights) = (samples.dim().0, density_compensation(trajectory, ROUNDS)?);
    let nufft = Nufft::new(device, trajectory, coils, TOLERANCE)?;
    let mut lines = planar(samples.rows().into_iter());
    lines
        .chunks_exact_mut(weights.len())
        .for_each(|line| line.iter_mut().zip(&weights).for_each(|(number, weight)| *number *= weight));
    let mut images = device.zeros(nufft.domain(), Element::F32)?;
    nufft.adjoint(&device.upload(nufft.range(), lines)?, &mut images)?;
    let [nz, ny, nx] = trajectory.matrix;
    let values = interleaved(&device.download(&images)?, nx);
    Ok(Array4::from_shape_vec([coils, nz, ny, nx], values).expect("an image a coil"))
}

/// As asked for.
pub fn recipe(options: &MrOptions) -> Box<dyn MrRecipe> {
    Box::new(ZeroFilled(options.clone()))
}
