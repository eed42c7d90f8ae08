//! MATLAB's MAT-file, level 5 (versions 5 to 7; "MAT-File Format", MathWorks, R2015b). Read only. Version 7.3 is HDF5.
//!
//! A file is a list of elements: type, length, content. A variable is a matrix element that holds elements itself
//! (flags, extents, name, numbers, or for a struct its fields), compressed as a whole or not. Arrays keep MATLAB's index
//! order, though they lie in the file with the first index fastest.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use super::{
    Format,
    mr::Mr,
    numbers::{Number, Values, count},
    place::{Place, listed, unfolded_limit},
};
use crate::error::Result;

pub(super) const FORMAT: Format = Format {
    name: "matlab",
    extensions: &["mat"],
    about: "MATLAB arrays, data.mat:/struct/field; read only",
    recognise: |head, _| {
        head.starts_with(b"MATLAB 5.0") || matches!(head.get(124..128), Some(b"\x00\x01IM" | b"\x01\x00MI"))
    },
    folders: false,
    read,
    read_image: None,
    read_recording: None,
    write_image: None,
    write_recording: None,
    mr: Mr { complex: Some(complex), ..Mr::NONE },
};

const HEADER: usize = 128;
/// Structs within structs that are still followed.
const DEPTH: usize = 16;

// Element types (table 1-1 of the format's description) and array classes (table 1-3).
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const STRUCT: u8 = 2;
const FIRST_NUMERIC: u8 = 6;
const LAST_NUMERIC: u8 = 15;

fn number(element: u32) -> Option<Number> {
    Some(match element {
        1 => Number::I8,
        2 => Number::U8,
        3 => Number::I16,
        4 => Number::U16,
        5 => Number::I32,
        6 => Number::U32,
        7 => Number::F32,
        9 => Number::F64,
        12 => Number::I64,
        13 => Number::U64,
        _ => return None,
    })
}

/// The rest of a run of elements.
#[derive(Clone, Copy)]
struct Elements<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl<'a> Elements<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn word(&mut self) -> io::Result<u32> {
        let bytes = self.take(4)?.try_into().map_err(io::Error::other)?;
        Ok(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    /// Type and content of the next element.
    fn next(&mut self) -> io::Result<(u32, &'a [u8])> {
        let tag = self.word()?;
        if tag >> 16 != 0 {
            // The small form: length and type share a word, the content fills the next.
            let content = self.take(4)?.get(..(tag >> 16) as usize);
            return Ok((tag & 0xffff, content.ok_or_else(odd)?));
        }
        let length = self.word()? as usize;
        let content = self.take(length)?;
        if tag != COMPRESSED {
            let padding = (length.next_multiple_of(8) - length).min(self.bytes.len());
            self.take(padding)?;
        }
        Ok((tag, content))
    }

    fn inside(&self, bytes: &'a [u8]) -> Self {
        Self { bytes, ..*self }
    }

    /// A list of 32-bit words.
    fn words(&self, bytes: &'a [u8]) -> io::Result<Vec<u32>> {
        let mut words = self.inside(bytes);
        (0..bytes.len() / 4).map(|_| words.word()).collect()
    }
}

fn odd() -> io::Error {
    io::Error::other("damaged: its elements do not fit each other")
}

/// A matrix element: what its first parts say, and the rest.
struct Matrix<'a> {
    class: u8,
    complex: bool,
    shape: Vec<usize>,
    name: String,
    rest: Elements<'a>,
}

impl<'a> Matrix<'a> {
    fn parse(mut inside: Elements<'a>) -> io::Result<Self> {
        let flags = inside.next()?.1;
        let flags = *inside.words(flags)?.first().ok_or_else(odd)?;
        let extents = inside.next()?.1;
        let shape: Vec<usize> = inside.words(extents)?.into_iter().map(|extent| extent as usize).collect();
        let name = String::from_utf8_lossy(inside.next()?.1).into_owned();
        if shape.len() < 2 || shape.len() > 32 {
            return Err(odd());
        }
        Ok(Self { class: flags as u8, complex: flags & 0x800 != 0, shape, name, rest: inside })
    }

    /// The fields of a 1 × 1 struct.
    fn fields(&self) -> io::Result<Vec<(String, Matrix<'a>)>> {
        let mut rest = self.rest;
        if self.class != STRUCT || self.shape.iter().any(|extent| *extent != 1) {
            return Ok(Vec::new());
        }
        let width = rest.next()?.1;
        let width = *rest.words(width)?.first().ok_or_else(odd)? as usize;
        let names = rest.next()?.1;
        if width == 0 {
            return Err(odd());
        }
        let text = |name: &[u8]| {
            String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
        };
        let mut fields = Vec::new();
        for name in names.chunks_exact(width) {
            let (kind, content) = rest.next()?;
            // An empty element stands for the empty array.
            if kind == MATRIX && !content.is_empty() {
                fields.push((text(name), Matrix::parse(rest.inside(content))?));
            }
        }
        Ok(fields)
    }

    fn values(&self) -> io::Result<Values> {
        if !(FIRST_NUMERIC..=LAST_NUMERIC).contains(&self.class) {
            return Err(io::Error::other("not an array of numbers (a struct, cells, text or a sparse matrix)"));
        }
        let mut rest = self.rest;
        let real = self.part(&mut rest)?;
        if !self.complex {
            return Ok(real);
        }
        // The imaginary parts follow, maybe stored as another type.
        let mut values = real.into_complex();
        values.zip_mut_with(&self.part(&mut rest)?.into_complex(), |value, imaginary| value.im = imaginary.re);
        Ok(Values::Complex(values))
    }

    /// The next run of numbers.
    fn part(&self, rest: &mut Elements) -> io::Result<Values> {
        let (kind, bytes) = rest.next()?;
        let kind = number(kind).ok_or_else(odd)?;
        if count(&self.shape)? as u64 * kind.size() != bytes.len() as u64 {
            return Err(io::Error::other(format!(
                "{:?} numbers are promised, but it holds {} bytes",
                self.shape,
                bytes.len()
            )));
        }
        Values::read(&mut { bytes }, kind, (self.rest.big, true), &self.shape)
    }

    /// Paths of the arrays of numbers in this matrix that have two extents above 1.
    fn pictures(&self, at: &str, depth: usize, found: &mut Vec<String>) -> io::Result<()> {
        let numeric = (FIRST_NUMERIC..=LAST_NUMERIC).contains(&self.class);
        if numeric && self.shape.iter().filter(|extent| **extent > 1).count() >= 2 {
            found.push(at.to_string());
        }
        if depth < DEPTH {
            for (name, field) in self.fields()? {
                field.pictures(&format!("{at}/{name}"), depth + 1, found)?;
            }
        }
        Ok(())
    }
}

/// Hands each variable of the file to `visit`, until that returns something.
fn variables<T>(place: &Place, mut visit: impl FnMut(&Matrix) -> io::Result<Option<T>>) -> Result<Option<T>> {
    let mut run = || -> io::Result<Option<T>> {
        let mut file = Vec::new();
        place.open().map_err(io::Error::other)?.read_to_end(&mut file)?;
        let big = file.get(126..HEADER).ok_or(io::ErrorKind::UnexpectedEof)? == b"MI";
        let mut elements = Elements { bytes: &file[HEADER..], big };
        while !elements.bytes.is_empty() {
            let (mut kind, mut content) = elements.next()?;
            let mut unfolded = Vec::new();
            if kind == COMPRESSED {
                let limit = unfolded_limit(content.len() as u64);
                ZlibDecoder::new(content).take(limit + 1).read_to_end(&mut unfolded)?;
                if unfolded.len() as u64 > limit {
                    return Err(io::Error::other("a variable unfolds to more than can be in a file of this size"));
                }
                (kind, content) = Elements { bytes: &unfolded, big }.next()?;
            }
            if kind == MATRIX
                && !content.is_empty()
                && let Some(found) = visit(&Matrix::parse(Elements { bytes: content, big })?)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    };
    run().map_err(|error| place.io_error(error))
}

fn read(place: &Place) -> Result<Values> {
    found(place, |matrix| matrix.values())
}

fn complex(place: &Place) -> Result<bool> {
    found(place, |matrix| Ok(matrix.complex))
}

/// What `take` makes of the array that is meant.
fn found<T>(place: &Place, take: fn(&Matrix) -> io::Result<T>) -> Result<T> {
    let path = match &place.inner {
        Some(path) => path.clone(),
        None => match &pictures(place)?[..] {
            [only] => only.clone(),
            [] => return Err(place.error("holds no array of numbers with two dimensions")),
            several => {
                return Err(place.error(format!("holds {}; name one, as in data.mat:/name", listed(several, "/"))));
            }
        },
    };
    let found = variables(place, |matrix| {
        let mut parts = path.split('/');
        if parts.next() != Some(matrix.name.as_str()) {
            return Ok(None);
        }
        follow(matrix, parts, take)
    })?;
    match found {
        Some(values) => Ok(values),
        None => Err(place.error(format!("no such array; the file has: {}", listed(&pictures(place)?, "/")))),
    }
}

/// Follows the field names to an array.
fn follow<'p, T>(
    matrix: &Matrix,
    mut parts: impl Iterator<Item = &'p str>,
    take: fn(&Matrix) -> io::Result<T>,
) -> io::Result<Option<T>> {
    let Some(part) = parts.next() else { return take(matrix).map(Some) };
    match matrix.fields()?.into_iter().find(|(name, _)| name == part) {
        // `dyn`, because a generic recursion would make a new type at every step.
        Some((_, field)) => follow(&field, &mut parts as &mut dyn Iterator<Item = &'p str>, take),
        None => Ok(None),
    }
}

fn pictures(place: &Place) -> Result<Vec<String>> {
    let mut found = Vec::new();
    variables(place, |matrix| matrix.pictures(&matrix.name, 0, &mut found).map(|()| None::<()>))?;
    Ok(found)
}
