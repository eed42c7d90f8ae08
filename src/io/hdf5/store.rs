//! An open HDF5 file: its datasets by path, through soft and external links, as numbers or texts.

use std::{io, sync::Arc};

use hdf5_pure::{
    DType, Dataset, Datatype, DatatypeByteOrder, File, FloatingPointLayout, Layout, VlenStringReadOptions,
};

use super::{
    IMAGE,
    bytes::{Bytes, Shared},
    complex::Pair,
    follow::Target,
    structure::{Link, Structure},
};
use crate::{
    error::{Error, Result},
    io::{
        dxchange, fastmri, ismrmrd,
        numbers::{Values, count, half, shaped},
        place::{Place, listed, unfolded_limit},
    },
};

/// Deeper trees than this are broken files; in one with more objects, a name has to be given.
const DEPTH: usize = 16;
const MOST: usize = 10_000;

/// An open file and what is needed to speak of it.
pub(in crate::io) struct Store {
    pub(super) place: Place,
    pub(super) file: File,
    pub(super) structure: Structure,
    /// MATLAB stores its arrays with the axes turned round.
    pub(super) matlab: bool,
}

impl Store {
    pub(in crate::io) fn open(place: &Place) -> Result<Self> {
        let mut head = [0; 10];
        let mut input = place.open()?;
        let matlab = io::Read::read_exact(&mut input, &mut head).is_ok() && head.starts_with(b"MATLAB 7.3");
        let bytes = Arc::new(Bytes::new(input.into_inner()).map_err(|error| place.io_error(error))?);
        let file = File::from_source(Shared(Arc::clone(&bytes)))
            .map_err(|error| place.error(format!("truncated or not a whole HDF5 file: {error}")))?;
        let (end, length) = (file.superblock().eof_address, place.length()?);
        if end > length {
            return Err(place.error(format!("truncated: {length} bytes of {end}")));
        }
        let structure = Structure::new(bytes, file.superblock());
        Ok(Self { place: place.clone(), file, structure, matlab })
    }

    /// Whether there is a dataset at `path`, or a link that should lead to one: what is wrong with it is told when it is read.
    pub(in crate::io) fn holds(&self, path: &str) -> bool {
        !matches!(self.follow(path), Ok(None))
    }

    /// The dataset at `path`, and its file.
    pub(in crate::io) fn target(&self, path: &str) -> Result<Target> {
        self.follow(path)?.ok_or_else(|| {
            let known = listed(&self.arrays(1), "/");
            self.error(path, format!("no such dataset; the file has: {known}"))
        })
    }

    /// The dataset at `path`, if there is one.
    fn dataset(&self, path: &str) -> Option<Dataset> {
        Some(self.follow(path).ok()??.data)
    }

    /// The numbers at `path`.
    pub(in crate::io) fn values(&self, path: &str) -> Result<Values> {
        let wrong = |what: String| self.error(path, what);
        let failed = |error: hdf5_pure::Error| wrong(format!("cannot be read: {error}"));
        let Target { data, length, matlab, .. } = self.target(path)?;
        if matches!(data.layout(), Ok(Layout::Virtual)) {
            return Err(wrong(
                "a virtual dataset, whose numbers lie in others; make them one, as h5py does with f['copy'] = f['it'][()]".into(),
            ));
        }
        let shape: Option<Vec<usize>> =
            data.shape().map_err(failed)?.into_iter().map(|extent| extent.try_into().ok()).collect();
        let shape = shape.ok_or_else(|| wrong("its shape is more than memory can hold".into()))?;
        let bytes = count(&shape).map_err(|error| wrong(error.to_string()))? as u64
            * data.element_size().map_err(failed)?.max(1);
        let limit = if data.is_chunked() { unfolded_limit(length) } else { length };
        if bytes > limit {
            return Err(wrong(format!(
                "{shape:?} numbers, {bytes} bytes, are promised by a file of {length}: truncated, or not what it says"
            )));
        }
        let array = |error: io::Error| wrong(error.to_string());
        let values = match data.dtype().map_err(failed)? {
            DType::F32 | DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::Enum(_) => {
                Values::F32(shaped(data.read_f32().map_err(failed)?, &shape, false).map_err(array)?)
            }
            DType::F64 | DType::I32 | DType::U32 | DType::I64 | DType::U64 => {
                Values::F64(shaped(data.read_f64().map_err(failed)?, &shape, false).map_err(array)?)
            }
            DType::Compound(_) => {
                let pair = Pair::of(&data.datatype().map_err(failed)?)
                    .ok_or_else(|| wrong("records, where numbers are needed".into()))?;
                let bytes = data.read_raw().map_err(failed)?;
                Values::Complex(shaped(pair.values(&bytes), &shape, false).map_err(array)?)
            }
            DType::Other(kind) => {
                let value = short_float(&kind).ok_or_else(|| wrong("not numbers that can be read".into()))?;
                let bytes = data.read_raw().map_err(failed)?;
                let values = bytes.chunks_exact(2).map(|pair| value([pair[0], pair[1]])).collect();
                Values::F32(shaped(values, &shape, false).map_err(array)?)
            }
            _ => return Err(wrong("not numbers".into())),
        };
        Ok(if matlab { values.reversed_axes() } else { values })
    }

    /// ISMRMRD's or fastMRI's.
    pub(super) fn has_mr_header(&self) -> bool {
        ismrmrd::group(&self.place, self).is_some() || self.place.inner.is_none() && fastmri::is_one(self)
    }

    /// Whether the array that is meant is complex; where it has yet to be named, nothing is known of it.
    pub(super) fn complex(&self) -> bool {
        let path = self.place.inner.clone().or_else(|| self.default_array().ok());
        let kind = path.and_then(|path| self.dataset(&path)?.datatype().ok());
        kind.is_some_and(|kind| Pair::of(&kind).is_some())
    }

    /// Names in the file's root, which may be groups.
    pub(in crate::io) fn groups(&self) -> Vec<String> {
        match self.structure.links(self.structure.root) {
            Ok(Some(links)) => links.iter().map(|(name, _)| name.clone()).collect(),
            _ => self.file.root().groups().unwrap_or_default(),
        }
    }

    /// The text in the dataset at `path`.
    pub(in crate::io) fn text(&self, path: &str) -> Result<String> {
        let Target { data, length, .. } = self.target(path)?;
        let read = || {
            let limit =
                VlenStringReadOptions::new().with_max_elements(1).with_max_payload_bytes(usize::try_from(length).ok()?);
            match data.dtype().ok()? {
                DType::VariableLengthString => data.read_vlen_strings(limit).ok()?.into_iter().next(),
                _ if data.element_size().ok()? <= length => data.read_string().ok()?.into_iter().next(),
                _ => None,
            }
        };
        read().ok_or_else(|| self.error(path, "not a text"))
    }

    /// An attribute of the dataset at `path` as text.
    pub(in crate::io) fn text_attribute(&self, path: &str, name: &str) -> Option<String> {
        let attributes = self.dataset(path)?.attrs().ok()?;
        attributes.get(name)?.as_str().map(str::to_string)
    }

    /// An attribute of the dataset at `path` as three numbers.
    pub(super) fn vector_attribute(&self, path: &str, name: &str) -> Option<[f64; 3]> {
        self.dataset(path)?.attrs().ok()?.get(name)?.to_f64s()?.try_into().ok()
    }

    /// Whether the numbers at `path` are whole ones without a sign, of 16 bits or more: what detectors count.
    pub(in crate::io) fn counted(&self, path: &str) -> bool {
        let kind = self.dataset(path).and_then(|data| data.dtype().ok());
        matches!(kind, Some(DType::U16 | DType::U32 | DType::U64))
    }

    /// Paths of the numeric datasets with at least `dimensions` extents above 1.
    fn arrays(&self, dimensions: usize) -> Vec<String> {
        self.search(dimensions).found
    }

    fn search(&self, dimensions: usize) -> Search<'_> {
        let mut search = Search { store: self, dimensions, found: Vec::new(), lost: None, left: MOST };
        search.walk(self.structure.root, "", 0);
        search
    }

    /// The dataset that is meant when none is named.
    pub(super) fn default_array(&self) -> Result<String> {
        if let Some(path) = [dxchange::DATA, IMAGE].into_iter().find(|path| self.holds(path)) {
            return Ok(path.to_string());
        }
        let Search { found, lost, .. } = self.search(2);
        match &found[..] {
            [only] => Ok(only.clone()),
            [] => Err(lost.unwrap_or_else(|| self.place.error("holds no array of two or three dimensions"))),
            several => Err(self.place.error(format!("holds {}; name one, as in file.h5:/path", listed(several, "/")))),
        }
    }
}

/// Reads floating-point numbers of 16 bits, IEEE's and bfloat16.
fn short_float(kind: &Datatype) -> Option<fn([u8; 2]) -> f32> {
    let Datatype::FloatingPoint { size: 2, byte_order, layout } = kind else { return None };
    let half16 = FloatingPointLayout {
        bit_offset: 0,
        bit_precision: 16,
        exponent_location: 10,
        exponent_size: 5,
        mantissa_location: 0,
        mantissa_size: 10,
        exponent_bias: 15,
    };
    let brain16 =
        FloatingPointLayout { exponent_location: 7, exponent_size: 8, mantissa_size: 7, exponent_bias: 127, ..half16 };
    Some(match byte_order {
        DatatypeByteOrder::LittleEndian if *layout == half16 => |bytes| half(u16::from_le_bytes(bytes)),
        DatatypeByteOrder::BigEndian if *layout == half16 => |bytes| half(u16::from_be_bytes(bytes)),
        DatatypeByteOrder::LittleEndian if *layout == brain16 => |[low, high]| f32::from_le_bytes([0, 0, low, high]),
        DatatypeByteOrder::BigEndian if *layout == brain16 => |[high, low]| f32::from_be_bytes([high, low, 0, 0]),
        _ => return None,
    })
}

impl Values {
    /// The axes in the opposite order.
    fn reversed_axes(self) -> Self {
        match self {
            Self::F32(array) => Self::F32(array.reversed_axes()),
            Self::F64(array) => Self::F64(array.reversed_axes()),
            Self::Complex(array) => Self::Complex(array.reversed_axes()),
        }
    }
}

/// A walk through a file's groups, that ends even where groups hold one another.
struct Search<'a> {
    store: &'a Store,
    /// Extents above 1 that a dataset must have.
    dimensions: usize,
    found: Vec<String>,
    /// What is wrong with the first link that leads nowhere, where nothing was found before it.
    lost: Option<Error>,
    /// Objects that may still be looked at.
    left: usize,
}

impl Search<'_> {
    /// The datasets of a group, then those of the groups in it. Soft links are other names of what is found without them.
    fn walk(&mut self, group: u64, at: &str, depth: usize) {
        let structure = &self.store.structure;
        let mut groups = Vec::new();
        let links = structure.links(group).ok().flatten();
        for (name, link) in links.iter().flat_map(|links| links.iter()) {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                return;
            }
            let path = format!("{at}{name}");
            match link {
                Link::Hard(address) if !structure.is_dataset(*address).unwrap_or(false) => {
                    groups.push((path, *address))
                }
                Link::Hard(_) | Link::External { .. } => match self.store.follow(&path) {
                    Ok(Some(target)) if self.wanted(&target.data) => self.found.push(path),
                    Ok(_) => {}
                    Err(error) => self.lost = self.lost.take().or(Some(error)),
                },
                Link::Soft(_) if self.found.is_empty() && self.lost.is_none() => {
                    self.lost = self.store.follow(&path).err();
                }
                Link::Soft(_) | Link::Other => {}
            }
        }
        for (path, address) in groups {
            // MATLAB's hidden store for cell arrays is no choice to offer.
            if depth < DEPTH && path != "#refs#" {
                self.walk(address, &format!("{path}/"), depth + 1);
            }
        }
    }

    fn wanted(&self, data: &Dataset) -> bool {
        let wide = data.shape().unwrap_or_default().iter().filter(|extent| **extent > 1).count() >= self.dimensions;
        let text = matches!(data.dtype(), Ok(DType::String | DType::VariableLengthString | DType::ObjectReference));
        let matlab_text = data.attrs().ok().and_then(|a| a.get("MATLAB_class")?.as_str().map(|class| class == "char"));
        wide && !text && matlab_text != Some(true)
    }
}
