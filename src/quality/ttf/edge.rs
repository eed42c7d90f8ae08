//! The edge spread: mean value by distance from the disk's centre; and its way to the transfer function.

use std::f64::consts::{PI, TAU};

use ndarray::Array2;

use super::Disk;

/// Mean values in bins of distance about a disk's edge, in pixels.
pub(super) struct Edge {
    /// The middle of the first bin less the disk's radius.
    first: f64,
    bin: f64,
    radius: f64,
    pub values: Vec<f64>,
}

impl Edge {
    /// The pixels within `margin` of the edge. A bin's mean belongs to the mean distance of its pixels; at the bin's
    /// middle, and in bins that hold none, the value is on the straight line between such means.
    pub(super) fn new(image: &Array2<f64>, disk: Disk, margin: f64, bin: f64) -> Self {
        let count = (2.0 * margin / bin).floor() as usize;
        let start = disk.radius - count as f64 * bin / 2.0;
        let mut sums = vec![(0.0, 0.0, 0.0); count];
        for ([row, column], value) in disk.pixels(image, disk.radius + margin) {
            let distance = disk.distance(row, column);
            let index = ((distance - start) / bin).floor();
            if index >= 0.0 && (index as usize) < count {
                let (number, distances, values) = sums[index as usize];
                sums[index as usize] = (number + 1.0, distances + distance, values + value);
            }
        }
        let filled = sums.iter().filter(|sum| sum.0 > 0.0);
        let means: Vec<_> = filled.map(|(number, distances, values)| (distances / number, values / number)).collect();
        let first = start + bin / 2.0;
        let values = (0..count).map(|i| between(&means, first + i as f64 * bin)).collect();
        Self { first: first - disk.radius, bin, radius: disk.radius, values }
    }

    /// Distance of every bin's middle from the centre.
    pub(super) fn distances(&self) -> impl Iterator<Item = f64> {
        let (first, bin) = (self.radius + self.first, self.bin);
        (0..self.values.len()).map(move |index| first + index as f64 * bin)
    }

    /// The radius of the disk whose blur this is: a blur leaves the sum over the plane, so πR² is the sum of the values over
    /// the contrast, ∫ 2πr (v(r) − outside)/contrast dr, and inside the first bin the disk is whole.
    pub(super) fn radius(&self, contrast: f64, outside: f64) -> f64 {
        let start = (self.radius + self.first - self.bin / 2.0).max(0.0);
        let part = |(distance, value): (f64, &f64)| 2.0 * distance * self.bin * (value - outside) / contrast;
        let ring: f64 = self.distances().zip(&self.values).map(part).sum();
        (start * start + ring).max(0.0).sqrt()
    }

    /// |FT of the line spread| / its value at 0, for frequencies from 0 to 1 cycle a pixel.
    pub(super) fn transfer(&self) -> (Vec<f64>, Vec<f64>) {
        let spread: Vec<(f64, f64)> = self.line_spread();
        let reach = self.bin * self.values.len() as f64;
        // Eight samples for each that the spread's length asks for: a smooth curve, whose crossings a line finds.
        let count = (8.0 * reach).ceil() as usize;
        let frequencies: Vec<f64> = (0..=count).map(|k| k as f64 / count as f64).collect();
        let magnitude = |f: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for &(at, value) in &spread {
                let (sin, cos) = (TAU * f * at).sin_cos();
                re += value * cos;
                im -= value * sin;
            }
            // Binning and the difference of bins each blur by one bin; both are undone (Cunningham, Fenster, Med.
            // Phys. 14 (1987) 533).
            re.hypot(im) / sinc(f * self.bin).powi(2)
        };
        let zero = magnitude(0.0);
        let values = frequencies.iter().map(|&f| magnitude(f) / zero).collect();
        (frequencies, values)
    }

    /// The derivative, at the borders between bins: flat window over the inner half, cosine to 0 at the ends.
    fn line_spread(&self) -> Vec<(f64, f64)> {
        let reach = self.bin * self.values.len() as f64 / 2.0;
        let window = |at: f64| {
            let outer = (2.0 * at.abs() / reach - 1.0).clamp(0.0, 1.0);
            0.5 + 0.5 * (PI * outer).cos()
        };
        let pairs = self.values.windows(2).enumerate();
        pairs
            .map(|(i, pair)| (self.first + (i as f64 + 0.5) * self.bin, pair[1] - pair[0]))
            .map(|(at, d)| (at, d * window(at)))
            .collect()
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The value `at` some distance, on a straight line between the nearest means, or the last one's at the ends.
fn between(means: &[(f64, f64)], at: f64) -> f64 {
    let after = means.partition_point(|mean| mean.0 < at);
    match (after.checked_sub(1).map(|before| means[before]), means.get(after)) {
        (Some((a, low)), Some(&(b, high))) => low + (high - low) * (at - a) / (b - a),
        (Some((_, value)), None) | (None, Some(&(_, value))) => value,
        (None, None) => 0.0,
    }
}
