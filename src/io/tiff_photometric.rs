//! A TIFF file whose photometric interpretation 0, "white is zero", reads as 1: the decoder would turn numbers round that are
//! data, and refuses to where they have a sign. (TIFF 6.0, section 2: an image file directory is a count, entries of 12 bytes,
//! and the place of the next; BigTIFF has 8, 20 and 8 bytes.)

use std::{
    collections::HashSet,
    io::{self, Read, Seek, SeekFrom},
};

const PHOTOMETRIC: u64 = 262;
/// More directories are no file of pictures.
const MOST: usize = 1 << 22;

/// The file, with the bytes of those interpretations as 1.
pub(super) struct AsStored<R> {
    file: R,
    at: u64,
    /// Places of bytes that read as 1.
    ones: HashSet<u64>,
}

impl<R: Read + Seek> AsStored<R> {
    /// Looks through all directories; a chain that breaks is for the decoder to complain of.
    pub(super) fn new(mut file: R) -> io::Result<Self> {
        let ones = white_is_zero(&mut file).unwrap_or_default();
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file, at: 0, ones })
    }
}

fn white_is_zero(file: &mut (impl Read + Seek)) -> io::Result<HashSet<u64>> {
    let mut read = |at: u64, length: usize| -> io::Result<Vec<u8>> {
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let head = read(0, 8)?;
    let big = head[0] == b'M';
    let number = |bytes: &[u8]| {
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if big { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    };
    // Bytes of the count, of an entry, and of a place.
    let (count, entry, place) = if number(&head[2..4]) == 43 { (8, 20, 8) } else { (2, 12, 4) };
    let mut next = if place == 8 { number(&read(8, 8)?) } else { number(&head[4..8]) };
    let mut ones = HashSet::new();
    let mut seen = HashSet::new();
    while next != 0 && seen.insert(next) && seen.len() < MOST {
        let entries = number(&read(next, count)?);
        let start = next.saturating_add(count as u64);
        // More entries than there are tags are no directory.
        let length = entries.min(1 << 16) as usize * entry;
        let directory = read(start, length)?;
        for (index, bytes) in directory.chunks_exact(entry).enumerate() {
            let value = start + (index * entry + entry - place) as u64;
            let width = match number(&bytes[2..4]) {
                1 => 1,
                3 => 2,
                4 => 4,
                _ => continue,
            };
            let stored = &bytes[entry - place..][..width];
            if number(&bytes[..2]) == PHOTOMETRIC && number(stored) == 0 {
                ones.insert(value + if big { width as u64 - 1 } else { 0 });
            }
        }
        next = number(&read(start.saturating_add(length as u64), place)?);
    }
    Ok(ones)
}

impl<R: Read> Read for AsStored<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        for one in self.ones.iter().filter(|one| (self.at..self.at + count as u64).contains(one)) {
            into[(one - self.at) as usize] = 1;
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for AsStored<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}
