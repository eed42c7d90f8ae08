//! The DXchange layout of a scan in HDF5 (De Carlo et al., J. Synchrotron Rad. 21, 1224, 2014), and what Rushlight adds.
//!
//! ```text
//! /implements                         "exchange"
//! /exchange/data                      f32 [view, row, column]
//!     attribute quantity              "line integrals" or "counts"
//! /exchange/data_white, data_dark     f32 [frame, row, column], with counts
//! /exchange/theta                     f64 [view], attribute units "deg" (or "rad")
//! /rushlight/geometry                 one entry a view; axes as in the library's `geometry`
//!     source                          f64 [view, 4]: x, y, z, w; at (x, y, z)/w, or with w = 0 at infinity that way
//!     first_cell                      f64 [view, 3]: centre of cell (row 0, column 0)
//!     column_step, row_step           f64 [view, 3]: to the next column, the next row
//!     curved                          u8 [view]: 1 if the cells of a row lie on a circle about the source
//!         attribute unit              on each: "mm" or "cell"
//! ```
//!
//! Without `quantity`, data with white or dark frames are counts, and so are whole numbers of 16 bits or more without a sign;
//! others are line integrals. Theta without units is degrees, unless it runs over half a turn or a full one in radians: over
//! 3 or 6 degrees nobody scans.
//!
//! A scan of a tube's beam says so, for the correction of its hardening, with attributes of `data`: `tube`, such as
//! "120kV,7mmaluminium,12deg", `signal`, what a photon adds to it ("energy" or "one"), and `bowtie`, such as "200mm".

use std::{
    f64::consts::{PI, TAU},
    io,
    path::Path,
};

use hdf5_pure::{FileBuilder, FinishedGroup};
use ndarray::Array3;

use super::{
    Reading, Recording,
    description::unit_of,
    hdf5::{Store, put, text},
    output::Staging,
    place::Place,
    three_dimensional,
};
use crate::{
    error::{Error, Result},
    geometry::{Geometry, View},
    physics::{Detector, Tube},
    scan::{Bowtie, frames::frames, hardening::BeamRecord},
    units::{angle_unit, positive_length},
};

pub(super) const DATA: &str = "exchange/data";
const WHITE: &str = "exchange/data_white";
const DARK: &str = "exchange/data_dark";
const THETA: &str = "exchange/theta";
const GEOMETRY: &str = "rushlight/geometry";
const LINE_INTEGRALS: &str = "line integrals";
const COUNTS: &str = "counts";
const ENERGY: &str = "energy";
const ONE: &str = "one";

/// Reads everything that the layout holds.
pub(super) fn read(place: &Place, store: &Store) -> Result<Recording> {
    let data = three_dimensional(place, store.values(DATA)?, 1)?;
    let detector = [data.dim().1, data.dim().2];
    let frames = |path: &str| -> Result<Option<Array3<f32>>> {
        let read = || {
            let values = store.values(path)?;
            let array = values.clone().into_f32(place)?;
            // What does not fit the data is refused where it is needed.
            frames(array, detector, path).or_else(|_| three_dimensional(place, values, 0))
        };
        store.holds(path).then(read).transpose()
    };
    let (flat, dark) = (frames(WHITE)?, frames(DARK)?);
    let reading = match store.text_attribute(DATA, "quantity").as_deref() {
        Some(LINE_INTEGRALS) => Reading::LineIntegrals,
        Some(COUNTS) => Reading::Counts,
        _ if flat.is_some() || dark.is_some() || store.counted(DATA) => Reading::Counts,
        _ => Reading::LineIntegrals,
    };
    let mut remarks = Vec::new();
    let angles = read_theta(place, store, &mut remarks)?;
    let geometry = read_geometry(place, store, data.dim())?;
    let beam = read_beam(place, store)?;
    Ok(Recording { data, flat, dark, angles, geometry, reading, beam, remarks })
}

fn read_theta(place: &Place, store: &Store, remarks: &mut Vec<String>) -> Result<Option<Vec<f64>>> {
    if !store.holds(THETA) {
        return Ok(None);
    }
    let unit = store.text_attribute(THETA, "units").unwrap_or_default();
    let mut angles = store.values(THETA)?.into_f64_list(place)?;
    let radians = match unit.trim().to_lowercase().as_str() {
        "" if looks_like_radians(&angles) => {
            remarks.push(format!(
                "/{THETA} says no unit; it runs from {:.4} to {:.4} and is taken for radians (--angles says otherwise)",
                angles[0],
                angles[angles.len() - 1]
            ));
            1.0
        }
        "" | "deg" | "degs" | "degree" | "degrees" | "°" => angle_unit("deg")?,
        "rad" | "rads" | "radian" | "radians" => 1.0,
        other => return Err(place.error(format!("/{THETA} is in '{other}'; degrees or radians are known"))),
    };
    angles.iter_mut().for_each(|angle| *angle *= radians);
    Ok(Some(angles))
}

/// Whether angles run over half a turn or a full one, with the last view or up to it, if they are radians.
fn looks_like_radians(angles: &[f64]) -> bool {
    let (least, most) = angles.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let (range, step) = (most - least, (most - least) / (angles.len().max(2) - 1) as f64);
    let near = |turn: f64| range > 0.95 * turn - step && range < 1.05 * turn;
    angles.len() > 2 && least.abs().max(most.abs()) < 1.05 * TAU && (near(PI) || near(TAU))
}

fn read_beam(place: &Place, store: &Store) -> Result<Option<BeamRecord>> {
    let Some(tube) = store.text_attribute(DATA, "tube") else { return Ok(None) };
    let wrong = |error| place.error(format!("/{DATA}, what it says of the beam: {error}"));
    let tube = tube.parse().map_err(wrong)?;
    let detector = match store.text_attribute(DATA, "signal").as_deref() {
        Some(ONE) => Detector::Counting,
        Some(ENERGY) => Detector::Integrating,
        other => return Err(place.error(format!("/{DATA}: a signal of {other:?}; '{ENERGY}' and '{ONE}' are known"))),
    };
    let bowtie = store.text_attribute(DATA, "bowtie").map(|text| positive_length(&text)).transpose().map_err(wrong)?;
    Ok(Some(BeamRecord { tube, detector, bowtie: bowtie.map(|diameter| Bowtie { diameter }) }))
}

/// A tube as its flag has it.
fn tube_text(tube: &Tube) -> String {
    let filters = tube.filters.iter().map(|filter| format!("{}mm{},", filter.thickness, filter.material.name));
    format!("{}kV,{}{}deg", tube.kilovolts, filters.collect::<String>(), tube.angle.to_degrees())
}

fn read_geometry(
    place: &Place,
    store: &Store,
    (count, rows, columns): (usize, usize, usize),
) -> Result<Option<Geometry>> {
    let path = |name: &str| format!("{GEOMETRY}/{name}");
    if !store.holds(&path("source")) {
        return Ok(None);
    }
    let wrong = |what: &str| place.error(format!("/{GEOMETRY}: {what}"));
    let unit = store.text_attribute(&path("source"), "unit").and_then(|unit| unit_of(&unit));
    let unit = unit.ok_or_else(|| wrong("its unit is neither mm nor cell"))?;
    let list = |name: &str, width: usize| -> Result<Vec<f64>> {
        let values = store.values(&path(name))?.into_f64_list(place)?;
        if values.len() == width * count {
            Ok(values)
        } else {
            Err(wrong(&format!("{name} is not {width} × {count} numbers")))
        }
    };
    let (source, curved) = (list("source", 4)?, list("curved", 1)?);
    let [first, column, row] = [list("first_cell", 3)?, list("column_step", 3)?, list("row_step", 3)?];
    let three = |values: &[f64], i: usize| [values[3 * i], values[3 * i + 1], values[3 * i + 2]];
    let views = (0..count).map(|i| View {
        source: [source[4 * i], source[4 * i + 1], source[4 * i + 2], source[4 * i + 3]],
        first_cell: three(&first, i),
        column_step: three(&column, i),
        row_step: three(&row, i),
        curved: curved[i] != 0.0,
    });
    let geometry = Geometry { views: views.collect(), rows, columns, unit };
    geometry.check().map_err(|error| wrong(&error.to_string()))?;
    Ok(Some(geometry))
}

/// Writes everything that the recording holds.
pub(super) fn write(path: &Path, recording: &Recording, staging: &mut Staging) -> Result<()> {
    let views = recording.data.dim().0;
    if recording.angles.as_ref().is_some_and(|angles| angles.len() != views)
        || recording.geometry.as_ref().is_some_and(|geometry| geometry.shape() != recording.data.shape())
    {
        return Err(Error::file(path, "angles, geometry and data of the scan to be written do not fit each other"));
    }
    let mut file = FileBuilder::new();
    file.create_dataset("implements").with_vlen_strings(&["exchange"]).with_shape(&[]);
    let mut exchange = file.create_group("exchange");
    let data = exchange.create_dataset("data");
    put(data, &recording.data.view().into_dyn());
    data.set_attr("axes", text("theta:y:x"));
    data.set_attr("quantity", text(if recording.reading == Reading::Counts { COUNTS } else { LINE_INTEGRALS }));
    if let Some(beam) = &recording.beam {
        data.set_attr("tube", text(&tube_text(&beam.tube)));
        data.set_attr("signal", text(if beam.detector == Detector::Counting { ONE } else { ENERGY }));
        if let Some(bowtie) = beam.bowtie {
            data.set_attr("bowtie", text(&format!("{}mm", bowtie.diameter)));
        }
    }
    for (name, frames) in [("data_white", &recording.flat), ("data_dark", &recording.dark)] {
        if let Some(frames) = frames {
            put(exchange.create_dataset(name), &frames.view().into_dyn());
        }
    }
    if let Some(angles) = &recording.angles {
        let degrees: Vec<_> = angles.iter().map(|angle| angle.to_degrees()).collect();
        exchange.create_dataset("theta").with_f64_data(&degrees).set_attr("units", text("deg"));
    }
    file.add_group(exchange.finish());
    if let Some(geometry) = &recording.geometry {
        let mut own = file.create_group("rushlight");
        let inner = own.create_group("geometry");
        own.add_group(describe(geometry, inner));
        file.add_group(own.finish());
    }
    staging.add(path, |output| file.finish_to(output).map_err(io::Error::other))
}

fn describe(geometry: &Geometry, mut group: hdf5_pure::GroupBuilder) -> FinishedGroup {
    let views = geometry.views.len() as u64;
    let unit = text(geometry.unit.name());
    let mut list = |name: &str, width: u64, values: Vec<f64>| {
        group.create_dataset(name).with_f64_data(&values).with_shape(&[views, width]).set_attr("unit", unit.clone());
    };
    let of = |part: fn(&View) -> [f64; 3]| geometry.views.iter().flat_map(part).collect::<Vec<_>>();
    list("source", 4, geometry.views.iter().flat_map(|view| view.source).collect());
    list("first_cell", 3, of(|view| view.first_cell));
    list("column_step", 3, of(|view| view.column_step));
    list("row_step", 3, of(|view| view.row_step));
    let curved: Vec<_> = geometry.views.iter().map(|view| u8::from(view.curved)).collect();
    group.create_dataset("curved").with_u8_data(&curved).with_shape(&[views]);
    group.finish()
}
