//! A polyenergetic beam on a detector: Σ n(E) d(E) e^(−Σ μ_m(E) L_m), and the variance of what is counted.
//!
//! An energy-integrating detector weighs a photon with its energy, so its signal is a compound Poisson variable
//! (B. R. Whiting, P. Massoumzadeh, O. A. Earl et al., Properties of preprocessed sinogram data in x-ray computed
//! tomography, Med. Phys. 33, 3290–3303, 2006). Detection is taken to be complete at every energy.

use super::{Material, Spectrum};

/// What a photon adds to the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detector {
    /// Its energy.
    #[default]
    Integrating,
    /// One.
    Counting,
}

/// A spectrum, a detector, and the materials in between.
#[derive(Clone, Debug, PartialEq)]
pub struct Beam {
    lines: Vec<Line>,
    materials: usize,
}

/// One energy.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    /// Share of the signal of the open beam.
    signal: f64,
    /// Share of its variance, times the number of photons: signal squared over share of the photons.
    variance: f64,
    /// Linear attenuation of the materials, mm⁻¹.
    attenuation: Vec<f64>,
}

/// The signal behind an object, for an open beam of one photon with the signal 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// Mean.
    pub mean: f64,
    /// Variance; for N photons in the open beam it is a part N of this.
    pub variance: f64,
}

impl Beam {
    /// The beam for paths through `materials`. Energies without photons are left out.
    pub fn new(spectrum: &Spectrum, detector: Detector, materials: &[&Material]) -> Self {
        let response = |energy: f64| if detector == Detector::Integrating { energy } else { 1.0 };
        let photons = spectrum.fluence();
        let pairs = || spectrum.energies.iter().zip(&spectrum.photons);
        let open = pairs().map(|(energy, photons)| photons * response(*energy)).sum::<f64>() / photons;
        let line = |(energy, number): (&f64, &f64)| {
            let (share, response) = (number / photons, response(*energy) / open);
            let attenuation = materials.iter().map(|material| material.attenuation(*energy)).collect();
            Line { signal: share * response, variance: share * response * response, attenuation }
        };
        let lines = pairs().filter(|(_, number)| **number > 0.0).map(line).collect();
        Self { lines, materials: materials.len() }
    }

    /// The signal behind `lengths` mm of the materials.
    ///
    /// # Panics
    /// If there are not as many lengths as materials.
    #[track_caller]
    pub fn signal(&self, lengths: &[f64]) -> Signal {
        assert_eq!(lengths.len(), self.materials, "lengths for the materials");
        let mut signal = Signal { mean: 0.0, variance: 0.0 };
        for line in &self.lines {
            let passed = (-dot(&line.attenuation, lengths)).exp();
            signal.mean += line.signal * passed;
            signal.variance += line.variance * passed;
        }
        signal
    }

    /// −ln of the signal behind `lengths` mm of the materials, and by how much it grows per mm of each.
    pub fn line_integral(&self, lengths: &[f64]) -> (f64, Vec<f64>) {
        // The least depth is taken out of the exponents, so that no thickness underflows.
        let depths: Vec<f64> = self.lines.iter().map(|line| dot(&line.attenuation, lengths)).collect();
        let least = depths.iter().copied().fold(f64::INFINITY, f64::min);
        let (mut mean, mut slopes) = (0.0, vec![0.0; self.materials]);
        for (line, depth) in self.lines.iter().zip(depths) {
            let passed = line.signal * (least - depth).exp();
            mean += passed;
            slopes.iter_mut().zip(&line.attenuation).for_each(|(slope, mu)| *slope += passed * mu);
        }
        slopes.iter_mut().for_each(|slope| *slope /= mean);
        (least - mean.ln(), slopes)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_lines() -> Spectrum {
        Spectrum { energies: vec![40.0, 80.0], photons: vec![3.0, 1.0] }
    }

    #[test]
    fn the_signal_is_the_sum_of_the_lines() {
        let water = Material::water();
        let [a, b] = [40.0, 80.0].map(|energy| (-water.attenuation(energy) * 150.0).exp());
        let integrating = Beam::new(&two_lines(), Detector::Integrating, &[&water]).signal(&[150.0]);
        // Open beam: (3·40 + 80)/4 = 50 keV a photon.
        assert!((integrating.mean - (0.75 * 40.0 * a + 0.25 * 80.0 * b) / 50.0).abs() < 1e-15);
        assert!((integrating.variance - (0.75 * 1600.0 * a + 0.25 * 6400.0 * b) / 2500.0).abs() < 1e-15);
        let counting = Beam::new(&two_lines(), Detector::Counting, &[&water]).signal(&[150.0]);
        assert!((counting.mean - (0.75 * a + 0.25 * b)).abs() < 1e-15 && counting.mean == counting.variance);
    }

    #[test]
    fn line_integrals_have_the_slope_they_say_even_behind_metres() {
        let (water, bone) = (Material::water(), Material::named("cortical-bone").unwrap());
        let beam = Beam::new(&two_lines(), Detector::Integrating, &[&water, &bone]);
        let (p, slopes) = beam.line_integral(&[100.0, 20.0]);
        assert!((p + beam.signal(&[100.0, 20.0]).mean.ln()).abs() < 1e-12);
        let [more_water, more_bone] = [[100.001, 20.0], [100.0, 20.001]].map(|lengths| beam.line_integral(&lengths).0);
        assert!(
            ((more_water - p) / 0.001 - slopes[0]).abs() < 1e-6 && ((more_bone - p) / 0.001 - slopes[1]).abs() < 1e-6
        );
        assert!(slopes[0] < (0.6 * water.attenuation(40.0) + 0.4 * water.attenuation(80.0)));
        // Behind 100 m only the harder line is left.
        let (deep, slopes) = beam.line_integral(&[1e5, 0.0]);
        assert!((slopes[0] / water.attenuation(80.0) - 1.0).abs() < 1e-9);
        assert!((deep - (1e5 * water.attenuation(80.0) - 0.4_f64.ln())).abs() < 1e-6);
    }

    #[test]
    fn one_energy_hardens_nothing() {
        let water = Material::water();
        let beam = Beam::new(&Spectrum::line(70.0), Detector::Integrating, &[&water]);
        let (p, slopes) = beam.line_integral(&[321.0]);
        assert!(
            (p - 321.0 * water.attenuation(70.0)).abs() < 1e-12 && (slopes[0] - water.attenuation(70.0)).abs() < 1e-15
        );
    }
}
