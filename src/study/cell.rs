//! A cell of the design: one subject, method and level, and a block of realisations. Computed at once, stored at once.
//!
//! A cell's file is named by the digest of its own protocol, so that it is found again, and never taken for another.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    time::Instant,
};

use ndarray::{Array2, Array3, Axis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    digest::digest,
    method::Method,
    protocol::{BLOCK, Protocol},
    subject::{Subject, Task},
};
use crate::{
    device::Device,
    error::{Error, Result},
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
    io::{self, WriteOptions},
    monitor::Monitor,
    quality::{self, Options},
    scan::Scan,
};

/// A cell of the design.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// Of this study.
    pub protocol: &'a Protocol,
    /// What is scanned.
    pub subject: &'a Subject,
    /// How it is reconstructed.
    pub method: &'a Method,
    /// Dose fraction, or views.
    pub level: f64,
    /// Which block of realisations.
    pub block: usize,
}

/// What every cell of a subject starts from.
pub struct Ground {
    /// The truth in HU.
    pub truth: Image,
    /// Noise-free scans, one a scene.
    pub scans: Vec<Scan>,
}

/// What a cell has found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Figures by name, one map a realisation.
    pub figures: Vec<BTreeMap<String, f64>>,
    /// What is kept of the images `[realisation, y, x]`, HU, one array a scene.
    pub crops: Vec<Array3<f32>>,
    /// The whole image of the study's first realisation, HU.
    pub picture: Option<Array2<f32>>,
    /// What the recipe decided, for the first realisation of the block.
    pub notes: Vec<String>,
    /// Wall time of the reconstructions, s: of all of them together.
    pub seconds: f64,
}

/// The part of an outcome that is text.
#[derive(Serialize, Deserialize)]
struct Record {
    protocol: Value,
    figures: Vec<BTreeMap<String, f64>>,
    notes: Vec<String>,
    seconds: f64,
}

impl Cell<'_> {
    /// The realisations of its block.
    pub fn realisations(&self) -> Range<usize> {
        self.block * BLOCK..((self.block + 1) * BLOCK).min(self.subject.realisations)
    }

    /// All that its figures depend on, as it is read from a file: reading rounds numbers anew.
    fn record_as_read(&self) -> Value {
        serde_json::from_str(&self.record().to_string()).unwrap_or_default()
    }

    /// All that its figures depend on.
    fn record(&self) -> Value {
        let protocol = self.protocol;
        json!({
            "version": protocol.version,
            "device": protocol.device,
            "sweep": protocol.sweep,
            "level": self.level,
            "photons": protocol.photons,
            "electronic_noise": protocol.electronic_noise,
            "seed": protocol.seed,
            "method": self.method,
            "subject": self.subject,
            "realisations": self.realisations(),
        })
    }

    /// Its file in `folder`.
    pub fn path(&self, folder: &Path) -> PathBuf {
        let method = self.method.name().replace(':', "-");
        let digest = digest(&self.record().to_string());
        folder.join(format!("{}_{method}_{}_{:03}_{digest:016x}.json", self.subject.name, self.level, self.block))
    }

    /// Scans, reconstructs and judges every realisation of the block.
    pub fn compute(&self, ground: &Ground, device: &Device, monitor: &Monitor) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for realisation in self.realisations() {
            for (scene, scan) in ground.scans.iter().enumerate() {
                monitor.check()?;
                let mut noisy = scan.clone();
                let noise = self.protocol.noise(self.subject, self.level, realisation, scene);
                noise.apply(&mut noisy)?;
                let start = Instant::now();
                let made = self.method.recipe(Some(noise.photons))?.reconstruct(
                    noisy,
                    &self.subject.grid(),
                    device,
                    monitor,
                )?;
                outcome.seconds += start.elapsed().as_secs_f64();
                let image = made.image.to_hounsfield(self.subject.mu_water);
                outcome.keep_crop(scene, self.subject.cropped(&image))?;
                if scene > 0 {
                    continue;
                }
                outcome.figures.push(self.figures(&image, &ground.truth)?);
                if realisation == self.realisations().start {
                    outcome.notes = made.notes;
                }
                if realisation == 0 {
                    outcome.picture = Some(image.values.index_axis(Axis(0), 0).to_owned());
                }
            }
        }
        Ok(outcome)
    }

    /// The figures that one image has by itself.
    fn figures(&self, image: &Image, truth: &Image) -> Result<BTreeMap<String, f64>> {
        let options = Options {
            data_range: Some(self.subject.data_range),
            roi: Some(self.subject.field()),
            window: self.subject.clip.map(|[low, high]| ((low + high) / 2.0, high - low)),
        };
        if self.subject.task == Task::Detection {
            return Ok(BTreeMap::new());
        }
        let comparison = quality::compare(&image.values, &truth.values, &options)?;
        let mut figures = BTreeMap::from([("rmse".to_string(), comparison.rmse), ("psnr".into(), comparison.psnr)]);
        figures.extend(comparison.ssim.map(|ssim| ("ssim".to_string(), ssim)));
        Ok(figures)
    }

    /// Writes `outcome` into `folder`; the record last, for it says that all else is there.
    pub fn write(&self, outcome: &Outcome, folder: &Path) -> Result<()> {
        let path = self.path(folder);
        for (scene, crops) in outcome.crops.iter().enumerate() {
            write_array(&path.with_extension(format!("scene{scene}.npy")), crops.clone())?;
        }
        if let Some(picture) = &outcome.picture {
            write_array(&path.with_extension("picture.npy"), picture.clone().insert_axis(Axis(0)))?;
        }
        let record = Record {
            protocol: self.record(),
            figures: outcome.figures.clone(),
            notes: outcome.notes.clone(),
            seconds: outcome.seconds,
        };
        io::write_text(&path, &format!("{}\n", json!(record)), true)
    }

    /// What is stored in `folder`; `None` where there is nothing, or nothing whole.
    pub fn read(&self, folder: &Path) -> Option<Outcome> {
        let path = self.path(folder);
        let record: Record = serde_json::from_str(&std::fs::read_to_string(&path).ok()?).ok()?;
        if record.protocol != self.record_as_read() || record.figures.len() != self.realisations().len() {
            return None;
        }
        let mut outcome =
            Outcome { figures: record.figures, notes: record.notes, seconds: record.seconds, ..Outcome::default() };
        if let Some(crop) = &self.subject.crop {
            let shape = [self.realisations().len(), crop.len(), crop.len()];
            let scenes = if self.subject.task == Task::Detection { 2 } else { 1 };
            for scene in 0..scenes {
                outcome.crops.push(read_array(&path.with_extension(format!("scene{scene}.npy")), shape)?);
            }
        }
        if self.block == 0 {
            let shape = [1, self.subject.size, self.subject.size];
            let picture = read_array(&path.with_extension("picture.npy"), shape)?;
            outcome.picture = Some(picture.index_axis_move(Axis(0), 0));
        }
        Some(outcome)
    }
}

impl Outcome {
    fn keep_crop(&mut self, scene: usize, crop: Option<Array2<f32>>) -> Result<()> {
        let Some(crop) = crop else { return Ok(()) };
        if self.crops.len() <= scene {
            self.crops.push(Array3::zeros([0, crop.nrows(), crop.ncols()]));
        }
        self.crops[scene].push(Axis(0), crop.view()).map_err(|error| Error::Option(error.to_string()))
    }

    /// Puts the realisations of the next block behind these.
    pub fn append(&mut self, next: Self) -> Result<()> {
        self.figures.extend(next.figures);
        self.seconds += next.seconds;
        self.picture = self.picture.take().or(next.picture);
        if self.notes.is_empty() {
            self.notes = next.notes;
        }
        if self.crops.is_empty() {
            self.crops = next.crops;
            return Ok(());
        }
        for (all, crops) in self.crops.iter_mut().zip(next.crops) {
            all.append(Axis(0), crops.view()).map_err(|error| Error::Option(error.to_string()))?;
        }
        Ok(())
    }
}

fn write_array(path: &Path, values: Array3<f32>) -> Result<()> {
    let (z, y, x) = values.dim();
    let image = Image {
        values,
        grid: Grid::centered([z, y, x], [1.0; 3], [0.0; 3]),
        unit: LengthUnit::Cell,
        quantity: Quantity::Unknown,
        provenance: format!("Rushlight {}", env!("CARGO_PKG_VERSION")),
    };
    io::write_image(path, &image, &WriteOptions { force: true, ..WriteOptions::default() }).map(drop)
}

fn read_array(path: &Path, shape: [usize; 3]) -> Option<Array3<f32>> {
    let values = io::read_image(path).ok()?.values;
    (values.shape() == shape && values.iter().all(|value| value.is_finite())).then_some(values)
}
