//! The primal–dual method on problems whose solutions are known, and the recipes for few views on exact phantoms.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use ndarray::Array3;
use rushlight::{
    Error, Result,
    device::{Array, Device},
    geometry::{Grid, LengthUnit, Parallel},
    image::Image,
    monitor::Monitor,
    operators::{LinearOperator, Pixels, arithmetic},
    phantom::Phantom,
    problem::{Bounds, Fidelity, Metric, Problem, Term},
    quality::{self, Roi},
    recipes::{self, Iteration, Options, Strength},
    regularisers::{huber_total_variation, total_generalised_variation, total_variation},
    scan::{Scan, noise::Noise},
    solvers::{PrimalDual, Solver, primal_dual::Steps},
};

mod devices;

/// x ↦ the first channel of x, or the first two of complex images.
struct First {
    device: Device,
    domain: Vec<usize>,
    range: Vec<usize>,
}

impl LinearOperator for First {
    fn domain(&self) -> &[usize] {
        &self.domain
    }
    fn range(&self) -> &[usize] {
        &self.range
    }
    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        arithmetic::fill(&self.device, 0.0, y);
        arithmetic::add_columns(&self.device, 1.0, (x, y), self.range[1..].iter().product(), [0, 0]);
        Ok(())
    }
    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        arithmetic::fill(&self.device, 0.0, x);
        arithmetic::add_columns(&self.device, 1.0, (y, x), self.range[1..].iter().product(), [0, 0]);
        Ok(())
    }
}

/// argmin ½|x − b|² + terms, for an image of `channels` channels a line; the first of them.
fn denoise(device: &Device, b: &[f32], [ny, nx, channels]: [usize; 3], terms: Vec<Term>, bounds: Bounds) -> Vec<f32> {
    let domain = if channels == 1 { vec![ny, nx] } else { vec![ny, channels, nx] };
    denoise_as(device, b, [&[ny, nx], &domain], terms, bounds)
}

/// The same for data of one shape, which are the first channels of images of another.
fn denoise_as(device: &Device, b: &[f32], shapes: [&[usize]; 2], terms: Vec<Term>, bounds: Bounds) -> Vec<f32> {
    let [range, domain] = shapes.map(<[usize]>::to_vec);
    let [short, long] = [&range, &domain].map(|shape| shape[1..].iter().product::<usize>());
    let data = device.upload(&range, b).unwrap();
    let operator = Box::new(First { device: device.clone(), domain, range });
    let fidelity = Fidelity { operator, data, metric: Metric::Scalar(0.5) };
    let steps = Steps { primal: 1.0, terms: 0.5, relaxation: 1.5 };
    let mut solver = PrimalDual::new(device, Problem { fidelity, terms, bounds }, None, steps).unwrap();
    for progress in solver.by_ref().take(3000) {
        progress.unwrap();
    }
    let x: Vec<f32> = device.download(solver.solution()).unwrap();
    x.chunks_exact(long).flat_map(|line| line[..short].to_vec()).collect()
}

fn largest_difference(a: &[f32], b: impl Iterator<Item = f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max)
}

#[test]
fn total_variation_brings_two_plateaus_together() {
    // A step from 0 to 1 after `left` of `nx` columns: each plateau moves by λ over its width (Strong & Chan 2003).
    let (ny, nx, left, strength) = (6, 20, 8, 0.8);
    let step = |column: usize| if column < left { 0.0 } else { 1.0 };
    let b: Vec<f32> = (0..ny * nx).map(|index| step(index % nx) as f32).collect();
    let shifted = |column: usize| match column < left {
        true => strength / left as f64,
        false => 1.0 - strength / (nx - left) as f64,
    };
    for (name, device) in devices::every(256) {
        let terms = vec![total_variation(&device, [1, ny, nx], Pixels::Real, strength as f32)];
        let x = denoise(&device, &b, [ny, nx, 1], terms, Bounds::NONE);
        let error = largest_difference(&x, (0..ny * nx).map(|index| shifted(index % nx)));
        assert!(error < 2e-4, "{name}: off by {error:.1e}");
        // Bounds that cut the upper plateau.
        let terms = vec![total_variation(&device, [1, ny, nx], Pixels::Real, strength as f32)];
        let x = denoise(&device, &b, [ny, nx, 1], terms, Bounds { lower: 0.0, upper: 0.5 });
        let error = largest_difference(&x, (0..ny * nx).map(|index| shifted(index % nx).min(0.5)));
        assert!(error < 2e-4, "{name}: off by {error:.1e} within bounds");
    }
}

#[test]
fn hubers_form_leaves_no_plateau_in_a_gentle_ramp() {
    // Where |∇x| < δ the penalty is a parabola: for b = c·x + a ramp's ends alone move. With natural boundary conditions
    // the minimiser solves x − (λ/δ) x'' = b; an odd cosine keeps its shape: amplitude 1/(1 + (λ/δ)(2 − 2cos k)).
    let (ny, nx) = (4, 40);
    let (strength, smoothing) = (0.3_f64, 0.5_f64);
    let k = std::f64::consts::PI * 3.0 / nx as f64;
    let wave = |column: usize| 0.2 * (k * (column as f64 + 0.5)).cos();
    let b: Vec<f32> = (0..ny * nx).map(|index| wave(index % nx) as f32).collect();
    let factor = 1.0 / (1.0 + strength / smoothing * (2.0 - 2.0 * k.cos()));
    let device = Device::cpu();
    let terms = vec![huber_total_variation(&device, [1, ny, nx], Pixels::Real, strength as f32, smoothing as f32)];
    let x = denoise(&device, &b, [ny, nx, 1], terms, Bounds::NONE);
    let error = largest_difference(&x, (0..ny * nx).map(|index| factor * wave(index % nx)));
    assert!(error < 1e-5, "off by {error:.1e}");
}

#[test]
fn generalised_variation_leaves_ramps_alone_where_total_variation_does_not() {
    let (ny, nx) = (16, 20);
    let ramp = |index: usize| 0.05 * (index % nx) as f64 - 0.03 * (index / nx) as f64;
    let b: Vec<f32> = (0..ny * nx).map(|index| ramp(index) as f32).collect();
    for (name, device) in devices::every(1024) {
        let terms = total_generalised_variation(&device, [1, ny, nx], Pixels::Real, 0.1).into();
        let x = denoise(&device, &b, [ny, nx, 3], terms, Bounds::NONE);
        let error = largest_difference(&x, (0..ny * nx).map(ramp));
        assert!(error < 1e-3, "{name}: tgv bends a ramp by {error:.1e}");
    }
    let device = Device::cpu();
    let terms = vec![total_variation(&device, [1, ny, nx], Pixels::Real, 0.1)];
    let x = denoise(&device, &b, [ny, nx, 1], terms, Bounds::NONE);
    assert!(largest_difference(&x, (0..ny * nx).map(ramp)) > 0.05, "tv flattens it");
}

/// A line of real parts, then the line of imaginary parts, of a real image times a complex number.
fn turned(image: impl Fn(usize) -> f64, [ny, nx]: [usize; 2], by: [f64; 2]) -> Vec<f64> {
    let line = |y: usize, part: f64| (0..nx).map(|x| part * image(y * nx + x)).collect::<Vec<_>>();
    (0..ny).flat_map(|y| [line(y, by[0]), line(y, by[1])].concat()).collect()
}

#[test]
fn a_complex_image_is_regularised_whatever_its_phase() {
    // Times a complex number of size 1, negative parts and all, every image has the same variation: so the minimiser for a
    // step is that of the real step above, times this number.
    let (ny, nx, left, strength) = (6, 20, 8, 0.8);
    let by = [-0.6, 0.8];
    let step = |index: usize| if index % nx < left { 0.0 } else { 1.0 };
    let shifted = |index: usize| match index % nx < left {
        true => strength / left as f64,
        false => 1.0 - strength / (nx - left) as f64,
    };
    let ramp = |index: usize| 0.05 * (index % nx) as f64 - 0.03 * (index / nx) as f64;
    let shape = [ny, 2, nx];
    let single = |image: Vec<f64>| image.iter().map(|value| *value as f32).collect::<Vec<_>>();
    for (name, device) in devices::every(512) {
        let terms = vec![total_variation(&device, [2, ny / 2, nx], Pixels::Complex, strength as f32)];
        let b = single(turned(step, [ny, nx], by));
        let x = denoise_as(&device, &b, [&shape, &shape], terms, Bounds::NONE);
        let error = largest_difference(&x, turned(shifted, [ny, nx], by).into_iter());
        assert!(error < 2e-4, "{name}: tv is off by {error:.1e}");
        let terms = total_generalised_variation(&device, [1, ny, nx], Pixels::Complex, 0.1).into();
        let b = single(turned(ramp, [ny, nx], by));
        let x = denoise_as(&device, &b, [&shape, &[ny, 6, nx]], terms, Bounds::NONE);
        let error = largest_difference(&x, turned(ramp, [ny, nx], by).into_iter());
        assert!(error < 1e-3, "{name}: tgv bends a ramp by {error:.1e}");
    }
}

const SIZE: usize = 128;
const PIXEL: f64 = 2.0;

fn grid() -> Grid {
    Grid::centered([1, SIZE, SIZE], [PIXEL; 3], [0.0; 3])
}

fn toft(views: usize) -> Scan {
    let angles = (0..views).map(|i| i as f64 * std::f64::consts::PI / views as f64).collect();
    let unit = LengthUnit::Millimetre;
    let parallel = Parallel { angles, columns: 184, rows: 1, cell: PIXEL, cell_height: 1.0, center: None, unit };
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    phantom.scan(&parallel.geometry(), &Monitor::silent()).unwrap()
}

fn truth() -> Image {
    Phantom::named("shepp-logan-toft").unwrap().raster(&grid()).unwrap()
}

/// Inside the inscribed circle, of the phantom's range.
fn psnr(image: &Array3<f32>) -> f64 {
    let middle = (SIZE as f64 - 1.0) / 2.0;
    let roi = Some(Roi::Circle { x: middle, y: middle, radius: middle });
    quality::compare(image, &truth().values, &quality::Options { roi, ..Default::default() }).unwrap().psnr
}

fn reconstruct(method: &str, options: &Options, scan: Scan, device: &Device) -> Result<Array3<f32>> {
    let made = recipes::named(method, options)?.reconstruct(scan, &grid(), device, &Monitor::silent())?;
    Ok(made.image.values)
}

#[test]
fn few_views_suffice_for_recipes_that_know_what_images_are_like() {
    let device = Device::cpu();
    let usual = Options::default();
    let quality = |method, scan| psnr(&reconstruct(method, &usual, scan, &device).unwrap());
    let fbp = quality("fbp", toft(24));
    let many = quality("fbp", toft(160));
    println!("fbp from 24 views: {fbp:.2} dB, from 160: {many:.2} dB");
    for (method, floor) in [("tv", 32.0), ("tgv", 32.0), ("asd-pocs", 26.0)] {
        let found = quality(method, toft(24));
        println!("{method} from 24 views: {found:.2} dB");
        assert!(found > floor && found > fbp + 5.0, "{method}: {found:.2} dB");
    }
    let mut noisy = toft(24);
    Noise { photons: 1e5, seed: 1, electronic: 0.0 }.apply(&mut noisy).unwrap();
    let mut noisy_many = toft(160);
    Noise { photons: 1e5, seed: 1, electronic: 0.0 }.apply(&mut noisy_many).unwrap();
    let (tv, fbp) = (quality("tv", noisy), quality("fbp", noisy_many));
    println!("with 10⁵ photons a ray: tv from 24 views {tv:.2} dB, fbp from 160 {fbp:.2} dB");
    assert!(tv > fbp, "tv {tv:.2}, fbp {fbp:.2}");
}

#[test]
fn a_prior_image_helps_where_views_are_fewest() {
    let device = Device::cpu();
    let prior = reconstruct("fbp", &Options::default(), toft(160), &device).unwrap();
    let tv = psnr(&reconstruct("tv", &Options::default(), toft(8), &device).unwrap());
    let options = Options { prior: Some(prior), ..Options::default() };
    let piccs = psnr(&reconstruct("piccs", &options, toft(8), &device).unwrap());
    println!("8 views: tv {tv:.2} dB, piccs {piccs:.2} dB");
    assert!(piccs > tv + 3.0, "tv {tv:.2}, piccs {piccs:.2}");
}

#[test]
fn cpu_and_gpu_agree_after_a_hundred_iterations() {
    let Some(gpu) = devices::gpu() else { return };
    let options = Options { iteration: Iteration { count: Some(100), ..Iteration::default() }, ..Options::default() };
    for method in ["tv", "tgv", "asd-pocs"] {
        let [cpu, gpu] = [&Device::cpu(), &gpu].map(|device| reconstruct(method, &options, toft(20), device).unwrap());
        let norm = |image: &Array3<f32>| image.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let difference = norm(&(&cpu - &gpu)) / norm(&cpu);
        println!("{method}: {difference:.1e}");
        // The descent's direction where the image is nearly flat is rounding's choice.
        let tolerance = if method == "asd-pocs" { 1e-2 } else { 1e-5 };
        assert!(difference < tolerance, "{method}: the images differ by {difference:.1e} of themselves");
    }
}

#[test]
fn an_interrupted_run_keeps_its_image_if_asked() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let observer = Arc::new(|snapshot: &recipes::iteration::Snapshot| {
        STOP.store(snapshot.iteration >= 20, Ordering::Relaxed);
        Ok(())
    });
    for keep in [true, false] {
        STOP.store(false, Ordering::Relaxed);
        let iteration = Iteration { keep, observer: Some(observer.clone()), ..Iteration::default() };
        let options = Options { iteration, ..Options::default() };
        let monitor = Monitor::new(None, &STOP);
        let made = recipes::named("tv", &options).unwrap().reconstruct(toft(12), &grid(), &Device::cpu(), &monitor);
        match made {
            Ok(made) => assert!(keep && made.notes.iter().any(|note| note.contains("after 20 iterations"))),
            Err(error) => assert!(!keep && matches!(error, Error::Interrupted), "{error}"),
        }
    }
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let device = Device::cpu();
    let refused = |method: &str, options: Options, scan: Scan, part: &str| {
        let error = reconstruct(method, &options, scan, &device).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{method}: {error}");
    };
    for number in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = Options { strength: Strength::Fixed(number), ..Options::default() };
        refused("tv", options, toft(8), "strength");
    }
    let iteration = Iteration { count: Some(0), ..Iteration::default() };
    refused("tv", Options { iteration, ..Options::default() }, toft(8), "--iterations");
    let iteration = Iteration { start: Some(Array3::zeros((1, 4, 4))), ..Iteration::default() };
    refused("tgv", Options { iteration, ..Options::default() }, toft(8), "first image");
    refused("piccs", Options::default(), toft(8), "--prior");
    let options = Options { prior: Some(Array3::zeros((1, 4, 4))), ..Options::default() };
    refused("piccs", options, toft(8), "prior image");
    refused("tv", Options { photons: Some(0.0), ..Options::default() }, toft(8), "photons");
    let mut alike = toft(3);
    alike.geometry.views = vec![alike.geometry.views[0]; 3];
    for method in ["tv", "sirt", "cgls", "pwls", "asd-pocs"] {
        refused(method, Options::default(), alike.clone(), "alike");
    }
    let mut empty = toft(8);
    empty.projections.fill(0.0);
    refused("tv", Options::default(), empty, "nothing to reconstruct");
    assert!(recipes::named("magic", &Options::default()).is_err());
}
