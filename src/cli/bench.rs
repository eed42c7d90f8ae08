//! `rushlight bench`: methods compared over doses or view counts, with a report.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rushlight::{
    Error, Result,
    device::{Device, Simd},
    io,
    quality::observer::Channels,
    recipes,
    study::{Effort, Method, Protocol, Study, Subject, Sweep, gantry::Beam, subject},
    units,
};
use serde_json::json;

use super::{
    Global, object,
    report::{Report, print_line},
};

pub const EXAMPLES: &str = "Examples:
  rushlight bench dose -o dose/ --quick
  rushlight bench dose -o dose/ --methods fbp:hann,fbp
  rushlight bench views -o views/ --phantoms shepp-logan-toft --levels 20,30,60,100,200,360
  rushlight bench dose -o chest/ --image chest.npz:/pixels --slices 20,30 --unit hu --voxel 0.781mm

The report is DIR/report.html, one page that needs no network. An interrupted study goes on where it stopped when the
same command is given again.";

/// What is varied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Varied {
    /// Photons per ray
    Dose,
    /// Views a turn
    Views,
}

/// How rays run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rays {
    /// From a point, over a full turn, onto a curved detector
    Fan,
    /// Side by side, over half a turn
    Parallel,
}

impl From<Rays> for Beam {
    fn from(rays: Rays) -> Self {
        match rays {
            Rays::Fan => Self::Fan,
            Rays::Parallel => Self::Parallel,
        }
    }
}

#[derive(Args, Debug)]
pub struct Flags {
    /// What is varied
    #[arg(value_enum, value_name = "dose|views")]
    varied: Varied,
    /// Folder of the study; made if it is not there
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Smaller images, fewer views and realisations: minutes instead of hours
    #[arg(long)]
    quick: bool,
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help = format!("Methods; the first is what the others are held against: {}; a filter may follow, as in fbp:hann, or a prior, as in pnp:net", recipes::ALL.join(", ")))]
    methods: Vec<String>,
    /// Doses as fractions of the full one, or view counts
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    levels: Vec<f64>,
    /// Photons per ray and view in the open beam at full dose
    #[arg(long, value_name = "N", default_value_t = 1e5)]
    photons: f64,
    /// Standard deviation of the detector's electronic noise, in photons
    #[arg(long, value_name = "PHOTONS", default_value_t = 0.0)]
    electronic_noise: f64,
    /// Channels of the observer
    #[arg(long, value_name = "NAME", default_value = "lg", value_parser = Channels::names().map(|(name, _)| name).collect::<Vec<_>>())]
    channels: String,
    /// Seed of all noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    subjects: SubjectFlags,
    /// Delete the study that is there, and start anew
    #[arg(long)]
    force: bool,
    /// Print device, timings, verdicts and files as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "What is scanned, and how often")]
struct SubjectFlags {
    /// Phantoms by name, or TOML files
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help = format!("Phantoms by name, or TOML files of your own [default: {}]", subject::USUAL.join(",")))]
    phantoms: Vec<String>,
    /// An image whose slices are scanned (DICOM, NIfTI, TIFF, npy, npz:/key)
    #[arg(long, value_name = "FILE", requires = "slices")]
    image: Option<PathBuf>,
    /// Which slices of --image; 0 is the first
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "image")]
    slices: Vec<usize>,
    /// What the image's values are, where the file does not say: hu, /mm, /cm or /m
    #[arg(long, value_name = "UNIT", value_parser = object::unit, requires = "image")]
    unit: Option<object::Unit>,
    /// Width of the image's pixels, where the file does not say, such as 0.8mm
    #[arg(long, value_name = "LENGTH", value_parser = units::positive_length, requires = "image")]
    voxel: Option<f64>,
    /// Pixels a side
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// How rays run [default: fan, with --quick parallel]
    #[arg(long, value_enum)]
    beam: Option<Rays>,
    /// Views a turn, where the dose is varied
    #[arg(long, value_name = "N")]
    views: Option<usize>,
    /// Realisations of the noise where images are compared with the truth
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
    /// Realisations of the noise for observers of low contrast, with and without the signal
    #[arg(long, value_name = "N")]
    observations: Option<usize>,
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    let device = global.open()?;
    let protocol = flags.protocol(&device)?.checked()?;
    let study = Study::open(protocol, &flags.output, flags.force)?;
    let monitor = global.monitor();
    let tally = study.run(&device, &monitor).inspect_err(|error| {
        if matches!(error, Error::Interrupted) && !global.quiet {
            eprintln!("rushlight: what is finished is kept; the same command goes on from there");
        }
    })?;
    let findings = study.analyse(&monitor)?;
    let files = monitor.step("write", 1, || study.publish(&findings))?;
    if !flags.json {
        findings.verdicts.iter().try_for_each(|verdict| print_line(&verdict.sentence))?;
    }
    let notes = [format!("{} cells computed, {} were there already", tally.computed, tally.found)];
    let outputs = files.iter().map(|path| path.display().to_string()).collect();
    let sentences: Vec<_> = findings.verdicts.iter().map(|verdict| &verdict.sentence).collect();
    let facts =
        vec![("computed", json!(tally.computed)), ("found", json!(tally.found)), ("sentences", json!(sentences))];
    Report { verb: "bench", device: Some(&device), monitor: &monitor, notes: &notes, outputs, facts }
        .print(flags.json, global)
}

impl Flags {
    fn protocol(&self, device: &Device) -> Result<Protocol> {
        let usual = if self.quick { Effort::quick() } else { Effort::full() };
        let asked = &self.subjects;
        let effort = Effort {
            beam: asked.beam.map_or(usual.beam, Beam::from),
            size: asked.size.unwrap_or(usual.size),
            views: asked.views.unwrap_or(usual.views),
            realisations: asked.seeds.unwrap_or(usual.realisations),
            observed_size: asked.size.unwrap_or(usual.observed_size),
            observed_views: asked.views.unwrap_or(usual.observed_views),
            observations: asked.observations.unwrap_or(usual.observations),
        };
        let methods = match self.methods.is_empty() {
            true => usual_methods(self.quick),
            false => self.methods.clone(),
        };
        Ok(Protocol {
            version: env!("CARGO_PKG_VERSION"),
            device: named(device),
            sweep: match self.varied {
                Varied::Dose => Sweep::Dose,
                Varied::Views => Sweep::Views,
            },
            levels: if self.levels.is_empty() { self.usual_levels() } else { self.levels.clone() },
            photons: self.photons,
            electronic_noise: self.electronic_noise,
            methods: methods.iter().map(|name| Method::named(name)).collect::<Result<_>>()?,
            subjects: asked.open(&effort)?,
            channels: self.channels.clone(),
            seed: self.seed,
            quick: self.quick,
        })
    }

    fn usual_levels(&self) -> Vec<f64> {
        match (self.varied, self.quick) {
            (Varied::Dose, false) => vec![2.0, 1.0, 0.5, 0.2, 0.1, 0.05],
            (Varied::Dose, true) => vec![1.0, 0.3, 0.1],
            (Varied::Views, false) => vec![360.0, 200.0, 100.0, 60.0, 30.0, 20.0],
            (Varied::Views, true) => vec![200.0, 80.0, 30.0],
        }
    }
}

impl SubjectFlags {
    /// The phantoms and slices; all usual phantoms if none is named.
    fn open(&self, effort: &Effort) -> Result<Vec<Subject>> {
        let phantoms = match self.phantoms.is_empty() && self.image.is_none() {
            true => subject::USUAL.map(String::from).to_vec(),
            false => self.phantoms.clone(),
        };
        let mut subjects: Vec<_> = phantoms.iter().map(|name| Subject::phantom(name, effort)).collect::<Result<_>>()?;
        if let Some(path) = &self.image {
            let stack = io::read_image(path)?;
            for &index in &self.slices {
                let slice = object::one_slice(&stack, index, self.unit, self.voxel)?;
                subjects.push(Subject::slice(&slice, index, effort)?);
            }
        }
        Ok(subjects)
    }
}

/// The methods of a study that is not told which; a quick one takes the first three. `piccs` needs a prior image.
const USUAL_METHODS: &[&str] = &["fbp:hann", "fbp", "tv", "tgv", "pwls", "asd-pocs"];

/// Those of them that there are.
fn usual_methods(quick: bool) -> Vec<String> {
    let known = |name: &&&str| recipes::ALL.contains(&name.split(':').next().unwrap_or_default());
    let count = if quick { 3 } else { USUAL_METHODS.len() };
    USUAL_METHODS[..count].iter().filter(known).map(|name| name.to_string()).collect()
}

/// The device without its number of threads, on which no figure depends.
fn named(device: &Device) -> String {
    match device {
        Device::Cpu(cpu) => format!("CPU {} ({})", cpu.name(), Simd::detected()),
        Device::Gpu(_) => format!("GPU {}", device.name()),
    }
}
