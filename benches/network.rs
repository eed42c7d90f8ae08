//! The network of `denoise --method net` beside the processor's own rate of multiply–adds, by turns in one run.
//!
//!     cargo bench --bench network            # RAYON_NUM_THREADS=1 for one thread
//!
//! The peak is that of a loop that stays in registers, on as many threads: 12 vectors of 512 or 256 bits, enough
//! to hide the latency. The network's multiply–adds are those of its layers' weights, at 512² pixels,
//! asked once.

use std::{hint::black_box, time::Instant};

use rayon::prelude::*;
use rushlight::{
    denoisers::{self, Noisy, Options, Sigma, network::Parameters},
    device::{Device, HostArray, Simd},
};

const N: usize = 512;
const TURNS: usize = 9;
/// Steps of the register loop in a turn and thread.
const STEPS: usize = 20_000_000;
/// Sums at a time.
const SUMS: usize = 12;

fn main() {
    let threads = rayon::current_num_threads();
    let device = Device::cpu();
    let image = device.upload(&[N, N], HostArray::noise(&[N * N], 1).numbers::<f32>()).expect("room");
    let sigma = Sigma::Flat(0.1);
    let method = denoisers::named("net", &Options { turned: false, ..Options::default() }).expect("there is one");
    let noisy = Noisy::new(&image, [1, N, N], &sigma).expect("a noisy image");
    let products = multiply_adds(&Options::default().weights.parameters());
    let (mut peaks, mut times) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let begin = Instant::now();
        let done: usize = (0..threads).into_par_iter().map(|_| registers()).sum();
        peaks.push(done as f64 / begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        black_box(method.denoise(&device, &noisy).expect("it works"));
        times.push(begin.elapsed().as_secs_f64());
    }
    let (peak, time) = (median(&mut peaks), median(&mut times));
    println!("{} · {threads} threads · medians of {TURNS}", Simd::detected());
    println!("peak of registers     {:7.1} G multiply–adds a second", peak / 1e9);
    println!(
        "network at {N}²       {:7.1} G in {:.3} s: {:.1} G a second",
        products / 1e9,
        time,
        products / time / 1e9
    );
    println!("share of the peak     {:7.1} %", 100.0 * products / time / peak);
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Of a 512² image.
fn multiply_adds(parameters: &Parameters) -> f64 {
    let [c1, c2, c3] = parameters.widths.map(|width| width as f64);
    let [enc1, enc2, mid, dec2, dec1] = parameters.blocks.map(|blocks| 18.0 * blocks as f64);
    let [half, quarter, eighth] = [2, 4, 8].map(|divisor| ((N / divisor) * (N / divisor)) as f64);
    let ends = 9.0 * half * (8.0 * c1 + c1 * 4.0);
    let blocks = half * (enc1 + dec1) * c1 * c1 + quarter * (enc2 + dec2) * c2 * c2 + eighth * mid * c3 * c3;
    // Down: four taps for each output; up: one.
    ends + blocks + quarter * 4.0 * c1 * c2 + eighth * 4.0 * c2 * c3 + quarter * c3 * c2 + half * c2 * c1
}

/// Multiply–adds done.
fn registers() -> usize {
    #[cfg(target_arch = "x86_64")]
    match Simd::detected() {
        // SAFETY: detected.
        Simd::Avx512 => return unsafe { avx512() },
        // SAFETY: detected.
        Simd::Avx2 => return unsafe { avx2() },
        _ => {}
    }
    let mut sums = [[0.5_f32; 4]; SUMS];
    for _ in 0..STEPS {
        sums.iter_mut().flatten().for_each(|sum| *sum = *sum * 0.999 + 0.001);
    }
    black_box(sums);
    4 * SUMS * STEPS
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512() -> usize {
    use std::arch::x86_64::*;
    let (factor, rest) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(0.001)));
    let mut sums = [_mm512_set1_ps(0.5); SUMS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, rest);
        }
    }
    black_box(sums);
    16 * SUMS * STEPS
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2() -> usize {
    use std::arch::x86_64::*;
    let (factor, rest) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(0.001)));
    let mut sums = [_mm256_set1_ps(0.5); SUMS];
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, rest);
        }
    }
    black_box(sums);
    8 * SUMS * STEPS
}
