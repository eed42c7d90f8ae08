//! Task transfer function by the circular-edge method: how sharp a disk of a certain contrast is shown.
//!
//! Richard, Husarik, Yadava, Murphy, Samei, "Towards task-based assessment of CT performance: system and object MTF
//! across different reconstruction algorithms", Med. Phys. 39 (2012) 4115; AAPM TG-233 (2019). The pixels about a disk's
//! edge, by their distance from its centre, are an oversampled edge spread; its derivative is the line spread, whose
//! Fourier transform, 1 at frequency 0, is the TTF. For a reconstruction that is not linear it belongs to this
//! contrast at this dose alone, hence the name.
//!
//! Errors: the edge's curvature widens the variance σ² of a blur by σ²/2R² of itself, 0.2 % of the TTF at 50 % where
//! R = 10σ. Pixels are taken as samples, so that their aperture is part of what is measured. Noise adds to |FT| as to
//! any magnitude: average repeats until the total contrast-to-noise ratio is well above 15, as TG-233 asks.

mod disk;
mod edge;

use ndarray::{Array2, ArrayView3, Axis};
use rayon::prelude::*;

use super::stack;
use crate::error::{Error, Result};
use edge::Edge;

pub use disk::Disk;

/// How the edge is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Width of a bin of distance, in pixels.
    pub bin: f64,
    /// How far from the edge pixels are used on either side, in pixels; by default as far as the disk's centre, but no
    /// more than 16.
    pub margin: Option<f64>,
    /// Search the disk's centre, to about a hundredth of a pixel, within this distance of the given one, in pixels; at
    /// 0 it is taken as given.
    pub search: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { bin: 0.1, margin: None, search: 3.0 }
    }
}

/// A task transfer function. With L the unit of the pixel's size, frequencies are in cycles/L.
#[derive(Clone, Debug, PartialEq)]
pub struct Ttf {
    /// Frequencies from 0 to 1/pixel (twice Nyquist: the edge is oversampled), evenly spaced.
    pub frequencies: Vec<f64>,
    /// |FT of the line spread|, 1 at frequency 0.
    pub values: Vec<f64>,
    /// Where the values first fall to 0.5; `None` if they do not.
    pub f50: Option<f64>,
    /// Standard error of `f50`, by the jackknife over the images; `None` for fewer than five.
    pub f50_error: Option<f64>,
    /// Where the values first fall to 0.1.
    pub f10: Option<f64>,
    /// Value inside the disk − value around it, in the image's unit.
    pub contrast: f64,
    /// Contrast over the noise of one pixel of the averaged image, times √(pixels of the disk): TG-233's total CNR.
    pub total_cnr: f64,
    /// The disk as it was found.
    pub disk: Disk,
    /// Distance from the centre of each bin of the edge spread, in L.
    pub distances: Vec<f64>,
    /// Mean value of each bin.
    pub edge: Vec<f64>,
    /// How many images were averaged.
    pub images: usize,
}

/// Measures the average of `images`, `[n, y, x]`, repeats of one object, about `disk`; pixels are `pixel` wide and high.
///
/// # Errors
/// A disk that leaves the image or is under 3 pixels in radius, pixels of no size, bad options, values that are not
/// finite, no disk found.
pub fn measure(images: ArrayView3<f32>, pixel: f64, disk: Disk, options: &Options) -> Result<Ttf> {
    stack::check("the images", images)?;
    let margin = check(images, pixel, disk, options)?;
    let count = images.len_of(Axis(0));
    let image: Array2<f64> =
        images.map_axis(Axis(0), |values| values.iter().map(|&v| f64::from(v)).sum::<f64>() / count as f64);
    let disk = disk.found_in(&image, margin, options.search)?;
    let (disk, margin) = sized(disk, &image, margin, options.bin)?;
    let plateaus = disk.plateaus(&image, margin)?;
    let edge = Edge::new(&image, disk, margin, options.bin);
    let (frequencies, values) = edge.transfer();
    let crossing = |level: f64| falls_to(&frequencies, &values, level).map(|f| f / pixel);
    let (f50, f10) = (crossing(0.5), crossing(0.1));
    let without = |left_out: usize| {
        let scale = 1.0 / (count - 1) as f64;
        let mut others = &image * (count as f64 * scale);
        others.zip_mut_with(&images.index_axis(Axis(0), left_out), |mean, &value| *mean -= f64::from(value) * scale);
        let (frequencies, values) = Edge::new(&others, disk, margin, options.bin).transfer();
        falls_to(&frequencies, &values, 0.5).map(|f| f / pixel)
    };
    Ok(Ttf {
        f50,
        f50_error: jackknife(count, without),
        f10,
        frequencies: frequencies.iter().map(|f| f / pixel).collect(),
        values,
        contrast: plateaus.contrast,
        total_cnr: plateaus.total_cnr(disk.radius),
        disk,
        distances: edge.distances().map(|distance| distance * pixel).collect(),
        edge: edge.values,
        images: count,
    })
}

/// The disk with the radius that its edge has, and the margin that still has room about it.
fn sized(given: Disk, image: &Array2<f64>, mut margin: f64, bin: f64) -> Result<(Disk, f64)> {
    let mut disk = given;
    // Plateaus begin half a margin from the edge: a better radius makes them better.
    for _ in 0..3 {
        let plateaus = disk.plateaus(image, margin)?;
        let radius = Edge::new(image, disk, margin, bin).radius(plateaus.contrast, plateaus.outside);
        if !((radius - given.radius).abs() <= margin / 2.0 && radius >= 3.0) {
            return Err(given.not_found());
        }
        disk.radius = radius;
        let [x, y] = disk.center;
        let borders = [x, y, image.ncols() as f64 - 1.0 - x, image.nrows() as f64 - 1.0 - y];
        let room = borders.into_iter().fold(f64::INFINITY, f64::min) - radius;
        margin = margin.min(radius).min(room).max(3.0);
    }
    Ok((disk, margin))
}

/// Standard error of a figure from its values `without` each image (Tukey's jackknife); `None` for fewer than five
/// images, or where one of the values is.
fn jackknife(count: usize, without: impl Fn(usize) -> Option<f64> + Send + Sync) -> Option<f64> {
    if count < 5 {
        return None;
    }
    let figures: Vec<f64> = (0..count).into_par_iter().map(without).collect::<Option<_>>()?;
    let mean = figures.iter().sum::<f64>() / count as f64;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    Some((squares * (count - 1) as f64 / count as f64).sqrt())
}

/// Refuses what cannot be measured; the margin, in pixels.
fn check(images: ArrayView3<f32>, pixel: f64, disk: Disk, options: &Options) -> Result<f64> {
    let (_, rows, columns) = images.dim();
    let Disk { center: [x, y], radius } = disk;
    let wrong = |what: String| Err(Error::Option(what));
    if !(pixel > 0.0 && pixel.is_finite()) {
        return wrong(format!("pixels {pixel} wide: their size must be finite and above 0"));
    }
    if !(radius >= 3.0 && radius.is_finite()) {
        return wrong(format!("a disk of radius {radius} pixels: an edge needs at least 3"));
    }
    if !(options.bin > 0.0 && options.bin <= 1.0 && options.search >= 0.0 && options.search.is_finite()) {
        return wrong(format!("bins of {} and a search of {} pixels cannot be", options.bin, options.search));
    }
    // Out to the nearest border of the image, which no bin may cross: its pixels would lie on one side only.
    let room = [x, y, columns as f64 - 1.0 - x, rows as f64 - 1.0 - y].into_iter().fold(f64::INFINITY, f64::min);
    let room = room - options.search - radius;
    let margin = options.margin.unwrap_or(radius.min(16.0).min(room));
    if !(margin >= 3.0 && margin <= radius && margin <= room) {
        return wrong(format!(
            "the disk at {x},{y} of radius {radius} pixels has {room:.1} pixels around it to the border of the image of \
             {columns} × {rows} (less {} for the search of its centre), and {margin:.1} are to be used: between 3 and \
             the radius must fit",
            options.search
        ));
    }
    Ok(margin)
}

/// Where a falling curve first reaches `level`, between its samples by a straight line.
fn falls_to(frequencies: &[f64], values: &[f64], level: f64) -> Option<f64> {
    let below = values.iter().position(|value| *value < level).filter(|index| *index > 0)?;
    let (before, after) = (values[below - 1], values[below]);
    let part = (before - level) / (before - after);
    Some(frequencies[below - 1] + part * (frequencies[below] - frequencies[below - 1]))
}
