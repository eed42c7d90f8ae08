//! Beam hardening by water: line integrals of a tube's beam turned into those of one photon energy, by a polynomial
//! that is right for water (G. T. Herman, Correction for beam hardening in computed tomography, Phys. Med. Biol. 24,
//! 81–106, 1979).

use rayon::prelude::*;

use super::Scan;
use crate::{
    error::{Error, Result},
    physics::{Beam, Detector, Material, Spectrum},
};

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
    /// Attenuation of water at the energy of the result, mm⁻¹.
    pub water: f64,
    /// Largest error of the polynomial over 0–600 mm of water, as a line integral.
    pub error: f64,
}

impl WaterCorrection {
    /// The polynomial for a beam; results are line integrals at `energy` keV.
    ///
    /// # Errors
    /// An energy that the tables do not have; a spectrum without photons.
    pub fn new(spectrum: &Spectrum, detector: Detector, energy: f64) -> Result<Self> {
        let material = Material::water();
        let [low, high] = material.range();
        if !(energy >= low - 1e-9 && energy <= high + 1e-9) {
            return Err(Error::Option(format!("{energy} keV: the tables go from {low:.0} to {high:.0} keV")));
        }
        if !(spectrum.fluence() > 0.0 && spectrum.fluence().is_finite()) {
            return Err(Error::Option("a spectrum without photons hardens nothing".into()));
        }
        let water = material.attenuation(energy);
        let beam = Beam::new(spectrum, detector, &[&material]);
        let thickness = |path: usize| THICKEST * path as f64 / PATHS as f64;
        let paths: Vec<(f64, f64)> =
            (1..=PATHS).map(|path| (beam.line_integral(&[thickness(path)]).0, water * thickness(path))).collect();
        let most = paths[PATHS - 1].0;
        let scaled: Vec<(f64, f64)> = paths.iter().map(|(p, target)| (p / most, *target)).collect();
        let mut found = Self { coefficients: fit(&scaled), most, water, error: 0.0 };
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

    /// Corrects every reading.
    pub fn apply(&self, scan: &mut Scan) {
        let correct = |value: &mut f32| *value = self.corrected(f64::from(*value)) as f32;
        scan.projections.as_slice_mut().expect("C order").par_iter_mut().for_each(correct);
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
            let correction = WaterCorrection::new(&spectrum, Detector::Integrating, 70.0).unwrap();
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
        let correction = WaterCorrection::new(&Spectrum::line(70.0), Detector::Counting, 70.0).unwrap();
        for p in [-0.3, 0.0, 2.0, 9.0, 14.0] {
            assert!((correction.corrected(p) - p).abs() < 1e-7, "{p}: {}", correction.corrected(p));
        }
        let hard = WaterCorrection::new(&beam("120kV"), Detector::Integrating, 70.0).unwrap();
        let step = |p: f64| hard.corrected(p + 0.01) - hard.corrected(p);
        assert!((step(-1.0) - step(-0.5)).abs() < 1e-12 && (step(20.0) - step(30.0)).abs() < 1e-12);
        assert!((step(-0.01) / step(0.0) - 1.0).abs() < 1e-2 && step(20.0) > step(0.0));
    }

    #[test]
    fn impossible_corrections_are_refused() {
        assert!(WaterCorrection::new(&Spectrum::line(70.0), Detector::Counting, 5.0).is_err());
        let none = Spectrum { energies: vec![60.0], photons: vec![0.0] };
        assert!(WaterCorrection::new(&none, Detector::Counting, 70.0).is_err());
    }
}
