//! Complex numbers in HDF5.

use hdf5_pure::{Datatype, DatatypeByteOrder};
use num_complex::Complex32;

/// A complex number as HDF5 files have it: a record of two floating-point numbers of one kind, `r` and `i` (h5py) or `real`
/// and `imag` (MATLAB, ISMRMRD).
pub(super) struct Pair {
    /// Bytes of a record.
    size: usize,
    /// Where real and imaginary part begin.
    at: [usize; 2],
    /// Bytes of one part.
    width: usize,
    big: bool,
}

impl Pair {
    pub(super) fn of(kind: &Datatype) -> Option<Self> {
        let Datatype::Compound { size, members } = kind else { return None };
        let [real, imaginary] = &members[..] else { return None };
        let names = [real.name.as_str(), imaginary.name.as_str()];
        if !matches!(names, ["r", "i"] | ["real", "imag"] | ["re", "im"]) || real.datatype != imaginary.datatype {
            return None;
        }
        let Datatype::FloatingPoint { size: width @ (4 | 8), byte_order, .. } = real.datatype else { return None };
        let big = match byte_order {
            DatatypeByteOrder::LittleEndian => false,
            DatatypeByteOrder::BigEndian => true,
            _ => return None,
        };
        let (size, width) = (*size as usize, width as usize);
        let at = [usize::try_from(real.byte_offset).ok()?, usize::try_from(imaginary.byte_offset).ok()?];
        at.iter().all(|at| at.checked_add(width).is_some_and(|end| end <= size)).then_some(Self {
            size,
            at,
            width,
            big,
        })
    }

    pub(super) fn values(&self, bytes: &[u8]) -> Vec<Complex32> {
        let part = |record: &[u8], at: usize| {
            let mut bytes = [0; 8];
            let number = &mut bytes[..self.width];
            number.copy_from_slice(&record[at..at + self.width]);
            if self.big {
                number.reverse();
            }
            match self.width {
                4 => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
                _ => f64::from_le_bytes(bytes) as f32,
            }
        };
        let [real, imaginary] = self.at;
        bytes
            .chunks_exact(self.size)
            .map(|record| Complex32::new(part(record, real), part(record, imaginary)))
            .collect()
    }
}
