//! NumPy's archive of arrays: a zip file of npy files, stored or deflated. Read only.

use std::io;

use zip::ZipArchive;

use super::{
    Format,
    mr::Mr,
    npy::Header,
    numbers::Values,
    place::{Place, listed, unfolded_limit},
};
use crate::error::Result;

pub(super) const FORMAT: Format = Format {
    name: "npz",
    extensions: &["npz"],
    about: "NumPy archive, file.npz:/key; read only",
    recognise: |head, _| head.starts_with(b"PK\x03\x04"),
    folders: false,
    read,
    read_image: None,
    read_recording: None,
    write_image: None,
    write_recording: None,
    mr: Mr { complex: Some(complex), ..Mr::NONE },
};

fn read(place: &Place) -> Result<Values> {
    entry(place, |header, mut entry| header.values(&mut entry))
}

fn complex(place: &Place) -> Result<bool> {
    entry(place, |header, _| Ok(header.complex()))
}

/// Hands header and numbers of the array that is meant to `with`.
fn entry<T>(place: &Place, with: impl FnOnce(Header, &mut dyn io::Read) -> io::Result<T>) -> Result<T> {
    let length = place.length()?;
    let broken = |error: zip::result::ZipError| place.error(format!("not a whole zip archive: {error}"));
    let mut archive = ZipArchive::new(place.open()?).map_err(broken)?;
    let names: Vec<String> = archive.file_names().map(str::to_string).collect();
    let key = match &place.inner {
        Some(key) => key.clone(),
        None => only_array(place, &mut archive, &names, length)?,
    };
    let wanted = [format!("{key}.npy"), key];
    let Some(name) = wanted.iter().find(|name| names.contains(name)) else {
        return Err(place.error(format!("no such array; the file has: {}", listed(&names, ""))));
    };
    let mut entry = archive.by_name(name).map_err(broken)?;
    // The size that the archive states is a claim like any other; the header's is held against the file's length.
    let limit = unfolded_limit(length);
    Header::read(&mut entry, limit).and_then(|header| with(header, &mut entry)).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => place.error(format!("{name} ends too early: the file is truncated")),
        _ => place.error(format!("{name}: {error}")),
    })
}

/// The one array with two dimensions or more.
fn only_array(
    place: &Place,
    archive: &mut ZipArchive<impl io::Read + io::Seek>,
    names: &[String],
    length: u64,
) -> Result<String> {
    let mut pictures = names.iter().filter(|name| {
        let header = archive.by_name(name).ok().map(|mut entry| Header::read(&mut entry, unfolded_limit(length)));
        header.and_then(io::Result::ok).is_some_and(|header| header.shape.len() > 1) || names.len() == 1
    });
    match (pictures.next(), pictures.next()) {
        (Some(name), None) => Ok(name.clone()),
        _ => Err(place.error(format!("holds: {}; name one, as in file.npz:/key", listed(names, "")))),
    }
}
