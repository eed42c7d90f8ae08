//! Denoisers and what is known of noise: closed forms, known noise, gains above stated floors, CPU against GPU, and the verb.

use rushlight::{
    denoisers::{self, Denoiser, Model, Noisy, Options, Sigma, block_matching::BlockMatching},
    device::Device,
    noise::{self, Anscombe, Correlation, Rician},
    phantom::Phantom,
    random::Draws,
};

use ndarray::{Array2, Array3, s};

mod devices;

use devices::gpu;

const SIZE: usize = 96;

/// A head, 96 × 96 pixels of 2.7 mm, its largest value 1.
fn head() -> Array3<f32> {
    head_of(SIZE)
}

fn head_of(size: usize) -> Array3<f32> {
    let pixel = 256.0 / size as f64;
    let grid = rushlight::geometry::Grid::centered([1, size, size], [1.0, pixel, pixel], [0.0; 3]);
    let image = Phantom::named("shepp-logan-toft").unwrap().raster(&grid).unwrap().values;
    let largest = image.iter().fold(0.0_f32, |most, value| most.max(*value));
    image.mapv(|value| value / largest)
}

fn with_noise(image: &Array3<f32>, sigma: f64, seed: u64) -> Array3<f32> {
    let (_, _, nx) = image.dim();
    let mut noisy = image.clone();
    for ((z, y, x), value) in noisy.indexed_iter_mut() {
        *value += (sigma * Draws::new(seed, [z, y, x + nx]).normal()) as f32;
    }
    noisy
}

/// |x + complex noise|.
fn with_rician_noise(image: &Array3<f32>, sigma: f64, seed: u64) -> Array3<f32> {
    let mut noisy = image.clone();
    for ((z, y, x), value) in noisy.indexed_iter_mut() {
        let mut draws = Draws::new(seed, [z, y, x]);
        let (a, b) = (sigma * draws.normal(), sigma * draws.normal());
        *value = (f64::from(*value) + a).hypot(b) as f32;
    }
    noisy
}

fn denoised(method: &dyn Denoiser, device: &Device, image: &Array3<f32>, sigma: &Sigma) -> Array3<f32> {
    let (nz, ny, nx) = image.dim();
    let array = device.upload(&[nz * ny, nx], image.iter().copied().collect::<Vec<f32>>()).unwrap();
    let quiet = method.denoise(device, &Noisy::new(&array, [nz, ny, nx], sigma).unwrap()).unwrap();
    Array3::from_shape_vec((nz, ny, nx), device.download(&quiet).unwrap()).unwrap()
}

fn rms(a: &Array3<f32>, b: &Array3<f32>) -> f64 {
    let square: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (square / a.len() as f64).sqrt()
}

fn method(name: &str, noise: Model) -> Box<dyn Denoiser> {
    denoisers::named(name, &Options { noise, ..Options::default() }).unwrap()
}

#[test]
fn a_constant_stays_constant() {
    for (name, size) in denoisers::ALL.iter().flat_map(|name| [(name, 16), (name, 37)]) {
        let image = Array3::from_elem((2, size, size + 3), 0.7);
        let quiet = denoised(&*method(name, Model::Gaussian), &Device::cpu(), &image, &Sigma::Flat(0.1));
        // What a network has learnt is not exact.
        let most = if *name == "net" { 0.02 } else { 2e-5 };
        assert!(
            quiet.iter().all(|value| (value - 0.7).abs() < most),
            "{name}, {size}: {:?}",
            quiet.slice(s![0, 0, ..])
        );
    }
}

/// What every method does to white noise: the error that is left, as a part of σ. An average over n like pixels would leave
/// 1/√n.
#[test]
fn noise_is_taken_off_a_head() {
    let truth = head();
    for (name, most) in [("bm3d", 0.40), ("nlm", 0.60), ("tv", 0.62), ("tgv", 0.65), ("bilateral", 0.75), ("net", 0.45)]
    {
        assert!(denoisers::ALL.contains(&name));
        let quiet =
            denoised(&*method(name, Model::Gaussian), &Device::cpu(), &with_noise(&truth, 0.1, 1), &Sigma::Flat(0.1));
        let left = rms(&quiet, &truth) / 0.1;
        println!("{name:10} {left:.3} σ");
        assert!(left < most, "{name} leaves {left:.3} σ, more than {most}");
    }
}

#[test]
fn every_method_has_its_floor_above() {
    let tested = ["bm3d", "nlm", "tv", "tgv", "bilateral", "net"];
    assert!(denoisers::ALL.iter().all(|name| tested.contains(name)), "{:?}", denoisers::ALL);
}

/// A wide gray plane: Rician noise lifts it by a known amount, which the methods for Rician noise must not keep.
#[test]
fn rician_bias_is_taken_off() {
    let truth = Array3::from_elem((1, 64, 64), 0.2);
    let noisy = with_rician_noise(&truth, 0.1, 5);
    let mean = |image: &Array3<f32>| f64::from(image.iter().sum::<f32>()) / image.len() as f64;
    assert!(mean(&noisy) > 0.22, "noise lifts magnitudes: {}", mean(&noisy));
    for name in denoisers::ALL {
        let quiet = denoised(&*method(name, Model::Rician), &Device::cpu(), &noisy, &Sigma::Flat(0.1));
        assert!((mean(&quiet) - 0.2).abs() < 0.012, "{name}: {}", mean(&quiet));
    }
}

/// Where σ is ten times as large, as much is taken off relative to it; a map of one value is that value.
#[test]
fn maps_of_the_noise_are_followed() {
    let device = Device::cpu();
    let sigma = |x: usize| if x < 48 { 0.01 } else { 0.1 };
    let mut noisy = Array3::from_elem((1, SIZE, SIZE), 0.5);
    for ((_, y, x), value) in noisy.indexed_iter_mut() {
        *value += (sigma(x) * Draws::new(3, [0, y, x]).normal()) as f32;
    }
    let map: Vec<f32> = (0..SIZE * SIZE).map(|at| sigma(at % SIZE) as f32).collect();
    let same = Sigma::Map(device.upload(&[SIZE, SIZE], vec![0.05_f32; SIZE * SIZE]).unwrap());
    let map = Sigma::Map(device.upload(&[SIZE, SIZE], map).unwrap());
    for name in ["bm3d", "nlm"] {
        let method = method(name, Model::Gaussian);
        let quiet = denoised(&*method, &device, &noisy, &map);
        for (from, to, sigma) in [(0, 36, 0.01), (60, 96, 0.1)] {
            let part = quiet.slice(s![0, .., from..to]);
            let left = (part.iter().map(|v| f64::from(v - 0.5).powi(2)).sum::<f64>() / part.len() as f64).sqrt();
            assert!(left < 0.5 * sigma, "{name}: {left} of {sigma} left");
        }
        let flat = denoised(&*method, &device, &noisy, &Sigma::Flat(0.05));
        assert!(rms(&denoised(&*method, &device, &noisy, &same), &flat) < 1e-6, "{name}");
    }
}

#[test]
fn cpu_and_gpu_agree() {
    let Some(gpu) = gpu() else { return };
    let noisy = with_rician_noise(&head(), 0.1, 2).slice(s![.., 20..70, 10..70]).to_owned();
    for name in denoisers::ALL {
        let method = method(name, Model::Rician);
        let [a, b] = [Device::cpu(), gpu.clone()].map(|device| denoised(&*method, &device, &noisy, &Sigma::Flat(0.1)));
        // Coefficients that lie on a threshold may fall to either side.
        assert!(rms(&a, &b) < 2e-4, "{name}: {:e}", rms(&a, &b));
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let noisy = with_noise(&head(), 0.1, 2);
    for name in denoisers::ALL {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| denoised(&*method(name, Model::Gaussian), &Device::cpu(), &noisy, &Sigma::Flat(0.1)))
        };
        assert_eq!(with(1), with(3), "{name}");
    }
}

#[test]
fn slices_are_taken_one_by_one() {
    let noisy = with_noise(&head(), 0.1, 2);
    let stack =
        ndarray::concatenate(ndarray::Axis(0), &[noisy.view(), Array3::zeros((1, SIZE, SIZE)).view(), noisy.view()]);
    for name in denoisers::ALL {
        let method = method(name, Model::Gaussian);
        let alone = denoised(&*method, &Device::cpu(), &noisy, &Sigma::Flat(0.1));
        let limited = Device::cpu().with_binding_limit(1 << 20);
        let all = denoised(&*method, &limited, stack.as_ref().unwrap(), &Sigma::Flat(0.1));
        for z in [0, 2] {
            assert!(rms(&all.slice(s![z..z + 1, .., ..]).to_owned(), &alone) < 1e-6, "{name}, slice {z}");
        }
    }
}

/// Methods that compare pixels across a slice, where it does not fit a binding.
#[test]
fn bands_leave_no_seams() {
    const LINES: usize = 230;
    const COLUMNS: usize = 40;
    let all = head_of(LINES);
    let slice = |z: isize| all.slice(s![.., .., 95 + z..95 + z + COLUMNS as isize]).to_owned();
    let stack = ndarray::concatenate(ndarray::Axis(0), &[-2, 0, 2].map(slice).each_ref().map(|s| s.view())).unwrap();
    let noisy = with_noise(&stack, 0.08, 4);
    let sigma = |at: usize| 0.04 + 0.06 * (at % (LINES * COLUMNS)) as f32 / (LINES * COLUMNS) as f32;
    let map: Vec<f32> = (0..noisy.len()).map(sigma).collect();
    // The groups of one line of references take 49,152 bytes: the order in which patches are added up must be the same.
    let bm3d = |slices| Box::new(BlockMatching { slices, rows: Some(1), ..BlockMatching::default() });
    let named =
        |name: &str, depth| denoisers::named(name, &Options { depth, ..Options::default() }).expect("there is one");
    // Each with fewer bytes than a slice, its groups, or three slices take.
    let methods: [(&str, Box<dyn Denoiser>, u64); 5] = [
        ("bm3d", bm3d(0), 50_000),
        ("bm3d among three slices", bm3d(1), 70_000),
        ("nlm", named("nlm", 0), 15_000),
        ("nlm among three slices", named("nlm", 1), 40_000),
        ("bilateral", named("bilateral", 0), 15_000),
    ];
    for whole in [Some(Device::cpu()), gpu()].into_iter().flatten() {
        for (name, method, limit) in &methods {
            let [a, b] = [whole.clone(), whole.clone().with_binding_limit(*limit)].map(|device| {
                let sigma = Sigma::Map(device.upload(&[3 * LINES, COLUMNS], map.clone()).unwrap());
                denoised(&**method, &device, &noisy, &sigma)
            });
            let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{name}, {}: {apart:e}", whole.name());
            assert!(apart < 1e-5 && rms(&a, &noisy) > 0.01, "{name}, {}: {apart}", whole.name());
        }
    }
}

/// Noise that 2 × 2 neighbours share, of variance 1, and its spectrum.
fn shared_noise(size: usize, seed: u64) -> (Array3<f32>, Array2<f32>) {
    let white = |y: usize, x: usize| Draws::new(seed, [0, y, x]).normal();
    let noise = Array3::from_shape_fn((1, size, size), |(_, y, x)| {
        (0.5 * (white(y, x) + white(y + 1, x) + white(y, x + 1) + white(y + 1, x + 1))) as f32
    });
    let power = |at: usize| 1.0 + (std::f64::consts::TAU * (at as f64 - 16.0) / 32.0).cos();
    (noise, Array2::from_shape_fn((32, 32), |(y, x)| (power(y) * power(x)) as f32))
}

#[test]
fn block_matching_is_better_where_it_is_told_the_spectrum() {
    const SIGMA: f32 = 0.08;
    let truth = head_of(192);
    let (noise, spectrum) = shared_noise(192, 5);
    let noisy = &truth + &(&noise * SIGMA);
    let known = Correlation::of_spectrum(spectrum.view()).unwrap();
    let found = Correlation::of_image(&noisy.view()).unwrap();
    for displacement in [[0, 1], [1, 0], [1, 1], [1, -1], [2, 0]] {
        let (known, found) = (known.at(displacement), found.at(displacement));
        assert!((known - found).abs() < 0.1, "{displacement:?}: {found}, not {known}");
    }
    let level = noise::level(&noisy.view()) / known.in_details();
    assert!((level / f64::from(SIGMA) - 1.0).abs() < 0.1, "{level}");
    let left = |correlation: &Correlation, device: &Device| {
        let options = Options { correlation: correlation.clone(), ..Options::default() };
        let quiet = denoised(&*denoisers::named("bm3d", &options).unwrap(), device, &noisy, &Sigma::Flat(SIGMA));
        rms(&quiet, &truth)
    };
    let [white, told, seen] =
        [&Correlation::white(), &known, &found].map(|correlation| left(correlation, &Device::cpu()));
    println!("noise left: {white:.4} taken for white, {told:.4} told, {seen:.4} from the image");
    assert!(told < 0.75 * white && seen < 1.1 * told, "{white} {told} {seen}");
    if let Some(gpu) = gpu() {
        assert!((left(&known, &gpu) - told).abs() < 1e-4);
    }
}

#[test]
fn a_network_asked_of_every_turn_knows_better() {
    let noisy = with_noise(&head(), 0.1, 12);
    let left = |turned: bool| {
        let method = denoisers::named("net", &Options { turned, ..Options::default() }).unwrap();
        rms(&denoised(&*method, &Device::cpu(), &noisy, &Sigma::Flat(0.1)), &head())
    };
    let [once, turned] = [left(false), left(true)];
    println!("noise left: {once:.4} once, {turned:.4} of eight turns");
    assert!(turned < 0.99 * once, "{once} {turned}");
}

/// Slices that are alike but for their noise tell more together.
#[test]
fn neighbouring_slices_are_looked_into() {
    let truth = ndarray::concatenate(ndarray::Axis(0), &[head().view(); 5]).unwrap();
    let noisy = with_noise(&truth, 0.1, 8);
    for name in ["nlm", "bm3d"] {
        let left = |depth: usize, device: &Device| {
            let method = denoisers::named(name, &Options { depth, ..Options::default() }).unwrap();
            rms(&denoised(&*method, device, &noisy, &Sigma::Flat(0.1)), &truth)
        };
        let [alone, near, beyond] = [0, 2, 9].map(|depth| left(depth, &Device::cpu()));
        println!("{name}: {alone:.4} left slice by slice, {near:.4} with two on either side, {beyond:.4} with all");
        assert!(near < 0.8 * alone && beyond < near, "{name}: {alone} {near} {beyond}");
        if let Some(gpu) = gpu() {
            assert!((left(1, &gpu) - left(1, &Device::cpu())).abs() < 1e-4, "{name}");
        }
    }
}

#[test]
fn noise_levels_are_found() {
    // Edges pass for noise where it is faint: the more pixels, the fewer.
    let truth = head_of(384);
    for sigma in [0.01, 0.05, 0.2] {
        let found = noise::level(&with_noise(&truth, sigma, 4).view());
        assert!((found / sigma - 1.0).abs() < 0.1, "{found}, not {sigma}");
        // Half of the picture is air, where magnitudes have another noise; what is bright has more edges.
        let found = noise::rician_level(&with_rician_noise(&truth, sigma, 4).view());
        let most = if sigma < 0.02 { 0.25 } else { 0.12 };
        assert!((found / sigma - 1.0).abs() < most, "Rician: {found}, not {sigma}");
    }
    let air = with_rician_noise(&Array3::zeros((1, 128, 128)), 0.3, 6);
    let found = noise::rician_level(&air.view());
    assert!((found / 0.3 - 1.0).abs() < 0.08, "{found}, not 0.3");
    assert_eq!(noise::level(&Array3::from_elem((1, 40, 40), 3.0).view()), 0.0);
    // What was cut off to 0 tells nothing.
    let mut cut = with_noise(&Array3::from_elem((1, 128, 128), 1.0), 0.05, 7);
    cut.slice_mut(s![.., .., ..90]).fill(0.0);
    // But the edge, which one detail in twenty sees.
    assert!((noise::level(&cut.view()) / 0.05 - 1.0).abs() < 0.12);
    // Whole numbers, as files of integers hold.
    let whole = with_noise(&Array3::from_elem((1, 128, 128), 100.0), 3.0, 8).mapv(f32::round);
    assert!((noise::level(&whole.view()) / 3.0 - 1.0).abs() < 0.06);
}

#[test]
fn noise_that_varies_is_mapped() {
    let sigma = |x: usize| 0.02 + 0.08 * x as f64 / 255.0;
    let mut noisy = Array3::<f32>::zeros((1, 256, 256));
    for ((_, y, x), value) in noisy.indexed_iter_mut() {
        *value += (sigma(x) * Draws::new(3, [0, y, x]).normal()) as f32;
    }
    let map = noise::map(&noisy.view());
    let square: f64 = map.indexed_iter().map(|((_, _, x), found)| (f64::from(*found) / sigma(x) - 1.0).powi(2)).sum();
    let off = (square / map.len() as f64).sqrt();
    assert!(off < 0.1, "{off:.3} off");
}

/// The mean of f(z) over Rician magnitudes z = |ν + n|, by adding up over both parts of n (not by the density that the
/// table was made with), comes back as ν; and its deviation is 1 within a few per cent.
#[test]
fn the_rician_transform_is_stable_and_its_inverse_unbiased() {
    let tables = Rician::tables();
    let (reach, step) = (8.0_f64, 0.02);
    let steps = (2.0 * reach / step) as i32;
    for nu in [0.0_f64, 0.3, 1.0, 2.0, 4.0, 9.0, 40.0] {
        let (mut norm, mut sum, mut square) = (0.0, 0.0, 0.0);
        for i in 0..=steps {
            for j in 0..=steps / 2 {
                let (a, b) = (f64::from(i) * step - reach, f64::from(j) * step);
                let weight = (-0.5 * (a * a + b * b)).exp() * if j == 0 { 0.5 } else { 1.0 };
                let f = tables.forward((nu + a).hypot(b));
                norm += weight;
                sum += weight * f;
                square += weight * f * f;
            }
        }
        let mean = sum / norm;
        let deviation = (square / norm - mean * mean).sqrt();
        assert!((deviation - 1.0).abs() < 0.08, "ν = {nu}: deviation {deviation}");
        assert!(
            (tables.inverse(mean) - nu).abs() < 0.02 + 0.3 * f64::from(u8::from(nu == 0.0)),
            "ν = {nu}: {}",
            tables.inverse(mean)
        );
    }
}

/// The mean of the generalised Anscombe transform over Poisson counts with Gaussian noise, added up term by term, comes back
/// as the counts' mean.
#[test]
fn the_anscombe_inverse_is_unbiased() {
    for (gain, sigma) in [(1.0, 0.5), (2.5, 1.0), (0.1, 0.2)] {
        let transform = Anscombe { gain, sigma };
        for mean in [2.0_f64, 5.0, 20.0, 100.0] {
            let (mut probability, mut sum, mut square) = ((-mean).exp(), 0.0, 0.0);
            for count in 0..400 {
                for step in -60..=60 {
                    let t = f64::from(step) * 0.1;
                    let weight = probability * (-0.5 * t * t).exp() * 0.1 / std::f64::consts::TAU.sqrt();
                    let f = transform.forward(gain * f64::from(count) + sigma * t);
                    sum += weight * f;
                    square += weight * f * f;
                }
                probability *= mean / f64::from(count + 1);
            }
            let found = transform.inverse(sum) / gain;
            assert!((found - mean).abs() < 0.03 * mean.max(2.0), "{transform:?}, mean {mean}: {found}");
            let deviation = (square - sum * sum).sqrt();
            assert!(mean < 5.0 || (deviation - 1.0).abs() < 0.06, "{transform:?}, mean {mean}: deviation {deviation}");
        }
    }
}

/// Disks, ramps and waves between 0.05 and 1, smooth but for their edges.
fn smooth_pieces(size: usize) -> Array3<f64> {
    Array3::from_shape_fn((1, size, size), |(_, y, x)| {
        let (v, u) = (y as f64 / size as f64 - 0.5, x as f64 / size as f64 - 0.5);
        let within = |y: f64, x: f64, radius: f64| (v - y).hypot(u - x) < radius;
        match () {
            () if within(-0.1, 0.15, 0.15) => 0.9 - 0.4 * v,
            () if within(0.1, -0.2, 0.08) => 0.15,
            () if within(-0.25, -0.1, 0.07) => 0.7 + 0.1 * (20.0 * u).sin(),
            () if within(0.0, 0.0, 0.45) => 0.4 + 0.3 * u,
            () => 0.05,
        }
    })
}

/// αp + n, p of mean `counts`.
fn with_counts(counts: &Array3<f64>, Anscombe { gain, sigma }: Anscombe, seed: u64) -> Array3<f32> {
    Array3::from_shape_fn(counts.raw_dim(), |(z, y, x)| {
        let mut draws = Draws::new(seed, [z, y, x]);
        (gain * draws.poisson(counts[[z, y, x]]) + sigma * draws.normal()) as f32
    })
}

/// What counts are worth, and the Gaussian noise beside them, from images where both are known. σ is told where it matters: as
/// much as the counts of the darkest places have, and four times that.
#[test]
fn the_gain_of_counts_is_found() {
    for size in [128, 256] {
        for peak in [10.0, 100.0, 2000.0] {
            let counts = smooth_pieces(size) * peak;
            for (gain, part) in [(0.05, 1.0), (1.0, 0.0), (1.0, 4.0), (4.0, 1.0)] {
                let sigma = part * gain * (0.05 * peak).sqrt();
                let noisy = with_counts(&counts, Anscombe { gain, sigma }, 3);
                let found = noise::poisson(&noisy.view(), None, None).unwrap();
                let what = format!("{size}², {peak} counts, α {gain}, σ {sigma}: {found:?}");
                assert!((found.gain / gain - 1.0).abs() < 0.13, "{what}");
                assert!((found.sigma - sigma).abs() <= 0.05 * sigma, "{what}");
                // One known, the other found.
                let found = noise::poisson(&noisy.view(), Some(gain), None).unwrap();
                assert!(
                    found.gain == gain
                        && (found.sigma - sigma).abs() <= if sigma > 0.0 { 0.1 * sigma } else { 0.2 * gain },
                    "{what}: {found:?}"
                );
                let found = noise::poisson(&noisy.view(), None, Some(sigma)).unwrap();
                assert!(found.sigma == sigma && (found.gain / gain - 1.0).abs() < 0.2, "{what}: {found:?}");
            }
        }
    }
    // Gaussian noise alone does not rise with the signal; a constant has none; few pixels tell nothing.
    let gaussian = with_noise(&smooth_pieces(128).mapv(|value| value as f32), 0.1, 4);
    assert_eq!(noise::poisson(&gaussian.view(), None, None), None);
    assert_eq!(noise::poisson(&Array3::from_elem((1, 64, 64), 3.0).view(), None, None), None);
    assert_eq!(noise::poisson(&Array3::from_elem((1, 4, 64), 3.0).view(), None, None), None);
}

/// Few counts on wide planes, where logarithms and plain roots would be far off: the mean stays, and the noise goes.
#[test]
fn counts_keep_their_mean() {
    for (counts, sigma, seed) in [(1.0, 0.0005, 5), (3.0, 0.5, 6), (20.0, 0.5, 7)] {
        let (gain, truth) = (0.5, Array3::from_elem((1, 64, 64), counts));
        let noisy = with_counts(&truth, Anscombe { gain, sigma }, seed);
        let deviation = (gain * gain * counts + sigma * sigma).sqrt();
        for name in denoisers::ALL {
            let method = method(name, Model::Poisson { gain });
            let quiet = denoised(&*method, &Device::cpu(), &noisy, &Sigma::Flat(sigma as f32));
            let mean = f64::from(quiet.iter().sum::<f32>()) / quiet.len() as f64;
            let left = quiet.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / quiet.len() as f64;
            println!(
                "{name:10} {counts} counts: mean {:.4} of the true one, {:.3} of the noise",
                mean / (gain * counts),
                left.sqrt() / deviation
            );
            // The mean of 4096 pixels is known to a deviation of 1/64 of theirs.
            assert!(
                (mean - gain * counts).abs() < 0.04 * gain * counts + 3.0 * deviation / 64.0,
                "{name}, {counts}: {mean}"
            );
            assert!(left.sqrt() < 0.35 * deviation, "{name}, {counts}: {}", left.sqrt() / deviation);
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let device = Device::cpu();
    let image = device.zeros(&[16, 16], rushlight::device::Element::F32).unwrap();
    for sigma in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = Noisy::new(&image, [1, 16, 16], &Sigma::Flat(sigma)).unwrap_err().to_string();
        assert!(error.contains("above 0"), "{error}");
    }
    assert!(denoisers::named("magic", &Options::default()).err().unwrap().to_string().contains("bm3d"));
    for gain in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = Options { noise: Model::Poisson { gain }, ..Options::default() };
        assert!(denoisers::named("nlm", &options).err().unwrap().to_string().contains("above 0"));
    }
    for strength in [0.0, -1.0, f64::NAN] {
        assert!(denoisers::named("nlm", &Options { strength, ..Options::default() }).is_err());
    }
}
