//! Numbers as files store them: width, sign and byte order, read into `f32` or `f64`, whichever loses least; complex
//! ones into pairs of `f32`.

use std::io::{self, Read};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use num_complex::Complex32;

use super::place::Place;
use crate::error::Result;

/// How a file stores one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
    /// Two `f32`, real and imaginary part.
    C64,
    /// Two `f64`.
    C128,
}

impl Number {
    /// Bytes of one number.
    pub(super) fn size(self) -> u64 {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::C64 => 8,
            Self::C128 => 16,
        }
    }
}

/// The numbers of one array: `F32` where that holds every value exactly, else `F64`; `Complex` if they are complex.
#[derive(Clone, Debug)]
pub(super) enum Values {
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
    Complex(ArrayD<Complex32>),
}

impl Values {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Self::F32(array) => array.shape(),
            Self::F64(array) => array.shape(),
            Self::Complex(array) => array.shape(),
        }
    }

    /// The values in C order, rounded to `f32` where they are wider; complex ones are refused.
    pub(super) fn into_f32(self, place: &Place) -> Result<ArrayD<f32>> {
        match self {
            Self::F32(array) => Ok(in_c_order(array)),
            Self::F64(array) => Ok(in_c_order(array.mapv(|v| v as f32))),
            Self::Complex(_) => Err(place.error(COMPLEX)),
        }
    }

    /// The values in C order, as a list; complex ones are refused.
    pub(super) fn into_f64_list(self, place: &Place) -> Result<Vec<f64>> {
        match self {
            Self::F32(array) => Ok(array.iter().map(|v| f64::from(*v)).collect()),
            Self::F64(array) => Ok(array.iter().copied().collect()),
            Self::Complex(_) => Err(place.error(COMPLEX)),
        }
    }

    /// The values in C order as complex numbers; real ones get the imaginary part 0.
    pub(super) fn into_complex(self) -> ArrayD<Complex32> {
        match self {
            Self::F32(array) => in_c_order(array.mapv(|v| Complex32::new(v, 0.0))),
            Self::F64(array) => in_c_order(array.mapv(|v| Complex32::new(v as f32, 0.0))),
            Self::Complex(array) => in_c_order(array),
        }
    }

    /// Reads `shape` numbers; `big` means most significant byte first, `fortran` first index fastest.
    ///
    /// Memory grows only as bytes arrive, so a false promise in a header ends as "unexpected end of file".
    pub(super) fn read(
        input: &mut impl Read,
        kind: Number,
        (big, fortran): (bool, bool),
        shape: &[usize],
    ) -> io::Result<Self> {
        macro_rules! numbers {
            ($variant:ident, $stored:ty as $to:ty) => {
                numbers!($variant, $stored, |v: $stored| v as $to)
            };
            ($variant:ident, $stored:ty, $convert:expr) => {{
                let convert = if big {
                    |b: &[u8]| $convert(<$stored>::from_be_bytes(b.try_into().unwrap_or_default()))
                } else {
                    |b: &[u8]| $convert(<$stored>::from_le_bytes(b.try_into().unwrap_or_default()))
                };
                Values::$variant(shaped(read_as(input, size_of::<$stored>(), count(shape)?, convert)?, shape, fortran)?)
            }};
        }
        macro_rules! complex {
            ($stored:ty) => {{
                let part = |b: &[u8]| {
                    let bytes = b.try_into().unwrap_or_default();
                    (if big { <$stored>::from_be_bytes(bytes) } else { <$stored>::from_le_bytes(bytes) }) as f32
                };
                let width = size_of::<$stored>();
                let convert = |b: &[u8]| Complex32::new(part(&b[..width]), part(&b[width..]));
                Values::Complex(shaped(read_as(input, 2 * width, count(shape)?, convert)?, shape, fortran)?)
            }};
        }
        Ok(match kind {
            Number::U8 => numbers!(F32, u8 as f32),
            Number::I8 => numbers!(F32, i8 as f32),
            Number::U16 => numbers!(F32, u16 as f32),
            Number::I16 => numbers!(F32, i16 as f32),
            Number::F16 => numbers!(F32, u16, half),
            Number::F32 => numbers!(F32, f32 as f32),
            Number::U32 => numbers!(F64, u32 as f64),
            Number::I32 => numbers!(F64, i32 as f64),
            Number::U64 => numbers!(F64, u64 as f64),
            Number::I64 => numbers!(F64, i64 as f64),
            Number::F64 => numbers!(F64, f64 as f64),
            Number::C64 => complex!(f32),
            Number::C128 => complex!(f64),
        })
    }
}

const COMPLEX: &str = "complex numbers, where real ones are needed";

fn in_c_order<T: Clone>(array: ArrayD<T>) -> ArrayD<T> {
    if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
}

/// The product of the extents, where an address space holds it.
pub(super) fn count(shape: &[usize]) -> io::Result<usize> {
    shape
        .iter()
        .try_fold(1_usize, |n, extent| n.checked_mul(*extent))
        .filter(|n| n.checked_mul(16).is_some())
        .ok_or_else(|| io::Error::other(format!("a shape of {shape:?} is more than memory can hold")))
}

/// `values` in the order of the file, as an array of `shape`.
pub(super) fn shaped<T>(values: Vec<T>, shape: &[usize], fortran: bool) -> io::Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape).set_f(fortran), values).map_err(io::Error::other)
}

fn read_as<T>(input: &mut impl Read, width: usize, count: usize, convert: impl Fn(&[u8]) -> T) -> io::Result<Vec<T>> {
    let mut block = [0; 1 << 16];
    let mut values = Vec::new();
    while values.len() < count {
        let bytes = &mut block[..((count - values.len()).saturating_mul(width)).min(1 << 16)];
        input.read_exact(bytes)?;
        // One exact reservation once the first block has come, so that a large scan is not copied while it grows.
        if values.is_empty() && count > (1 << 16) {
            values.try_reserve_exact(count).map_err(io::Error::other)?;
        }
        values.extend(bytes.chunks_exact(width).map(&convert));
    }
    Ok(values)
}

/// IEEE 754 binary16 to `f32`, exactly.
pub(super) fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_ieee() {
        // Examples of IEEE 754-2008, binary16: 1, -2, largest, smallest normal, smallest subnormal, 1/3.
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (1, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e01).is_nan());
    }

    #[test]
    fn a_false_promise_costs_no_memory() {
        let error = Values::read(&mut &[0_u8; 12][..], Number::F32, (false, false), &[1 << 40]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
