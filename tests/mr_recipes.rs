//! MR recipes on exact scans of phantoms, judged against the fully sampled scan without noise: error floors, strengths, maps,
//! frames, devices, threads.

use std::f64::consts::PI;

use ndarray::{Array2, Array3, Array4, Array5, Axis, concatenate};
use num_complex::{Complex32, Complex64};
use rushlight::{
    device::Device,
    geometry::{
        Grid, Mask, Sampling,
        sampling::{Design, Options},
    },
    monitor::Monitor,
    phantom::{CoilMaps, Phantom},
    recipes::{
        Iteration, Strength,
        mr::{self, MrOptions},
    },
    scan::{CoilNoise, Encoding, FrameAxis, KSpace},
};

mod devices;

/// Extent of images, unless a test says otherwise.
const N: usize = 64;
const COILS: usize = 8;

/// A scan of a phantom, and what it would show if all were sampled and nothing noisy.
struct Case {
    name: &'static str,
    scan: KSpace,
    maps: Array4<Complex32>,
    truth: Array3<f64>,
}

/// Exact k-space of `n` × `n` points with noise of `sigma` a sample and coil.
fn case(name: &'static str, (phantom, n): (&str, usize), (design, acceleration): (&str, f64), sigma: f64) -> Case {
    let phantom = Phantom::named(phantom).unwrap();
    let grid = Grid::centered([1, n, n], [phantom.frame / n as f64; 3], [0.0; 3]);
    let coils = CoilMaps::around(COILS, &grid).unwrap();
    let calibration = if design == "radial" { 0 } else { 20 };
    let options = Options { matrix: [1, n, n], acceleration, calibration, seed: 3, ..Options::default() };
    let sampling = Design::named(design).unwrap().sample(&options).unwrap();
    let mut scan = phantom.kspace(&grid, &sampling, &coils).unwrap();
    CoilNoise { sigma, covariance: Array2::eye(COILS), seed: 5 }.apply(&mut scan).unwrap();
    scan.noise = None;
    let full = phantom.kspace(&grid, &Sampling::Mask(Mask::full([1, n, n])), &coils).unwrap();
    let maps = coils.at_voxels([1, n, n]);
    let truth = combined(&image(&full.samples), &maps).mapv(|value| value.norm());
    Case { name, scan, maps, truth }
}

fn poisson(n: usize) -> Case {
    case("Poisson disc, R = 4", ("shepp-logan-toft", n), ("poisson", 4.0), 0.01)
}

fn radial(n: usize) -> Case {
    case("radial, R = 4", ("shepp-logan-toft", n), ("radial", 4.0), 0.02)
}

/// The orthonormal centred inverse transform of each coil by sums over each axis, in f64: `[coil, z, y, x]`.
fn image(samples: &Array5<Complex32>) -> Array4<Complex64> {
    let mut values = samples.index_axis(Axis(0), 0).mapv(|v| Complex64::new(v.re.into(), v.im.into()));
    for axis in 1..4 {
        let n = values.len_of(Axis(axis));
        let roots: Vec<Complex64> =
            (0..n).map(|power| Complex64::cis(2.0 * PI * power as f64 / n as f64) / (n as f64).sqrt()).collect();
        for mut line in values.lanes_mut(Axis(axis)) {
            let old = line.to_vec();
            for (j, value) in line.iter_mut().enumerate() {
                let place = |k: usize| ((k + n - n / 2) % n) * ((j + n - n / 2) % n) % n;
                *value = old.iter().enumerate().map(|(k, old)| old * roots[place(k)]).sum();
            }
        }
    }
    values
}

/// Σ s̄·x over the coils.
fn combined(images: &Array4<Complex64>, maps: &Array4<Complex32>) -> Array3<Complex64> {
    (images * &maps.mapv(|s| Complex64::new(s.re.into(), -f64::from(s.im)))).sum_axis(Axis(0))
}

/// ‖|x| − truth‖/‖truth‖.
fn error(x: impl Iterator<Item = f64>, truth: &Array3<f64>) -> f64 {
    let squares: f64 = x.zip(truth).map(|(x, truth)| (x - truth).powi(2)).sum();
    (squares / truth.iter().map(|truth| truth * truth).sum::<f64>()).sqrt()
}

struct Made {
    image: Array4<Complex32>,
    notes: String,
}

impl Made {
    fn error(&self, truth: &Array3<f64>) -> f64 {
        error(self.image.iter().map(|value| f64::from(value.norm())), truth)
    }

    /// λ, from the notes.
    fn strength(&self) -> f64 {
        let text = self.notes.split("strength λ ").nth(1).expect("the notes name λ");
        text.split_whitespace().next().unwrap().parse().unwrap()
    }
}

fn options(maps: Option<&Array4<Complex32>>, strength: Strength) -> MrOptions {
    MrOptions { strength, maps: maps.cloned(), ..MrOptions::default() }
}

fn made(method: &str, scan: &KSpace, options: &MrOptions, device: &Device) -> Made {
    let recipe = mr::named(method, options).unwrap();
    let made = recipe.reconstruct(scan.clone(), device, &Monitor::silent()).unwrap_or_else(|e| panic!("{method}: {e}"));
    Made { image: made.image.values, notes: made.notes.join("; ") }
}

/// What the points give by themselves, combined with the true maps: zeros for what is missing on a grid; along a trajectory the
/// sum with weights |k|, at the scale that fits the truth best.
fn zero_filled(case: &Case) -> f64 {
    let rushlight::scan::Encoding::Trajectory(list) = &case.scan.encoding else {
        let image = combined(&image(&case.scan.samples), &case.maps);
        return error(image.iter().map(|value| value.norm()), &case.truth);
    };
    let place = |index: usize| index as f64 - (N / 2) as f64;
    let mut images = Array4::<Complex64>::zeros((COILS, 1, N, N));
    for (m, [kx, ky, _]) in list[0].points.iter().map(|point| point.map(f64::from)).enumerate() {
        let waves = [kx, ky].map(|k| -> Vec<Complex64> {
            (0..N).map(|i| Complex64::cis(2.0 * PI * k * place(i) / N as f64)).collect()
        });
        let weight = kx.hypot(ky).max(0.25);
        for (coil, mut image) in images.outer_iter_mut().enumerate() {
            let value = case.scan.samples[[0, coil, 0, 0, m]];
            let value = Complex64::new(value.re.into(), value.im.into()) * weight;
            for (y, mut line) in image.index_axis_mut(Axis(0), 0).outer_iter_mut().enumerate() {
                let value = value * waves[1][y];
                line.iter_mut().zip(&waves[0]).for_each(|(pixel, wave)| *pixel += value * wave);
            }
        }
    }
    let image = combined(&images, &case.maps).mapv(|value| value.norm());
    let scale = (&image * &case.truth).sum() / (&image * &image).sum();
    error(image.iter().map(|value| scale * value), &case.truth)
}

#[test]
fn every_recipe_is_better_than_what_the_points_give_by_themselves() {
    let device = Device::cpu();
    // Floors: what is reached, and a tenth more.
    for (case, floors) in [
        (poisson(N), [("sense", 0.138), ("tv", 0.099), ("tgv", 0.098), ("l1-wavelet", 0.078)]),
        (radial(N), [("sense", 0.173), ("tv", 0.115), ("tgv", 0.115), ("l1-wavelet", 0.109)]),
    ] {
        let plain = zero_filled(&case);
        for (method, floor) in floors {
            let error = made(method, &case.scan, &options(None, Strength::Auto), &device).error(&case.truth);
            println!("{}, {method}: {error:.4} of {floor}; by themselves {plain:.4}", case.name);
            assert!(error < plain, "{}, {method}: {error} against {plain} of the points by themselves", case.name);
            assert!(error < floor, "{}, {method}: {error}", case.name);
        }
    }
}

#[test]
fn maps_that_are_found_are_as_good_as_the_true_ones() {
    let device = Device::cpu();
    for case in [poisson(N), radial(N)] {
        for method in ["sense", "tv"] {
            let [found, given] = [None, Some(&case.maps)]
                .map(|maps| made(method, &case.scan, &options(maps, Strength::Auto), &device).error(&case.truth));
            println!("{}, {method}: {found:.4} with ESPIRiT's maps, {given:.4} with the true ones", case.name);
            assert!(found < 1.1 * given, "{}, {method}: {found} against {given}", case.name);
        }
    }
}

#[test]
fn maps_of_another_size_give_an_image_of_another_size() {
    // A step for maps of unit size would run away with these.
    let (case, device) = (poisson(N), Device::cpu());
    let triple = case.maps.mapv(|map| 3.0 * map);
    for method in ["sense", "tv", "l1-wavelet"] {
        let usual = made(method, &case.scan, &options(Some(&case.maps), Strength::Auto), &device);
        let found = made(method, &case.scan, &options(Some(&triple), Strength::Auto), &device);
        let error = error(found.image.iter().map(|value| 3.0 * f64::from(value.norm())), &case.truth);
        println!("{method}: {error:.4}, and {:.4} with maps of unit size", usual.error(&case.truth));
        assert!(error < 1.1 * usual.error(&case.truth), "{method}: {error}");
    }
}

#[test]
fn strengths_are_what_they_say() {
    let (case, device) = (poisson(N), Device::cpu());
    for method in ["sense", "tv", "tgv", "l1-wavelet"] {
        let make = |strength| made(method, &case.scan, &options(Some(&case.maps), strength), &device);
        let auto = make(Strength::Auto);
        let (once, twice) = (make(Strength::Times(1.0)), make(Strength::Times(2.0)));
        assert!(once.image == auto.image, "{method}: 1x is not auto");
        // A stronger image leaves a little more unexplained, and the strength follows that.
        let ratio = twice.strength() / auto.strength();
        println!("{method}: λ {:.3e}, 2x {ratio:.3} times that", auto.strength());
        assert!((1.99..2.8).contains(&ratio), "{method}: 2x is {ratio} times auto");
        let same = make(Strength::Fixed(auto.strength()));
        assert!((same.strength() / auto.strength() - 1.0).abs() < 1e-3, "{method}: {}", same.strength());
        let apart = error(
            same.image.iter().map(|value| f64::from(value.norm())),
            &auto.image.index_axis(Axis(0), 0).mapv(|v| f64::from(v.norm())),
        );
        assert!(apart < 0.02, "{method}: λ as a number gives an image {apart} apart");
    }
    for strength in
        [Strength::Fixed(0.0), Strength::Fixed(-1.0), Strength::Times(f64::NAN), Strength::Fixed(f64::INFINITY)]
    {
        let recipe = mr::named("tv", &options(None, strength)).unwrap();
        let message = recipe.reconstruct(case.scan.clone(), &device, &Monitor::silent()).err().unwrap().to_string();
        assert!(message.contains("strength"), "{message}");
    }
}

#[test]
fn the_usual_strength_is_near_the_best() {
    let device = Device::cpu();
    for case in [poisson(128), radial(128)] {
        for method in ["tv", "l1-wavelet"] {
            let error =
                |strength| made(method, &case.scan, &options(Some(&case.maps), strength), &device).error(&case.truth);
            let sweep: Vec<f64> = [0.25, 0.5, 0.71, 1.41, 2.0, 4.0].map(|times| error(Strength::Times(times))).to_vec();
            let (auto, best) = (error(Strength::Auto), sweep.iter().copied().fold(f64::MAX, f64::min));
            println!("{}, {method}: auto {auto:.4}, sweep {sweep:.4?}", case.name);
            assert!(auto < 1.1 * best, "{}, {method}: auto {auto}, best {best}", case.name);
        }
    }
}

/// ‖a − b‖/‖b‖.
fn apart(a: &Array4<Complex32>, b: &Array4<Complex32>) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from((a - b).norm_sqr())).sum();
    (squares / b.iter().map(|b| f64::from(b.norm_sqr())).sum::<f64>()).sqrt()
}

#[test]
fn cpu_and_gpu_agree() {
    let Some(gpu) = devices::gpu() else { return };
    for case in [poisson(N), radial(N)] {
        for (method, count) in [("sense", 15), ("tv", 60), ("l1-wavelet", 60), ("nlinv", 7)] {
            let joint = method == "nlinv";
            if joint && !matches!(case.scan.encoding, Encoding::Cartesian(_)) {
                continue;
            }
            let iteration = Iteration { count: Some(count), ..Iteration::default() };
            let options = MrOptions { iteration, ..options((!joint).then_some(&case.maps), Strength::Auto) };
            let [cpu, gpu] = [&Device::cpu(), &gpu].map(|device| made(method, &case.scan, &options, device).image);
            println!("{}, {method}: {:.1e} apart", case.name, apart(&gpu, &cpu));
            // Conjugate gradients magnify rounding.
            let tolerance = if method == "sense" || joint { 1e-3 } else { 1e-5 };
            assert!(apart(&gpu, &cpu) < tolerance, "{}, {method}: {}", case.name, apart(&gpu, &cpu));
        }
    }
}

/// Coils that do not fit one binding, and x that is cut within a coil.
#[test]
fn nlinv_works_in_slabs() {
    let case = poisson(N);
    let iteration = Iteration { count: Some(5), ..Iteration::default() };
    let options = MrOptions { iteration, ..options(None, Strength::Auto) };
    let whole = made("nlinv", &case.scan, &options, &Device::cpu()).image;
    // Two and a half images of two parts.
    for (name, device) in devices::every(5 * 4 * (N * N) as u64) {
        let found = made("nlinv", &case.scan, &options, &device).image;
        println!("{name}: {:.1e} apart", apart(&found, &whole));
        assert!(apart(&found, &whole) < 1e-3, "{name}: {}", apart(&found, &whole));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for case in [poisson(N), radial(N)] {
        for method in ["sense", "tv", "tgv", "l1-wavelet", "nlinv"] {
            if method == "nlinv" && !matches!(case.scan.encoding, Encoding::Cartesian(_)) {
                continue;
            }
            let count = Some(if method == "nlinv" { 5 } else { 12 });
            let iteration = Iteration { count, ..Iteration::default() };
            let options = MrOptions { iteration, ..options(None, Strength::Auto) };
            let [one, two, many] = [1, 2, 11].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| made(method, &case.scan, &options, &Device::cpu()).image)
            });
            assert!(
                one == two && one == many,
                "{}, {method}: {:e} {:e}",
                case.name,
                apart(&two, &one),
                apart(&many, &one)
            );
        }
    }
}

/// Frames of a full scan: the phantom times each factor.
fn series(factors: &[f32], axes: Vec<(FrameAxis, usize)>) -> (KSpace, Array4<Complex32>, Array3<f64>) {
    let case = case("", ("disk", N), ("equispaced", 1.0), 0.0);
    let frames: Vec<_> = factors.iter().map(|factor| case.scan.samples.mapv(|value| value * *factor)).collect();
    let views: Vec<_> = frames.iter().map(|frame| frame.view()).collect();
    (KSpace { samples: concatenate(Axis(0), &views).unwrap(), axes, ..case.scan }, case.maps, case.truth)
}

#[test]
fn frames_and_slices_keep_their_places() {
    // Factors of average a and slice s: 1 + a + 4 s.
    let of = |average: usize, slice: usize| 1.0 + average as f32 + 4.0 * slice as f32;
    let by_average: Vec<f32> = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)].map(|(a, s)| of(a, s)).to_vec();
    let by_slice: Vec<f32> = [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)].map(|(a, s)| of(a, s)).to_vec();
    let (average, slice) = ((FrameAxis::Average, 2), (FrameAxis::Slice, 3));
    for (factors, axes) in [(by_average, vec![average, slice]), (by_slice, vec![slice, average])] {
        for maps in [true, false] {
            let (scan, true_maps, truth) = series(&factors, axes.clone());
            let options = options(maps.then_some(&true_maps), Strength::Fixed(1e-6));
            let found = made("sense", &scan, &options, &Device::cpu()).image;
            assert_eq!(found.dim(), (2, 3, N, N), "[frame, z, y, x]");
            for (a, s) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                let plane = found.index_axis(Axis(0), a).index_axis(Axis(0), s).mapv(|value| f64::from(value.norm()));
                let error = error(plane.iter().map(|value| value / f64::from(of(a, s))), &truth);
                assert!(error < 0.03, "{axes:?}, average {a}, slice {s}, maps given: {maps}: {error}");
            }
        }
    }
    // Without slices, frames are frames.
    let (scan, maps, _) = series(&[1.0, 2.0], vec![(FrameAxis::Repetition, 2)]);
    assert_eq!(made("tv", &scan, &options(Some(&maps), Strength::Auto), &Device::cpu()).image.dim(), (2, 1, N, N));
}

#[test]
fn a_noise_scan_leaves_the_image_its_size_and_serves_correlated_coils() {
    let device = Device::cpu();
    let mut case = case("", ("shepp-logan-toft", N), ("poisson", 4.0), 0.0);
    let covariance = rushlight::scan::coil_noise::neighbours(COILS, 0.5).unwrap();
    CoilNoise { sigma: 0.02, covariance, seed: 9 }.apply(&mut case.scan).unwrap();
    let with = made("tv", &case.scan, &options(None, Strength::Auto), &device);
    case.scan.noise = None;
    let without = made("tv", &case.scan, &options(None, Strength::Auto), &device);
    let size = |made: &Made| made.image.iter().map(|value| f64::from(value.norm_sqr())).sum::<f64>().sqrt();
    println!("sizes {:.3} {:.3}", size(&with), size(&without));
    assert!(with.notes.contains("whitened"), "{}", with.notes);
    // Whitening mixes coils of unequal noise, so that the size is kept to the correlation only.
    assert!((0.5..2.0).contains(&(size(&with) / size(&without))), "{} {}", size(&with), size(&without));
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let (case, device) = (poisson(N), Device::cpu());
    let refuse = |scan: &KSpace, options: &MrOptions| {
        let recipe = mr::named("sense", options).unwrap();
        let message = recipe.reconstruct(scan.clone(), &device, &Monitor::silent()).expect_err("refused").to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    };
    let usual = options(None, Strength::Auto);
    let none = Iteration { count: Some(0), ..Iteration::default() };
    assert!(refuse(&case.scan, &MrOptions { iteration: none, ..usual.clone() }).contains("--iterations 0"));
    assert!(refuse(&case.scan, &MrOptions { calibration: Some(0), ..usual.clone() }).contains("calibration"));
    let few = case.maps.slice(ndarray::s![..5, .., .., ..]).to_owned();
    let message = refuse(&case.scan, &options(Some(&few), Strength::Auto));
    assert!(message.contains("5 coils") && message.contains('8'), "{message}");
    let both = MrOptions { virtual_coils: Some(4), ..options(Some(&case.maps), Strength::Auto) };
    assert!(refuse(&case.scan, &both).contains("virtual coils"));
    assert!(refuse(&case.scan, &MrOptions { virtual_coils: Some(0), ..usual.clone() }).contains("coil"));
    let mut broken = case.scan.clone();
    broken.samples[[0, 3, 0, 7, 9]].re = f32::NAN;
    assert!(refuse(&broken, &usual).contains("finite"));
    let message = mr::named("fbp", &usual).err().unwrap().to_string();
    assert!(mr::ALL.iter().all(|name| message.contains(name)), "{message}");
}
