//! A method of the study: a recipe by name, with a variant after a colon where it has one, such as `fbp:hann` or `pnp:net`.

use serde::{Serialize, Serializer};

use crate::{
    denoisers,
    error::{Error, Result},
    recipes::{
        self, Options, Recipe,
        fbp::{Fbp, Filter},
    },
};

/// A recipe as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    name: String,
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl Method {
    /// The method called `name`: one of [`recipes::ALL`], `fbp:FILTER`, or `pnp:PRIOR`.
    ///
    /// # Errors
    /// An unknown recipe, filter or prior; the message lists those that are known.
    pub fn named(name: &str) -> Result<Self> {
        let method = Self { name: name.trim().to_lowercase() };
        method.recipe(None).map(|_| method)
    }

    /// What it is called in flags and files.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is called in text: `FBP (Hann)`, `TV`, `PNP (net)`.
    pub fn label(&self) -> String {
        match self.parts() {
            ("fbp", filter) => format!("FBP ({})", capitalised(filter.unwrap_or(Filter::default().name()))),
            (recipe, Some(variant)) => format!("{} ({variant})", recipe.to_uppercase()),
            (recipe, None) => recipe.to_uppercase(),
        }
    }

    /// Recipe and variant.
    fn parts(&self) -> (&str, Option<&str>) {
        match self.name.split_once(':') {
            Some((recipe, variant)) => (recipe, Some(variant)),
            None => (&self.name, None),
        }
    }

    /// The recipe with its usual options, told that `photons` per ray were in the open beam.
    pub fn recipe(&self, photons: Option<f64>) -> Result<Box<dyn Recipe>> {
        let (recipe, variant) = self.parts();
        let mut options = Options { photons, ..Options::default() };
        match (recipe, variant) {
            (_, None) => {}
            ("fbp", Some(filter)) => {
                let known = Filter::ALL.map(|(name, _)| name);
                let found = Filter::ALL.iter().find(|(name, _)| *name == filter).map(|(_, filter)| *filter);
                let filter = found.ok_or_else(|| {
                    Error::Option(format!("method '{}': no such filter; known: {}", self.name, known.join(", ")))
                })?;
                options.fbp = Fbp { filter, ..Fbp::default() };
            }
            ("pnp", Some(prior)) => {
                denoisers::named(prior, &denoisers::Options::default())?;
                options.denoiser = Some(prior.to_string());
            }
            (_, Some(_)) => {
                return Err(Error::Option(format!(
                    "method '{}': only fbp takes a filter and pnp a prior after a colon",
                    self.name
                )));
            }
        }
        recipes::named(recipe, &options)
    }
}

/// `ram-lak` as `Ram-Lak`.
fn capitalised(name: &str) -> String {
    let word = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect();
    name.split('-').map(word).collect::<Vec<String>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_names_and_labels() {
        for (name, label) in [
            ("fbp", "FBP (Ram-Lak)"),
            ("fbp:hann", "FBP (Hann)"),
            ("fbp:shepp-logan", "FBP (Shepp-Logan)"),
            ("tv", "TV"),
            ("pnp:net", "PNP (net)"),
        ] {
            assert_eq!(Method::named(name).unwrap().label(), label);
        }
        for (name, word) in [("fbq", "fbp"), ("fbp:hahn", "hann"), ("", "fbp"), ("pnp:hann", "bm3d"), ("tv:net", "pnp")]
        {
            let message = Method::named(name).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
