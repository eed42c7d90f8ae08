//! The non-uniform Fourier transform against its definition, summed in f64: sizes, tolerances, directions, devices.

use std::f64::consts::{PI, TAU};

use num_complex::Complex64;
use rushlight::{
    Error,
    device::{Device, Element, HostArray},
    geometry::Trajectory,
    operators::{LinearOperator, Nufft, Toeplitz},
};

mod devices;

/// Complex numbers of planar lines `[lines, 2, length]`.
fn complex(numbers: &[f32], length: usize) -> Vec<Complex64> {
    let line = |line: &[f32]| {
        let (re, im) = line.split_at(length);
        re.iter().zip(im).map(|(re, im)| Complex64::new(f64::from(*re), f64::from(*im))).collect::<Vec<_>>()
    };
    numbers.chunks_exact(2 * length).flat_map(line).collect()
}

/// e^(−2πi k (r − N/2)/N) for r = 0..N.
fn phases(k: f32, length: usize) -> Vec<Complex64> {
    let turn = |r: usize| -TAU * f64::from(k) * (r as f64 - (length / 2) as f64) / length as f64;
    (0..length).map(|r| Complex64::cis(turn(r))).collect()
}

/// One image or one coil's samples, forward or adjoint, by the definition.
fn defined(trajectory: &Trajectory, numbers: &[Complex64], adjoint: bool) -> Vec<Complex64> {
    let [nz, ny, nx] = trajectory.matrix;
    let scale = 1.0 / ((nz * ny * nx) as f64).sqrt();
    let mut out = vec![Complex64::ZERO; if adjoint { nz * ny * nx } else { trajectory.points.len() }];
    for (m, point) in trajectory.points.iter().enumerate() {
        let [x, y, z] = [(0, nx), (1, ny), (2, nz)].map(|(axis, length)| phases(point[axis], length));
        let mut sum = Complex64::ZERO;
        for (line, (z, y)) in z.iter().flat_map(|z| y.iter().map(move |y| (z, y))).enumerate() {
            let zy = z * y * scale;
            if adjoint {
                let value = numbers[m] * zy.conj();
                out[line * nx..].iter_mut().zip(&x).for_each(|(out, x)| *out += value * x.conj());
            } else {
                sum += zy * numbers[line * nx..].iter().zip(&x).map(|(value, x)| value * x).sum::<Complex64>();
            }
        }
        if !adjoint {
            out[m] = sum;
        }
    }
    out
}

fn relative(found: &[Complex64], expected: &[Complex64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let squares = |numbers: &mut dyn Iterator<Item = Complex64>| numbers.map(|number| number.norm_sqr()).sum::<f64>();
    let difference = squares(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    (difference / squares(&mut expected.iter().copied())).sqrt()
}

fn run(device: &Device, operator: &dyn LinearOperator, numbers: &HostArray, adjoint: bool) -> Vec<f32> {
    let (from, into) =
        if adjoint { (operator.range(), operator.domain()) } else { (operator.domain(), operator.range()) };
    let from = device.upload(from, numbers.numbers::<f32>()).unwrap();
    // Dirty memory must not show.
    let mut into = device.upload(into, HostArray::noise(into, 77).numbers::<f32>()).unwrap();
    if adjoint { operator.adjoint(&from, &mut into) } else { operator.forward(&from, &mut into) }.unwrap();
    device.download(&into).unwrap()
}

/// Noise, and what the definition makes of it, forward and adjoint.
struct Truth<'a> {
    trajectory: &'a Trajectory,
    coils: usize,
    inputs: [HostArray; 2],
    outputs: [Vec<Complex64>; 2],
}

impl<'a> Truth<'a> {
    fn new(trajectory: &'a Trajectory, coils: usize) -> Self {
        let ([nz, ny, nx], samples) = (trajectory.matrix, trajectory.points.len());
        let inputs = [HostArray::noise(&[coils * nz * ny, 2, nx], 5), HostArray::noise(&[coils, 2, samples], 6)];
        let outputs = [(0, nx, false), (1, samples, true)].map(|(side, length, adjoint)| {
            let input = complex(inputs[side].numbers(), length);
            input.chunks_exact(input.len() / coils).flat_map(|one| defined(trajectory, one, adjoint)).collect()
        });
        Self { trajectory, coils, inputs, outputs }
    }

    /// Relative errors of forward and adjoint, over all coils.
    fn errors(&self, device: &Device, tolerance: f64) -> [f64; 2] {
        let nufft = Nufft::new(device, self.trajectory, self.coils, tolerance).unwrap();
        let lengths = [self.trajectory.points.len(), self.trajectory.matrix[2]];
        [0, 1].map(|side: usize| {
            let found = run(device, &nufft, &self.inputs[side], side == 1);
            relative(&complex(&found, lengths[side]), &self.outputs[side])
        })
    }
}

/// Points of noise within ±N/2.
fn random(matrix: [usize; 3], count: usize) -> Trajectory {
    let noise = HostArray::noise(&[count, 3], 3);
    let [nz, ny, nx] = matrix.map(|length| if length == 1 { 0.0 } else { length as f32 / 2.0 });
    let points = noise.numbers::<f32>().chunks_exact(3).map(|p| [p[0] * nx, p[1] * ny, p[2] * nz]).collect();
    Trajectory { matrix, points }
}

fn radial(n: usize, spokes: usize, readout: usize) -> Trajectory {
    let point = |index: usize| {
        let (sin, cos) = (PI * (index / readout) as f64 / spokes as f64).sin_cos();
        let r = n as f64 * ((index % readout) as f64 / readout as f64 - 0.5);
        [(r * cos) as f32, (r * sin) as f32, 0.0]
    };
    Trajectory { matrix: [1, n, n], points: (0..spokes * readout).map(point).collect() }
}

fn spiral(n: usize, turns: f64, count: usize) -> Trajectory {
    let point = |index: usize| {
        let t = index as f64 / count as f64;
        let (sin, cos) = (TAU * turns * t).sin_cos();
        [(0.5 * n as f64 * t * cos) as f32, (0.5 * n as f64 * t * sin) as f32, 0.0]
    };
    Trajectory { matrix: [1, n, n], points: (0..count).map(point).collect() }
}

/// Corners, edges, the middle, points on and between grid points, each twice.
fn edges([nz, ny, nx]: [usize; 3]) -> Trajectory {
    let along = |n: usize| {
        let half = n as f32 / 2.0;
        if n == 1 { vec![0.0] } else { vec![-half, half, 0.0, -half + 1e-3, 0.37 * half, (n / 2) as f32 - 1.0] }
    };
    let mut points = Vec::new();
    for kz in along(nz) {
        for ky in along(ny) {
            points.extend(along(nx).into_iter().flat_map(|kx| [[kx, ky, kz]; 2]));
        }
    }
    Trajectory { matrix: [nz, ny, nx], points }
}

const TOLERANCES: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

#[test]
fn errors_are_below_the_tolerance_asked_for() {
    let cases = [
        ("64² random", random([1, 64, 64], 2000), 1),
        ("61 × 47 random", random([1, 61, 47], 2000), 1),
        ("96² radial, 8 coils", radial(96, 12, 96), 8),
        ("80² spiral, 5 coils", spiral(80, 12.0, 800), 5),
        ("24 × 19 × 32 random", random([24, 19, 32], 800), 1),
        ("16³ random, 9 coils", random([16; 3], 300), 9),
        ("256² random", random([1, 256, 256], 400), 1),
    ];
    println!("| relative ℓ² error | device | {} |", TOLERANCES.map(|t| format!("{t:.0e}")).join(" | "));
    println!("|---|---|{}", "---|".repeat(TOLERANCES.len()));
    let mut wrong = Vec::new();
    for (case, trajectory, coils) in &cases {
        let truth = Truth::new(trajectory, *coils);
        // Slabs of 1 MiB; the grid of 256² points is the only one that does not fit.
        let limit = if trajectory.matrix[2] == 256 { 2 << 20 } else { 1 << 20 };
        for (name, device) in devices::every(limit) {
            let found = TOLERANCES.map(|tolerance| truth.errors(&device, tolerance));
            for (direction, way) in ["forward", "adjoint"].iter().enumerate() {
                let figures: Vec<_> = found.iter().map(|errors| format!("{:.1e}", errors[direction])).collect();
                println!("| {case}, {way} | {name} | {} |", figures.join(" | "));
            }
            for (errors, tolerance) in found.iter().zip(TOLERANCES) {
                if errors.iter().any(|error| error.is_nan() || *error > tolerance) {
                    wrong.push(format!("{case} on {name} at {tolerance:e}: {errors:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn points_at_the_edge_repeated_points_and_a_single_one() {
    let single = |matrix, point| Trajectory { matrix, points: vec![point] };
    let cases = [
        ("edges", edges([1, 32, 32])),
        ("odd edges", edges([1, 33, 27])),
        ("edges in space", edges([8, 9, 10])),
        ("a single point", single([1, 40, 40], [3.3, -7.9, 0.0])),
        ("the middle", single([1, 40, 40], [0.0; 3])),
        ("a small matrix", random([1, 4, 5], 50)),
        ("a line", random([1, 1, 64], 50)),
        ("two slices", random([2, 20, 20], 50)),
    ];
    for (case, trajectory) in &cases {
        let truth = Truth::new(trajectory, 1);
        for (name, device) in devices::every(1 << 20) {
            for tolerance in [1e-2, 1e-5] {
                let errors = truth.errors(&device, tolerance);
                println!("{case} on {name}: {:.1e} and {:.1e} of {tolerance:e}", errors[0], errors[1]);
                assert!(errors.iter().all(|error| *error <= tolerance), "{case} on {name}: {errors:?}, {tolerance:e}");
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn the_adjoint_is_the_adjoint_whatever_the_tolerance() {
    for (name, device) in devices::every(1 << 20) {
        for (trajectory, coils) in
            [(radial(64, 20, 128), 8), (random([12, 20, 17], 700), 2), (random([1, 64, 64], 900), 1)]
        {
            for tolerance in [1e-2, 1e-6] {
                let nufft = Nufft::new(&device, &trajectory, coils, tolerance).unwrap();
                let (x, y) = (HostArray::noise(nufft.domain(), 1), HostArray::noise(nufft.range(), 2));
                let ax = run(&device, &nufft, &x, false);
                let aty = run(&device, &nufft, &y, true);
                let (forward, adjoint) = (dot(&ax, y.numbers()), dot(x.numbers(), &aty));
                let gap = (forward - adjoint).abs() / (dot(&ax, &ax) * dot(y.numbers(), y.numbers())).sqrt();
                println!("{:?} on {name}, {tolerance:e}: {gap:.1e}", trajectory.matrix);
                assert!(gap <= 1e-6, "{:?} on {name}: {gap:e}", trajectory.matrix);
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let device = Device::cpu();
    let trajectory = radial(96, 40, 192);
    for coils in [1, 8] {
        let nufft = Nufft::new(&device, &trajectory, coils, 1e-4).unwrap();
        let y = HostArray::noise(nufft.range(), 2);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&device, &nufft, &y, true))
        };
        let one = on(1);
        assert!(one.iter().any(|number| *number != 0.0));
        assert_eq!(one, on(3), "{coils} coils");
    }
}

#[test]
fn what_cannot_be_is_refused_in_a_line() {
    let device = Device::cpu();
    let outside = Trajectory { matrix: [1, 16, 16], points: vec![[9.0, 0.0, 0.0]] };
    assert!(matches!(Nufft::new(&device, &outside, 1, 1e-3), Err(Error::Scan(_))));
    assert!(matches!(Nufft::new(&device, &random([1, 16, 16], 4), 1, 1e-9), Err(Error::Option(_))));
    assert!(device.zeros(&[1], Element::F32).is_ok());
}

#[test]
fn the_toeplitz_form_is_the_adjoint_after_the_weighted_transform() {
    for (trajectory, coils) in [(radial(40, 30, 80), 8), (random([1, 37, 26], 900), 2), (random([6, 7, 10], 500), 1)] {
        let [nz, ny, nx] = trajectory.matrix;
        let noise = HostArray::noise(&[trajectory.points.len()], 9);
        let weights: Vec<f32> = noise.numbers::<f32>().iter().map(|w| 1.0 + 0.9 * w).collect();
        let x = HostArray::noise(&[coils * nz * ny, 2, nx], 4);
        let normal = |image: &[Complex64]| {
            let mut samples = defined(&trajectory, image, false);
            samples.iter_mut().zip(&weights).for_each(|(y, weight)| *y *= f64::from(*weight));
            defined(&trajectory, &samples, true)
        };
        let expected: Vec<_> = complex(x.numbers(), nx).chunks_exact(nz * ny * nx).flat_map(normal).collect();
        for (name, device) in devices::every(1 << 20) {
            for tolerance in [1e-2, 1e-5] {
                let toeplitz = Toeplitz::new(&device, &trajectory, &weights, (coils, tolerance)).unwrap();
                let found = run(&device, &toeplitz, &x, false);
                let error = relative(&complex(&found, nx), &expected);
                println!("{:?} on {name}: {error:.1e} of {tolerance:e}", trajectory.matrix);
                assert!(error <= tolerance, "{:?} on {name}: {error:e} of {tolerance:e}", trajectory.matrix);
                // Self-adjoint to rounding.
                let y = HostArray::noise(toeplitz.domain(), 6);
                let (ay, norm) =
                    (run(&device, &toeplitz, &y, true), dot(&found, &found) * dot(y.numbers(), y.numbers()));
                let gap = (dot(&found, y.numbers()) - dot(x.numbers(), &ay)).abs() / norm.sqrt();
                assert!(gap <= 1e-6, "{:?} on {name}: {gap:e}", trajectory.matrix);
            }
        }
    }
}

#[test]
fn a_grid_that_fits_no_binding_is_refused_with_the_limit_and_the_need() {
    if let Some(gpu) = devices::gpu() {
        let error = Nufft::new(&gpu.with_binding_limit(1 << 16), &random([1, 128, 128], 10), 1, 1e-3).err().unwrap();
        let message = error.to_string();
        assert!(message.contains("65536") && message.contains("one coil"), "{message}");
    }
}
