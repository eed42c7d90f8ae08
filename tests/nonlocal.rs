//! The filter of like patches on noise whose fate is known, and the recipe on it beside total variation.

use rushlight::{
    device::{Device, HostArray},
    image::Image,
    monitor::Monitor,
    operators::{GroupFilter, Levels},
    phantom::Phantom,
    random::Draws,
    recipes::{self, Options, Strength},
    scan::noise::Noise,
};

mod devices;
mod scene;

use scene::{geometry, grid, psnr};

const N: usize = 96;
/// Bytes of a slab: one slice and the list of its groups fit, two slices do not.
const LIMIT: u64 = 62_000;

/// Two slices: 0 on the left and 1 on the right, with white noise of deviation σ.
fn noisy_edges(sigma: f64) -> Vec<f32> {
    let line = |y: usize| {
        let mut draws = Draws::new(5, [0, 0, y]);
        (0..N).map(move |x| (f64::from(u8::from(x >= N / 2)) + sigma * draws.normal()) as f32)
    };
    (0..2 * N).flat_map(line).collect()
}

fn deviation(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// Of white noise, coefficients above 2.7σ carry 2 (2.7 φ(2.7) + Q(2.7)) = 6.3 % of the variance, so that a filtered patch has
/// 0.25 σ, and their weighted mean over all patches on a pixel less; a step of 10 σ stays where it is.
#[test]
fn the_filter_takes_noise_and_leaves_a_step() {
    const SIGMA: f64 = 0.1;
    let mut first: Option<Vec<f32>> = None;
    for (name, device) in devices::every(LIMIT) {
        let image = device.upload(&[2 * N, N], noisy_edges(SIGMA)).unwrap();
        let mut into = device.upload(&[2 * N, N], HostArray::noise(&[2 * N, N], 3).numbers::<f32>()).unwrap();
        let mut filter = GroupFilter::new(&device, [2, N, N], 12).unwrap();
        filter.find(&image, Levels { lowest: -0.5, highest: 1.5, flat: 0.0 }).unwrap();
        filter.apply(&image, (2.7 * SIGMA) as f32, &mut into).unwrap();
        let values: Vec<f32> = device.download(&into).unwrap();
        for z in 0..2 {
            let column = |x: usize| (0..N).map(move |y| (z * N + y) * N + x);
            for (side, columns) in [(0.0, 8..N / 2 - 8), (1.0, N / 2 + 8..N - 8)] {
                let inside = columns.flat_map(column).map(|at| f64::from(values[at]));
                let left = deviation(inside.clone()) / SIGMA;
                let mean = inside.clone().sum::<f64>() / inside.count() as f64;
                println!("{name}, slice {z}: {left:.3} σ, mean {mean:.4} for {side}");
                assert!(left < 0.25 && (mean - side).abs() < 0.01, "{name}: {left} σ, mean {mean}");
            }
            let at_edge = |x| column(x).map(|at| f64::from(values[at])).sum::<f64>() / N as f64;
            let [before, after] = [at_edge(N / 2 - 1), at_edge(N / 2)];
            assert!(before.abs() < 0.02 && (after - 1.0).abs() < 0.02, "{name}: {before} and {after} beside the step");
        }
        let expected = first.get_or_insert_with(|| values.clone());
        // A coefficient on the threshold may fall either way, of which a pixel sees little.
        let apart = deviation(values.iter().zip(&*expected).map(|(a, b)| f64::from(a - b)));
        println!("{name}: {apart:.1e} beside the CPU");
        assert!(apart < 1e-4, "{name}: {apart}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let message = GroupFilter::new(&Device::cpu(), [1, 12, 40], 12).unwrap_err().to_string();
    assert!(message.contains("at least 16 × 16 pixels, not 12 × 40"), "{message}");
    let message =
        GroupFilter::new(&Device::cpu().with_binding_limit(1 << 14), [1, 90, 90], 12).unwrap_err().to_string();
    assert!(message.contains("a slice and the list of its groups must fit one binding of 16384 bytes"), "{message}");
}

/// 24 noise-free views.
fn reconstruct(
    method: &str,
    phantom: &Phantom,
    options: &Options,
    (size, device): (usize, &Device),
) -> ndarray::Array3<f32> {
    let scan = phantom.scan(&geometry(24, size), &Monitor::silent()).unwrap();
    let recipe = recipes::named(method, options).unwrap();
    recipe.reconstruct(scan, &grid(size), device, &Monitor::silent()).unwrap().image.values
}

#[test]
fn what_recurs_is_kept_better_than_by_total_variation() {
    // Bars recur; plateaus are total variation's own ground.
    let made = |method, phantom: &Phantom| reconstruct(method, phantom, &Options::default(), (128, &Device::cpu()));
    let bars = Phantom::named("line-pairs").unwrap();
    let [tv, nonlocal] = ["tv", "nonlocal"].map(|method| psnr(&made(method, &bars), &bars));
    println!("line-pairs, 24 views: tv {tv:.2} dB, nonlocal {nonlocal:.2} dB");
    assert!(nonlocal > tv + 1.0, "tv {tv:.2} dB, nonlocal {nonlocal:.2} dB");
    let head = Phantom::named("shepp-logan-toft").unwrap();
    let [fbp, nonlocal] = ["fbp", "nonlocal"].map(|method| psnr(&made(method, &head), &head));
    println!("shepp-logan-toft, 24 views: fbp {fbp:.2} dB, nonlocal {nonlocal:.2} dB");
    assert!(nonlocal > fbp + 8.0, "fbp {fbp:.2} dB, nonlocal {nonlocal:.2} dB");
}

/// From many views water is quieter than in FBP, and than `pwls` with the same light penalty leaves it; rods in it keep their
/// values, in thousandths of water's (phantoms/ct-inserts.toml).
#[test]
fn many_views_are_filtered_once() {
    let (phantom, size) = (Phantom::named("ct-inserts").unwrap(), 128);
    let made = |method, strength| {
        let photons = 2e4;
        let mut scan = phantom.scan(&geometry(240, size), &Monitor::silent()).unwrap();
        Noise { photons, seed: 1, electronic: 0.0 }.apply(&mut scan).unwrap();
        let options = Options { photons: Some(photons), strength, ..Options::default() };
        let recipe = recipes::named(method, &options).unwrap();
        recipe.reconstruct(scan, &grid(size), &Device::cpu(), &Monitor::silent()).unwrap().image
    };
    let disk = |image: &Image, [x, y]: [f64; 2], radius: f64| {
        let pixel = |axis: f64| axis / 2.0 + (size as f64 - 1.0) / 2.0;
        let inside =
            move |row: usize, column: usize| (row as f64 - pixel(y)).hypot(column as f64 - pixel(x)) < radius / 2.0;
        let values = image.values.indexed_iter().filter(|((_, row, column), _)| inside(*row, *column));
        values.map(|(_, value)| f64::from(*value)).collect::<Vec<_>>()
    };
    let fbp = made("fbp", Strength::Auto);
    let light = made("pwls", Strength::Times(0.4));
    let filtered = made("nonlocal", Strength::Auto);
    let [fbp, light, left] = [&fbp, &light, &filtered].map(|image| deviation(disk(image, [0.0; 2], 35.0).into_iter()));
    println!("noise in water, mm⁻¹: fbp {fbp:.2e}, light pwls {light:.2e}, nonlocal {left:.2e}");
    assert!(left < 0.75 * fbp && left < 0.6 * light, "{fbp:.2e}, {light:.2e}, {left:.2e}");
    for ([x, y], expected) in [([1.0, -1.0], 1955.0), ([-1.0, -1.0], 0.0), ([-1.0, 1.0], 1120.0), ([1.0, 1.0], 905.0)] {
        let values = disk(&filtered, [x, y].map(|side| side * 60.0 / 2_f64.sqrt()), 8.0);
        let mean = values.iter().sum::<f64>() / values.len() as f64 / 1.92e-5;
        println!("rod of {expected}: {mean:.1}");
        assert!((mean - expected).abs() < 10.0, "{mean} for {expected}");
    }
    assert!(filtered.provenance.ends_with("nonlocal"), "{}", filtered.provenance);
    assert!(filtered.values.iter().all(|value| *value >= 0.0));
}

/// Coefficients and patches on the verge fall either way on another device, and every later round builds on it: images are
/// alike to 1 % after 60 iterations, and as good.
#[test]
fn slabs_and_the_gpu_agree() {
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    let mut options = Options::default();
    options.iteration.count = Some(60);
    let mut first = None;
    for (name, device) in devices::every(1 << 15) {
        let image = reconstruct("nonlocal", &phantom, &options, (64, &device));
        let expected = first.get_or_insert_with(|| image.clone());
        let size =
            |values: &ndarray::Array3<f32>| values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let apart = size(&(&image - &*expected)) / size(expected);
        let worse = psnr(expected, &phantom) - psnr(&image, &phantom);
        println!("{name}: {apart:.1e} beside the CPU, {worse:.3} dB less");
        assert!(apart < 0.01 && worse.abs() < 0.1, "{name}: {apart:.1e}, {worse} dB");
    }
}
