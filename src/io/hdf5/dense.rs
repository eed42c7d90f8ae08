//! Links of large groups: a tree of their names, and the heap where they lie (HDF5 File Format Specification 3.0, III.A.2 and
//! III.G).

use std::io;

use super::structure::{Fields, Structure, odd};

/// Deeper trees, and more records than these are a broken file.
const DEPTH: u64 = 16;
const MOST: usize = 1_000_000;

/// The objects in the fractal heap at `heap` that the version 2 tree at `tree` lists.
pub(super) fn objects(structure: &Structure, heap: u64, tree: u64) -> io::Result<Vec<Vec<u8>>> {
    let heap = Heap::read(structure, heap)?;
    identities(structure, tree)?.iter().map(|identity| heap.object(identity)).collect()
}

/// Identities in the heap, of 7 bytes behind 4 of a hash.
fn identities(structure: &Structure, tree: u64) -> io::Result<Vec<Vec<u8>>> {
    let head = structure.at(tree, 16 + structure.offset as u64 + 2 + structure.length as u64)?;
    let mut fields = Fields(&head);
    if fields.take(6)? != b"BTHD\0\x05" {
        return Err(odd());
    }
    let (node, record, depth) = (fields.number(4)?, fields.number(2)?, fields.number(2)?);
    fields.take(2)?;
    let Some(root) = fields.address(structure.offset)? else { return Ok(Vec::new()) };
    let count = fields.number(2)?;
    if record < 5 || depth > DEPTH || node < 16 {
        return Err(odd());
    }
    // Bytes for the number of records in a node, and in all below it; a node of each level, leaves first.
    let width = |most: u64| (u64::BITS - most.max(1).leading_zeros()).div_ceil(8) as usize;
    let mut widths = vec![(0, 0)];
    let mut most = (node - 10) / record;
    let mut below = most;
    let of_child = width(most);
    for level in 1..=depth {
        let of_all = if level > 1 { width(below) } else { 0 };
        widths.push((of_child, of_all));
        let pointer = (structure.offset + of_child + of_all) as u64;
        most = (node - 10).saturating_sub(pointer) / (record + pointer);
        below = (most + 1).saturating_mul(below).saturating_add(most);
    }
    let mut found = Vec::new();
    let mut nodes = vec![(root, count, depth)];
    while let Some((address, count, level)) = nodes.pop() {
        let (of_child, of_all) = widths[level as usize];
        let pointers = if level > 0 { (count + 1) * (structure.offset + of_child + of_all) as u64 } else { 0 };
        let bytes = structure.at(address, 6 + count * record + pointers)?;
        let mut fields = Fields(&bytes);
        if fields.take(6)?[..4] != *if level == 0 { b"BTLF" } else { b"BTIN" } {
            return Err(odd());
        }
        for _ in 0..count {
            found.push(fields.take(record as usize)?[4..].to_vec());
        }
        if found.len() > MOST {
            return Err(odd());
        }
        for _ in 0..if level > 0 { count + 1 } else { 0 } {
            let address = fields.number(structure.offset)?;
            let count = fields.number(of_child)?;
            fields.take(of_all)?;
            nodes.push((address, count, level - 1));
        }
        if nodes.len() > MOST {
            return Err(odd());
        }
    }
    Ok(found)
}

/// A fractal heap: blocks in rows of `width`, of a size that doubles from the third row on.
struct Heap<'a> {
    structure: &'a Structure,
    width: u64,
    /// Bytes of a block of the first rows, and of the largest that holds objects.
    first: u64,
    largest: u64,
    /// Bytes of an offset in the heap.
    place: usize,
    root: u64,
    /// Rows of the root; 0 if it holds objects itself.
    rows: u64,
}

impl<'a> Heap<'a> {
    fn read(structure: &'a Structure, address: u64) -> io::Result<Self> {
        let (offset, length) = (structure.offset, structure.length);
        let head = structure.at(address, (22 + 3 * offset + 12 * length) as u64)?;
        let mut fields = Fields(&head);
        if fields.take(5)? != b"FRHP\0" {
            return Err(odd());
        }
        fields.take(2)?;
        // Filtered heaps, which no group has, are none that can be read here.
        if fields.number(2)? != 0 {
            return Err(odd());
        }
        fields.take(5 + length + offset + length + offset + 8 * length)?;
        let width = fields.number(2)?;
        let (first, largest) = (fields.number(length)?, fields.number(length)?);
        let place = (fields.number(2)? as usize).div_ceil(8);
        fields.take(2)?;
        let root = fields.number(offset)?;
        let rows = fields.number(2)?;
        if width == 0 || first == 0 || place == 0 || place > 8 || rows > 64 {
            return Err(odd());
        }
        Ok(Self { structure, width, first, largest, place, root, rows })
    }

    /// Bytes of a block in a row.
    fn size(&self, row: u64) -> io::Result<u64> {
        1_u64.checked_shl(row.saturating_sub(1) as u32).and_then(|times| times.checked_mul(self.first)).ok_or_else(odd)
    }

    fn object(&self, identity: &[u8]) -> io::Result<Vec<u8>> {
        let mut fields = Fields(identity);
        // Kind 0 lies in a block; huge and tiny ones are no links.
        if fields.take(1)?[0] & 0x30 != 0 {
            return Err(odd());
        }
        let mut at = fields.number(self.place)?;
        let count = fields.number(fields.0.len().min(8))?;
        let (mut block, mut rows) = (self.root, self.rows);
        for _ in 0..DEPTH {
            if rows == 0 {
                return self.structure.at(block.checked_add(at).ok_or_else(odd)?, count);
            }
            let (mut row, mut index) = (0, 0);
            loop {
                let whole = self.size(row)?.checked_mul(self.width).ok_or_else(odd)?;
                if row == rows {
                    return Err(odd());
                }
                if at < whole {
                    break;
                }
                (at, row, index) = (at - whole, row + 1, index + self.width);
            }
            let size = self.size(row)?;
            index += at / size;
            at %= size;
            let head = (5 + self.structure.offset + self.place) as u64;
            let bytes = self.structure.at(block, head + (index + 1) * self.structure.offset as u64)?;
            if !bytes.starts_with(b"FHIB") {
                return Err(odd());
            }
            let mut pointer = Fields(&bytes[(head + index * self.structure.offset as u64) as usize..]);
            block = pointer.address(self.structure.offset)?.ok_or_else(odd)?;
            // A block too large for objects holds rows that together are as large as it.
            rows = if size <= self.largest { 0 } else { (size / (self.first * self.width)).max(1).ilog2() as u64 + 1 };
        }
        Err(odd())
    }
}
