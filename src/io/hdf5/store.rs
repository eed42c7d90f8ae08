//! An open HDF5 file: its datasets by path, through soft and external links, as numbers or texts.

use std::{io, path::Path, sync::Arc};

use hdf5_pure::{
    DType, Dataset, Datatype, DatatypeByteOrder, File, FloatingPointLayout, Layout, VlenStringReadOptions,
};

use super::{
    IMAGE,
    bytes::{Bytes, Shared},
    complex::Pair,
    structure::{Found, Link, Structure},
};
use crate::{
    error::Result,
    io::{
        dxchange, fastmri,
        global_heap::Heap,
        ismrmrd,
        numbers::{Values, count, half, shaped},
        place::{Place, listed, unfolded_limit},
    },
};

/// Deeper trees than this are broken files; in one with more objects, a name has to be given. So many files lead to another.
const DEPTH: usize = 16;
const MOST: usize = 10_000;
const FILES: usize = 8;

/// An open file and what is needed to speak of it.
pub(in crate::io) struct Store {
    pub(super) place: Place,
    file: File,
    structure: Structure,
    /// MATLAB stores its arrays with the axes turned round.
    matlab: bool,
}

/// A dataset, maybe of another file, and what is to be known of that.
struct Target {
    data: Dataset,
    /// Bytes of its file.
    length: u64,
    matlab: bool,
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

    /// What is wrong at `path`.
    fn error(&self, path: &str, what: impl ToString) -> crate::error::Error {
        // A name inside the file would be said twice.
        Place { inner: None, ..self.place.clone() }.error(format!("/{path}: {}", what.to_string()))
    }

    /// Follows `path` to its dataset, through links; none where nothing is, or something else.
    fn follow(&self, path: &str, files: usize) -> Result<Option<Target>> {
        let (path, address) = match self.structure.find(path) {
            Ok(Found::Here { path, address }) => (path, Some(address)),
            Ok(Found::Nothing) => return Ok(None),
            Ok(Found::Broken(why)) => return Err(self.error(path, why)),
            Ok(Found::Elsewhere { file, path: inner }) => return self.elsewhere(path, &file, &inner, files),
            // Structures that are not understood here are left to the library.
            Err(_) => (path.to_string(), None),
        };
        if address.is_some_and(|address| !self.structure.is_dataset(address).unwrap_or(true)) {
            return Ok(None);
        }
        let target =
            |data| -> Result<Target> { Ok(Target { data, length: self.place.length()?, matlab: self.matlab }) };
        self.file.dataset(&path).ok().map(target).transpose()
    }

    /// The dataset `inner` of another file, which lies beside this one if it has no place of its own.
    fn elsewhere(&self, path: &str, file: &str, inner: &str, files: usize) -> Result<Option<Target>> {
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
        match store.follow(inner, files + 1)? {
            Some(target) => Ok(Some(target)),
            None => Err(self.error(path, format!("a link to {inner} in the file {file}, where no dataset is"))),
        }
    }

    /// Whether there is a dataset at `path`, or a link that should lead to one: what is wrong with it is told when it is read.
    pub(in crate::io) fn holds(&self, path: &str) -> bool {
        !matches!(self.follow(path, 0), Ok(None))
    }

    /// The dataset at `path`, if there is one.
    pub(in crate::io) fn dataset(&self, path: &str) -> Option<Dataset> {
        Some(self.follow(path, 0).ok()??.data)
    }

    /// The numbers at `path`.
    pub(in crate::io) fn values(&self, path: &str) -> Result<Values> {
        let wrong = |what: String| self.error(path, what);
        let failed = |error: hdf5_pure::Error| wrong(format!("cannot be read: {error}"));
        let Some(Target { data, length, matlab }) = self.follow(path, 0)? else {
            let known = listed(&self.arrays(1), "/");
            return Err(wrong(format!("no such dataset; the file has: {known}")));
        };
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
    pub(in crate::io) fn text(&self, path: &str) -> Option<String> {
        let Target { data, length, .. } = self.follow(path, 0).ok()??;
        let limit =
            VlenStringReadOptions::new().with_max_elements(1).with_max_payload_bytes(usize::try_from(length).ok()?);
        match data.dtype().ok()? {
            DType::VariableLengthString => data.read_vlen_strings(limit).ok()?.into_iter().next(),
            _ if data.element_size().ok()? <= length => data.read_string().ok()?.into_iter().next(),
            _ => None,
        }
    }

    /// What lies outside the datasets.
    pub(in crate::io) fn heap(&self, place: &Place) -> Result<Heap> {
        Ok(Heap::new(place.open()?, place.length()?, self.file.superblock().base_address.get()))
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
        let mut search = Search { store: self, dimensions, found: Vec::new(), left: MOST };
        search.walk(self.structure.root, "", 0);
        search.found
    }

    /// The dataset that is meant when none is named.
    pub(super) fn default_array(&self) -> Result<String> {
        if let Some(path) = [dxchange::DATA, IMAGE].into_iter().find(|path| self.holds(path)) {
            return Ok(path.to_string());
        }
        match &self.arrays(2)[..] {
            [only] => Ok(only.clone()),
            [] => Err(self.place.error("holds no array of two or three dimensions")),
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
                Link::Hard(_) | Link::External { .. } => {
                    if self.store.dataset(&path).is_some_and(|data| self.wanted(&data)) {
                        self.found.push(path);
                    }
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
