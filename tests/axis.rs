//! The axis search near a detector's edge and in noise. The truth is chords of discs.

use ndarray::Array3;
use rushlight::scan::axis::{self, Axis, Search};
use std::f64::consts::{PI, TAU};

/// x, y, radius, attenuation.
const DISCS: [[f64; 4]; 4] =
    [[0.0, 0.0, 82.0, 0.02], [20.0, -30.0, 14.0, -0.012], [-40.0, 18.0, 9.0, 0.02], [45.0, 30.0, 5.0, 0.03]];

struct Noise(u64);

impl Noise {
    /// SplitMix64 (Steele, Lea & Flood 2014).
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }

    /// A sum of 12 uniform numbers is near enough normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

fn found(views: usize, over: f64, columns: usize, center: f64, noise: f64, seed: u64) -> rushlight::Result<Axis> {
    let angles: Vec<f64> = (0..views).map(|view| over * view as f64 / views as f64).collect();
    let mut random = Noise(seed);
    let projections = Array3::from_shape_fn((views, 1, columns), |(view, _, column)| {
        let (sin, cos) = angles[view].sin_cos();
        let chord = |[x, y, radius, attenuation]: [f64; 4]| {
            let distance = column as f64 - center - x * cos - y * sin;
            2.0 * attenuation * (radius * radius - distance * distance).max(0.0).sqrt()
        };
        (DISCS.into_iter().map(chord).sum::<f64>() + if noise > 0.0 { noise * random.normal() } else { 0.0 }) as f32
    });
    axis::find(projections.view(), &angles, &Search::default())
}

#[test]
fn half_acquisition_shows_its_axis() {
    // Overlaps of 5 to 45 % of the reach, on either side, with an even and an odd number of views.
    for (columns, center) in [(100, 5.3), (110, 12.0), (120, 24.6), (130, 90.25), (140, 39.5), (100, 94.6)] {
        for views in [240, 301] {
            let clean = found(views, TAU, columns, center, 0.0, 0).unwrap();
            let noisy = found(views, TAU, columns, center, 0.03, 3).unwrap();
            println!(
                "{columns}, {center}: {:.3} ± {:.3}, noisy {:.3} ± {:.3}",
                clean.column, clean.uncertainty, noisy.column, noisy.uncertainty
            );
            assert!((clean.column - center).abs() < 0.05, "{columns} columns, axis at {center}: {clean:?}");
            assert!((noisy.column - center).abs() < 0.4, "{columns} columns, axis at {center}: {noisy:?}");
        }
    }
}

#[test]
fn a_full_turn_about_the_middle_is_found_as_before() {
    for center in [70.4, 99.5, 121.7] {
        let axis = found(360, TAU, 200, center, 0.02, 5).unwrap();
        println!("{center}: {axis:?}");
        assert!((axis.column - center).abs() < 0.1 && axis.uncertainty < 0.2, "{center}: {axis:?}");
    }
}

/// Errors are as large as is said of them.
#[test]
fn the_uncertainty_is_that_of_the_column() {
    for (over, columns, center) in [(PI, 200, 95.3), (TAU, 110, 14.2)] {
        for noise in [0.05, 0.1, 0.2] {
            let mut sums = (0.0, 0.0);
            for seed in 0..12 {
                let axis = found(180, over, columns, center, noise, 100 + seed).unwrap();
                let error = axis.column - center;
                println!("{over:.1} {noise}: {error:+.3} ± {:.3}", axis.uncertainty);
                sums = (sums.0 + error * error, sums.1 + axis.uncertainty.powi(2));
            }
            let ratio = (sums.0 / sums.1).sqrt();
            println!("{over:.1} {noise}: rms error {:.3}, {ratio:.2} times what was said", (sums.0 / 12.0).sqrt());
            assert!(
                (0.4..2.5).contains(&ratio),
                "over {over:.1}, noise {noise}: errors are {ratio:.2} times what was said"
            );
        }
    }
}
