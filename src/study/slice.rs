//! A slice of real anatomy as a subject: scanned on finer pixels than it has, judged on those of the reconstruction.

use ndarray::Array3;

use super::{
    digest::digest_bytes,
    effort::Effort,
    gantry::Gantry,
    subject::{Scene, Subject, Task},
};
use crate::{
    error::{Error, Result},
    geometry::Grid,
    image::Image,
    scanner::{Scanner, object},
};

/// CT numbers that count on slices, HU.
const CLIP: [f64; 2] = [-1000.0, 1000.0];

/// A slice, in the pixels it has and in those of the reconstruction.
#[derive(Clone, Debug)]
pub struct Slice {
    /// As it is scanned, mm⁻¹.
    pub object: Image,
    /// What a perfect reconstruction would be, HU: means over its larger pixels.
    pub truth: Image,
}

impl Subject {
    /// A slice `[1, y, x]` of real anatomy, of known unit and pixel size; `index` names it. Nothing else of its file is kept.
    ///
    /// # Errors
    /// Pixels that are not square, values of unknown meaning or not finite.
    pub fn slice(image: &Image, index: usize, effort: &Effort) -> Result<Self> {
        let mu_water = Scanner::default().water();
        let object = square(&object::attenuation(image, mu_water)?, effort.size)?;
        let pixel = object.grid.voxel()[2];
        let factor = reduction(&object, effort.size);
        let truth = reduced(&object, factor).to_hounsfield(mu_water);
        let size = truth.grid.shape[2];
        let frame = object.grid.shape[2] as f64 * pixel;
        let bytes = object.values.iter().flat_map(|value| value.to_le_bytes());
        Ok(Self {
            name: format!("slice-{index}"),
            title: format!("Slice {index} of the given image"),
            source: format!(
                "scanned on pixels of {:.4} mm, half as wide as its own (bilinear); truth: its means over the pixels of the reconstruction",
                pixel / 2.0
            ),
            task: Task::Fidelity,
            size,
            frame,
            gantry: Gantry::covering(effort.beam, frame / 2.0 * std::f64::consts::SQRT_2, frame / size as f64),
            views: effort.views,
            photon_factor: 1.0,
            realisations: effort.realisations,
            mu_water,
            data_range: CLIP[1] - CLIP[0],
            clip: Some(CLIP),
            window: [40.0, 400.0],
            discs: Vec::new(),
            crop: None,
            digest: format!("{:016x}", digest_bytes(bytes)),
            scene: Scene::Slice(Box::new(Slice { object, truth })),
        })
    }
}

/// So many pixels of the object make one of a reconstruction of about `size`.
fn reduction(object: &Image, size: usize) -> usize {
    ((object.grid.shape[2] as f64 / size as f64).round() as usize).max(1)
}

/// The middle of `image`, as many rows as columns, and a multiple of the reduction to about `size`.
fn square(image: &Image, size: usize) -> Result<Image> {
    let [_, dy, dx] = image.grid.voxel();
    if (dx / dy - 1.0).abs() > 1e-3 {
        return Err(Error::Option(format!(
            "the slice's pixels are {dx} mm wide and {dy} mm high: only square ones serve here"
        )));
    }
    let [_, rows, columns] = image.grid.shape;
    let factor = reduction(image, size);
    let side = rows.min(columns) / factor * factor;
    let [y, x] = [(rows - side) / 2, (columns - side) / 2];
    let values = image.values.slice(ndarray::s![.., y..y + side, x..x + side]).to_owned();
    Ok(Image { values, grid: Grid::centered([1, side, side], [dx; 3], [0.0; 3]), ..image.clone() })
}

/// Means over `factor` × `factor` pixels.
fn reduced(image: &Image, factor: usize) -> Image {
    let [rows, columns] = [1, 2].map(|axis| image.grid.shape[axis] / factor);
    let mean = |y: usize, x: usize| {
        let part = image.values.slice(ndarray::s![0, y * factor..(y + 1) * factor, x * factor..(x + 1) * factor]);
        part.iter().map(|&value| f64::from(value)).sum::<f64>() / (factor * factor) as f64
    };
    let values = Array3::from_shape_fn([1, rows, columns], |(_, y, x)| mean(y, x) as f32);
    let voxel = image.grid.voxel()[2] * factor as f64;
    Image { values, grid: Grid::centered([1, rows, columns], [voxel; 3], [0.0; 3]), ..image.clone() }
}
