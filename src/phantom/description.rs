//! The TOML description of a phantom.
//!
//! ```toml
//! title = "…"
//! source = "…"                 # citation
//! length = "128mm"             # what a length of 1 means below
//! value = "0.04/mm"            # what a value of 1 means
//! frame = "256mm"              # width of the field that holds it
//! shapes = [                   # each adds its value to what is beneath
//!   { ellipse = [0.69, 0.92], center = [0, 0], rotation = "18deg", value = 2 },        # semi-axes
//!   { rectangle = [0.1, 0.5], center = [0, 0.3], repeat = 5, step = [0.2, 0], value = 1 },  # width and height
//!   { ellipse = [0.2, 0.2], center = [0, 0], clip = [{ normal = "0deg", offset = 0.1 }], value = 1 },
//! ]
//! ```
//!
//! x grows to the right, y downwards, angles from x towards y. A clip keeps the points whose distance from the centre
//! along `normal` is at most `offset`. `repeat` places copies, each `step` from the one before.

use std::path::Path;

use serde::{Deserialize, de::DeserializeOwned};

use super::{HalfPlane, Phantom, Shape};
use crate::{
    error::{Error, Result},
    units,
};

/// No description is anywhere near this long; whatever is, is something else.
const LONGEST_FILE: u64 = 16 << 20;
const MOST_SHAPES: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    title: String,
    source: String,
    length: String,
    value: String,
    frame: String,
    shapes: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    ellipse: Option<[f64; 2]>,
    rectangle: Option<[f64; 2]>,
    center: [f64; 2],
    rotation: Option<String>,
    #[serde(default)]
    clip: Vec<Clip>,
    repeat: Option<usize>,
    step: Option<[f64; 2]>,
    value: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clip {
    normal: String,
    offset: f64,
}

/// What is wrong, without the file's name.
type Parsed<T> = std::result::Result<T, String>;

/// Reads the description at `path`.
pub fn read(path: &str) -> Result<Phantom> {
    let wrong = |what: String| Error::Phantom { name: path.to_string(), what };
    let known = || super::names().collect::<Vec<_>>().join(", ");
    let file = Path::new(path);
    let size = match std::fs::metadata(file) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(wrong("is no file; give the path of a TOML description".into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(wrong(format!("there is neither such a phantom nor such a file; known phantoms: {}", known())));
        }
        Err(error) => return Err(Error::file(file, error)),
    };
    if size > LONGEST_FILE {
        return Err(wrong(format!("{size} bytes are too many for a TOML description")));
    }
    parse(path, &std::fs::read_to_string(file).map_err(|error| Error::file(file, error))?)
}

/// Reads a description from its `text`; `name` is for messages and for the phantom itself.
pub fn parse(name: &str, text: &str) -> Result<Phantom> {
    build(name, text).map_err(|what| Error::Phantom { name: name.to_string(), what })
}

fn build(name: &str, text: &str) -> Parsed<Phantom> {
    let description: Description = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{place}{}", one_line(error.message()))
    })?;
    let positive = |key: &str, value: Result<f64>| match value {
        Ok(value) if value > 0.0 => Ok(value),
        Ok(_) => Err(format!("{key} must be above 0")),
        Err(error) => Err(format!("{key}: {error}")),
    };
    let length = positive("length", units::length(&description.length))?;
    let mut shapes = Vec::new();
    for (index, table) in description.shapes.into_iter().enumerate() {
        let place = |what: String| format!("shape {}: {what}", index + 1);
        let entry: Entry = decode(table).map_err(place)?;
        shapes.extend(entry.shapes(length).map_err(place)?);
        if shapes.len() > MOST_SHAPES {
            return Err(place(format!("more than {MOST_SHAPES} shapes")));
        }
    }
    if shapes.is_empty() {
        return Err("shapes: there are none".into());
    }
    Ok(Phantom {
        name: name.to_string(),
        mu_per_value: positive("value", units::attenuation(&description.value))?,
        frame: positive("frame", units::length(&description.frame))?,
        title: description.title,
        source: description.source,
        shapes,
    })
}

fn decode<T: DeserializeOwned>(table: toml::Table) -> Parsed<T> {
    // Of this error's text, the lines after the first name the key.
    table.try_into().map_err(|error: toml::de::Error| one_line(&error.to_string()))
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn finite(key: &str, values: &[f64]) -> Parsed<()> {
    match values.iter().all(|value| value.is_finite()) {
        true => Ok(()),
        false => Err(format!("{key} must be finite, not {values:?}")),
    }
}

fn sizes(key: &str, values: [f64; 2]) -> Parsed<()> {
    finite(key, &values)?;
    match values.iter().all(|value| *value > 0.0) {
        true => Ok(()),
        false => Err(format!("{key} must be above 0, not {values:?}")),
    }
}

impl Entry {
    /// The shape and its copies, in mm.
    fn shapes(self, length: f64) -> Parsed<Vec<Shape>> {
        finite("center", &self.center)?;
        finite("value", &[self.value])?;
        let rotation = angle("rotation", self.rotation.as_deref().unwrap_or("0deg"))?;
        let clip = self.clip.iter().map(|clip| clip.half_plane(length)).collect::<Parsed<Vec<_>>>()?;
        let scaled = |[x, y]: [f64; 2]| [x * length, y * length];
        let center = scaled(self.center);
        let shape = match (self.ellipse, self.rectangle) {
            (Some(semi_axes), None) => {
                sizes("ellipse (its semi-axes)", semi_axes)?;
                Shape::ellipse(center, scaled(semi_axes), rotation, clip)
            }
            (None, Some(size)) => {
                sizes("rectangle (its width and height)", size)?;
                Shape::rectangle(center, scaled(size), rotation, clip)
            }
            (Some(_), Some(_)) => return Err("ellipse and rectangle: give one of them, not both".into()),
            (None, None) => return Err("needs ellipse (its semi-axes) or rectangle (its width and height)".into()),
        };
        let shape = shape.with_value(self.value);
        let (repeat, step) = match (self.repeat, self.step) {
            (None, None) => (1, [0.0; 2]),
            (Some(repeat), Some(step)) => (repeat, step),
            _ => return Err("repeat and step: give both, or neither".into()),
        };
        finite("step", &step)?;
        if !(1..=MOST_SHAPES).contains(&repeat) {
            return Err(format!("repeat must be from 1 to {MOST_SHAPES}, not {repeat}"));
        }
        let [x, y] = scaled(step);
        Ok((0..repeat).map(|copy| shape.clone().moved([copy as f64 * x, copy as f64 * y])).collect())
    }
}

impl Clip {
    fn half_plane(&self, length: f64) -> Parsed<HalfPlane> {
        finite("clip.offset", &[self.offset])?;
        Ok(HalfPlane::new(angle("clip.normal", &self.normal)?, self.offset * length))
    }
}

fn angle(key: &str, text: &str) -> Parsed<f64> {
    units::angle(text).map_err(|error| format!("{key}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{super::ALL, *};

    fn described(shapes: &str) -> Result<Phantom> {
        let head = "title = 't'\nsource = 's'\nlength = '1mm'\nvalue = '1/mm'\nframe = '100mm'\n";
        parse("test.toml", &format!("{head}shapes = [{shapes}]"))
    }

    #[test]
    fn mistakes_in_a_description_are_named() {
        let good = "{ ellipse = [1, 2], center = [0, 0], value = 1 }";
        assert_eq!(described(good).unwrap().shapes.len(), 1);
        for (shape, words) in [
            ("{ ellipse = [1, 2], center = [0, 0] }", "value"),
            ("{ ellipse = [1, 0], center = [0, 0], value = 1 }", "ellipse"),
            ("{ ellipse = [1, nan], center = [0, 0], value = 1 }", "ellipse"),
            ("{ ellipse = [1, 2], center = [0, inf], value = 1 }", "center"),
            ("{ ellipse = [1, 2], center = ['a', 0], value = 1 }", "center"),
            ("{ ellipse = [1, 2], centre = [0, 0], value = 1 }", "centre"),
            ("{ ellipse = [1, 2], center = [0, 0], value = nan }", "value"),
            ("{ center = [0, 0], value = 1 }", "ellipse"),
            ("{ ellipse = [1, 2], center = [0, 0], value = 1, rotation = '5' }", "rotation"),
            ("{ rectangle = [-1, 2], center = [0, 0], value = 1 }", "rectangle"),
            ("{ ellipse = [1, 2], center = [0, 0], value = 1, repeat = 3 }", "repeat"),
            ("{ ellipse = [1, 2], center = [0, 0], value = 1, clip = [{ normal = '0deg' }] }", "offset"),
        ] {
            let message = described(&format!("{good}, {shape}")).unwrap_err().to_string();
            assert!(message.contains("test.toml: shape 2: ") && message.contains(words), "{shape}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
        let message = parse("x", "title = 't'\nframe = 3").unwrap_err().to_string();
        assert!(message.contains("line 2") && !message.contains('\n'), "{message}");
        let message = Phantom::named("shep-logan").unwrap_err().to_string();
        assert!(message.contains("shepp-logan-toft"), "{message}");
    }

    #[test]
    fn a_description_is_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.toml");
        let (_, text) = ALL[0];
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let own = Phantom::named(path).unwrap();
        assert_eq!(own.shapes, Phantom::named(ALL[0].0).unwrap().shapes);
        assert_eq!(own.name, path);
    }
}
