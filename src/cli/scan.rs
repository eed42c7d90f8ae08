//! `rushlight scan`: exact projections of a phantom, with or without noise.

use clap::Args;
use rushlight::{Error, Result, io, scan::noise::Noise};
use serde_json::json;

use super::{Global, geometry::GeometryFlags, output::OutputFlags, phantom::PhantomFlags, report::Report};

pub const EXAMPLES: &str = "Examples:
  rushlight scan shepp-logan-toft --views 720 --angles 0..180deg --cells 736 --cell 0.5mm -o scan.h5
  rushlight scan cct189 --geometry fan --views 720 --angles 0..360deg --cells 900 --cell 0.6mm \\
      --source-origin 600mm --source-detector 1100mm --photons 1e5 --seed 1 -o noisy.h5
  rushlight scan forbild-head --geometry scan.toml -o scan.h5";

#[derive(Args, Debug)]
pub struct Flags {
    #[command(flatten)]
    phantom: PhantomFlags,
    #[command(flatten)]
    geometry: GeometryFlags,
    /// Number of views
    #[arg(long, value_name = "N", help_heading = "Geometry")]
    views: Option<usize>,
    /// Detector columns
    #[arg(long, value_name = "N", help_heading = "Geometry")]
    cells: Option<usize>,
    /// Detector rows
    #[arg(long, value_name = "N", help_heading = "Geometry")]
    detector_rows: Option<usize>,
    /// Photons per cell and view in the open beam; noise-free without
    #[arg(long, value_name = "N")]
    photons: Option<f64>,
    /// Standard deviation of the detector's electronic noise, in photons
    #[arg(long, value_name = "PHOTONS", default_value_t = 0.0, requires = "photons")]
    electronic_noise: f64,
    /// Seed of the noise: the same seed gives the same counts
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputFlags,
    /// Print timings, shapes and files as one line of JSON
    #[arg(long)]
    json: bool,
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    flags.output.check_recording()?;
    let phantom = flags.phantom.open()?;
    let description = flags.geometry.describe(Default::default())?.with_usual_angles();
    let [views, rows, columns] = description.shape;
    let needed = |flag: &str, what: &str, value: Option<usize>| {
        value.ok_or_else(|| Error::Option(format!("how many {what} the scan has is not known; give {flag}")))
    };
    let shape = [
        needed("--views", "views", flags.views.or(views).or(description.angle_count()))?,
        flags.detector_rows.or(rows).unwrap_or(1),
        needed("--cells", "detector columns", flags.cells.or(columns))?,
    ];
    let geometry = description.with_cell_in_millimetres()?.geometry(shape)?;
    let monitor = global.monitor();
    let mut scan = phantom.scan(&geometry, &monitor)?;
    let mut notes = vec![phantom.title.clone()];
    if let Some(photons) = flags.photons {
        let noise = Noise { photons, seed: flags.seed, electronic: flags.electronic_noise };
        let starved = monitor.step("noise", 1, || noise.apply(&mut scan))?;
        notes.push(format!("{photons} photons per cell and view, electronic noise {}, seed {}", noise.electronic, noise.seed));
        notes.push(format!("{starved} cells below half a photon were counted as half a photon"));
    }
    let recording = scan.into();
    let written = monitor.step("write", 1, || io::write_recording(&flags.output.output, &recording, &flags.output.options()))?;
    notes.extend(written.remark);
    let outputs = written.paths.iter().map(|path| path.display().to_string()).collect();
    let facts = vec![("shape", json!(shape))];
    Report { verb: "scan", device: None, monitor: &monitor, notes: &notes, outputs, facts }.print(flags.json, global)
}
