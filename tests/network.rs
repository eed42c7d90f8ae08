//! The network of `denoise --method net`: against PyTorch's own output, across devices and tiles, and files that it must refuse.

use std::{collections::BTreeMap, sync::Arc};

use ndarray::{Array3, Axis};
use rushlight::{
    denoisers::{
        Denoiser, Noisy, Sigma,
        network::{Network, Parameters},
    },
    device::Device,
    random::Draws,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

mod devices;

/// Made by `training/reference.py`: a small network, an image, its σ and what PyTorch makes of them in double precision.
const REFERENCE: &[u8] = include_bytes!("reference/network.safetensors");

/// Shape and numbers.
type Tensor = (Vec<usize>, Vec<f32>);
/// A file's tensors, to be changed.
type Tensors = BTreeMap<String, Tensor>;

fn tensors() -> Tensors {
    let file = SafeTensors::deserialize(REFERENCE).unwrap();
    let numbers =
        |data: &[u8]| data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    file.iter().map(|(name, view)| (name.to_string(), (view.shape().to_vec(), numbers(view.data())))).collect()
}

fn bytes(tensors: &Tensors) -> Vec<u8> {
    let data: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, numbers))| (name, shape, numbers.iter().flat_map(|number| number.to_le_bytes()).collect()))
        .collect();
    let views = data
        .iter()
        .map(|(name, shape, data)| (name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// The weights alone, and image, σ and output.
fn reference() -> (Tensors, [Tensor; 3]) {
    let mut all = tensors();
    let parts = ["y", "sigma", "output"].map(|name| all.remove(name).unwrap());
    (all, parts)
}

fn network() -> Network {
    with_strength(1.0)
}

fn with_strength(strength: f32) -> Network {
    Network::new(Arc::new(Parameters::from_bytes(&bytes(&reference().0)).unwrap()), strength)
}

fn denoised(device: &Device, image: &[f32], slices: [usize; 3], sigma: &[f32], strength: f32) -> Vec<f32> {
    let [nz, ny, nx] = slices;
    let image = device.upload(&[nz * ny, nx], image).unwrap();
    let sigma = match sigma {
        [one] => Sigma::Flat(*one),
        map => Sigma::Map(device.upload(&[nz * ny, nx], map).unwrap()),
    };
    let method = with_strength(strength);
    device.download(&method.denoise(device, &Noisy::new(&image, slices, &sigma).unwrap()).unwrap()).unwrap()
}

/// The largest difference over the rms of `b`.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let size = (b.iter().map(|value| value * value).sum::<f32>() / b.len() as f32).sqrt();
    a.iter().zip(b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs())) / size
}

fn noise(count: usize, seed: u64) -> Vec<f32> {
    (0..count).map(|index| Draws::new(seed, [0, 0, index]).normal() as f32).collect()
}

#[test]
fn what_comes_out_is_what_pytorch_says() {
    let (_, [(shape, y), (_, sigma), (_, output)]) = reference();
    for (name, device) in devices::every(1 << 20) {
        let found = denoised(&device, &y, [1, shape[0], shape[1]], &sigma, 1.0);
        let apart = apart(&found, &output);
        println!("{name}: {apart:.1e}");
        assert!(apart < 1e-5, "{name}: {apart:e}");
    }
}

#[test]
fn tiles_leave_no_seams() {
    // A tile of 160 × 168 pixels takes 4 · 82 · 86 · 16 bytes, more than a binding is to hold here.
    let (slices, limit) = ([2, 160, 163], 300_000);
    let (image, sigma) =
        (noise(2 * 160 * 163, 1), noise(2 * 160 * 163, 2).iter().map(|s| 0.2 + 0.1 * s.abs()).collect::<Vec<_>>());
    let whole = denoised(&Device::cpu(), &image, slices, &sigma, 1.0);
    for (name, device) in devices::every(limit) {
        let apart = apart(&denoised(&device, &image, slices, &sigma, 1.0), &whole);
        println!("{name}: {apart:.1e}");
        assert!(apart < 1e-5, "{name}: {apart:e}");
    }
    // On the CPU tiles give the very bits.
    assert_eq!(denoised(&Device::cpu().with_binding_limit(limit), &image, slices, &sigma, 1.0), whole);
    let tiny = Device::cpu().with_binding_limit(10_000);
    let upload = tiny.upload(&[64, 64], noise(4096, 1)).unwrap();
    let error = network()
        .denoise(&tiny, &Noisy::new(&upload, [1, 64, 64], &Sigma::Flat(0.1)).unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("one binding of 10000 bytes") && error.lines().count() == 1, "{error}");
}

#[test]
fn asked_again_it_has_forgotten_the_last_image() {
    for fresh in [network, || network().turned()] {
        let method = fresh();
        for (name, device) in devices::every(1 << 20) {
            // As large, not as large, both in a tile of 40 × 48 pixels, and in one that is square as the image is not.
            let sizes = [[40, 48], [40, 48], [33, 47], [40, 64], [33, 40], [40, 48]];
            for (seed, [ny, nx]) in (5..).zip(sizes) {
                let image = noise(ny * nx, seed);
                let upload = device.upload(&[ny, nx], &image).unwrap();
                let noisy = Noisy::new(&upload, [1, ny, nx], &Sigma::Flat(0.2)).unwrap();
                let of = |method: &Network| -> Vec<f32> {
                    device.download(&method.denoise(&device, &noisy).unwrap()).unwrap()
                };
                assert_eq!(of(&method), of(&fresh()), "{name}: {ny} × {nx}");
            }
        }
    }
}

/// Lines reversed, columns reversed, and then lines and columns exchanged, where `way` says so; slice by slice.
fn turned(values: &[f32], [nz, ny, nx]: [usize; 3], way: [bool; 3]) -> Array3<f32> {
    let mut array = Array3::from_shape_vec((nz, ny, nx), values.to_vec()).unwrap();
    for (axis, _) in way[..2].iter().enumerate().filter(|(_, reversed)| **reversed) {
        array.invert_axis(Axis(axis + 1));
    }
    if way[2] {
        array.swap_axes(1, 2);
    }
    array.as_standard_layout().into_owned()
}

#[test]
fn turned_it_is_the_mean_over_all_eight_ways() {
    // Across and along, square, square only as tiles, and in several tiles of slices that two slabs hold.
    let cases = [([3, 40, 28], 1 << 20), ([2, 32, 32], 1 << 20), ([1, 33, 40], 1 << 20), ([4, 160, 136], 300_000)];
    for (slices @ [nz, ny, nx], limit) in cases {
        let (image, sigma) =
            (noise(nz * ny * nx, 1), noise(nz * ny * nx, 2).iter().map(|s| 0.2 + 0.1 * s.abs()).collect::<Vec<_>>());
        let mut mean = Array3::<f32>::zeros((nz, ny, nx));
        for way in 0..8 {
            let way = [way & 1 != 0, way & 2 != 0, way & 4 != 0];
            let [laid, of_sigma] = [&image, &sigma].map(|values| turned(values, slices, way));
            let shape @ [_, rows, columns] = laid.shape().try_into().unwrap();
            let once = denoised(&Device::cpu(), laid.as_slice().unwrap(), shape, of_sigma.as_slice().unwrap(), 1.0);
            // Back: exchanged first, and then reversed.
            let back = turned(&once, [nz, rows, columns], [false, false, way[2]]);
            mean += &turned(back.as_slice().unwrap(), slices, [way[0], way[1], false]);
        }
        mean /= 8.0;
        for (name, device) in devices::every(limit) {
            let upload = |values: &Vec<f32>| device.upload(&[nz * ny, nx], values).unwrap();
            let (values, sigma) = (upload(&image), Sigma::Map(upload(&sigma)));
            let noisy = Noisy::new(&values, slices, &sigma).unwrap();
            let found: Vec<f32> = device.download(&network().turned().denoise(&device, &noisy).unwrap()).unwrap();
            let apart = apart(&found, mean.as_slice().unwrap());
            println!("{name}: {apart:.1e}");
            assert!(apart < 1e-5, "{name}: {apart:e}");
        }
    }
}

#[test]
fn slices_made_together_are_what_each_is_alone() {
    let slices @ [nz, ny, nx] = [10, 19, 35];
    let image = noise(nz * ny * nx, 6);
    // All on the GPU, and by the limit on a binding four, four, and two beside what four have left.
    for (name, device) in devices::every(100_000) {
        let together = denoised(&device, &image, slices, &[0.2], 1.0);
        for (slice, found) in image.chunks(ny * nx).zip(together.chunks(ny * nx)) {
            assert_eq!(found, denoised(&device, slice, [1, ny, nx], &[0.2], 1.0), "{name}");
        }
    }
}

#[test]
fn values_need_no_unit_and_strength_is_a_factor_on_the_noise() {
    let (device, slices, image) = (Device::cpu(), [1, 40, 48], noise(40 * 48, 3));
    let once = denoised(&device, &image, slices, &[0.3], 1.0);
    let thousand: Vec<f32> = image.iter().map(|value| 1024.0 * value).collect();
    let found: Vec<f32> =
        denoised(&device, &thousand, slices, &[0.3 * 1024.0], 1.0).iter().map(|v| v / 1024.0).collect();
    assert!(apart(&found, &once) < 1e-5);
    assert!(apart(&denoised(&device, &image, slices, &[0.15], 2.0), &once) < 1e-6);
    let map = vec![0.3; image.len()];
    assert_eq!(denoised(&device, &image, slices, &map, 1.0), once);
}

#[test]
fn images_of_any_size_keep_it() {
    for (ny, nx) in [(1, 1), (1, 30), (7, 9), (40, 3)] {
        for (name, device) in devices::every(1 << 20) {
            let found = denoised(&device, &noise(ny * nx, 4), [1, ny, nx], &[0.2], 1.0);
            assert!(found.len() == ny * nx && found.iter().all(|value| value.is_finite()), "{name}: {ny} × {nx}");
        }
    }
}

#[test]
fn files_that_hold_no_such_network_are_refused_in_one_line() {
    let change = |with: &dyn Fn(&mut Tensors)| {
        let mut changed = reference().0;
        with(&mut changed);
        bytes(&changed)
    };
    let cases: [(Vec<u8>, &str); 8] = [
        (REFERENCE.to_vec(), "'output'"),
        (REFERENCE[..1000].to_vec(), "truncated"),
        (b"hello".to_vec(), "truncated, or no safetensors"),
        (change(&|all| drop(all.remove("mid.0.b.weight"))), "'mid.0.b.weight' is missing"),
        (change(&|all| drop(all.remove("head.weight"))), "'head.weight' is missing"),
        (change(&|all| all.get_mut("tail.weight").unwrap().1[5] = f32::NAN), "NaN at number 5"),
        (change(&|all| all.get_mut("enc2.0.a.weight").unwrap().0 = vec![32, 32, 9, 1]), "has shape [32, 32, 9, 1]"),
        (change(&|all| all.get_mut("head.weight").unwrap().0 = vec![8, 16, 3, 3]), "a multiple of 16"),
    ];
    for (bytes, word) in cases {
        let error = Parameters::from_bytes(&bytes).expect_err(word);
        assert!(error.contains(word) && error.lines().count() == 1, "'{word}' is not in: {error}");
    }
    let error = Parameters::read("no-such-file").unwrap_err().to_string();
    assert!(error.contains("no-such-file"), "{error}");
}
