//! HDF5: DXchange scans, MR scans ([`ismrmrd`](super::ismrmrd), [`fastmri`](super::fastmri)), images, and any dataset as
//! `file.h5:/path`; MATLAB 7.3 files too, which are HDF5.
//!
//! An image is the dataset `/image/values` `[z, y, x]` (frames of MR `[frame, z, y, x]`, complex or not) with the attributes `first` (x, y, z of the first voxel's
//! centre), `step_z`, `step_y`, `step_x` (each x, y, z), `unit` (`mm` or `cell`), `quantity` and `made_by`. Scans: see
//! [`dxchange`](super::dxchange).

mod bytes;
mod complex;
mod dense;
mod follow;
mod store;
mod structure;

use std::{io, path::Path};

use hdf5_pure::{AttrValue, CompoundTypeBuilder, FileBuilder};
use ndarray::Axis;

use super::{
    Content, Format, Recording, WriteOptions, bare_image, bare_recording,
    description::{quantity_name, quantity_of, unit_of},
    dxchange, fastmri, ismrmrd, ismrmrd_write,
    mr::{Mr, bare_complex_image, four_dimensional, part_of},
    numbers::Values,
    output::Staging,
    place::Place,
    three_dimensional,
};
use crate::{
    error::{Error, Result},
    geometry::{Grid, LengthUnit},
    image::{ComplexImage, Image, Part},
    scan::KSpace,
};

pub(super) use follow::Target;
pub(super) use store::Store;

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
    let holds = |path: &str| place.inner.is_none() && store.holds(path);
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

fn read(place: &Place) -> Result<Values> {
    let store = Store::open(place)?;
    let path = match &place.inner {
        Some(path) => path.clone(),
        None => store.default_array()?,
    };
    store.values(&path)
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
    if place.inner.is_none() && store.holds(dxchange::DATA) {
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
    Ok(ComplexImage { values, grid, unit, frame_step: None, provenance })
}

impl Store {
    /// Whether an image of ours is what is meant.
    fn has_image(&self) -> bool {
        self.place.inner.as_deref().is_none_or(|path| path == IMAGE) && self.holds(IMAGE)
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
