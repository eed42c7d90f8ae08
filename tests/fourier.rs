//! The Fourier transform against its definition, summed in f64.

use std::f64::consts::TAU;

use rushlight::{
    Error,
    device::{Device, Element, HostArray},
    operators::{
        Axis::{self, X, Y, Z},
        Direction, Fourier, HostFourier, LinearOperator,
        fourier::centring_phases,
    },
};
use rustfft::num_complex::Complex64;

mod devices;

/// Rounding of f32 in up to a dozen passes; Bluestein's way is three transforms long.
const ERROR: f64 = 1e-6;

/// `[batch·nz·ny, 2, nx]` as complex numbers `[batch·nz·ny, nx]`.
fn complex(numbers: &[f32], nx: usize) -> Vec<Complex64> {
    let number = |line: &[f32], x: usize| Complex64::new(line[x].into(), line[nx + x].into());
    numbers.chunks_exact(2 * nx).flat_map(|line| (0..nx).map(move |x| number(line, x))).collect()
}

/// n^(−½) Σⱼ x[j] e^(∓2πi (j − c)(k − c)/n) as it is written, along one axis.
fn defined(numbers: &mut [Complex64], [nz, ny, nx]: [usize; 3], axis: Axis, sign: f64, centred: bool) {
    let (n, stride) = match axis {
        Z => (nz, ny * nx),
        Y => (ny, nx),
        X => (nx, 1),
    };
    let c = if centred { n / 2 } else { 0 } as i64;
    let roots: Vec<_> = (0..n).map(|m| Complex64::cis(-sign * TAU * m as f64 / n as f64)).collect();
    let root = |j: usize, k: usize| roots[((j as i64 - c) * (k as i64 - c)).rem_euclid(n as i64) as usize];
    for block in numbers.chunks_exact_mut(n * stride) {
        for offset in 0..stride {
            let line: Vec<_> = (0..n).map(|j| block[offset + j * stride]).collect();
            for k in 0..n {
                let sum: Complex64 = line.iter().enumerate().map(|(j, number)| number * root(j, k)).sum();
                block[offset + k * stride] = sum / (n as f64).sqrt();
            }
        }
    }
}

fn relative(found: &[Complex64], expected: &[Complex64]) -> f64 {
    let squares: f64 = expected.iter().zip(found).map(|(a, b)| (a - b).norm_sqr()).sum();
    (squares / expected.iter().map(|a| a.norm_sqr()).sum::<f64>()).sqrt()
}

/// ‖found − expected‖ / ‖expected‖, the worst of forward and adjoint, into another array and in place.
fn worst_error(device: &Device, batch: usize, extents @ [nz, ny, nx]: [usize; 3], axes: &[Axis], centred: bool) -> f64 {
    let shape = [batch * nz * ny, 2, nx];
    let noise = HostArray::noise(&shape, (nz + 7 * ny + 31 * nx) as u64);
    let plan = if centred { Fourier::centred } else { Fourier::new };
    let fourier = plan(device, batch, extents, axes).unwrap();
    let mut worst = 0.0_f64;
    for direction in [Direction::Forward, Direction::Adjoint] {
        let mut expected = complex(noise.numbers(), nx);
        let sign = if direction == Direction::Forward { 1.0 } else { -1.0 };
        axes.iter().for_each(|axis| defined(&mut expected, extents, *axis, sign, centred));
        let mut x = device.upload(&shape, noise.numbers::<f32>()).unwrap();
        // Dirty memory must not show.
        let mut y = device.upload(&shape, HostArray::noise(&shape, 7).numbers::<f32>()).unwrap();
        match direction {
            Direction::Forward => fourier.forward(&x, &mut y),
            Direction::Adjoint => fourier.adjoint(&x, &mut y),
        }
        .unwrap();
        fourier.transform(direction, &mut x);
        for array in [x, y] {
            worst = worst.max(relative(&complex(&device.download(&array).unwrap(), nx), &expected));
        }
    }
    worst
}

/// The devices, opened once a test.
struct Devices(Vec<(&'static str, Device)>);

impl Devices {
    fn open() -> Self {
        let gpu = devices::gpu().map(|gpu| ("GPU", gpu));
        Self([("CPU", Device::cpu())].into_iter().chain(gpu).collect())
    }

    /// Each device as it is and in slabs of at most `limit` bytes.
    #[track_caller]
    fn check(&self, limit: u64, batch: usize, extents: [usize; 3], axes: &[Axis], centred: bool) {
        for (name, device) in &self.0 {
            for device in [device.clone(), device.clone().with_binding_limit(limit)] {
                let error = worst_error(&device, batch, extents, axes, centred);
                let limit = device.binding_limit();
                let case =
                    format!("{batch} × {extents:?} along {axes:?}, centred: {centred}, on {name}, slabs of {limit}");
                assert!(error < ERROR, "{case}: {error:e}");
            }
        }
    }
}

#[test]
fn every_length_is_accurate_along_every_axis() {
    let devices = Devices::open();
    let longer = [61, 127, 128, 180, 208, 230, 251, 256, 289, 384];
    for (index, n) in (1..=64).chain(longer).enumerate() {
        let centred = index % 3 == 0;
        // Lines and columns that fill registers, and some more.
        devices.check(40 * n as u64, 1, [1, 19, n], &[X], centred);
        devices.check(1 << 20, 1, [1, n, 21], &[Y], !centred);
        if index % 4 == 0 {
            devices.check(1 << 20, 1, [n, 2, 5], &[Z], centred);
        }
    }
}

#[test]
fn long_lines_are_accurate() {
    let devices = Devices::open();
    for n in [512, 1000, 1024, 2048, 2187, 4096] {
        devices.check(1 << 20, 1, [1, 3, n], &[X], false);
    }
}

#[test]
fn several_axes_are_one_after_the_other() {
    let devices = Devices::open();
    for centred in [false, true] {
        devices.check(1 << 20, 5, [1, 24, 18], &[Y, X], centred);
        devices.check(1 << 20, 2, [5, 17, 20], &[X, Y, Z], centred);
        devices.check(1 << 20, 2, [4, 33, 7], &[Z, X], centred);
        devices.check(1 << 20, 1, [3, 40, 1], &[X, Y], centred);
        devices.check(1 << 20, 3, [1, 1, 6], &[Z, Y], centred);
        devices.check(1 << 20, 3, [2, 4, 6], &[], centred);
    }
}

#[test]
fn images_may_lie_in_several_slabs() {
    let devices = Devices::open();
    // Slices of 30 lines of 160 bytes, 13 of them in a slab of 64 KiB and a bit of the next.
    devices.check(64 << 10, 40, [1, 30, 20], &[Y, X], true);
    devices.check(9 << 10, 7, [1, 19, 23], &[Y], false);
    // 1 MiB holds 3 images of 180 × 230 and a bit.
    devices.check(1 << 20, 4, [1, 180, 230], &[Y], true);
    devices.check(10 << 10, 5, [3, 8, 20], &[Z, X], false);
}

#[test]
fn a_gpu_names_what_does_not_fit() {
    let Some(gpu) = devices::gpu() else { return };
    let small = gpu.with_binding_limit(4096);
    assert!(Fourier::new(&small, 3, [1, 100, 20], &[X]).is_ok());
    match Fourier::new(&small, 3, [1, 100, 20], &[Y]).err() {
        Some(Error::OutOfMemory { bytes: 16_000, limit, .. }) => assert!(limit.contains("4096"), "{limit}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_transform_of_a_wave_is_one_number() {
    // A closed form that no other transform has a part in: e^(2πi 5j/60) has only frequency 5, of height √60.
    let wave = |part: fn(f64) -> f64| (0..60).map(move |j| part(TAU * 5.0 * j as f64 / 60.0) as f32);
    let wave: Vec<f32> = wave(f64::cos).chain(wave(f64::sin)).collect();
    for (name, device) in devices::every(1 << 20) {
        let mut y = device.zeros(&[1, 2, 60], Element::F32).unwrap();
        let fourier = Fourier::new(&device, 1, [1, 1, 60], &[X]).unwrap();
        fourier.forward(&device.upload(&[1, 2, 60], &wave).unwrap(), &mut y).unwrap();
        for (k, number) in complex(&device.download::<f32>(&y).unwrap(), 60).iter().enumerate() {
            let expected = if k == 5 { 60.0_f64.sqrt() } else { 0.0 };
            assert!((number - expected).norm() < 1e-5, "{name}, frequency {k}: {number}");
        }
    }
}

#[test]
fn norms_are_kept() {
    for (name, device) in devices::every(1 << 20) {
        let shape = [60 * 2, 2, 34];
        let x = HostArray::noise(&shape, 3);
        let fourier = Fourier::centred(&device, 2, [3, 20, 34], &[X, Y, Z]).unwrap();
        let mut y = device.upload(&shape, x.numbers::<f32>()).unwrap();
        fourier.transform(Direction::Forward, &mut y);
        let norm = |numbers: &[f32]| numbers.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let ratio = norm(&device.download(&y).unwrap()) / norm(x.numbers());
        assert!((ratio - 1.0).abs() < 1e-6, "{name}: {ratio}");
    }
}

#[test]
fn phases_make_a_plain_transform_a_centred_one() {
    for n in [1, 2, 3, 8, 9, 10, 23, 64] {
        let noise = HostArray::noise(&[1, 2, n], 5);
        let (mut plain, mut centred) = (complex(noise.numbers(), n), complex(noise.numbers(), n));
        let phases = centring_phases(n).map(|phases| {
            phases.iter().map(|phase| Complex64::new(phase.re.into(), phase.im.into())).collect::<Vec<_>>()
        });
        let [places, frequencies] = &phases;
        plain.iter_mut().zip(places).for_each(|(number, phase)| *number *= phase);
        defined(&mut plain, [1, 1, n], X, 1.0, false);
        plain.iter_mut().zip(frequencies).for_each(|(number, phase)| *number *= phase);
        defined(&mut centred, [1, 1, n], X, 1.0, true);
        assert!(relative(&plain, &centred) < 1e-6, "n = {n}");
        // Even lengths need no more than signs.
        let exact = phases.iter().flatten().all(|phase| phase.im.abs() < 1e-6);
        assert!(n % 2 == 1 || exact, "n = {n}");
    }
}

#[test]
fn an_image_in_host_memory_is_transformed_as_one_on_the_device() {
    for (extents, axes) in [([1, 37, 50], &[Y, X][..]), ([4, 16, 32], &[X, Y, Z])] {
        let [nz, ny, nx] = extents;
        let host = HostFourier::centred(extents, axes);
        let mut image = HostArray::noise(&[nz * ny, 2, nx], 4).numbers::<f32>().to_vec();
        let mut expected = complex(&image, nx);
        axes.iter().for_each(|axis| defined(&mut expected, extents, *axis, 1.0, true));
        // What scratch holds must not show.
        let mut scratch = host.scratch();
        scratch.fill(f32::NAN);
        host.transform(Direction::Forward, &mut image, &mut scratch);
        assert!(relative(&complex(&image, nx), &expected) < ERROR);
        // The same bits whatever the threads and the number of images.
        let device = Device::cpu();
        let noise = HostArray::noise(&[nz * ny, 2, nx], 4);
        let mut array = device.upload(&[nz * ny, 2, nx], noise.numbers::<f32>()).unwrap();
        let fourier = Fourier::centred(&device, 1, extents, axes).unwrap();
        fourier.transform(Direction::Forward, &mut array);
        assert_eq!(device.download::<f32>(&array).unwrap(), image);
        assert_eq!(fourier.on_host().map(HostFourier::len), Some(image.len()));
    }
}
