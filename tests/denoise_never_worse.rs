//! Denoisers at their defaults never leave an image worse than it was: texture, regular patterns, little noise, slices that differ,
//! values of any size and far from 0, edges that pass for noise that pixels share.

use std::f32::consts::TAU;

use ndarray::{Array3, s};
use rushlight::{
    denoisers::{self, Model, Noisy, Options, Sigma, level},
    device::Device,
    noise::Correlation,
    phantom::Phantom,
    random::Draws,
};

mod devices;

const SIZE: usize = 96;

fn head() -> Array3<f32> {
    head_of(SIZE, 256.0)
}

/// With `size` pixels a side that hold so many mm.
fn head_of(size: usize, extent: f64) -> Array3<f32> {
    let pixel = extent / size as f64;
    let grid = rushlight::geometry::Grid::centered([1, size, size], [1.0, pixel, pixel], [0.0; 3]);
    let image = Phantom::named("shepp-logan-toft").unwrap().raster(&grid).unwrap().values;
    let largest = image.iter().fold(0.0_f32, |most, value| most.max(*value));
    image.mapv(|value| value / largest)
}

fn of(pixel: impl Fn(f32, f32) -> f32) -> Array3<f32> {
    Array3::from_shape_fn((1, SIZE, SIZE), |(_, y, x)| pixel(y as f32, x as f32))
}

/// Waves of three to five pixels, and squares of two pixels.
fn textures() -> [(&'static str, Array3<f32>); 2] {
    let waves =
        |y: f32, x: f32| 0.5 + 0.1 * (TAU * (x / 3.3 + y / 5.1)).sin() + 0.1 * (TAU * (x / 4.7 - y / 3.9)).sin();
    let squares = |y: f32, x: f32| if ((x / 2.0).floor() + (y / 2.0).floor()) as i32 % 2 == 0 { 0.45 } else { 0.55 };
    [("waves", of(waves)), ("squares", of(squares))]
}

fn with_noise(image: &Array3<f32>, sigma: f64, seed: u64) -> Array3<f32> {
    let mut noisy = image.clone();
    for ((z, y, x), value) in noisy.indexed_iter_mut() {
        *value += (sigma * Draws::new(seed, [z, y, x]).normal()) as f32;
    }
    noisy
}

fn quiet(device: &Device, name: &str, noise: Model, image: &Array3<f32>, sigma: &Sigma) -> Array3<f32> {
    asked(device, name, Options { noise, ..Options::default() }, image, sigma)
}

fn asked(device: &Device, name: &str, options: Options, image: &Array3<f32>, sigma: &Sigma) -> Array3<f32> {
    let (nz, ny, nx) = image.dim();
    let method = denoisers::named(name, &options).unwrap();
    let array = device.upload(&[nz * ny, nx], image.iter().copied().collect::<Vec<f32>>()).unwrap();
    let quiet = method.denoise(device, &Noisy::new(&array, [nz, ny, nx], sigma).unwrap()).unwrap();
    Array3::from_shape_vec((nz, ny, nx), device.download(&quiet).unwrap()).unwrap()
}

fn found(image: &Array3<f32>) -> f64 {
    level::levels(&Device::cpu(), &image.view(), 1, Model::Gaussian).unwrap()[0]
}

fn rms(a: &Array3<f32>, b: &Array3<f32>) -> f64 {
    let square: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (square / a.len() as f64).sqrt()
}

#[test]
fn texture_does_not_pass_for_noise() {
    for (what, truth) in textures() {
        for sigma in [0.005, 0.02] {
            let noisy = with_noise(&truth, sigma, 3);
            let level = found(&noisy);
            assert!((level / sigma - 1.0).abs() < 0.08, "{what}: σ {level:.4}, not {sigma}");
        }
    }
}

/// Told what was measured, the whole picture over.
#[test]
fn no_image_is_left_worse_than_it_was() {
    let mut images = vec![("head", head())];
    images.extend(textures());
    // Random texture of two pixels, which no method knows from noise.
    let coarse = with_noise(&of(|_, _| 0.5), 0.1, 9);
    images.push(("grains", Array3::from_shape_fn((1, SIZE, SIZE), |(_, y, x)| coarse[[0, y / 2, x / 2]])));
    let mut worse = Vec::new();
    for (what, truth) in &images {
        for sigma in [0.001, 0.005, 0.02] {
            let noisy = with_noise(truth, sigma, 5);
            let (before, level) = (rms(&noisy, truth), found(&noisy));
            for name in ["bm3d", "nlm", "tv", "tgv", "bilateral"] {
                let told = [level, sigma].map(|level| Sigma::Flat(level as f32));
                let [measured, known] =
                    told.map(|told| rms(&quiet(&Device::cpu(), name, Model::Gaussian, &noisy, &told), truth) / before);
                println!("{what} σ {sigma} {name}: {measured:.3} of the noise is left; {known:.3} where it is known");
                // Random texture twenty times as strong as the noise cannot be told from it: σ must be said.
                let tellable = *what != "grains" || sigma > 0.01;
                if known >= 1.01 || (tellable && measured >= 1.01) {
                    worse.push(format!("{what} σ {sigma} {name}: {measured:.3} {known:.3}"));
                }
            }
        }
    }
    assert!(worse.is_empty(), "{worse:?}");
}

#[test]
fn slices_that_differ_have_noise_of_their_own() {
    let (truth, sigmas) = (head(), [0.005, 0.05, 0.01]);
    let slices: Vec<Array3<f32>> = sigmas.iter().map(|sigma| with_noise(&truth, *sigma, 7)).collect();
    let views: Vec<_> = slices.iter().map(|slice| slice.view()).collect();
    let stack = ndarray::concatenate(ndarray::Axis(0), &views).unwrap();
    let levels = level::levels(&Device::cpu(), &stack.view(), 1, Model::Gaussian).unwrap();
    for ((slice, level), sigma) in slices.iter().zip(&levels).zip(sigmas) {
        assert_eq!(*level, found(slice));
        assert!((level / sigma - 1.0).abs() < 0.15, "{level}, not {sigma}");
    }
    let device = Device::cpu();
    let map: Vec<f32> = levels.iter().flat_map(|level| vec![*level as f32; SIZE * SIZE]).collect();
    let map = Sigma::Map(device.upload(&[3 * SIZE, SIZE], map).unwrap());
    for name in ["bm3d", "tv"] {
        let together = quiet(&device, name, Model::Gaussian, &stack, &map);
        for (z, slice) in slices.iter().enumerate() {
            let alone = quiet(&device, name, Model::Gaussian, slice, &Sigma::Flat(levels[z] as f32));
            let off = rms(&together.slice(s![z..z + 1, .., ..]).to_owned(), &alone);
            assert!(off < 1e-5, "{name}, slice {z}: {off:e}");
        }
    }
}

#[test]
fn values_may_have_any_size() {
    let (truth, sigma) = (head(), 0.05);
    let noisy = with_noise(&truth, sigma, 11);
    for device in [Some(Device::cpu()), devices::gpu()].into_iter().flatten() {
        for (name, noise) in denoisers::ALL.iter().flat_map(|name| [(*name, Model::Gaussian), (*name, Model::Rician)]) {
            // On a software GPU one method stands for all.
            if matches!(device, Device::Gpu(_)) && name != "nlm" {
                continue;
            }
            let image = if noise == Model::Rician { noisy.mapv(f32::abs) } else { noisy.clone() };
            let usual = quiet(&device, name, noise, &image, &Sigma::Flat(sigma as f32));
            // Powers of two, which round nothing.
            for factor in [2.0_f32.powi(66), 2.0_f32.powi(-66)] {
                let scaled = quiet(&device, name, noise, &(&image * factor), &Sigma::Flat(sigma as f32 * factor));
                let off = rms(&(scaled / factor), &usual);
                assert!(off < 1e-6, "{name} {noise:?} × {factor:e}: {off:e}");
            }
        }
    }
}

#[test]
fn a_network_does_not_mind_an_offset() {
    let (truth, sigma) = (head(), 0.05);
    let noisy = with_noise(&truth, sigma, 13);
    let net = |image: &Array3<f32>| quiet(&Device::cpu(), "net", Model::Gaussian, image, &Sigma::Flat(sigma as f32));
    let usual = rms(&net(&noisy), &truth);
    for offset in [50.0_f32, -50.0] {
        let shifted = rms(&(net(&(&noisy + offset)) - offset), &truth);
        assert!(shifted < 1.08 * usual, "{shifted:.4} with an offset of {offset}, {usual:.4} without");
    }
}

/// A chessboard, a half-tone, dots, two kinds of stripes; and a chessboard in a disc with air about it.
fn patterns() -> [(&'static str, Array3<f32>); 6] {
    let every = |n: usize| move |y: f32, x: f32| (y as usize).is_multiple_of(n) && (x as usize).is_multiple_of(n);
    let lit = |lit: bool| f32::from(u8::from(lit));
    let disc = |y: f32, x: f32| if (y - 48.0).hypot(x - 48.0) < 35.0 { 0.25 + 0.5 * ((x + y) % 2.0) } else { 0.0 };
    [
        ("chessboard", of(|y, x| (x + y) % 2.0)),
        ("half-tone", of(|y, x| lit(every(2)(y, x)))),
        ("dots", of(|y, x| lit(every(3)(y, x)))),
        ("stripes", of(|_, x| x % 2.0)),
        ("bars", of(|y, x| ((x / 2.0).floor() + (y / 3.0).floor()) % 2.0)),
        ("chessboard in a disc", of(disc)),
    ]
}

#[test]
fn a_regular_pattern_is_no_noise() {
    for (what, truth) in patterns() {
        assert!(found(&truth) < 1e-3, "{what} without noise: σ {}", found(&truth));
    }
    let mut worse = Vec::new();
    for (what, truth) in patterns() {
        for sigma in [0.003, 0.03] {
            let noisy = with_noise(&truth, sigma, 15);
            let (before, level) = (rms(&noisy, &truth), found(&noisy));
            assert!((level / sigma - 1.0).abs() < 0.15, "{what}: σ {level:.4}, not {sigma}");
            for name in denoisers::ALL {
                let after =
                    rms(&quiet(&Device::cpu(), name, Model::Gaussian, &noisy, &Sigma::Flat(level as f32)), &truth);
                println!("{what} σ {sigma} {name}: {:.3} of the noise is left", after / before);
                if after > 1.02 * before {
                    worse.push(format!("{what} σ {sigma} {name}: {:.3}", after / before));
                }
            }
        }
    }
    assert!(worse.is_empty(), "{worse:?}");
}

/// Where f32 resolves σ/4 only, and as far below 0: the noise is taken off as if there were no offset.
#[test]
fn an_offset_costs_its_digits_only() {
    let (truth, sigma) = (head(), 0.03);
    let noisy = with_noise(&truth, sigma, 17);
    for offset in [1e5_f32, -1e4] {
        // As f32 has it; the difference to the offset is exact.
        let far = noisy.mapv(|value| value + offset);
        let near = far.mapv(|value| value - offset);
        let level = found(&far);
        assert!((level / found(&near) - 1.0).abs() < 0.02, "σ {level} at {offset}, {} at 0", found(&near));
        // The answer is rounded once more.
        let digit = f64::from(offset.abs()) * f64::from(f32::EPSILON);
        for (name, depth) in denoisers::ALL.iter().map(|name| (*name, 0)).chain([("bm3d", 1), ("nlm", 1)]) {
            let left = |image: &Array3<f32>| {
                let options = Options { depth, ..Options::default() };
                asked(&Device::cpu(), name, options, image, &Sigma::Flat(sigma as f32))
            };
            let [at_0, at_offset] = [rms(&left(&near), &truth), rms(&left(&far).mapv(|value| value - offset), &truth)];
            println!(
                "{name} {depth}, offset {offset}: {:.3} of the noise is left, {:.3} at 0",
                at_offset / sigma,
                at_0 / sigma
            );
            assert!(
                at_offset < 1.1 * at_0.hypot(0.3 * digit),
                "{name} {depth}: {at_offset:.5} at {offset}, {at_0:.5} at 0"
            );
        }
    }
}

/// One of three slices has other values, or another noise as well: what its neighbours lose of theirs is what they lose alone.
#[test]
fn a_slice_unlike_its_neighbours_lends_them_nothing() {
    let (truth, sigma, device) = (head(), 0.04_f32, Device::cpu());
    let slices: Vec<Array3<f32>> = (0..3).map(|seed| with_noise(&truth, f64::from(sigma), 20 + seed)).collect();
    for (values, noise) in [(2.0, 2.0), (300.0, 300.0), (300.0, 1.0), (1.0, 300.0)] {
        let unlike = &truth * values + (&slices[1] - &truth) * noise;
        let parts = [&slices[0], &unlike, &slices[2]].map(|slice| slice.view());
        let stack = ndarray::concatenate(ndarray::Axis(0), &parts).unwrap();
        let sigmas = (0..3).flat_map(|z| vec![if z == 1 { sigma * noise } else { sigma }; SIZE * SIZE]);
        let sigmas = Sigma::Map(device.upload(&[3 * SIZE, SIZE], sigmas.collect::<Vec<f32>>()).unwrap());
        for (name, depth) in [("bm3d", 1), ("nlm", 1)] {
            let together = asked(&device, name, Options { depth, ..Options::default() }, &stack, &sigmas);
            for z in 0..3 {
                let (values, noise) = if z == 1 { (values, noise) } else { (1.0, 1.0) };
                let slice = together.slice(s![z..z + 1, .., ..]).to_owned();
                let left = rms(&slice, &(&truth * values)) / f64::from(sigma * noise);
                let alone = quiet(
                    &device,
                    name,
                    Model::Gaussian,
                    &stack.slice(s![z..z + 1, .., ..]).to_owned(),
                    &Sigma::Flat(sigma * noise),
                );
                let alone = rms(&alone, &(&truth * values)) / f64::from(sigma * noise);
                println!("× {values}, σ × {noise}, {name} {depth}, slice {z}: {left:.3}, alone {alone:.3}");
                assert!(
                    left < 1.1 * alone,
                    "× {values}, σ × {noise}, {name} {depth}, slice {z}: {left:.3}, alone {alone:.3}"
                );
            }
        }
    }
}

/// White noise on slices of which every block of 32² has edges, and on ones with air.
#[test]
fn edges_are_not_what_neighbouring_pixels_share() {
    for (size, extent) in [(64, 190.0), (64, 256.0), (128, 280.0), (256, 256.0)] {
        for sigma in [0.01, 0.04, 0.1] {
            let noisy = with_noise(&head_of(size, extent), sigma, 19);
            let told = Correlation::of_image(&noisy.view());
            println!("{size} px of {extent} mm, σ {sigma}: {:?}", told.as_ref().map(|told| told.at([0, 1])));
            let Some(told) = told else { continue };
            for displacement in [[0, 1], [1, 0], [1, 1], [0, 2], [2, 0]] {
                let shared = told.at(displacement);
                // Edges as faint as the noise are seen in part.
                let most = if sigma < 0.1 { 0.1 } else { 0.15 };
                assert!(shared.abs() < most, "{size} px of {extent} mm, σ {sigma}: {shared:.2} at {displacement:?}");
            }
        }
    }
    // Noise of which there is enough to see is still told.
    let noisy = with_noise(&head_of(128, 280.0), 0.04, 19);
    assert!(Correlation::of_image(&noisy.view()).is_some());
}
