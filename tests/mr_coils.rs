//! What an image owes to its coils, against closed forms: ellipses seen through coils that are sums of few waves, so that their
//! k-space is known exactly, and the image is the object times the coils' root sum of squares. Looked at over the whole object: in
//! every slice and frame, through loud and correlated coils, with given maps of any length, beside bright parts, from few
//! calibration lines, and beyond the field of view.

use std::f64::consts::{PI, TAU};

use ndarray::{Array2, Array4, Array5, s};
use num_complex::{Complex32, Complex64};
use rushlight::{
    device::Device,
    geometry::{Grid, LengthUnit, Mask},
    monitor::Monitor,
    random::Draws,
    recipes::{
        Strength,
        mr::{self, Combine, MrOptions},
    },
    scan::{Encoding, FrameAxis, KSpace},
};

const N: usize = 48;

/// Places in fields of view, y and x; its value is what it adds.
#[derive(Clone, Copy)]
struct Ellipse {
    centre: [f64; 2],
    radii: [f64; 2],
    value: f64,
}

impl Ellipse {
    /// Its transform at a k of any two reals: area · 2 J₁(2πq)/(2πq), q = |radii × k|.
    fn spectrum(&self, k: [f64; 2]) -> Complex64 {
        let q = (self.radii[0] * k[0]).hypot(self.radii[1] * k[1]);
        let size = self.value * self.radii[0] * self.radii[1] * if q < 1e-9 { PI } else { bessel(TAU * q) / q };
        Complex64::from_polar(size, -TAU * (k[0] * self.centre[0] + k[1] * self.centre[1]))
    }

    /// Whether a pixel lies inside, this part of the radii from the centre at most.
    fn holds(&self, pixel: [usize; 2], part: f64, n: usize) -> bool {
        let at = |axis: usize| (place(pixel[axis], n) - self.centre[axis]) / (part * self.radii[axis]);
        at(0).hypot(at(1)) < 1.0
    }
}

/// J₁(x) = 1/π ∫ cos(τ − x sin τ) dτ over half a turn; the trapezoidal rule is exact but for rounding.
fn bessel(x: f64) -> f64 {
    let steps = 64 + x as usize;
    (0..2 * steps).map(|i| PI * i as f64 / steps as f64).map(|t| (t - x * t.sin()).cos()).sum::<f64>()
        / (2 * steps) as f64
}

fn place(index: usize, n: usize) -> f64 {
    (index as f64 - (n / 2) as f64) / n as f64
}

/// The waves of a coil: amplitudes, and cycles per field of view along y and x.
type Coil = Vec<(Complex64, [f64; 2])>;

fn coils(count: usize) -> Vec<Coil> {
    let one = |coil: usize| {
        let angle = TAU * coil as f64 / count as f64;
        let (sin, cos) = angle.sin_cos();
        let turned = |size: f64| Complex64::from_polar(size, 2.0 * angle);
        vec![(turned(0.6), [0.0, 0.0]), (turned(0.5), [0.5 * sin, 0.5 * cos]), (turned(0.2), [0.4 * cos, -0.3 * sin])]
    };
    (0..count).map(one).collect()
}

fn sees(coil: &Coil, pixel: [usize; 2], n: usize) -> Complex64 {
    let turns = |k: &[f64; 2]| k[0] * place(pixel[0], n) + k[1] * place(pixel[1], n);
    coil.iter().map(|(size, k)| size * Complex64::cis(TAU * turns(k))).sum()
}

/// √Σ|s|².
fn strength(coils: &[Coil], pixel: [usize; 2], n: usize) -> f64 {
    coils.iter().map(|coil| sees(coil, pixel, n).norm_sqr()).sum::<f64>().sqrt()
}

/// The k-space of one frame, `[coil, z, y, x]` of one slice, for images of unit pixels.
fn kspace(object: &[Ellipse], coils: &[Coil], [ny, nx]: [usize; 2], n: usize) -> Array4<Complex64> {
    Array4::from_shape_fn((coils.len(), 1, ny, nx), |(coil, _, y, x)| {
        let k = [y as f64 - (ny / 2) as f64, x as f64 - (nx / 2) as f64];
        let of_wave = |(size, moved): &(Complex64, [f64; 2])| {
            let at = [k[0] - moved[0], k[1] - moved[1]];
            size * object.iter().map(|ellipse| ellipse.spectrum(at)).sum::<Complex64>()
        };
        coils[coil].iter().map(of_wave).sum::<Complex64>() * n as f64
    })
}

fn noisy(data: &Array4<Complex64>, sigma: f64, seed: u64) -> Array4<Complex64> {
    let mut noisy = data.clone();
    for ((coil, _, y, x), value) in noisy.indexed_iter_mut() {
        let mut draws = Draws::new(seed, [coil, y, x]);
        *value += Complex64::new(draws.normal(), draws.normal()) * (sigma / 2_f64.sqrt());
    }
    noisy
}

/// Frames `[coil, z, y, x]` as a scan, sampled by a mask.
fn scan(frames: &[Array4<Complex64>], axis: Option<FrameAxis>, sampled: impl Fn(usize, usize) -> bool) -> KSpace {
    let (coils, _, ny, nx) = frames[0].dim();
    let mask = Mask { shape: [1, ny, nx], sampled: (0..ny * nx).map(|i| sampled(i / nx, i % nx)).collect() };
    let samples = Array5::from_shape_fn((frames.len(), coils, 1, ny, nx), |(frame, coil, _, y, x)| {
        let value = frames[frame][[coil, 0, y, x]];
        if sampled(y, x) { Complex32::new(value.re as f32, value.im as f32) } else { Complex32::ZERO }
    });
    KSpace {
        samples,
        encoding: Encoding::Cartesian(vec![mask]),
        grid: Grid::centered([1, ny, nx], [1.0; 3], [0.0; 3]),
        unit: LengthUnit::Cell,
        axes: axis.map(|axis| (axis, frames.len())).into_iter().collect(),
        noise: None,
        seen: None,
    }
}

fn all(_: usize, _: usize) -> bool {
    true
}

/// Image `[frame, z, y, x]` and notes.
fn made(name: &str, scan: &KSpace, options: &MrOptions) -> (Array4<Complex32>, String) {
    let recipe = mr::named(name, options).unwrap();
    let made = recipe.reconstruct(scan.clone(), &Device::cpu(), &Monitor::silent());
    let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
    (made.image.values, made.notes.join("; "))
}

/// Without a prior: what the encoding itself says.
fn plain(name: &str) -> MrOptions {
    match name {
        "sense" => MrOptions { strength: Strength::Fixed(1e-6), ..MrOptions::default() },
        _ => MrOptions::default(),
    }
}

/// What a slice `[y, x]` shows of an ellipse: the least-squares factor by which |image| is the truth inside, and the least |image|.
fn gain(
    image: ndarray::ArrayView2<Complex32>,
    ellipse: &Ellipse,
    (part, n): (f64, usize),
    truth: impl Fn([usize; 2]) -> f64,
) -> (f64, f64) {
    let (mut mixed, mut square, mut least) = (0.0, 0.0, f64::INFINITY);
    for ((y, x), value) in image.indexed_iter().filter(|((y, x), _)| ellipse.holds([*y, *x], part, n)) {
        let (found, truth) = (f64::from(value.norm()), truth([y, x]));
        (mixed, square, least) = (mixed + found * truth, square + truth * truth, least.min(found));
    }
    (mixed / square, least)
}

const BODY: Ellipse = Ellipse { centre: [0.02, -0.03], radii: [0.36, 0.3], value: 1.0 };

#[test]
fn every_slice_and_every_frame_is_seen_by_its_own_coils() {
    // 16 coils: the first eight see one, the others the other.
    let whole = coils(8);
    let bright = kspace(&[BODY], &whole, [N, N], N);
    let faint = &bright * Complex64::new(0.02, 0.0);
    let zeros = Array4::zeros(bright.dim());
    let first = ndarray::concatenate![ndarray::Axis(0), bright, zeros];
    let second = ndarray::concatenate![ndarray::Axis(0), zeros, faint];
    for axis in [FrameAxis::Slice, FrameAxis::Repetition] {
        let scan = scan(&[first.clone(), second.clone()], Some(axis), all);
        // Frames of one slice share their maps, and could not be of such coils.
        let names = if axis == FrameAxis::Slice { vec!["zero-filled", "sense", "grappa"] } else { vec!["zero-filled"] };
        for name in names {
            let (image, notes) = made(name, &scan, &plain(name));
            for (index, size) in [1.0, 0.02].into_iter().enumerate() {
                let slice = match axis {
                    FrameAxis::Slice => image.slice(s![0, index, .., ..]),
                    _ => image.slice(s![index, 0, .., ..]),
                };
                let (gain, _) = gain(slice, &BODY, (0.9, N), |pixel| size * strength(&whole, pixel, N));
                println!("{axis:?} {index}, {name}: {gain:.4} ({notes})");
                assert!((gain - 1.0).abs() < 0.02, "{axis:?} {index}, {name}: {gain}");
            }
        }
    }
}

#[test]
fn frames_may_have_any_phase_against_each_other() {
    let coils = coils(6);
    let data = kspace(&[BODY], &coils, [N, N], N);
    for turns in [vec![0.0, 0.5], vec![0.0, 1.0 / 3.0, 2.0 / 3.0]] {
        let turned = |(frame, turn): (usize, &f64)| noisy(&(&data * Complex64::cis(TAU * turn)), 0.01, frame as u64);
        let frames: Vec<_> = turns.iter().enumerate().map(turned).collect();
        let scan = scan(&frames, Some(FrameAxis::Repetition), |y, _| y % 2 == 0 || y.abs_diff(N / 2) < 10);
        let (image, _) = made("sense", &scan, &plain("sense"));
        for (frame, turn) in turns.iter().enumerate() {
            let slice = image.slice(s![frame, 0, .., ..]);
            let (gain, _) = gain(slice, &BODY, (0.9, N), |pixel| strength(&coils, pixel, N));
            assert!((gain - 1.0).abs() < 0.02, "frame {frame} of {turns:?}: {gain}");
            let against: Complex32 = slice.iter().zip(image.slice(s![0, 0, .., ..])).map(|(a, b)| a * b.conj()).sum();
            let off = (f64::from(against.arg()) / TAU - turn).rem_euclid(1.0);
            assert!(off.min(1.0 - off) < 0.002, "frame {frame} of {turns:?} is turned by {off} more");
        }
    }
}

#[test]
fn the_map_of_a_single_coil_is_1() {
    let weak = Ellipse { centre: [0.1, 0.4], radii: [0.07, 0.06], value: 0.05 };
    let one = vec![(Complex64::cis(0.7), [0.0, 0.0])];
    let data = noisy(&kspace(&[BODY, weak], &[one], [N, N], N), 0.002, 1);
    let scan = scan(&[data], None, all);
    let (direct, _) = made("zero-filled", &scan, &MrOptions::default());
    for name in ["sense", "grappa"] {
        let (image, notes) = made(name, &scan, &plain(name));
        let worst = image.iter().zip(&direct).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max);
        assert!(worst < 2e-5 && notes.contains("one coil"), "{name}: {worst} ({notes})");
    }
    let (gain, _) = gain(direct.slice(s![0, 0, .., ..]), &weak, (0.7, N), |_| 0.05);
    assert!((gain - 1.0).abs() < 0.1, "{gain}");
}

#[test]
fn given_maps_of_any_length_say_what_the_image_is() {
    let coils = coils(5);
    let data = noisy(&kspace(&[BODY], &coils, [N, N], N), 0.01, 1);
    let scan = scan(&[data], None, |y, _| y % 2 == 0 || y.abs_diff(N / 2) < 10);
    for factor in [1e-4, 2.0, 3e4] {
        let maps = Array4::from_shape_fn((5, 1, N, N), |(coil, _, y, x)| {
            let value = sees(&coils[coil], [y, x], N) * factor;
            Complex32::new(value.re as f32, value.im as f32)
        });
        for name in ["zero-filled", "sense", "grappa", "tv"] {
            let options = MrOptions { maps: Some(maps.clone()), ..plain(name) };
            let (image, _) = made(name, &scan, &options);
            let (gain, _) = gain(image.slice(s![0, 0, .., ..]), &BODY, (0.9, N), |_| 1.0 / factor);
            assert!((gain - 1.0).abs() < 0.02, "{name}, maps × {factor}: {gain}");
        }
    }
    let zero = MrOptions { maps: Some(Array4::zeros((5, 1, N, N))), ..MrOptions::default() };
    let error = mr::named("sense", &zero).unwrap().reconstruct(scan, &Device::cpu(), &Monitor::silent());
    assert!(error.unwrap_err().to_string().contains("coil maps are all 0"));
}

#[test]
fn whitening_leaves_the_scale_as_it_was() {
    let coils = coils(6);
    let clean = kspace(&[BODY], &coils, [N, N], N);
    // L of the noise's covariance L Lᵀ: a loud coil, and coils alike in 80 % of their noise.
    let loud = Array2::from_diag(&ndarray::arr1(&[20.0, 1.0, 1.0, 1.0, 1.0, 1.0]));
    let mut alike = Array2::<f64>::zeros((6, 6));
    for row in 0..6 {
        for column in 0..=row {
            let known: f64 = (0..column).map(|j| alike[[row, j]] * alike[[column, j]]).sum();
            let left = if row == column { 1.0 } else { 0.8 } - known;
            alike[[row, column]] = if row == column { left.sqrt() } else { left / alike[[column, column]] };
        }
    }
    let one = noisy(&Array4::zeros((6, 1, 30, 30)), 1.0, 5).into_shape_with_order((6, 900)).unwrap();
    for (what, mixture) in [("loud", loud), ("alike", alike)] {
        let mixed = mixture.mapv(|x| Complex64::new(x, 0.0)).dot(&one);
        let mut scan = scan(std::slice::from_ref(&clean), None, |y, _| y % 2 == 0 || y.abs_diff(N / 2) < 10);
        scan.noise = Some(mixed.mapv(|x| Complex32::new(0.001 * x.re as f32, 0.001 * x.im as f32)));
        let maps = Array4::from_shape_fn((6, 1, N, N), |(coil, _, y, x)| {
            let value = sees(&coils[coil], [y, x], N) / strength(&coils, [y, x], N);
            Complex32::new(value.re as f32, value.im as f32)
        });
        let roots = MrOptions { combine: Some(Combine::RootSumOfSquares), ..MrOptions::default() };
        let given = MrOptions { maps: Some(maps), ..plain("sense") };
        let few = MrOptions { virtual_coils: Some(5), ..plain("sense") };
        for (name, options) in [
            ("zero-filled", MrOptions::default()),
            ("zero-filled", roots),
            ("grappa", MrOptions::default()),
            ("sense", plain("sense")),
            ("sense", given.clone()),
            ("sense", few),
            ("tv", MrOptions::default()),
            ("tv", MrOptions { maps: given.maps.clone(), ..MrOptions::default() }),
            ("nlinv", MrOptions::default()),
        ] {
            let (image, notes) = made(name, &scan, &options);
            let (gain, _) = gain(image.slice(s![0, 0, .., ..]), &BODY, (0.9, N), |pixel| strength(&coils, pixel, N));
            println!("{what}, {name}: {gain:.4} ({notes})");
            assert!((gain - 1.0).abs() < 0.03, "{what}, {name}: {gain} ({notes})");
        }
    }
}

#[test]
fn signal_that_given_maps_leave_out_is_no_noise() {
    // A bright ellipse beside the body that maps of 0 hide: what it leaves unexplained is a hundred times the noise.
    let beside = Ellipse { centre: [0.0, 0.4], radii: [0.3, 0.06], value: 1.0 };
    let coils = coils(6);
    let data = noisy(&kspace(&[BODY, beside], &coils, [N, N], N), 0.01, 1);
    let scan = scan(&[data], None, |y, _| y % 2 == 0 || y.abs_diff(N / 2) < 10);
    let maps = |cut: bool| {
        let of = |(coil, _, y, x): (usize, usize, usize, usize)| {
            let value = sees(&coils[coil], [y, x], N) / strength(&coils, [y, x], N);
            let kept = !(cut && place(x, N) > 0.31);
            if kept { Complex32::new(value.re as f32, value.im as f32) } else { Complex32::ZERO }
        };
        Some(Array4::from_shape_fn((6, 1, N, N), of))
    };
    for name in ["sense", "tv", "tgv", "l1-wavelet", "pnp"] {
        let [whole, cut] =
            [false, true].map(|cut| made(name, &scan, &MrOptions { maps: maps(cut), ..Default::default() }));
        let inside = |(y, x): (usize, usize)| BODY.holds([y, x], 0.95, N);
        let square = |other: f32| -> f32 {
            let pixels = whole.0.indexed_iter().filter(|((_, _, y, x), _)| inside((*y, *x)));
            pixels.map(|((_, _, y, x), value)| (value - cut.0[[0, 0, y, x]] * other).norm_sqr()).sum()
        };
        let apart = (square(1.0) / square(0.0)).sqrt();
        println!("{name}: {apart:.4} apart\n  {}\n  {}", whole.1, cut.1);
        assert!(apart < 0.1, "{name}: {apart}");
    }
}

#[test]
fn a_faint_part_beside_a_bright_one_is_kept() {
    // Its signal is one and a half times the noise of a pixel, and many times that of the image at low resolution.
    let body = Ellipse { centre: [0.0, -0.12], radii: [0.3, 0.22], value: 1.0 };
    let faint = Ellipse { centre: [0.05, 0.36], radii: [0.08, 0.08], value: 0.05 };
    for count in [4, 8] {
        let coils = coils(count);
        let data = kspace(&[body, faint], &coils, [N, N], N);
        let mask = |y: usize, x: usize| {
            Draws::new(7, [y, x, 0]).uniform() < 0.75 || y.abs_diff(N / 2) < 12 && x.abs_diff(N / 2) < 12
        };
        for (what, scan) in
            [("full", scan(&[noisy(&data, 0.03, 3)], None, all)), ("75 %", scan(&[noisy(&data, 0.03, 3)], None, mask))]
        {
            for name in ["sense", "grappa"] {
                if what != "full" && name == "grappa" {
                    continue;
                }
                let (image, _) = made(name, &scan, &plain(name));
                let slice = image.slice(s![0, 0, .., ..]);
                let zeros = slice.indexed_iter().filter(|((y, x), value)| {
                    (faint.holds([*y, *x], 0.9, N) || body.holds([*y, *x], 0.95, N)) && value.norm() == 0.0
                });
                assert_eq!(zeros.count(), 0, "{count} coils, {what}, {name}");
                // Noise of .03 raises the mean of magnitudes; the mean along the truth's phase is free of it.
                let mut sum = (Complex64::ZERO, 0.0);
                for ((y, x), value) in slice.indexed_iter().filter(|((y, x), _)| faint.holds([*y, *x], 0.8, N)) {
                    sum.0 += Complex64::new(value.re.into(), value.im.into());
                    sum.1 += 0.05 * strength(&coils, [y, x], N);
                }
                let gain = sum.0.norm() / sum.1;
                println!("{count} coils, {what}, {name}: {gain:.3}");
                assert!((gain - 1.0).abs() < 0.15, "{count} coils, {what}, {name}: {gain}");
            }
        }
    }
}

#[test]
fn few_calibration_lines_give_maps_or_are_refused() {
    let object = [BODY, Ellipse { centre: [0.05, 0.0], radii: [0.15, 0.1], value: 0.5 }];
    let coils = coils(4);
    let n = 40;
    let data = noisy(&kspace(&object, &coils, [n, n], n), 0.01, 2);
    let full = scan(&[data], None, all);
    let error = |image: &Array4<Complex32>, samples: &KSpace| {
        // Against the root sum of squares of what was sampled, all of it.
        let options = MrOptions { combine: Some(Combine::RootSumOfSquares), ..MrOptions::default() };
        let (truth, _) = made("zero-filled", samples, &options);
        let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v * v)).sum::<f64>();
        let off = square(&mut image.iter().zip(&truth).map(|(a, b)| a.norm() - b.norm()));
        (off / square(&mut truth.iter().map(|b| b.norm()))).sqrt()
    };
    for side in [4, 5, 6, 7, 8, 9, 10, 12] {
        for name in ["sense", "grappa"] {
            let options = MrOptions { calibration: Some(side), ..plain(name) };
            let (image, _) = made(name, &full, &options);
            let error = error(&image, &full);
            println!("{side}, {name}: {error:.4}");
            assert!(error < 0.05, "{side}, {name}: {error}");
        }
    }
    for side in [1, 2, 3] {
        let options = MrOptions { calibration: Some(side), ..MrOptions::default() };
        let refused =
            mr::named("sense", &options).unwrap().reconstruct(full.clone(), &Device::cpu(), &Monitor::silent());
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("needs 4 along each axis") && !message.contains('\n'), "{message}");
    }
    // Whole scans that are no larger.
    for [ny, nx] in [[8, 8], [7, 64], [12, 12]] {
        let data = kspace(&object, &coils, [ny, nx], 1).mapv(|value| value * ((ny * nx) as f64).sqrt());
        let small = scan(&[data], None, all);
        for name in ["sense", "grappa", "tv"] {
            let (image, _) = made(name, &small, &plain(name));
            let error = error(&image, &small);
            println!("{ny} × {nx}, {name}: {error:.4}");
            assert!(error < 0.05, "{ny} × {nx}, {name}: {error}");
        }
    }
}

#[test]
fn an_object_larger_than_the_field_of_view_takes_two_sets_by_itself() {
    // Along x it is 1.24 fields of view wide: its ends fold over.
    let wide = Ellipse { centre: [0.0, 0.0], radii: [0.36, 0.62], value: 1.0 };
    let coils = coils(8);
    let data = noisy(&kspace(&[wide], &coils, [N, N], N), 0.003, 2);
    let full = scan(&[data], None, all);
    let options = MrOptions { combine: Some(Combine::RootSumOfSquares), ..MrOptions::default() };
    let (truth, _) = made("zero-filled", &full, &options);
    let (image, notes) = made("sense", &full, &plain("sense"));
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v * v)).sum::<f64>();
    let off = square(&mut image.iter().zip(&truth).map(|(a, b)| a.norm() - b.norm()));
    let error = (off / square(&mut truth.iter().map(|b| b.norm()))).sqrt();
    println!("{error:.4} ({notes})");
    assert!(error < 0.03 && notes.contains("two sets"), "{error} ({notes})");
    let (_, notes) = made("grappa", &full, &MrOptions::default());
    assert!(notes.contains("sense takes two"), "{notes}");
    // What lies within does not ask for it.
    let within = scan(&[noisy(&kspace(&[BODY], &coils, [N, N], N), 0.003, 2)], None, all);
    let (_, notes) = made("sense", &within, &plain("sense"));
    assert!(!notes.contains("sets"), "{notes}");
}
