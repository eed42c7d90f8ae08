//! Gabor channels: exp(−4 ln 2·r²/w²)·cos(2πf(x cos θ + y sin θ) + β), tuned in frequency and direction like vision.
//!
//! Octave bands, five directions and two phases as in Yu, Leng, Chen, Kofler, Carter, McCollough, "Prediction of human
//! observer performance in a 2-alternative forced choice low-contrast detection task using channelized Hotelling
//! observer", Med. Phys. 40 (2013) 041908; Eckstein, Abbey, Whiting (1998). A band from f to 2f has the middle 3f/2,
//! and w = 4 ln 2/(πf).

use std::f64::consts::{LN_2, PI, TAU};

use super::{Frame, Named};

pub(super) const NAMED: &[Named] =
    &[("gabor", "40 Gabor channels: 4 octaves from 1/64 to 1/4 cycle a pixel, 5 directions, 2 phases", |_| {
        Gabor::default().into()
    })];

/// Gabor channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Gabor {
    /// Where the octave bands begin, cycles per pixel.
    pub bands: Vec<f64>,
    /// Directions, evenly spaced over the full circle.
    pub directions: usize,
    /// Phases, radians.
    pub phases: Vec<f64>,
}

impl Default for Gabor {
    /// 40 channels: bands from 1/64, 1/32, 1/16 and 1/8, five directions, even and odd.
    fn default() -> Self {
        Self { bands: [64.0, 32.0, 16.0, 8.0].map(f64::recip).into(), directions: 5, phases: vec![0.0, PI / 2.0] }
    }
}

impl Gabor {
    pub(super) fn trouble(&self) -> Option<String> {
        let bands = self.bands.iter().all(|band| *band > 0.0 && *band <= 0.25);
        let empty = self.bands.is_empty() || self.directions == 0 || self.phases.is_empty();
        let bad = !bands || empty || self.phases.iter().any(|phase| !phase.is_finite());
        bad.then(|| {
            "Gabor channels need bands that begin between 0 and 0.25 cycles a pixel, directions and phases".into()
        })
    }

    pub(super) fn templates(&self, frame: &Frame) -> Vec<Vec<f64>> {
        let mut templates = Vec::new();
        for &band in &self.bands {
            let (middle, width) = (1.5 * band, 4.0 * LN_2 / (PI * band));
            for direction in 0..self.directions {
                let (sin, cos) = (TAU * direction as f64 / self.directions as f64).sin_cos();
                templates.extend(self.phases.iter().map(|&phase| {
                    frame.draw(|x, y| {
                        let envelope = (-4.0 * LN_2 * (x * x + y * y) / (width * width)).exp();
                        envelope * (TAU * middle * (x * cos + y * sin) + phase).cos()
                    })
                }));
            }
        }
        templates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_half_as_high_at_half_its_width() {
        // The band from 1/8: w = 4 ln 2·8/π = 7.06, the width that the paper lists.
        let channels = Gabor { bands: vec![0.125], directions: 1, phases: vec![PI / 2.0, 0.0] };
        let width = 4.0 * LN_2 * 8.0 / PI;
        assert!((width - 7.06).abs() < 0.01);
        let at = |x: f64, y: f64| channels.templates(&Frame { size: [1, 1], center: [-x, -y] })[1][0];
        assert!((at(0.0, width / 2.0) - 0.5).abs() < 1e-12, "across the wave");
        // Along it one wave of frequency 3/16 passes in 16/3 pixels.
        assert!((at(16.0 / 3.0, 0.0) - at(0.0, 16.0 / 3.0)).abs() < 1e-12 && at(8.0 / 3.0, 0.0) < 0.0);
    }
}
