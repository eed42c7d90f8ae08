//! Numbers as text, one a line (`numpy.savetxt`, a column of a spreadsheet), or all on one line; `#` begins a remark.

use std::io::Read;

use super::place::Place;
use crate::error::Result;

/// Longer lists of angles are none.
const LONGEST: u64 = 64 << 20;

/// The numbers of a file of text; `None` for a file that is none, or a folder.
///
/// # Errors
/// Lines that are no number, or several; a file without any.
pub(super) fn numbers(place: &Place) -> Result<Option<Vec<f64>>> {
    if place.inner.is_some() || place.path.is_dir() || place.format().is_ok() || place.length()? > LONGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    place.open()?.read_to_end(&mut bytes).map_err(|error| place.io_error(error))?;
    let Some(text) = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) else { return Ok(None) };
    let lines = text.trim_start_matches('\u{feff}').lines().zip(1..);
    let lines: Vec<(Vec<&str>, usize)> = lines
        .map(|(line, number)| (line.split('#').next().unwrap_or_default(), number))
        .map(|(line, number)| (line.split([',', ';', ' ', '\t']).filter(|part| !part.is_empty()).collect(), number))
        .filter(|(parts, _): &(Vec<&str>, usize)| !parts.is_empty())
        .collect();
    if lines.is_empty() {
        return Err(place.error("text without a number"));
    }
    if let Some((parts, number)) = lines.iter().find(|(parts, _)| parts.len() > 1 && lines.len() > 1) {
        return Err(place.error(format!("line {number} has {} numbers; one a line is needed", parts.len())));
    }
    let parse = |(part, line): (&str, usize)| match part.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(place.error(format!("line {line}: '{:.40}' is not a finite number; one a line is needed", part))),
    };
    let parts = lines.iter().flat_map(|(parts, line)| parts.iter().map(move |part| (*part, *line)));
    parts.map(parse).collect::<Result<_>>().map(Some)
}
