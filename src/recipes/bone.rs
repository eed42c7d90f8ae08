//! Beam hardening by bone in two passes, around any recipe (P. M. Joseph, R. D. Spital, A method for correcting bone
//! induced artifacts in computed tomography scanners, J. Comput. Assist. Tomogr. 2, 100–108, 1978).
//!
//! The first pass is corrected for water and reconstructed; what is bone in it is projected. With the bone on a ray known,
//! its reading tells how much water there is as well, and so what it would have been at one energy: that is
//! reconstructed.

use ndarray::{Array3, Zip};

use super::{Recipe, Reconstruction, surroundings::Surroundings};
use crate::{
    device::{Device, Element},
    error::{Error, Result},
    geometry::{Geometry, Grid, LengthUnit},
    monitor::Monitor,
    operators::{LinearOperator, XRay},
    physics::{Beam, Dense, Split},
    scan::{
        Scan,
        hardening::{TubeBeam, WaterCorrection},
    },
};

/// A recipe whose scans are corrected for beam hardening by water and bone; that beyond the grid is taken from an FBP image.
pub struct BoneCorrection {
    /// Makes the images of both passes.
    pub recipe: Box<dyn Recipe>,
    /// The beam.
    pub tube: TubeBeam,
    /// What is above 100 HU.
    pub dense: Dense,
}

/// Steps of Newton's method: the line integral is all but straight, so that three reach rounding.
const STEPS: usize = 4;

impl BoneCorrection {
    /// For bone.
    pub fn new(recipe: Box<dyn Recipe>, tube: TubeBeam) -> Self {
        Self { recipe, tube, dense: Dense::Bone }
    }

    /// Line integrals at one energy from those of the beam, with `bone` mm of bone on each ray.
    fn correct(&self, scan: &mut Scan, bone: &Array3<f32>, water: &WaterCorrection, split: &Split) {
        let beam = Beam::new(&self.tube.spectrum, self.tube.detector, &[&split.materials[0], &split.materials[1]]);
        let [mu_water, mu_bone] = split.attenuation;
        let none = || (Array3::zeros(scan.projections.raw_dim()), Array3::zeros(scan.projections.raw_dim()));
        let (bowtie, depth) = water.through_bowtie(scan).unwrap_or_else(none);
        Zip::from(&mut scan.projections).and(bone).and(&bowtie).and(&depth).par_for_each(
            |value, bone, bowtie, depth| {
                let (p, bone) = (f64::from(*value) + depth, f64::from(*bone));
                // Water with the bow-tie in it.
                let mut thickness = water.corrected(p) / mu_water;
                if bone > 0.0 {
                    for _ in 0..STEPS {
                        let (found, slopes) = beam.line_integral(&[thickness, bone]);
                        thickness += (p - found) / slopes[0];
                    }
                }
                *value = (mu_water * (thickness - bowtie) + mu_bone * bone) as f32;
            },
        );
    }
}

impl Recipe for BoneCorrection {
    fn reconstruct(&self, scan: Scan, grid: &Grid, device: &Device, monitor: &Monitor) -> Result<Reconstruction> {
        if scan.geometry.unit != LengthUnit::Millimetre {
            return Err(Error::Geometry("beam hardening depends on mm of matter: give the cell size".into()));
        }
        let split = Split::new(self.dense, self.tube.energy)?;
        let water = WaterCorrection::new(&self.tube)?;
        let mut first = scan.clone();
        water.apply(&mut first);
        let around = Surroundings::of_stack(&first, grid).map(|around| (around, first.clone()));
        let mut first = self.recipe.reconstruct(first, grid, device, monitor)?.image;
        if let Some((around, scan)) = around {
            first = around.complete(first, &scan, (device, monitor))?;
        }
        let bone = monitor.step("harden", 1, || {
            let [_, bone] = split.layers(&first.values);
            project(bone, &first.grid, &scan.geometry, device)
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
            self.tube.energy
        ));
        Ok(made)
    }
}

/// Mm of bone on every ray.
fn project(bone: Array3<f32>, grid: &Grid, geometry: &Geometry, device: &Device) -> Result<Array3<f32>> {
    let xray = XRay::new(device, geometry, grid)?;
    let image = device.upload(xray.domain(), bone.into_raw_vec_and_offset().0)?;
    let mut lengths = device.zeros(xray.range(), Element::F32)?;
    xray.forward(&image, &mut lengths)?;
    let lengths = device.download(&lengths)?;
    Ok(Array3::from_shape_vec(geometry.shape(), lengths).expect("the operator's range is the projections' shape"))
}
