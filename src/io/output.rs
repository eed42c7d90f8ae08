//! Outputs that are whole or not there: written under a temporary name in the same folder, then renamed.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Refuses `path` as an output before long work starts: it exists (and `force` is not given), is a folder, or its
/// folder is not there or not writable.
pub fn check_output(path: impl AsRef<Path>, force: bool) -> Result<()> {
    let path = path.as_ref();
    if path.is_dir() {
        return Err(Error::file(path, "is a folder; name a file to write"));
    }
    if path.exists() && !path.is_file() {
        return Err(Error::file(path, "is a device or a pipe; name a plain file"));
    }
    if path.symlink_metadata().is_ok() && !force {
        return Err(Error::Exists { path: path.to_path_buf() });
    }
    temporary(path).map(drop)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary(path: &Path) -> Result<NamedTempFile> {
    let folder = folder(path);
    if !folder.is_dir() {
        return Err(Error::file(path, format!("there is no folder {}; make it first", folder.display())));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rushlight-");
    // A temporary file is private by default; the finished one should have what the user's umask allows.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|error| Error::file(path, format!("cannot be written: {}", tidy(&error))))
}

/// Writes a text file, such as a table of numbers: whole or not at all.
///
/// # Errors
/// Those of [`check_output`], and what the disk does wrong.
pub fn write_text(path: impl AsRef<Path>, text: &str, force: bool) -> Result<()> {
    let mut staging = Staging::new(force);
    staging.add(path.as_ref(), |output| output.write_all(text.as_bytes()))?;
    staging.publish().map(drop)
}

/// The system's reason alone, without the temporary name that `tempfile` adds.
fn tidy(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "no permission to write in its folder".into(),
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        _ => error.to_string(),
    }
}

/// Files being written, none of them visible until all are complete.
pub(super) struct Staging {
    force: bool,
    files: Vec<(NamedTempFile, PathBuf)>,
}

impl Staging {
    pub(super) fn new(force: bool) -> Self {
        Self { force, files: Vec::new() }
    }

    /// Lets `fill` write what will be `path`.
    pub(super) fn add(
        &mut self,
        path: &Path,
        fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
    ) -> Result<()> {
        check_output(path, self.force)?;
        let temporary = temporary(path)?;
        let mut writer = BufWriter::with_capacity(1 << 18, temporary.as_file());
        fill(&mut writer)
            .and_then(|()| writer.flush())
            .map_err(|error| Error::file(path, format!("cannot be written: {}", tidy(&error))))?;
        drop(writer);
        self.files.push((temporary, path.to_path_buf()));
        Ok(())
    }

    /// Gives the files their names; if one cannot have it, none of the new ones stays.
    pub(super) fn publish(self) -> Result<Vec<PathBuf>> {
        let mut done: Vec<PathBuf> = Vec::new();
        for (temporary, path) in self.files {
            let renamed = if self.force { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
            if let Err(failed) = renamed {
                for path in &done {
                    let _ = std::fs::remove_file(path);
                }
                return Err(match failed.error.kind() {
                    io::ErrorKind::AlreadyExists => Error::Exists { path },
                    _ => Error::file(&path, format!("cannot be written: {}", tidy(&failed.error))),
                });
            }
            done.push(path);
        }
        Ok(done)
    }
}

/// `name.ext` for one image, `name-0001.ext`, `name-0002.ext` … for a stack of them.
pub(super) fn numbered(path: &Path, index: usize, count: usize) -> PathBuf {
    if count == 1 {
        return path.to_path_buf();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{stem}-{:04}", index + 1);
    match path.extension() {
        Some(extension) => path.with_file_name(format!("{name}.{}", extension.to_string_lossy())),
        None => path.with_file_name(name),
    }
}
