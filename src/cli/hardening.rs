//! Beam-hardening correction as flags.

use clap::{Args, ValueEnum};
use rushlight::{
    Error, Result,
    geometry::LengthUnit,
    physics::{Detector, Spectrum, Tube},
    recipes::{Recipe, bone::BoneCorrection},
    scan::{
        Bowtie, Scan,
        hardening::{BeamRecord, TubeBeam, WaterCorrection},
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
    #[arg(long, value_enum, value_name = "BY")]
    beam_hardening: Option<Hardening>,
    /// The tube, where the scan's file does not say: 120kV (behind 7 mm Al), or with filters and target angle, such as 120kV,2.5mmAl,0.2mmCu,12deg
    #[arg(long, value_name = "TUBE", requires = "beam_hardening")]
    tube: Option<Tube>,
    /// The detector counted photons, instead of adding up their energies, where the scan's file does not say
    #[arg(long, requires = "beam_hardening")]
    photon_counting: bool,
    /// The bow-tie filter that the beam passed, where the scan's file does not say: by the water cylinder that it evens out
    #[arg(long, value_name = "DIAMETER", value_parser = units::positive_length, requires = "beam_hardening")]
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
        known: Option<&BeamRecord>,
        notes: &mut Vec<String>,
    ) -> Result<(Scan, Box<dyn Recipe>)> {
        let Some(hardening) = self.beam_hardening else {
            notes.extend(known.map(|known| {
                format!("a scan of a tube's beam, {}: --beam-hardening corrects for its hardening", known.tube)
            }));
            return Ok((scan, recipe));
        };
        let BeamRecord { tube, detector, bowtie } = &self.beam(known, notes)?;
        if scan.geometry.unit != LengthUnit::Millimetre {
            return Err(Error::Option("--beam-hardening needs millimetres; give the cell size with --cell".into()));
        }
        let spectrum = Spectrum::of(tube);
        let counting = if *detector == Detector::Counting { ", photons counted" } else { "" };
        notes.push(format!("{tube}: mean energy {:.1} keV{counting}", spectrum.mean_energy()));
        let beam = TubeBeam { bowtie: *bowtie, detector: *detector, ..TubeBeam::new(spectrum) };
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

    /// The beam by the flags, over what the scan's file says of it.
    fn beam(&self, known: Option<&BeamRecord>, notes: &mut Vec<String>) -> Result<BeamRecord> {
        let bowtie = self.bowtie.map(|diameter| Bowtie { diameter });
        let counting = self.photon_counting.then_some(Detector::Counting);
        let Some(known) = known else {
            let tube = self.tube.clone().ok_or_else(|| {
                Error::Option(
                    "--beam-hardening: the scan says nothing of its tube; give it, such as --tube 120kV".into(),
                )
            })?;
            return Ok(BeamRecord { tube, detector: counting.unwrap_or_default(), bowtie });
        };
        let found = BeamRecord {
            tube: self.tube.clone().unwrap_or_else(|| known.tube.clone()),
            detector: counting.unwrap_or(known.detector),
            bowtie: bowtie.or(known.bowtie),
        };
        if found != *known {
            notes.push(format!("flags overrule what the scan says of its beam ({}, {:?})", known.tube, known.detector));
        }
        Ok(found)
    }
}
