//! A place to read from: a file or a folder, and maybe an array inside it.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use super::{ALL, Format, known};
use crate::error::{Error, Result};

/// A file or folder, and the path of an array inside it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Without the leading `/`.
    pub(super) inner: Option<String>,
}

impl Place {
    /// Splits `file.h5:/path/in/file`. A file whose whole name is `spec` comes first.
    pub(super) fn parse(spec: &Path) -> Result<Self> {
        if spec.exists() {
            return Ok(Self { path: spec.to_path_buf(), inner: None });
        }
        let text = spec.to_string_lossy();
        let split = text.rmatch_indices(":/").find(|(at, _)| Path::new(&text[..*at]).is_file());
        match split {
            Some((at, _)) => Ok(Self {
                path: PathBuf::from(&text[..at]),
                inner: Some(text[at + 2..].trim_matches('/').to_string()).filter(|inner| !inner.is_empty()),
            }),
            None => Err(Error::file(spec, "there is no such file")),
        }
    }

    /// A [`Error::File`] about this place.
    pub(super) fn error(&self, what: impl ToString) -> Error {
        // Other libraries' reasons may run over several lines.
        let what = what.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        match &self.inner {
            Some(inner) => Error::file(format!("{}:/{inner}", self.path.display()), what),
            None => Error::file(&self.path, what),
        }
    }

    /// A file that ends, or reads, otherwise than its header says.
    pub(super) fn io_error(&self, error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.error("ends too early: the file is truncated"),
            _ => self.error(error),
        }
    }

    /// Refuses an array name where the format holds but one array.
    pub(super) fn no_inner(&self, format: &str) -> Result<()> {
        match self.inner {
            Some(_) => Err(self.error(format!("a file in {format} format holds one array without a name"))),
            None => Ok(()),
        }
    }

    /// The file, for reading from its start.
    pub(super) fn open(&self) -> Result<BufReader<File>> {
        let file = File::open(&self.path).map_err(|error| self.error(format!("cannot be read: {error}")))?;
        Ok(BufReader::with_capacity(1 << 16, file))
    }

    /// The file's length in bytes.
    pub(super) fn length(&self) -> Result<u64> {
        let data = self.path.metadata().map_err(|error| self.error(format!("cannot be read: {error}")))?;
        Ok(data.len())
    }

    /// The format by the first bytes of the file, or of the first file in the folder that any format knows.
    pub(super) fn format(&self) -> Result<&'static Format> {
        if self.path.is_dir() {
            let format = self.files()?.iter().find_map(|file| file.sniff().ok().flatten());
            return format.filter(|format| format.folders).ok_or_else(|| {
                let stacks: Vec<_> = ALL.iter().filter(|f| f.folders).map(|f| f.name).collect();
                self.error(format!("a folder without slices to stack ({})", stacks.join(" or ")))
            });
        }
        if self.length()? == 0 {
            return Err(self.error("is empty"));
        }
        self.sniff()?.ok_or_else(|| self.error(format!("not in a known format; known formats: {}", known(|_| true))))
    }

    fn sniff(&self) -> Result<Option<&'static Format>> {
        let mut head = Vec::new();
        self.open()?.take(1024).read_to_end(&mut head).map_err(|error| self.io_error(error))?;
        Ok(ALL.iter().find(|format| (format.recognise)(&head, &self.path)).copied())
    }

    /// The files of the folder (or this one file), `slice2` before `slice10`.
    pub(super) fn files(&self) -> Result<Vec<Self>> {
        if !self.path.is_dir() {
            return Ok(vec![self.clone()]);
        }
        let entries = std::fs::read_dir(&self.path).map_err(|error| self.error(format!("cannot be read: {error}")))?;
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        files.sort_by_cached_key(|path| natural_order(&path.file_name().unwrap_or_default().to_string_lossy()));
        Ok(files.into_iter().map(|path| Self { path, inner: None }).collect())
    }

    /// The files of the folder that `format` knows; all that are there and it does not are left alone.
    pub(super) fn slices(&self, format: &Format) -> Result<Vec<Self>> {
        let known = |file: &Self| file.sniff().ok().flatten().is_some_and(|found| found.name == format.name);
        Ok(if self.path.is_dir() { self.files()?.into_iter().filter(known).collect() } else { self.files()? })
    }
}

/// A key that sorts runs of digits by value.
fn natural_order(name: &str) -> Vec<(u64, String)> {
    let mut key = vec![(0, String::new())];
    let mut digits = String::new();
    for character in name.chars().chain([' ']) {
        if character.is_ascii_digit() {
            digits.push(character);
            continue;
        }
        if !digits.is_empty() {
            key.push((digits.parse().unwrap_or(u64::MAX), String::new()));
            digits.clear();
        }
        if let Some((_, text)) = key.last_mut() {
            text.push(character);
        }
    }
    key
}

/// The most bytes that a compressed file of `length` bytes may unfold to.
///
/// Deflate reaches 1032 bytes for one, on constant data, and that may be so up to 1 GiB (a noise-free phantom); beyond,
/// a hundredfold, which no measurement reaches and a zip bomb must. 16 MiB are always allowed, for arrays of fill values.
pub(super) fn unfolded_limit(length: u64) -> u64 {
    let constant = length.saturating_mul(1032).min(1 << 30);
    length.saturating_mul(100).max(constant).saturating_add(16 << 20)
}

/// The first dozen `names` for a message, each after `mark`.
pub(super) fn listed(names: &[String], mark: &str) -> String {
    let mut list: Vec<_> =
        names.iter().take(12).map(|name| format!("{mark}{}", name.trim_end_matches(".npy"))).collect();
    if names.len() > 12 {
        list.push("…".into());
    }
    list.join(", ")
}
