//! The bytes of an HDF5 file, some of which read otherwise than they are stored.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use hdf5_pure::{FormatError, Source};

/// A file and what is laid over it.
pub(super) struct Bytes {
    file: Mutex<File>,
    length: u64,
    /// Bytes by their place.
    patches: RwLock<BTreeMap<u64, u8>>,
}

impl Bytes {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Mutex::new(file), length, patches: RwLock::default() })
    }

    /// `count` bytes from `at` on; memory is taken only for what the file is long enough for.
    pub(super) fn take(&self, at: u64, count: u64) -> io::Result<Vec<u8>> {
        if at.checked_add(count).is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(count).map_err(io::Error::other)?];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Lays `bytes` over what is stored from `at` on.
    pub(super) fn lay_over(&self, at: u64, bytes: &[u8]) {
        let mut patches = self.patches.write().unwrap_or_else(PoisonError::into_inner);
        patches.extend((at..).zip(bytes.iter().copied()));
    }

    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(into)?;
        let patches = self.patches.read().unwrap_or_else(PoisonError::into_inner);
        patches.range(at..at + into.len() as u64).for_each(|(place, byte)| into[(place - at) as usize] = *byte);
        Ok(())
    }
}

/// The bytes for the library that reads them.
pub(super) struct Shared(pub(super) Arc<Bytes>);

impl Source for Shared {
    fn len(&self) -> u64 {
        self.0.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), FormatError> {
        let end = offset
            .checked_add(into.len() as u64)
            .ok_or(FormatError::OffsetOverflow { offset, length: into.len() as u64 })?;
        self.0.read(offset, into).map_err(|_| FormatError::UnexpectedEof {
            expected: usize::try_from(end).unwrap_or(usize::MAX),
            available: usize::try_from(self.0.length).unwrap_or(usize::MAX),
        })
    }
}
