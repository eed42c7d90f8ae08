//! `rushlight measure ttf`: the task transfer function of a disk.

use std::path::PathBuf;

use clap::Args;
use rushlight::{
    Error, Result,
    monitor::Monitor,
    quality::ttf::{self, Disk, Options, Ttf},
};
use serde_json::json;

use super::{Common, Extent, Figures, Place, Stack, extent, numbers};

pub const EXAMPLES: &str = "Examples:
  rushlight measure ttf rod.dcm --disk 30mm,-20mm,6mm -o ttf.csv
  rushlight measure ttf repeats.npy --voxel 0.5mm --disk 120.5,88,24 --json";

#[derive(Args, Debug)]
pub struct Flags {
    /// Images, or volumes: repeats of one disk; all slices are averaged
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Centre and radius of the disk: pixels such as 120.5,88,24, or lengths such as 30mm,-20mm,6mm
    #[arg(long, value_name = "X,Y,R", value_parser = disk, allow_hyphen_values = true)]
    disk: (Place, Extent),
    /// How far from the edge to look on either side, in pixels or with a unit; the radius by default, at most 16 pixels
    #[arg(long, value_name = "WIDTH", value_parser = extent)]
    margin: Option<Extent>,
    /// Search the centre within this many pixels of the given one; 0 takes it as given
    #[arg(long, value_name = "PIXELS", default_value_t = Options::default().search)]
    search: f64,
    #[command(flatten)]
    pub common: Common,
}

fn disk(text: &str) -> Result<(Place, Extent)> {
    let expected = "a disk X,Y,RADIUS in pixels, such as 120.5,88,24, or in lengths, such as 30mm,-20mm,6mm";
    match numbers(text, expected)? {
        ([x, y, length], millimetres) if length > 0.0 => {
            Ok((Place { at: [x, y], millimetres }, Extent { length, millimetres }))
        }
        _ => Err(Error::Quantity { text: text.into(), expected }),
    }
}

pub fn run(flags: &Flags, monitor: &Monitor) -> Result<Figures> {
    flags.common.check_output()?;
    let stack = flags.common.read(&flags.images, None, monitor)?;
    let [height, width] = stack.pixel();
    if (height / width - 1.0).abs() > 1e-3 {
        return Err(Error::Option(format!("pixels of {height} × {width}: a disk's edge is measured on square ones")));
    }
    let (place, radius) = flags.disk;
    let disk = Disk { center: stack.place(place)?, radius: stack.extent(radius)? };
    let margin = flags.margin.map(|margin| stack.extent(margin)).transpose()?;
    let options = Options { margin, search: flags.search, ..Options::default() };
    let ttf = monitor.step("measure", 1, || ttf::measure(stack.values.view(), width, disk, &options))?;
    let frequency = format!("frequency_per_{}", stack.length());
    let rows = ttf.frequencies.iter().zip(&ttf.values).map(|(f, value)| [*f, *value]);
    flags.common.write_curve([&frequency, "ttf"], rows)?;
    Ok(figures(&ttf, &stack))
}

fn figures(ttf: &Ttf, stack: &Stack) -> Figures {
    let length = stack.length();
    let reached = |frequency: Option<f64>| {
        frequency.map_or(format!("not reached up to {:.3}/{length}", ttf.frequencies[ttf.frequencies.len() - 1]), |f| {
            format!("{f:.4}/{length}")
        })
    };
    let [x, y] = ttf.disk.center;
    let error = ttf.f50_error.map(|error| format!(" ± {error:.4} (standard error)")).unwrap_or_default();
    let lines = vec![
        ("f50", reached(ttf.f50) + &error),
        ("f10", reached(ttf.f10)),
        ("contrast", format!("{:.6e} {}", ttf.contrast, stack.quantity.unit())),
        ("total CNR", format!("{:.1}", ttf.total_cnr)),
        ("disk", format!("at {x:.2},{y:.2}, radius {:.2} pixels", ttf.disk.radius)),
        ("images", format!("{}", ttf.images)),
    ];
    let mut facts = vec![
        ("f50", json!(ttf.f50)),
        ("f50_error", json!(ttf.f50_error)),
        ("f10", json!(ttf.f10)),
        ("contrast", json!(ttf.contrast)),
        ("total_cnr", json!(ttf.total_cnr)),
        ("disk", json!(ttf.disk)),
        ("frequencies", json!(ttf.frequencies)),
        ("ttf", json!(ttf.values)),
    ];
    facts.extend(stack.facts());
    let noisy = ttf.total_cnr < 15.0;
    let notes =
        noisy.then(|| format!("total CNR {:.1} is below 15 (AAPM TG-233): average more repeats", ttf.total_cnr));
    Figures { verb: "measure ttf", lines, facts, notes: notes.into_iter().collect() }
}
