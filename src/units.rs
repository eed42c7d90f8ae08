//! Quantities with their units, as flags and files write them; inside, lengths are mm, angles radians, attenuation mm⁻¹.

use crate::error::{Error, Result};

/// Splits `12.5mm` into its number and its unit.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    // The unit begins where no prefix of the text is a longer number: 'e' may belong to either.
    let end = (1..=text.len()).rev().find(|&end| text.is_char_boundary(end) && text[..end].parse::<f64>().is_ok())?;
    let number: f64 = text[..end].parse().ok()?;
    number.is_finite().then(|| (number, text[end..].trim()))
}

fn parse(text: &str, expected: &'static str, factor: impl Fn(&str) -> Option<f64>) -> Result<f64> {
    split(text)
        .and_then(|(number, unit)| Some(number * factor(unit)?))
        .filter(|value| value.is_finite())
        .ok_or_else(|| Error::Quantity { text: text.to_string(), expected })
}

fn length_factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "nm" => 1e-6,
        "um" | "µm" | "μm" => 1e-3,
        "mm" => 1.0,
        "cm" => 10.0,
        "m" => 1000.0,
        _ => return None,
    })
}

fn angle_factor(unit: &str) -> Option<f64> {
    Some(match unit {
        "deg" | "°" => std::f64::consts::PI / 180.0,
        "rad" => 1.0,
        _ => return None,
    })
}

/// A length such as `0.5mm`, in mm. Units: nm, um, mm, cm, m.
pub fn length(text: &str) -> Result<f64> {
    parse(text, "a length with its unit, such as 0.5mm (nm, um, mm, cm, m)", length_factor)
}

/// A length above 0, in mm: the size of something.
pub fn positive_length(text: &str) -> Result<f64> {
    let expected = "a length above 0 with its unit, such as 0.5mm (nm, um, mm, cm, m)";
    above(text, expected, parse(text, expected, length_factor)?, |value| value > 0.0)
}

/// A length of 0 or more, in mm.
pub fn length_from_0(text: &str) -> Result<f64> {
    let expected = "a length of 0 or more with its unit, such as 0.5mm (nm, um, mm, cm, m)";
    above(text, expected, parse(text, expected, length_factor)?, |value| value >= 0.0)
}

/// An attenuation above 0, in mm⁻¹.
pub fn positive_attenuation(text: &str) -> Result<f64> {
    let expected = "an attenuation above 0 with its unit, such as 0.0192/mm or 0.192/cm";
    above(text, expected, attenuation(text)?, |value| value > 0.0)
}

fn above(text: &str, expected: &'static str, value: f64, holds: impl Fn(f64) -> bool) -> Result<f64> {
    if holds(value) { Ok(value) } else { Err(Error::Quantity { text: text.to_string(), expected }) }
}

/// An angle such as `90deg` or `1.57rad`, in radians.
pub fn angle(text: &str) -> Result<f64> {
    parse(text, "an angle with its unit, such as 90deg or 1.57rad", angle_factor)
}

/// An attenuation such as `0.0192/mm`, in mm⁻¹.
pub fn attenuation(text: &str) -> Result<f64> {
    parse(text, "an attenuation with its unit, such as 0.0192/mm or 0.192/cm", |unit| {
        Some(1.0 / length_factor(unit.strip_prefix('/')?.trim())?)
    })
}

/// A magnetic field such as `0.3T` or `50mT`, in tesla.
pub fn field(text: &str) -> Result<f64> {
    parse(text, "a field with its unit, such as 0.3T or 50mT", |unit| match unit {
        "T" => Some(1.0),
        "mT" => Some(1e-3),
        _ => None,
    })
}

/// A level such as `30dB`, in decibels.
pub fn decibels(text: &str) -> Result<f64> {
    parse(text, "a level with its unit, such as 30dB", |unit| (unit == "dB").then_some(1.0))
}

/// Radians per unit `deg` or `rad`, as `--angle-unit` names them.
pub fn angle_unit(text: &str) -> Result<f64> {
    angle_factor(text).ok_or_else(|| Error::Quantity { text: text.to_string(), expected: "an angle unit: deg or rad" })
}

/// Evenly spaced angles: `0..180deg` leaves the end out, `0..=180deg` takes it in, `360..0deg` runs clockwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AngleRange {
    /// First angle, radians.
    pub start: f64,
    /// Last angle (or the one after the last), radians.
    pub end: f64,
    /// Whether `end` is an angle of the list.
    pub inclusive: bool,
}

impl AngleRange {
    /// `views` angles in radians.
    pub fn angles(&self, views: usize) -> Vec<f64> {
        let intervals = if self.inclusive { views.saturating_sub(1).max(1) } else { views.max(1) };
        (0..views).map(|i| self.start + (self.end - self.start) * i as f64 / intervals as f64).collect()
    }
}

impl std::str::FromStr for AngleRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let expected = "an angle range with its unit, such as 0..180deg, 360..0deg or 0..=3.14rad";
        let wrong = || Error::Quantity { text: text.to_string(), expected };
        let (start, rest) = text.split_once("..").ok_or_else(wrong)?;
        let inclusive = rest.starts_with('=');
        let (end, unit) = split(rest.trim_start_matches('=')).ok_or_else(wrong)?;
        let factor = angle_factor(unit).ok_or_else(wrong)?;
        // The unit may stand once, at the end, or on both sides.
        let start = match split(start).ok_or_else(wrong)? {
            (number, "") => number * factor,
            (number, unit) => number * angle_factor(unit).ok_or_else(wrong)?,
        };
        if start == end * factor {
            return Err(wrong());
        }
        Ok(Self { start, end: end * factor, inclusive })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn lengths_carry_their_unit() {
        assert_eq!(length("0.5mm").unwrap(), 0.5);
        assert_eq!(length("1.5 cm").unwrap(), 15.0);
        assert_eq!(length("1e-3m").unwrap(), 1.0);
        assert_eq!(length("-3mm").unwrap(), -3.0);
        for wrong in ["0.5", "mm", "", "1 in", "nanmm", "infmm", "1mmm"] {
            assert!(length(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_above_0() {
        assert_eq!((positive_length("2cm").unwrap(), length_from_0("0mm").unwrap()), (20.0, 0.0));
        for wrong in ["0mm", "-1mm", "-0mm", "1e-400mm", "1"] {
            assert!(positive_length(wrong).is_err(), "{wrong}");
        }
        assert!(length_from_0("-1um").is_err());
        assert!(positive_attenuation("-0.02/mm").is_err() && positive_attenuation("0/mm").is_err());
        assert!((positive_attenuation("0.2/cm").unwrap() - 0.02).abs() < 1e-15);
    }

    #[test]
    fn attenuations_are_per_millimetre() {
        assert!((attenuation("0.192/cm").unwrap() - 0.0192).abs() < 1e-15);
        assert!(attenuation("0.0192mm").is_err());
    }

    #[test]
    fn ranges_are_end_exclusive_unless_they_say_otherwise() {
        let range: AngleRange = "0..180deg".parse().unwrap();
        assert_eq!(range.angles(2), [0.0, PI / 2.0]);
        let range: AngleRange = "360..0deg".parse().unwrap();
        assert!((range.angles(4)[1] - 1.5 * PI).abs() < 1e-12);
        let range: AngleRange = "0..=180deg".parse().unwrap();
        assert_eq!(range.angles(2), [0.0, PI]);
        let range: AngleRange = "-90..90deg".parse().unwrap();
        assert_eq!(range.angles(1), [-PI / 2.0]);
        for wrong in ["0..180", "0-180deg", "..180deg", "5..5deg", "0..mm"] {
            assert!(wrong.parse::<AngleRange>().is_err(), "{wrong}");
        }
    }
}
