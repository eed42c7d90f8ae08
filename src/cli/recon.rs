//! `rushlight recon`: a scan file becomes an image file.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, builder::PossibleValue};
use ndarray::Array3;
use rushlight::{
    Error, Result,
    geometry::{Circular, Geometry, LengthUnit, Shape, add},
    io::{self, Content, Reading, Recording},
    monitor::Monitor,
    recipes::{
        self, Options,
        fbp::{Fbp, Filter},
    },
    scan::{
        Counts, Preparation, Scan, axis, frames,
        hardening::BeamRecord,
        selection::Selection,
        stripes::{self, Stripes},
        suspicion::looks_like_counts,
    },
    units,
};
use serde_json::json;

use super::{
    Global,
    geometry::{Center, Description, GeometryFlags},
    grid::GridFlags,
    hardening::HardeningFlags,
    iterative::IterativeFlags,
    mr::{self, MrFlags},
    output::OutputFlags,
    report::Report,
};

pub const EXAMPLES: &str = "Examples:
  rushlight recon scan.h5 -o image.npy
  rushlight recon scan.h5 --filter hann --cutoff 0.8 --size 512 --voxel 0.5mm --mu-water 0.0192/mm -o image.dcm
  rushlight recon sino.npy --geometry parallel --angles 0..180deg --cell 1mm -o image.npy
  rushlight recon sino.npy --geometry fan --angles 0..360deg --cell 1.5mm \\
      --source-origin 1024mm --source-detector 1536mm --size 512 --voxel 1mm -o image.tif
  rushlight recon sino.npy --geometry scan.toml --angles angles.npy --angle-unit rad -o image.nii
  rushlight recon scan.h5 --beam-hardening bone --tube 120kV --mu-water 0.01928/mm -o image.nii
  rushlight recon tooth.h5 --center auto -o tooth.tif
  rushlight recon data.mat:/CtDataLimited/sinogram --geometry fan ... -o disc.png
  rushlight recon scan.h5 --method tv --size 512 --voxel 0.5mm -o few-views.npy
  rushlight recon kspace.h5 --method l1-wavelet -o image.nii
  rushlight recon samples.npy --trajectory spokes.npy --matrix 256,256 --method sense --part magnitude -o image.npy";

/// What a bare array of numbers is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Numbers {
    /// −ln of the transmission
    LineIntegrals,
    /// Detector counts, with --flat and --dark
    Counts,
}

/// How rings are suppressed, as stripes of the sinogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StripeMethod {
    /// Sort each column, smooth across, sort back (Vo 2018)
    Sorting,
    /// Not at all
    Off,
}

#[derive(Args, Debug)]
pub struct Flags {
    /// The scan: npy, npz:/key, TIFF (a file or a folder), HDF5 (DXchange, or file.h5:/path), MATLAB (file.mat:/path); of MR
    /// ISMRMRD, fastMRI, BART's cfl, or complex arrays
    #[arg(value_name = "SCAN")]
    input: PathBuf,
    /// The method; fbp for CT and sense for MR by default
    #[arg(long, value_parser = methods())]
    method: Option<String>,
    #[command(flatten)]
    fbp: FbpFlags,
    #[command(flatten)]
    iterative: IterativeFlags,
    #[command(flatten)]
    geometry: GeometryFlags,
    #[command(flatten)]
    grid: GridFlags,
    #[command(flatten)]
    selection: SelectionFlags,
    #[command(flatten)]
    counts: CountsFlags,
    #[command(flatten)]
    hardening: HardeningFlags,
    #[command(flatten)]
    mr: MrFlags,
    #[command(flatten)]
    output: OutputFlags,
    /// Write Hounsfield units, with this attenuation of water, such as 0.0192/mm
    #[arg(long, value_name = "ATTENUATION", value_parser = units::positive_attenuation, help_heading = "Output")]
    mu_water: Option<f64>,
    /// Print device, seconds by step, shapes and files as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Filtered backprojection")]
struct FbpFlags {
    /// Window on the ramp
    #[arg(long, default_value = "ram-lak", value_parser = Filter::ALL.map(|(name, _)| name).to_vec())]
    filter: String,
    /// Cut-off, as a fraction of the Nyquist frequency
    #[arg(long, value_name = "FRACTION", default_value_t = 1.0)]
    cutoff: f64,
    /// Take what lies beyond the detector for nothing, instead of extrapolating it smoothly
    #[arg(long)]
    no_extrapolation: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Part of the scan")]
struct SelectionFlags {
    /// Detector rows: a..b, end left out
    #[arg(long, value_name = "A..B", value_parser = range)]
    rows: Option<Range<usize>>,
    /// Detector columns: a..b, end left out
    #[arg(long, visible_alias = "crop", value_name = "A..B", value_parser = range)]
    columns: Option<Range<usize>>,
    /// Every n-th view
    #[arg(long, value_name = "N")]
    every: Option<usize>,
    /// Average N neighbouring cells
    #[arg(long, value_name = "N")]
    bin: Option<usize>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Raw counts")]
struct CountsFlags {
    /// What the numbers of a file that does not say are; line integrals, unless flat fields come with them
    #[arg(long, value_enum)]
    numbers: Option<Numbers>,
    /// Open-beam frames [frame, row, column], or a single one [row, column], if they are in another file
    #[arg(long, value_name = "FILE")]
    flat: Option<PathBuf>,
    /// Frames without beam [frame, row, column], or a single one [row, column], if they are in another file
    #[arg(long, value_name = "FILE")]
    dark: Option<PathBuf>,
    /// Counts of the open beam, where there are no flat frames
    #[arg(long, value_name = "COUNTS")]
    open_beam: Option<f64>,
    /// Counts above the dark field below which a reading is set to them; by default half a photon: half a count, or what
    /// the noise says
    #[arg(long, value_name = "COUNTS")]
    zero_counts: Option<f64>,
    /// Leave dead cells and outliers as they are
    #[arg(long)]
    no_repair: bool,
    /// Ring suppression, where there are stripes: by default sorting for raw counts, off for line integrals
    #[arg(long, value_enum)]
    stripes: Option<StripeMethod>,
}

fn range(text: &str) -> Result<Range<usize>> {
    let wrong = || Error::Quantity { text: text.into(), expected: "a range such as 10..20" };
    let (start, end) = text.split_once("..").ok_or_else(wrong)?;
    Ok(start.parse().map_err(|_| wrong())?..end.parse().map_err(|_| wrong())?)
}

/// Every method, of CT and of MR, and those of old, which are not shown: the recipes say what became of them.
fn methods() -> Vec<PossibleValue> {
    let only_mr = recipes::mr::ALL.iter().filter(|name| !recipes::ALL.contains(name));
    let names = recipes::ALL.iter().chain(only_mr).map(|name| PossibleValue::new(*name));
    names.chain([PossibleValue::new("nonlocal").hide(true)]).collect()
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    flags.output.check_image()?;
    flags.iterative.check(flags.output.options().force)?;
    if flags.mr.concern(&flags.input)? {
        if let Some(flag) = flags.only_ct() {
            return Err(Error::Option(format!(
                "{flag} is for CT, and {} holds complex numbers, an MR scan; leave it out",
                flags.input.display()
            )));
        }
        let Flags { input, method, mr, iterative, output, json, .. } = &flags;
        let method = method.as_deref().unwrap_or("sense");
        return mr::Task { input, method, flags: mr, iterative, output, json: *json }.run(global);
    }
    if let Some(flag) = flags.mr.given() {
        return Err(Error::Option(format!("{flag} is for MR, and {} holds no complex numbers", flags.input.display())));
    }
    let only_mr = |method: &&str| !recipes::ALL.contains(method) && recipes::mr::ALL.contains(method);
    if let Some(method) = flags.method.as_deref().filter(only_mr)
        && io::content(&flags.input)? == Content::Numbers
    {
        return Err(Error::Option(format!("{method} is a method of MR, and {}", mr::real_numbers(&flags.input))));
    }
    let device = global.open()?;
    let monitor = global.monitor();
    let mut notes = Vec::new();
    let (scan, beam) = read(&flags, &monitor, &mut notes)?;
    let grid = flags.grid.for_scan(&scan.geometry)?;
    let unit = scan.geometry.unit;
    if unit == LengthUnit::Cell {
        if flags.mu_water.is_some() {
            return Err(Error::Option("--mu-water needs millimetres; give the cell size with --cell".into()));
        }
        notes.push("no cell size is known: lengths are in detector cells, values per cell; give --cell for mm".into());
    }
    let shape = scan.geometry.shape();
    let method = flags.method.as_deref().unwrap_or("fbp");
    let (options, trace) = flags.iterative.options(method, (&grid, unit), flags.mu_water, &mut notes)?;
    let recipe = recipes::named(method, &Options { fbp: flags.fbp.recipe(), ..options })?;
    let (scan, recipe) = flags.hardening.apply(scan, recipe, beam.as_ref(), &mut notes)?;
    let made = recipe.reconstruct(scan, &grid, &device, &monitor)?;
    notes.extend(made.notes);
    let image = match (flags.mu_water, unit) {
        (None, _) => made.image,
        (Some(mu), _) => made.image.to_hounsfield(mu),
    };
    let mut outputs = flags.output.write_image(&image, &monitor, &mut notes)?;
    outputs.extend(flags.iterative.write_trace(&trace, flags.output.options().force)?);
    let facts = vec![
        ("method", json!(method)),
        ("projections", json!(shape)),
        ("image", json!(grid.shape)),
        ("voxel", json!(grid.voxel())),
        ("unit", json!(image.quantity.unit())),
    ];
    Report { verb: "recon", device: Some(&device), monitor: &monitor, notes: &notes, outputs, facts }
        .print(flags.json, global)
}

impl Flags {
    /// Flags that only CT has, the first that was given.
    fn only_ct(&self) -> Option<&'static str> {
        let given = [
            ("--mu-water", self.mu_water.is_some()),
            ("--filter", self.fbp.filter != "ram-lak"),
            ("--cutoff", self.fbp.cutoff != 1.0),
            ("--no-extrapolation", self.fbp.no_extrapolation),
            ("--rows", self.selection.rows.is_some()),
            ("--columns", self.selection.columns.is_some()),
            ("--every", self.selection.every.is_some()),
            ("--bin", self.selection.bin.is_some()),
            ("--numbers", self.counts.numbers.is_some()),
            ("--flat", self.counts.flat.is_some()),
            ("--dark", self.counts.dark.is_some()),
            ("--open-beam", self.counts.open_beam.is_some()),
            ("--zero-counts", self.counts.zero_counts.is_some()),
            ("--no-repair", self.counts.no_repair),
            ("--stripes", self.counts.stripes.is_some()),
            ("--beam-hardening", self.hardening.given()),
        ];
        let given = given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag);
        given.or(self.geometry.given()).or(self.grid.given())
    }
}

impl FbpFlags {
    fn recipe(&self) -> Fbp {
        let filter = Filter::ALL.iter().find(|(name, _)| *name == self.filter).map(|(_, filter)| *filter);
        Fbp { filter: filter.unwrap_or_default(), cutoff: self.cutoff, extrapolate: !self.no_extrapolation }
    }
}

impl SelectionFlags {
    fn selection(&self) -> Selection {
        Selection { every: self.every, rows: self.rows.clone(), columns: self.columns.clone(), bin: self.bin }
    }
}

/// The scan in line integrals: file, geometry, part, counts, centre, stripes; and what its file says of the beam.
fn read(flags: &Flags, monitor: &Monitor, notes: &mut Vec<String>) -> Result<(Scan, Option<BeamRecord>)> {
    let mut recording = monitor.step("read", 1, || io::read_recording(&flags.input))?;
    flags.counts.complete(&mut recording)?;
    let mut geometry = understand(&flags.geometry, &mut recording)?;
    notes.append(&mut recording.remarks);
    let shape = geometry.shape();
    let selection = flags.selection.selection();
    selection.check(shape)?;
    selection.of_geometry(&mut geometry);
    let Recording { data, flat, dark, reading, beam, .. } = recording;
    let projections = selection.of(data, true);
    let name = flags.input.display().to_string();
    rushlight::error::check_finite(&name, projections.shape(), projections.as_slice().unwrap_or_default())?;
    if reading == Reading::LineIntegrals && flags.counts.numbers.is_none() && looks_like_counts(projections.view()) {
        notes.push(
            "warning: taken for line integrals, though they are highest at the detector's sides, as counts and transmissions are; \
             give --flat or --open-beam if they are, --numbers line-integrals if not"
                .into(),
        );
    }
    let projections = match reading {
        Reading::LineIntegrals => projections,
        Reading::Counts => {
            let [flat, dark] = [flat, dark].map(|frames| frames.map(|frames| selection.of(frames, false)));
            let counts = Counts { data: projections, flat, dark };
            let (line_integrals, mut prepared) =
                monitor.step("correct", 1, || counts.prepare(&flags.counts.preparation()))?;
            geometry.leave_out(&prepared.dark_views);
            // As the file numbers them.
            prepared.dark_views.iter_mut().for_each(|view| *view *= selection.every.unwrap_or(1));
            notes.extend(prepared.to_string().lines().map(str::to_string));
            line_integrals
        }
    };
    let mut scan = Scan::new(projections, geometry)?;
    let stripes = flags.counts.stripes.map_or(reading == Reading::Counts, |method| method == StripeMethod::Sorting);
    if flags.geometry.center == Some(Center::Auto) {
        // Stripes would draw the search to where their mirror images meet; the axis is not known before it.
        let mut quiet = stripes.then(|| scan.projections.clone());
        if let Some(quiet) = &mut quiet {
            stripes::suppress(quiet, &Stripes::default())?;
        }
        monitor.step("centre", 1, || find_center(&mut scan, quiet, notes))?;
    }
    if stripes {
        let options = Stripes { axis: axis_column(&scan.geometry), window: None };
        let suppressed = monitor.step("stripes", 1, || stripes::suppress(&mut scan.projections, &options))?;
        notes.push(suppressed.to_string());
    }
    Ok((scan, beam))
}

/// A remark that `--center` moves the axis away from where the file has it.
///
/// # Errors
/// On a curved detector every ray may be called the central one, and what reads a list of views calls that through the axis so. A file
/// made with `--axis-offset` has the offset in its column, its angles and its distance, and a flag alone would not fit them.
fn moved_axis(known: &Circular, geometry: &Geometry, flags: &GeometryFlags) -> Result<Option<String>> {
    let now = Circular::of(geometry)?;
    let moved = (now.center - known.center).abs() > 0.05;
    let curved = [known.shape, now.shape] == [Shape::FanCurved; 2];
    if curved && (moved || flags.offset_the_axis()) && !flags.place_the_axis() {
        return Err(Error::Option(format!(
            "the flags put the ray through the axis at column {:.2}, and the file, of a curved detector, has it at {:.2}, offsets included; \
             leave --center, --detector-offset and --axis-offset out, or describe the scan anew: \
             --center --axis-offset --angles --source-origin",
            now.center, known.center
        )));
    }
    let Some(Center::Column(_)) = flags.center else { return Ok(None) };
    Ok(moved.then(|| {
        format!(
            "--center puts {} at column {:.2}, the file has it at {:.2}; leave --center out to keep the file's",
            if curved { "the ray through the axis" } else { "the central ray" },
            now.center,
            known.center
        )
    }))
}

/// The geometry from the flags, over what the file knows; what there is to say of it goes to the recording's remarks.
pub fn understand(flags: &GeometryFlags, recording: &mut Recording) -> Result<Geometry> {
    let shape = [0, 1, 2].map(|axis| recording.data.shape()[axis]);
    match recording.geometry.take() {
        Some(geometry) if !flags.any() => Ok(geometry),
        Some(geometry) => {
            let changed = flags.describe(Description::of(&geometry)?)?.geometry(shape)?;
            recording.remarks.extend(moved_axis(&Circular::of(&geometry)?, &changed, flags)?);
            Ok(changed)
        }
        None => flags.describe(Description::default().with_angles(recording.angles.take()))?.geometry(shape),
    }
}

/// Columns beyond which a standard error of the axis is worth a warning.
const UNSURE: f64 = 0.5;

/// The column on which the rotation axis falls, in a circular scan.
fn axis_column(geometry: &Geometry) -> Option<f64> {
    let circle = Circular::of(geometry).ok()?;
    let beside = match circle.shape {
        Shape::FanFlat => circle.axis_offset * circle.source_detector / circle.source_origin / circle.pitch,
        // Their central ray goes through the axis.
        Shape::Parallel | Shape::FanCurved => 0.0,
    };
    Some(circle.center + beside)
}

/// Moves the detector so that the rotation axis falls where the projections, or a `quiet` version of them, say it does.
fn find_center(scan: &mut Scan, quiet: Option<Array3<f32>>, notes: &mut Vec<String>) -> Result<()> {
    let circular = Circular::of(&scan.geometry)?;
    if circular.shape != Shape::Parallel {
        return Err(Error::Option("--center auto searches parallel scans only; give the fan's column".into()));
    }
    let projections = quiet.as_ref().unwrap_or(&scan.projections);
    let axis = axis::find(projections.view(), &circular.angles, &axis::Search::default())?;
    let (found, uncertainty) = (axis.column, axis.uncertainty);
    for view in &mut scan.geometry.views {
        view.first_cell = add(view.first_cell, circular.center - found, view.column_step);
    }
    notes.push(format!("rotation axis found at column {found:.2} ± {uncertainty:.2} ({})", axis.method));
    if uncertainty > UNSURE {
        notes.push(format!(
            "warning: these data tell the axis no better than to {uncertainty:.1} columns, and half a column shows in the image; \
             compare some around {found:.1} with --center, or use the axis of a scan with more contrast"
        ));
    }
    Ok(())
}

impl CountsFlags {
    /// Adds what the flags give to what the file holds.
    fn complete(&self, recording: &mut Recording) -> Result<()> {
        let detector = [recording.data.dim().1, recording.data.dim().2];
        if let Some(path) = &self.flat {
            recording.flat = Some(read_frames(path, detector, "--flat")?);
        }
        if let Some(path) = &self.dark {
            recording.dark = Some(read_frames(path, detector, "--dark")?);
        }
        for (own, name) in [(&mut recording.flat, "flat"), (&mut recording.dark, "dark")] {
            *own = own.take().map(|array| frames::frames(array.into_dyn(), detector, name)).transpose()?;
        }
        recording.reading = match self.numbers {
            Some(Numbers::Counts) => Reading::Counts,
            Some(Numbers::LineIntegrals) => Reading::LineIntegrals,
            None if self.flat.is_some() || self.open_beam.is_some() => Reading::Counts,
            None => recording.reading,
        };
        Ok(())
    }

    /// All but the stripes, which wait for the axis.
    fn preparation(&self) -> Preparation {
        let usual = Preparation::default();
        Preparation {
            open_beam: self.open_beam,
            zero_counts: self.zero_counts,
            repair: usual.repair.filter(|_| !self.no_repair),
            stripes: None,
        }
    }
}

/// Frames of a detector of `[rows, columns]` from a file that may hold but one, without an axis for it.
fn read_frames(path: &Path, detector: [usize; 2], flag: &str) -> Result<Array3<f32>> {
    let array = match io::read_recording(path) {
        Ok(recording) => recording.data.into_dyn(),
        // A recording has two dimensions at least; a frame of one row is one.
        Err(error) => io::read_array(path).ok().filter(|array| array.ndim() == 1).ok_or(error)?,
    };
    frames::frames(array, detector, flag).map_err(|error| Error::file(path, error))
}
