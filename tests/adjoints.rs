//! Every linear operator and its adjoint belong together: ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ to rounding.

use std::sync::Arc;

use ndarray::Array5;
use num_complex::Complex32;
use rushlight::{
    device::{Array, Device, Element, HostArray},
    geometry::{Fan, Geometry, Grid, LengthUnit, Mask, Parallel, Trajectory},
    operators::{
        Axis, Coils, Composed, FiniteDifferences, FirstChannels, Fourier, LinearOperator, Normal, Nufft, Outer, Pixels,
        RampPreconditioner, Sense, SenseNormal, SenseToeplitz, SymmetrisedDifferences, Toeplitz, UndecimatedWavelets,
        Wavelets, Weighted, WithinFirstChannels, XRay, wavelet::Family,
    },
};

mod devices;

fn parallel() -> Geometry {
    let angles = (0..11).map(|i| f64::from(i) * 0.3).collect();
    let unit = LengthUnit::Millimetre;
    Parallel { angles, columns: 90, rows: 2, cell: 1.1, cell_height: 1.0, center: Some(43.2), unit }.geometry()
}

fn fan(curved: bool) -> Geometry {
    Fan {
        angles: (0..11).map(|i| f64::from(i) * 0.6).collect(),
        columns: 110,
        rows: 1,
        cell: 1.4,
        cell_height: 1.0,
        source_origin: 150.0,
        source_detector: 260.0,
        center: Some(52.7),
        axis_offset: 0.0,
        curved,
        unit: LengthUnit::Millimetre,
    }
    .geometry()
}

fn first_channels(device: &Device) -> FirstChannels<XRay> {
    let grid = Grid::centered([2, 60, 70], [1.0; 3], [0.0; 3]);
    FirstChannels::new(device, XRay::new(device, &parallel(), &grid).unwrap(), 3).unwrap()
}

fn complex_gradient_less_field(device: &Device) -> FiniteDifferences {
    FiniteDifferences::of(device, [2, 31, 45], Pixels::Complex).less_field()
}

fn first_two(device: &Device) -> FirstChannels<FiniteDifferences> {
    let gradient = FiniteDifferences::of(device, [2, 31, 45], Pixels::Complex);
    FirstChannels::new(device, gradient, 6).unwrap()
}

fn wavelets(device: &Device) -> Wavelets {
    Wavelets::new(device, [2, 31, 45], Pixels::Complex, Family::Db3, 3).unwrap()
}

fn undecimated(device: &Device) -> UndecimatedWavelets {
    UndecimatedWavelets::new(device, [2, 31, 45], Pixels::Complex, Family::Db3, 3).unwrap()
}

fn weighted(device: &Device) -> Weighted<XRay> {
    let xray = XRay::new(device, &fan(false), &Grid::centered([1, 60, 70], [1.0; 3], [0.0; 3])).unwrap();
    let diagonal = HostArray::noise(xray.range(), 3);
    let diagonal = device.upload(xray.range(), diagonal.numbers::<f32>()).unwrap();
    Weighted::new(device, xray, diagonal).unwrap()
}

fn preconditioner(device: &Device) -> RampPreconditioner {
    let geometry = parallel();
    let count = geometry.shape().iter().product();
    let squares = HostArray::noise(&[count], 4).numbers::<f32>().iter().map(|value| value.abs()).collect();
    RampPreconditioner::new(device, geometry.shape(), 70.0, squares).unwrap()
}

/// Images small enough that one fits the smallest binding here; along trajectories, that a finer grid does.
const PLANE: [usize; 3] = [1, 16, 24];
const SMALL: [usize; 3] = [1, 10, 14];
const STACK: [usize; 3] = [3, 4, 4];
const COILS: usize = 3;

/// Maps of noise, `[set, coil, z, y, x]`: no operator may count on smooth ones.
fn maps(sets: usize, [nz, ny, nx]: [usize; 3]) -> Array5<Complex32> {
    let noise = HostArray::noise(&[sets * COILS * nz * ny, 2, nx], 4);
    let values = noise.numbers::<f32>().chunks_exact(2).map(|pair| Complex32::new(pair[0], pair[1])).collect();
    Array5::from_shape_vec([sets, COILS, nz, ny, nx], values).unwrap()
}

/// Points of which `sampled` says yes to (z, y, x).
fn mask(shape: [usize; 3], sampled: impl Fn(usize, usize, usize) -> bool) -> Mask {
    let [nz, ny, nx] = shape;
    let at = |index: usize| sampled(index / (ny * nx), index / nx % ny, index % nx);
    Mask { shape, sampled: (0..nz * ny * nx).map(at).collect() }
}

/// A mask that reads out along x, one along y, one that reads out along neither, one of a stack, and one that is all.
fn masks() -> [(&'static str, Mask); 5] {
    let stack = [5, 8, 9];
    [
        ("lines along x", mask(PLANE, |_, y, _| y % 3 == 1 || y == 8)),
        ("lines along y", mask(PLANE, |_, _, x| x % 4 == 0)),
        ("points", mask(PLANE, |_, y, x| (y * y + 3 * x) % 5 < 2)),
        ("lines of a stack", mask(stack, |z, y, _| (z + 2 * y) % 3 == 0)),
        ("all", Mask::full(PLANE)),
    ]
}

fn sense(device: &Device, sets: usize, mask: &Mask) -> Sense {
    Sense::new(device, maps(sets, mask.shape).view(), mask).unwrap()
}

/// Points of a spiral that is no symmetry's.
fn trajectory(matrix: [usize; 3]) -> Trajectory {
    let [nz, ny, nx] = matrix.map(|extent| extent as f32);
    let point = |i: u16| {
        let (turn, part) = (f32::from(i) * 0.7, f32::from(i) / 400.0);
        let z = if nz > 1.0 { nz * 0.5 * (f32::from(i) * 0.31).sin() } else { 0.0 };
        [0.5 * nx * part * turn.cos(), 0.5 * ny * part * turn.sin(), z]
    };
    Trajectory { matrix, points: (0..400).map(point).collect() }
}

fn along(device: &Device, matrix: [usize; 3]) -> Composed<Nufft, Coils> {
    let coils = Coils::new(device, maps(1, matrix).view()).unwrap();
    let nufft = Nufft::new(device, &trajectory(matrix), COILS, 1e-4).unwrap();
    Composed::new(device, nufft, coils).unwrap()
}

fn weights() -> Vec<f32> {
    (0..400_u16).map(|i| 0.2 + f32::from(i) / 300.0).collect()
}

fn sense_toeplitz(device: &Device, matrix: [usize; 3]) -> SenseToeplitz {
    let coils = Coils::new(device, maps(1, matrix).view()).unwrap();
    let toeplitz = Toeplitz::new(device, &trajectory(matrix), &weights(), (COILS, 1e-4)).unwrap();
    SenseToeplitz::new(device, coils, toeplitz).unwrap()
}

/// What parallel MR is made of.
fn of_parallel_mr(device: &Device) -> Vec<(String, Box<dyn LinearOperator>)> {
    let mut all: Vec<(String, Box<dyn LinearOperator>)> = vec![];
    for sets in [1, 2] {
        let coils = Coils::new(device, maps(sets, PLANE).view()).unwrap();
        all.push((format!("coils, {sets} sets"), Box::new(coils)));
        for (name, mask) in masks() {
            all.push((format!("sense, {sets} sets, {name}"), Box::new(sense(device, sets, &mask))));
            let normal = sense(device, sets, &mask).normal().unwrap();
            all.push((format!("sense's normal, {sets} sets, {name}"), Box::new(normal)));
        }
    }
    let normal = || Normal::new(device, along(device, SMALL)).unwrap();
    let within: WithinFirstChannels<SenseNormal> =
        WithinFirstChannels::new(device, sense(device, 1, &masks()[0].1).normal().unwrap(), 6).unwrap();
    all.push(("coils, then nufft".into(), Box::new(along(device, SMALL))));
    all.push(("coils, then nufft, of a stack".into(), Box::new(along(device, STACK))));
    all.push(("normal of coils, then nufft".into(), Box::new(normal())));
    all.push(("sense, Toeplitz".into(), Box::new(sense_toeplitz(device, SMALL))));
    all.push(("sense, Toeplitz, of a stack".into(), Box::new(sense_toeplitz(device, STACK))));
    all.push(("sense's normal within two of six channels".into(), Box::new(within)));
    all
}

/// Every operator, small.
fn operators(device: &Device) -> Vec<(&'static str, Box<dyn LinearOperator>)> {
    let xray = |geometry: &Geometry, grid: &Grid| Box::new(XRay::new(device, geometry, grid).unwrap());
    let grid =
        |slices: usize, voxel: f64| Grid::centered([slices, 60, 70], [1.0, voxel, 1.1 * voxel], [2.0, -1.0, 0.0]);
    vec![
        ("xray, parallel", xray(&parallel(), &grid(2, 1.0))),
        ("xray, parallel, fine voxels", xray(&parallel(), &grid(2, 0.3))),
        ("xray, parallel, coarse voxels", xray(&parallel(), &grid(2, 4.0))),
        ("xray, flat fan", xray(&fan(false), &grid(1, 1.0))),
        ("xray, curved fan", xray(&fan(true), &grid(1, 1.0))),
        ("xray, flat fan, fine voxels", xray(&fan(false), &grid(1, 0.2))),
        ("xray, curved fan, coarse voxels", xray(&fan(true), &grid(1, 2.0))),
        ("gradient", Box::new(FiniteDifferences::new(device, [2, 31, 45]))),
        ("gradient less field", Box::new(FiniteDifferences::new(device, [2, 31, 45]).less_field())),
        ("symmetrised gradient", Box::new(SymmetrisedDifferences::new(device, [2, 31, 45]))),
        ("complex gradient", Box::new(FiniteDifferences::of(device, [2, 31, 45], Pixels::Complex))),
        ("complex gradient less field", Box::new(complex_gradient_less_field(device))),
        ("complex symmetrised gradient", Box::new(SymmetrisedDifferences::of(device, [2, 31, 45], Pixels::Complex))),
        ("first two of six channels", Box::new(first_two(device))),
        ("wavelets, orthogonal", Box::new(wavelets(device))),
        ("wavelets, undecimated", Box::new(undecimated(device))),
        ("wavelets, mean over shifts", Box::new(undecimated(device).mean_over_shifts())),
        ("first of three channels", Box::new(first_channels(device))),
        ("weighted", Box::new(weighted(device))),
        ("there, forth and back", Box::new(Outer::new(device, Arc::new(weighted(device))).unwrap())),
        ("ramp preconditioner", Box::new(preconditioner(device))),
        ("fourier", Box::new(Fourier::new(device, 5, [1, 16, 24], &[Axis::Y, Axis::X]).unwrap())),
        ("fourier, centred", Box::new(Fourier::centred(device, 1, [5, 6, 23], &[Axis::Z, Axis::X]).unwrap())),
    ]
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| *a as f64 * *b as f64).sum()
}

/// |⟨Ax, y⟩ − ⟨x, Aᵀy⟩| / (‖Ax‖ ‖y‖), and ⟨Ax, y⟩ / ⟨x, Aᵀy⟩, the factor that the adjoint lacks.
fn mismatch(operator: &dyn LinearOperator, device: &Device) -> (f64, f64) {
    let (x, y) = (HostArray::noise(operator.domain(), 1), HostArray::noise(operator.range(), 2));
    let (x, y) = (x.numbers::<f32>(), y.numbers::<f32>());
    let mut ax = device.zeros(operator.range(), Element::F32).unwrap();
    operator.forward(&device.upload(operator.domain(), x).unwrap(), &mut ax).unwrap();
    let mut aty = device.zeros(operator.domain(), Element::F32).unwrap();
    operator.adjoint(&device.upload(operator.range(), y).unwrap(), &mut aty).unwrap();
    let (ax, aty) = (device.download::<f32>(&ax).unwrap(), device.download::<f32>(&aty).unwrap());
    let (forward, adjoint) = (dot(&ax, y), dot(x, &aty));
    ((forward - adjoint).abs() / (dot(&ax, &ax) * dot(y, y)).sqrt(), forward / adjoint)
}

#[test]
fn every_operator_matches_its_adjoint() {
    for (name, device) in devices::every(16 << 10) {
        let others = operators(&device).into_iter().map(|(name, operator)| (name.to_string(), operator));
        for (operator_name, operator) in others.chain(of_parallel_mr(&device)) {
            let (mismatch, factor) = mismatch(&*operator, &device);
            println!("{operator_name} on {name}: {mismatch:.1e}");
            assert!(mismatch <= 1e-6, "{operator_name} on {name}: off by {mismatch:e}, factor {factor}");
        }
    }
}

fn applied(device: &Device, operator: &dyn LinearOperator, x: &[f32]) -> Vec<f32> {
    let mut y = device.zeros(operator.range(), Element::F32).unwrap();
    operator.forward(&device.upload(operator.domain(), x).unwrap(), &mut y).unwrap();
    device.download(&y).unwrap()
}

/// Aᴴ W A x, step by step; one weight a column of the samples.
fn there_and_back(device: &Device, operator: &dyn LinearOperator, x: &[f32], weights: Option<&[f32]>) -> Vec<f32> {
    let mut y = applied(device, operator, x);
    if let Some(weights) = weights {
        y.chunks_exact_mut(weights.len()).for_each(|line| line.iter_mut().zip(weights).for_each(|(y, w)| *y *= w));
    }
    let mut back = device.zeros(operator.domain(), Element::F32).unwrap();
    let y: Array = device.upload(operator.range(), y).unwrap();
    operator.adjoint(&y, &mut back).unwrap();
    device.download(&back).unwrap()
}

#[track_caller]
fn alike(name: &str, found: &[f32], expected: &[f32], tolerance: f64) {
    let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let error = (dot(&apart, &apart) / dot(expected, expected)).sqrt();
    println!("{name}: {error:.1e}");
    assert!(error <= tolerance, "{name}: {error:e} apart");
}

#[test]
fn normal_operators_are_there_and_back() {
    for (name, device) in devices::every(16 << 10) {
        // With one thread each coil stays in cache; with more threads than coils it is A, then Aᴴ.
        for threads in [1, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for ((kind, mask), sets) in masks().into_iter().flat_map(|mask| [(mask.clone(), 1), (mask, 2)]) {
                let operator = sense(&device, sets, &mask);
                let x = HostArray::noise(operator.domain(), 6);
                let x = x.numbers::<f32>();
                let expected = there_and_back(&device, &operator, x, None);
                let found = pool.install(|| applied(&device, &operator.normal().unwrap(), x));
                alike(&format!("sense, {sets} sets, {kind}, on {name}"), &found, &expected, 1e-6);
            }
        }
        for matrix in [SMALL, STACK] {
            let operator = along(&device, matrix);
            let x = HostArray::noise(operator.domain(), 6);
            let x = x.numbers::<f32>();
            let expected = there_and_back(&device, &operator, x, Some(&weights()));
            let found = applied(&device, &sense_toeplitz(&device, matrix), x);
            alike(&format!("sense, Toeplitz, {matrix:?}, on {name}"), &found, &expected, 3e-4);
        }
        let normal = Normal::new(&device, along(&device, SMALL)).unwrap();
        let x = HostArray::noise(normal.domain(), 6);
        let x = x.numbers::<f32>();
        let expected = there_and_back(&device, &along(&device, SMALL), x, None);
        alike(&format!("normal on {name}"), &applied(&device, &normal, x), &expected, 1e-6);
    }
}

#[test]
fn an_image_larger_than_a_binding_is_an_error_that_says_so() {
    let device = Device::cpu().with_binding_limit(2 << 10);
    let message = Coils::new(&device, maps(1, PLANE).view()).err().unwrap().to_string();
    assert!(message.contains("1 × 16 × 24") && message.contains("2048") && !message.contains('\n'), "{message}");
}

#[test]
fn an_adjoint_of_the_wrong_scale_is_caught() {
    struct Twice(Fourier, Device);
    impl LinearOperator for Twice {
        fn domain(&self) -> &[usize] {
            self.0.domain()
        }
        fn range(&self) -> &[usize] {
            self.0.range()
        }
        fn forward(&self, x: &rushlight::device::Array, y: &mut rushlight::device::Array) -> rushlight::Result<()> {
            self.0.forward(x, y)?;
            let doubled: Vec<f32> = self.1.download::<f32>(y)?.iter().map(|value| 2.0 * value).collect();
            *y = self.1.upload(self.range(), doubled)?;
            Ok(())
        }
        fn adjoint(&self, y: &rushlight::device::Array, x: &mut rushlight::device::Array) -> rushlight::Result<()> {
            self.0.adjoint(y, x)
        }
    }
    let device = Device::cpu();
    let (mismatch, factor) =
        mismatch(&Twice(Fourier::new(&device, 1, [1, 3, 64], &[Axis::X]).unwrap(), device.clone()), &device);
    assert!(mismatch > 1e-3 && (factor - 2.0).abs() < 1e-4, "{mismatch} {factor}");
}
