//! Every linear operator and its adjoint belong together: ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ to rounding.

use rushlight::{
    device::{Device, Element, HostArray},
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    operators::{
        Axis, FiniteDifferences, FirstChannels, Fourier, LinearOperator, Pixels, SymmetrisedDifferences,
        UndecimatedWavelets, Wavelets, Weighted, XRay, wavelet::Family,
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
        ("fourier", Box::new(Fourier::new(device, 5, [1, 16, 24], &[Axis::Y, Axis::X]).unwrap())),
        ("fourier, centred", Box::new(Fourier::centred(device, 1, [7, 9, 23], &[Axis::Z, Axis::X]).unwrap())),
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
        for (operator_name, operator) in operators(&device) {
            let (mismatch, factor) = mismatch(&*operator, &device);
            println!("{operator_name} on {name}: {mismatch:.1e}");
            assert!(mismatch <= 1e-6, "{operator_name} on {name}: off by {mismatch:e}, factor {factor}");
        }
    }
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
