//! Wavelets against direct sums in f64, and what is made of them against closed forms.

use rushlight::{
    Result,
    device::{Array, Device, Element, HostArray},
    functionals::{Proximal, SparseWavelets},
    operators::{LinearOperator, Pixels, UndecimatedWavelets, Wavelets, wavelet::Family},
    problem::{Bounds, Fidelity, Metric, Problem},
    regularisers::{total_variation, wavelet_l1},
    solvers::{PrimalDual, Solver, primal_dual::Steps},
};

mod devices;

/// Sizes that are powers of two, that become odd on the way, that are odd, and that are shorter than a filter.
const SIZES: [[usize; 3]; 4] = [[1, 16, 32], [2, 12, 20], [1, 31, 45], [2, 5, 7]];
const LEVELS: usize = 3;

#[test]
fn filters_are_orthonormal_and_have_their_moments() {
    for (moments, family) in (1..).zip(Family::ALL) {
        let (low, high) = (family.low(), family.high());
        assert_eq!(low.len(), 2 * moments, "{family:?}");
        assert!((low.iter().sum::<f64>() - std::f64::consts::SQRT_2).abs() < 1e-14, "{family:?}");
        let product = |a: &[f64], b: &[f64], shift: usize| a.iter().skip(shift).zip(b).map(|(a, b)| a * b).sum::<f64>();
        for shift in (0..2 * moments).step_by(2) {
            let one = if shift == 0 { 1.0 } else { 0.0 };
            for (found, expected) in [
                (product(low, low, shift), one),
                (product(&high, &high, shift), one),
                (product(low, &high, shift), 0.0),
                (product(&high, low, shift), 0.0),
            ] {
                assert!((found - expected).abs() < 1e-14, "{family:?}, shift {shift}: {found}");
            }
        }
        let moment = |power: i32| high.iter().enumerate().map(|(k, tap)| (k as f64).powi(power) * tap).sum::<f64>();
        assert!((0..moments as i32).all(|power| moment(power).abs() < 1e-11), "{family:?}");
        assert!(moment(moments as i32).abs() > 0.1, "{family:?} has a moment too many");
    }
    // Daubechies' own example.
    let root = 3.0_f64.sqrt();
    for (tap, closed) in Family::Db2.low().iter().zip([1.0 + root, 3.0 + root, 3.0 - root, 1.0 - root]) {
        assert!((tap - closed / 32.0_f64.sqrt()).abs() < 1e-15);
    }
}

/// One level along a line of numbers, by the definition; the last of an odd number stays.
fn level(family: Family, line: &[f64]) -> Vec<f64> {
    let even = line.len() / 2 * 2;
    let filtered = |filter: &[f64], i: usize| {
        filter.iter().enumerate().map(|(k, tap)| tap * line[(2 * i + k) % even]).sum::<f64>()
    };
    let low = (0..even / 2).map(|i| filtered(family.low(), i));
    let high = (0..even / 2).map(|i| filtered(&family.high(), i));
    low.chain(high).chain(line[even..].iter().copied()).collect()
}

/// The orthogonal transform of a slice.
fn direct(family: Family, levels: usize, mut slice: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let (mut height, mut width) = (slice.len(), slice[0].len());
    for _ in 0..levels {
        if height < 2 || width < 2 {
            break;
        }
        for x in 0..width {
            let column: Vec<f64> = slice[..height].iter().map(|line| line[x]).collect();
            level(family, &column).into_iter().enumerate().for_each(|(y, value)| slice[y][x] = value);
        }
        for line in &mut slice[..height] {
            let made = level(family, &line[..width]);
            line[..width].copy_from_slice(&made);
        }
        (height, width) = (height / 2, width / 2);
    }
    slice
}

/// Slices of one part of an image.
fn part_of(image: &[f32], [nz, ny, nx]: [usize; 3], parts: usize, part: usize) -> Vec<Vec<Vec<f64>>> {
    let line = |z: usize, y: usize| &image[((z * ny + y) * parts + part) * nx..][..nx];
    let lines = |z| (0..ny).map(|y| line(z, y).iter().map(|x| f64::from(*x)).collect()).collect();
    (0..nz).map(lines).collect()
}

fn noise(shape: &[usize], seed: u64) -> Vec<f32> {
    HostArray::noise(shape, seed).numbers().to_vec()
}

fn forward(operator: &dyn LinearOperator, device: &Device, x: &[f32]) -> Vec<f32> {
    let mut y = device.zeros(operator.range(), Element::F32).unwrap();
    operator.forward(&device.upload(operator.domain(), x).unwrap(), &mut y).unwrap();
    device.download(&y).unwrap()
}

fn adjoint(operator: &dyn LinearOperator, device: &Device, y: &[f32]) -> Vec<f32> {
    let mut x = device.upload(operator.domain(), noise(operator.domain(), 99)).unwrap();
    operator.adjoint(&device.upload(operator.range(), y).unwrap(), &mut x).unwrap();
    device.download(&x).unwrap()
}

fn apart(a: &[f32], b: impl IntoIterator<Item = f64>) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - b).abs());
    differences.fold(0.0, |most, difference| if difference > most || difference.is_nan() { difference } else { most })
}

fn double(numbers: &[f32]) -> impl Iterator<Item = f64> {
    numbers.iter().map(|number| f64::from(*number))
}

#[test]
fn the_orthogonal_transform_is_that_of_the_definition() {
    for (name, device) in devices::every(1 << 10) {
        for (family, slices) in Family::ALL.into_iter().zip(SIZES) {
            let ([_, _, nx], pixels) = (slices, Pixels::Complex);
            let wavelets = Wavelets::new(&device, slices, pixels, family, LEVELS).unwrap();
            let x = noise(wavelets.domain(), 1);
            let made = forward(&wavelets, &device, &x);
            for part in 0..2 {
                let expected = part_of(&x, slices, 2, part).into_iter().map(|slice| direct(family, LEVELS, slice));
                let found: Vec<f32> = made.chunks(nx).skip(part).step_by(2).flatten().copied().collect();
                let error = apart(&found, expected.flatten().flatten());
                assert!(error < 5e-6, "{family:?}, {slices:?} on {name}: off by {error:.1e}");
            }
            let back = adjoint(&wavelets, &device, &made);
            let error = apart(&back, double(&x));
            assert!(error < 5e-6, "{family:?}, {slices:?} on {name}: WᵀW is off by {error:.1e}");
            let again = forward(&wavelets, &device, &adjoint(&wavelets, &device, &x));
            let error = apart(&again, double(&x));
            assert!(error < 5e-6, "{family:?}, {slices:?} on {name}: WWᵀ is off by {error:.1e}");
        }
    }
}

#[test]
fn the_undecimated_transform_is_a_tight_frame() {
    for (name, device) in devices::every(1 << 10) {
        for (family, slices) in Family::ALL.into_iter().zip(SIZES) {
            let wavelets = UndecimatedWavelets::new(&device, slices, Pixels::Complex, family, LEVELS).unwrap();
            let x = noise(wavelets.domain(), 2);
            let error = apart(&adjoint(&wavelets, &device, &forward(&wavelets, &device, &x)), double(&x));
            assert!(error < 5e-6, "{family:?}, {slices:?} on {name}: WᵀW is off by {error:.1e}");
        }
    }
}

/// Σ |details|, a detail having `parts` numbers.
fn sizes(details: &[f32], nx: usize, parts: usize, is_detail: impl Fn(usize) -> bool) -> f64 {
    let group = |index: usize| {
        let at = index / nx * parts * nx + index % nx;
        (0..parts).map(|part| f64::from(details[at + part * nx]).powi(2)).sum::<f64>().sqrt()
    };
    (0..details.len() / parts).filter(|index| is_detail(*index)).map(group).sum()
}

#[test]
fn the_undecimated_norm_is_the_mean_over_all_shifts_of_the_orthogonal_one() {
    let (slices, device) = ([1, 8, 16], Device::cpu());
    let [_, ny, nx] = slices;
    for (family, pixels) in [(Family::Haar, Pixels::Real), (Family::Db2, Pixels::Complex), (Family::Db4, Pixels::Real)]
    {
        let (levels, parts) = (2, pixels.parts());
        let orthogonal = Wavelets::new(&device, slices, pixels, family, levels).unwrap();
        let undecimated = UndecimatedWavelets::new(&device, slices, pixels, family, levels).unwrap().mean_over_shifts();
        let (x, details) = (noise(orthogonal.domain(), 3), orthogonal.details());
        let moved = |dy: usize, dx: usize| -> Vec<f32> {
            let at = |index: usize| (index / nx / parts, index / nx % parts, index % nx);
            let from = |(y, part, x): (usize, usize, usize)| (((y + dy) % ny) * parts + part) * nx + (x + dx) % nx;
            (0..x.len()).map(|index| x[from(at(index))]).collect()
        };
        let norm =
            |dy, dx| sizes(&forward(&orthogonal, &device, &moved(dy, dx)), nx, parts, |index| details[index] == 1.0);
        let mean = (0..16).map(|shift| norm(shift / 4, shift % 4)).sum::<f64>() / 16.0;
        let found = sizes(&forward(&undecimated, &device, &x), nx, parts, |_| true);
        assert!((found / mean - 1.0).abs() < 1e-5, "{family:?}, {pixels:?}: {found}, the mean is {mean}");
    }
}

#[test]
fn flat_images_have_no_details_and_coarse_numbers_are_not_details() {
    let device = Device::cpu();
    for slices in SIZES {
        let wavelets = Wavelets::new(&device, slices, Pixels::Real, Family::Db2, LEVELS).unwrap();
        let (made, details) = (forward(&wavelets, &device, &vec![1.0; slices.iter().product()]), wavelets.details());
        let most = made.iter().zip(&details).map(|(made, detail)| (made * detail).abs()).fold(0.0, f32::max);
        assert!(most < 1e-5, "{slices:?}: a detail of {most}");
        assert!(made.iter().zip(&details).all(|(made, detail)| *detail == 1.0 || *made > 0.9), "{slices:?}");
    }
}

#[test]
fn the_proximal_map_shortens_details() {
    let (step, weight) = (0.5, 0.7);
    for (family, slices) in Family::ALL.into_iter().zip(SIZES) {
        let [_, _, nx] = slices;
        // By hand: forward, shorten, back.
        let cpu = Device::cpu();
        let wavelets = |device: &Device| Wavelets::new(device, slices, Pixels::Complex, family, LEVELS).unwrap();
        let by_hand = wavelets(&cpu);
        let (x, details) = (noise(by_hand.domain(), 4), by_hand.details());
        let mut made = forward(&by_hand, &cpu, &x);
        for index in (0..details.len()).filter(|index| details[*index] == 1.0) {
            let at = index / nx * 2 * nx + index % nx;
            let factor = (1.0 - step * weight / made[at].hypot(made[at + nx])).max(0.0);
            (made[at], made[at + nx]) = (made[at] * factor, made[at + nx] * factor);
        }
        let expected = adjoint(&by_hand, &cpu, &made);
        let mut shifted: Vec<Vec<f32>> = vec![];
        for (name, device) in devices::every(1 << 10) {
            let prox = |seed: Option<u64>, rounds: usize| {
                let sparse = SparseWavelets::new(&device, wavelets(&device), weight, seed).unwrap();
                let mut image = device.upload(by_hand.domain(), &x[..]).unwrap();
                (0..rounds).for_each(|_| sparse.prox(step, &mut image).unwrap());
                device.download::<f32>(&image).unwrap()
            };
            let error = apart(&prox(None, 1), double(&expected));
            assert!(error < 1e-5, "{family:?}, {slices:?} on {name}: off by {error:.1e}");
            shifted.push(prox(Some(5), 3));
            let error = apart(&shifted[0], double(shifted.last().unwrap()));
            assert!(error < 1e-5, "{family:?}, {slices:?} on {name}: shifted, off by {error:.1e}");
        }
        assert!(apart(&shifted[0], double(&expected)) > 0.01, "shifts that do nothing");
    }
}

/// x ↦ x.
struct Identity(Device, Vec<usize>);

impl LinearOperator for Identity {
    fn domain(&self) -> &[usize] {
        &self.1
    }
    fn range(&self) -> &[usize] {
        &self.1
    }
    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        rushlight::operators::arithmetic::fill(&self.0, 0.0, y);
        rushlight::operators::arithmetic::add(&self.0, 1.0, x, y);
        Ok(())
    }
    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        self.forward(y, x)
    }
}

#[test]
fn total_variation_wavelets_and_bounds_together_move_two_plateaus() {
    // Of an image without change along y, the mean over all shifts of one level of Haar's details is ¼ Σ |x[i + 1] − x[i]|
    // around the circle, where a step has its fall too. So with a step from 0 to 1 after `left` of `nx` columns, plateaus move
    // by (λ + ½μ) over their width, λ the strength of total variation and μ that of the wavelets; the upper bound cuts.
    let (ny, nx, left) = (6, 20, 8);
    let (tv, wavelets, upper) = (0.5, 0.8, 0.88);
    let pull = tv + 0.5 * wavelets;
    let shifted = |column: usize| match column < left {
        true => pull / left as f64,
        false => (1.0 - pull / (nx - left) as f64).min(upper),
    };
    let b: Vec<f32> = (0..ny * nx).map(|index| if index % nx < left { 0.0 } else { 1.0 }).collect();
    assert!(1.0 - pull / (nx - left) as f64 > upper, "a bound that does nothing");
    for (name, device) in devices::every(512) {
        let terms = vec![
            total_variation(&device, [1, ny, nx], Pixels::Real, tv as f32),
            wavelet_l1(&device, [1, ny, nx], Pixels::Real, (Family::Haar, 1), wavelets as f32).unwrap(),
        ];
        let fidelity = Fidelity {
            operator: Box::new(Identity(device.clone(), vec![ny, nx])),
            data: device.upload(&[ny, nx], &b[..]).unwrap(),
            metric: Metric::Scalar(0.5),
        };
        let bounds = Bounds { lower: 0.0, upper: upper as f32 };
        let steps = Steps { primal: 1.0, terms: 0.5, relaxation: 1.5 };
        let mut solver = PrimalDual::new(&device, Problem { fidelity, terms, bounds }, None, steps).unwrap();
        for progress in solver.by_ref().take(2000) {
            progress.unwrap();
        }
        let x: Vec<f32> = device.download(solver.solution()).unwrap();
        let error = apart(&x, (0..ny * nx).map(|index| shifted(index % nx)));
        assert!(error < 2e-4, "{name}: off by {error:.1e}");
    }
}
