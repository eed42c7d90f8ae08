//! An array on a device: a shape, cut along its first axis into slabs that each fit one binding.

use super::gpu;
use crate::error::{Error, Result};

/// What an array holds, four bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Real numbers; complex ones are pairs of them along the last axis.
    F32,
    /// Indices: f32 cannot count beyond 2²⁴.
    U32,
}

/// A type that arrays hold.
pub trait Number: bytemuck::Pod {
    /// Its tag.
    const ELEMENT: Element;
}

impl Number for f32 {
    const ELEMENT: Element = Element::F32;
}

impl Number for u32 {
    const ELEMENT: Element = Element::U32;
}

/// Numbers on a device, C order. Deliberately not `Clone`: shared and exclusive borrows keep a kernel's inputs and
/// outputs apart, as WebGPU demands.
#[derive(Debug)]
pub struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
    pub(super) slabs: Vec<Slab>,
}

/// A run of consecutive lines (entries of the first axis) of an array; the last slab may hold fewer than the others.
#[derive(Debug)]
pub struct Slab {
    pub(super) first: usize,
    pub(super) lines: usize,
    pub(super) storage: Storage,
}

#[derive(Debug)]
pub(super) enum Storage {
    /// 32-bit words: f32 or u32.
    Host(Vec<u32>),
    Gpu(gpu::Buffer),
}

impl Slab {
    /// The slab's lines, as indices of the array's first axis.
    pub fn lines(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.lines
    }
}

impl Array {
    /// Extents, first axis first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// What it holds.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Numbers in one entry of the first axis.
    pub fn line_len(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// The slabs, in order.
    pub fn slabs(&self) -> &[Slab] {
        &self.slabs
    }

    /// The slabs, for a kernel's outputs.
    pub fn slabs_mut(&mut self) -> &mut [Slab] {
        &mut self.slabs
    }

    /// The slab that holds `line`.
    ///
    /// # Panics
    /// If there is no such line.
    #[track_caller]
    pub fn slab_of(&self, line: usize) -> &Slab {
        assert!(line < self.shape[0], "line {line} of an array of shape {:?}", self.shape);
        &self.slabs[line / self.slabs[0].lines]
    }

    /// The slab that holds `line`, for a kernel's output.
    ///
    /// # Panics
    /// If there is no such line.
    #[track_caller]
    pub fn slab_of_mut(&mut self, line: usize) -> &mut Slab {
        assert!(line < self.shape[0], "line {line} of an array of shape {:?}", self.shape);
        let lines = self.slabs[0].lines;
        &mut self.slabs[line / lines]
    }
}

/// Cuts `shape` into runs of lines of at most `limit` bytes each.
pub(super) fn cut(shape: &[usize], limit: u64, device: &str) -> Result<Vec<std::ops::Range<usize>>> {
    let too_large = |bytes: u64, limit: String| Error::OutOfMemory { device: device.to_string(), bytes, limit };
    let words = shape.iter().try_fold(1_u64, |n, &extent| n.checked_mul(extent as u64));
    let Some(bytes) = words.and_then(|words| words.checked_mul(4)).filter(|bytes| *bytes <= isize::MAX as u64) else {
        return Err(too_large(u64::MAX, "more than an address space".into()));
    };
    let Some(&lines) = shape.first().filter(|_| bytes > 0) else {
        return Err(Error::Device(format!("an array of shape {shape:?} holds nothing")));
    };
    let line = bytes / lines as u64;
    if line > limit {
        return Err(too_large(line, format!("one line must fit a binding of {limit} bytes")));
    }
    let step = (limit / line).min(lines as u64) as usize;
    Ok((0..lines).step_by(step).map(|first| first..lines.min(first + step)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_cover_the_lines_within_the_limit() {
        assert_eq!(cut(&[10, 3], 12 * 4, "test").unwrap(), [0..4, 4..8, 8..10]);
        assert_eq!(cut(&[10, 3], 1 << 20, "test").unwrap(), std::slice::from_ref(&(0..10)));
        assert!(matches!(cut(&[2, 1000], 3999, "test"), Err(Error::OutOfMemory { bytes: 4000, .. })));
        assert!(cut(&[usize::MAX, usize::MAX], 1 << 20, "test").is_err());
        assert!(cut(&[0, 4], 1 << 20, "test").is_err());
    }
}
