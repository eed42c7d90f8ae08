//! ISMRMRD's XML header (Inati et al., Magn. Reson. Med. 77, 411, 2017; ismrmrd.github.io): matrix, field of view, k-space
//! centre, trajectory. Only `encoding` and our own unit are looked at; who was measured, when and where is skipped.

use super::ismrmrd_epi::ReadOut;
use crate::geometry::LengthUnit;

/// Where our own unit is noted.
const UNIT: &str = "rushlight_unit";

/// A matrix and what it covers; x, y, z.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Space {
    pub(super) matrix: [usize; 3],
    /// mm.
    pub(super) field_of_view: [f64; 3],
}

/// One encoding of a header.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) encoded: Space,
    pub(super) recon: Space,
    /// `cartesian`, `epi`, `radial` and so on, lower case.
    pub(super) trajectory: String,
    /// Counters of the k-space centre, first and second phase encoding.
    pub(super) center: [Option<usize>; 2],
    /// The read-out's gradient, where a trajectory description tells of ramps.
    pub(super) read_out: Option<ReadOut>,
    pub(super) unit: LengthUnit,
}

/// An element: its name without prefix, and its contents.
struct Element<'a> {
    name: &'a str,
    inside: &'a str,
}

/// The elements directly within `text`. Comments and declarations are passed over; what does not close ends the list.
fn elements(mut text: &str) -> Vec<Element<'_>> {
    let mut list = Vec::new();
    while let Some(open) = text.find('<') {
        text = &text[open + 1..];
        let skipped = [("!--", "-->"), ("?", "?>"), ("![CDATA[", "]]>"), ("!", ">")];
        if let Some((_, end)) = skipped.iter().find(|(start, _)| text.starts_with(start)) {
            let Some(at) = text.find(end) else { break };
            text = &text[at + end.len()..];
            continue;
        }
        let Some(end) = text.find('>') else { break };
        let tag = &text[..end];
        text = &text[end + 1..];
        let full = tag.trim_end_matches('/').split_whitespace().next().unwrap_or_default();
        if tag.starts_with('/') {
            continue;
        }
        let name = full.rsplit(':').next().unwrap_or_default();
        if tag.ends_with('/') {
            list.push(Element { name, inside: "" });
            continue;
        }
        let Some((inside, after)) = closed(text, full) else { break };
        list.push(Element { name, inside });
        text = after;
    }
    list
}

/// Splits `text` at the end tag that closes an element called `name`.
fn closed<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 1;
    let mut at = 0;
    loop {
        let open = at + text[at..].find('<')?;
        let end = open + text[open..].find('>')?;
        let tag = &text[open + 1..end];
        let (closing, body) = tag.strip_prefix('/').map_or((false, tag), |body| (true, body));
        if body.trim_end_matches('/').split_whitespace().next() == Some(name) && !tag.ends_with('/') {
            depth = if closing { depth - 1 } else { depth + 1 };
        }
        if depth == 0 {
            return Some((&text[..open], &text[end + 1..]));
        }
        at = end + 1;
    }
}

/// The contents of the element at `path`, the first of each name.
fn at<'a>(text: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(text, |text, name| {
        elements(text).into_iter().find(|element| element.name == *name).map(|element| element.inside)
    })
}

fn number<T: std::str::FromStr>(text: &str, path: &[&str]) -> Option<T> {
    at(text, path)?.trim().parse().ok()
}

fn space(encoding: &str, name: &str) -> Option<Space> {
    let inside = at(encoding, &[name])?;
    let three = |part: &str| -> [Option<f64>; 3] { ["x", "y", "z"].map(|axis| number(inside, &[part, axis])) };
    let [x, y, z] = three("matrixSize");
    // Some converters compute matrix sizes, and write 5.9996 for 6.
    let matrix = [x?, y?, z?].map(|extent| extent.round() as usize);
    let [x, y, z] = three("fieldOfView_mm");
    let field_of_view = [x?, y?, z?];
    let sound = matrix.iter().all(|extent| (1..=65535).contains(extent))
        && field_of_view.iter().all(|length| length.is_finite() && *length > 0.0);
    sound.then_some(Space { matrix, field_of_view })
}

impl Header {
    /// Reads the first encoding; the error says what is missing.
    pub(super) fn parse(xml: &str) -> Result<Self, &'static str> {
        Self::encodings(xml)?.swap_remove(0)
    }

    /// Reads every encoding, of which there is at least one; the errors say what is missing.
    pub(super) fn encodings(xml: &str) -> Result<Vec<Result<Self, &'static str>>, &'static str> {
        let root = at(xml, &["ismrmrdHeader"]).ok_or("its XML header is not ISMRMRD's")?;
        let own = at(root, &["userParameters", "userParameterString"]).unwrap_or_default();
        let cells = at(own, &["name"]) == Some(UNIT) && at(own, &["value"]) == Some(LengthUnit::Cell.name());
        let unit = if cells { LengthUnit::Cell } else { LengthUnit::Millimetre };
        let all: Vec<_> = elements(root)
            .into_iter()
            .filter(|element| element.name == "encoding")
            .map(|element| Self::encoding(element.inside, unit))
            .collect();
        if all.is_empty() { Err("its header has no image encoding") } else { Ok(all) }
    }

    fn encoding(encoding: &str, unit: LengthUnit) -> Result<Self, &'static str> {
        let encoded = space(encoding, "encodedSpace").ok_or("its header has no usable encodedSpace")?;
        let center = |step: &str| number(encoding, &["encodingLimits", step, "center"]);
        let description = at(encoding, &["trajectoryDescription"]).unwrap_or_default();
        let identifier = at(description, &["identifier"]).unwrap_or_default().trim();
        let parameters = elements(description);
        let parameter = |name: &str| {
            let named = |element: &&Element| at(element.inside, &["name"]).is_some_and(|of| of.trim() == name);
            parameters.iter().filter(named).find_map(|element| number(element.inside, &["value"]))
        };
        Ok(Self {
            encoded,
            recon: space(encoding, "reconSpace").unwrap_or(encoded),
            trajectory: at(encoding, &["trajectory"]).unwrap_or("cartesian").trim().to_lowercase(),
            center: [center("kspace_encoding_step_1"), center("kspace_encoding_step_2")],
            read_out: ReadOut::of(identifier, parameter),
            unit,
        })
    }

    /// How many times the encoded field of view is as long as the reconstructed one, along x, y, z; at least 1.
    pub(super) fn oversampling(&self) -> [f64; 3] {
        std::array::from_fn(|axis| (self.encoded.field_of_view[axis] / self.recon.field_of_view[axis]).max(1.0))
    }

    /// The header as text; `counts` of slices, contrasts and so on, by ISMRMRD's name.
    pub(super) fn write(&self, counts: &[(&str, usize)]) -> String {
        let space = |name: &str, Space { matrix: [x, y, z], field_of_view: [a, b, c] }: Space| {
            format!(
                "<{name}><matrixSize><x>{x}</x><y>{y}</y><z>{z}</z></matrixSize>\
                 <fieldOfView_mm><x>{a}</x><y>{b}</y><z>{c}</z></fieldOfView_mm></{name}>"
            )
        };
        let limit = |name: &str, count: usize, center: usize| {
            let last = count.saturating_sub(1);
            format!("<{name}><minimum>0</minimum><maximum>{last}</maximum><center>{center}</center></{name}>")
        };
        let [_, y, z] = self.encoded.matrix;
        let steps = [("kspace_encoding_step_1", y, 0), ("kspace_encoding_step_2", z, 1)];
        let steps = steps.map(|(name, count, axis)| limit(name, count, self.center[axis].unwrap_or(count / 2)));
        let others: String = counts.iter().map(|(name, count)| limit(name, *count, 0)).collect();
        // The schema wants a resonance frequency; 0 says that it is not known.
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ismrmrdHeader xmlns=\"http://www.ismrm.org/ISMRMRD\">\
             <experimentalConditions><H1resonanceFrequency_Hz>0</H1resonanceFrequency_Hz></experimentalConditions>\
             <encoding>{}{}<encodingLimits>{}{others}</encodingLimits><trajectory>{}</trajectory></encoding>\
             <userParameters><userParameterString><name>{UNIT}</name><value>{}</value></userParameterString></userParameters>\
             </ismrmrdHeader>",
            space("encodedSpace", self.encoded),
            space("reconSpace", self.recon),
            steps.concat(),
            self.trajectory,
            self.unit.name(),
        )
    }
}
