//! `rushlight scan`: what a scanner measures of a phantom or of an image; or a scan as if from a lower dose.

use std::path::Path;

use clap::{Args, ValueEnum};
use rushlight::{
    Error, Result,
    device::Device,
    geometry::Geometry,
    image::Image,
    io::{self, Content, Reading, Recording, WriteOptions},
    monitor::Monitor,
    phantom,
    scan::{Scan, hardening::BeamRecord},
    scanner::{LowDose, Scanned, lodopab, object},
    units,
};
use serde_json::{Value, json};

use super::{
    Global,
    geometry::GeometryFlags,
    mr_scan::{Measured, MrFlags},
    object::ImageFlags,
    output::OutputFlags,
    phantom::{PhantomFlags, known},
    recon::understand,
    report::Report,
    scanner::ScannerFlags,
};

pub const EXAMPLES: &str = "Examples:
  rushlight scan shepp-logan-toft --views 720 --angles 0..180deg --cells 736 --cell 0.5mm -o scan.h5
  rushlight scan cct189 --geometry fan --views 720 --angles 0..360deg --cells 900 --cell 0.6mm \\
      --source-origin 600mm --source-detector 1100mm --photons 1e5 --seed 1 -o noisy.h5
  rushlight scan slice.dcm --geometry fan --detector curved --views 720 --cells 800 --cell 1.2mm --cell-height 1mm \\
      --source-origin 570mm --source-detector 1040mm --tube 120kV --mas 200 --bowtie 200mm --focal-spot 1mm \\
      --cross-talk 0.02 --electronic-noise 5 -o scan.h5
  rushlight scan chest.npz:/pixels --slice 30 --unit hu --preset lodopab --truth truth.npy -o scan.h5
  rushlight scan scan.h5 --insert-dose 0.2 --photons 1e5 -o a-fifth.h5
  rushlight scan shepp-logan-toft --mr --matrix 256,256 --coils 8 --sampling poisson --acceleration 5 --calibration 24 \\
      --snr 30dB --seed 1 -o kspace.h5";

/// A published protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// LoDoPaB-CT: 362² on 260 mm, 1000 parallel views of 513 cells, 4096 photons, 0 taken for 0.1
    Lodopab,
}

#[derive(Args, Debug)]
pub struct Flags {
    #[arg(value_name = "PHANTOM|IMAGE|SCAN", help = format!(
        "What to scan: a phantom ({}), a TOML file of your own, or an image (DICOM, NIfTI, TIFF, npy, npz:/key); or a scan, for --insert-dose", known()))]
    object: String,
    /// What a phantom's value of 1 means, such as 0.04/mm
    #[arg(long, value_name = "ATTENUATION", value_parser = units::positive_attenuation)]
    scale: Option<f64>,
    /// A published protocol: sets geometry, photons and zero-count rule
    #[arg(long, value_enum)]
    preset: Option<Preset>,
    /// Add noise to a scan until it is one of this fraction of its dose; --photons says how many it has
    #[arg(long, value_name = "FRACTION", requires = "photons")]
    insert_dose: Option<f64>,
    #[command(flatten)]
    image: ImageFlags,
    #[command(flatten)]
    geometry: GeometryFlags,
    #[command(flatten)]
    counts: CountFlags,
    #[command(flatten)]
    scanner: ScannerFlags,
    #[command(flatten)]
    mr: MrFlags,
    #[command(flatten)]
    output: OutputFlags,
    /// Print timings, shapes and files as one line of JSON
    #[arg(long)]
    json: bool,
}

/// How many views and cells.
#[derive(Args, Debug)]
#[command(next_help_heading = "Geometry")]
struct CountFlags {
    /// Number of views
    #[arg(long, value_name = "N")]
    views: Option<usize>,
    /// Detector columns
    #[arg(long, value_name = "N")]
    cells: Option<usize>,
    /// Detector rows
    #[arg(long, value_name = "N")]
    detector_rows: Option<usize>,
}

/// Everything a run has at hand.
struct Run<'a> {
    flags: &'a Flags,
    global: &'a Global,
    /// Opened where an image is projected.
    device: Option<Device>,
    monitor: Monitor,
    notes: Vec<String>,
    outputs: Vec<String>,
    /// The tube's beam, for the file to say.
    beam: Option<BeamRecord>,
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    match flags.mr.mr {
        true => flags.output.check_kspace()?,
        false => flags.output.check_recording()?,
    }
    if let Some(truth) = &flags.image.truth {
        io::image_format(truth, None)?;
        io::check_output(truth, flags.output.options().force)?;
    }
    let monitor = global.monitor();
    let mut run =
        Run { flags: &flags, global, device: None, monitor, notes: Vec::new(), outputs: Vec::new(), beam: None };
    if flags.mr.mr {
        return run.mr();
    }
    if let Some(flag) = flags.mr.design.given() {
        return Err(Error::Option(format!("{flag} is for MR scans: give --mr, too")));
    }
    let scan = run.scan()?;
    let shape = scan.geometry.shape();
    let recording = Recording { beam: run.beam.take(), ..scan.into() };
    let Run { device, monitor, mut notes, mut outputs, .. } = run;
    let written =
        monitor.step("write", 1, || io::write_recording(&flags.output.output, &recording, &flags.output.options()))?;
    notes.extend(written.remark);
    outputs.extend(written.paths.iter().map(|path| path.display().to_string()));
    let facts: Vec<(&str, Value)> = vec![("shape", json!(shape))];
    Report { verb: "scan", device: device.as_ref(), monitor: &monitor, notes: &notes, outputs, facts }
        .print(flags.json, global)
}

impl Run<'_> {
    fn scan(&mut self) -> Result<Scan> {
        let object = &self.flags.object;
        let is_phantom = phantom::names().any(|name| name == object) || object.ends_with(".toml");
        // What is neither a phantom nor a file: the phantoms' message lists the known ones.
        if is_phantom || !(Path::new(object).exists() || object.contains(":/")) {
            return self.phantom();
        }
        match io::content(object)? {
            Content::Scan => self.low_dose(),
            Content::Numbers if self.flags.insert_dose.is_some() => self.low_dose(),
            _ => self.image(),
        }
    }

    fn phantom(&mut self) -> Result<Scan> {
        let flags = self.flags;
        let phantom = PhantomFlags { name: flags.object.clone(), scale: flags.scale }.open()?;
        for (flag, given) in flags
            .image
            .given()
            .into_iter()
            .chain([("--preset", flags.preset.is_some()), ("--insert-dose", flags.insert_dose.is_some())])
        {
            if given {
                return Err(Error::Option(format!(
                    "{flag} is not for phantoms; draw it first: rushlight phantom {} -o image.npy",
                    flags.object
                )));
            }
        }
        let geometry = self.geometry()?;
        self.notes.push(phantom.title.clone());
        let scanner = flags.scanner.scanner(&geometry, &mut self.notes)?;
        if scanner.spectrum.is_some() {
            return Err(Error::Option(format!(
                "--tube needs materials, which are told from an image's values; draw the phantom first: rushlight phantom {} -o image.npy",
                flags.object
            )));
        }
        let trace = |geometry: &Geometry| Ok(phantom.scan(geometry, &self.monitor)?.projections);
        let scanned = scanner.scan_traced(&geometry, &trace, &self.monitor)?;
        Ok(self.noted(scanned))
    }

    /// An MR scan, from the phantom to the files.
    fn mr(mut self) -> Result<()> {
        let flags = self.flags;
        let counts = &flags.counts;
        let given = |flag: &'static str| flags.image.given().into_iter().any(|(name, given)| name == flag && given);
        let strange = ["--unit", "--voxel", "--slice", "--refine"].into_iter().find(|flag| given(flag)).or([
            ("--scale", flags.scale.is_some()),
            ("--preset", flags.preset.is_some()),
            ("--insert-dose", flags.insert_dose.is_some()),
            ("--views, --cells or --detector-rows", counts.views.or(counts.cells).or(counts.detector_rows).is_some()),
            ("a flag of the geometry", flags.geometry.any()),
            ("a flag of beam or detector", flags.scanner.any_but_seed()),
        ]
        .into_iter()
        .find(|(_, given)| *given)
        .map(|(flag, _)| flag));
        if let Some(flag) = strange {
            return Err(Error::Option(format!("{flag} is not for MR scans of phantoms (--mr)")));
        }
        let phantom = PhantomFlags { name: flags.object.clone(), scale: None }.open()?;
        self.notes.push(phantom.title.clone());
        let Measured { scan, truth } = flags.mr.scan(&phantom, flags.scanner.seed, &self.monitor, &mut self.notes)?;
        self.write_truth(&truth)?;
        let options = flags.output.options();
        let written = self.monitor.step("write", 1, || io::write_kspace(&flags.output.output, &scan, &options))?;
        self.notes.extend(written.remark);
        self.outputs.extend(written.paths.iter().map(|path| path.display().to_string()));
        let facts = vec![("shape", json!(scan.samples.shape())), ("matrix", json!(scan.matrix()))];
        let Run { monitor, notes, outputs, .. } = self;
        Report { verb: "scan", device: None, monitor: &monitor, notes: &notes, outputs, facts }
            .print(flags.json, self.global)
    }

    fn image(&mut self) -> Result<Scan> {
        let flags = self.flags;
        if flags.insert_dose.is_some() {
            return Err(Error::Option(format!(
                "{}: --insert-dose is for scans, and this is an image; scan it with --photons",
                flags.object
            )));
        }
        if flags.scale.is_some() {
            return Err(Error::Option("--scale is for phantoms; say what an image's values are with --unit".into()));
        }
        let image = self.monitor.step("read", 1, || flags.image.read(&flags.object))?;
        if flags.preset == Some(Preset::Lodopab) {
            return self.lodopab(&image);
        }
        let geometry = self.geometry()?;
        let scanner = flags.scanner.scanner(&geometry, &mut self.notes)?;
        let truth = object::attenuation(&image, scanner.water())?;
        let [_, rows, columns] = truth.grid.shape;
        self.notes.push(format!(
            "{columns} × {rows} pixels of {:.6} mm, their middle on the rotation axis; water {:.6}/mm ({} keV)",
            truth.grid.voxel()[2],
            scanner.water(),
            scanner.energy
        ));
        self.write_truth(&truth)?;
        self.beam = flags.scanner.record();
        let finer = flags.image.refine.map_or(1, usize::from);
        let fine = object::resampled(&truth, [rows * finer, columns * finer]);
        let device = self.device.insert(self.global.open()?);
        let scanned = scanner.scan(&fine, &geometry, device, &self.monitor)?;
        Ok(self.noted(scanned))
    }

    fn lodopab(&mut self, image: &Image) -> Result<Scan> {
        let flags = self.flags;
        let counts = &flags.counts;
        let set = flags.geometry.any() || counts.views.or(counts.cells).or(counts.detector_rows).is_some();
        if set || flags.image.refine.is_some() || flags.scanner.any_but_seed() {
            return Err(Error::Option(
                "--preset lodopab sets geometry, pixels, beam and photons; leave their flags out, or the preset".into(),
            ));
        }
        let truth = lodopab::truth(image, flags.scanner.seed)?;
        self.write_truth(&truth)?;
        let device = self.device.insert(self.global.open()?);
        let scanned = lodopab::scan(&truth, flags.scanner.seed, device, &self.monitor)?;
        self.notes.push(format!(
            "LoDoPaB-CT: {} photons, seed {}; its own numbers are these line integrals, and attenuation per m, over {:.5}",
            lodopab::PHOTONS,
            flags.scanner.seed,
            1000.0 * lodopab::MU_MAX
        ));
        Ok(self.noted(scanned))
    }

    fn low_dose(&mut self) -> Result<Scan> {
        let flags = self.flags;
        let scanner = &flags.scanner;
        let (Some(fraction), Some(photons)) = (flags.insert_dose, scanner.photons) else {
            return Err(Error::Option(format!(
                "{} holds a scan: give --insert-dose with --photons to lower its dose, or a phantom or an image to scan",
                flags.object
            )));
        };
        let stray = flags.image.given().into_iter().find(|(_, given)| *given).map(|(flag, _)| flag);
        if let Some(flag) = stray.or(scanner.only_for_objects()) {
            return Err(Error::Option(format!("{flag} is not for --insert-dose: the scan has been made")));
        }
        let mut recording = self.monitor.step("read", 1, || io::read_recording(&flags.object))?;
        if recording.reading == Reading::Counts {
            return Err(Error::Option(format!(
                "{} holds raw counts; --insert-dose takes line integrals",
                flags.object
            )));
        }
        self.beam = recording.beam.take();
        let geometry = understand(&flags.geometry, &mut recording)?;
        self.notes.append(&mut recording.remarks);
        let mut scan = Scan::new(recording.data, geometry)?;
        let low = LowDose {
            fraction,
            photons,
            electronic: scanner.electronic_noise,
            floor: scanner.zero_counts,
            seed: scanner.seed,
        };
        let floored = self.monitor.step("noise", 1, || low.insert(&mut scan))?;
        self.notes.push(format!(
            "noise added until {photons} photons per cell and view are {}, electronic noise {}, seed {}",
            fraction * photons,
            low.electronic,
            low.seed
        ));
        Ok(self.noted(Scanned { scan, floored }))
    }

    fn noted(&mut self, scanned: Scanned) -> Scan {
        if scanned.floored > 0 {
            self.notes.push(format!("{} readings met the zero-count rule", scanned.floored));
        }
        scanned.scan
    }

    fn write_truth(&mut self, truth: &Image) -> Result<()> {
        let Some(path) = &self.flags.image.truth else { return Ok(()) };
        let options = WriteOptions { force: self.flags.output.options().force, ..WriteOptions::default() };
        let written = io::write_image(path, truth, &options)?;
        self.notes.extend(written.remark);
        self.outputs.extend(written.paths.iter().map(|path| path.display().to_string()));
        Ok(())
    }

    /// The geometry from the flags.
    fn geometry(&self) -> Result<Geometry> {
        let Flags { geometry, counts, .. } = self.flags;
        let description = geometry.describe(Default::default())?.with_usual_angles();
        let [views, rows, columns] = description.shape;
        let needed = |flag: &str, what: &str, value: Option<usize>| {
            value.ok_or_else(|| Error::Option(format!("how many {what} the scan has is not known; give {flag}")))
        };
        let shape = [
            needed("--views", "views", counts.views.or(views).or(description.angle_count()))?,
            counts.detector_rows.or(rows).unwrap_or(1),
            needed("--cells", "detector columns", counts.cells.or(columns))?,
        ];
        description.with_cell_in_millimetres()?.geometry(shape)
    }
}
