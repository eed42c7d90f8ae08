//! The learned denoiser on the CPU beside the fastest that this processor multiplies and adds, both in one run: which share
//! of the peak the whole network reaches, 256² to 1024² pixels, all threads.
//!
//! The peak is a loop of fused multiply–adds that never leaves the registers. Both are measured in turn and the best of each
//! counts, in seconds by the clock and, where Linux tells them, in seconds that threads were given: on a busy machine the
//! second share is the one to read.

use std::{fs, hint::black_box, time::Instant};

use rushlight::{
    denoisers::{self, Noisy, Sigma, network::Parameters},
    device::{Device, HostArray, Simd},
};

const ROUNDS: usize = 7;

/// Seconds by the clock, and those that this process's threads ran.
fn seconds(task: impl FnOnce()) -> [f64; 2] {
    let given = || {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let nanoseconds = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        });
        nanoseconds.sum::<f64>() * 1e-9
    };
    let (before, start) = (given(), Instant::now());
    task();
    [start.elapsed().as_secs_f64(), given() - before]
}

/// Multiply–adds of one thread in a loop of `turns`.
#[cfg(target_arch = "x86_64")]
fn multiply_add(simd: Simd, turns: usize) -> f64 {
    use std::arch::x86_64::*;
    const SUMS: usize = 12;
    #[target_feature(enable = "avx512f")]
    fn wide(turns: usize) {
        let factor = _mm512_set1_ps(black_box(0.999));
        let mut sums = [factor; SUMS];
        for _ in 0..turns {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }
    #[target_feature(enable = "avx2,fma")]
    fn half(turns: usize) {
        let factor = _mm256_set1_ps(black_box(0.999));
        let mut sums = [factor; SUMS];
        for _ in 0..turns {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }
    let lanes = match simd {
        Simd::Avx512 => {
            // SAFETY: `simd` is what was detected.
            unsafe { wide(turns) };
            16
        }
        Simd::Avx2 => {
            // SAFETY: as above.
            unsafe { half(turns) };
            8
        }
        _ => 0,
    };
    (turns * SUMS * lanes) as f64
}

/// Elsewhere nothing is known of the peak.
#[cfg(not(target_arch = "x86_64"))]
fn multiply_add(_simd: Simd, _turns: usize) -> f64 {
    0.0
}

/// Multiply–adds of the network for a pixel: 3 × 3 convolutions at 1/2, 1/4 and 1/8, and what lies between them.
fn products_a_pixel(parameters: &Parameters) -> f64 {
    let [c1, c2, c3] = parameters.widths.map(|width| width as f64);
    let [enc1, enc2, mid, dec2, dec1] = parameters.blocks.map(|blocks| 2.0 * blocks as f64);
    let half = 9.0 * (8.0 * c1 + (enc1 + dec1) * c1 * c1 + 4.0 * c1) + c1 * c2;
    let quarter = 4.0 * c1 * c2 + 9.0 * (enc2 + dec2) * c2 * c2 + c2 * c3;
    let eighth = 4.0 * c2 * c3 + 9.0 * mid * c3 * c3;
    half / 4.0 + quarter / 16.0 + eighth / 64.0
}

fn main() {
    let (device, simd) = (Device::cpu(), Simd::detected());
    let threads = rayon::current_num_threads();
    let options = denoisers::Options::default();
    let method = denoisers::named("net", &options).expect("shipped weights");
    let products = products_a_pixel(&options.weights.parameters());
    println!("{}, {simd}, {threads} threads; {:.1} thousand multiply–adds a pixel", device.name(), products / 1e3);
    for size in [256, 512, 1024] {
        let noise = HostArray::noise(&[size, size], 1);
        let image = device.upload(&[size, size], noise.numbers::<f32>()).expect("memory");
        let sigma = Sigma::Flat(0.5);
        let noisy = Noisy::new(&image, [1, size, size], &sigma).expect("a σ above 0");
        let (mut network, mut peak) = ([f64::MAX; 2], [0.0_f64; 2]);
        for _ in 0..ROUNDS {
            let passed = seconds(|| drop(black_box(method.denoise(&device, &noisy).expect("the CPU does not fail"))));
            network = [0, 1].map(|clock| network[clock].min(passed[clock]));
            let mut done = 0.0;
            let passed = seconds(|| done = rayon::broadcast(|_| multiply_add(simd, 20_000_000)).iter().sum());
            peak = [0, 1].map(|clock| peak[clock].max(done / passed[clock].max(1e-9)));
        }
        let all = products * (size * size) as f64;
        let share = |clock: usize| 100.0 * all / network[clock] / peak[clock];
        println!(
            "{size:4}²: {:.3} s, {:5.1} of {:5.1} thousand million multiply–adds a second: {:.0} %; of threads' own seconds {:.0} %",
            network[0],
            all / network[0] / 1e9,
            peak[0] / 1e9,
            share(0),
            share(1)
        );
    }
}
