//! An X-ray tube as users write it: `120kV,2.5mmAl,0.2mmCu,7deg`.

use std::{fmt, str::FromStr};

use super::Material;
use crate::{
    error::{Error, Result},
    units,
};

/// A sheet in the beam.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    /// What it is made of.
    pub material: Material,
    /// How thick it is, mm.
    pub thickness: f64,
}

/// A tube with a tungsten target.
#[derive(Clone, Debug, PartialEq)]
pub struct Tube {
    /// Peak tube voltage, kV.
    pub kilovolts: f64,
    /// Angle between the target's face and the central ray, radians.
    pub angle: f64,
    /// What the beam passes before the object.
    pub filters: Vec<Filter>,
}

/// The usual target angle of CT tubes.
const ANGLE: f64 = 7.0 * std::f64::consts::PI / 180.0;

/// All filtration of a CT tube without its bow-tie, in mm of aluminium.
const USUAL_FILTRATION: f64 = 7.0;

/// Voltages for which the model of the spectrum was fitted, with a little more on top.
const VOLTAGES: std::ops::RangeInclusive<f64> = 30.0..=150.0;

/// A beam with less than this transmits what lies below 10 keV, where the tables begin.
const LEAST_FILTRATION: f64 = 0.5;

impl Tube {
    /// A CT tube: 7° target, 7 mm of aluminium.
    pub fn usual(kilovolts: f64) -> Result<Self> {
        format!("{kilovolts}kV").parse()
    }

    /// How many photons of `energy` keV the filters let pass, of one.
    pub fn transmission(&self, energy: f64) -> f64 {
        let depth = |filter: &Filter| filter.material.attenuation(energy) * filter.thickness;
        (-self.filters.iter().map(depth).sum::<f64>()).exp()
    }
}

impl FromStr for Tube {
    type Err = Error;

    /// Voltage, filters, target angle; 7 mm Al where no filter is given, 7° where no angle is.
    fn from_str(text: &str) -> Result<Self> {
        let expected =
            "a tube: kilovolts, then filters and target angle if they are known, such as 120kV,2.5mmAl,0.2mmCu,7deg";
        let wrong = || Error::Quantity { text: text.to_string(), expected };
        let mut parts = text.split(',').map(str::trim);
        let kilovolts: f64 = parts
            .next()
            .and_then(|part| part.strip_suffix("kV").or_else(|| part.strip_suffix("kVp")))
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(wrong)?;
        let mut tube = Self { kilovolts, angle: ANGLE, filters: Vec::new() };
        for part in parts {
            match part.split_once("mm") {
                Some((thickness, material)) => tube.filters.push(Filter {
                    material: Material::named(material.trim())?,
                    thickness: thickness.trim().parse().map_err(|_| wrong())?,
                }),
                None => tube.angle = units::angle(part).map_err(|_| wrong())?,
            }
        }
        if tube.filters.is_empty() {
            tube.filters.push(Filter { material: Material::named("aluminium")?, thickness: USUAL_FILTRATION });
        }
        tube.check()?;
        Ok(tube)
    }
}

impl Tube {
    fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Option(format!("tube {self}: {what}")));
        if !VOLTAGES.contains(&self.kilovolts) {
            return refuse(format!("its voltage must be {} to {} kV", VOLTAGES.start(), VOLTAGES.end()));
        }
        if !(self.angle.to_degrees() >= 1.0 && self.angle.to_degrees() <= 45.0) {
            return refuse("its target angle must be 1 to 45 degrees".into());
        }
        if let Some(filter) = self.filters.iter().find(|filter| !(filter.thickness >= 0.0 && filter.thickness <= 100.0))
        {
            return refuse(format!("{} mm of {}: 0 to 100 mm can be had", filter.thickness, filter.material.name));
        }
        let aluminium = Material::named("aluminium")?.attenuation(10.0);
        if self.transmission(10.0) > (-aluminium * LEAST_FILTRATION).exp() * 1.001 {
            return refuse(format!("it needs a filter of {LEAST_FILTRATION} mm Al or more: spectra begin at 10 keV"));
        }
        Ok(())
    }
}

impl fmt::Display for Tube {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} kV", self.kilovolts)?;
        self.filters.iter().try_for_each(|filter| write!(f, ", {} mm {}", filter.thickness, filter.material.name))?;
        write!(f, ", {}° target", (self.angle.to_degrees() * 1e4).round() / 1e4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tubes_are_read_with_their_filters() {
        let tube: Tube = "120kV, 2.5mmAl,0.2 mm copper,12deg".parse().unwrap();
        assert_eq!((tube.kilovolts, tube.filters.len()), (120.0, 2));
        assert_eq!((tube.filters[1].material.name.as_str(), tube.filters[1].thickness), ("copper", 0.2));
        assert!((tube.angle.to_degrees() - 12.0).abs() < 1e-12);
        assert_eq!(tube.to_string(), "120 kV, 2.5 mm aluminium, 0.2 mm copper, 12° target");
        let usual = Tube::usual(100.0).unwrap();
        assert_eq!(usual.to_string(), "100 kV, 7 mm aluminium, 7° target");
        assert!((usual.transmission(60.0) - (-0.2778 * 2.699 * 0.7_f64).exp()).abs() < 1e-4);
    }

    #[test]
    fn impossible_tubes_are_refused() {
        for (text, said) in [
            ("120", "such as 120kV"),
            ("kV", "such as 120kV"),
            ("20kV", "30 to 150"),
            ("NaNkV", "30 to 150"),
            ("120kV,2.5mmUn", "no material 'Un'"),
            ("120kV,-1mmAl", "0 to 100 mm"),
            ("120kV,2.5Al", "such as 120kV"),
            ("120kV,0.1mmAl", "0.5 mm Al"),
            ("120kV,2.5mmAl,80deg", "1 to 45"),
        ] {
            let error = text.parse::<Tube>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
