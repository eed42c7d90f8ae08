//! Materials: density, and mass attenuation over the photon energy from published tables.
//!
//! Materials are data, in `materials/*.toml`, each with its source; [`ALL`] builds them in.

use serde::Deserialize;

use super::table::Table;
use crate::error::{Error, Result};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The materials: name, and description in TOML.
        pub const ALL: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../materials/", $name, ".toml")))),*];
    };
}

built_in![
    "water",
    "air",
    "soft-tissue",
    "adipose",
    "cortical-bone",
    "iodine",
    "pmma",
    "aluminium",
    "titanium",
    "copper",
    "tin",
    "tungsten",
];

/// The names of the materials.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// A material as its file describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    title: String,
    source: String,
    symbol: Option<String>,
    density: f64,
    attenuation: Vec<[f64; 2]>,
    absorption: Option<Vec<[f64; 2]>>,
}

/// What photons meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Material {
    /// Its name in the list.
    pub name: String,
    /// What it is, one line.
    pub title: String,
    /// Where its numbers are from.
    pub source: String,
    /// Density, g/cm³.
    pub density: f64,
    symbol: Option<String>,
    attenuation: Table,
    absorption: Option<Table>,
}

impl Material {
    /// The material called `name`, such as `water`, or an element by its symbol, such as `Al`.
    ///
    /// # Errors
    /// An unknown name; the message lists the known ones.
    pub fn named(name: &str) -> Result<Self> {
        for (known, text) in ALL {
            let material = parse(known, text)?;
            if *known == name || material.symbol.as_deref() == Some(name) {
                return Ok(material);
            }
        }
        let known: Vec<_> = names().collect();
        Err(Error::Option(format!("no material '{name}'; known materials: {}", known.join(", "))))
    }

    /// Water.
    pub fn water() -> Self {
        Self::named("water").expect("water is built in")
    }

    /// Mass attenuation with coherent scattering at `energy` keV, in cm²/g; within 0.5 % of XCOM between the table's
    /// energies (10–200 keV), beyond which it stays what it is at their end.
    pub fn mass_attenuation(&self, energy: f64) -> f64 {
        self.attenuation.at(energy)
    }

    /// Linear attenuation at `energy` keV, in mm⁻¹.
    pub fn attenuation(&self, energy: f64) -> f64 {
        self.mass_attenuation(energy) * self.density / 10.0
    }

    /// Mass energy absorption at `energy` keV, in cm²/g, where the table has it (air).
    pub fn mass_absorption(&self, energy: f64) -> Option<f64> {
        self.absorption.as_ref().map(|table| table.at(energy))
    }

    /// Least and greatest tabulated energy, keV.
    pub fn range(&self) -> [f64; 2] {
        self.attenuation.range()
    }
}

fn parse(name: &str, text: &str) -> Result<Material> {
    let wrong = |what: String| Error::Option(format!("material {name}: {what}"));
    let Description { title, source, symbol, density, attenuation, absorption } =
        toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
    Ok(Material {
        name: name.to_string(),
        title,
        source,
        density,
        symbol,
        attenuation: Table::new(&attenuation).map_err(wrong)?,
        absorption: absorption.map(|points| Table::new(&points)).transpose().map_err(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(name: &str, energy: f64, expected: f64, tolerance: f64) {
        let found = Material::named(name).unwrap().mass_attenuation(energy);
        assert!((found / expected - 1.0).abs() < tolerance, "{name} at {energy} keV: {found}, not {expected}");
    }

    #[test]
    fn tables_hold_the_published_values() {
        // J. H. Hubbell, S. M. Seltzer, NISTIR 5632 (1995); the XCOM edition here differs in the fourth figure.
        for (name, energy, expected) in [
            ("water", 20.0, 0.8096),
            ("water", 60.0, 0.2059),
            ("water", 100.0, 0.1707),
            ("air", 60.0, 0.1875),
            ("soft-tissue", 60.0, 0.2048),
            ("adipose", 60.0, 0.1974),
            ("cortical-bone", 20.0, 4.001),
            ("cortical-bone", 60.0, 0.3148),
            ("cortical-bone", 100.0, 0.1855),
            ("pmma", 60.0, 0.1924),
            ("iodine", 40.0, 22.10),
            ("iodine", 60.0, 7.579),
            ("aluminium", 30.0, 1.128),
            ("aluminium", 60.0, 0.2778),
            ("titanium", 60.0, 0.7661),
            ("copper", 60.0, 1.593),
            ("copper", 100.0, 0.4584),
            ("tin", 60.0, 6.564),
            ("tungsten", 60.0, 3.713),
            ("tungsten", 100.0, 4.438),
        ] {
            close(name, energy, expected, 1e-3);
        }
    }

    #[test]
    fn between_the_tables_energies_other_tables_are_met() {
        // W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002), by XrayDB 4.5.8.
        for (name, energy, expected) in [
            ("water", 25.0, 0.5082),
            ("water", 45.0, 0.2436),
            ("water", 70.0, 0.1929),
            ("cortical-bone", 25.0, 2.1582),
            ("cortical-bone", 70.0, 0.2570),
            ("cortical-bone", 120.0, 0.1656),
        ] {
            close(name, energy, expected, 3e-3);
        }
    }

    #[test]
    fn absorption_edges_are_steps() {
        for (name, edge, below, above) in
            [("iodine", 33.17, 6.553, 35.82), ("tungsten", 69.53, 2.552, 11.23), ("tin", 29.2, 7.76, 43.6)]
        {
            close(name, edge * (1.0 - 1e-9), below, 2e-3);
            close(name, edge * (1.0 + 1e-9), above, 2e-3);
        }
    }

    #[test]
    fn every_material_names_its_source_and_covers_the_tubes() {
        for name in names() {
            let material = Material::named(name).unwrap();
            assert!(material.source.contains("NIST"), "{name}");
            let [low, high] = material.range();
            assert!(low < 10.001 && high > 199.999 && material.density > 0.0, "{name}");
        }
        assert_eq!(Material::named("Cu").unwrap().name, "copper");
        let said = Material::named("unobtainium").unwrap_err().to_string();
        assert!(said.contains("unobtainium") && said.contains("cortical-bone"), "{said}");
        assert!(Material::named("air").unwrap().mass_absorption(60.0).is_some());
        assert!((Material::water().attenuation(70.0) - 0.01929).abs() < 1e-5);
    }
}
