//! From attenuation to materials: the mixture of water and bone, or water and iodine, that a voxel is taken for.
//!
//! Up to a threshold (100 HU) a voxel is water of whatever density its CT number says. Above it, a mixture of volumes of
//! such dense water and cortical bone, all bone where the CT number is bone's, and beyond, bone of higher density; or,
//! for contrast medium, that water with iodine added to it. Either way the mixture has the voxel's attenuation at the
//! energy where its CT number was told. Noise in soft tissue is no bone: in an image, a voxel is above the threshold if
//! the mean of the 3 × 3 pixels about it is, those below water counted as water. (Segmentation by a threshold, for beam hardening: P. M. Joseph, R. D. Spital,
//! J. Comput. Assist. Tomogr. 2, 100–108, 1978; the mixing, which makes it continuous, is ours.)

use ndarray::{Array3, Zip};

use super::{Material, REFERENCE_ENERGY};
use crate::error::{Error, Result};

/// What the dense part of an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dense {
    /// Cortical bone.
    #[default]
    Bone,
    /// Iodine, dissolved in water.
    Iodine,
}

impl Dense {
    /// The name of the material in the list of [`super::material`].
    pub fn material(self) -> &'static str {
        match self {
            Self::Bone => "cortical-bone",
            Self::Iodine => "iodine",
        }
    }
}

/// CT number above which there is something denser than soft tissue, HU.
pub const THRESHOLD: f64 = 100.0;

/// Splits attenuation into water and one dense material.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Water, and the dense material.
    pub materials: [Material; 2],
    /// Attenuation of both at the energy where the image was told, mm⁻¹.
    pub attenuation: [f64; 2],
    dense: Dense,
    /// Density of the densest water, relative to water.
    densest: f64,
}

impl Split {
    /// The split for attenuation told at `energy` keV ([`REFERENCE_ENERGY`] for CT numbers of unknown origin).
    ///
    /// # Errors
    /// An energy that the tables do not have.
    pub fn new(dense: Dense, energy: f64) -> Result<Self> {
        let materials = [Material::water(), Material::named(dense.material())?];
        let [low, high] = materials[0].range();
        if !(energy >= low - 1e-9 && energy <= high + 1e-9) {
            return Err(Error::Option(format!(
                "{energy} keV: the tables go from {low:.0} to {high:.0} keV; {REFERENCE_ENERGY} keV is usual"
            )));
        }
        let attenuation = [materials[0].attenuation(energy), materials[1].attenuation(energy)];
        Ok(Self { materials, attenuation, dense, densest: 1.0 + THRESHOLD / 1000.0 })
    }

    /// What a voxel of attenuation `mu` mm⁻¹ holds: mm of each material, at its own density, on each mm of the way.
    pub fn shares(&self, mu: f64) -> [f64; 2] {
        let [water, dense] = self.attenuation;
        let above = mu - self.densest * water;
        if above <= 0.0 {
            return [(mu / water).max(0.0), 0.0];
        }
        match self.dense {
            Dense::Iodine => [self.densest, above / dense],
            Dense::Bone => {
                let part = above / (dense - self.densest * water);
                if part < 1.0 { [(1.0 - part) * self.densest, part] } else { [0.0, mu / dense] }
            }
        }
    }

    /// What every voxel of an image `[z, y, x]` in mm⁻¹ holds of each material.
    pub fn layers(&self, values: &Array3<f32>) -> [Array3<f32>; 2] {
        let (_, rows, columns) = values.dim();
        let water = self.attenuation[0];
        let [mut wet, mut dense] = [0, 1].map(|_| Array3::zeros(values.raw_dim()));
        Zip::indexed(values).and(&mut wet).and(&mut dense).par_for_each(|(z, y, x), mu, wet, dense| {
            let near = values.slice(ndarray::s![
                z,
                y.saturating_sub(1)..(y + 2).min(rows),
                x.saturating_sub(1)..(x + 2).min(columns)
            ]);
            let mean = near.iter().map(|mu| f64::from(*mu).max(water)).sum::<f64>() / near.len() as f64;
            let mu = f64::from(*mu);
            let shares = if mean > self.densest * water { self.shares(mu) } else { [(mu / water).max(0.0), 0.0] };
            (*wet, *dense) = (shares[0] as f32, shares[1] as f32);
        });
        [wet, dense]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixtures_keep_the_attenuation_and_are_continuous() {
        for dense in [Dense::Bone, Dense::Iodine] {
            let split = Split::new(dense, 70.0).unwrap();
            let water = split.attenuation[0];
            let mut before = [0.0; 2];
            for hu in (-1000..=3000).step_by(5) {
                let mu = water * (1.0 + f64::from(hu) / 1000.0);
                let shares = split.shares(mu);
                let mixed = shares[0] * split.attenuation[0] + shares[1] * split.attenuation[1];
                assert!((mixed - mu).abs() < 1e-12, "{dense:?} {hu}: {mixed} {mu}");
                assert!(
                    shares.iter().zip(before).all(|(a, b)| (a - b).abs() < 0.02),
                    "{dense:?} {hu}: {shares:?} {before:?}"
                );
                assert!(shares.iter().all(|share| *share >= 0.0) && (hu > 100 || shares[1] == 0.0));
                before = shares;
            }
        }
        let split = Split::new(Dense::Bone, 70.0).unwrap();
        // Cortical bone of nominal density is bone alone.
        let [water, bone] = split.shares(split.attenuation[1]);
        assert!(water.abs() < 1e-9 && (bone - 1.0).abs() < 1e-9);
        assert_eq!(split.shares(-0.01), [0.0, 0.0]);
    }

    #[test]
    fn noise_is_no_bone_but_a_thin_bone_beside_air_is() {
        let split = Split::new(Dense::Bone, 70.0).unwrap();
        let image = |hu: fn(usize, usize) -> f64| {
            Array3::from_shape_fn([1, 9, 9], |(_, y, x)| (split.attenuation[0] * (1.0 + hu(y, x) / 1000.0)) as f32)
        };
        let [water, bone] = split.layers(&image(|y, x| if (y + x).is_multiple_of(2) { 150.0 } else { -70.0 }));
        assert!(bone.iter().all(|part| *part == 0.0) && (water[[0, 4, 4]] - 1.15).abs() < 1e-5);
        let [water, bone] = split.layers(&image(|_, x| if x == 4 { 900.0 } else { -900.0 }));
        assert!(bone[[0, 4, 4]] > 0.5 && bone[[0, 4, 3]] == 0.0 && (water[[0, 4, 3]] - 0.1).abs() < 1e-6);
    }

    #[test]
    fn energies_beyond_the_tables_are_refused() {
        assert!(Split::new(Dense::Bone, 300.0).unwrap_err().to_string().contains("10 to 200"));
    }
}
