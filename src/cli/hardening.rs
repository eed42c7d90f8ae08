//! Beam-hardening correction as flags.

use clap::{Args, ValueEnum};
use rushlight::{
    Error, Result,
    geometry::LengthUnit,
    physics::{Spectrum, Tube},
    recipes::{Recipe, bone::BoneCorrection},
    scan::{
        Bowtie, Scan,
        hardening::{TubeBeam, WaterCorrection},
    },
    units,
};

/// What hardens the beam.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Hardening {
    /// Water: a polynomial of the line integrals (Herman 1979)
    Water,
    /// Water and bone: two passes (Joseph and Spital 1978)
    Bone,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Beam hardening")]
pub struct HardeningFlags {
    /// Correct for the hardening of a tube's beam; values are then those at 70 keV, where water has 0.01928/mm
    #[arg(long, value_enum, value_name = "BY", requires = "tube")]
    beam_hardening: Option<Hardening>,
    /// The tube: 120kV (behind 7 mm Al), or with filters and target angle, such as 120kV,2.5mmAl,0.2mmCu,12deg
    #[arg(long, value_name = "TUBE", requires = "beam_hardening")]
    tube: Option<Tube>,
    /// The bow-tie filter that the beam passed, by the water cylinder that it evens out
    #[arg(long, value_name = "DIAMETER", value_parser = units::length, requires = "beam_hardening")]
    bowtie: Option<f64>,
}

impl HardeningFlags {
    /// Whether a correction was asked for; the other flags need it.
    pub fn given(&self) -> bool {
        self.beam_hardening.is_some()
    }

    /// The scan and the recipe, either of which may come back corrected.
    pub fn apply(
        &self,
        mut scan: Scan,
        recipe: Box<dyn Recipe>,
        notes: &mut Vec<String>,
    ) -> Result<(Scan, Box<dyn Recipe>)> {
        let (Some(hardening), Some(tube)) = (self.beam_hardening, &self.tube) else {
            return Ok((scan, recipe));
        };
        if scan.geometry.unit != LengthUnit::Millimetre {
            return Err(Error::Option("--beam-hardening needs millimetres; give the cell size with --cell".into()));
        }
        let spectrum = Spectrum::of(tube);
        notes.push(format!("{tube}: mean energy {:.1} keV", spectrum.mean_energy()));
        let bowtie = self.bowtie.map(|diameter| Bowtie { diameter });
        let beam = TubeBeam { bowtie, ..TubeBeam::new(spectrum) };
        if hardening == Hardening::Bone {
            return Ok((scan, Box::new(BoneCorrection::new(recipe, beam))));
        }
        let correction = WaterCorrection::new(&beam)?;
        correction.apply(&mut scan);
        notes.push(format!(
            "beam hardening by water: right to {:.0e} up to 600 mm, water {:.6}/mm ({} keV)",
            correction.error, correction.water, beam.energy
        ));
        Ok((scan, recipe))
    }
}
