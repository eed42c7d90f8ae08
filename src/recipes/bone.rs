//! Beam hardening by bone in two passes, around any recipe (P. M. Joseph, R. D. Spital, A method for correcting bone
//! induced artifacts in computed tomography scanners, J. Comput. Assist. Tomogr. 2, 100–108, 1978).
//!
//! The first pass is corrected for water and reconstructed; what is bone in it is projected. With the bone on a ray known,
//! its reading tells how much water there is as well, and so what it would have been at one energy: that is
//! reconstructed.

use ndarray::Array3;
use rayon::prelude::*;

use super::{Recipe, Reconstruction};
use crate::{
    device::{Device, Element},
    error::{Error, Result},
    geometry::{Geometry, Grid, LengthUnit},
    image::Image,
    monitor::Monitor,
    operators::{LinearOperator, XRay},
    physics::{Beam, Dense, Detector, REFERENCE_ENERGY, Spectrum, Split},
    scan::{Scan, hardening::WaterCorrection},
};

/// A recipe whose scans are corrected for beam hardening by water and bone. The grid must hold all bone.
pub struct BoneCorrection {
    /// Makes the images of both passes.
    pub recipe: Box<dyn Recipe>,
    /// The tube's spectrum.
    pub spectrum: Spectrum,
    /// What the detector adds up.
    pub detector: Detector,
    /// What is above 100 HU.
    pub dense: Dense,
    /// Photon energy of the result, keV.
    pub energy: f64,
}

/// Steps of Newton's method: the line integral is all but straight, so that three reach rounding.
const STEPS: usize = 4;

impl BoneCorrection {
    /// For an energy-integrating detector, bone, and results at 70 keV.
    pub fn new(recipe: Box<dyn Recipe>, spectrum: Spectrum) -> Self {
        let detector = Detector::Integrating;
        Self { recipe, spectrum, detector, dense: Dense::Bone, energy: REFERENCE_ENERGY }
    }

    /// What of each voxel is bone, in mm of bone on a mm of the way, `[z, y, x]`. Whether there is any is told from the
    /// mean of 3 × 3 pixels, so that noise is no bone.
    fn bone(&self, image: &Image, split: &Split) -> Array3<f32> {
        let [_, rows, columns] = image.grid.shape;
        Array3::from_shape_fn(image.grid.shape, |(z, y, x)| {
            let near = image.values.slice(ndarray::s![
                z,
                y.saturating_sub(1)..(y + 2).min(rows),
                x.saturating_sub(1)..(x + 2).min(columns)
            ]);
            let mean = f64::from(near.sum()) / near.len() as f64;
            let [_, around] = split.shares(mean);
            let [_, here] = split.shares(f64::from(image.values[[z, y, x]]));
            if around > 0.0 { here as f32 } else { 0.0 }
        })
    }

    /// Line integrals at one energy from those of the beam, with `bone` mm of bone on each ray.
    fn correct(&self, scan: &mut Scan, bone: &[f32], water: &WaterCorrection, split: &Split) {
        let beam = Beam::new(&self.spectrum, self.detector, &[&split.materials[0], &split.materials[1]]);
        let [mu_water, mu_bone] = split.attenuation;
        let readings = scan.projections.as_slice_mut().expect("C order");
        readings.par_iter_mut().zip(bone).for_each(|(value, bone)| {
            let (p, bone) = (f64::from(*value), f64::from(*bone));
            *value = if bone > 0.0 {
                let mut thickness = water.corrected(p) / mu_water;
                for _ in 0..STEPS {
                    let (found, slopes) = beam.line_integral(&[thickness, bone]);
                    thickness += (p - found) / slopes[0];
                }
                mu_water * thickness + mu_bone * bone
            } else {
                water.corrected(p)
            } as f32;
        });
    }
}

impl Recipe for BoneCorrection {
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        if scan.geometry.unit != LengthUnit::Millimetre {
            return Err(Error::Geometry("beam hardening depends on mm of matter: give the cell size".into()));
        }
        let split = Split::new(self.dense, self.energy)?;
        let water = WaterCorrection::new(&self.spectrum, self.detector, self.energy)?;
        let mut first = scan.clone();
        water.apply(&mut first);
        let first = self.recipe.reconstruct(first, grid, device, monitor)?.image;
        let bone = monitor.step("harden", 1, || {
            let bone = self.bone(&first, &split);
            project(bone, grid, &scan.geometry, device)
        })?;
        let mut second = scan;
        monitor.step("harden", 1, || {
            self.correct(&mut second, &bone, &water, &split);
            Ok(())
        })?;
        let thickest = bone.iter().copied().fold(0.0, f32::max);
        let mut made = self.recipe.reconstruct(second, grid, device, monitor)?;
        made.notes.push(format!(
            "beam hardening by water and {}, in two passes: at most {thickest:.1} mm of it on a ray, water {:.6}/mm ({} keV)",
            self.dense.material(),
            water.water,
            self.energy
        ));
        Ok(made)
    }
}

/// Mm of bone on every ray.
fn project(bone: Array3<f32>, grid: &Grid, geometry: &Geometry, device: &Device) -> Result<Vec<f32>> {
    let xray = XRay::new(device, geometry, grid)?;
    let image = device.upload(xray.domain(), bone.into_raw_vec_and_offset().0)?;
    let mut lengths = device.zeros(xray.range(), Element::F32)?;
    xray.forward(&image, &mut lengths)?;
    device.download(&lengths)
}
