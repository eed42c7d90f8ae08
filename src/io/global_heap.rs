//! HDF5's global heap, where the elements of variable length lie (HDF5 File Format Specification 3.0, III.E and IV.A.2.d).
//!
//! An element in a record is 16 bytes: its length, the address of a collection, an index. A collection (`GCOL`) is a list of
//! objects, each with index, size and bytes up to a multiple of 8.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

/// Bytes of an element as it lies in a record.
pub(super) const REFERENCE: usize = 16;
const HEADER: u64 = 16;
/// The C library reads no smaller collections.
const LEAST: usize = 4096;
/// Collections end once they are this long.
const ENOUGH: usize = 1 << 20;

/// The collections of an open file.
pub(super) struct Heap {
    file: BufReader<File>,
    length: u64,
    /// What addresses count from.
    base: u64,
    /// Start and size of each object, by collection and index.
    objects: HashMap<u64, HashMap<u16, (u64, u64)>>,
}

impl Heap {
    pub(super) fn new(file: BufReader<File>, length: u64, base: u64) -> Self {
        Self { file, length, base, objects: HashMap::new() }
    }

    /// The numbers of the element `reference`, 32-bit floats.
    pub(super) fn floats(&mut self, reference: &[u8]) -> io::Result<Vec<f32>> {
        let odd = || io::Error::other("an element of variable length that is nowhere in the file");
        let (count, address, index) = match reference {
            [a, b, c, d, address @ .., e, f, _, _] if address.len() == 8 => (
                u64::from(u32::from_le_bytes([*a, *b, *c, *d])),
                u64::from_le_bytes(address.try_into().map_err(|_| odd())?),
                u16::from_le_bytes([*e, *f]),
            ),
            _ => return Err(odd()),
        };
        if count == 0 {
            return Ok(Vec::new());
        }
        if !self.objects.contains_key(&address) {
            let listed = self.list(address)?;
            self.objects.insert(address, listed);
        }
        let (start, size) = *self.objects[&address].get(&index).ok_or_else(odd)?;
        if count * 4 > size {
            return Err(io::Error::other(format!("an element of {count} numbers is promised in {size} bytes")));
        }
        // The list was held against the file's length, so this much is there.
        let mut bytes = vec![0; count as usize * 4];
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// The objects of the collection at `address`.
    fn list(&mut self, address: u64) -> io::Result<HashMap<u16, (u64, u64)>> {
        let odd = || io::Error::other("a damaged global heap");
        let start = address.checked_add(self.base).filter(|start| *start < self.length).ok_or_else(odd)?;
        self.file.seek(SeekFrom::Start(start))?;
        let mut head = [0; HEADER as usize];
        self.file.read_exact(&mut head)?;
        let size = |head: &[u8]| u64::from_le_bytes(std::array::from_fn(|i| head[8 + i]));
        let end = start.checked_add(size(&head)).filter(|end| *end <= self.length).ok_or_else(odd)?;
        if !head.starts_with(b"GCOL\x01") {
            return Err(odd());
        }
        let mut objects = HashMap::new();
        let mut at = start + HEADER;
        while at + HEADER <= end {
            self.file.read_exact(&mut head)?;
            let index = u16::from_le_bytes([head[0], head[1]]);
            if index == 0 {
                break;
            }
            let (begin, bytes) = (at + HEADER, size(&head));
            let next = bytes.checked_next_multiple_of(8).and_then(|bytes| begin.checked_add(bytes)).ok_or_else(odd)?;
            if begin + bytes > end {
                return Err(odd());
            }
            objects.insert(index, (begin, bytes));
            self.file.seek_relative((next - begin) as i64)?;
            at = next;
        }
        Ok(objects)
    }
}

/// Collections being made, that will lie behind the `end` of a file.
pub(super) struct NewHeap {
    pub(super) bytes: Vec<u8>,
    end: u64,
    /// Where in `bytes` the open collection begins, and its last index.
    open: Option<(usize, u16)>,
}

impl NewHeap {
    pub(super) fn new(end: u64) -> Self {
        Self { bytes: Vec::new(), end, open: None }
    }

    /// Adds an element, and returns its 16 bytes.
    pub(super) fn add(&mut self, numbers: &[f32]) -> [u8; REFERENCE] {
        let mut reference = [0; REFERENCE];
        if numbers.is_empty() {
            return reference;
        }
        let (start, last) = self.open.unwrap_or_else(|| {
            let start = self.bytes.len();
            self.bytes.extend(b"GCOL\x01\0\0\0\0\0\0\0\0\0\0\0");
            (start, 0)
        });
        let index = last + 1;
        self.bytes.extend(index.to_le_bytes());
        // One reference counted, and four bytes without use.
        self.bytes.extend([1, 0, 0, 0, 0, 0]);
        self.bytes.extend((numbers.len() as u64 * 4).to_le_bytes());
        self.bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        reference[..4].copy_from_slice(&(numbers.len() as u32).to_le_bytes());
        reference[4..12].copy_from_slice(&(self.end + start as u64).to_le_bytes());
        reference[12..14].copy_from_slice(&index.to_le_bytes());
        self.open = Some((start, index));
        if self.bytes.len() - start > ENOUGH || index == u16::MAX {
            self.close();
        }
        reference
    }

    /// Ends the open collection: the rest of it is the object 0.
    pub(super) fn close(&mut self) {
        let Some((start, _)) = self.open.take() else { return };
        let used = self.bytes.len() - start;
        let size = (used + HEADER as usize).max(LEAST);
        self.bytes.extend([0; 8]);
        self.bytes.extend(((size - used) as u64).to_le_bytes());
        self.bytes.resize(start + size, 0);
        self.bytes[start + 8..start + 16].copy_from_slice(&(size as u64).to_le_bytes());
    }
}

/// Lengthens a file of superblock 2 or 3 (II.C) by `more` bytes: its end of file, and the superblock's checksum.
pub(super) fn lengthen(file: &mut Vec<u8>, more: &[u8]) -> io::Result<()> {
    const END: usize = 28;
    const CHECKSUM: usize = 44;
    let known = file.len() > CHECKSUM + 4 && matches!(file[8], 2 | 3) && file[9..11] == [8, 8];
    if !known {
        return Err(io::Error::other("an HDF5 superblock that cannot be lengthened"));
    }
    file.extend(more);
    let end = (file.len() as u64).to_le_bytes();
    file[END..END + 8].copy_from_slice(&end);
    let sum = lookup3(&file[..CHECKSUM]).to_le_bytes();
    file[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum);
    Ok(())
}

/// Bob Jenkins' lookup3 with initial value 0 (burtleburtle.net/bob/c/lookup3.c, public domain), HDF5's checksum.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    let mut state = [0xdead_beef_u32.wrapping_add(bytes.len() as u32); 3];
    let mut rest = bytes;
    loop {
        let (block, after) = rest.split_at(rest.len().min(12));
        for (word, four) in state.iter_mut().zip(block.chunks(4)) {
            let mut padded = [0; 4];
            padded[..four.len()].copy_from_slice(four);
            *word = word.wrapping_add(u32::from_le_bytes(padded));
        }
        rest = after;
        let [mut a, mut b, mut c] = state;
        if rest.is_empty() {
            for rotations in [[14, 11, 25], [16, 4, 14]] {
                c = (c ^ b).wrapping_sub(b.rotate_left(rotations[0]));
                a = (a ^ c).wrapping_sub(c.rotate_left(rotations[1]));
                b = (b ^ a).wrapping_sub(a.rotate_left(rotations[2]));
            }
            return (c ^ b).wrapping_sub(b.rotate_left(24));
        }
        for rotation in [4, 6, 8, 16, 19, 4] {
            a = a.wrapping_sub(c) ^ c.rotate_left(rotation);
            c = c.wrapping_add(b);
            // The three words change places after every step.
            [a, b, c] = [b, c, a];
        }
        state = [a, b, c];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup3_is_jenkins() {
        // Checksums that the author gives in lookup3.c's driver5.
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }
}
