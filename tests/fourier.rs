//! The Fourier transform against the definition and against rustfft in f64.

use std::f64::consts::TAU;

use rushlight::{
    Error,
    device::{Device, Element, HostArray},
    operators::{Fourier, LinearOperator},
};
use rustfft::{FftPlanner, num_complex::Complex64};

mod devices;

const LINES: usize = 3;

fn complex(numbers: &[f32]) -> Vec<Complex64> {
    numbers.chunks_exact(2).map(|pair| Complex64::new(pair[0].into(), pair[1].into())).collect()
}

/// n^(−½) Σⱼ x[j] e^(∓2πi jk/n), as it is written.
fn defined(line: &[Complex64], sign: f64) -> Vec<Complex64> {
    let n = line.len();
    let term = |j: usize, k: usize| line[j] * Complex64::cis(-sign * TAU * (j * k % n) as f64 / n as f64);
    (0..n).map(|k| (0..n).map(|j| term(j, k)).sum::<Complex64>() / (n as f64).sqrt()).collect()
}

fn by_rustfft(line: &[Complex64], sign: f64) -> Vec<Complex64> {
    let mut planner = FftPlanner::new();
    let plan = if sign > 0.0 { planner.plan_fft_forward(line.len()) } else { planner.plan_fft_inverse(line.len()) };
    let mut line = line.to_vec();
    plan.process(&mut line);
    let scale = 1.0 / (line.len() as f64).sqrt();
    line.iter().map(|number| number * scale).collect()
}

/// ‖found − expected‖ / ‖expected‖ of the worst line, forward and adjoint.
fn worst_error(device: &Device, length: usize) -> f64 {
    let shape = [LINES, length, 2];
    let x = HostArray::noise(&shape, length as u64);
    let fourier = Fourier::new(device, LINES, length).unwrap();
    let from = device.upload(&shape, x.numbers::<f32>()).unwrap();
    let mut worst = 0.0_f64;
    for sign in [1.0, -1.0] {
        // Dirty memory must not show.
        let mut into = device.upload(&shape, HostArray::noise(&shape, 7).numbers::<f32>()).unwrap();
        if sign > 0.0 { fourier.forward(&from, &mut into) } else { fourier.adjoint(&from, &mut into) }.unwrap();
        let found = complex(&device.download::<f32>(&into).unwrap());
        for (line, found) in complex(x.numbers()).chunks_exact(length).zip(found.chunks_exact(length)) {
            let expected = if length <= 64 { defined(line, sign) } else { by_rustfft(line, sign) };
            let squares: f64 = expected.iter().zip(found).map(|(a, b)| (a - b).norm_sqr()).sum();
            worst = worst.max((squares / expected.iter().map(|a| a.norm_sqr()).sum::<f64>()).sqrt());
        }
    }
    worst
}

#[test]
fn powers_of_two_are_accurate_to_1e_6_on_both_devices() {
    // The limit holds the longest line, and cuts the three of it in three slabs.
    for (name, device) in devices::every(8 * 16_384) {
        for power in 1..=14 {
            let error = worst_error(&device, 1 << power);
            println!("n = {:5} on {name}: {error:.1e}", 1 << power);
            assert!(error < 1e-6, "n = {} on {name}: {error:e}", 1 << power);
        }
    }
}

#[test]
fn any_length_is_accurate_to_1e_6_on_the_cpu() {
    for length in [1, 3, 5, 7, 12, 30, 61, 97, 1000, 1536, 2187] {
        let error = worst_error(&Device::cpu(), length);
        assert!(error < 1e-6, "n = {length}: {error:e}");
    }
}

#[test]
fn the_transform_of_a_wave_is_one_number() {
    // A closed form that no other transform has a part in: e^(2πi 5j/64) has only frequency 5, of height √64.
    let wave: Vec<f32> = (0..64)
        .map(|j| TAU * 5.0 * j as f64 / 64.0)
        .flat_map(|angle| [angle.cos() as f32, angle.sin() as f32])
        .collect();
    for (name, device) in devices::every(1 << 20) {
        let mut y = device.zeros(&[1, 64, 2], Element::F32).unwrap();
        let fourier = Fourier::new(&device, 1, 64).unwrap();
        fourier.forward(&device.upload(&[1, 64, 2], &wave).unwrap(), &mut y).unwrap();
        for (k, number) in complex(&device.download::<f32>(&y).unwrap()).iter().enumerate() {
            let expected = if k == 5 { 8.0 } else { 0.0 };
            assert!((number - expected).norm() < 1e-5, "{name}, frequency {k}: {number}");
        }
    }
}

#[test]
fn other_lengths_on_a_gpu_are_refused_by_name() {
    if let Some(gpu) = devices::gpu() {
        assert!(matches!(Fourier::new(&gpu, 2, 100), Err(Error::Device(message)) if message.contains("100")));
    }
}
