//! A scan's geometry as users give it: flags, a small TOML file, or what the scan file itself knows.

use std::{f64::consts::PI, path::Path};

use clap::{Args, ValueEnum};
use serde::Deserialize;

use rushlight::{
    Error, Result,
    geometry::{Circular, Fan, Geometry, LengthUnit, Parallel, Shape, View, add, norm},
    io, units,
};

/// Where the rays come from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Beam {
    /// Parallel rays.
    Parallel,
    /// Rays from a point.
    Fan,
}

/// The shape of a fan's detector.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Detector {
    /// Cells on a line.
    Flat,
    /// Cells on a circle about the source; the cell width is an arc length.
    Curved,
}

/// The column that the rotation axis falls on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Center {
    /// Search for it.
    Auto,
    /// Columns from the centre of the first.
    Column(f64),
}

impl std::str::FromStr for Center {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.parse::<f64>()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(column)) if column.is_finite() => Ok(Self::Column(column)),
            _ => Err("give a column, such as 296.5 (0 is the centre of the first), or auto".into()),
        }
    }
}

/// The flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Geometry")]
pub struct GeometryFlags {
    /// parallel, fan, or a geometry file such as scan.toml
    #[arg(long, value_name = "parallel|fan|FILE")]
    geometry: Option<String>,
    /// Shape of a fan's detector: flat, or curved (a cylinder about the source; --cell is an arc length)
    #[arg(long, value_enum)]
    detector: Option<Detector>,
    /// Angles of the views: 0..180deg (end left out), 0..=180deg, 360..0deg, or a file of numbers (npy, or text with one
    /// a line; with --angle-unit)
    #[arg(long, value_name = "RANGE|FILE", allow_hyphen_values = true)]
    angles: Option<String>,
    /// Unit of the numbers in an --angles file: deg or rad
    #[arg(long, value_name = "UNIT", value_parser = units::angle_unit)]
    angle_unit: Option<f64>,
    /// Width of a detector cell, such as 0.5mm
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length)]
    cell: Option<f64>,
    /// Height of a detector cell, if it is not as high as wide
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length)]
    cell_height: Option<f64>,
    /// Distance from the source to the rotation axis
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length)]
    source_origin: Option<f64>,
    /// Distance from the source to the detector
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length)]
    source_detector: Option<f64>,
    /// Column on which the rotation axis falls (a flat fan: the ray perpendicular to the detector), or auto
    #[arg(long, value_name = "COLUMN|auto", allow_hyphen_values = true)]
    pub center: Option<Center>,
    /// How far the detector's middle lies beside the central ray, towards higher columns
    #[arg(long, value_name = "LENGTH", value_parser = units::length, allow_hyphen_values = true, conflicts_with = "center")]
    detector_offset: Option<f64>,
    /// How far the rotation axis lies beside a fan's central ray, towards higher columns
    #[arg(long, value_name = "LENGTH", value_parser = units::length, allow_hyphen_values = true)]
    axis_offset: Option<f64>,
}

/// A geometry file: the flags' words with their units in the keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct GeometryFile {
    geometry: Option<Beam>,
    detector: Option<Detector>,
    views: Option<usize>,
    columns: Option<usize>,
    rows: Option<usize>,
    angles_deg: Option<Angles>,
    angles_rad: Option<Angles>,
    cell_mm: Option<f64>,
    cell_height_mm: Option<f64>,
    source_origin_mm: Option<f64>,
    source_detector_mm: Option<f64>,
    center_column: Option<f64>,
    detector_offset_mm: Option<f64>,
    axis_offset_mm: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Angles {
    List(Vec<f64>),
    Range(String),
}

/// What is known of a geometry; the rest has defaults or is asked for.
#[derive(Clone, Debug, Default)]
pub struct Description {
    beam: Option<Beam>,
    detector: Option<Detector>,
    angles: Option<AngleList>,
    cell: Option<f64>,
    cell_height: Option<f64>,
    source_origin: Option<f64>,
    source_detector: Option<f64>,
    pub center: Option<Center>,
    detector_offset: Option<f64>,
    axis_offset: Option<f64>,
    /// Views, rows and columns that the file or its geometry file states.
    pub shape: [Option<usize>; 3],
    unit: Option<LengthUnit>,
}

#[derive(Clone, Debug)]
enum AngleList {
    Range(units::AngleRange),
    Radians(Vec<f64>),
}

impl GeometryFlags {
    /// Whether any flag was given that says where things are; `--center auto` asks.
    pub fn any(&self) -> bool {
        self.given().is_some_and(|flag| flag != "--center") || matches!(self.center, Some(Center::Column(_)))
    }

    /// Whether the flags say where source and axis are in every view, so that nothing of it is a file's.
    pub fn place_the_axis(&self) -> bool {
        self.axis_offset.is_some() && self.angles.is_some() && self.source_origin.is_some()
    }

    /// Whether a flag puts the axis beside a fan's central ray.
    pub fn offset_the_axis(&self) -> bool {
        self.axis_offset.is_some_and(|offset| offset != 0.0)
    }

    /// The first flag that was given, `--center` the last of them.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            ("--geometry", self.geometry.is_some()),
            ("--detector", self.detector.is_some()),
            ("--angles", self.angles.is_some()),
            ("--angle-unit", self.angle_unit.is_some()),
            ("--cell", self.cell.is_some()),
            ("--cell-height", self.cell_height.is_some()),
            ("--source-origin", self.source_origin.is_some()),
            ("--source-detector", self.source_detector.is_some()),
            ("--detector-offset", self.detector_offset.is_some()),
            ("--axis-offset", self.axis_offset.is_some()),
            ("--center", self.center.is_some()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// The flags, over the geometry file they name, over `known`.
    pub fn describe(&self, known: Description) -> Result<Description> {
        let mut description = known;
        match self.geometry.as_deref() {
            None => {}
            Some("parallel") => description.beam = Some(Beam::Parallel),
            Some("fan") => description.beam = Some(Beam::Fan),
            Some(path) => description = read(Path::new(path))?.over(description),
        }
        let angles = self.angles.as_deref().map(|text| self.angle_list(text)).transpose()?;
        let flags = Description {
            beam: None,
            detector: self.detector,
            angles,
            cell: self.cell,
            cell_height: self.cell_height,
            source_origin: self.source_origin,
            source_detector: self.source_detector,
            center: self.center,
            detector_offset: self.detector_offset,
            axis_offset: self.axis_offset,
            shape: [None; 3],
            unit: self.cell.map(|_| LengthUnit::Millimetre),
        };
        Ok(flags.over(description))
    }

    fn angle_list(&self, text: &str) -> Result<AngleList> {
        if text.contains("..") && !Path::new(text).exists() {
            return Ok(AngleList::Range(text.parse()?));
        }
        let Some(unit) = self.angle_unit else {
            return Err(Error::Option(format!(
                "--angles {text}: say what its numbers are with --angle-unit deg or rad"
            )));
        };
        let angles = io::read_angles(text)?;
        Ok(AngleList::Radians(angles.into_iter().map(|angle| angle * unit).collect()))
    }
}

/// Reads a geometry file.
pub fn read(path: &Path) -> Result<Description> {
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Err(Error::Option(format!(
            "--geometry {}: give parallel, fan, or a geometry file that ends in .toml",
            path.display()
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
    let file: GeometryFile = toml::from_str(&text)
        .map_err(|error| Error::file(path, error.to_string().lines().collect::<Vec<_>>().join(" ")))?;
    let angles = match (file.angles_deg, file.angles_rad) {
        (Some(_), Some(_)) => return Err(Error::file(path, "give angles_deg or angles_rad, not both")),
        (Some(angles), None) => Some(angles.radians("deg")?),
        (None, Some(angles)) => Some(angles.radians("rad")?),
        (None, None) => None,
    };
    Ok(Description {
        beam: file.geometry,
        detector: file.detector,
        angles,
        cell: file.cell_mm,
        cell_height: file.cell_height_mm,
        source_origin: file.source_origin_mm,
        source_detector: file.source_detector_mm,
        center: file.center_column.map(Center::Column),
        detector_offset: file.detector_offset_mm,
        axis_offset: file.axis_offset_mm,
        shape: [file.views, file.rows, file.columns],
        unit: file.cell_mm.map(|_| LengthUnit::Millimetre),
    })
}

impl Angles {
    fn radians(self, unit: &str) -> Result<AngleList> {
        let factor = units::angle_unit(unit)?;
        Ok(match self {
            Self::List(list) => AngleList::Radians(list.into_iter().map(|angle| angle * factor).collect()),
            Self::Range(text) => AngleList::Range(format!("{text}{unit}").parse()?),
        })
    }
}

impl Description {
    /// What a list of views says, so that flags can change a part of it.
    pub fn of(geometry: &Geometry) -> Result<Self> {
        let circular = Circular::of(geometry)?;
        let fan = circular.shape != Shape::Parallel;
        let description = Self {
            beam: Some(if fan { Beam::Fan } else { Beam::Parallel }),
            detector: Some(if circular.shape == Shape::FanCurved { Detector::Curved } else { Detector::Flat }),
            cell: Some(circular.pitch),
            cell_height: Some(circular.row_pitch),
            source_origin: fan.then_some(circular.source_origin),
            source_detector: fan.then_some(circular.source_detector),
            center: Some(Center::Column(circular.center)),
            axis_offset: fan.then_some(circular.axis_offset),
            angles: Some(AngleList::Radians(circular.angles)),
            shape: geometry.shape().map(Some),
            unit: Some(geometry.unit),
            detector_offset: None,
        };
        // What flags change is the description; it must hold all that the list of views says.
        let again = description.geometry(geometry.shape())?;
        let alike = |(a, b): (&View, &View)| {
            let apart = |column: f64| norm(add(a.cell(0.0, column), -1.0, b.cell(0.0, column)));
            apart(0.0).max(apart(geometry.columns as f64 - 1.0)) < 0.01 * circular.pitch
        };
        if !geometry.views.iter().zip(&again.views).all(alike) {
            return Err(Error::Geometry(
                "the file's list of views is no plain circle, so geometry flags cannot change a part of it; leave them out".into(),
            ));
        }
        Ok(description)
    }

    /// How many angles the description lists.
    pub fn angle_count(&self) -> Option<usize> {
        match &self.angles {
            Some(AngleList::Radians(list)) => Some(list.len()),
            _ => None,
        }
    }

    /// Half a turn for parallel rays, a full turn for a fan, unless the angles are given: for scans that are made here.
    pub fn with_usual_angles(mut self) -> Self {
        let end = if self.beam == Some(Beam::Fan) { 2.0 * PI } else { PI };
        self.angles.get_or_insert(AngleList::Range(units::AngleRange { start: 0.0, end, inclusive: false }));
        self
    }

    /// Refuses a description without a cell size: phantoms are in millimetres.
    pub fn with_cell_in_millimetres(self) -> Result<Self> {
        match self.cell {
            Some(_) => Ok(self),
            None => {
                Err(Error::Option("the width of a detector cell is not known; give it, such as --cell 0.5mm".into()))
            }
        }
    }

    /// Angles that a file holds, in radians.
    pub fn with_angles(self, angles: Option<Vec<f64>>) -> Self {
        Self { angles: angles.map(AngleList::Radians), ..self }
    }

    /// This description, with `under` showing through where it says nothing.
    fn over(self, under: Self) -> Self {
        // Centre and offset say the same thing twice: the upper layer's word counts.
        let placed = self.center.is_some() || self.detector_offset.is_some();
        let (center, detector_offset) =
            if placed { (self.center, self.detector_offset) } else { (under.center, under.detector_offset) };
        Self {
            beam: self.beam.or(under.beam),
            detector: self.detector.or(under.detector),
            angles: self.angles.or(under.angles),
            cell: self.cell.or(under.cell),
            cell_height: self.cell_height.or(under.cell_height),
            source_origin: self.source_origin.or(under.source_origin),
            source_detector: self.source_detector.or(under.source_detector),
            center,
            detector_offset,
            axis_offset: self.axis_offset.or(under.axis_offset),
            shape: [0, 1, 2].map(|axis| self.shape[axis].or(under.shape[axis])),
            unit: self.unit.or(under.unit),
        }
    }

    /// The geometry of a scan of `shape` `[view, row, column]`.
    pub fn geometry(&self, shape: [usize; 3]) -> Result<Geometry> {
        let [_, rows, columns] = shape;
        for ((stated, found), name) in self.shape.iter().zip(shape).zip(["views", "rows", "columns"]) {
            if let Some(stated) = stated.filter(|stated| *stated != found) {
                return Err(Error::Scan(format!("the geometry is one of {stated} {name}, the data have {found}")));
            }
        }
        room(shape)?;
        let angles = self.angle_list(shape)?;
        let unit = self.unit.unwrap_or(LengthUnit::Cell);
        let cell = positive("--cell", self.cell.unwrap_or(1.0))?;
        let cell_height = positive("--cell-height", self.cell_height.unwrap_or(cell))?;
        let center = match (self.center, self.detector_offset) {
            (Some(Center::Column(column)), _) => Some(column),
            (_, Some(offset)) => Some((columns as f64 - 1.0) / 2.0 - offset / cell),
            _ => None,
        };
        let geometry = match self.beam.unwrap_or(Beam::Parallel) {
            Beam::Parallel => Parallel { angles, columns, rows, cell, cell_height, center, unit }.geometry(),
            Beam::Fan => {
                let (source_origin, source_detector) = self.distances()?;
                let curved = self.detector == Some(Detector::Curved);
                if curved && columns as f64 * cell >= PI * source_detector {
                    return Err(Error::Option(format!(
                        "{columns} cells of {cell} on an arc of radius {source_detector} reach about the source; check --cell and --source-detector"
                    )));
                }
                let axis_offset = self.axis_offset.unwrap_or(0.0);
                Fan {
                    angles,
                    columns,
                    rows,
                    cell,
                    cell_height,
                    source_origin,
                    source_detector,
                    center,
                    axis_offset,
                    curved,
                    unit,
                }
                .geometry()
            }
        };
        geometry.check()?;
        Ok(geometry)
    }

    fn distances(&self) -> Result<(f64, f64)> {
        let needed = |flag: &str, value: Option<f64>| {
            value.ok_or_else(|| Error::Option(format!("a fan needs {flag}, such as {flag} 1024mm")))
        };
        if self.cell.is_none() {
            return Err(Error::Option("a fan needs --cell, the width of a detector cell, such as --cell 1.5mm".into()));
        }
        let source_origin = positive("--source-origin", needed("--source-origin", self.source_origin)?)?;
        let source_detector = positive("--source-detector", needed("--source-detector", self.source_detector)?)?;
        if source_detector < source_origin {
            return Err(Error::Option(format!(
                "--source-detector {source_detector}mm is less than --source-origin {source_origin}mm: the detector would stand before the axis"
            )));
        }
        Ok((source_origin, source_detector))
    }

    fn angle_list(&self, shape: [usize; 3]) -> Result<Vec<f64>> {
        let views = shape[0];
        match &self.angles {
            Some(AngleList::Range(range)) => Ok(range.angles(views)),
            Some(AngleList::Radians(list)) if list.len() != views => Err(Error::Scan(format!(
                "{} angles for {views} views; --angles or the file must give as many as there are views{}",
                list.len(),
                swapped(list.len(), shape)
            ))),
            Some(AngleList::Radians(list)) => match list.iter().position(|angle| !angle.is_finite()) {
                Some(index) => Err(Error::Scan(format!("the angle of view {index} is not a finite number"))),
                None => Ok(list.clone()),
            },
            None => Err(Error::Option(
                "the angles of the views are not known (and k-space would be complex numbers, which these are not); give them, such as --angles 0..180deg or --angles list.npy --angle-unit deg"
                    .into(),
            )),
        }
    }
}

/// What to say where the angles fit another axis of the array than the first.
fn swapped(angles: usize, [_, rows, columns]: [usize; 3]) -> String {
    let (order, axes) = match (angles == rows, angles == columns) {
        (true, _) => ("[row, view, column]", "0, 1"),
        (_, true) if rows == 1 => ("[column, view]", "0, 1"),
        (_, true) => ("[column, row, view]", "0, 2"),
        _ => return String::new(),
    };
    format!(
        ". Its {angles} angles fit another axis: is the array {order}? It must be [view, row, column], or [view, column]; \
         turn it, as by numpy.swapaxes(array, {axes})"
    )
}

/// Refuses scans whose numbers, or whose list of views, memory cannot hold.
fn room([views, rows, columns]: [usize; 3]) -> Result<()> {
    let numbers = rows.checked_mul(columns).and_then(|cells| cells.checked_mul(views));
    let fits = numbers.is_some_and(|numbers| Vec::<f32>::new().try_reserve_exact(numbers).is_ok())
        && Vec::<View>::new().try_reserve_exact(views).is_ok();
    if fits {
        return Ok(());
    }
    Err(Error::Option(format!("{views} views of {rows} × {columns} cells: memory cannot hold them; give fewer")))
}

fn positive(flag: &str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::Option(format!("{flag} is {value}; it must be above 0")))
}
