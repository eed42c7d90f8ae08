//! The network of `denoise --method net` beside the device's own rate of multiply–adds, by turns in one run: on the CPU, and on
//! the best hardware GPU if there is one.
//!
//!     cargo bench --bench network            # RAYON_NUM_THREADS=1 for one thread
//!
//! The peak is that of a loop that stays in registers, on as many threads: 12 vectors of 512 or 256 bits, enough
//! to hide the latency; on a GPU that of invocations that do the same with 16 numbers. The network's multiply–adds are those
//! of its layers' weights, at 512² pixels, asked once and eight times; on a GPU the image is there already, and 20 are asked for
//! before it is waited for.

use std::{hint::black_box, time::Instant};

use rayon::prelude::*;
use rushlight::{
    denoisers::{self, Noisy, Options, Sigma, network::Parameters},
    device::{Choice, Device, Element, Example, Host, HostArray, HostMut, Kernel, Simd},
};

const N: usize = 512;
const TURNS: usize = 9;
/// Steps of the register loop in a turn and thread.
const STEPS: usize = 20_000_000;
/// Sums at a time.
const SUMS: usize = 12;

fn main() {
    let threads = rayon::current_num_threads();
    let of_cpu = format!("{} · {threads} threads", Simd::detected());
    compare(&of_cpu, &Device::cpu(), 1, || {
        let begin = Instant::now();
        let done: usize = (0..threads).into_par_iter().map(|_| registers()).sum();
        done as f64 / begin.elapsed().as_secs_f64()
    });
    match Choice::Auto.open() {
        Ok((device @ Device::Gpu(_), _)) => compare(&device.name(), &device, 20, || peak_of_gpu(&device)),
        _ => println!("no hardware GPU"),
    }
}

/// Prints the rates of the network, asked so many times in a turn, and of registers.
fn compare(name: &str, device: &Device, times: usize, peak: impl Fn() -> f64) {
    let image = device.upload(&[N, N], HostArray::noise(&[N * N], 1).numbers::<f32>()).expect("room");
    let sigma = Sigma::Flat(0.1);
    let noisy = Noisy::new(&image, [1, N, N], &sigma).expect("a noisy image");
    let once = multiply_adds(&Options::default().weights.parameters());
    // As a prior asks, and as `denoise` does: eight times, of the image turned.
    let methods = [false, true].map(|turned| {
        let options = Options { turned, ..Options::default() };
        (denoisers::named("net", &options).expect("there is one"), if turned { 8.0 * once } else { once })
    });
    let (mut peaks, mut seconds) = (Vec::new(), [Vec::new(), Vec::new()]);
    for turn in 0..=TURNS {
        let of_peak = peak();
        let of_methods = methods.each_ref().map(|(method, _)| {
            let begin = Instant::now();
            for _ in 0..times {
                black_box(method.denoise(device, &noisy).expect("it works"));
            }
            device.synchronize().expect("it works");
            begin.elapsed().as_secs_f64() / times as f64
        });
        // The first turn warms up.
        if turn > 0 {
            peaks.push(of_peak);
            seconds.iter_mut().zip(of_methods).for_each(|(seconds, of_method)| seconds.push(of_method));
        }
    }
    let peak = median(&mut peaks);
    println!("{name} · medians of {TURNS}");
    println!("peak of registers     {:7.1} G multiply–adds a second", peak / 1e9);
    for ((_, products), (seconds, asked)) in methods.iter().zip(seconds.iter_mut().zip(["once", "eight times"])) {
        let seconds = median(seconds);
        println!(
            "{N}², asked {asked:11}  {:6.1} G in {:.2} ms: {:.1} G a second, {:.1} % of the peak",
            products / 1e9,
            1e3 * seconds,
            products / seconds / 1e9,
            100.0 * products / seconds / peak
        );
    }
}

/// A GPU's multiply–adds of numbers that stay in registers.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Registers {
    factor: f32,
    rest: f32,
    groups: u32,
    spare: u32,
}

impl Registers {
    const INVOCATIONS: usize = 256;
    /// Multiply–adds of an invocation.
    const EACH: usize = 16 * 2048;
}

impl Kernel for Registers {
    const NAME: &'static str = "registers";
    const WGSL: &'static str = "
        struct Params { factor: f32, rest: f32, groups: u32, spare: u32 }
        @group(0) @binding(0) var<uniform> params: Params;
        @group(0) @binding(1) var<storage, read_write> found: array<f32>;
        @compute @workgroup_size(256)
        fn main(@builtin(global_invocation_id) id: vec3u) {
            let factor = vec4f(params.factor);
            let rest = vec4f(params.rest);
            var a = vec4f(f32(id.x));
            var b = a + 1.0;
            var c = a + 2.0;
            var d = a + 3.0;
            for (var step = 0u; step < 512u; step += 1u) {
                a = fma(a, factor, rest); b = fma(b, factor, rest); c = fma(c, factor, rest); d = fma(d, factor, rest);
                a = fma(a, factor, rest); b = fma(b, factor, rest); c = fma(c, factor, rest); d = fma(d, factor, rest);
                a = fma(a, factor, rest); b = fma(b, factor, rest); c = fma(c, factor, rest); d = fma(d, factor, rest);
                a = fma(a, factor, rest); b = fma(b, factor, rest); c = fma(c, factor, rest); d = fma(d, factor, rest);
            }
            found[id.x] = dot(a + b + c + d, vec4f(1.0));
        }";
    const TOLERANCE: f32 = 0.0;

    fn workgroups(&self) -> [u32; 3] {
        [self.groups, 1, 1]
    }

    fn on_cpu(&self, _: &[Host], _: &mut [HostMut]) {
        unreachable!("a GPU's rate");
    }

    fn example(_: u64) -> Example<Self> {
        unreachable!("nothing to compare with");
    }
}

fn peak_of_gpu(device: &Device) -> f64 {
    const DISPATCHES: usize = 10;
    let kernel = Registers { factor: 0.999, rest: 0.001, groups: 8192, spare: 0 };
    let invocations = kernel.groups as usize * Registers::INVOCATIONS;
    let mut found = device.zeros(&[1, invocations], Element::F32).expect("room");
    device.run(&kernel, &[], &mut [found.slab_of_mut(0)]);
    device.synchronize().expect("it works");
    let begin = Instant::now();
    for _ in 0..DISPATCHES {
        device.run(&kernel, &[], &mut [found.slab_of_mut(0)]);
    }
    device.synchronize().expect("it works");
    (DISPATCHES * invocations * Registers::EACH) as f64 / begin.elapsed().as_secs_f64()
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
