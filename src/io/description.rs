//! What an image says of itself in words, for formats that hold only text: `key=value` lines, plain ASCII.
//!
//! ```text
//! Rushlight image
//! made by=rushlight 0.1.0, fbp ram-lak
//! quantity=HU 0.0192
//! unit=mm
//! first=-127.75 -127.75 0
//! step z=0 0 1
//! step y=0 0.5 0
//! step x=0.5 0 0
//! ```

use crate::{
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
};

const TITLE: &str = "Rushlight image";

/// The text for `image`.
pub(super) fn describe(image: &Image) -> String {
    let three = |v: [f64; 3]| format!("{} {} {}", v[0], v[1], v[2]);
    let [z, y, x] = image.grid.steps.map(three);
    format!(
        "{TITLE}\nmade by={}\nquantity={}\nunit={}\nfirst={}\nstep z={z}\nstep y={y}\nstep x={x}\n",
        ascii(&image.provenance),
        quantity_name(image.quantity),
        image.unit.name(),
        three(image.grid.first),
    )
}

/// Printable ASCII on one line; what is not becomes `?`.
pub(super) fn ascii(text: &str) -> String {
    text.replace("⁻¹", "^-1").chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

/// The quantity as a file names it: `1/mm`, `1/cell`, `HU`, `HU 0.0192` (with μ of water, mm⁻¹), `unknown`.
pub(super) fn quantity_name(quantity: Quantity) -> String {
    match quantity {
        Quantity::Attenuation(unit) => format!("1/{}", unit.name()),
        Quantity::Hounsfield { mu_water: Some(mu) } => format!("HU {mu}"),
        Quantity::Hounsfield { mu_water: None } => "HU".into(),
        Quantity::Signal => "signal".into(),
        Quantity::Phase => "phase".into(),
        Quantity::Unknown => "unknown".into(),
    }
}

/// The quantity that [`quantity_name`] named.
pub(super) fn quantity_of(name: &str) -> Quantity {
    match name.trim() {
        "1/mm" => Quantity::Attenuation(LengthUnit::Millimetre),
        "1/cell" => Quantity::Attenuation(LengthUnit::Cell),
        "HU" => Quantity::Hounsfield { mu_water: None },
        "signal" => Quantity::Signal,
        "phase" => Quantity::Phase,
        name => match name.strip_prefix("HU ").and_then(|mu| mu.trim().parse().ok()) {
            Some(mu) if f64::is_finite(mu) && mu > 0.0 => Quantity::Hounsfield { mu_water: Some(mu) },
            _ => Quantity::Unknown,
        },
    }
}

/// The length unit that [`LengthUnit::name`] named.
pub(super) fn unit_of(name: &str) -> Option<LengthUnit> {
    [LengthUnit::Millimetre, LengthUnit::Cell].into_iter().find(|unit| unit.name() == name.trim())
}

/// Grid, unit and quantity from a text that [`describe`] wrote; nothing from any other text, because headers of
/// other software may name a patient.
pub(super) fn understand(text: &str, shape: [usize; 3]) -> Option<(Grid, LengthUnit, Quantity)> {
    let mut lines = text.lines();
    if lines.next()? != TITLE {
        return None;
    }
    let entries: Vec<_> = lines.filter_map(|line| line.split_once('=')).collect();
    let entry = |key| entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let three = |key| -> Option<[f64; 3]> {
        entry(key)?.split(' ').map(|number| number.parse().ok()).collect::<Option<Vec<f64>>>()?.try_into().ok()
    };
    let grid = Grid { shape, first: three("first")?, steps: [three("step z")?, three("step y")?, three("step x")?] };
    grid.check().ok()?;
    Some((grid, unit_of(entry("unit")?)?, quantity_of(entry("quantity")?)))
}
