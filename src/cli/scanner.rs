//! The virtual scanner as flags: tube, bow-tie, detector.

use clap::{Args, ValueEnum};
use rushlight::{
    Error, Result,
    geometry::{Geometry, View, add, norm},
    physics::{self, Dense, Spectrum, Tube},
    scan::{Bowtie, hardening::BeamRecord, noise::FLOOR},
    scanner::{Detector, Scanner},
    units,
};

/// What is denser than soft tissue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DenseMaterial {
    /// Cortical bone
    Bone,
    /// Iodine in water
    Iodine,
}

/// Tube, bow-tie and detector.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Beam and detector")]
pub struct ScannerFlags {
    /// Photons per cell and view in the open beam; noise-free without
    #[arg(long, value_name = "N")]
    pub photons: Option<f64>,
    /// Tube current times time over all views, in mAs, instead of --photons; needs --tube
    #[arg(long, value_name = "MAS", requires = "tube", conflicts_with = "photons")]
    mas: Option<f64>,
    /// The tube, for a beam of all its energies: 120kV (behind 7 mm Al), or with filters and target angle, such as
    /// 120kV,2.5mmAl,0.2mmCu,12deg
    #[arg(long, value_name = "TUBE")]
    tube: Option<Tube>,
    /// Photon energy, in keV, at which the image's values are told, and that of the beam without --tube
    #[arg(long, value_name = "KEV", default_value_t = physics::REFERENCE_ENERGY)]
    energy: f64,
    /// What is above 100 HU, for --tube
    #[arg(long, value_enum, default_value = "bone", requires = "tube")]
    dense: DenseMaterial,
    /// Count photons instead of adding up their energies, for --tube
    #[arg(long, requires = "tube")]
    photon_counting: bool,
    /// A bow-tie filter that evens out a water cylinder of this diameter, such as 200mm
    #[arg(long, value_name = "DIAMETER", value_parser = units::positive_length)]
    bowtie: Option<f64>,
    /// Width of the focal spot, such as 1mm
    #[arg(long, value_name = "LENGTH", value_parser = units::length_from_0, default_value = "0mm")]
    focal_spot: f64,
    /// Part of a cell's signal that each of its two neighbours gets
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0)]
    cross_talk: f64,
    /// Standard deviation of the detector's electronic noise, in photons
    #[arg(long, value_name = "PHOTONS", default_value_t = 0.0)]
    pub electronic_noise: f64,
    /// Zero-count rule: readings below this many photons are set to it
    #[arg(long, value_name = "PHOTONS", default_value_t = FLOOR)]
    pub zero_counts: f64,
    /// Seed of the noise: the same seed gives the same counts
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

impl ScannerFlags {
    /// The scanner, and what was decided.
    pub fn scanner(&self, geometry: &Geometry, notes: &mut Vec<String>) -> Result<Scanner> {
        let spectrum = self.tube.as_ref().map(Spectrum::of);
        let photons = match (self.mas, &spectrum) {
            (Some(mas), Some(spectrum)) => Some(photons_of(mas, spectrum, geometry)?),
            _ => self.photons,
        };
        if self.electronic_noise > 0.0 && photons.is_none() {
            return Err(Error::Option("--electronic-noise is told in photons: give --photons, or --mas".into()));
        }
        let detector = Detector {
            photons,
            electronic: self.electronic_noise,
            cross_talk: self.cross_talk,
            floor: self.zero_counts,
            seed: self.seed,
        };
        if let (Some(tube), Some(spectrum)) = (&self.tube, &spectrum) {
            notes.push(format!("{tube}: mean energy {:.1} keV", spectrum.mean_energy()));
        }
        if let Some(photons) = photons {
            notes.push(format!(
                "{} photons per cell and view, electronic noise {}, seed {}",
                (10.0 * photons).round() / 10.0,
                self.electronic_noise,
                self.seed
            ));
        }
        Ok(Scanner {
            spectrum,
            energy: self.energy,
            dense: if self.dense == DenseMaterial::Bone { Dense::Bone } else { Dense::Iodine },
            weighting: self.weighting(),
            bowtie: self.bowtie.map(|diameter| Bowtie { diameter }),
            focal_spot: self.focal_spot,
            detector,
        })
    }

    /// What a scan's file is to say of the tube's beam, if there is a tube.
    pub fn record(&self) -> Option<BeamRecord> {
        let bowtie = self.bowtie.map(|diameter| Bowtie { diameter });
        self.tube.clone().map(|tube| BeamRecord { tube, detector: self.weighting(), bowtie })
    }

    fn weighting(&self) -> physics::Detector {
        if self.photon_counting { physics::Detector::Counting } else { physics::Detector::Integrating }
    }

    /// Whether any flag but the seed was given.
    pub fn any_but_seed(&self) -> bool {
        self.only_for_objects().is_some()
            || self.photons.is_some()
            || self.electronic_noise > 0.0
            || self.zero_counts != FLOOR
            || self.energy != physics::REFERENCE_ENERGY
    }

    /// The first of the flags that only a scan to be made can serve, if one was given.
    pub fn only_for_objects(&self) -> Option<&'static str> {
        let given = [
            ("--tube", self.tube.is_some()),
            ("--bowtie", self.bowtie.is_some()),
            ("--focal-spot", self.focal_spot > 0.0),
            ("--cross-talk", self.cross_talk > 0.0),
        ];
        given.iter().find(|(_, given)| *given).map(|(flag, _)| *flag)
    }
}

/// Photons of a cell in the open beam: the tube's output at 1 m, by the inverse square of the distance to the detector (at
/// 1 m for parallel rays), on the cell's area, an equal part of it in each view.
fn photons_of(mas: f64, spectrum: &Spectrum, geometry: &Geometry) -> Result<f64> {
    if !(mas > 0.0 && mas.is_finite()) {
        return Err(Error::Option(format!("--mas {mas}: it must be above 0")));
    }
    let view: &View = &geometry.views[0];
    let middle = view.cell((geometry.rows as f64 - 1.0) / 2.0, (geometry.columns as f64 - 1.0) / 2.0);
    let metres = view.source_position().map_or(1.0, |source| norm(add(middle, -1.0, source)) / 1000.0);
    let area = norm(view.column_step) * norm(view.row_step);
    Ok(spectrum.fluence() * mas / geometry.views.len() as f64 * area / (metres * metres))
}
