//! MP-PCA on series whose components and noise are known: closed forms of what must be left.

use ndarray::{Array3, Array4, s};
use num_complex::Complex32;
use rushlight::{
    denoisers::mp_pca::{Denoised, MpPca, Sample},
    monitor::Monitor,
    random::Draws,
};

const SHAPE: [usize; 3] = [8, 24, 24];

/// Σ of `rank` smooth maps times random weights of the frames, of either sign and a size of about 1.
fn low_rank(frames: usize, [nz, ny, nx]: [usize; 3], rank: usize) -> Array4<f32> {
    let component = |c: usize, frame: usize, [z, y, x]: [f64; 3]| {
        let c_number = c as f64;
        Draws::new(1, [c, frame, 0]).normal()
            * (1.0 + (0.2 * (c_number + 1.0) * x + 0.13 * c_number * y + 0.3 * z).sin())
    };
    Array4::from_shape_fn((frames, nz, ny, nx), |(frame, z, y, x)| {
        (0..rank).map(|c| component(c, frame, [z, y, x].map(|index| index as f64))).sum::<f64>() as f32
    })
}

fn normal([frame, z, y, x]: [usize; 4], seed: u64) -> f32 {
    Draws::new(seed, [frame, z, y * 1000 + x]).normal() as f32
}

fn with_noise(series: &Array4<f32>, sigma: f32, seed: u64) -> Array4<f32> {
    let mut noisy = series.clone();
    noisy.indexed_iter_mut().for_each(|((f, z, y, x), value)| *value += sigma * normal([f, z, y, x], seed));
    noisy
}

fn denoised<T: Sample>(method: MpPca, series: &Array4<T>) -> Denoised<T> {
    method.denoise(&series.view(), &Monitor::silent()).unwrap()
}

fn rms(a: &Array4<f32>, b: &Array4<f32>) -> f64 {
    (a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

fn mean(values: &Array3<f32>) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64
}

/// A projection onto p of M components, found from N pixels, leaves √(p/M + p/N − p²/(MN)) of the noise, and the mean over pixels
/// 1/√N; overlapping patches leave a little less.
#[test]
fn components_and_noise_of_a_series_are_found() {
    let (frames, rank) = (40, 3);
    let truth = low_rank(frames, SHAPE, rank);
    let (p, m, n) = (rank as f64, frames as f64, 125.0);
    let theory = (p / m + (p + 1.0) / n - p * p / (m * n)).sqrt();
    for sigma in [0.03, 0.1, 0.3] {
        let noisy = with_noise(&truth, sigma, 7);
        for step in [1, 2] {
            let found = denoised(MpPca { step, ..MpPca::default() }, &noisy);
            let sigma = f64::from(sigma);
            let (told, kept) = (mean(&found.sigma) / sigma, mean(&found.components));
            let left = rms(&found.values, &truth) / sigma;
            println!(
                "σ {sigma} step {step}: told {told:.4}, {kept:.2} components, left {left:.3} σ, theory {theory:.3}"
            );
            assert!((told - 1.0).abs() < 0.02, "{told}");
            assert!(found.sigma.iter().all(|value| (f64::from(*value) / sigma - 1.0).abs() < 0.05));
            assert!((kept - p).abs() < 0.4, "{kept}");
            assert!(left < 1.05 * theory && left > 0.8 * theory, "{left}, not {theory}");
            let gain = 20.0 * (1.0 / left).log10();
            assert!(gain > 9.8, "{gain} dB");
        }
    }
}

#[test]
fn of_noise_alone_nothing_is_left() {
    let noise = with_noise(&Array4::zeros((40, 8, 24, 24)), 1.0, 9);
    let found = denoised(MpPca::default(), &noise);
    assert!((mean(&found.sigma) - 1.0).abs() < 0.005, "{}", mean(&found.sigma));
    // One patch in some shows the largest chance correlation for a component.
    assert!(mean(&found.components) < 0.15, "{}", mean(&found.components));
    // The mean over 125 pixels, 0.09, less as patches overlap.
    let left = rms(&found.values, &Array4::zeros(noise.raw_dim()));
    assert!(left < 0.09, "{left}");
}

#[test]
fn a_series_without_noise_stays() {
    let truth = low_rank(40, SHAPE, 3);
    let found = denoised(MpPca::default(), &truth);
    let most = found.values.iter().zip(&truth).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(most < 1e-5, "{most}");
    assert!(mean(&found.sigma) < 1e-5);
    for value in [0.0, 7.3, -1e6] {
        let constant = Array4::from_elem((12, 6, 9, 10), value);
        let found = denoised(MpPca::default(), &constant);
        assert!(found.values.iter().all(|v| (v - value).abs() <= 1e-6 * value.abs()), "{value}");
        assert!(mean(&found.sigma) <= 1e-6 * f64::from(value.abs()), "{value}: {}", mean(&found.sigma));
    }
}

/// Half the series noisier than the other: the map says where.
#[test]
fn noise_that_varies_is_mapped() {
    let truth = low_rank(30, [5, 20, 40], 2);
    let sigma = |x: usize| if x < 20 { 0.05 } else { 0.2 };
    let mut noisy = truth.clone();
    noisy.indexed_iter_mut().for_each(|((f, z, y, x), value)| *value += sigma(x) * normal([f, z, y, x], 3));
    let found = denoised(MpPca::default(), &noisy);
    for (columns, sigma) in [(0..15, 0.05), (25..40, 0.2)] {
        let part = found.sigma.slice(s![.., .., columns]).to_owned();
        assert!((mean(&part) / sigma - 1.0).abs() < 0.02, "{}, not {sigma}", mean(&part));
    }
}

/// A phase of its own for every frame costs nothing; σ is that of either part.
#[test]
fn complex_series_may_have_any_phase() {
    let real = low_rank(24, SHAPE, 2);
    let phase = |frame: usize| Complex32::from_polar(1.0, (6.3 * Draws::new(2, [frame, 0, 0]).uniform()) as f32);
    let truth = Array4::from_shape_fn(real.raw_dim(), |(frame, z, y, x)| {
        phase(frame) * Complex32::from_polar(real[[frame, z, y, x]], 0.1 * x as f32)
    });
    let noisy = Array4::from_shape_fn(real.raw_dim(), |(f, z, y, x)| {
        truth[[f, z, y, x]] + 0.1 * Complex32::new(normal([f, z, y, x], 4), normal([f, z, y, x], 5))
    });
    let found = denoised(MpPca::default(), &noisy);
    assert!((mean(&found.sigma) / 0.1 - 1.0).abs() < 0.02, "{}", mean(&found.sigma));
    assert!((mean(&found.components) - 2.0).abs() < 0.4, "{}", mean(&found.components));
    let square: f64 = found.values.iter().zip(&truth).map(|(a, b)| f64::from((a - b).norm_sqr())).sum();
    let left = (square / truth.len() as f64 / 2.0).sqrt() / 0.1;
    let theory = (2.0 / 24.0 + 3.0 / 125.0_f64).sqrt();
    assert!(left < 1.05 * theory && left > 0.8 * theory, "{left}, not {theory}");
    let clean = denoised(MpPca::default(), &truth);
    assert!(clean.values.iter().zip(&truth).all(|(a, b)| (a - b).norm() < 1e-5));
}

/// Real numbers as complex ones: the same components and values; σ is that of either part, of which one is 0.
#[test]
fn real_series_are_the_same_as_complex_ones() {
    let noisy = with_noise(&low_rank(24, SHAPE, 2), 0.1, 4);
    let [real, complex] = [denoised(MpPca::default(), &noisy), {
        let found = denoised(MpPca::default(), &noisy.mapv(|value| Complex32::new(value, 0.0)));
        assert!(found.values.iter().all(|value| value.im.abs() < 1e-6));
        Denoised { values: found.values.mapv(|value| value.re), sigma: found.sigma, components: found.components }
    }];
    assert!(rms(&real.values, &complex.values) < 1e-5, "{}", rms(&real.values, &complex.values));
    assert_eq!(real.components, complex.components);
    let ratio = mean(&real.sigma) / mean(&complex.sigma);
    assert!((ratio - 2.0_f64.sqrt()).abs() < 1e-3, "{ratio}");
}

/// More frames than pixels: the smaller Gram matrix is the pixels'. Without a patch given, it grows.
#[test]
fn few_pixels_do() {
    let truth = low_rank(60, [1, 20, 20], 2);
    let noisy = with_noise(&truth, 0.1, 8);
    for (patch, pixels) in [(Some([1, 5, 5]), 25.0_f64), (Some([1, 7, 7]), 49.0), (None, 81.0)] {
        let theory = (2.0 / 60.0 + 3.0 / pixels - 4.0 / (60.0 * pixels)).sqrt();
        let found = denoised(MpPca { patch, step: 1 }, &noisy);
        let left = rms(&found.values, &truth) / 0.1;
        assert!((mean(&found.sigma) / 0.1 - 1.0).abs() < 0.02, "{patch:?}: {}", mean(&found.sigma));
        assert!(left < 1.05 * theory, "{patch:?}: {left}, not {theory}");
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let noisy = with_noise(&low_rank(12, [6, 14, 15], 2), 0.1, 6);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| denoised(MpPca::default(), &noisy).values)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn what_cannot_be_is_refused() {
    let series = with_noise(&Array4::zeros((6, 4, 8, 8)), 1.0, 2);
    let said = |method: MpPca, series: &Array4<f32>| {
        method.denoise(&series.view(), &Monitor::silent()).map(|_| ()).unwrap_err().to_string()
    };
    let plain = MpPca::default();
    assert!(said(plain, &series.slice(s![..1, .., .., ..]).to_owned()).contains("there are 1"));
    assert!(said(MpPca { step: 0, ..plain }, &series).contains("1 or more"));
    assert!(said(MpPca { patch: Some([1, 0, 3]), ..plain }, &series).contains("1 or more"));
    for patch in [[1; 3], [1, 1, 2], [1, 2, 3]] {
        assert!(said(MpPca { patch: Some(patch), ..plain }, &series).contains("too few"));
    }
    assert!(said(MpPca { patch: Some([2; 3]), step: 3 }, &series).contains("leaves out"));
    let mut broken = series.clone();
    broken[[2, 1, 3, 4]] = f32::NAN;
    assert!(said(plain, &broken).contains("[2, 1, 3, 4]"));
}
