//! Values of MR images, without any scale that is fitted first: discs seen through coils that are sums of plane waves, whose k-space
//! is known in closed form, at many noise levels, samplings and fields of view.

use std::f64::consts::PI;

use ndarray::{Array2, Array4, Array5, Axis};
use num_complex::{Complex32, Complex64};
use rushlight::{
    device::Device,
    geometry::Mask,
    monitor::Monitor,
    random::Draws,
    recipes::{
        Strength,
        mr::{self, MrOptions, PartialFourier},
    },
    scan::{Encoding, FrameAxis, KSpace},
};

/// Value, centre y and x, radii along y and x, as parts of the object's frame.
type Disc = (f64, [f64; 2], [f64; 2]);

const OBJECT: [Disc; 5] = [
    (1.0, [0.0, 0.0], [0.38, 0.32]),
    (-0.5, [0.05, -0.08], [0.14, 0.10]),
    (0.4, [-0.12, 0.12], [0.08, 0.08]),
    (0.6, [0.18, 0.14], [0.03, 0.03]),
    (-0.9, [-0.2, -0.1], [0.02, 0.05]),
];

/// Pixels along each side of the object's frame.
const N: usize = 64;

/// J₁ by Bessel's integral, which the trapezoidal rule gives to rounding.
fn bessel(x: f64) -> f64 {
    let steps = x.abs() as usize + 24;
    let at = |step: usize| {
        let t = PI * (step as f64 + 0.5) / steps as f64;
        (t - x * t.sin()).cos()
    };
    (0..steps).map(at).sum::<f64>() / steps as f64
}

/// The discs' Fourier transform.
fn transform(discs: &[Disc], [ky, kx]: [f64; 2]) -> Complex64 {
    let one = |(value, [y, x], [ry, rx]): &Disc| {
        let q = (ry * ky).hypot(rx * kx).max(1e-9);
        value * ry * rx * bessel(2.0 * PI * q) / q * Complex64::cis(-2.0 * PI * (ky * y + kx * x))
    };
    discs.iter().map(one).sum()
}

/// Plane waves of one coil: factor and frequency along y, x.
fn waves(coil: usize, coils: usize) -> Vec<(Complex64, [f64; 2])> {
    if coils == 1 {
        return vec![(Complex64::ONE, [0.0; 2])];
    }
    let angle = 2.0 * PI * coil as f64 / coils as f64;
    let (phase, [y, x]) = (Complex64::cis(1.3 * angle), [0.45 * angle.sin(), 0.45 * angle.cos()]);
    vec![
        (0.55 * phase, [0.0; 2]),
        (0.30 * phase * Complex64::cis(-0.8), [y, x]),
        (0.24 * phase * Complex64::cis(0.8), [-y, -x]),
    ]
}

/// What is scanned, without noise.
struct Object {
    /// `[coil, y, x]`, zero frequency at n/2.
    kspace: Array4<Complex64>,
    /// Of unit root sum of squares.
    maps: Array4<Complex32>,
    /// The image of the full scan combined with the true maps.
    truth: Array2<f64>,
}

impl Object {
    /// Discs in a field of view of so many frames.
    fn new(discs: &[Disc], coils: usize, field: f64) -> Self {
        let n = (N as f64 * field).round() as usize;
        let place = |index: usize| (index as f64 - (n / 2) as f64) / field;
        let scale = n as f64 / field.powi(2);
        let mut kspace = Array4::zeros((coils, 1, n, n));
        let mut maps = Array4::zeros((coils, 1, n, n));
        for coil in 0..coils {
            for (factor, [fy, fx]) in waves(coil, coils) {
                for (y, x) in (0..n).flat_map(|y| (0..n).map(move |x| (y, x))) {
                    kspace[[coil, 0, y, x]] += scale * factor * transform(discs, [place(y) - fy, place(x) - fx]);
                    let r = [y, x].map(|at| place(at) * field * field / n as f64);
                    maps[[coil, 0, y, x]] += factor * Complex64::cis(2.0 * PI * (fy * r[0] + fx * r[1]));
                }
            }
        }
        for mut pixel in maps.lanes_mut(Axis(0)) {
            let size = pixel.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
            pixel.mapv_inplace(|value| value / size);
        }
        let maps = maps.mapv(|value: Complex64| Complex32::new(value.re as f32, value.im as f32));
        let truth = combined(&kspace, &maps).mapv(|value| value.norm());
        Self { kspace, maps, truth }
    }

    /// The samples that `kept` keeps, with noise that is so many dB below the object; and the noise's deviation.
    fn scan(&self, decibels: f64, kept: impl Fn(usize, usize) -> bool) -> KSpace {
        self.noisy(7, decibels, kept)
    }

    /// The same with the noise of some seed.
    fn noisy(&self, seed: u64, decibels: f64, kept: impl Fn(usize, usize) -> bool) -> KSpace {
        let inside: Vec<f64> = {
            let most = self.truth.iter().copied().fold(0.0, f64::max);
            self.truth.iter().copied().filter(|value| *value > 0.05 * most).collect()
        };
        let rms = (inside.iter().map(|value| value * value).sum::<f64>() / inside.len() as f64).sqrt();
        let sigma = rms * 10_f64.powf(-decibels / 20.0) / 2_f64.sqrt();
        let (coils, _, ny, nx) = self.kspace.dim();
        let mut samples = Array5::<Complex32>::zeros((1, coils, 1, ny, nx));
        for ((coil, _, y, x), value) in self.kspace.indexed_iter().filter(|((_, _, y, x), _)| kept(*y, *x)) {
            let mut draws = Draws::new(seed, [coil, y, x]);
            let noisy = value + sigma * Complex64::new(draws.normal(), draws.normal());
            samples[[0, coil, 0, y, x]] = Complex32::new(noisy.re as f32, noisy.im as f32);
        }
        let mut scan = KSpace::cartesian(samples).unwrap();
        let sampled = (0..ny * nx).map(|index| kept(index / nx, index % nx)).collect();
        scan.encoding = Encoding::Cartesian(vec![Mask { shape: [1, ny, nx], sampled }]);
        scan
    }

    /// ‖|x| − truth‖/‖truth‖.
    fn error(&self, image: &Array2<f64>) -> f64 {
        let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
        (square(&mut image.iter().zip(&self.truth).map(|(x, t)| x - t)) / square(&mut self.truth.iter().copied()))
            .sqrt()
    }

    /// ⟨|x|, truth⟩/⟨truth, truth⟩.
    fn gain(&self, image: &Array2<f64>) -> f64 {
        (image * &self.truth).sum() / (&self.truth * &self.truth).sum()
    }

    /// What samples give by themselves, with the true maps.
    fn zero_filled(&self, scan: &KSpace) -> f64 {
        let wide = scan.samples.index_axis(Axis(0), 0).mapv(|v| Complex64::new(v.re.into(), v.im.into()));
        self.error(&combined(&wide, &self.maps).mapv(|value| value.norm()))
    }
}

/// Σ s̄·x over the coils' images, by sums over each axis.
fn combined(kspace: &Array4<Complex64>, maps: &Array4<Complex32>) -> Array2<Complex64> {
    let mut values = kspace.clone();
    for axis in [2, 3] {
        let n = values.len_of(Axis(axis));
        let roots: Vec<Complex64> =
            (0..n).map(|power| Complex64::cis(2.0 * PI * power as f64 / n as f64) / (n as f64).sqrt()).collect();
        for mut line in values.lanes_mut(Axis(axis)) {
            let old = line.to_vec();
            for (j, value) in line.iter_mut().enumerate() {
                let power = |k: usize| ((k + n - n / 2) % n) * ((j + n - n / 2) % n) % n;
                *value = old.iter().enumerate().map(|(k, old)| old * roots[power(k)]).sum();
            }
        }
    }
    let maps = maps.mapv(|s| Complex64::new(s.re.into(), -f64::from(s.im)));
    (values * maps).sum_axis(Axis(0)).index_axis_move(Axis(0), 0)
}

/// Every so many lines, and some in the middle.
fn every(acceleration: usize, n: usize) -> impl Fn(usize, usize) -> bool {
    move |y, _| y % acceleration == n / 2 % acceleration || (n / 2 - 10..n / 2 + 10).contains(&y)
}

fn complex(method: &str, scan: &KSpace, options: &MrOptions) -> Array2<Complex32> {
    let recipe = mr::named(method, options).unwrap();
    let made = recipe
        .reconstruct(scan.clone(), &Device::cpu(), &Monitor::silent())
        .unwrap_or_else(|e| panic!("{method}: {e}"));
    made.image.values.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0)
}

fn made(method: &str, scan: &KSpace, options: &MrOptions) -> Array2<f64> {
    complex(method, scan, options).mapv(|value| f64::from(value.norm()))
}

fn with_maps(object: &Object) -> MrOptions {
    MrOptions { maps: Some(object.maps.clone()), ..MrOptions::default() }
}

#[test]
fn sense_keeps_values_whatever_noise_sampling_and_air() {
    for (coils, field) in [(8, 1.0), (4, 1.0), (8, 1.5)] {
        let object = Object::new(&OBJECT, coils, field);
        let n = object.truth.nrows();
        for acceleration in [1, 2, 4] {
            for (decibels, most) in [(10.0, 0.05), (20.0, 0.02), (30.0, 0.02), (50.0, 0.02)] {
                let scan = object.scan(decibels, every(acceleration, n));
                let image = made("sense", &scan, &MrOptions::default());
                let plain = object.error(&made("zero-filled", &scan, &MrOptions::default()));
                let (gain, error) = (object.gain(&image), object.error(&image));
                let case = format!("{coils} coils, field {field}, R {acceleration}, {decibels} dB");
                println!("{case}: gain {gain:.3}, error {error:.4}, by themselves {plain:.4}");
                assert!((gain - 1.0).abs() < most, "{case}: gain {gain}");
                // A full scan's error is its noise, and what the maps that were found add to it.
                assert!(error < plain.max(0.006), "{case}: {error} against {plain}");
            }
        }
    }
}

#[test]
fn a_full_scan_gives_the_combined_transform() {
    for coils in [1, 6] {
        let object = Object::new(&OBJECT, coils, 1.0);
        let scan = object.scan(20.0, |_, _| true);
        let wide = scan.samples.index_axis(Axis(0), 0).mapv(|v| Complex64::new(v.re.into(), v.im.into()));
        let expected = combined(&wide, &object.maps);
        let found = complex("sense", &scan, &with_maps(&object));
        let most = expected.iter().map(|value| value.norm()).fold(0.0, f64::max);
        for (found, expected) in found.iter().zip(&expected) {
            let apart = (Complex64::new(found.re.into(), found.im.into()) - expected).norm() / most;
            assert!(apart < 1e-4, "{coils} coils: {found} is not {expected}");
        }
    }
}

/// The mean of what lies well inside a disc of radius r.
fn inside(image: &Array2<f64>, (_, [cy, cx], [r, _]): Disc) -> f64 {
    let (at, n) = (|centre: f64| N as f64 * centre + (N / 2) as f64, N as f64);
    let pixels =
        image.indexed_iter().filter(|((y, x), _)| (*y as f64 - at(cy)).hypot(*x as f64 - at(cx)) < 0.6 * r * n);
    let (sum, count) = pixels.fold((0.0, 0), |(sum, count), (_, value)| (sum + value, count + 1));
    sum / f64::from(count)
}

#[test]
fn a_weak_disc_beside_a_bright_one_is_kept() {
    // At a twentieth of the peak, 25 times its noise.
    let (bright, weak) = ((1.0, [-0.2, -0.1], [0.16, 0.16]), (0.05, [0.25, 0.2], [0.1, 0.1]));
    for coils in [1, 8] {
        let object = Object::new(&[bright, weak], coils, 1.0);
        let expected = [bright, weak].map(|disc| inside(&object.truth, disc));
        let scan = object.scan(54.0, |_, _| true);
        for method in ["sense", "l1-wavelet", "tv"] {
            let image = made(method, &scan, &with_maps(&object));
            let found = [bright, weak].map(|disc| inside(&image, disc));
            println!("{coils} coils, {method}: {found:.4?} of {expected:.4?}");
            assert!((found[0] / expected[0] - 1.0).abs() < 0.03, "{method}: {found:?} of {expected:?}");
            assert!((found[1] / expected[1] - 1.0).abs() < 0.10, "{method}: {found:?} of {expected:?}");
        }
    }
}

#[test]
fn nlinv_keeps_a_common_phase_and_beats_the_samples_by_themselves() {
    let object = Object::new(&OBJECT, 8, 1.0);
    let scan = object.scan(30.0, every(4, N));
    let image = complex("nlinv", &scan, &MrOptions::default());
    let sizes = image.mapv(|value| f64::from(value.norm()));
    let (error, plain, gain) = (object.error(&sizes), object.zero_filled(&scan), object.gain(&sizes));
    println!("nlinv {error:.4}, by themselves {plain:.4}, gain {gain:.3}");
    assert!(error < plain && (gain - 1.0).abs() < 0.02, "{error} {plain} {gain}");
    let mut turned = scan;
    turned.samples.mapv_inplace(|value| value * Complex32::I);
    let turned = complex("nlinv", &turned, &MrOptions::default());
    let apart = |a: Complex32, b: Complex32| (a - b).norm_sqr();
    let difference: f32 = turned.iter().zip(&image).map(|(t, x)| apart(*t, x * Complex32::I)).sum();
    let whole: f32 = image.iter().map(Complex32::norm_sqr).sum();
    assert!((difference / whole).sqrt() < 1e-3, "{}", (difference / whole).sqrt());
}

#[test]
fn grappa_does_not_blur_quiet_data() {
    let object = Object::new(&OBJECT, 8, 1.0);
    for (acceleration, most) in [(2, 0.012), (3, 0.03), (4, 0.065)] {
        let scan = object.scan(60.0, every(acceleration, N));
        let error = object.error(&made("grappa", &scan, &with_maps(&object)));
        println!("R {acceleration}: {error:.4}, by themselves {:.4}", object.zero_filled(&scan));
        assert!(error < most, "R {acceleration}: {error}");
    }
}

#[test]
fn grappa_is_not_worse_than_the_samples_by_themselves_where_coils_cannot_unfold() {
    let object = Object::new(&OBJECT, 8, 1.0);
    // A ring of coils tells at most about four places along an axis apart.
    for (acceleration, decibels) in [2, 4, 6, 8].map(|times| [20.0, 30.0, 60.0].map(|noise| (times, noise))).concat() {
        let scan = object.scan(decibels, every(acceleration, N));
        for options in [MrOptions::default(), with_maps(&object)] {
            let [error, plain] = ["grappa", "zero-filled"].map(|method| object.error(&made(method, &scan, &options)));
            println!("R {acceleration}, {decibels} dB, maps {}: {error:.4}, {plain:.4}", options.maps.is_some());
            assert!(error < plain, "R {acceleration}, {decibels} dB: {error} against {plain}");
        }
    }
}

#[test]
fn partial_fourier_finds_the_echo_where_it_is() {
    let whole = Object::new(&OBJECT, 1, 1.0);
    for shift in [-4_isize, 0, 4] {
        // An echo that is late by some points: the same image, with a phase that rises evenly.
        let mut object = Object::new(&OBJECT, 1, 1.0);
        for (index, value) in object.kspace.indexed_iter_mut() {
            let from = index.2 as isize - shift;
            let inside = (0..N as isize).contains(&from);
            *value = if inside { whole.kspace[[0, 0, from as usize, index.3]] } else { Complex64::ZERO };
        }
        let scan = object.scan(60.0, |y, _| y < (0.56 * N as f64) as usize + 4);
        let plain = object.zero_filled(&scan);
        for partial_fourier in [PartialFourier::Pocs, PartialFourier::Homodyne] {
            let options = MrOptions { partial_fourier, ..MrOptions::default() };
            let error = object.error(&made("partial-fourier", &scan, &options));
            println!("echo off by {shift}, {partial_fourier:?}: {error:.4}, by themselves {plain:.4}");
            assert!(error < 0.7 * plain, "echo off by {shift}, {partial_fourier:?}: {error} against {plain}");
        }
    }
}

#[test]
fn the_usual_strength_is_near_the_best_with_much_noise_and_little() {
    let object = Object::new(&OBJECT, 8, 1.0);
    for (decibels, acceleration) in [(10.0, 1), (10.0, 4), (40.0, 1), (40.0, 2)] {
        let scan = object.scan(decibels, every(acceleration, N));
        for method in ["tv", "l1-wavelet"] {
            let error = |strength| object.error(&made(method, &scan, &MrOptions { strength, ..with_maps(&object) }));
            let sweep = [0.35, 0.5, 0.71, 1.41, 2.0, 2.8].map(|times| error(Strength::Times(times)));
            let (auto, best) = (error(Strength::Auto), sweep.iter().copied().fold(f64::MAX, f64::min));
            println!("{decibels} dB, R {acceleration}, {method}: auto {auto:.4}, sweep {sweep:.4?}");
            assert!(auto < 1.15 * best, "{decibels} dB, R {acceleration}, {method}: auto {auto}, best {best}");
        }
    }
}

/// Which points are sampled: a part of them by chance and the centre, all but a part on one side, or those in an ellipse.
fn without_redundancy(kind: usize, seed: u64) -> impl Fn(usize, usize) -> bool {
    move |y, x| {
        let [v, u] = [y, x].map(|at| at as f64 - (N / 2) as f64);
        match kind {
            0 => v.hypot(u) < 6.0 || (v.hypot(u) < 30.0 && Draws::new(seed, [0, y, x]).uniform() < 0.45),
            1 => v >= -0.2 * N as f64,
            _ => v.hypot(u) < 0.45 * N as f64,
        }
    }
}

#[test]
fn one_coil_of_a_part_of_k_space_is_no_worse_than_its_samples() {
    let object = Object::new(&OBJECT, 1, 1.0);
    for (decibels, kind, seed) in [30.0, 200.0].into_iter().flat_map(|decibels| {
        [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (2, 1)].map(|(kind, seed)| (decibels, kind, seed))
    }) {
        let scan = object.scan(decibels, without_redundancy(kind, seed));
        let zero_filled = object.zero_filled(&scan);
        for method in ["sense", "nlinv"] {
            let image = made(method, &scan, &MrOptions::default());
            let (error, gain) = (object.error(&image), object.gain(&image));
            println!("{decibels} dB, sampling {kind}, seed {seed}, {method}: {error:.4}, zero-filled {zero_filled:.4}");
            let limit = 1.02 * zero_filled + 1e-4;
            assert!(
                error < limit && (gain - 1.0).abs() < 0.03,
                "{method} {kind} {seed}: {error}, {zero_filled}, gain {gain}"
            );
        }
        // Coils that are one coil several times are no more than that.
        if (kind, seed) == (0, 1) {
            let [mut four, one] = [scan.clone(), scan];
            four.samples = Array5::from_shape_fn((1, 4, 1, N, N), |(_, coil, _, y, x)| {
                one.samples[[0, 0, 0, y, x]] * Complex32::cis(coil as f32) * 0.5
            });
            let error = object.error(&made("sense", &four, &MrOptions::default()));
            assert!(error < 1.02 * zero_filled + 1e-4, "four copies: {error}, {zero_filled}");
        }
    }
}

#[test]
fn the_adaptive_combination_knows_no_units() {
    let object = Object::new(&OBJECT, 6, 1.0);
    let scan = object.scan(25.0, |_, _| true);
    for factor in [1e-12, 1e-9, 1.0, 1e9, 1e12] {
        let mut scaled = scan.clone();
        scaled.samples.mapv_inplace(|value| value * factor);
        for method in ["zero-filled", "grappa"] {
            let options = MrOptions { combine: Some(mr::Combine::Adaptive), ..MrOptions::default() };
            let image = made(method, &scaled, &options).mapv(|value| value / f64::from(factor));
            let (error, gain) = (object.error(&image), object.gain(&image));
            assert!(error < 0.11 && (gain - 1.0).abs() < 0.02, "{method}, {factor:e}: {error}, gain {gain}");
        }
    }
}

#[test]
fn the_usual_strength_of_low_rank_is_near_the_best() {
    const FRAMES: usize = 6;
    // Discs whose brightness changes each in its own way, so that there are three series in them; every frame sampled at other places.
    let parts: Vec<Object> = OBJECT.iter().map(|disc| Object::new(&[*disc], 6, 1.0)).collect();
    let brightness = |frame: usize, disc: usize| match disc {
        2 => 1.0 + 0.5 * (frame as f64).sin(),
        3 => 1.0 + 0.6 * (0.8 * frame as f64).cos(),
        _ => 1.0,
    };
    let frame = |frame: usize| {
        let add = |mut sum: Array4<Complex64>, (disc, part): (usize, &Object)| {
            sum.scaled_add(brightness(frame, disc).into(), &part.kspace);
            sum
        };
        let kspace = parts.iter().enumerate().fold(Array4::zeros(parts[0].kspace.dim()), add);
        let truth = combined(&kspace, &parts[0].maps).mapv(|value| value.norm());
        Object { kspace, maps: parts[0].maps.clone(), truth }
    };
    let objects: Vec<Object> = (0..FRAMES).map(frame).collect();
    for (decibels, acceleration) in [(10.0, 4.0), (25.0, 2.0), (25.0, 4.0)] {
        let (mut samples, mut masks) = (Vec::new(), Vec::new());
        for (frame, object) in objects.iter().enumerate() {
            let centre = |at: usize| (N / 2 - 8..N / 2 + 8).contains(&at);
            let kept = |y: usize, x: usize| {
                centre(y) && centre(x) || Draws::new(11, [frame, y, x]).uniform() * acceleration < 1.0
            };
            let scan = object.noisy(frame as u64, decibels, kept);
            let Encoding::Cartesian(mask) = scan.encoding else { panic!("a mask") };
            samples.push(scan.samples);
            masks.extend(mask);
        }
        let views: Vec<_> = samples.iter().map(|samples| samples.view()).collect();
        let mut scan = KSpace::cartesian(ndarray::concatenate(Axis(0), &views).unwrap()).unwrap();
        scan.encoding = Encoding::Cartesian(masks);
        scan.axes = vec![(FrameAxis::Repetition, FRAMES)];
        let error = |times: f64| {
            let options = MrOptions { strength: Strength::Times(times), ..with_maps(&objects[0]) };
            let recipe = mr::named("low-rank", &options).unwrap();
            let made = recipe.reconstruct(scan.clone(), &Device::cpu(), &Monitor::silent()).unwrap().image.values;
            let square = |frame: usize| {
                let image = made.slice(ndarray::s![frame, 0, .., ..]).mapv(|value| f64::from(value.norm()));
                objects[frame].error(&image).powi(2)
            };
            ((0..FRAMES).map(square).sum::<f64>() / FRAMES as f64).sqrt()
        };
        let [less, auto, more] = [0.7, 1.0, 1.4].map(error);
        println!("{decibels} dB, R {acceleration}: {less:.4} {auto:.4} {more:.4}");
        assert!(auto < 1.1 * less.min(more), "{decibels} dB, R {acceleration}: {less} {auto} {more}");
    }
}
