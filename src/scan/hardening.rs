//! Beam hardening by water: line integrals of a tube's beam turned into those of one photon energy, by a polynomial
//! that is right for water (G. T. Herman, Correction for beam hardening in computed tomography, Phys. Med. Biol. 24,
//! 81–106, 1979).

use ndarray::{Array3, Zip};

use super::{Bowtie, Scan};
use crate::{
    error::{Error, Result},
    physics::{Beam, Detector, Material, REFERENCE_ENERGY, Spectrum, Tube},
};

/// The beam that a scan was made with, and the energy at which its line integrals are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct TubeBeam {
    /// The tube's spectrum.
    pub spectrum: Spectrum,
    /// What the detector adds up.
    pub detector: Detector,
    /// A bow-tie has hardened the beam before the object does.
    pub bowtie: Option<Bowtie>,
    /// Photon energy of the result, keV.
    pub energy: f64,
}

impl TubeBeam {
    /// For an energy-integrating detector, no bow-tie, and results at 70 keV.
    pub fn new(spectrum: Spectrum) -> Self {
        Self { spectrum, detector: Detector::Integrating, bowtie: None, energy: REFERENCE_ENERGY }
    }

    fn check(&self) -> Result<()> {
        let [low, high] = Material::water().range();
        if !(self.energy >= low - 1e-9 && self.energy <= high + 1e-9) {
            return Err(Error::Option(format!("{} keV: the tables go from {low:.0} to {high:.0} keV", self.energy)));
        }
        if !(self.spectrum.fluence() > 0.0 && self.spectrum.fluence().is_finite()) {
            return Err(Error::Option("a spectrum without photons hardens nothing".into()));
        }
        self.bowtie.map_or(Ok(()), |bowtie| bowtie.check())
    }
}

/// What a scan says of the beam it was made with: enough to correct it.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamRecord {
    /// The tube.
    pub tube: Tube,
    /// What the detector adds up.
    pub detector: Detector,
    /// The bow-tie filter.
    pub bowtie: Option<Bowtie>,
}

/// Degree of the polynomial; there is no constant term.
const DEGREE: usize = 6;
/// Water paths that the polynomial is fitted to: this many, up to this thickness in mm.
const PATHS: usize = 300;
const THICKEST: f64 = 600.0;

/// The polynomial a₁p + … + a₆p⁶.
#[derive(Clone, Debug, PartialEq)]
pub struct WaterCorrection {
    /// Over powers of p/most.
    coefficients: [f64; DEGREE],
    /// The line integral behind the thickest water; beyond it the polynomial goes on straight.
    most: f64,
    /// The beam on water.
    beam: Beam,
    bowtie: Option<Bowtie>,
    /// Attenuation of water at the energy of the result, mm⁻¹.
    pub water: f64,
    /// Largest error of the polynomial over 0–600 mm of water, as a line integral.
    pub error: f64,
}

impl WaterCorrection {
    /// The polynomial for a beam.
    ///
    /// # Errors
    /// An energy that the tables do not have; a spectrum without photons; a bow-tie that cannot be.
    pub fn new(tube: &TubeBeam) -> Result<Self> {
        tube.check()?;
        let material = Material::water();
        let water = material.attenuation(tube.energy);
        let beam = Beam::new(&tube.spectrum, tube.detector, &[&material]);
        let thickness = |path: usize| THICKEST * path as f64 / PATHS as f64;
        let paths: Vec<(f64, f64)> =
            (1..=PATHS).map(|path| (beam.line_integral(&[thickness(path)]).0, water * thickness(path))).collect();
        let most = paths[PATHS - 1].0;
        let scaled: Vec<(f64, f64)> = paths.iter().map(|(p, target)| (p / most, *target)).collect();
        let mut found = Self { coefficients: fit(&scaled), most, beam, bowtie: tube.bowtie, water, error: 0.0 };
        found.error = paths.iter().map(|(p, target)| (found.corrected(*p) - target).abs()).fold(0.0, f64::max);
        Ok(found)
    }

    /// The line integral at one energy, were what lies on the ray water.
    pub fn corrected(&self, p: f64) -> f64 {
        let inside = (p / self.most).clamp(0.0, 1.0);
        let value = self.coefficients.iter().rev().fold(0.0, |sum, a| (sum + a) * inside);
        value + self.slope(inside) * (p / self.most - inside)
    }

    /// Derivative of the polynomial by p/most.
    fn slope(&self, x: f64) -> f64 {
        self.coefficients.iter().enumerate().rev().fold(0.0, |sum, (k, a)| sum * x + (k as f64 + 1.0) * a)
    }

    /// For every cell `[view, row, column]`, the bow-tie's thickness in mm of water, and the line integral of the beam through
    /// it alone: a reading plus that is the line integral through bow-tie and object, had the open beam had none.
    pub fn through_bowtie(&self, scan: &Scan) -> Option<(Array3<f64>, Array3<f64>)> {
        let thickness = self.bowtie?.thicknesses(&scan.geometry);
        let depth = thickness.mapv(|mm| self.beam.line_integral(&[mm]).0);
        Some((thickness, depth))
    }

    /// Corrects every reading.
    pub fn apply(&self, scan: &mut Scan) {
        match self.through_bowtie(scan) {
            None => scan.projections.par_mapv_inplace(|value| self.corrected(f64::from(value)) as f32),
            Some((thickness, depth)) => {
                Zip::from(&mut scan.projections).and(&thickness).and(&depth).par_for_each(|value, thickness, depth| {
                    *value = (self.corrected(f64::from(*value) + depth) - self.water * thickness) as f32;
                });
            }
        }
    }
}

/// Least squares of Σ a_k x^k (k from 1) to points (x, y), by the normal equations.
fn fit(points: &[(f64, f64)]) -> [f64; DEGREE] {
    let mut rows = [[0.0; DEGREE + 1]; DEGREE];
    for (x, y) in points {
        for (i, row) in rows.iter_mut().enumerate() {
            let power = x.powi(i as i32 + 1);
            for (j, sum) in row.iter_mut().take(DEGREE).enumerate() {
                *sum += power * x.powi(j as i32 + 1);
            }
            row[DEGREE] += power * y;
        }
    }
    // Gauss–Jordan; the matrix is positive definite, so no pivot vanishes.
    for i in 0..DEGREE {
        let pivot = rows[i][i];
        rows[i].iter_mut().for_each(|value| *value /= pivot);
        let own = rows[i];
        for (_, row) in rows.iter_mut().enumerate().filter(|(other, _)| *other != i) {
            let factor = row[i];
            row.iter_mut().zip(own).for_each(|(value, own)| *value -= factor * own);
        }
    }
    rows.map(|row| row[DEGREE])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::Tube;

    fn beam(tube: &str) -> Spectrum {
        Spectrum::of(&tube.parse::<Tube>().unwrap())
    }

    #[test]
    fn water_of_any_thickness_becomes_what_it_is_at_one_energy() {
        for tube in ["80kV", "120kV", "120kV,2.5mmAl", "140kV,2.5mmAl,0.2mmCu"] {
            let spectrum = beam(tube);
            let correction = WaterCorrection::new(&TubeBeam::new(spectrum.clone())).unwrap();
            println!("{tube}: largest error {:.1e}", correction.error);
            let water = Material::water();
            // The sum by itself, at thicknesses that were not fitted.
            for thickness in [0.7, 13.0, 101.0, 233.0, 499.0] {
                let sum = |mm: f64| {
                    let pairs = spectrum.energies.iter().zip(&spectrum.photons);
                    pairs.map(|(e, n)| e * n * (-water.attenuation(*e) * mm).exp()).sum::<f64>()
                };
                let found = correction.corrected(-(sum(thickness) / sum(0.0)).ln());
                let expected = water.attenuation(70.0) * thickness;
                assert!((found - expected).abs() < 3e-3, "{tube}, {thickness} mm: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn one_energy_needs_no_correction_and_ends_go_on_straight() {
        let correction = WaterCorrection::new(&TubeBeam::new(Spectrum::line(70.0))).unwrap();
        for p in [-0.3, 0.0, 2.0, 9.0, 14.0] {
            assert!((correction.corrected(p) - p).abs() < 1e-7, "{p}: {}", correction.corrected(p));
        }
        let hard = WaterCorrection::new(&TubeBeam::new(beam("120kV"))).unwrap();
        let step = |p: f64| hard.corrected(p + 0.01) - hard.corrected(p);
        assert!((step(-1.0) - step(-0.5)).abs() < 1e-12 && (step(20.0) - step(30.0)).abs() < 1e-12);
        assert!((step(-0.01) / step(0.0) - 1.0).abs() < 1e-2 && step(20.0) > step(0.0));
    }

    #[test]
    fn impossible_corrections_are_refused() {
        let usual = TubeBeam::new(beam("120kV"));
        let none = Spectrum { energies: vec![60.0], photons: vec![0.0] };
        for tube in [
            TubeBeam { energy: 5.0, ..usual.clone() },
            TubeBeam { spectrum: none, ..usual.clone() },
            TubeBeam { bowtie: Some(Bowtie { diameter: -1.0 }), ..usual },
        ] {
            assert!(WaterCorrection::new(&tube).is_err(), "{tube:?}");
        }
    }
}
