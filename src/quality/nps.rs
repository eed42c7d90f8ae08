//! Noise power spectrum: NPS(u, v) = ΔxΔy/(NxNy)·⟨|DFT(noise)|²⟩ over an ensemble of regions.
//!
//! Siewerdsen, Cunningham, Jaffray, "A framework for noise-power spectrum analysis of multidimensional images",
//! Med. Phys. 29 (2002) 2655; ICRU Report 87 (2012); AAPM TG-233 (2019). Its integral over all frequencies is the
//! variance (Parseval), and white noise of variance σ² has the spectrum σ²ΔxΔy everywhere.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use num_complex::Complex;
use rayon::prelude::*;
use rustfft::FftPlanner;

use super::stack;
use crate::error::{Error, Result};

/// What is subtracted from a region before its noise is looked at: a fit by least squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detrend {
    /// Nothing: the regions are noise alone already ([`stack::noise`]).
    None,
    /// The region's mean.
    Mean,
    /// A plane.
    Plane,
    /// A polynomial of second order, as TG-233 has it.
    #[default]
    Quadratic,
}

/// A noise power spectrum. With L the unit of length (mm, or pixels where that is 1), frequencies are in cycles/L and
/// powers in value²·L² (HU²mm²; for attenuation mm⁻²mm²).
#[derive(Clone, Debug, PartialEq)]
pub struct Nps {
    /// The spectrum `[v, u]`; frequency 0 is at `[rows/2, columns/2]`.
    pub plane: Array2<f64>,
    /// Frequency of each row and of each column of `plane`.
    pub axes: [Vec<f64>; 2],
    /// Mean frequency of each ring, rising from 0. Beyond the Nyquist frequency rings have only the plane's corners.
    pub frequencies: Vec<f64>,
    /// Mean power of each ring.
    pub radial: Vec<f64>,
    /// Standard error of `radial`: from the spread between regions, as if they did not overlap; for one region alone
    /// that of Gaussian noise.
    pub radial_error: Vec<f64>,
    /// How many elements of `plane` each ring has: Σ radial·modes·Δu·Δv is the variance.
    pub modes: Vec<usize>,
    /// Mean square of the detrended noise, in value²: the integral of `plane`.
    pub variance: f64,
    /// How many regions were averaged.
    pub regions: usize,
}

impl Nps {
    /// Area of one element of `plane`, (cycles/L)².
    pub fn cell(&self) -> f64 {
        self.axes.iter().map(|axis| axis.get(1).map_or(1.0, |second| second - axis[0])).product()
    }

    /// The highest frequency that both axes sample, cycles/L.
    pub fn nyquist(&self) -> f64 {
        self.axes.iter().map(|axis| -axis[0]).fold(f64::INFINITY, f64::min)
    }

    /// Frequency of the greatest radial power up to Nyquist, cycles/L.
    pub fn peak_frequency(&self) -> f64 {
        self.up_to_nyquist().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(frequency, _)| frequency)
    }

    /// ∫f·NPS(f)df/∫NPS(f)df of the radial curve up to Nyquist (TG-233), cycles/L.
    pub fn mean_frequency(&self) -> f64 {
        let (moment, sum) = self.up_to_nyquist().fold((0.0, 0.0), |(m, s), (f, power)| (m + f * power, s + power));
        moment / sum
    }

    fn up_to_nyquist(&self) -> impl Iterator<Item = (f64, f64)> {
        let limit = self.nyquist() * (1.0 + 1e-9);
        let pairs = self.frequencies.iter().copied().zip(self.radial.iter().copied());
        pairs.take_while(move |(frequency, _)| *frequency <= limit)
    }
}

/// Regions that are transformed at once: bounds memory, and fixes the order of summation.
const BATCH: usize = 64;

/// Measures the spectrum of `regions`, `[n, y, x]`, with pixels of `pixel` = `[height, width]`.
///
/// # Errors
/// Regions under 4 × 4 pixels, pixels of no size, values that are not finite, regions without noise.
pub fn measure(regions: ArrayView3<f32>, pixel: [f64; 2], detrend: Detrend) -> Result<Nps> {
    stack::check("the regions", regions)?;
    let (count, rows, columns) = regions.dim();
    if rows < 4 || columns < 4 {
        return Err(Error::Option(format!(
            "regions of {rows} × {columns} pixels are too small for a noise power spectrum: at least 4 × 4 are needed"
        )));
    }
    if !pixel.iter().all(|size| *size > 0.0 && size.is_finite()) {
        return Err(Error::Option(format!("pixels of {pixel:?} (height, width): sizes must be finite and above 0")));
    }
    let axes = [frequencies(rows, pixel[0]), frequencies(columns, pixel[1])];
    let rings = Rings::new(&axes);
    let basis = polynomials(rows, columns, detrend);
    let transform = Transform::new(rows, columns);
    let scale = pixel[0] * pixel[1] / (rows * columns) as f64;
    let (mut plane, mut curves) = (Array2::zeros((rows, columns)), Vec::with_capacity(count));
    for batch in regions.axis_chunks_iter(Axis(0), BATCH) {
        let images: Vec<_> = batch.outer_iter().collect();
        let spectra: Vec<Array2<f64>> =
            images.into_par_iter().map(|region| transform.power(residual(region, &basis)) * scale).collect();
        for spectrum in spectra {
            curves.push(rings.means(&spectrum));
            plane += &spectrum;
        }
    }
    plane /= count as f64;
    let variance = plane.sum() / (scale * ((rows * columns) as f64).powi(2));
    let mean_square = regions.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / regions.len() as f64;
    // What rounding alone leaves of a constant in f32.
    if variance <= 1e-14 * mean_square {
        return Err(Error::Option(
            "the regions hold one value or a smooth trend alone: there is no noise to measure".into(),
        ));
    }
    let radial = rings.means(&plane);
    let radial_error = errors(&curves, &radial, &rings.modes);
    let Rings { frequencies, modes, .. } = rings;
    Ok(Nps { plane, axes, frequencies, radial, radial_error, modes, variance, regions: count })
}

/// Frequencies of `count` samples `step` apart, 0 at `count/2`.
fn frequencies(count: usize, step: f64) -> Vec<f64> {
    (0..count).map(|i| (i as f64 - (count / 2) as f64) / (count as f64 * step)).collect()
}

/// Standard errors of the ring means.
fn errors(curves: &[Vec<f64>], radial: &[f64], modes: &[usize]) -> Vec<f64> {
    let count = curves.len() as f64;
    let ring = |(index, &mean): (usize, &f64)| {
        if curves.len() < 2 {
            // |DFT|² of Gaussian noise spreads as much as its mean; u and −u are one.
            return mean / (modes[index] as f64 / 2.0).max(1.0).sqrt();
        }
        let squares: f64 = curves.iter().map(|curve| (curve[index] - mean).powi(2)).sum();
        (squares / (count - 1.0) / count).sqrt()
    };
    radial.iter().enumerate().map(ring).collect()
}

/// Which elements of the plane lie in which ring; rings are as wide as the coarser axis' sampling.
struct Rings {
    ring: Array2<usize>,
    frequencies: Vec<f64>,
    modes: Vec<usize>,
}

impl Rings {
    fn new(axes: &[Vec<f64>; 2]) -> Self {
        let [rows, columns] = axes;
        let width = (rows[1] - rows[0]).max(columns[1] - columns[0]);
        let distance = Array2::from_shape_fn((rows.len(), columns.len()), |(y, x)| rows[y].hypot(columns[x]));
        let ring = distance.mapv(|f| (f / width).round() as usize);
        let count = ring.iter().max().map_or(0, |last| last + 1);
        let (mut sums, mut modes) = (vec![0.0; count], vec![0; count]);
        for (&ring, f) in ring.iter().zip(&distance) {
            sums[ring] += f;
            modes[ring] += 1;
        }
        let frequencies = sums.iter().zip(&modes).map(|(sum, &modes)| sum / modes as f64).collect();
        Self { ring, frequencies, modes }
    }

    fn means(&self, plane: &Array2<f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.modes.len()];
        self.ring.iter().zip(plane).for_each(|(&ring, power)| sums[ring] += power);
        sums.iter().zip(&self.modes).map(|(sum, &modes)| sum / modes as f64).collect()
    }
}

/// Orthonormal polynomials over the region, by Gram and Schmidt.
fn polynomials(rows: usize, columns: usize, detrend: Detrend) -> Vec<Array2<f64>> {
    let powers: &[(i32, i32)] = match detrend {
        Detrend::None => &[],
        Detrend::Mean => &[(0, 0)],
        Detrend::Plane => &[(0, 0), (1, 0), (0, 1)],
        Detrend::Quadratic => &[(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)],
    };
    let at = |index: usize, count: usize| 2.0 * index as f64 / (count - 1) as f64 - 1.0;
    let mut basis: Vec<Array2<f64>> = Vec::new();
    for &(p, q) in powers {
        let monomial = Array2::from_shape_fn((rows, columns), |(y, x)| at(y, rows).powi(p) * at(x, columns).powi(q));
        let mut next = monomial;
        remove(&mut next, &basis);
        let norm = next.iter().map(|v| v * v).sum::<f64>().sqrt();
        basis.push(next / norm);
    }
    basis
}

fn remove(image: &mut Array2<f64>, basis: &[Array2<f64>]) {
    for polynomial in basis {
        let along: f64 = image.iter().zip(polynomial).map(|(a, b)| a * b).sum();
        image.scaled_add(-along, polynomial);
    }
}

fn residual(region: ArrayView2<f32>, basis: &[Array2<f64>]) -> Array2<f64> {
    let mut noise = region.mapv(f64::from);
    remove(&mut noise, basis);
    noise
}

/// |DFT|² in two dimensions, frequency 0 in the middle.
struct Transform {
    along: std::sync::Arc<dyn rustfft::Fft<f64>>,
    down: std::sync::Arc<dyn rustfft::Fft<f64>>,
}

impl Transform {
    fn new(rows: usize, columns: usize) -> Self {
        let mut planner = FftPlanner::new();
        Self { along: planner.plan_fft_forward(columns), down: planner.plan_fft_forward(rows) }
    }

    fn power(&self, image: Array2<f64>) -> Array2<f64> {
        let (rows, columns) = image.dim();
        let mut lines: Vec<_> = image.iter().map(|&value| Complex::new(value, 0.0)).collect();
        self.along.process(&mut lines);
        let mut turned: Vec<_> = (0..rows * columns).map(|i| lines[i % rows * columns + i / rows]).collect();
        self.down.process(&mut turned);
        let source = |index: usize, count: usize| (index + count - count / 2) % count;
        Array2::from_shape_fn((rows, columns), |(y, x)| turned[source(x, columns) * rows + source(y, rows)].norm_sqr())
    }
}

/// The noise spectrum of repeats, `[realisation, y, x]`: their mean subtracted, nothing else.
///
/// # Errors
/// Those of [`stack::noise`] and [`measure`].
pub fn of_repeats(realisations: ArrayView3<f32>, pixel: [f64; 2]) -> Result<Nps> {
    let noise: Array3<f32> = stack::noise(realisations)?;
    measure(noise.view(), pixel, Detrend::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wave_is_one_pair_of_peaks() {
        // a·cos 2π(2x/8 + y/6): variance a²/2, in the two elements (±1/6, ±2/8).
        let angle = |y: usize, x: usize| std::f64::consts::TAU * (2.0 * x as f64 / 8.0 + y as f64 / 6.0);
        let wave = Array3::from_shape_fn((1, 6, 8), |(_, y, x)| (3.0 * angle(y, x).cos()) as f32);
        let nps = measure(wave.view(), [0.5, 0.25], Detrend::None).unwrap();
        assert!((nps.variance - 4.5).abs() < 1e-5, "{}", nps.variance);
        for (y, x) in [(4, 6), (2, 2)] {
            assert!((nps.plane[[y, x]] * nps.cell() - 2.25).abs() < 1e-5, "{}", nps.plane);
        }
        assert!((nps.axes[0][4] - 1.0 / 3.0).abs() < 1e-12 && (nps.axes[1][6] - 1.0).abs() < 1e-12);
        assert!((nps.nyquist() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn trends_up_to_their_order_are_removed() {
        let trend =
            |y: usize, x: usize| 1000.0 + 2.0 * x as f64 - y as f64 + 0.1 * (x * y) as f64 - 0.05 * (x * x) as f64;
        let noise = |y: usize, x: usize| if (x + y).is_multiple_of(2) { 1.0 } else { -1.0 };
        let with = Array3::from_shape_fn((1, 8, 8), |(_, y, x)| (trend(y, x) + noise(y, x)) as f32);
        let without = Array3::from_shape_fn((1, 8, 8), |(_, y, x)| noise(y, x) as f32);
        let [a, b] = [with, without].map(|image| measure(image.view(), [1.0; 2], Detrend::Quadratic).unwrap());
        assert!((a.variance - b.variance).abs() < 1e-4 && b.variance > 0.9, "{} {}", a.variance, b.variance);
    }

    #[test]
    fn what_has_no_noise_is_refused() {
        let message = |image: Array3<f32>, pixel| measure(image.view(), pixel, Detrend::Mean).unwrap_err().to_string();
        assert!(message(Array3::from_elem((2, 8, 8), 1000.0), [1.0; 2]).contains("no noise"));
        assert!(message(Array3::zeros((2, 8, 8)), [1.0; 2]).contains("no noise"));
        assert!(message(Array3::zeros((2, 3, 8)), [1.0; 2]).contains("too small"));
        assert!(message(Array3::zeros((2, 8, 8)), [0.0, 1.0]).contains("pixels of"));
        assert!(message(Array3::from_elem((1, 8, 8), f32::NAN), [1.0; 2]).contains("not finite"));
    }
}
