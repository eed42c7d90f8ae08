//! The protocol of a study: all that its figures depend on. Two studies of one protocol have the same figures.

use serde::Serialize;
use serde_json::{Value, json};

use super::{digest::digest, method::Method, subject::Subject};
use crate::{
    error::{Error, Result},
    quality::observer::Channels,
    scan::noise::Noise,
};

/// How many realisations are stored, and lost by an interruption, together.
pub const BLOCK: usize = 10;

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sweep {
    /// Photons per ray, as a fraction of the full dose.
    Dose,
    /// Views a turn, each with all its photons.
    Views,
}

impl Sweep {
    /// `dose` or `views`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dose => "dose",
            Self::Views => "views",
        }
    }

    /// A level in words: `20 % of the dose`, `30 views`.
    pub fn describe(self, level: f64) -> String {
        match self {
            Self::Dose => format!("{} % of the dose", rounded(level * 100.0)),
            Self::Views => format!("{} views", rounded(level)),
        }
    }

    /// The reference's level in words: `full dose`, `360 views`.
    pub fn full(self, level: f64) -> String {
        match self {
            Self::Dose if level == 1.0 => "full dose".into(),
            _ => self.describe(level),
        }
    }

    /// A level on an axis: `20 %`, `30`.
    pub fn short(self, level: f64) -> String {
        match self {
            Self::Dose => format!("{} %", rounded(level * 100.0)),
            Self::Views => rounded(level),
        }
    }
}

/// To three digits, without trailing zeros.
pub fn rounded(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// `10⁵` for a power of ten, else all digits.
pub fn photons_in_words(photons: f64) -> String {
    let power = photons.log10();
    if photons < 1e4 || (power - power.round()).abs() > 1e-9 {
        return format!("{photons}");
    }
    let superscript = |digit: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize - '0' as usize).unwrap_or(digit);
    format!("10{}", format!("{}", power.round()).chars().map(superscript).collect::<String>())
}

/// Everything a study's figures depend on.
#[derive(Clone, Debug, Serialize)]
pub struct Protocol {
    /// Rushlight's version.
    pub version: &'static str,
    /// The device, in words.
    pub device: String,
    /// What is varied.
    pub sweep: Sweep,
    /// Dose fractions or view counts, the largest first.
    pub levels: Vec<f64>,
    /// Photons per ray and view in the open beam at full dose.
    pub photons: f64,
    /// Standard deviation of the detector's electronic noise, in photons.
    pub electronic_noise: f64,
    /// The methods; the first is what the others are held against.
    pub methods: Vec<Method>,
    /// What is scanned.
    pub subjects: Vec<Subject>,
    /// Channels of the observer.
    pub channels: String,
    /// Seed of all noise.
    pub seed: u64,
    /// Reduced sizes and counts.
    pub quick: bool,
}

impl Protocol {
    /// Refuses what cannot be compared; sorts the levels.
    ///
    /// # Errors
    /// No method, level or subject; one of them twice; levels or photons that cannot be; fewer than two realisations.
    pub fn checked(mut self) -> Result<Self> {
        let wrong = |what: String| Err(Error::Option(what));
        if self.methods.is_empty() || self.subjects.is_empty() || self.levels.is_empty() {
            return wrong("a study needs at least one method, one level and one phantom or slice".into());
        }
        unique("method", self.methods.iter().map(|method| method.name().to_string()))?;
        unique("phantom or slice", self.subjects.iter().map(|subject| subject.name.clone()))?;
        for &level in &self.levels {
            match self.sweep {
                Sweep::Dose if !(level > 0.0 && level.is_finite()) => {
                    return wrong(format!(
                        "a dose level of {level}: give fractions of the full dose above 0, such as 0.2"
                    ));
                }
                Sweep::Views if level < 2.0 || level.fract() != 0.0 || level > 1e5 => {
                    return wrong(format!("{level} views: give whole numbers from 2 to 100000"));
                }
                _ => {}
            }
        }
        self.levels.sort_by(|a, b| b.total_cmp(a));
        unique("level", self.levels.iter().map(|level| level.to_string()))?;
        if !(self.photons >= 1.0 && self.photons.is_finite()) {
            return wrong(format!("{} photons per ray: give at least 1, such as 1e5", self.photons));
        }
        if !(self.electronic_noise >= 0.0 && self.electronic_noise.is_finite()) {
            return wrong(format!("electronic noise of {} photons: give 0 or more", self.electronic_noise));
        }
        Channels::named(&self.channels, 1.0)?;
        if let Some(subject) = self.subjects.iter().find(|subject| subject.realisations < 2) {
            return wrong(format!(
                "{} realisation of {}: an interval needs at least 2",
                subject.realisations, subject.name
            ));
        }
        if let Some(subject) = self.subjects.iter().find(|subject| subject.size < 32 || subject.views < 2) {
            return wrong(format!(
                "{0} × {0} pixels, {1} views: give at least 32 pixels and 2 views",
                subject.size, subject.views
            ));
        }
        Ok(self)
    }

    /// The level that the reference has D₀ at: the full dose, if it is one of the levels, else the largest.
    pub fn full_level(&self) -> f64 {
        match self.sweep {
            Sweep::Dose if self.levels.contains(&1.0) => 1.0,
            _ => self.levels[0],
        }
    }

    /// Views of `subject` at `level`.
    pub fn views(&self, subject: &Subject, level: f64) -> usize {
        match self.sweep {
            Sweep::Dose => subject.views,
            Sweep::Views => level as usize,
        }
    }

    /// The noise of one scan: every subject, level, realisation and scene has its own, every method the same.
    pub fn noise(&self, subject: &Subject, level: f64, realisation: usize, scene: usize) -> Noise {
        let name = format!("{}/{}/{}/{level}/{realisation}/{scene}", self.seed, subject.name, self.sweep.name());
        let share = match self.sweep {
            Sweep::Dose => level,
            Sweep::Views => 1.0,
        };
        let photons = self.photons * subject.photon_factor * share;
        Noise { photons, seed: digest(&name), electronic: self.electronic_noise }
    }

    /// As JSON, in the order of its fields.
    pub fn json(&self) -> Value {
        json!(self)
    }
}

fn unique(what: &str, names: impl Iterator<Item = String>) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            return Err(Error::Option(format!("the {what} {name} is given twice")));
        }
    }
    Ok(())
}
