//! Calibration against closed forms: known covariances, coils that are mixtures of few, k-space made from known coil maps by direct
//! sums, and the area that a sample of a radial trajectory stands for.

use std::f64::consts::{PI, TAU};

use ndarray::{Array2, Array4, Array5, s};
use num_complex::{Complex32, Complex64};
use rushlight::{
    calibration::{
        Compression, Espirit, Keep, Whitening, calibration_data, covariance::coil_covariance, density_compensation,
        espirit::Threshold, fully_sampled_region,
    },
    geometry::{Mask, Trajectory},
    random::Draws,
};

fn normal(seed: u64, index: [usize; 3]) -> Complex64 {
    let mut draws = Draws::new(seed, index);
    Complex64::new(draws.normal(), draws.normal()) * 0.5_f64.sqrt()
}

fn narrow(x: Complex64) -> Complex32 {
    Complex32::new(x.re as f32, x.im as f32)
}

/// White noise mixed by a known matrix M: its covariance is M Mᴴ.
fn mixed_noise(samples: usize) -> (Array2<Complex64>, Array2<Complex32>) {
    let i = Complex64::I;
    let one = Complex64::ONE;
    let mixture = ndarray::array![[2.0 * one, one, 0.3 * i], [i, one, one], [0.5 * one, -i, 3.0 * one]];
    let white = Array2::from_shape_fn((3, samples), |(coil, sample)| normal(11, [coil, sample, 0]));
    let covariance = mixture.dot(&mixture.t().mapv(|x| x.conj()));
    (covariance, mixture.dot(&white).mapv(narrow))
}

fn distance_from_identity(matrix: &Array2<Complex64>) -> f64 {
    let difference = matrix - &Array2::<Complex64>::eye(matrix.nrows());
    difference.iter().map(|x| x.norm()).fold(0.0, f64::max)
}

#[test]
fn a_known_covariance_is_found_and_whitened() {
    let samples = 100_000;
    let (truth, noise) = mixed_noise(samples);
    let found = coil_covariance(noise.view());
    // An element's standard error is √(Ψaa Ψbb / samples), below 0.04 here; four of them.
    let scale = truth.diag().iter().map(|x| x.re).fold(0.0, f64::max);
    let error = (&found - &truth).iter().map(|x| x.norm()).fold(0.0, f64::max);
    assert!(error < 4.0 * scale / (samples as f64).sqrt(), "{error}");

    let exact = Whitening::from_covariance(&truth).unwrap().matrix;
    let white = exact.dot(&truth).dot(&exact.t().mapv(|x| x.conj()));
    assert!(distance_from_identity(&white) < 1e-12);

    let measured = Whitening::from_noise(noise.view()).unwrap();
    let white = coil_covariance(measured.applied(noise.view()).view());
    assert!(distance_from_identity(&white) < 1e-5, "{white}");
}

#[test]
fn whitening_acts_on_every_frame_as_its_matrix_says() {
    let (truth, _) = mixed_noise(1);
    let whitening = Whitening::from_covariance(&truth).unwrap();
    let samples =
        Array5::from_shape_fn((2, 3, 2, 37, 41), |(f, c, z, y, x)| narrow(normal(5, [f * 3 + c, z * 37 + y, x])));
    let mut white = samples.clone();
    whitening.apply(&mut white);
    for at in [(0, 0, 0), (1, 36, 40), (1, 20, 3)] {
        for frame in 0..2 {
            for coil in 0..3 {
                let pixel = |c: usize| samples[[frame, c, at.0, at.1, at.2]];
                let wide = |x: Complex32| Complex64::new(x.re.into(), x.im.into());
                let expected: Complex64 = (0..3).map(|c| whitening.matrix[[coil, c]] * wide(pixel(c))).sum();
                let found = wide(white[[frame, coil, at.0, at.1, at.2]]);
                assert!((found - expected).norm() < 1e-6, "{found} {expected}");
            }
        }
    }
}

#[test]
fn noise_at_the_edge_of_k_space_is_measured_beside_a_signal_at_its_centre() {
    let (truth, noise) = mixed_noise(128 * 128);
    let samples = Array4::from_shape_fn((3, 1, 128, 128), |(c, _, y, x)| {
        let (ky, kx) = (y as f32 - 64.0, x as f32 - 64.0);
        noise[[c, y * 128 + x]] + 1e4 * (-(ky * ky + kx * kx) / 100.0).exp()
    });
    let whitening = Whitening::from_periphery(samples.view(), &Mask::full([1, 128, 128])).unwrap();
    let white = whitening.matrix.dot(&truth).dot(&whitening.matrix.t().mapv(|x| x.conj()));
    // 819 points: a standard error of 0.035.
    assert!(distance_from_identity(&white) < 0.2, "{white}");
}

#[test]
fn a_silent_coil_cannot_be_whitened_and_the_message_names_it() {
    let (_, mut noise) = mixed_noise(100);
    noise.row_mut(1).fill(Complex32::ZERO);
    let message = Whitening::from_noise(noise.view()).unwrap_err().to_string();
    assert!(message.contains("coil 1 is silent"), "{message}");
}

#[test]
fn eight_mixtures_of_three_coils_compress_to_three_without_loss() {
    let sources = Array2::from_shape_fn((3, 400), |(c, i)| normal(21, [c, i, 0]));
    let mixture = Array2::from_shape_fn((8, 3), |(c, i)| normal(22, [c, i, 0]));
    let coils = mixture.dot(&sources).mapv(narrow);
    let samples = Array5::from_shape_fn((1, 8, 1, 20, 20), |(_, c, _, y, x)| coils[[c, y * 20 + x]]);
    let frame = samples.slice(s![0, .., .., .., ..]);
    let compression = Compression::new(&[frame], Keep::Energy(0.999_999)).unwrap();
    assert_eq!(compression.coils(), 3, "{:?}", compression.shares);
    assert!(compression.energy() > 1.0 - 1e-9);
    let rows = compression.matrix.dot(&compression.matrix.t().mapv(|x| x.conj()));
    assert!(distance_from_identity(&rows) < 1e-12);
    // Orthonormal rows that span the coils: Vᴴ V x = x.
    let mut kept = Array5::zeros((1, 3, 1, 20, 20));
    compression.apply(frame, kept.slice_mut(s![0, .., .., .., ..]));
    let mut worst = 0.0_f64;
    for ((_, c, z, y, x), truth) in samples.indexed_iter() {
        let wide = |x: Complex32| Complex64::new(x.re.into(), x.im.into());
        let back: Complex64 = (0..3).map(|v| compression.matrix[[v, c]].conj() * wide(kept[[0, v, z, y, x]])).sum();
        worst = worst.max((back - wide(*truth)).norm());
    }
    assert!(worst < 1e-5, "{worst}");
    assert_eq!(Compression::new(&[frame], Keep::Coils(2)).unwrap().coils(), 2);
    assert!(Compression::new(&[frame], Keep::Coils(0)).is_err());
}

#[test]
fn the_calibration_region_is_the_largest_centred_box() {
    // 24 × 20 around (16, 15), and every fourth line.
    let [ny, nx] = [32, 31];
    let inside = |i: usize, n: usize, extent: usize| i >= n / 2 - extent / 2 && i < n / 2 - extent / 2 + extent;
    let mut mask = Mask { shape: [1, ny, nx], sampled: vec![false; ny * nx] };
    for y in 0..ny {
        for x in 0..nx {
            mask.sampled[y * nx + x] = y % 4 == 1 || inside(y, ny, 24) && inside(x, nx, 20);
        }
    }
    assert_eq!(fully_sampled_region(&mask, 64).unwrap(), [0..1, 4..28, 5..25]);
    assert_eq!(fully_sampled_region(&mask, 12).unwrap(), [0..1, 10..22, 9..21]);
    let samples = Array4::from_shape_fn((1, 1, ny, nx), |(_, _, y, x)| Complex32::new(y as f32, x as f32));
    let data = calibration_data(samples.view(), &[0..1, 10..22, 9..21]);
    assert_eq!(data[[0, 0, 6, 6]], Complex32::new((ny / 2) as f32, (nx / 2) as f32));
    // In three dimensions.
    let mut mask = Mask::full([5, 6, 7]);
    mask.sampled[0] = false;
    // Without the line y = 0: 5 · 5 · 7 points, more than without the planes that the other axes would lose.
    assert_eq!(fully_sampled_region(&mask, 64).unwrap(), [0..5, 1..6, 0..7]);
    mask.sampled[(2 * 6 + 3) * 7 + 3] = false;
    let message = fully_sampled_region(&mask, 24).unwrap_err().to_string();
    assert!(message.contains("--maps") && message.contains("[2, 3, 3]"), "{message}");
}

/// Sensitivities that are sums of few waves of half a cycle per field of view, so that their k-space is known.
fn sensitivity(coil: usize, coils: usize, r: [f64; 3]) -> Complex64 {
    let angle = TAU * coil as f64 / coils as f64;
    let (sin, cos) = angle.sin_cos();
    let wave = |cycles: f64| Complex64::cis(TAU * cycles);
    let along = 0.5 * (cos * r[2] + sin * r[1]) + 0.3 * (0.5 - (coil % 2) as f64) * r[0];
    Complex64::cis(2.0 * angle) * (1.0 + 0.6 * wave(along) + 0.2 * wave(0.4 * (r[1] - r[2])))
}

/// An ellipse of finer detail, in fields of view: 1 inside plus a texture.
fn object(r: [f64; 3], radius: f64) -> f64 {
    let inside = (r[2] / radius).powi(2) + (r[1] / (0.9 * radius)).powi(2) + (r[0] / 0.4).powi(2) < 1.0;
    if inside { 1.0 + 0.5 * (23.0 * r[2]).sin() * (17.0 * r[1] + 9.0 * r[0]).cos() } else { 0.0 }
}

fn place(index: usize, extent: usize) -> f64 {
    if extent == 1 { 0.0 } else { (index as f64 - (extent / 2) as f64) / extent as f64 }
}

/// The centre of k-space of an object on a fine `grid` that spans `wide` fields of view: Σ_r s(r) m(r) e^(−2πi k·r), axis by axis, in f64.
fn centre(coils: usize, grid: [usize; 3], wide: f64, radius: f64, size: [usize; 3]) -> Array4<Complex32> {
    let at = |axis: usize, i: usize| wide * place(i, grid[axis]);
    let wave =
        |axis: usize, k: usize, i: usize| Complex64::cis(-TAU * (k as f64 - (size[axis] / 2) as f64) * at(axis, i));
    let waves: Vec<Array2<Complex64>> =
        (0..3).map(|axis| Array2::from_shape_fn((size[axis], grid[axis]), |(k, i)| wave(axis, k, i))).collect();
    let mut data = Array4::zeros((coils, size[0], size[1], size[2]));
    for coil in 0..coils {
        for z in 0..grid[0] {
            let slice = Array2::from_shape_fn((grid[1], grid[2]), |(y, x)| {
                let r = [at(0, z), at(1, y), at(2, x)];
                sensitivity(coil, coils, r) * object(r, radius)
            });
            let plane = waves[1].dot(&slice).dot(&waves[2].t());
            for kz in 0..size[0] {
                let mut into = data.slice_mut(s![coil, kz, .., ..]);
                into.zip_mut_with(&plane, |sum, x| *sum += narrow(waves[0][[kz, z]] * x));
            }
        }
    }
    data
}

/// The least |⟨found, truth⟩| of unit vectors over the inside of the object, which is 1 if they are equal up to phase.
fn least_overlap(maps: &Array5<Complex32>, radius: f64) -> f64 {
    let (_, coils, nz, ny, nx) = maps.dim();
    let mut least = 1.0_f64;
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let r = [place(z, nz), place(y, ny), place(x, nx)];
                if object(r, radius) == 0.0 {
                    continue;
                }
                let truth: Vec<Complex64> = (0..coils).map(|c| sensitivity(c, coils, r)).collect();
                let norm = truth.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
                let found = |c: usize| Complex64::new(maps[[0, c, z, y, x]].re.into(), maps[[0, c, z, y, x]].im.into());
                let overlap: Complex64 = (0..coils).map(|c| found(c).conj() * truth[c]).sum();
                least = least.min(overlap.norm() / norm);
            }
        }
    }
    least
}

#[test]
fn known_maps_are_found_in_two_dimensions() {
    let matrix = [1, 60, 71];
    let data = centre(6, [1, 180, 213], 1.0, 0.4, [1, 24, 24]);
    for threshold in [Threshold::Automatic, Threshold::Relative(1e-3)] {
        let espirit = Espirit { threshold, ..Default::default() };
        let found = espirit.maps(&[data.view()], matrix).unwrap();
        let overlap = least_overlap(&found.maps, 0.38);
        println!("{threshold:?} ({:.1e}): overlap {overlap:.5}", found.threshold);
        // An angle of less than 3.6° everywhere, to the object's edge.
        assert!(overlap > 0.998, "{threshold:?}: {overlap}");
        // Maps have unit length where the object is, and fade from there on.
        for y in 0..matrix[1] {
            for x in 0..matrix[2] {
                let squares: f32 = found.maps.slice(s![0, .., 0, y, x]).iter().map(|x| x.norm_sqr()).sum();
                let inside = object([0.0, place(y, matrix[1]), place(x, matrix[2])], 0.4) > 0.0;
                assert!(squares < 1.0 + 1e-5 && (!inside || squares > 0.999), "{squares} at {y}, {x}");
            }
        }
    }
}

#[test]
fn maps_are_0_in_air_where_there_is_noise() {
    let mut data = centre(6, [1, 180, 213], 1.0, 0.3, [1, 24, 24]);
    for ((coil, _, y, x), value) in data.indexed_iter_mut() {
        *value += narrow(normal(4, [coil, y, x]) * 20.0);
    }
    let found = Espirit::default().maps(&[data.view()], [1, 60, 71]).unwrap();
    let (mut kept, mut air, mut seen, mut all) = (0, 0, 0, 0);
    for y in 0..60 {
        for x in 0..71 {
            let r = [0.0, place(y, 60), place(x, 71)];
            let length = found.maps.slice(s![0, .., 0, y, x]).iter().map(|x| x.norm_sqr()).sum::<f32>().sqrt();
            // Three points of resolution away from it.
            (air, kept) = match object([0.0, r[1] / 1.42, r[2] / 1.42], 0.3) == 0.0 {
                true => (air + 1, kept + u32::from(length > 0.0)),
                false => (air, kept),
            };
            (all, seen) = match object(r, 0.3) > 0.0 {
                true => (all + 1, seen + u32::from(length > 0.98)),
                false => (all, seen),
            };
        }
    }
    println!("{kept} of {air} pixels of air kept, {seen} of {all} of the object");
    assert!(kept * 3 < air && seen == all, "{kept} of {air}, {seen} of {all}");
}

#[test]
fn known_maps_are_found_in_three_dimensions() {
    let data = centre(4, [36, 72, 72], 1.0, 0.4, [14, 14, 14]);
    let espirit = Espirit { kernel: Some(4), crop: 0.0, ..Default::default() };
    let found = espirit.maps(&[data.view()], [18, 24, 24]).unwrap();
    let overlap = least_overlap(&found.maps, 0.36);
    println!("overlap {overlap:.5}");
    assert!(overlap > 0.995, "{overlap}");
}

#[test]
fn an_object_wider_than_the_field_of_view_needs_two_sets() {
    // 1.3 fields of view wide: near the edges two places fall upon one pixel.
    let data = centre(6, [1, 256, 256], 2.0, 0.65, [1, 24, 24]);
    let n = 48;
    let espirit = Espirit { sets: Some(2), crop: 0.0, ..Default::default() };
    let found = espirit.maps(&[data.view()], [1, n, n]).unwrap();
    let second = |x: usize| found.eigenvalues[[1, 0, n / 2, x]];
    println!("second eigenvalue {} at the edge, {} in the middle", second(1), second(n / 2));
    assert!(second(1) > 0.95 && second(n / 2) < 0.8);
    // Both places' sensitivities lie in the span of the two maps, and not of one.
    let (x, r) = (1, [0.0, 0.0, place(1, n)]);
    for place in [r, [0.0, 0.0, r[2] + 1.0]] {
        let truth: Vec<Complex64> = (0..6).map(|c| sensitivity(c, 6, place)).collect();
        let norm: f64 = truth.iter().map(|x| x.norm_sqr()).sum();
        let part = |set: usize| {
            let map = found.maps.slice(s![set, .., 0, n / 2, x]);
            let inner: Complex64 =
                map.iter().zip(&truth).map(|(m, t)| Complex64::new(m.re.into(), -f64::from(m.im)) * t).sum();
            inner.norm_sqr() / norm
        };
        println!("at {place:?}: {:.4} of it in the first map, {:.4} in both", part(0), part(0) + part(1));
        assert!(part(0) + part(1) > 0.99 && part(0) < 0.98);
    }
}

#[test]
fn soft_maps_fade_and_phases_follow_the_principal_mixture() {
    let data = centre(5, [1, 128, 128], 1.0, 0.35, [1, 20, 20]);
    let soft = Espirit { soft: true, ..Default::default() };
    let found = soft.maps(&[data.view()], [1, 40, 40]).unwrap();
    let length = |y: usize, x: usize| {
        let squares: f32 = found.maps.slice(s![0, .., 0, y, x]).iter().map(|x| x.norm_sqr()).sum();
        squares.sqrt()
    };
    assert!(length(20, 20) > 0.98, "{}", length(20, 20));
    assert!(length(0, 0) < 0.5, "{}", length(0, 0));
    let flat = data.into_shape_with_order((5, 400)).unwrap();
    let (_, vectors) = rushlight::calibration::covariance::eigenvectors(&coil_covariance(flat.view()));
    for (y, x) in [(20, 20), (10, 22), (25, 30)] {
        let mixed: Complex64 = (0..5)
            .map(|c| {
                let map = found.maps[[0, c, 0, y, x]];
                vectors[[c, 0]].conj() * Complex64::new(map.re.into(), map.im.into())
            })
            .sum();
        assert!(mixed.re > 0.0 && mixed.im.abs() < 1e-5, "{mixed}");
    }
}

#[test]
fn maps_are_the_same_on_any_number_of_threads() {
    let data = centre(4, [1, 96, 96], 1.0, 0.4, [1, 16, 16]);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Espirit::default().maps(&[data.view()], [1, 50, 37]).unwrap())
    };
    let one = on(1);
    assert!(one == on(2) && one == on(5));
}

#[test]
fn what_cannot_be_calibrated_is_refused_in_one_line() {
    let data = centre(4, [1, 64, 64], 1.0, 0.4, [1, 12, 12]);
    let refused = |espirit: Espirit, data: &Array4<Complex32>| {
        let message = espirit.maps(&[data.view()], [1, 32, 32]).unwrap_err().to_string();
        assert!(!message.contains('\n'));
        message
    };
    let small = data.slice(s![.., .., 0..3, ..]).to_owned();
    let message = refused(Espirit::default(), &small);
    assert!(
        message.contains("[1, 3, 12]") && message.contains("--maps") && message.contains("--calibration"),
        "{message}"
    );
    assert!(refused(Espirit::default(), &Array4::zeros((4, 1, 12, 12))).contains("only zeros"));
    assert!(refused(Espirit { sets: Some(5), ..Default::default() }, &data).contains("5 sets"));
    let mut broken = data.clone();
    broken[[0, 0, 3, 3]].re = f32::NAN;
    assert!(refused(Espirit::default(), &broken).contains("not finite"));
}

#[test]
fn radial_samples_weigh_the_area_they_stand_for() {
    // Spokes over half a turn, samples of half a cell: π/spokes · |k| · ½ cells each.
    let (n, spokes) = (64, 120);
    let mut points = Vec::new();
    for spoke in 0..spokes {
        let (sin, cos) = (PI * spoke as f64 / spokes as f64).sin_cos();
        points.extend((0..2 * n).map(|i| {
            let k = 0.5 * (i as f64 - n as f64);
            [(k * cos) as f32, (k * sin) as f32, 0.0]
        }));
    }
    let weights = density_compensation(&Trajectory { matrix: [1, n, n], points }, 20).unwrap();
    let mut worst = 0.0_f64;
    for (index, weight) in weights.iter().enumerate() {
        let k = 0.5 * ((index % (2 * n)) as f64 - n as f64).abs();
        // From where the spline is no wider than the ramp's bend to where spokes come to lie more than half a cell apart.
        if (4.0..22.0).contains(&k) {
            worst = worst.max((f64::from(*weight) / (PI / spokes as f64 * k * 0.5) - 1.0).abs());
        }
    }
    println!("worst weight off by {:.1} %", 100.0 * worst);
    assert!(worst < 0.02, "{worst}");
}

#[test]
fn a_full_grid_weighs_one_a_sample() {
    let n = 16;
    let points = |i: usize| [(i % n) as f32 - 8.0, (i / n % n) as f32 - 8.0, (i / n / n) as f32 - 8.0];
    let trajectory = Trajectory { matrix: [n, n, n], points: (0..n * n * n).map(points).collect() };
    let weights = density_compensation(&trajectory, 3).unwrap();
    let centre = weights[(8 * n + 8) * n + 8];
    assert!((centre - 1.0).abs() < 1e-2, "{centre}");
}
