//! Prior image constrained compressed sensing: ½ Σ w (Ax − b)² + λ (½ Σ |∇(x − x_p)| + ½ Σ |∇x|), with a prior image x_p
//! such as a former scan of the same object (Chen, Tang & Leng 2008, with their α = ½).

use super::{Iterative, Recipe, Reconstruction, finer, options::Options, variational};
use crate::{
    device::Device,
    error::{Error, Result, check_finite},
    geometry::Grid,
    monitor::Monitor,
    operators::Pixels,
    regularisers::prior_image,
    scan::Scan,
};

/// The recipe.
#[derive(Clone, Debug, Default)]
pub struct Piccs(pub Options);

impl Iterative for Piccs {
    fn options(&self) -> &Options {
        &self.0
    }

    fn told(options: Options) -> Self {
        Self(options)
    }

    fn iterate(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        let Some(prior) = &self.0.prior else {
            return Err(Error::Option(
                "piccs needs a prior image on the grid of the reconstruction: give --prior".into(),
            ));
        };
        if prior.shape() != grid.shape {
            return Err(Error::Option(format!(
                "the prior image has shape {:?}, the reconstruction {:?} (z, y, x): they must be alike",
                prior.shape(),
                grid.shape
            )));
        }
        check_finite("the prior image", prior.shape(), &prior.iter().copied().collect::<Vec<_>>())?;
        finer::reconstruct(&self.0, scan, grid, 1, |options, scan, grid| {
            let values: Vec<f32> = options.prior.iter().flatten().copied().collect();
            variational::reconstruct(("piccs", options), scan, grid, (device, monitor), 1, |strength| {
                let prior = device.upload(&[grid.shape[0] * grid.shape[1], grid.shape[2]], &values)?;
                Ok(prior_image(device, grid.shape, Pixels::Real, &prior, strength as f32)?.into())
            })
        })
    }
}

/// As asked for.
pub fn recipe(options: &Options) -> Box<dyn Recipe> {
    Box::new(Piccs(options.clone()))
}
