//! Spectra of tungsten tubes: D. M. Tucker, G. T. Barnes, D. P. Chakraborty, Semiempirical model for generating
//! tungsten target x-ray spectra, Med. Phys. 18, 211–218 (1991).
//!
//! Bremsstrahlung and K lines made at every depth of the target and attenuated on the way out of it. Per electron of
//! energy T₀ and per keV, an electron slowed to T having come (T₀² − T²)/C deep (Thomson–Whiddington, C by Birch and
//! Marshall 1979):
//!
//! N(E) = (α rₑ² Z²/A)/E · ∫ B(E/T) (T + mₑc²)/T · e^(−μ(E)(T₀² − T²)/(C sin ϑ)) / S(T) dT from E to T₀.
//!
//! Beside SpekPy 2.5.4 (G. Poludniowski, A. Omar, R. Bujila, P. Andreo, Med. Phys. 48, 3630, 2021) for the nine tubes
//! in the test below, 70–140 kV: with a 7° target, mean energies are −1.1 to +0.2 keV off, half-value layers −1.5 to
//! +1.5 %, photons −8 to −12 %; with 12°, −1.7 to −0.7 keV, −4 %, 0 to −5 %. Tubes of one type differ as much. No heel
//! effect, no off-focal radiation, nothing below 10 keV.

use std::f64::consts::PI;

use super::{Material, Tube};

/// Photons over the energy.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// Middles of the bins, keV.
    pub energies: Vec<f64>,
    /// Photons of each bin: of a tube, per mm² and mAs at 1 m from the focal spot (in vacuum, behind the filters).
    pub photons: Vec<f64>,
}

/// Width of a bin, keV.
const BIN: f64 = 1.0;
/// Where the first bin begins: the tables' least energy, keV.
const LEAST: f64 = 10.0;

/// Tungsten's K edge, keV.
const K_EDGE: f64 = 69.525;
/// Energy in keV and share of Kα₁, Kα₂, Kβ₁, Kβ₂ (Tucker et al., table I).
const K_LINES: [[f64; 2]; 4] = [[59.32, 0.505], [57.98, 0.291], [67.2, 0.162], [69.1, 0.042]];
/// K photons per electron: A (T₀/E_K − 1)ⁿ.
const K_YIELD: [f64; 2] = [1.349e-3, 1.648];

/// A₀ and A₁ per keV: the published values times 10³, which is what photons per electron come to in the units here.
const AMPLITUDE: [f64; 2] = [36.85, 0.02900];
/// B₁ … B₄ over powers of E/T.
const SHAPE: [f64; 4] = [-5.049, 10.847, -10.516, 3.842];
/// Mass stopping power of tungsten: a + b·e^(−cT), keV cm²/g, c per keV.
const STOPPING: [f64; 3] = [2024.1, 10361.0, 0.04695];
/// Thomson–Whiddington constant: T₀ in keV, C in keV² cm²/g.
const WHIDDINGTON: [[f64; 2]; 5] = [[50.0, 5.4e5], [75.0, 6.25e5], [100.0, 7.0e5], [150.0, 8.4e5], [200.0, 1.0e6]];

/// α rₑ² Z²/A for tungsten, cm²/g.
const CROSS_SECTION: f64 = (2.817_940e-13 * 2.817_940e-13) * (74.0 * 74.0) / 137.036 / (183.84 * 1.660_539e-24);
/// mₑc², keV.
const REST_ENERGY: f64 = 511.0;
/// Electrons in a mAs, over the area of a sphere of 1 m in mm².
const ELECTRONS: f64 = 1e-3 / 1.602_177e-19 / (4.0 * PI * 1e6);
/// Steps of the integrals.
const STEPS: usize = 400;

/// Joules per keV.
const JOULES: f64 = 1.602_177e-16;

impl Spectrum {
    /// What leaves `tube`.
    pub fn of(tube: &Tube) -> Self {
        let bins = ((tube.kilovolts - LEAST) / BIN).ceil() as usize;
        let energies: Vec<f64> = (0..bins).map(|bin| LEAST + (bin as f64 + 0.5) * BIN).collect();
        let target = Target::of(tube);
        let mut photons: Vec<f64> = energies.iter().map(|energy| target.bremsstrahlung(*energy) * BIN).collect();
        for [energy, share] in K_LINES {
            if let Some(bin) = photons.get_mut(((energy - LEAST) / BIN) as usize) {
                *bin += share * target.k_photons(energy);
            }
        }
        for (photons, energy) in photons.iter_mut().zip(&energies) {
            *photons *= ELECTRONS * tube.transmission(*energy);
        }
        Self { energies, photons }
    }

    /// Photons of one energy, in keV.
    pub fn line(energy: f64) -> Self {
        Self { energies: vec![energy], photons: vec![1.0] }
    }

    /// All photons.
    pub fn fluence(&self) -> f64 {
        self.photons.iter().sum()
    }

    /// Mean energy of the photons, keV.
    pub fn mean_energy(&self) -> f64 {
        self.sum(|energy| energy) / self.fluence()
    }

    /// The spectrum behind `thickness` mm of `material`.
    pub fn behind(&self, material: &Material, thickness: f64) -> Self {
        let passed = |(energy, photons): (&f64, &f64)| photons * (-material.attenuation(*energy) * thickness).exp();
        Self { photons: self.energies.iter().zip(&self.photons).map(passed).collect(), energies: self.energies.clone() }
    }

    /// Air kerma, in µGy (of a tube: per mAs at 1 m).
    pub fn air_kerma(&self) -> f64 {
        let air = Material::named("air").expect("air is built in");
        // Photons per mm² to per cm², absorption per g to per kg, Gy to µGy.
        self.sum(|energy| energy * JOULES * air.mass_absorption(energy).unwrap_or(0.0)) * 1e2 * 1e3 * 1e6
    }

    /// The thickness of `material`, in mm, behind which half the air kerma is left.
    pub fn half_value_layer(&self, material: &Material) -> f64 {
        let half = self.air_kerma() / 2.0;
        let (mut low, mut high) = (0.0, 1.0);
        while self.behind(material, high).air_kerma() > half && high < 1e6 {
            high *= 2.0;
        }
        for _ in 0..50 {
            let middle = (low + high) / 2.0;
            if self.behind(material, middle).air_kerma() > half { low = middle } else { high = middle }
        }
        low
    }

    fn sum(&self, weight: impl Fn(f64) -> f64) -> f64 {
        self.energies.iter().zip(&self.photons).map(|(energy, photons)| photons * weight(*energy)).sum()
    }
}

/// A tungsten target under electrons of one energy.
struct Target {
    /// keV.
    electrons: f64,
    /// Thomson–Whiddington constant over the sine of the target angle: keV² cm²/g of the photons' way out.
    way_out: f64,
    tungsten: Material,
}

impl Target {
    fn of(tube: &Tube) -> Self {
        let above = WHIDDINGTON.iter().position(|[energy, _]| *energy >= tube.kilovolts).unwrap_or(4).max(1);
        let [[e0, c0], [e1, c1]] = [WHIDDINGTON[above - 1], WHIDDINGTON[above]];
        let whiddington = c0 + (c1 - c0) * (tube.kilovolts - e0) / (e1 - e0);
        let tungsten = Material::named("tungsten").expect("tungsten is built in");
        Self { electrons: tube.kilovolts, way_out: whiddington * tube.angle.sin(), tungsten }
    }

    /// Photons per electron and keV at `energy` into the whole sphere, were it all like the central ray.
    fn bremsstrahlung(&self, energy: f64) -> f64 {
        let escape = self.tungsten.mass_attenuation(energy) / self.way_out;
        let integrand = |t: f64| {
            let ratio = energy / t;
            let shape = SHAPE.iter().rev().fold(0.0, |sum, factor| (sum + factor) * ratio) + 1.0;
            let stopping = STOPPING[0] + STOPPING[1] * (-STOPPING[2] * t).exp();
            let depth = self.electrons * self.electrons - t * t;
            shape * (t + REST_ENERGY) / t * (-escape * depth).exp() / stopping
        };
        let amplitude = AMPLITUDE[0] + AMPLITUDE[1] * self.electrons;
        CROSS_SECTION * amplitude / energy * midpoints(energy, self.electrons, integrand).max(0.0)
    }

    /// K photons per electron that leave the target, of a line at `energy`: made at depth x up to that where electrons
    /// have the K edge's energy left, with probability ∝ 1 − (x/R)².
    fn k_photons(&self, energy: f64) -> f64 {
        if self.electrons <= K_EDGE {
            return 0.0;
        }
        let range = self.electrons * self.electrons - K_EDGE * K_EDGE;
        let escape = self.tungsten.mass_attenuation(energy) / self.way_out * range;
        let leaving = midpoints(0.0, 1.0, |x| 1.5 * (1.0 - x * x) * (-escape * x).exp());
        K_YIELD[0] * (self.electrons / K_EDGE - 1.0).powf(K_YIELD[1]) * leaving
    }
}

/// ∫ f from `a` to `b` by the midpoint rule.
fn midpoints(a: f64, b: f64, f: impl Fn(f64) -> f64) -> f64 {
    let step = (b - a) / STEPS as f64;
    (0..STEPS).map(|i| f(a + (i as f64 + 0.5) * step)).sum::<f64>() * step
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spectrum(tube: &str) -> Spectrum {
        Spectrum::of(&tube.parse().unwrap())
    }

    /// SpekPy 2.5.4 (physics "casim"): tube, mean energy in keV, half-value layer in mm Al, photons per mm² and mAs at 1 m.
    #[test]
    fn tubes_are_near_those_of_spekpy() {
        let aluminium = Material::named("Al").unwrap();
        for (tube, mean, half, photons) in [
            ("70kV,2.5mmAl,7deg", 40.22, 2.59, 1.02e6),
            ("80kV,7mmAl,7deg", 49.24, 4.90, 6.93e5),
            ("100kV,2.5mmAl,7deg", 50.34, 3.84, 2.27e6),
            ("120kV,7mmAl,7deg", 61.58, 7.09, 1.93e6),
            ("120kV,2.5mmAl,0.2mmCu,7deg", 63.91, 7.96, 1.93e6),
            ("140kV,7mmAl,7deg", 66.72, 8.02, 2.64e6),
            ("100kV,2.5mmAl,12deg", 49.14, 3.46, 2.51e6),
            ("120kV,7mmAl,12deg", 60.70, 6.78, 2.12e6),
            ("140kV,2.5mmAl,0.2mmCu,12deg", 68.10, 8.60, 2.97e6),
        ] {
            let found = spectrum(tube);
            let (mean_found, half_found) = (found.mean_energy(), found.half_value_layer(&aluminium));
            println!(
                "{tube}: mean {mean_found:.2} ({mean:.2}) keV, half-value layer {half_found:.2} ({half:.2}) mm Al, photons {:.3e} ({photons:.2e})",
                found.fluence()
            );
            assert!((mean_found - mean).abs() < 1.7, "{tube}: mean {mean_found} keV, not {mean}");
            assert!((half_found / half - 1.0).abs() < 0.045, "{tube}: half-value layer {half_found} mm, not {half}");
            assert!(
                (found.fluence() / photons - 1.0).abs() < 0.13,
                "{tube}: {} photons, not {photons}",
                found.fluence()
            );
        }
    }

    #[test]
    fn k_lines_need_electrons_above_the_edge() {
        let at = |tube: &str, energy: f64| {
            let spectrum = spectrum(tube);
            let bin = spectrum.energies.iter().position(|e| (e - energy).abs() < 0.6).unwrap();
            spectrum.photons[bin] / (spectrum.photons[bin - 4] + spectrum.photons[bin + 4]) * 2.0
        };
        assert!(at("120kV", 59.5) > 2.0 && at("69kV", 59.5) < 1.05);
        // The target itself absorbs more above its edge.
        assert!(at("140kV", 69.5) > at("140kV", 75.5));
    }

    #[test]
    fn kerma_and_layers_agree_with_closed_forms_for_one_energy() {
        let aluminium = Material::named("Al").unwrap();
        let line = Spectrum::line(60.0);
        let expected = 2.0_f64.ln() / aluminium.attenuation(60.0);
        assert!((line.half_value_layer(&aluminium) / expected - 1.0).abs() < 1e-9);
        assert_eq!(line.mean_energy(), 60.0);
        assert!((line.behind(&aluminium, expected).fluence() - 0.5).abs() < 1e-9);
        // One photon a mm² of 60 keV: 100/cm² · 60 keV · 1.602e-16 J · 0.03041 cm²/g · 1000 g/kg.
        assert!((line.air_kerma() / (100.0 * 60.0 * 1.602_177e-16 * 0.03041 * 1e3 * 1e6) - 1.0).abs() < 1e-3);
    }
}
