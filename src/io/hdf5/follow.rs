//! Paths through an HDF5 file's links, and through those into other files, to the dataset or group at their end.

use std::path::Path;

use hdf5_pure::Dataset;

use super::{store::Store, structure::Found};
use crate::{
    error::{Error, Result},
    io::{global_heap::Heap, place::Place},
};

/// So many files lead to another.
const FILES: usize = 8;

/// A dataset, maybe of another file, and what is to be known of that.
pub(in crate::io) struct Target {
    pub(in crate::io) data: Dataset,
    /// Bytes of its file.
    pub(in crate::io) length: u64,
    pub(super) matlab: bool,
    place: Place,
    /// What addresses in its file count from.
    base: u64,
}

impl Target {
    /// What lies outside the datasets of its file.
    pub(in crate::io) fn heap(&self) -> Result<Heap> {
        Ok(Heap::new(self.place.open()?, self.length, self.base))
    }
}

/// What is looked for at the end of a path: it is given the file where that lies, the path by hard links alone, and the
/// address, if that is known.
type Look<'a, T> = &'a dyn Fn(&Store, &str, Option<u64>) -> Result<Option<T>>;

impl Store {
    /// What is wrong at `path`.
    pub(super) fn error(&self, path: &str, what: impl ToString) -> Error {
        // A name inside the file would be said twice.
        Place { inner: None, ..self.place.clone() }.error(format!("/{path}: {}", what.to_string()))
    }

    /// Follows `path` to its dataset; none where nothing is, or something else.
    pub(super) fn follow(&self, path: &str) -> Result<Option<Target>> {
        let dataset = |store: &Store, path: &str, address: Option<u64>| {
            if address.is_some_and(|address| !store.structure.is_dataset(address).unwrap_or(true)) {
                return Ok(None);
            }
            let Ok(data) = store.file.dataset(path) else { return Ok(None) };
            let base = store.file.superblock().base_address.get();
            let (place, matlab) = (store.place.clone(), store.matlab);
            Ok(Some(Target { data, length: store.place.length()?, matlab, place, base }))
        };
        self.look(path, 0, &dataset)
    }

    /// Whether `path` leads to a group.
    pub(in crate::io) fn is_group(&self, path: &str) -> bool {
        let group = |store: &Store, path: &str, address: Option<u64>| {
            let known = address.map(|address| store.structure.links(address));
            Ok(match known {
                Some(Ok(links)) => links.is_some(),
                _ => store.file.group(path).is_ok(),
            }
            .then_some(()))
        };
        matches!(self.look(path, 0, &group), Ok(Some(())))
    }

    fn look<T>(&self, path: &str, files: usize, look: Look<T>) -> Result<Option<T>> {
        match self.structure.find(path) {
            Ok(Found::Here { path, address }) => look(self, &path, Some(address)),
            Ok(Found::Nothing) => Ok(None),
            Ok(Found::Broken(why)) => Err(self.error(path, why)),
            Ok(Found::Elsewhere { file, path: target, rest }) => {
                self.elsewhere(path, &file, [&target, &rest], files, look)
            }
            // Structures that are not understood here are left to the library.
            Err(_) => look(self, path, None),
        }
    }

    /// What lies in another file, which lies beside this one if it has no place of its own: at the link's own target, and
    /// then further along what of `path` comes behind the link.
    fn elsewhere<T>(
        &self,
        path: &str,
        file: &str,
        [target, rest]: [&str; 2],
        files: usize,
        look: Look<T>,
    ) -> Result<Option<T>> {
        let name = Path::new(file);
        let folder = self.place.path.parent().unwrap_or(Path::new(""));
        let beside = folder.join(name.file_name().unwrap_or_default());
        let Some(other) = [folder.join(name), beside].into_iter().find(|path| path.is_file()) else {
            return Err(
                self.error(path, format!("a link into the file {file}, which is not there; put it beside this one"))
            );
        };
        if files == FILES {
            return Err(self.error(path, "a link through too many files"));
        }
        let store = Store::open(&Place { path: other, inner: None })?;
        let found = store.look(&format!("{target}{rest}"), files + 1, look)?;
        let there = |target: &str| store.look(target, files + 1, &|_, _, _| Ok(Some(()))).is_ok_and(|at| at.is_some());
        if found.is_some() || !rest.is_empty() && there(target) {
            return Ok(found);
        }
        Err(self.error(path, format!("a link to {target} in the file {file}, where no dataset is")))
    }
}
