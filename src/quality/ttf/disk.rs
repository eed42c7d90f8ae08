//! The disk: where it is, to a part of a pixel, and what its contrast and noise are.

use ndarray::Array2;

use crate::error::{Error, Result};

/// A disk in an image, in pixels: (0, 0) is the centre of the first pixel.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Disk {
    /// Column and row of its centre.
    pub center: [f64; 2],
    /// Radius.
    pub radius: f64,
}

/// A straight or flat region's mean and noise on either side of the edge.
pub(super) struct Plateaus {
    /// Inside − outside.
    pub contrast: f64,
    /// Mean outside.
    pub outside: f64,
    /// Standard deviation of a pixel, of inside and outside together.
    pub noise: f64,
    /// Standard error of the contrast, for white noise.
    pub error: f64,
}

impl Plateaus {
    pub(super) fn total_cnr(&self, radius: f64) -> f64 {
        self.contrast.abs() / self.noise * (std::f64::consts::PI * radius * radius).sqrt()
    }
}

impl Disk {
    pub(super) fn distance(&self, row: usize, column: usize) -> f64 {
        (column as f64 - self.center[0]).hypot(row as f64 - self.center[1])
    }

    /// The pixels nearer to the centre than `reach`: row and column, and value.
    pub(super) fn pixels<'a>(
        &self,
        image: &'a Array2<f64>,
        reach: f64,
    ) -> impl Iterator<Item = ([usize; 2], f64)> + 'a {
        let disk = *self;
        let (rows, columns) = image.dim();
        let range = move |center: f64, count: usize| {
            ((center - reach).floor().max(0.0) as usize)..((center + reach).ceil().max(0.0) as usize + 1).min(count)
        };
        let [x, y] = self.center;
        let places = range(y, rows).flat_map(move |row| range(x, columns).map(move |column| (row, column)));
        let near = places.filter(move |&(row, column)| disk.distance(row, column) < reach);
        near.map(|(row, column)| ([row, column], image[[row, column]]))
    }

    /// The disk with its centre where a template, a disk of this radius with a soft edge, resembles the image most.
    pub(super) fn found_in(self, image: &Array2<f64>, margin: f64, search: f64) -> Result<Self> {
        if search == 0.0 {
            return Ok(self);
        }
        let near = self.climb(image, margin, (self, search / 2.0));
        // Again from pixels all around what was found: those about the given place weigh one side more.
        let found = near.climb(image, margin, (near, 0.1));
        let moved = (0..2).map(|axis| (found.center[axis] - self.center[axis]).abs()).fold(0.0, f64::max);
        if moved > search || found.likeness(image, margin, found) == 0.0 { Err(self.not_found()) } else { Ok(found) }
    }

    /// The best centre from `start` by ever smaller steps along rows and columns, judged on the pixels about `self`.
    fn climb(self, image: &Array2<f64>, margin: f64, (start, mut step): (Self, f64)) -> Self {
        let mut best = (start.likeness(image, margin, self), start);
        while step > 0.002 {
            let [x, y] = best.1.center;
            let around =
                [[x - step, y], [x + step, y], [x, y - step], [x, y + step]].map(|center| Self { center, ..self });
            // A disk may run away from noise: no further than its pixels.
            let inside = around.into_iter().filter(|disk| {
                disk.center.iter().zip(self.center).all(|(found, given)| (found - given).abs() <= self.radius)
            });
            let next = inside.map(|disk| (disk.likeness(image, margin, self), disk)).max_by(|a, b| a.0.total_cmp(&b.0));
            match next.filter(|next| next.0 > best.0) {
                Some(next) => best = next,
                None => step /= 2.0,
            }
        }
        best.1
    }

    pub(super) fn not_found(self) -> Error {
        let [x, y] = self.center;
        Error::Option(format!(
            "no disk of radius {} pixels found at {x},{y}: is it there, and does it stand out from the noise?",
            self.radius
        ))
    }

    /// |correlation| of the pixels about `given` with this disk.
    fn likeness(&self, image: &Array2<f64>, margin: f64, given: Self) -> f64 {
        // A smooth edge, three pixels wide: with a sharp or a kinked one the centre snaps to the grid by a tenth of a pixel.
        let soft = |distance: f64| 0.5 + 0.5 * ((self.radius - distance) / 1.5).tanh();
        let (mut n, mut v, mut t, mut vv, mut tt, mut vt) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        // Always the same pixels, whatever the centre tried.
        for ([row, column], value) in given.pixels(image, given.radius + margin) {
            let template = soft(self.distance(row, column));
            n += 1.0;
            v += value;
            t += template;
            vv += value * value;
            tt += template * template;
            vt += value * template;
        }
        let (vv, tt, vt) = (vv - v * v / n, tt - t * t / n, vt - v * t / n);
        if vv > 1e-14 * v * v / n && tt > 0.0 { vt.abs() / (vv * tt).sqrt() } else { 0.0 }
    }

    /// Contrast and noise from the flat parts, half a margin and more from the edge.
    pub(super) fn plateaus(&self, image: &Array2<f64>, margin: f64) -> Result<Plateaus> {
        let sides = [(0.0, self.radius - margin / 2.0), (self.radius + margin / 2.0, self.radius + margin)];
        let [inside, outside] = sides.map(|(from, to)| {
            let pixels = self.pixels(image, to).filter(|&([row, column], _)| self.distance(row, column) >= from);
            let values: Vec<f64> = pixels.map(|pixel| pixel.1).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (mean, squares, values.len() as f64)
        });
        let contrast = inside.0 - outside.0;
        let noise = ((inside.1 + outside.1) / (inside.2 + outside.2 - 2.0)).sqrt();
        let plateaus =
            Plateaus { contrast, outside: outside.0, noise, error: noise * (1.0 / inside.2 + 1.0 / outside.2).sqrt() };
        // Five standard errors: CT noise is not white, so these are too small by a factor of two or so.
        if contrast.abs() <= 5.0 * plateaus.error || contrast == 0.0 {
            return Err(self.not_found());
        }
        Ok(plateaus)
    }
}
