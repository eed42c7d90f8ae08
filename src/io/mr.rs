//! Complex arrays, complex images and k-space: what formats may offer, and the functions that read and write them.

use std::path::Path;

use ndarray::{Array3, Array4, Array5, ArrayD, Axis, IxDyn};
use num_complex::Complex32;

use super::{
    Format, KSpaceLayout, WriteOptions, Written, cfl, hdf5,
    kspace_layout::Arranged,
    output::{Staging, numbered},
    place::Place,
};
use crate::{
    error::Result,
    geometry::{Grid, LengthUnit, Mask, Trajectory},
    image::{ComplexImage, Image, Part, Quantity},
    scan::{Encoding, FrameAxis, KSpace, misread::Axes},
};

type WriteComplex = fn(&Path, &ComplexImage, Part, &WriteOptions, &mut Staging) -> Result<Option<String>>;
type ReadKSpace = fn(&Place) -> Result<Option<KSpace>>;
type WriteKSpace = fn(&Path, &KSpace, &mut Staging) -> Result<Option<String>>;

/// What a format can do for MR.
#[derive(Debug)]
pub(super) struct Mr {
    /// Whether the array at a place is complex, without reading it.
    pub(super) complex: Option<fn(&Place) -> Result<bool>>,
    /// Reads a complex image with its grid; without it the array is all there is.
    pub(super) read_image: Option<fn(&Place) -> Result<ComplexImage>>,
    /// Reads k-space that describes itself; `None` where the place holds a bare array.
    pub(super) read_kspace: Option<ReadKSpace>,
    /// Writes a complex image or a part of it, all frames in one.
    pub(super) write_image: Option<WriteComplex>,
    /// Writes k-space.
    pub(super) write_kspace: Option<WriteKSpace>,
}

impl Mr {
    /// Nothing.
    pub(super) const NONE: Self =
        Self { complex: None, read_image: None, read_kspace: None, write_image: None, write_kspace: None };
}

/// Reads an array in C order as complex numbers; real ones get the imaginary part 0.
///
/// MATLAB arrays keep MATLAB's index order. A `.cfl` is an array of BART's dimensions in the opposite order, so that its
/// read-out comes last, without those of extent 1 at its beginning.
pub fn read_complex(spec: impl AsRef<Path>) -> Result<ArrayD<Complex32>> {
    let place = Place::parse(spec.as_ref())?;
    Ok((place.format()?.read)(&place)?.into_complex())
}

/// Whether the numbers at `spec` are complex, as far as can be told without reading them.
pub fn is_complex(spec: impl AsRef<Path>) -> Result<bool> {
    let place = Place::parse(spec.as_ref())?;
    place.format()?.mr.complex.map_or(Ok(false), |complex| complex(&place))
}

/// Whether the file at `spec` says itself that it is an MR scan (ISMRMRD, fastMRI); bare complex numbers may as well be an image.
pub fn has_mr_header(spec: impl AsRef<Path>) -> Result<bool> {
    let place = Place::parse(spec.as_ref())?;
    match place.format()?.mr.read_kspace {
        Some(_) => hdf5::has_mr_header(&place),
        None => Ok(false),
    }
}

/// Reads an image of complex or real numbers, `[y, x]`, `[z, y, x]` or `[frame, z, y, x]`, and its grid as far as the file
/// knows it.
pub fn read_complex_image(spec: impl AsRef<Path>) -> Result<ComplexImage> {
    let place = Place::parse(spec.as_ref())?;
    let format = place.format()?;
    let complex = format.mr.complex.map(|complex| complex(&place)).transpose()?.unwrap_or(false);
    match (format.mr.read_image, format.read_image) {
        (Some(read), _) => return read(&place),
        (None, Some(read)) if !complex => {
            let image = read(&place)?;
            return Ok(ComplexImage {
                values: image.values.mapv(|v| Complex32::new(v, 0.0)).insert_axis(Axis(0)),
                grid: image.grid,
                unit: image.unit,
                frame_step: None,
                provenance: image.provenance,
            });
        }
        _ => {}
    }
    bare_complex_image(&place, (format.read)(&place)?.into_complex(), format.name)
}

/// A complex image on a grid of cells about the origin.
pub(super) fn bare_complex_image(place: &Place, array: ArrayD<Complex32>, format: &str) -> Result<ComplexImage> {
    let values = four_dimensional(place, array)?;
    let (_, z, y, x) = values.dim();
    Ok(ComplexImage {
        values,
        grid: Grid::centered([z, y, x], [1.0; 3], [0.0; 3]),
        unit: LengthUnit::Cell,
        frame_step: None,
        provenance: format!("read from {format}"),
    })
}

/// `[frame, z, y, x]` from two to four dimensions.
pub(super) fn four_dimensional(place: &Place, array: ArrayD<Complex32>) -> Result<Array4<Complex32>> {
    let mut array = array;
    let shape = array.shape().to_vec();
    while (2..4).contains(&array.ndim()) {
        array = array.insert_axis(Axis(0));
    }
    let wrong = || place.error(format!("an array of shape {shape:?}; an image has two to four dimensions"));
    let array = array.into_dimensionality::<ndarray::Ix4>().map_err(|_| wrong())?;
    if array.is_empty() { Err(wrong()) } else { Ok(array) }
}

/// Reads k-space: a file that describes itself (ISMRMRD, fastMRI), or a bare array whose zeros were not sampled.
///
/// A bare array is `[y, x]`, `[coil, y, x]` or `[coil, z, y, x]` unless `layout` says otherwise; a `.cfl` has BART's
/// dimensions. Arrays of MATLAB with more than two dimensions come in any order, so they need a layout.
pub fn read_kspace(spec: impl AsRef<Path>, layout: Option<&KSpaceLayout>) -> Result<KSpace> {
    let place = Place::parse(spec.as_ref())?;
    let format = place.format()?;
    if layout.is_none()
        && let Some(read) = format.mr.read_kspace
        && let Some(scan) = read(&place)?
    {
        return Ok(scan);
    }
    let (samples, axes) = match layout {
        Some(layout) => layout.arrange((format.read)(&place)?.into_complex()).map_err(|error| place.error(error))?,
        None if format.name == cfl::FORMAT.name => cfl::read_kspace(&place)?,
        None => bare_kspace(&place, (format.read)(&place)?.into_complex())?,
    };
    if layout.is_some_and(|layout| layout.axes.contains(&super::LayoutAxis::Sample)) {
        return Err(place.error("samples along a trajectory; the trajectory is needed too (--trajectory, --matrix)"));
    }
    cartesian(samples, axes).map_err(|error| place.error(error))
}

/// Who says what the axes are that [`read_kspace`] gives the numbers at `spec`.
pub fn kspace_axes(spec: impl AsRef<Path>, layout: Option<&KSpaceLayout>) -> Result<Axes> {
    let place = Place::parse(spec.as_ref())?;
    Ok(match layout {
        Some(_) => Axes::Named,
        None if has_mr_header(&spec)? => Axes::Header,
        None if place.format()?.name == cfl::FORMAT.name => Axes::Named,
        None => Axes::Assumed,
    })
}

fn bare_kspace(place: &Place, array: ArrayD<Complex32>) -> Result<Arranged> {
    let layout = match array.ndim() {
        2 => "y,x",
        3 | 4 if matlab(place) => {
            return Err(place.error(format!(
                "a MATLAB array of shape {:?}, whose axes may be any; say which, as in --axes y,x,coil or --axes y,x,slice",
                array.shape()
            )));
        }
        3 => "coil,y,x",
        4 => "coil,z,y,x",
        _ => {
            return Err(place.error(format!(
                "an array of shape {:?}; say what its axes are, as in --axes slice,coil,y,x",
                array.shape()
            )));
        }
    };
    layout.parse::<KSpaceLayout>()?.arrange(array).map_err(|error| place.error(error))
}

/// Both kinds of MATLAB file begin with its name.
fn matlab(place: &Place) -> bool {
    let mut head = [0; 6];
    place.open().is_ok_and(|mut file| std::io::Read::read_exact(&mut file, &mut head).is_ok()) && head == *b"MATLAB"
}

/// One mask for all frames if they are sampled alike, else one a frame.
pub(super) fn cartesian(samples: Array5<Complex32>, axes: Vec<(FrameAxis, usize)>) -> Result<KSpace> {
    let mut scan = KSpace { axes, ..KSpace::cartesian(samples)? };
    let (frames, _, nz, ny, nx) = scan.samples.dim();
    if frames > 1 {
        let mask = |frame: ndarray::ArrayView4<Complex32>| {
            let any = frame.map_axis(Axis(0), |coils| coils.iter().any(|value| *value != Complex32::ZERO));
            Mask { shape: [nz, ny, nx], sampled: any.iter().copied().collect() }
        };
        let masks: Vec<_> = scan.samples.outer_iter().map(mask).collect();
        if masks.iter().any(|mask| *mask != masks[0]) {
            scan.encoding = Encoding::Cartesian(masks);
        }
    }
    scan.check()?;
    Ok(scan)
}

/// What a trajectory's file counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrajectoryUnit {
    /// Cycles per field of view, −N/2…N/2, as BART has it.
    #[default]
    CyclesPerFieldOfView,
    /// Cycles per voxel, −½…½.
    CyclesPerVoxel,
    /// Radians per voxel, −π…π.
    RadiansPerVoxel,
}

/// Reads a trajectory for an image of `matrix` (z, y, x): `[…, 2 or 3]` in the order x, y, z, or complex numbers
/// kx + i·ky; leading axes (spoke, read-out) count as one, in C order.
pub fn read_trajectory(spec: impl AsRef<Path>, matrix: [usize; 3], unit: TrajectoryUnit) -> Result<Trajectory> {
    let place = Place::parse(spec.as_ref())?;
    let array = (place.format()?.read)(&place)?.into_complex();
    let shape = array.shape().to_vec();
    let width = shape.last().copied().unwrap_or(0);
    let values: Vec<Complex32> = array.into_raw_vec_and_offset().0;
    let real = values.iter().all(|value| value.im == 0.0);
    let mut points: Vec<[f32; 3]> = match width {
        2 | 3 if real => {
            values.chunks_exact(width).map(|p| [p[0].re, p[1].re, p.get(2).map_or(0.0, |z| z.re)]).collect()
        }
        _ if !real => values.iter().map(|value| [value.re, value.im, 0.0]).collect(),
        _ => {
            return Err(
                place.error(format!("an array of shape {shape:?}; a trajectory is [sample, 2 or 3], in x, y, z order"))
            );
        }
    };
    let voxels = match unit {
        TrajectoryUnit::CyclesPerFieldOfView => None,
        TrajectoryUnit::CyclesPerVoxel => Some(1.0),
        TrajectoryUnit::RadiansPerVoxel => Some(std::f32::consts::TAU.recip()),
    };
    if let Some(cycles) = voxels {
        let [nz, ny, nx] = matrix.map(|extent| cycles * extent as f32);
        points.iter_mut().for_each(|[x, y, z]| (*x, *y, *z) = (*x * nx, *y * ny, *z * nz));
    }
    let trajectory = Trajectory { matrix, points };
    trajectory.check().map_err(|error| place.error(error))?;
    if unit == TrajectoryUnit::CyclesPerFieldOfView {
        let other = |error| place.error(format!("{error}; say so, with --trajectory-unit voxel or radian"));
        trajectory.check_unit().map_err(other)?;
    }
    Ok(trajectory)
}

/// Reads samples along `trajectory`: `[coil, sample]`, or by `layout`.
///
/// Without a layout, samples may have several axes, and coils may come last, where the number of points tells.
pub fn read_samples(spec: impl AsRef<Path>, trajectory: Trajectory, layout: Option<&KSpaceLayout>) -> Result<KSpace> {
    let place = Place::parse(spec.as_ref())?;
    let array = (place.format()?.read)(&place)?.into_complex();
    let points = trajectory.points.len();
    let (samples, axes) = match layout {
        Some(layout) => layout.arrange(array).map_err(|error| place.error(error))?,
        None => (bare_samples(&place, array, points)?, vec![]),
    };
    let grid = Grid::centered(trajectory.matrix, [1.0; 3], [0.0; 3]);
    let encoding = Encoding::Trajectory(vec![trajectory]);
    let scan = KSpace { samples, encoding, grid, unit: LengthUnit::Cell, axes, noise: None, seen: None };
    scan.check().map_err(|error| place.error(error))?;
    Ok(scan)
}

fn bare_samples(place: &Place, array: ArrayD<Complex32>, points: usize) -> Result<Array5<Complex32>> {
    let shape = array.shape().to_vec();
    let (first, last) = (shape.first().copied().unwrap_or(0), shape.last().copied().unwrap_or(0));
    let coil_first = first * points == array.len();
    let array = match shape.len() {
        _ if array.len() == points => array.into_shape_with_order(IxDyn(&[1, 1, 1, 1, points])),
        2.. if coil_first => array.into_shape_with_order(IxDyn(&[1, first, 1, 1, points])),
        2.. if last * points == array.len() => {
            let array = array.into_shape_with_order(IxDyn(&[1, points, 1, 1, last]));
            array.map(|array| array.permuted_axes(IxDyn(&[0, 4, 2, 3, 1])).as_standard_layout().into_owned())
        }
        _ => {
            return Err(place.error(format!(
                "an array of shape {shape:?} for a trajectory of {points} points; [coil, sample] is needed"
            )));
        }
    };
    array.and_then(|array| array.into_dimensionality()).map_err(|error| place.error(error))
}

/// The format in which [`write_kspace`] would write.
pub fn kspace_format(path: impl AsRef<Path>, name: Option<&str>) -> Result<&'static Format> {
    Format::for_output(path.as_ref(), name, |format| format.mr.write_kspace.is_some(), "k-space")
}

/// Writes k-space by extension or by [`WriteOptions::format`]: `.h5` is ISMRMRD, which holds all of it; `.cfl` and `.npy`
/// hold the samples, 0 where nothing was sampled.
pub fn write_kspace(path: impl AsRef<Path>, scan: &KSpace, options: &WriteOptions) -> Result<Written> {
    let path = path.as_ref();
    let format = kspace_format(path, options.format.as_deref())?;
    scan.check()?;
    let mut staging = Staging::new(options.force);
    let remark = match format.mr.write_kspace {
        Some(write) => write(path, scan, &mut staging)?,
        None => None,
    };
    Ok(Written { paths: staging.publish()?, remark })
}

/// Writes a complex image or its magnitude, phase or real part, by extension or by [`WriteOptions::format`].
///
/// npy leaves single frames and slices out: `[y, x]` for one frame of one slice, `[z, y, x]` for one
/// frame, `[frame, y, x]` for slices or pictures in time, else `[frame, z, y, x]`; series of real images keep
/// all four. Formats that hold no complex numbers take the magnitude, and the remark says so; those of one image a file write a
/// numbered file a frame.
pub fn write_complex(
    path: impl AsRef<Path>,
    image: &ComplexImage,
    part: Part,
    options: &WriteOptions,
) -> Result<Written> {
    let path = path.as_ref();
    let format = super::image_format(path, options.format.as_deref())?;
    let mut staging = Staging::new(options.force);
    let mut remarks = Vec::new();
    if let Some(write) = format.mr.write_image {
        remarks.extend(write(path, image, part, options, &mut staging)?);
    } else if let Some(write) = format.write_image {
        let part = if part == Part::Complex { Part::Magnitude } else { part };
        let frames = image.frames(part);
        for (number, frame) in frames.iter().enumerate() {
            remarks = write(&numbered(path, number, frames.len()), frame, options, &mut staging)?.into_iter().collect();
        }
    }
    if part == Part::Complex && format.mr.write_image.is_none() {
        remarks.insert(0, no_complex(format.name));
    }
    Ok(Written { paths: staging.publish()?, remark: (!remarks.is_empty()).then(|| remarks.join("; ")) })
}

/// What is said where a format takes the magnitude of complex numbers.
pub(super) fn no_complex(format: &str) -> String {
    format!("{format} holds no complex numbers: the magnitude was written")
}

/// The shape without single frames and slices.
pub(super) fn squeezed_shape(image: &ComplexImage) -> Vec<usize> {
    let (frames, z, y, x) = image.values.dim();
    [frames, z].into_iter().filter(|extent| *extent > 1).chain([y, x]).collect()
}

/// One part of the values, as complex numbers.
pub(super) fn part_of(image: &ComplexImage, part: Part) -> Array4<Complex32> {
    match part {
        Part::Complex => image.values.as_standard_layout().into_owned(),
        Part::Real => image.values.mapv(|value| Complex32::new(value.re, 0.0)),
        Part::Magnitude => image.values.mapv(|value| Complex32::new(value.norm(), 0.0)),
        Part::Phase => image.values.mapv(|value| Complex32::new(value.arg(), 0.0)),
    }
}

impl Image {
    /// Everything but the numbers.
    pub(super) fn clone_without_values(&self) -> Self {
        Self { values: Array3::zeros([0; 3]), provenance: self.provenance.clone(), ..*self }
    }
}

impl ComplexImage {
    /// Everything but the numbers, of one part.
    pub(super) fn about(&self, part: Part) -> Image {
        Image {
            values: Array3::zeros([0; 3]),
            grid: self.grid,
            unit: self.unit,
            quantity: if part == Part::Phase { Quantity::Phase } else { Quantity::Signal },
            provenance: self.provenance.clone(),
        }
    }
}
