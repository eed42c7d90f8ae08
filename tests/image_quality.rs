//! Task-based figures of merit on cases whose answer is known in closed form: spectra, blurs, signals in Gaussian noise.

use std::{
    f64::consts::{PI, TAU},
    sync::LazyLock,
};

use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use rayon::prelude::*;
use rushlight::{
    quality::{
        nps::{self, Detrend},
        observer::{self, Channels, Options, Validation},
        ttf::{self, Disk},
    },
    random::Draws,
};

// ---- what is known -------------------------------------------------------------------------------------------------

/// White Gaussian noise of variance 1.
fn white(seed: u64, [count, rows, columns]: [usize; 3]) -> Array3<f64> {
    let row = |index: usize| {
        let mut draws = Draws::new(seed, [index / rows, index % rows, 0]);
        (0..columns).map(|_| draws.normal()).collect::<Vec<_>>()
    };
    let values: Vec<Vec<f64>> = (0..count * rows).into_par_iter().map(row).collect();
    Array3::from_shape_vec((count, rows, columns), values.concat()).unwrap()
}

/// Every position of `kernel` wholly inside each image.
fn filtered(images: &Array3<f64>, kernel: ArrayView2<f64>) -> Array3<f64> {
    let (count, rows, columns) = images.dim();
    let (height, width) = (rows + 1 - kernel.nrows(), columns + 1 - kernel.ncols());
    let mut out = Array3::zeros((count, height, width));
    for ((y, x), weight) in kernel.indexed_iter() {
        out.scaled_add(*weight, &images.slice(s![.., y..y + height, x..x + width]));
    }
    out
}

fn single(images: Array3<f64>) -> Array3<f32> {
    images.mapv(|value| value as f32)
}

/// The normal distribution function, by its power series.
fn normal(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while term.abs() > 1e-17 {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / TAU.sqrt()
}

// ---- noise power spectrum ------------------------------------------------------------------------------------------

#[test]
fn white_noise_has_a_flat_spectrum_of_the_known_level() {
    let (sigma, pixel) = (3.0, [0.5, 0.4]);
    let noise = single(white(1, [200, 48, 64]) * sigma);
    let nps = nps::measure(noise.view(), pixel, Detrend::None).unwrap();
    let level = sigma * sigma * pixel[0] * pixel[1];
    // Each ring has the level within five standard errors, and nearly all within two and a half.
    let off: Vec<f64> = nps.radial.iter().zip(&nps.radial_error).map(|(p, error)| (p - level).abs() / error).collect();
    assert!(off.iter().all(|off| *off < 5.0), "{off:?}");
    assert!(off.iter().filter(|off| **off < 2.5).count() * 20 >= off.len() * 18, "{off:?}");
    // Errors are those of |DFT|², whose spread is its mean: 1/√(regions·modes/2).
    for (ring, error) in nps.radial_error.iter().enumerate().skip(1) {
        let theory = level / (200.0 * nps.modes[ring] as f64 / 2.0).sqrt();
        assert!((error / theory - 1.0).abs() < 0.35, "ring {ring}: {error} {theory}");
    }
    assert!((nps.plane.mean().unwrap() / level - 1.0).abs() < 5.0 * (2.0 / noise.len() as f64).sqrt());
    assert_eq!((nps.plane.dim(), nps.regions), ((48, 64), 200));
    assert!((nps.nyquist() - 1.0).abs() < 1e-12);
}

#[test]
fn the_integral_of_the_spectrum_is_the_variance() {
    for (rows, columns, detrend) in [(31, 40, Detrend::Mean), (32, 32, Detrend::None)] {
        let noise = single(white(2, [5, rows, columns]) * 7.0);
        let nps = nps::measure(noise.view(), [0.7, 0.3], detrend).unwrap();
        let squares = |image: ArrayView2<f32>| {
            let mean = if detrend == Detrend::Mean { f64::from(image.mean().unwrap()) } else { 0.0 };
            image.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / image.len() as f64
        };
        let variance = noise.outer_iter().map(squares).sum::<f64>() / 5.0;
        let cell = 1.0 / (rows as f64 * 0.7 * columns as f64 * 0.3);
        let rings: f64 = nps.radial.iter().zip(&nps.modes).map(|(power, modes)| power * *modes as f64).sum();
        for found in [nps.plane.sum() * cell, rings * cell, nps.variance] {
            assert!((found / variance - 1.0).abs() < 1e-6, "{found} {variance}");
        }
    }
}

#[test]
fn filtered_noise_has_its_filters_spectrum() {
    // Smooth along rows, a difference down columns: |H|² = cos⁴(πuΔx)·4 sin²(πvΔy), so that no axis can be taken for the other.
    let kernel = ndarray::arr2(&[[0.25, 0.5, 0.25], [-0.25, -0.5, -0.25]]);
    let (count, size, pixel, sigma) = (300, 64, [0.5, 0.5], 2.0);
    let noise = single(filtered(&white(3, [count, size + 1, size + 2]), kernel.view()) * sigma);
    let nps = nps::measure(noise.view(), pixel, Detrend::None).unwrap();
    let expected = Array2::from_shape_fn((size, size), |(y, x)| {
        let (v, u) = (nps.axes[0][y] * pixel[0], nps.axes[1][x] * pixel[1]);
        sigma * sigma * pixel[0] * pixel[1] * (PI * u).cos().powi(4) * 4.0 * (PI * v).sin().powi(2)
    });
    // Every element scatters by 1/√300 of itself; the border, 2 of 64 pixels, leaks the rest of the allowance.
    let squares = |values: &Array2<f64>| values.iter().map(|v| v * v).sum::<f64>();
    let scatter = squares(&(&nps.plane - &expected)) / squares(&expected) * count as f64;
    assert!((0.85..1.25).contains(&scatter), "{scatter}");
    // Rings: the mean of |H|² over each, within five standard errors and 2 % of the peak for the leak.
    let peak = expected.iter().copied().fold(0.0, f64::max);
    let mut sums = vec![0.0; nps.radial.len()];
    for ((y, x), power) in expected.indexed_iter() {
        let ring = nps.axes[0][y].hypot(nps.axes[1][x]) * size as f64 * 0.5;
        sums[ring.round() as usize] += power;
    }
    for (ring, sum) in sums.iter().enumerate() {
        let off = nps.radial[ring] - sum / nps.modes[ring] as f64;
        assert!(off.abs() < 5.0 * nps.radial_error[ring] + 0.02 * peak, "ring {ring}: {off} of {peak}");
    }
}

#[test]
fn repeats_lose_their_object_but_not_their_variance() {
    let (count, sigma) = (6, 5.0);
    let object = |y: usize, x: usize| if (y as f64 - 20.0).hypot(x as f64 - 11.0) < 9.0 { 300.0 } else { -1000.0 };
    let mut images = white(4, [count, 64, 64]) * sigma;
    images.indexed_iter_mut().for_each(|((_, y, x), value)| *value += object(y, x));
    let nps = nps::of_repeats(single(images).view(), [1.0; 2]).unwrap();
    // (n − 1)·64² degrees of freedom; without n/(n − 1) the variance would be 17 % too low.
    let error = (2.0 / ((count - 1) as f64 * 4096.0)).sqrt();
    assert!((nps.variance / (sigma * sigma) - 1.0).abs() < 4.0 * error, "{}", nps.variance);
}

// ---- task transfer function ----------------------------------------------------------------------------------------

/// A disk of height 1 blurred by a Gaussian, `at` from its middle: its chords by the normal distribution, summed.
fn blurred(at: f64, radius: f64, sigma: f64) -> f64 {
    let steps = 400;
    let reach = radius.min(7.0 * sigma);
    let chord = |i: usize| {
        let y = reach * ((i as f64 + 0.5) / steps as f64 * 2.0 - 1.0);
        let half = (radius * radius - y * y).sqrt();
        let weight = (-y * y / (2.0 * sigma * sigma)).exp() / (sigma * TAU.sqrt());
        weight * (normal((half - at) / sigma) - normal((-half - at) / sigma))
    };
    (0..steps).map(chord).sum::<f64>() * 2.0 * reach / steps as f64
}

const SIGMA: f64 = 0.7;
const PIXEL: f64 = 0.5;
const RADIUS: f64 = 12.0;
/// The disk's centre in pixels.
const CENTER: [f64; 2] = [48.37, 51.81];

/// The blurred disk by distance from its middle, in hundredths of a millimetre.
static PROFILE: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..6000).into_par_iter().map(|i| blurred(i as f64 * 0.01, RADIUS, SIGMA)).collect());

/// 100 × 96 pixels of the blurred disk, on a background of 1000, contrast `contrast`; `samples`² points a pixel.
fn disk(contrast: f64, samples: usize) -> Array2<f64> {
    let profile = |distance: f64| {
        let (at, part) = ((distance * 100.0) as usize, (distance * 100.0).fract());
        PROFILE[at] + (PROFILE[at + 1] - PROFILE[at]) * part
    };
    Array2::from_shape_fn((100, 96), |(y, x)| {
        let offset = |i: usize| (i as f64 + 0.5) / samples as f64 - 0.5;
        let point = |i: usize| {
            let (dx, dy) = (x as f64 + offset(i % samples) - CENTER[0], y as f64 + offset(i / samples) - CENTER[1]);
            profile(dx.hypot(dy) * PIXEL)
        };
        1000.0 + contrast * (0..samples * samples).map(point).sum::<f64>() / (samples * samples) as f64
    })
}

fn stack(image: &Array2<f64>) -> Array3<f32> {
    single(image.clone().insert_axis(Axis(0)))
}

/// Given 1.3 pixels too far left and 0.8 too low.
const GIVEN: Disk = Disk { center: [CENTER[0] - 1.3, CENTER[1] + 0.8], radius: RADIUS / PIXEL };

#[test]
fn a_gaussian_blur_has_its_transfer_function() {
    let found = ttf::measure(stack(&disk(-80.0, 1)).view(), PIXEL, GIVEN, &ttf::Options::default()).unwrap();
    let mut worst = 0.0_f64;
    for (f, value) in found.frequencies.iter().zip(&found.values).take_while(|(f, _)| **f < 1.0) {
        let expected = (-2.0 * PI * PI * SIGMA * SIGMA * f * f).exp();
        assert!((value - expected).abs() < 0.002, "at {f}/mm: {value} instead of {expected}");
        worst = worst.max((value - expected).abs());
    }
    println!("Gaussian blur: at worst {worst:.5} off, f50 {:?}, disk {:?}", found.f50, found.disk);
    let falls_to = |level: f64| (-f64::ln(level) / (2.0 * PI * PI)).sqrt() / SIGMA;
    assert!((found.f50.unwrap() / falls_to(0.5) - 1.0).abs() < 0.005, "{:?}", found.f50);
    assert!((found.f10.unwrap() / falls_to(0.1) - 1.0).abs() < 0.005, "{:?}", found.f10);
    assert!((found.contrast + 80.0).abs() < 0.1, "{}", found.contrast);
    let [x, y] = found.disk.center;
    assert!((x - CENTER[0]).hypot(y - CENTER[1]) < 0.01, "{x} {y}");
    assert!((found.frequencies.last().unwrap() - 2.0).abs() < 1e-9);
}

#[test]
fn area_sampling_adds_the_pixels_aperture() {
    let found = ttf::measure(stack(&disk(100.0, 8)).view(), PIXEL, GIVEN, &ttf::Options::default()).unwrap();
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    for (f, value) in found.frequencies.iter().zip(&found.values).take_while(|(f, _)| **f < 1.0) {
        // The edge runs in all directions: the mean over them.
        let aperture = (0..360).map(|degree| f64::from(degree).to_radians().sin_cos());
        let aperture: f64 =
            aperture.map(|(sin, cos)| sinc(f * PIXEL * cos) * sinc(f * PIXEL * sin)).sum::<f64>() / 360.0;
        let expected = aperture * (-2.0 * PI * PI * SIGMA * SIGMA * f * f).exp();
        assert!((value - expected).abs() < 0.005, "at {f}/mm: {value} instead of {expected}");
    }
}

#[test]
fn repeats_beat_the_noise() {
    let (count, contrast, sigma) = (100, 40.0, 20.0);
    let mut images = white(5, [count, 100, 96]) * sigma;
    images.outer_iter_mut().for_each(|mut image| image += &disk(contrast, 1));
    let found = ttf::measure(single(images).view(), PIXEL, GIVEN, &ttf::Options::default()).unwrap();
    let expected = (-f64::ln(0.5) / (2.0 * PI * PI)).sqrt() / SIGMA;
    assert!((found.f50.unwrap() / expected - 1.0).abs() < 0.03, "{:?} {expected}", found.f50);
    assert!((found.contrast - contrast).abs() < 0.5, "{}", found.contrast);
    // A pixel of the mean has a noise of 20/√100; the disk has π24² pixels.
    let cnr = contrast / 2.0 * (PI * 24.0 * 24.0_f64).sqrt();
    assert!((found.total_cnr / cnr - 1.0).abs() < 0.1, "{} {cnr}", found.total_cnr);
}

#[test]
fn the_jackknife_knows_the_scatter_of_f50() {
    let (count, object) = (10, disk(40.0, 1));
    let measured = |seed: u64| {
        let mut images = white(seed, [count, 100, 96]) * 10.0;
        images.outer_iter_mut().for_each(|mut image| image += &object);
        let found = ttf::measure(single(images).view(), PIXEL, GIVEN, &ttf::Options::default()).unwrap();
        (found.f50.unwrap(), found.f50_error.unwrap())
    };
    let found: Vec<_> = (50..66).map(measured).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
    let scatter = (mean(|f| f.0 * f.0) - mean(|f| f.0).powi(2)).sqrt();
    println!("f50: scatter of 16 ensembles {scatter:.5}/mm, mean jackknife error {:.5}/mm", mean(|f| f.1));
    assert!((0.6..1.6).contains(&(mean(|f| f.1) / scatter)), "{} {scatter}", mean(|f| f.1));
}

#[test]
fn a_disk_must_be_there() {
    let message = |image: &Array3<f32>, disk: Disk| {
        ttf::measure(image.view(), PIXEL, disk, &ttf::Options::default()).unwrap_err().to_string()
    };
    let noise = single(white(6, [1, 100, 96]));
    assert!(message(&noise, GIVEN).contains("no disk"), "{}", message(&noise, GIVEN));
    assert!(message(&Array3::from_elem((1, 100, 96), 7.0), GIVEN).contains("no disk"));
    // Twenty pixels beside the disk its edge is met, but nothing of its shape.
    let beside = Disk { center: [CENTER[0] + 12.0, CENTER[1]], ..GIVEN };
    assert!(message(&stack(&disk(50.0, 1)), beside).contains("no disk"));
    let outside = Disk { center: [20.0, 50.0], ..GIVEN };
    assert!(message(&stack(&disk(50.0, 1)), outside).contains("border"));
    assert!(message(&stack(&disk(50.0, 1)), Disk { radius: 2.0, ..GIVEN }).contains("at least 3"));
}

// ---- channelised Hotelling observer --------------------------------------------------------------------------------

const SIZE: usize = 32;

/// `of(x, y)` from the middle of a region.
fn region(of: impl Fn(f64, f64) -> f64) -> Array2<f64> {
    let middle = (SIZE as f64 - 1.0) / 2.0;
    Array2::from_shape_fn((SIZE, SIZE), |(y, x)| of(x as f64 - middle, y as f64 - middle))
}

fn gaussian_signal(height: f64, width: f64) -> Array2<f64> {
    region(|x, y| height * (-(x * x + y * y) / (2.0 * width * width)).exp())
}

/// The sparse difference-of-Gaussians channels, as Abbey and Barrett define them over frequency, taken to space.
fn sparse_channels() -> Vec<Array2<f64>> {
    let gaussian = |s: f64, square: f64| TAU * s * s * (-2.0 * PI * PI * s * s * square).exp();
    [0.015, 0.03, 0.06].map(|s| region(|x, y| gaussian(2.0 * s, x * x + y * y) - gaussian(s, x * x + y * y))).into()
}

fn dot(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// aᵀK⁻¹a by elimination.
fn quadratic_form(mut k: Vec<Vec<f64>>, a: &[f64]) -> f64 {
    let n = a.len();
    let mut x = a.to_vec();
    for i in 0..n {
        for j in (0..n).filter(|j| *j != i) {
            let factor = k[j][i] / k[i][i];
            let row = k[i].clone();
            k[j].iter_mut().zip(&row).for_each(|(a, b)| *a -= factor * b);
            x[j] -= factor * x[i];
        }
    }
    (0..n).map(|i| a[i] * x[i] / k[i][i]).sum()
}

/// The population's d′ = √(sᵀU(UᵀKU)⁻¹Uᵀs), K that of white noise `sigma` seen through `kernel`.
fn known_dprime(channels: &[Array2<f64>], signal: &Array2<f64>, kernel: ArrayView2<f64>, sigma: f64) -> f64 {
    // uᵀKu′ = σ²·(Hᵀu)·(Hᵀu′): each channel spread over the white pixels that it is made of.
    let spread = |channel: &Array2<f64>| {
        let mut out = Array2::zeros((SIZE + kernel.nrows() - 1, SIZE + kernel.ncols() - 1));
        for ((y, x), weight) in kernel.indexed_iter() {
            out.slice_mut(s![y..y + SIZE, x..x + SIZE]).scaled_add(*weight, channel);
        }
        out * sigma
    };
    let spread: Vec<_> = channels.iter().map(spread).collect();
    let covariance = spread.iter().map(|a| spread.iter().map(|b| dot(a, b)).collect()).collect();
    let seen: Vec<f64> = channels.iter().map(|channel| dot(channel, signal)).collect();
    quadratic_form(covariance, &seen).sqrt()
}

/// `count` regions with and as many without the signal, on a level of 1000.
fn pair(seed: u64, count: usize, signal: &Array2<f64>, kernel: ArrayView2<f64>, sigma: f64) -> [Array3<f32>; 2] {
    let size = [count, SIZE + kernel.nrows() - 1, SIZE + kernel.ncols() - 1];
    [signal.clone(), signal * 0.0].map(|signal| {
        let seed = 2 * seed + u64::from(signal.iter().any(|v| *v != 0.0));
        let mut images = filtered(&white(seed, size), kernel) * sigma + 1000.0;
        images.outer_iter_mut().for_each(|mut image| image += &signal);
        single(images)
    })
}

/// Studies of 200 + 200 images: how many of 60 have the known d′ and AUC = Φ(d′/√2) in their intervals, and the means.
fn coverage(channels: &Channels, signal: &Array2<f64>, kernel: ArrayView2<f64>, sigma: f64, dprime: f64) -> [f64; 4] {
    let auc = normal(dprime / 2.0_f64.sqrt());
    let inside = |value: f64, [low, high]: [f64; 2]| f64::from(u8::from(low <= value && value <= high));
    let mut sums = [0.0; 4];
    for seed in 0..60 {
        let [present, absent] = pair(seed, 200, signal, kernel, sigma);
        let found = observer::study(present.view(), absent.view(), channels, &Options::default()).unwrap();
        let held = [inside(dprime, found.dprime_interval), inside(auc, found.auc_interval), found.dprime, found.auc];
        sums.iter_mut().zip(held).for_each(|(sum, value)| *sum += value);
    }
    [sums[0], sums[1], sums[2] / 60.0, sums[3] / 60.0]
}

#[test]
fn a_matched_channel_makes_the_ideal_observer_in_white_noise() {
    // The first Laguerre–Gauss channel is the signal itself where exp(−πr²/a²) = exp(−r²/2w²): d′ = |s|/σ.
    let (width, sigma) = (3.0, 10.0);
    let signal = gaussian_signal(2.0, width);
    let dprime = dot(&signal, &signal).sqrt() / sigma;
    assert!((dprime - 2.0 * PI.sqrt() * width / sigma).abs() < 1e-4, "the integral of the signal's square");
    let channels = observer::channels::LaguerreGauss { width: width * TAU.sqrt(), count: 4 }.into();
    let [held, auc_held, mean, auc] = coverage(&channels, &signal, ndarray::arr2(&[[1.0]]).view(), sigma, dprime);
    println!(
        "white noise: d′ {dprime:.4}, mean of 60 studies {mean:.4}, AUC {auc:.4}; held {held} and {auc_held} of 60"
    );
    assert!(held >= 52.0 && auc_held >= 52.0, "{held} {auc_held} of 60");
    assert!((mean - dprime).abs() < 0.06, "{mean} {dprime}");
}

#[test]
fn correlated_noise_has_its_closed_form() {
    // Noise without low frequencies, as filtered backprojection makes it: a Laplacian of smoothed white noise.
    let kernel = ndarray::arr2(&[
        [0.0, -0.1, -0.1, -0.1, 0.0],
        [-0.1, 0.1, 0.2, 0.1, -0.1],
        [-0.1, 0.2, 0.6, 0.2, -0.1],
        [-0.1, 0.1, 0.2, 0.1, -0.1],
        [0.0, -0.1, -0.1, -0.1, 0.0],
    ]);
    let (sigma, signal) = (20.0, region(|x, y| if x.hypot(y) < 4.0 { 4.0 } else { 0.0 }));
    let dprime = known_dprime(&sparse_channels(), &signal, kernel.view(), sigma);
    let channels = Channels::named("dog", 4.0).unwrap();
    let [held, auc_held, mean, auc] = coverage(&channels, &signal, kernel.view(), sigma, dprime);
    println!(
        "correlated: d′ {dprime:.4}, mean of 60 studies {mean:.4}, AUC {auc:.4}; held {held} and {auc_held} of 60"
    );
    assert!(dprime > 1.0 && dprime < 2.5, "{dprime}: neither lost nor obvious");
    assert!(held >= 52.0 && auc_held >= 52.0, "{held} {auc_held} of 60");
    assert!((mean - dprime).abs() < 0.06, "{mean} {dprime}");
}

#[test]
fn without_a_signal_only_resubstitution_sees_one() {
    let nothing = gaussian_signal(0.0, 3.0);
    let one = ndarray::arr2(&[[1.0]]);
    let [a, _] = pair(100, 60, &nothing, one.view(), 5.0);
    let [b, _] = pair(101, 60, &nothing, one.view(), 5.0);
    let dprime = |validation| {
        let options = Options { validation, ..Options::default() };
        let channels = Channels::named("gabor", 3.0).unwrap();
        observer::study(a.view(), b.view(), &channels, &options).unwrap()
    };
    // 40 channels trained on 120 images: 2·40/60 of squared d′ are noise alone, and more for the inverse's own noise.
    assert!(dprime(Validation::Resubstitution).dprime > 1.1);
    let found = dprime(Validation::LeaveOneOut);
    assert!(found.dprime_interval[0] <= 0.0 && found.auc_interval[0] <= 0.5, "{found:?}");
}

#[test]
fn a_part_held_out_gives_the_same_within_its_interval() {
    let signal = gaussian_signal(2.0, 3.0);
    let one = ndarray::arr2(&[[1.0]]);
    let dprime = known_dprime(&sparse_channels(), &signal, one.view(), 8.0);
    let [present, absent] = pair(7, 600, &signal, one.view(), 8.0);
    let options = Options { validation: Validation::HoldOut { training: 0.5 }, ..Options::default() };
    let channels = Channels::named("dog", 3.0).unwrap();
    let found = observer::study(present.view(), absent.view(), &channels, &options).unwrap();
    assert_eq!(found.images, [300, 300]);
    assert!(found.dprime_interval[0] < dprime && dprime < found.dprime_interval[1], "{found:?} {dprime}");
    let again = observer::study(present.view(), absent.view(), &channels, &options).unwrap();
    assert_eq!(found, again, "the same seed");
}

#[test]
fn a_signal_beside_the_middle_is_looked_for_there() {
    let signal = gaussian_signal(2.0, 2.0);
    let [present, absent] = pair(9, 200, &signal, ndarray::arr2(&[[1.0]]).view(), 4.0);
    // Ten columns and five rows are cut off: the middle of what was is 5.5, 10.5 now.
    let (present, absent) = (present.slice(s![.., 5.., 10..]), absent.slice(s![.., 5.., 10..]));
    let study = |center| {
        let options = Options { center, ..Options::default() };
        observer::study(present, absent, &Channels::named("lg", 3.0).unwrap(), &options).unwrap().dprime
    };
    let (there, elsewhere) = (study(Some([5.5, 10.5])), study(Some([15.5, 20.5])));
    assert!(there > 1.4 && elsewhere < 0.5, "{there} {elsewhere}");
    let outside = Options { center: Some([40.0, 3.0]), ..Options::default() };
    let channels = Channels::named("lg", 3.0).unwrap();
    assert!(observer::study(present, absent, &channels, &outside).unwrap_err().to_string().contains("outside"));
}
