//! HDF5: DXchange scans, MR scans ([`ismrmrd`](super::ismrmrd), [`fastmri`](super::fastmri)), images, and any dataset as `file.h5:/path`; MATLAB 7.3 files too, which are HDF5.
//!
//! An image is the dataset `/image/values` `[z, y, x]` (frames of MR `[frame, z, y, x]`, complex or not) with the attributes `first` (x, y, z of the first voxel's
//! centre), `step_z`, `step_y`, `step_x` (each x, y, z), `unit` (`mm` or `cell`), `quantity` and `made_by`. Scans: see
//! [`dxchange`](super::dxchange).

use std::{
    io,
    path::{Path, PathBuf},
};

use hdf5_pure::{
    AttrValue, CompoundTypeBuilder, DType, Dataset, Datatype, DatatypeByteOrder, File, FileBuilder, Group,
    VlenStringReadOptions,
};
use ndarray::Axis;
use num_complex::Complex32;

use super::{
    Content, Format, Recording, WriteOptions, bare_image, bare_recording,
    description::{quantity_name, quantity_of, unit_of},
    dxchange, fastmri,
    global_heap::Heap,
    ismrmrd, ismrmrd_write,
    mr::{Mr, bare_complex_image, four_dimensional, part_of},
    numbers::{Values, count, shaped},
    output::Staging,
    place::{Place, listed, unfolded_limit},
    three_dimensional,
};
use crate::{
    error::{Error, Result},
    geometry::{Grid, LengthUnit},
    image::{ComplexImage, Image, Part},
    scan::KSpace,
};

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
const IMAGE: &str = "image/values";

pub(super) const FORMAT: Format = Format {
    name: "hdf5",
    extensions: &["h5", "hdf5", "hdf", "nxs"],
    about: "HDF5: DXchange scans, images, any dataset as file.h5:/path; MATLAB 7.3 files",
    // A user block, as MATLAB writes it, puts the signature at byte 512.
    recognise: |head, _| head.starts_with(SIGNATURE) || head.get(512..).is_some_and(|rest| rest.starts_with(SIGNATURE)),
    folders: false,
    read,
    read_image: Some(read_image),
    read_recording: Some(read_recording),
    write_image: Some(write_image),
    write_recording: Some(dxchange::write),
    mr: Mr {
        complex: Some(complex),
        read_image: Some(read_complex_image),
        read_kspace: Some(read_kspace),
        write_image: Some(write_complex),
        write_kspace: Some(ismrmrd_write::write),
    },
};

/// Whether the file is laid out as a scan, as an image, or otherwise.
pub(super) fn content(place: &Place) -> Result<Content> {
    let store = Store::open(place)?;
    let holds = |path: &str| place.inner.is_none() && store.dataset(path).is_some();
    if store.has_mr_header() {
        return Ok(Content::KSpace);
    }
    Ok(match (holds(dxchange::DATA), holds(IMAGE)) {
        (true, _) => Content::Scan,
        (_, true) => Content::Image,
        _ if store.complex() => Content::KSpace,
        _ => Content::Numbers,
    })
}

/// Whether an MR header says what the numbers are.
pub(super) fn has_mr_header(place: &Place) -> Result<bool> {
    Ok(Store::open(place)?.has_mr_header())
}

/// An open file and what is needed to speak of it.
pub(super) struct Store<'a> {
    place: &'a Place,
    file: File,
    /// MATLAB stores its arrays with the axes turned round.
    matlab: bool,
}

impl<'a> Store<'a> {
    pub(super) fn open(place: &'a Place) -> Result<Self> {
        let mut head = [0; 10];
        let matlab = io::Read::read_exact(&mut place.open()?, &mut head).is_ok() && head.starts_with(b"MATLAB 7.3");
        let file = File::open_streaming(&place.path)
            .map_err(|error| place.error(format!("truncated or not a whole HDF5 file: {error}")))?;
        let (end, length) = (file.superblock().eof_address, place.length()?);
        if end > length {
            return Err(place.error(format!("truncated: {length} bytes of {end}")));
        }
        Ok(Self { place, file, matlab })
    }

    /// The dataset at `path`, if there is one.
    pub(super) fn dataset(&self, path: &str) -> Option<Dataset> {
        self.file.dataset(path).ok()
    }

    /// The numbers at `path`.
    pub(super) fn values(&self, path: &str) -> Result<Values> {
        let wrong = |what: String| self.place.error(format!("/{path}: {what}"));
        let failed = |error: hdf5_pure::Error| wrong(format!("cannot be read: {error}"));
        let Ok(data) = self.file.dataset(path) else {
            let known = listed(&self.arrays(1), "/");
            return Err(wrong(format!("no such dataset; the file has: {known}")));
        };
        let shape: Option<Vec<usize>> =
            data.shape().map_err(failed)?.into_iter().map(|extent| extent.try_into().ok()).collect();
        let shape = shape.ok_or_else(|| wrong("its shape is more than memory can hold".into()))?;
        let bytes = count(&shape).map_err(|error| wrong(error.to_string()))? as u64
            * data.element_size().map_err(failed)?.max(1);
        let length = self.place.length()?;
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
            _ => return Err(wrong("not numbers".into())),
        };
        Ok(if self.matlab { values.reversed_axes() } else { values })
    }

    /// ISMRMRD's or fastMRI's.
    fn has_mr_header(&self) -> bool {
        ismrmrd::group(self.place, self).is_some() || self.place.inner.is_none() && fastmri::is_one(self)
    }

    /// Whether the array that is meant is complex; where it has yet to be named, nothing is known of it.
    fn complex(&self) -> bool {
        let path = self.place.inner.clone().or_else(|| self.default_array().ok());
        let kind = path.and_then(|path| self.dataset(&path)?.datatype().ok());
        kind.is_some_and(|kind| Pair::of(&kind).is_some())
    }

    /// The groups in the file's root.
    pub(super) fn groups(&self) -> Vec<String> {
        self.file.root().groups().unwrap_or_default()
    }

    /// The text in the dataset at `path`.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let data = self.dataset(path)?;
        let length = self.place.length().ok()?;
        let limit =
            VlenStringReadOptions::new().with_max_elements(1).with_max_payload_bytes(usize::try_from(length).ok()?);
        match data.dtype().ok()? {
            DType::VariableLengthString => data.read_vlen_strings(limit).ok()?.into_iter().next(),
            _ if data.element_size().ok()? <= length => data.read_string().ok()?.into_iter().next(),
            _ => None,
        }
    }

    /// What lies outside the datasets.
    pub(super) fn heap(&self, place: &Place) -> Result<Heap> {
        Ok(Heap::new(place.open()?, place.length()?, self.file.superblock().base_address.get()))
    }

    /// An attribute of the dataset at `path` as text.
    pub(super) fn text_attribute(&self, path: &str, name: &str) -> Option<String> {
        let attributes = self.dataset(path)?.attrs().ok()?;
        attributes.get(name)?.as_str().map(str::to_string)
    }

    /// An attribute of the dataset at `path` as three numbers.
    fn vector_attribute(&self, path: &str, name: &str) -> Option<[f64; 3]> {
        self.dataset(path)?.attrs().ok()?.get(name)?.to_f64s()?.try_into().ok()
    }

    /// Paths of the numeric datasets with at least `dimensions` extents above 1.
    fn arrays(&self, dimensions: usize) -> Vec<String> {
        let mut search = Search { dimensions, found: Vec::new(), left: MOST };
        search.walk(&self.file.root(), "", 0);
        search.found
    }

    /// The dataset that is meant when none is named.
    fn default_array(&self) -> Result<String> {
        if let Some(path) = [dxchange::DATA, IMAGE].into_iter().find(|path| self.dataset(path).is_some()) {
            return Ok(path.to_string());
        }
        match &self.arrays(2)[..] {
            [only] => Ok(only.clone()),
            [] => Err(self.place.error("holds no array of two or three dimensions")),
            several => Err(self.place.error(format!("holds {}; name one, as in file.h5:/path", listed(several, "/")))),
        }
    }
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

/// A complex number as HDF5 files have it: a record of two floating-point numbers of one kind, `r` and `i` (h5py) or `real`
/// and `imag` (MATLAB, ISMRMRD).
struct Pair {
    /// Bytes of a record.
    size: usize,
    /// Where real and imaginary part begin.
    at: [usize; 2],
    /// Bytes of one part.
    width: usize,
    big: bool,
}

impl Pair {
    fn of(kind: &Datatype) -> Option<Self> {
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

    fn values(&self, bytes: &[u8]) -> Vec<Complex32> {
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

/// Deeper trees than this are broken files; in one with more objects, a name has to be given.
const DEPTH: usize = 16;
const MOST: usize = 10_000;

/// A walk through a file's groups, that ends even where groups hold one another.
struct Search {
    /// Extents above 1 that a dataset must have.
    dimensions: usize,
    found: Vec<String>,
    /// Objects that may still be looked at.
    left: usize,
}

impl Search {
    fn walk(&mut self, group: &Group, at: &str, depth: usize) {
        for name in group.datasets().unwrap_or_default() {
            self.left = self.left.saturating_sub(1);
            if self.left > 0 && group.dataset(&name).is_ok_and(|data| self.wanted(&data)) {
                self.found.push(format!("{at}{name}"));
            }
        }
        for name in group.groups().unwrap_or_default() {
            self.left = self.left.saturating_sub(1);
            // MATLAB's hidden store for cell arrays is no choice to offer.
            if self.left > 0
                && depth < DEPTH
                && name != "#refs#"
                && let Ok(inner) = group.group(&name)
            {
                self.walk(&inner, &format!("{at}{name}/"), depth + 1);
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

fn read(place: &Place) -> Result<Values> {
    let store = Store::open(place)?;
    let path = match &place.inner {
        Some(path) => path.clone(),
        None => store.default_array()?,
    };
    // The place's own name would be said twice in a message.
    let outer = Place { path: PathBuf::from(&place.path), inner: None };
    Store { place: &outer, ..store }.values(&path)
}

/// k-space that describes itself, in the group that is named if one is; a dataset that is named is a bare array.
fn read_kspace(place: &Place) -> Result<Option<KSpace>> {
    let store = Store::open(place)?;
    if place.inner.is_none() && fastmri::is_one(&store) {
        return fastmri::read(place, &store).map(Some);
    }
    ismrmrd::read(place, &store)
}

fn complex(place: &Place) -> Result<bool> {
    Ok(Store::open(place)?.complex())
}

fn read_recording(place: &Place) -> Result<Recording> {
    let store = Store::open(place)?;
    if place.inner.is_none() && store.dataset(dxchange::DATA).is_some() {
        return dxchange::read(place, &store);
    }
    drop(store);
    bare_recording(place, read(place)?)
}

fn read_image(place: &Place) -> Result<Image> {
    let store = Store::open(place)?;
    if !store.has_image() {
        drop(store);
        return bare_image(place, read(place)?, "HDF5");
    }
    let values = three_dimensional(place, store.values(IMAGE)?, 0)?;
    let (z, y, x) = values.dim();
    let (grid, unit) = store.grid([z, y, x])?;
    let quantity = quantity_of(&store.text_attribute(IMAGE, "quantity").unwrap_or_default());
    Ok(Image { values, grid, unit, quantity, provenance: "read from HDF5".into() })
}

fn read_complex_image(place: &Place) -> Result<ComplexImage> {
    let store = Store::open(place)?;
    let provenance = "read from HDF5".into();
    if !store.has_image() {
        drop(store);
        return bare_complex_image(place, read(place)?.into_complex(), "HDF5");
    }
    let values = four_dimensional(place, store.values(IMAGE)?.into_complex())?;
    let (_, z, y, x) = values.dim();
    let (grid, unit) = store.grid([z, y, x])?;
    Ok(ComplexImage { values, grid, unit, provenance })
}

impl Store<'_> {
    /// Whether an image of ours is what is meant.
    fn has_image(&self) -> bool {
        self.place.inner.as_deref().is_none_or(|path| path == IMAGE) && self.dataset(IMAGE).is_some()
    }

    /// The grid of our image.
    fn grid(&self, shape: [usize; 3]) -> Result<(Grid, LengthUnit)> {
        let grid = || {
            let vector = |name| self.vector_attribute(IMAGE, name);
            let grid = Grid {
                shape,
                first: vector("first")?,
                steps: [vector("step_z")?, vector("step_y")?, vector("step_x")?],
            };
            grid.check().ok()?;
            Some((grid, unit_of(&self.text_attribute(IMAGE, "unit")?)?))
        };
        let lacking = "/image/values lacks a usable grid: first, step_z, step_y, step_x and unit";
        grid().ok_or_else(|| self.place.error(lacking))
    }
}

fn write_image(path: &Path, image: &Image, _: &WriteOptions, staging: &mut Staging) -> Result<Option<String>> {
    write_about(path, &image.clone_without_values(), "z:y:x", staging, |data| {
        put(data, &image.values.view().into_dyn())
    })
}

/// `[z, y, x]` for a single frame, else `[frame, z, y, x]`; complex numbers as h5py has them.
fn write_complex(
    path: &Path,
    image: &ComplexImage,
    part: Part,
    _: &WriteOptions,
    staging: &mut Staging,
) -> Result<Option<String>> {
    let about = image.about(part);
    let values = part_of(image, part).into_dyn();
    let single = image.values.dim().0 == 1;
    let (values, axes) = if single { (values.index_axis_move(Axis(0), 0), "z:y:x") } else { (values, "frame:z:y:x") };
    if part != Part::Complex {
        let values = values.mapv(|value| value.re);
        return write_about(path, &about, axes, staging, |data| put(data, &values.view()));
    }
    let kind = CompoundTypeBuilder::new().f32_field("r").f32_field("i").build();
    let kind = kind.map_err(|error| Error::file(path, error))?;
    let shape: Vec<_> = values.shape().iter().map(|extent| *extent as u64).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|v| [v.re.to_le_bytes(), v.im.to_le_bytes()]).flatten().collect();
    write_about(path, &about, axes, staging, |data| {
        data.with_raw_data(kind, bytes, values.len() as u64).with_shape(&shape);
    })
}

/// The dataset `/image/values` that `fill` fills, with what `about` says.
fn write_about(
    path: &Path,
    about: &Image,
    axes: &str,
    staging: &mut Staging,
    fill: impl FnOnce(&mut hdf5_pure::DatasetBuilder),
) -> Result<Option<String>> {
    let mut file = FileBuilder::new();
    let mut group = file.create_group("image");
    let data = group.create_dataset("values");
    fill(data);
    data.set_attr("axes", text(axes));
    data.set_attr("first", AttrValue::F64Array(about.grid.first.to_vec()));
    for (name, step) in ["step_z", "step_y", "step_x"].into_iter().zip(about.grid.steps) {
        data.set_attr(name, AttrValue::F64Array(step.to_vec()));
    }
    data.set_attr("unit", text(about.unit.name()));
    data.set_attr("quantity", text(&quantity_name(about.quantity)));
    data.set_attr("made_by", text(&about.provenance));
    file.add_group(group.finish());
    staging.add(path, |output| file.finish_to(output).map_err(io::Error::other))?;
    Ok(None)
}

/// Stages `array` as the dataset's contents.
pub(super) fn put(data: &mut hdf5_pure::DatasetBuilder, array: &ndarray::ArrayViewD<f32>) {
    let shape: Vec<u64> = array.shape().iter().map(|extent| *extent as u64).collect();
    match array.as_slice() {
        Some(values) => data.with_f32_data(values),
        None => data.with_f32_data(&array.iter().copied().collect::<Vec<_>>()),
    };
    data.with_shape(&shape);
}

/// A text attribute as h5py writes it.
pub(super) fn text(value: &str) -> AttrValue {
    AttrValue::VarLenString(value.to_string())
}
