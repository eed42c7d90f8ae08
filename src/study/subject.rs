//! What a study scans: a phantom or a slice of an image, with its grid, its scanner, and what is asked of it.

use std::ops::Range;

use ndarray::Array2;
use serde::Serialize;

use super::{digest::digest, effort::Effort, gantry::Gantry};
use crate::{
    device::Device,
    error::Result,
    geometry::Grid,
    image::Image,
    monitor::Monitor,
    phantom::{Phantom, Planar},
    quality::Roi,
    scan::Scan,
    scanner::{Scanner, object},
};

/// Attenuation of water that Hounsfield units refer to, mm⁻¹ (near 70 keV).
pub const MU_WATER: f64 = 0.0192;

/// The phantoms of a study that is not told which.
pub const USUAL: [&str; 3] = ["cct189", "shepp-logan-toft", "ct-inserts"];

/// The field of view of the low-contrast task: its body with 5 mm of air around it.
const DETECTION_FRAME: f64 = 210.0;
/// Views and width of a cell at the axis, mm, of the scanner whose photons per ray the protocol tells.
const FULL_VIEWS: f64 = 720.0;
const FULL_CELL: f64 = 0.5;
/// Half the width of the patch that an observer sees, mm.
const PATCH: f64 = 12.5;
/// How far from a disc's edge its edge response is looked at, mm,
const SKIRT: f64 = 8.0;
/// and in pixels at least.
const LEAST_SKIRT: f64 = 5.0;

/// What is asked of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// How near is the image to the truth?
    Fidelity,
    /// The same, and how sharp are edges of known contrast, and are their CT numbers right?
    Edges,
    /// Are faint discs seen? Their phantom is scanned with and without them.
    Detection,
}

/// A disc that is looked for, or at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Disc {
    /// Its diameter and contrast, in words.
    pub name: String,
    /// Its centre (x, y), mm.
    pub center: Planar,
    /// Its radius, mm.
    pub radius: f64,
    /// What it adds to its surroundings, HU.
    pub contrast: f64,
}

/// What is in the scanner.
#[derive(Clone, Debug)]
pub enum Scene {
    /// A phantom, scanned in closed form.
    Phantom(Phantom),
    /// A slice of an image.
    Slice(Box<super::slice::Slice>),
}

/// Something to scan.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// A short name, for files.
    pub name: String,
    /// What it is, one line.
    pub title: String,
    /// Where its numbers are from.
    pub source: String,
    /// What is asked of it.
    pub task: Task,
    /// Pixels a side.
    pub size: usize,
    /// Width of the field of view, mm.
    pub frame: f64,
    /// The scanner.
    pub gantry: Gantry,
    /// Views a turn, unless these are what is varied.
    pub views: usize,
    /// Photons per ray, where the protocol's are 1. A reduced scanner has fewer and wider rays: its beam is as rich as
    /// that of 720 views of 0.5 mm cells.
    pub photon_factor: f64,
    /// How often it is scanned, each time with other noise.
    pub realisations: usize,
    /// Attenuation of water, mm⁻¹.
    pub mu_water: f64,
    /// Data range of PSNR and SSIM, HU.
    pub data_range: f64,
    /// CT numbers are clipped to these before images are compared.
    pub clip: Option<[f64; 2]>,
    /// Centre and width of the grey scale it is shown in, HU.
    pub window: [f64; 2],
    /// The discs in it.
    pub discs: Vec<Disc>,
    /// The pixels around the discs, the same along rows and columns: all that is kept of every realisation.
    pub crop: Option<Range<usize>>,
    /// Digest of what is scanned.
    pub digest: String,
    /// What is scanned.
    #[serde(skip)]
    pub scene: Scene,
}

impl Subject {
    /// A phantom by name, or by the path of its description.
    pub fn phantom(name: &str, effort: &Effort) -> Result<Self> {
        let phantom = Phantom::named(name)?;
        let task = match name {
            "cct189" => Task::Detection,
            "ct-inserts" => Task::Edges,
            _ => Task::Fidelity,
        };
        let detection = task == Task::Detection;
        let frame = if detection { DETECTION_FRAME } else { phantom.frame };
        let size = if detection { effort.observed_size } else { effort.size };
        let discs = if task == Task::Fidelity { Vec::new() } else { discs(&phantom) };
        let [low, high] = extremes(&phantom);
        let subject = Self {
            name: short(&phantom),
            title: phantom.title.clone(),
            source: phantom.source.clone(),
            task,
            size,
            frame,
            gantry: Gantry::covering(effort.beam, frame / 2.0, frame / size as f64),
            views: if detection { effort.observed_views } else { effort.views },
            photon_factor: if detection { richness(frame / size as f64, effort.observed_views) } else { 1.0 },
            realisations: if detection { effort.observations } else { effort.realisations },
            mu_water: MU_WATER,
            data_range: high - low,
            clip: None,
            window: window(task, [low, high]),
            discs,
            crop: None,
            digest: format!("{:016x}", digest(&format!("{phantom:?}"))),
            scene: Scene::Phantom(phantom),
        };
        Ok(subject.with_crop())
    }

    fn with_crop(mut self) -> Self {
        let margin = if self.task == Task::Detection { PATCH } else { self.skirt() };
        let reach = |disc: &Disc| {
            let own = if self.task == Task::Detection { 0.0 } else { disc.radius };
            disc.center[0].abs().max(disc.center[1].abs()) + own + margin + self.pixel()
        };
        let half = self.discs.iter().map(reach).fold(0.0, f64::max) / self.pixel();
        let middle = self.size as f64 / 2.0;
        let crop = (middle - half).floor().max(0.0) as usize..((middle + half).ceil() as usize).min(self.size);
        self.crop = (!self.discs.is_empty()).then_some(crop);
        self
    }

    /// Width of a pixel, mm.
    pub fn pixel(&self) -> f64 {
        self.frame / self.size as f64
    }

    /// The image's grid.
    pub fn grid(&self) -> Grid {
        Grid::centered([1, self.size, self.size], [self.pixel(); 3], [0.0; 3])
    }

    /// The inscribed circle, where images are compared.
    pub fn field(&self) -> Roi {
        let middle = (self.size as f64 - 1.0) / 2.0;
        Roi::Circle { x: middle, y: middle, radius: self.size as f64 / 2.0 }
    }

    /// Column and row (with fractions) of a point (x, y) mm, in the crop.
    pub fn index_in_crop(&self, [x, y]: Planar) -> [f64; 2] {
        let start = self.crop.as_ref().map_or(0, |crop| crop.start) as f64;
        let middle = (self.size as f64 - 1.0) / 2.0;
        [x, y].map(|at| at / self.pixel() + middle - start)
    }

    /// How far from a disc's edge its edge response is looked at, mm.
    pub fn skirt(&self) -> f64 {
        SKIRT.max(LEAST_SKIRT * self.pixel())
    }

    /// Pixels on either side of the middle one of an observer's patch.
    pub fn patch(&self) -> usize {
        (PATCH / self.pixel()).floor() as usize
    }

    /// The truth in HU: area-sampled.
    pub fn truth(&self) -> Result<Image> {
        match &self.scene {
            Scene::Phantom(phantom) => Ok(phantom.raster(&self.grid())?.to_hounsfield(self.mu_water)),
            Scene::Slice(slice) => Ok(slice.truth.clone()),
        }
    }

    /// Noise-free scans with `views` views: of the subject, and, to be told apart from it, of the body without discs.
    pub fn scans(&self, views: usize, device: &Device, monitor: &Monitor) -> Result<Vec<Scan>> {
        let geometry = self.gantry.geometry(views);
        match &self.scene {
            Scene::Phantom(phantom) => {
                let body = Phantom { shapes: phantom.shapes[..1].to_vec(), ..phantom.clone() };
                let all = if self.task == Task::Detection { vec![phantom, &body] } else { vec![phantom] };
                all.into_iter().map(|phantom| phantom.scan(&geometry, monitor)).collect()
            }
            Scene::Slice(slice) => {
                let [_, rows, columns] = slice.object.grid.shape;
                let fine = object::resampled(&slice.object, [2 * rows, 2 * columns]);
                Ok(vec![Scanner::default().scan(&fine, &geometry, device, monitor)?.scan])
            }
        }
    }

    /// What is kept of every realisation of `image` (HU): the crop.
    pub fn cropped(&self, image: &Image) -> Option<Array2<f32>> {
        let crop = self.crop.clone()?;
        Some(image.values.slice(ndarray::s![0, crop.clone(), crop]).to_owned())
    }
}

/// How many photons a ray has for each of the full scanner's.
fn richness(cell: f64, views: usize) -> f64 {
    FULL_VIEWS / views as f64 * cell / FULL_CELL
}

/// `path/own.toml` is called `own`.
fn short(phantom: &Phantom) -> String {
    let stem = std::path::Path::new(&phantom.name).file_stem().unwrap_or_default().to_string_lossy();
    stem.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '-' }).collect()
}

/// All whole circles but the body, the first shape.
fn discs(phantom: &Phantom) -> Vec<Disc> {
    let circles = phantom.shapes.iter().skip(1).filter_map(|shape| Some((shape, shape.radius()?)));
    let disc = |(shape, radius): (&crate::phantom::Shape, f64)| {
        let contrast = 1000.0 * shape.value * phantom.mu_per_value / MU_WATER;
        // Rounded for the name alone: 14 HU is 13.999999 after two products.
        let name = format!("{} mm, {:+} HU", (20.0 * radius).round() / 10.0, (10.0 * contrast).round() / 10.0);
        Disc { name, center: shape.center(), radius, contrast }
    };
    circles.map(disc).collect()
}

/// Least and greatest CT number, looked for at the middle of every shape, and outside.
fn extremes(phantom: &Phantom) -> [f64; 2] {
    let values = phantom.shapes.iter().map(|shape| phantom.at(shape.center()));
    let edge = phantom.shapes.first().map_or(0.0, |body| body.value * phantom.mu_per_value);
    let [low, high] = values.chain([0.0, edge]).fold([f64::MAX, f64::MIN], |[low, high], v| [low.min(v), high.max(v)]);
    [low, high].map(|mu| 1000.0 * (mu / MU_WATER - 1.0))
}

/// A grey scale that shows what the task is about.
fn window(task: Task, [low, high]: [f64; 2]) -> [f64; 2] {
    match task {
        Task::Detection => [5.0, 60.0],
        Task::Edges => [0.0, 500.0],
        Task::Fidelity => [(low + high) / 2.0 - (high - low) * 0.2, (high - low) * 0.5],
    }
}
