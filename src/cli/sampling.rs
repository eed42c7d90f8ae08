//! `rushlight sampling`: designs which points of k-space are measured.

use clap::Args;
use ndarray::{Array3, s};
use rushlight::{
    Error, Result,
    geometry::{
        Grid, LengthUnit, Mask, Sampling, Trajectory,
        sampling::{ALL, Design, Options, peak_side_lobe},
    },
    image::{Image, Quantity},
    io,
};
use serde_json::{Value, json};

use super::{Global, output::OutputFlags, report::Report};

pub const EXAMPLES: &str = "Examples:
  rushlight sampling poisson --matrix 256,256 --acceleration 5 --calibration 24 --seed 1 -o mask.npy
  rushlight sampling equispaced --matrix 320,256 --acceleration 4 --calibration 24 -o mask.png
  rushlight sampling caipi --matrix 256,256,128 --acceleration 4 --calibration 24 -o mask.npy
  rushlight sampling radial --matrix 256,256 --acceleration 5 -o trajectory.npy";

#[derive(Args, Debug)]
#[command(after_help = designs())]
pub struct Flags {
    /// The design's name
    #[arg(value_name = "NAME", value_parser = ALL.iter().map(|design| design.name).collect::<Vec<_>>())]
    name: String,
    /// The image's matrix, in the order x,y or x,y,z (an array in a file is [z, y, x])
    #[arg(long, value_name = "X,Y[,Z]", value_parser = matrix)]
    matrix: [usize; 3],
    #[command(flatten)]
    design: DesignFlags,
    /// Seed: the same seed gives the same points
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    output: OutputFlags,
    /// Print what was made and the files as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What a design is asked for.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Sampling of k-space")]
pub struct DesignFlags {
    /// R: points over sampled points, the calibration region included (for equispaced lines: the step from line to line)
    #[arg(long, value_name = "R")]
    acceleration: Option<f64>,
    /// Side of the fully sampled region around the centre of k-space, in points
    #[arg(long, value_name = "N")]
    calibration: Option<usize>,
    /// Partial Fourier: the part of the lines that is measured
    #[arg(long, value_name = "F")]
    fraction: Option<f64>,
    /// CAIPIRINHA: by how many points along z a line is shifted against the one before; the best by default
    #[arg(long, value_name = "N")]
    shift: Option<usize>,
    /// Random: exponent p of the density (1 − |k|/k_max)^p
    #[arg(long, value_name = "P")]
    decay: Option<f64>,
    /// Poisson disc: sample the corners of k-space, too
    #[arg(long)]
    corners: bool,
    /// Number of a spiral's interleaves
    #[arg(long, value_name = "N")]
    interleaves: Option<usize>,
}

/// Names and meanings, for the help.
fn designs() -> String {
    let line = |design: &&Design| format!("  {:16} {}", design.name, design.about);
    format!("Designs:\n{}", ALL.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// `X,Y` or `X,Y,Z` as extents along z, y, x.
pub fn matrix(text: &str) -> Result<[usize; 3]> {
    let extents: Option<Vec<usize>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match extents.as_deref() {
        Some(&[x, y]) if x > 0 && y > 0 => Ok([1, y, x]),
        Some(&[x, y, z]) if x > 0 && y > 0 && z > 0 => Ok([z, y, x]),
        _ => {
            Err(Error::Quantity { text: text.into(), expected: "a matrix in the order x,y or x,y,z, such as 256,192" })
        }
    }
}

impl DesignFlags {
    /// The first of these flags that was given.
    pub fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--acceleration", self.acceleration.is_some()),
            ("--calibration", self.calibration.is_some()),
            ("--fraction", self.fraction.is_some()),
            ("--shift", self.shift.is_some()),
            ("--decay", self.decay.is_some()),
            ("--corners", self.corners),
            ("--interleaves", self.interleaves.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// The design called `name` on a matrix.
    pub fn sample(&self, name: &str, matrix: [usize; 3], seed: u64) -> Result<Sampling> {
        let design = Design::named(name)?;
        let usual = Options::default();
        design.sample(&Options {
            matrix,
            acceleration: self.acceleration.unwrap_or(design.usual_acceleration),
            calibration: self.calibration.unwrap_or(0),
            seed,
            fraction: self.fraction.unwrap_or(usual.fraction),
            shift: self.shift,
            decay: self.decay.unwrap_or(usual.decay),
            corners: self.corners,
            interleaves: self.interleaves.unwrap_or(usual.interleaves),
        })
    }
}

/// What a sampling is, in words and for JSON.
pub fn described(name: &str, sampling: &Sampling) -> (String, Vec<(&'static str, Value)>) {
    match sampling {
        Sampling::Mask(mask) => {
            let [nz, ny, nx] = mask.shape;
            let side = peak_side_lobe(mask);
            let text = format!(
                "{name}: {} of {nx} × {ny} × {nz} points (x, y, z), R = {:.3}; the greatest side lobe of the point spread is {side:.3} of its peak",
                mask.count(),
                mask.acceleration()
            );
            let facts = vec![
                ("points", json!(mask.count())),
                ("acceleration", json!(mask.acceleration())),
                ("peak_side_lobe", json!(side)),
            ];
            (text, facts)
        }
        Sampling::Trajectory(trajectory) => {
            let count = trajectory.points.len();
            let [nz, ny, nx] = trajectory.matrix;
            let text = format!("{name}: {count} samples for a matrix of {nx} × {ny} × {nz} (x, y, z)");
            (text, vec![("points", json!(count))])
        }
    }
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    flags.output.check_image()?;
    let mut options = flags.output.options();
    let format = io::image_format(&flags.output.output, options.format.as_deref())?.name;
    let monitor = global.monitor();
    let sampling = monitor.step("sample", 1, || flags.design.sample(&flags.name, flags.matrix, flags.seed))?;
    let (text, mut facts) = described(&flags.name, &sampling);
    let picture = format == "png";
    let values = match &sampling {
        Sampling::Mask(mask) if picture => plane(mask),
        Sampling::Mask(mask) => points(mask),
        Sampling::Trajectory(trajectory) if format == "npy" => table(trajectory),
        Sampling::Trajectory(trajectory) => density(trajectory),
    };
    if matches!(sampling, Sampling::Trajectory(_)) && !picture && format != "npy" {
        return Err(Error::file(&flags.output.output, "a trajectory is written as .npy, or drawn as .png"));
    }
    if picture && options.window.is_none() {
        options.window = Some((0.5, 1.0));
    }
    facts.push(("shape", json!(values.shape())));
    let image = Image {
        grid: Grid::centered(values.dim().into(), [1.0; 3], [0.0; 3]),
        values,
        unit: LengthUnit::Cell,
        quantity: Quantity::Unknown,
        provenance: format!("sampling {}, seed {}", flags.name, flags.seed),
    };
    let written = monitor.step("write", 1, || io::write_image(&flags.output.output, &image, &options))?;
    let mut notes = vec![text];
    notes.extend(written.remark);
    let outputs = written.paths.iter().map(|path| path.display().to_string()).collect();
    Report { verb: "sampling", device: None, monitor: &monitor, notes: &notes, outputs, facts }
        .print(flags.json, global)
}

/// 1 where a point is sampled, `[z, y, x]`.
fn points(mask: &Mask) -> Array3<f32> {
    let [nz, ny, nx] = mask.shape;
    Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| f32::from(u8::from(mask.sampled[(z * ny + y) * nx + x])))
}

/// The plane to look at: (y, x), in three dimensions (z, y).
fn plane(mask: &Mask) -> Array3<f32> {
    let points = points(mask);
    if mask.shape[0] == 1 {
        points
    } else {
        points.slice(s![.., .., mask.shape[2] / 2..=mask.shape[2] / 2]).permuted_axes([2, 0, 1]).to_owned()
    }
}

/// `[1, sample, 2 or 3]`: x, y, z.
fn table(trajectory: &Trajectory) -> Array3<f32> {
    let width = if trajectory.matrix[0] > 1 { 3 } else { 2 };
    Array3::from_shape_fn((1, trajectory.points.len(), width), |(_, sample, axis)| trajectory.points[sample][axis])
}

/// How many samples fall into each quarter of a cell of the plane (ky, kx).
fn density(trajectory: &Trajectory) -> Array3<f32> {
    let [_, ny, nx] = trajectory.matrix;
    let mut counts = Array3::zeros((1, 2 * ny, 2 * nx));
    for [kx, ky, _] in &trajectory.points {
        let index = |k: f32, n: usize| (((2.0 * k).round() + n as f32).max(0.0) as usize).min(2 * n - 1);
        counts[[0, index(*ky, ny), index(*kx, nx)]] += 1.0;
    }
    counts
}
