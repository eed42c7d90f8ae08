//! Plug and play on exact scans of phantoms, CT and MR: beside what knows less of the image, on every device, with every prior.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use ndarray::{Array2, Array3};
use rushlight::{
    Error, denoisers,
    device::{Device, Element},
    geometry::{
        Grid, Mask, Sampling,
        sampling::{self, Design},
    },
    monitor::{Listener, Monitor},
    operators::{LinearOperator, Outer, RampPreconditioner, Weighted, XRay},
    phantom::{CoilMaps, Phantom},
    recipes::{
        self, Options, Strength,
        mr::{self, MrOptions},
    },
    scan::{CoilNoise, KSpace, Scan, noise::Noise},
    solvers::LinearSystem,
};

mod devices;
mod scene;

use scene::{geometry, grid, psnr};

const COILS: usize = 8;

/// So many views of 10⁵ photons a ray.
fn scan(phantom: &Phantom, views: usize, size: usize) -> Scan {
    let mut scan = phantom.scan(&geometry(views, size), &Monitor::silent()).unwrap();
    Noise { photons: 1e5, seed: 1, electronic: 0.0 }.apply(&mut scan).unwrap();
    scan
}

fn reconstruct(method: &str, scan: &Scan, options: &Options, size: usize, device: &Device) -> Array3<f32> {
    let recipe = recipes::named(method, options).unwrap();
    recipe.reconstruct(scan.clone(), &grid(size), device, &Monitor::silent()).unwrap().image.values
}

fn size(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// A data step has four iterations, and the ramp makes them count: (AAᵀ + ρ) u = d, x = Aᵀu, from few and many views, weighed or not.
#[test]
fn the_ramp_makes_the_first_iterations_count() {
    const SIZE: usize = 64;
    let device = Device::cpu();
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    for (views, weighed) in [(30, false), (30, true), (120, true)] {
        let scan = scan(&phantom, views, SIZE);
        let xray = XRay::new(&device, &scan.geometry, &grid(SIZE)).unwrap();
        let (domain, range) = (xray.domain().to_vec(), xray.range().to_vec());
        // Roots of what photons make of the weights.
        let roots = scan.projections.iter().map(|line| if weighed { (-0.5 * line).exp() } else { 1.0 });
        let roots: Vec<f32> = roots.collect();
        let lines: Vec<f32> = scan.projections.iter().zip(&roots).map(|(line, root)| line * root).collect();
        let mut lengths = device.zeros(&range, Element::F32).unwrap();
        xray.forward(&device.upload(&domain, vec![1.0_f32; SIZE * SIZE]).unwrap(), &mut lengths).unwrap();
        let lengths: Vec<f32> = device.download(&lengths).unwrap();
        // A cell's share of a pixel is about as long as a pixel is wide.
        let width = grid(SIZE).voxel()[2] as f32;
        let squares: Vec<f32> =
            lengths.iter().zip(&roots).map(|(length, root)| 0.7 * width * length * root * root).collect();
        let damping = squares.iter().sum::<f32>() / (SIZE * SIZE) as f32;
        let operator = Arc::new(Weighted::new(&device, xray, device.upload(&range, roots).unwrap()).unwrap());
        let outer = Arc::new(Outer::new(&device, operator.clone()).unwrap());
        let ramp = RampPreconditioner::new(&device, scan.geometry.shape(), SIZE as f64, squares).unwrap();
        ramp.damp(damping).unwrap();
        let ramp = Arc::new(ramp);
        let image = |preconditioned: bool, iterations: usize| -> Vec<f32> {
            let right = device.upload(&range, &lines).unwrap();
            let start = device.zeros(&range, Element::F32).unwrap();
            let (outer, ramp) = (outer.clone(), ramp.clone());
            let system = match preconditioned {
                false => LinearSystem::new(&device, outer, right, start, damping),
                true => LinearSystem::preconditioned(&device, outer, ramp, right, start, damping),
            };
            let mut system = system.unwrap();
            for progress in system.by_ref().take(iterations) {
                progress.unwrap();
            }
            let mut image = device.zeros(&domain, Element::F32).unwrap();
            operator.adjoint(&system.into_solution(), &mut image).unwrap();
            device.download(&image).unwrap()
        };
        let last = image(false, 200);
        let [plain, ramped] = [false, true].map(|preconditioned| {
            let found = image(preconditioned, 4);
            let apart = found.iter().zip(&last).map(|(a, b)| f64::from(a - b));
            size(apart) / size(last.iter().map(|value| f64::from(*value)))
        });
        println!(
            "{views} views, weighed: {weighed}: {plain:.2} away after 4 plain iterations, {ramped:.2} with the ramp"
        );
        assert!(ramped < 0.7 * plain, "{views} views, weighed: {weighed}: {ramped:.2}, plain {plain:.2}");
    }
}

/// Bars are flat, so that total variation, printed beside it, is as good here.
#[test]
fn few_views_of_bars_beside_fbp() {
    let phantom = Phantom::named("line-pairs").unwrap();
    let scan = scan(&phantom, 30, 128);
    let options = Options { photons: Some(1e5), ..Options::default() };
    let made = |method| psnr(&reconstruct(method, &scan, &options, 128, &Device::cpu()), &phantom);
    let [fbp, tv, pnp] = ["fbp", "tv", "pnp"].map(made);
    println!("line-pairs, 30 views: fbp {fbp:.2} dB, tv {tv:.2} dB, pnp {pnp:.2} dB");
    assert!(pnp > fbp + 6.0, "fbp {fbp:.2} dB, tv {tv:.2} dB, pnp {pnp:.2} dB");
}

/// From many views the rods' surroundings are quieter than FBP leaves them, at a fifth of the usual photons.
#[test]
fn rods_from_many_views_beside_fbp() {
    many_views_beside_fbp("ct-inserts", 96, 3.0);
}

#[test]
fn a_head_from_many_views_beside_fbp() {
    many_views_beside_fbp("forbild-head", 128, 2.0);
}

/// 240 views of 2·10⁴ photons a ray; pnp must be `gain` dB above FBP.
fn many_views_beside_fbp(name: &str, size: usize, gain: f64) {
    let phantom = Phantom::named(name).unwrap();
    let mut scan = phantom.scan(&geometry(240, size), &Monitor::silent()).unwrap();
    Noise { photons: 2e4, seed: 1, electronic: 0.0 }.apply(&mut scan).unwrap();
    let options = Options { photons: Some(2e4), ..Options::default() };
    let made = |method| psnr(&reconstruct(method, &scan, &options, size, &Device::cpu()), &phantom);
    let [fbp, pnp] = ["fbp", "pnp"].map(made);
    println!("{name}, 240 views: fbp {fbp:.2} dB, pnp {pnp:.2} dB");
    assert!(pnp > fbp + gain, "fbp {fbp:.2} dB, pnp {pnp:.2} dB");
}

/// A quarter of k-space, eight coils, noise of deviation `sigma` a sample; and the size of every voxel's mean.
fn kspace(name: &str, n: usize, sigma: f64) -> (KSpace, Array3<f64>) {
    let phantom = Phantom::named(name).unwrap();
    let grid = Grid::centered([1, n, n], [phantom.frame / n as f64; 3], [0.0; 3]);
    let coils = CoilMaps::around(COILS, &grid).unwrap();
    let options =
        sampling::Options { matrix: [1, n, n], acceleration: 4.0, calibration: 20, seed: 3, ..Default::default() };
    let sampling = Design::named("poisson").unwrap().sample(&options).unwrap();
    let mut scan = phantom.kspace(&grid, &sampling, &coils).unwrap();
    CoilNoise { sigma, covariance: Array2::eye(COILS), seed: 5 }.apply(&mut scan).unwrap();
    scan.noise = None;
    // The phantom's own samples, all of them and without noise, by the recipe that only transforms and combines.
    let full = phantom.kspace(&grid, &Sampling::Mask(Mask::full([1, n, n])), &coils).unwrap();
    let options = MrOptions { maps: Some(coils.at_voxels([1, n, n])), ..MrOptions::default() };
    (scan, magnitude("zero-filled", &full, &options, &Device::cpu()))
}

fn magnitude(method: &str, scan: &KSpace, options: &MrOptions, device: &Device) -> Array3<f64> {
    let made = mr::named(method, options).unwrap().reconstruct(scan.clone(), device, &Monitor::silent()).unwrap();
    let (_, nz, ny, nx) = made.image.values.dim();
    let sizes = made.image.values.iter().map(|value| f64::from(value.norm())).collect();
    Array3::from_shape_vec((nz, ny, nx), sizes).unwrap()
}

#[test]
fn a_quarter_of_kspace_beside_sense_and_total_variation() {
    let (scan, truth) = kspace("line-pairs", 96, 0.02);
    let error = |method| {
        let image = magnitude(method, &scan, &MrOptions::default(), &Device::cpu());
        size((image - &truth).into_iter()) / size(truth.iter().copied())
    };
    let [sense, tv, pnp] = ["sense", "tv", "pnp"].map(error);
    println!("line-pairs, R = 4: sense {sense:.4}, tv {tv:.4}, pnp {pnp:.4}");
    assert!(pnp < 0.7 * sense && pnp < 0.95 * tv, "sense {sense:.4}, tv {tv:.4}, pnp {pnp:.4}");
}

/// Thresholds and matches on the verge fall either way on another device, and every round builds on the last: images are alike
/// to 1 % after four rounds.
#[test]
fn the_gpu_agrees() {
    let scan = scan(&Phantom::named("shepp-logan-toft").unwrap(), 24, 48);
    let mut options = Options::default();
    options.iteration.count = Some(4);
    let mut first = None;
    for (name, device) in [("CPU", Some(Device::cpu())), ("GPU", devices::gpu())] {
        let Some(device) = device else { continue };
        let image = reconstruct("pnp", &scan, &options, 48, &device);
        let expected = first.get_or_insert_with(|| image.clone());
        let size = |values: &Array3<f32>| size(values.iter().map(|value| f64::from(*value)));
        let apart = size(&(&image - &*expected)) / size(expected);
        println!("CT, {name}: {apart:.1e} beside the CPU");
        assert!(apart < 0.01, "{name}: {apart:.1e}");
    }
    let (scan, _) = kspace("shepp-logan-toft", 48, 0.02);
    let mut options = MrOptions::default();
    options.iteration.count = Some(4);
    let mut first = None;
    for (name, device) in [("CPU", Some(Device::cpu())), ("GPU", devices::gpu())] {
        let Some(device) = device else { continue };
        let image = magnitude("pnp", &scan, &options, &device);
        let expected = first.get_or_insert_with(|| image.clone());
        let apart = size((&image - &*expected).into_iter()) / size(expected.iter().copied());
        println!("MR, {name}: {apart:.1e} beside the CPU");
        assert!(apart < 0.01, "{name}: {apart:.1e}");
    }
}

/// From many views a share of what the data still say is added and said, from few next to none; where FBP cannot, the image stays.
#[test]
fn many_views_give_back_what_was_left_over() {
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    let said = |notes: &[String]| notes.iter().find(|note| note.contains("of what the data still say")).cloned();
    let mut options = Options { photons: Some(1e5), ..Options::default() };
    options.iteration.count = Some(2);
    let made = |scan: &Scan| {
        let recipe = recipes::named("pnp", &options).unwrap();
        recipe.reconstruct(scan.clone(), &grid(32), &Device::cpu(), &Monitor::silent()).unwrap()
    };
    // One ray to sixteen pixels.
    if let Some(note) = said(&made(&scan(&phantom, 2, 32)).notes) {
        let share: f64 = note.split(' ').next().unwrap().parse().unwrap();
        assert!(share < 0.03, "{note}");
    }
    let many = scan(&phantom, 240, 32);
    let image = made(&many);
    let note = said(&image.notes).expect("a note of what was added");
    println!("{note}");
    assert!(note.contains("changed the image by"), "{note}");
    // One view with other cells: the images hardly differ otherwise.
    let mut shaken = many.clone();
    shaken.geometry.views[7].column_step = shaken.geometry.views[7].column_step.map(|step| 1.001 * step);
    let bare = made(&shaken);
    let note = said(&bare.notes).expect("a note that nothing was added");
    assert!(note.starts_with("nothing of") && note.contains("circular"), "{note}");
    assert!(image.image.values.iter().all(|value| *value >= 0.0));
    let size = |values: &Array3<f32>| size(values.iter().map(|value| f64::from(*value)));
    let added = size(&(&image.image.values - &bare.image.values)) / size(&bare.image.values);
    println!("apart by {added:.4}");
    assert!((1e-3..0.02).contains(&added), "{added}");
}

/// Whoever wants to keep the image gets it, whenever the wish to stop comes.
#[test]
fn an_interrupt_keeps_the_image_if_asked() {
    static STOP: AtomicBool = AtomicBool::new(false);
    /// Stops the work when that step begins after so many times `iterate`: the first image's, and the rounds.
    struct Stop {
        step: &'static str,
        after: usize,
        begun: AtomicUsize,
    }
    impl Listener for Stop {
        fn begin(&self, step: &str, _: u64) {
            let begun = self.begun.fetch_add(usize::from(step == "iterate"), Ordering::Relaxed);
            if step == self.step && begun == self.after {
                STOP.store(true, Ordering::Relaxed);
            }
        }
        fn advance(&self, _: u64) {}
        fn end(&self) {}
    }
    let scan = scan(&Phantom::named("shepp-logan-toft").unwrap(), 240, 32);
    let cases = [
        ("plan", 1, "interrupted before the first round"),
        ("iterate", 1, "interrupted after 1 iterations"),
        ("filter", 2, "2 iterations, as asked"),
    ];
    for (step, after, said) in cases {
        for keep in [true, false] {
            STOP.store(false, Ordering::Relaxed);
            let mut options = Options { photons: Some(1e5), ..Options::default() };
            options.iteration.count = Some(2);
            options.iteration.keep = keep;
            let monitor = Monitor::new(Some(Box::new(Stop { step, after, begun: AtomicUsize::new(0) })), &STOP);
            let recipe = recipes::named("pnp", &options).unwrap();
            let made = recipe.reconstruct(scan.clone(), &grid(32), &Device::cpu(), &monitor);
            assert!(STOP.load(Ordering::Relaxed), "no {step}");
            match made {
                Ok(made) => {
                    let notes = made.notes.join("; ");
                    assert!(
                        keep && notes.contains(said) && notes.contains("was added: interrupted"),
                        "{step}: {notes}"
                    );
                }
                Err(error) => assert!(!keep && matches!(error, Error::Interrupted), "{step}: {error}"),
            }
        }
    }
}

/// With every denoiser there is, and each makes an image of its own.
#[test]
fn any_denoiser_is_a_prior() {
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    let (scan, size) = (scan(&phantom, 30, 64), 64);
    let fbp = psnr(&reconstruct("fbp", &scan, &Options::default(), size, &Device::cpu()), &phantom);
    let mut images = Vec::<Array3<f32>>::new();
    for name in denoisers::ALL {
        let mut options = Options { denoiser: Some(name.to_string()), ..Options::default() };
        options.iteration.count = Some(6);
        let image = reconstruct("pnp", &scan, &options, size, &Device::cpu());
        let found = psnr(&image, &phantom);
        println!("{name}: {found:.2} dB, fbp {fbp:.2} dB");
        assert!(found > fbp, "{name}: {found:.2} dB, fbp {fbp:.2} dB");
        assert!(images.iter().all(|other| *other != image), "{name} makes the image of another");
        images.push(image);
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    let ct = scan(&phantom, 30, 32);
    let (kspace, _) = kspace("shepp-logan-toft", 48, 0.02);
    let refuse = |denoiser: Option<&str>, strength: Strength| {
        let denoiser = denoiser.map(str::to_string);
        let options = Options { denoiser: denoiser.clone(), strength, ..Options::default() };
        let recipe = recipes::named("pnp", &options).unwrap();
        let for_ct = recipe.reconstruct(ct.clone(), &grid(32), &Device::cpu(), &Monitor::silent()).unwrap_err();
        let options = MrOptions { denoiser, strength, ..MrOptions::default() };
        let recipe = mr::named("pnp", &options).unwrap();
        let for_mr = recipe.reconstruct(kspace.clone(), &Device::cpu(), &Monitor::silent()).unwrap_err();
        [for_ct, for_mr].map(|error| error.to_string())
    };
    for message in refuse(Some("blur"), Strength::Auto) {
        assert!(message.contains("'blur'") && message.contains("bm3d, nlm"), "{message}");
    }
    for strength in
        [0.0, -1.0, f64::NAN, f64::INFINITY].into_iter().flat_map(|s| [Strength::Fixed(s), Strength::Times(s)])
    {
        for message in refuse(None, strength) {
            assert!(message.contains("strength") && message.contains("above 0"), "{message}");
        }
    }
}
