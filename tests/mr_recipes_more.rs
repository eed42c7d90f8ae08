//! Recipes for MR without regularised least squares or with more than one frame, on phantoms whose k-space is known in closed
//! form: metric floors, and what each method promises.

use ndarray::{Array3, Array4, Array5, Axis, concatenate, s};
use num_complex::Complex32;
use rushlight::{
    calibration::{Espirit, Grappa},
    device::Device,
    functionals::{LocallyLowRank, Proximal},
    geometry::{
        Grid, Mask, Sampling,
        sampling::{Design, Options},
    },
    monitor::Monitor,
    phantom::{CoilMaps, Phantom},
    random::Draws,
    recipes::mr::{self, Combine, MrOptions, MrReconstruction, PartialFourier},
    scan::{CoilNoise, Encoding, FrameAxis, KSpace},
};

const HEAD: &str = "shepp-logan-toft";

fn grid(n: usize) -> Grid {
    let width = Phantom::named(HEAD).unwrap().frame;
    Grid::centered([1, n, n], [width / n as f64; 3], [0.0; 3])
}

fn truth(n: usize) -> Array3<f32> {
    Phantom::named(HEAD).unwrap().signal(&grid(n)).unwrap().values
}

fn sampled(design: &str, options: &Options) -> Sampling {
    Design::named(design).unwrap().sample(options).unwrap()
}

fn options(n: usize, acceleration: f64, calibration: usize) -> Options {
    Options { matrix: [1, n, n], acceleration, calibration, seed: 1, ..Options::default() }
}

/// The head seen by so many coils; one coil is uniform.
fn scan(n: usize, coils: usize, sampling: &Sampling) -> KSpace {
    let maps = if coils == 1 { CoilMaps::uniform() } else { CoilMaps::around(coils, &grid(n)).unwrap() };
    Phantom::named(HEAD).unwrap().kspace(&grid(n), sampling, &maps).unwrap()
}

fn full(n: usize) -> Sampling {
    Sampling::Mask(Mask::full([1, n, n]))
}

fn made(name: &str, scan: KSpace, options: &MrOptions) -> MrReconstruction {
    mr::named(name, options).unwrap().reconstruct(scan, &Device::cpu(), &Monitor::silent()).unwrap()
}

fn refused(name: &str, scan: KSpace, options: &MrOptions, word: &str) {
    let error = mr::named(name, options).unwrap().reconstruct(scan, &Device::cpu(), &Monitor::silent());
    let error = error.expect_err("it worked").to_string();
    assert!(error.contains(word) && error.lines().count() == 1, "'{word}' is not in: {error}");
}

/// ‖c·|x| − t‖/‖t‖ with the best c, as coils may have any common scale.
fn error(image: &Array4<Complex32>, truth: &Array3<f32>) -> f64 {
    let (mut mixed, mut square, mut whole) = (0.0, 0.0, 0.0);
    for (x, t) in image.index_axis(Axis(0), 0).iter().zip(truth) {
        let (x, t) = (f64::from(x.norm()), f64::from(*t));
        (mixed, square, whole) = (mixed + x * t, square + x * x, whole + t * t);
    }
    (1.0 - mixed * mixed / (square * whole)).max(0.0).sqrt()
}

fn distance(a: &Array4<Complex32>, b: &Array4<Complex32>) -> f64 {
    let square = |values: &mut dyn Iterator<Item = Complex32>| values.map(|v| f64::from(v.norm_sqr())).sum::<f64>();
    (square(&mut a.iter().zip(b).map(|(a, b)| a - b)) / square(&mut b.iter().copied())).sqrt()
}

#[test]
fn a_full_scan_is_the_head_however_its_coils_are_combined() {
    let n = 96;
    for combine in [None, Some(Combine::Adaptive), Some(Combine::RootSumOfSquares)] {
        let image =
            made("zero-filled", scan(n, 8, &full(n)), &MrOptions { combine, ..Default::default() }).image.values;
        let found = error(&image, &truth(n));
        println!("{combine:?}: {found:.4}");
        assert!(found < 0.14, "{combine:?}: {found}");
        // The phantom is real; only the adaptive combination knows a phase, which may be any constant.
        let real = combine == Some(Combine::RootSumOfSquares);
        assert_eq!(image.iter().all(|value| value.im == 0.0), real);
    }
    let shared = made("zero-filled", scan(n, 8, &full(n)), &MrOptions::default()).image.values;
    let root = MrOptions { combine: Some(Combine::RootSumOfSquares), ..Default::default() };
    let root = made("zero-filled", scan(n, 8, &full(n)), &root).image.values;
    let inside = truth(n).mapv(|value| value > 0.1);
    for ((a, b), _) in shared.iter().zip(&root).zip(&inside).filter(|(_, inside)| **inside) {
        assert!((a.norm() / b.norm() - 1.0).abs() < 0.05, "{a} {b}");
    }
}

#[test]
fn gridding_needs_neither_maps_nor_a_grid() {
    let n = 64;
    let radial = sampled("radial", &options(n, 1.0, 0));
    let image = made("zero-filled", scan(n, 6, &radial), &MrOptions::default()).image.values;
    let found = error(&image, &truth(n));
    println!("gridded: {found:.4}");
    assert!(found < 0.25, "{found}");
    refused("grappa", scan(n, 6, &radial), &MrOptions::default(), "trajectory");
}

#[test]
fn grappa_fills_regular_and_irregular_gaps() {
    let n = 96;
    for (design, options, part) in [
        ("equispaced", options(n, 2.0, 16), 0.35),
        ("equispaced", options(n, 3.0, 20), 0.6),
        ("poisson", options(n, 3.0, 20), 0.6),
    ] {
        let sampling = sampled(design, &options);
        let combine = MrOptions { combine: Some(Combine::Adaptive), ..Default::default() };
        let whole = made("zero-filled", scan(n, 8, &full(n)), &combine).image.values;
        let magnitudes = |image: Array4<Complex32>| image.mapv(|value| Complex32::new(value.norm(), 0.0));
        let [filled, zeros] = ["grappa", "zero-filled"].map(|name| {
            distance(&magnitudes(made(name, scan(n, 8, &sampling), &combine).image.values), &magnitudes(whole.clone()))
        });
        println!("{design} {}: grappa {filled:.4}, zeros {zeros:.4}", options.acceleration);
        assert!(filled < part * zeros, "{design}: {filled} of {zeros}");
    }
}

#[test]
fn half_of_k_space_is_enough_for_a_real_object() {
    // An odd matrix, so that every sample has its mirror image.
    let n = 65;
    let half = sampled("partial-fourier", &Options { fraction: 0.6, ..options(n, 1.0, 0) });
    let whole = made("zero-filled", scan(n, 1, &full(n)), &MrOptions::default()).image.values;
    let zeros = distance(&made("zero-filled", scan(n, 1, &half), &MrOptions::default()).image.values, &whole);
    assert!(zeros > 0.05, "{zeros}");
    for (partial_fourier, most) in [(PartialFourier::Pocs, 1e-3), (PartialFourier::Homodyne, 1e-4)] {
        let options = MrOptions { partial_fourier, ..Default::default() };
        let found = distance(&made("partial-fourier", scan(n, 1, &half), &options).image.values, &whole);
        println!("{partial_fourier:?}: {found:.2e}, zeros {zeros:.2e}");
        assert!(found < most, "{partial_fourier:?}: {found}");
    }
    refused("partial-fourier", scan(n, 1, &full(n)), &MrOptions::default(), "one side");
}

#[test]
fn partial_fourier_with_coils_beats_zeros_on_either_side() {
    let n = 96;
    let Sampling::Mask(mut mask) = sampled("partial-fourier", &Options { fraction: 0.6, ..options(n, 1.0, 0) }) else {
        panic!("a mask");
    };
    for _ in 0..2 {
        let sampling = Sampling::Mask(mask.clone());
        let [pocs, zeros] = ["partial-fourier", "zero-filled"]
            .map(|name| error(&made(name, scan(n, 8, &sampling), &MrOptions::default()).image.values, &truth(n)));
        println!("pocs {pocs:.4}, zeros {zeros:.4}");
        assert!(pocs < 0.9 * zeros, "{pocs} {zeros}");
        mask.sampled.reverse();
    }
}

#[test]
fn nlinv_finds_image_and_coils() {
    let n = 64;
    let sampling = sampled("equispaced", &options(n, 3.0, 12));
    let [joint, zeros] = ["nlinv", "zero-filled"]
        .map(|name| error(&made(name, scan(n, 8, &sampling), &MrOptions::default()).image.values, &truth(n)));
    println!("nlinv {joint:.4}, zeros {zeros:.4}");
    assert!(joint < 0.75 * zeros, "{joint} {zeros}");
    refused("nlinv", scan(n, 8, &sampled("radial", &options(n, 2.0, 0))), &MrOptions::default(), "trajectory");
}

/// A head that only changes its brightness, each frame sampled in its own way.
fn series(n: usize, frames: usize) -> (KSpace, Vec<f32>) {
    let gains: Vec<f32> = (0..frames).map(|frame| 1.0 + 0.5 * (frame as f32).sin()).collect();
    let (mut masks, mut parts) = (Vec::new(), Vec::<Array5<Complex32>>::new());
    for (frame, gain) in gains.iter().enumerate() {
        let sampling = sampled("poisson", &Options { seed: frame as u64 + 1, ..options(n, 4.0, 16) });
        let mut one = scan(n, 6, &sampling);
        CoilNoise { sigma: 0.1, covariance: ndarray::Array2::eye(6), seed: frame as u64 }.apply(&mut one).unwrap();
        parts.push(one.samples.mapv(|value| value * gain));
        let Sampling::Mask(mask) = sampling else { panic!("a mask") };
        masks.push(mask);
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let samples = concatenate(Axis(0), &views).unwrap();
    let first = scan(n, 6, &full(n));
    let axes = vec![(FrameAxis::Repetition, frames)];
    (KSpace { samples, encoding: Encoding::Cartesian(masks), axes, noise: None, ..first }, gains)
}

#[test]
fn a_series_of_low_rank_helps_each_of_its_frames() {
    let (n, frames) = (64, 8);
    let (scan, gains) = series(n, frames);
    let truth = truth(n);
    let [together, alone] = ["low-rank", "sense"].map(|name| {
        let values = made(name, scan.clone(), &MrOptions::default()).image.values;
        assert_eq!(values.dim(), (frames, 1, n, n));
        let frame =
            |frame: usize| error(&values.slice(s![frame..frame + 1, .., .., ..]).to_owned(), &(&truth * gains[frame]));
        (0..frames).map(frame).sum::<f64>() / frames as f64
    });
    println!("low-rank {together:.4}, frame by frame {alone:.4}");
    assert!(together < 0.75 * alone, "{together} {alone}");
    let mut single = scan;
    single.samples = single.samples.slice(s![..1, .., .., .., ..]).to_owned();
    single.axes = vec![];
    single.encoding = match single.encoding {
        Encoding::Cartesian(masks) => Encoding::Cartesian(masks[..1].to_vec()),
        other => other,
    };
    refused("low-rank", single, &MrOptions::default(), "series");
}

#[test]
fn a_law_between_neighbours_is_found() {
    // Each number is −0.97i times its left neighbour in the other coil: the kernel of that neighbour alone says so.
    let mut data = Array4::<Complex32>::zeros((2, 1, 9, 40));
    for y in 0..9 {
        let mut draws = Draws::new(3, [y, 0, 0]);
        for coil in 0..2 {
            data[[coil, 0, y, 0]] = Complex32::new(draws.normal() as f32, draws.normal() as f32);
        }
        for (x, coil) in (1..40).flat_map(|x| (0..2).map(move |coil| (x, coil))) {
            data[[coil, 0, y, x]] = Complex32::new(0.0, -0.97) * data[[1 - coil, 0, y, x - 1]];
        }
    }
    let weights = Grappa::new(data.view(), [1, 3, 3]).unwrap().weights(1 << 3, 1.0, 1.0);
    assert_eq!(weights.points, [3]);
    let expected = [(0.0, 0.0), (0.0, -0.97), (0.0, -0.97), (0.0, 0.0)];
    for (found, (re, im)) in weights.values.iter().zip(expected) {
        assert!((found - Complex32::new(re, im)).norm() < 1e-3, "{found} is not {re} + {im}i");
    }
}

#[test]
fn singular_values_lose_the_threshold() {
    // 3·u₁v₁ᴴ + 1·u₂v₂ᴴ of columns of Fourier matrices, 2 × 3 pixels and 4 frames, threshold 1.5: 1.5·u₁v₁ᴴ is left.
    let (pixels, frames, nx) = (6, 4, 3);
    let wave = |n: usize, k: usize, i: usize| {
        Complex32::from_polar(1.0 / (n as f32).sqrt(), std::f32::consts::TAU * (k * i) as f32 / n as f32)
    };
    let entry = |weights: [f32; 2], i: usize, j: usize| -> Complex32 {
        (0..2).map(|k| wave(pixels, k + 1, i) * wave(frames, k, j).conj() * weights[k]).sum()
    };
    // Lines of real parts, then of imaginary ones.
    let planar = |weights: [f32; 2]| -> Vec<f32> {
        let number = |index: usize| {
            let (line, part, x) = (index / (2 * nx), index / nx % 2, index % nx);
            let value = entry(weights, line % 2 * nx + x, line / 2);
            if part == 0 { value.re } else { value.im }
        };
        (0..2 * pixels * frames).map(number).collect()
    };
    let device = Device::cpu();
    let mut x = device.upload(&[2 * frames, 2, nx], planar([3.0, 1.0])).unwrap();
    LocallyLowRank::new(&device, frames, [1, 2, 3], 3, Some(1)).prox(1.5, &mut x).unwrap();
    for (found, expected) in device.download::<f32>(&x).unwrap().iter().zip(planar([1.5, 0.0])) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
}

#[test]
fn without_a_threshold_nothing_changes_wherever_the_blocks_lie() {
    let device = Device::cpu();
    let low = LocallyLowRank::new(&device, 3, [2, 13, 19], 4, Some(1));
    let values: Vec<f32> = (0..3 * 2 * 13 * 2 * 19).map(|i| Draws::new(2, [i, 0, 0]).normal() as f32).collect();
    let mut x = device.upload(&[3 * 2 * 13, 2, 19], &values).unwrap();
    for round in 0..3 {
        low.prox(0.0, &mut x).unwrap();
        let found: Vec<f32> = device.download(&x).unwrap();
        assert!(found.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-5), "{round}");
    }
}

/// The head on half of the field of view that it needs along y, so that a pixel shows two of its places; and Σ|coil|² of what
/// is to be seen, √.
fn folded(n: usize) -> (KSpace, Array3<f32>) {
    let (whole, half) = (scan(n, 8, &full(n)), n / 2);
    // Every other line: zero frequency at n/2 comes to lie at n/4.
    let samples = whole.samples.slice(s![.., .., .., ..;2, ..]).to_owned();
    let maps = CoilMaps::around(8, &grid(n)).unwrap().at_voxels([1, n, n]);
    let truth = truth(n);
    let seen = Array3::from_shape_fn([1, half, n], |(_, y, x)| {
        let places = [(y + n / 4) % n, (y + n / 4 + half) % n];
        let coil =
            |coil: usize| -> Complex32 { places.iter().map(|y| maps[[coil, 0, *y, x]] * truth[[0, *y, x]]).sum() };
        (0..8).map(|index| coil(index).norm_sqr()).sum::<f32>().sqrt()
    });
    (KSpace::cartesian(samples).unwrap(), seen)
}

#[test]
fn two_sets_of_maps_see_an_object_larger_than_the_field_of_view() {
    let (mut scan, seen) = folded(128);
    // Every other line but for 24 in the middle.
    let kept = |y: usize| y.is_multiple_of(2) || (20..44).contains(&y);
    for (y, mut line) in scan.samples.axis_iter_mut(Axis(3)).enumerate() {
        line.mapv_inplace(|value| if kept(y) { value } else { Complex32::ZERO });
    }
    let scan = KSpace::cartesian(scan.samples).unwrap();
    let with = |sets: usize, soft: bool| {
        let espirit = Espirit { sets: Some(sets), soft, ..Espirit::default() };
        error(&made("sense", scan.clone(), &MrOptions { espirit, ..Default::default() }).image.values, &seen)
    };
    let (one, two, soft) = (with(1, false), with(2, false), with(2, true));
    println!("one set {one:.4}, two {two:.4}, two that fade {soft:.4}");
    assert!(two < 0.07 && soft < 0.07 && one > 2.0 * two, "{one} {two} {soft}");
    let espirit = Espirit { sets: Some(2), ..Espirit::default() };
    refused("tv", scan, &MrOptions { espirit, ..Default::default() }, "for --method sense");
}
