//! Solvers on problems whose solutions are known otherwise: by elimination in f64, in closed form, by the conditions that
//! only a minimum meets.

use rushlight::{
    Error, Result,
    device::{Array, Device, HostArray},
    functionals::{Block, LeastSquares, Neighbourhood, Objective, Potential, Quadratic, Smooth, Sparse, Transmission},
    operators::{LinearOperator, Normal, Pixels},
    problem::{Fidelity, Metric, Problem},
    regularisers::total_variation,
    solvers::{
        AdmmOptions, Bounds, ConjugateGradient, Fista, LinearSystem, LinearisedAdmm, OrderedSubsets, PrimalDual, Sirt,
        SirtOptions, Solver, SplitTerm, Subset, primal_dual::Steps,
    },
};

use std::sync::Arc;

mod devices;

/// Bytes of a slab: a few lines of these small arrays.
const LIMIT: u64 = 64;

/// A matrix between images `[6, 4]` (or others) and lines, computed on the host.
#[derive(Clone)]
struct Matrix {
    device: Device,
    domain: [usize; 2],
    range: [usize; 2],
    rows: Vec<Vec<f64>>,
    /// Factor that the adjoint gets wrong.
    wrong: f32,
}

impl Matrix {
    fn new(device: &Device, domain: [usize; 2], range: [usize; 2], rows: Vec<Vec<f64>>) -> Self {
        Self { device: device.clone(), domain, range, rows, wrong: 1.0 }
    }

    /// 40 rays through 24 pixels; without negative weights if `positive`.
    fn random(device: &Device, positive: bool) -> Self {
        let noise = HostArray::noise(&[40, 24], 5);
        let entry = |x: &f32| if positive { f64::from(x.abs()).powi(4) } else { f64::from(*x) };
        let rows = noise.numbers::<f32>().chunks(24).map(|row| row.iter().map(entry).collect());
        Self::new(device, [6, 4], [8, 5], rows.collect())
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.rows.iter().map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
    }

    fn transposed(&self, y: &[f64]) -> Vec<f64> {
        (0..self.rows[0].len()).map(|j| self.rows.iter().zip(y).map(|(row, y)| row[j] * y).sum()).collect()
    }

    /// Largest eigenvalue of AᵀA, from 500 powers.
    fn square_norm(&self) -> f64 {
        let mut x = vec![1.0; self.rows[0].len()];
        let mut size = 0.0;
        for step in 0..500 {
            x = self.transposed(&self.apply(&x));
            size = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            x.iter_mut().enumerate().for_each(|(i, x)| *x = *x / size + if step == 0 { 0.01 * i as f64 } else { 0.0 });
        }
        size
    }
}

impl LinearOperator for Matrix {
    fn domain(&self) -> &[usize] {
        &self.domain
    }
    fn range(&self) -> &[usize] {
        &self.range
    }
    fn forward(&self, x: &Array, y: &mut Array) -> Result<()> {
        let x: Vec<f64> = self.device.download::<f32>(x)?.iter().map(|x| f64::from(*x)).collect();
        *y = self.device.upload(&self.range, self.apply(&x).iter().map(|y| *y as f32).collect::<Vec<_>>())?;
        Ok(())
    }
    fn adjoint(&self, y: &Array, x: &mut Array) -> Result<()> {
        let y: Vec<f64> = self.device.download::<f32>(y)?.iter().map(|y| f64::from(*y)).collect();
        let x_new = self.transposed(&y).iter().map(|x| self.wrong * *x as f32).collect::<Vec<_>>();
        *x = self.device.upload(&self.domain, x_new)?;
        Ok(())
    }
}

/// Solves M x = y by elimination with pivots.
fn solve(mut m: Vec<Vec<f64>>, mut y: Vec<f64>) -> Vec<f64> {
    let n = y.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| m[*a][k].abs().total_cmp(&m[*b][k].abs())).unwrap();
        m.swap(k, pivot);
        y.swap(k, pivot);
        for i in k + 1..n {
            let factor = m[i][k] / m[k][k];
            let pivot_row = m[k].clone();
            m[i].iter_mut().zip(&pivot_row).for_each(|(a, b)| *a -= factor * b);
            y[i] -= factor * y[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| m[k][j] * y[j]).sum();
        y[k] = (y[k] - known) / m[k][k];
    }
    y
}

/// The minimum of ½ Σ w (A x − b)² + ½ xᵀ P x.
fn least_squares(a: &Matrix, b: &[f64], w: &[f64], p: &[Vec<f64>]) -> Vec<f64> {
    let n = a.rows[0].len();
    let normal = |i: usize, j: usize| a.rows.iter().zip(w).map(|(row, w)| w * row[i] * row[j]).sum::<f64>() + p[i][j];
    let weighted: Vec<f64> = b.iter().zip(w).map(|(b, w)| b * w).collect();
    solve((0..n).map(|i| (0..n).map(|j| normal(i, j)).collect()).collect(), a.transposed(&weighted))
}

fn diagonal(n: usize, value: f64) -> Vec<Vec<f64>> {
    (0..n).map(|i| (0..n).map(|j| if i == j { value } else { 0.0 }).collect()).collect()
}

fn data(count: usize, seed: u64) -> Vec<f64> {
    HostArray::noise(&[count], seed).numbers::<f32>().iter().map(|x| f64::from(*x) + 0.3).collect()
}

fn single(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|x| *x as f32).collect()
}

fn zeros(device: &Device, shape: &[usize]) -> Array {
    device.upload(shape, vec![0.0_f32; shape.iter().product()]).unwrap()
}

fn run(solver: &mut impl Solver, iterations: usize) -> Vec<f64> {
    for (index, progress) in solver.by_ref().take(iterations).enumerate() {
        assert_eq!(progress.unwrap().iteration, index + 1);
    }
    let device = solver.device().clone();
    device.download::<f32>(solver.solution()).unwrap().iter().map(|x| f64::from(*x)).collect()
}

#[track_caller]
fn near(name: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    let size = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
    let apart = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    println!("{name}: off by {:.1e} of {tolerance:.0e}", apart / size);
    assert!(apart <= tolerance * size, "{name}: {found:?}, not {expected:?}");
}

/// Gradient ∇f and multipliers of x ≥ 0: 0 where x > 0, not below 0 where x = 0.
#[track_caller]
fn is_bounded_minimum(name: &str, x: &[f64], gradient: &[f64], scale: f64) {
    for (x, g) in x.iter().zip(gradient) {
        assert!(*x >= 0.0 && if *x > 0.0 { g.abs() < scale } else { *g > -scale }, "{name}: slope {g} at {x}");
    }
    assert!(x.contains(&0.0) && x.iter().any(|x| *x > 0.0), "{name}: bounds that do nothing");
}

fn row_sums(a: &Matrix) -> Vec<f64> {
    a.rows.iter().map(|row| row.iter().sum()).collect()
}

#[test]
fn sirt_finds_the_least_squares_weighted_by_row_sums() {
    for (name, device) in devices::every(LIMIT) {
        let a = Matrix::random(&device, true);
        let b = data(40, 1);
        let w: Vec<f64> = row_sums(&a).iter().map(|sum| 1.0 / sum).collect();
        let start = || zeros(&device, &a.domain);
        let subset =
            |b: &[f64]| Subset { operator: Box::new(a.clone()), data: device.upload(&a.range, single(b)).unwrap() };
        let free = SirtOptions { relaxation: 1.9, bounds: Bounds::NONE };
        let mut sirt = Sirt::new(&device, vec![subset(&b)], start(), free).unwrap();
        near(&name, &run(&mut sirt, 1500), &least_squares(&a, &b, &w, &diagonal(24, 0.0)), 1e-3);
        let mut sirt = Sirt::new(&device, vec![subset(&b)], start(), SirtOptions::default()).unwrap();
        let x = run(&mut sirt, 1500);
        let residual: Vec<f64> = a.apply(&x).iter().zip(&b).zip(&w).map(|((ax, b), w)| w * (ax - b)).collect();
        is_bounded_minimum(&name, &x, &a.transposed(&residual), 1e-4);
    }
}

/// Rows of a matrix that belong to one of several subsets.
fn part(a: &Matrix, b: &[f64], index: usize, count: usize) -> (Matrix, Vec<f64>) {
    let of = |i: &usize| i % count == index;
    let rows: Vec<Vec<f64>> = (0..a.rows.len()).filter(of).map(|i| a.rows[i].clone()).collect();
    let b = (0..a.rows.len()).filter(of).map(|i| b[i]).collect();
    (Matrix { range: [rows.len(), 1], rows, ..a.clone() }, b)
}

#[test]
fn subsets_of_consistent_rays_find_the_image_sooner() {
    for (name, device) in devices::every(LIMIT) {
        let a = Matrix::random(&device, true);
        let truth = data(24, 3).iter().map(|x| x.abs()).collect::<Vec<_>>();
        let b = a.apply(&truth);
        let error = |subsets: usize| {
            let subset = |index| {
                let (operator, b) = part(&a, &b, index, subsets);
                let data = device.upload(&operator.range, single(&b)).unwrap();
                Subset { operator: Box::new(operator), data }
            };
            let subsets = (0..subsets).map(subset).collect();
            let x =
                run(&mut Sirt::new(&device, subsets, zeros(&device, &a.domain), SirtOptions::default()).unwrap(), 60);
            x.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        let (sirt, subsets, sart) = (error(1), error(4), error(40));
        println!("{name}: {sirt:.1e} with 1 subset, {subsets:.1e} with 4, {sart:.1e} ray by ray");
        assert!(subsets < 0.5 * sirt && sart < 0.5 * subsets, "{name}: {sirt} {subsets} {sart}");
    }
}

#[test]
fn conjugate_gradients_solve_the_normal_equations() {
    for (name, device) in devices::every(LIMIT) {
        for damping in [0.0, 0.7] {
            let a = Matrix::random(&device, false);
            let b = data(40, 2);
            let start = device.upload(&a.domain, single(&data(24, 7))).unwrap();
            let lines = device.upload(&a.range, single(&b)).unwrap();
            let mut solver =
                ConjugateGradient::new(&device, Box::new(a.clone()), lines, start, damping as f32).unwrap();
            near(&name, &run(&mut solver, 40), &least_squares(&a, &b, &[1.0; 40], &diagonal(24, damping)), 1e-5);
        }
        // Solved exactly, it stays where it is.
        let one = Matrix::new(&device, [1, 1], [1, 1], vec![vec![2.0]]);
        let lines = device.upload(&[1, 1], vec![3.0_f32]).unwrap();
        let mut solver = ConjugateGradient::new(&device, Box::new(one), lines, zeros(&device, &[1, 1]), 0.0).unwrap();
        near(&name, &run(&mut solver, 9), &[1.5], 1e-6);
    }
}

#[test]
fn linear_systems_are_solved() {
    for (name, device) in devices::every(LIMIT) {
        for damping in [0.0, 0.7] {
            let a = Matrix::random(&device, false);
            let b = data(40, 2);
            let start = device.upload(&a.domain, single(&data(24, 7))).unwrap();
            let right = device.upload(&a.domain, single(&a.transposed(&b))).unwrap();
            let normal = Arc::new(Normal::new(&device, a.clone()).unwrap());
            let mut solver = LinearSystem::new(&device, normal, right, start, damping as f32).unwrap();
            near(&name, &run(&mut solver, 40), &least_squares(&a, &b, &[1.0; 40], &diagonal(24, damping)), 1e-4);
        }
        // A singular system, 1 of 24 eigenvalues above 0: solved at once, and again and again to rounding.
        let singular = Matrix::new(&device, [6, 4], [6, 4], vec![vec![0.37; 24]; 24]);
        let right = device.upload(&[6, 4], vec![1.0_f32; 24]).unwrap();
        let start = device.upload(&[6, 4], single(&data(24, 7))).unwrap();
        let sum: f64 = data(24, 7).iter().sum();
        let expected: Vec<f64> = data(24, 7).iter().map(|x| x + (1.0 / 0.37 - sum) / 24.0).collect();
        let mut solver = LinearSystem::new(&device, Arc::new(singular), right, start, 0.0).unwrap();
        near(&name, &run(&mut solver, 70), &expected, 1e-3);
        // Half the eigenvalues 0 and h with a little along them, as rounding leaves it: what N sees is solved, and the rest stays.
        let projection = |i: usize, j: usize| if i / 2 == j / 2 { 0.5 } else { 0.0 };
        let rows = (0..24).map(|i| (0..24).map(|j| projection(i, j)).collect()).collect();
        let singular = Arc::new(Matrix::new(&device, [6, 4], [6, 4], rows));
        let wanted: Vec<f64> = (0..24).map(|i| (i / 2) as f64 - 4.6).collect();
        let right: Vec<f64> = wanted.iter().zip(data(24, 3)).map(|(x, noise)| x + 2e-6 * noise).collect();
        let right = device.upload(&[6, 4], single(&right)).unwrap();
        let mut solver = LinearSystem::new(&device, singular, right, zeros(&device, &[6, 4]), 0.0).unwrap();
        near(&name, &run(&mut solver, 70), &wanted, 1e-4);
        // Solved exactly, it stays where it is.
        let one = Arc::new(Matrix::new(&device, [1, 1], [1, 1], vec![vec![4.0]]));
        let right = device.upload(&[1, 1], vec![6.0_f32]).unwrap();
        let mut solver = LinearSystem::new(&device, one, right, zeros(&device, &[1, 1]), 0.0).unwrap();
        near(&name, &run(&mut solver, 9), &[1.5], 1e-6);
        for damping in [-1.0, f32::NAN, f32::INFINITY] {
            let one = Arc::new(Matrix::new(&device, [1, 1], [1, 1], vec![vec![4.0]]));
            let [right, start] = [zeros(&device, &[1, 1]), zeros(&device, &[1, 1])];
            assert!(LinearSystem::new(&device, one, right, start, damping).is_err(), "{damping}");
        }
    }
}

/// ½‖A x − b‖² + strength·TV for images of 6 × 4 by either metric, which ends at the same minimum.
fn with_total_variation(device: &Device, (a, b): (&Matrix, &[f64]), strength: f32, gradient: bool) -> Vec<f64> {
    let square = a.square_norm() as f32;
    let slices = [1, a.domain[0], a.domain[1]];
    let terms = vec![total_variation(device, slices, Pixels::Real, strength)];
    let (fidelity, steps) = match gradient {
        true => {
            let data = device.upload(&a.domain, single(&a.transposed(b))).unwrap();
            let operator = Box::new(Normal::new(device, a.clone()).unwrap());
            let steps = Steps { primal: 1.0 / (2.0 * square), terms: square, relaxation: 1.4 };
            (Fidelity { operator, data, metric: Metric::Gradient }, steps)
        }
        false => {
            let data = device.upload(&a.range, single(b)).unwrap();
            let steps = Steps { primal: 1.0 / (2.0 * square), terms: square, relaxation: 1.8 };
            (Fidelity { operator: Box::new(a.clone()), data, metric: Metric::Scalar(1.0) }, steps)
        }
    };
    let problem = Problem { fidelity, terms, bounds: Bounds::NONE };
    run(&mut PrimalDual::new(device, problem, None, steps).unwrap(), 1500)
}

#[test]
fn the_primal_dual_method_ends_at_one_minimum_by_either_metric() {
    for (name, device) in devices::every(LIMIT) {
        // Closed form: of a step between two runs of n equal values, total variation moves each run by strength/n; with A = 2,
        // by a quarter of that.
        let twice = Matrix::new(&device, [1, 8], [1, 8], diagonal(8, 2.0));
        let b: Vec<f64> = (0..8).map(|i| if i < 3 { 2.0 } else { 6.0 }).collect();
        let by = 0.6 / 4.0;
        let expected: Vec<f64> = (0..8).map(|i| if i < 3 { 1.0 + by / 3.0 } else { 3.0 - by / 5.0 }).collect();
        for gradient in [false, true] {
            let found = with_total_variation(&device, (&twice, &b), 0.6, gradient);
            near(&format!("{name}, a step, gradient {gradient}"), &found, &expected, 1e-4);
        }
        let a = Matrix::random(&device, false);
        let b = data(40, 4);
        let [scalar, gradient] = [false, true].map(|gradient| with_total_variation(&device, (&a, &b), 1.0, gradient));
        near(&format!("{name}, both metrics"), &gradient, &scalar, 1e-3);
        let free = least_squares(&a, &b, &[1.0; 40], &diagonal(24, 0.0));
        let apart = free.iter().zip(&scalar).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        assert!(apart > 0.05, "{name}: total variation does nothing: {apart}");
    }
}

fn objective(device: &Device, a: &Matrix, (b, w): (&[f64], &[f64]), blocks: usize, beta: Option<f32>) -> Objective {
    let block = |index| {
        let (operator, b) = part(a, b, index, blocks);
        let (_, w) = part(a, w, index, blocks);
        let term = Box::new(LeastSquares::new(device, &operator.range, single(&b), single(&w)).unwrap());
        Block { operator: Box::new(operator), term }
    };
    // So far from any edge that the penalty is quadratic.
    let penalty = beta.map(|beta| Neighbourhood::new(device, 6, Potential::Huber, beta, 1e6).unwrap());
    Objective::new(device, (0..blocks).map(block).collect(), penalty).unwrap()
}

#[test]
fn fista_finds_sparse_images() {
    for (name, device) in devices::every(LIMIT) {
        let a = Matrix::random(&device, false);
        let (b, weight) = (data(40, 4), 2.0);
        let smooth = || objective(&device, &a, (&b, &[1.0; 40]), 2, None);
        let (step, start) = ((1.0 / a.square_norm()) as f32, || zeros(&device, &a.domain));
        let sparse = |bounds| Sparse { device: device.clone(), weight: weight as f32, bounds };
        let x = run(&mut Fista::new(&device, smooth(), sparse([f32::MIN, f32::MAX]), start(), step).unwrap(), 400);
        let gradient = |x: &[f64]| -> Vec<f64> {
            a.transposed(&a.apply(x).iter().zip(&b).map(|(ax, b)| ax - b).collect::<Vec<_>>())
        };
        // 0 is a subgradient of the sum: −∇f = weight·sign(x) where x ≠ 0, and no larger where x = 0.
        for (x, g) in x.iter().zip(gradient(&x)) {
            let off = if *x == 0.0 { g.abs() - weight } else { (g + weight * x.signum()).abs() };
            assert!(off < 2e-4, "{name}: {off} at {x}");
        }
        assert!(x.iter().filter(|x| **x == 0.0).count() > 3 && x.iter().filter(|x| **x != 0.0).count() > 3);
        let x = run(&mut Fista::new(&device, smooth(), sparse([0.0, f32::MAX]), start(), step).unwrap(), 400);
        let shifted: Vec<f64> = gradient(&x).iter().map(|g| g + weight).collect();
        is_bounded_minimum(&name, &x, &shifted, 2e-4);
    }
}

#[test]
fn restarts_save_an_ill_conditioned_problem_from_ripples() {
    // Two scales: without restarts, momentum overshoots for √κ iterations again and again.
    let device = Device::cpu();
    let a = Matrix::new(&device, [2, 1], [2, 1], vec![vec![1.0, 0.0], vec![0.0, 0.03]]);
    let smooth = objective(&device, &a, (&[1.0, 1.0], &[1.0; 2]), 1, None);
    let proximal = Sparse { device: device.clone(), weight: 0.0, bounds: [f32::MIN, f32::MAX] };
    let mut solver = Fista::new(&device, smooth, proximal, zeros(&device, &[2, 1]), 1.0).unwrap();
    near("restarted", &run(&mut solver, 250), &[1.0, 1.0 / 0.03], 1e-4);
    // The plain method, in f64, for comparison.
    let (mut x, mut z, mut t) = ([0.0, 0.0], [0.0, 0.0], 1.0_f64);
    for _ in 0..250 {
        let next = [z[0] - (z[0] - 1.0), z[1] - 0.03 * (0.03 * z[1] - 1.0)];
        let t_next = (1.0 + (1.0 + 4.0 * t * t).sqrt()) / 2.0;
        z = [0, 1].map(|i| next[i] + (t - 1.0) / t_next * (next[i] - x[i]));
        (x, t) = (next, t_next);
    }
    assert!((x[1] * 0.03 - 1.0).abs() > 1e-3, "the plain method is as good: {x:?}");
}

/// The quadratic neighbourhood's matrix for images of 6 × 4.
fn laplacian(beta: f64) -> Vec<Vec<f64>> {
    let corner = 1.0 / (4.0 * 2.0_f64.sqrt() + 4.0);
    let mut p = diagonal(24, 0.0);
    for (i, j) in (0..24).flat_map(|i| (0..24).map(move |j| (i, j))) {
        let (dy, dx) = ((i / 4_usize).abs_diff(j / 4), (i % 4_usize).abs_diff(j % 4));
        let weight = match (dy, dx) {
            (0, 1) | (1, 0) => corner * 2.0_f64.sqrt(),
            (1, 1) => corner,
            _ => continue,
        };
        p[i][i] += beta * weight;
        p[i][j] -= beta * weight;
    }
    p
}

#[test]
fn ordered_subsets_with_momentum_find_penalised_weighted_least_squares() {
    for (name, device) in devices::every(LIMIT) {
        let a = Matrix::random(&device, true);
        let b: Vec<f64> = a.apply(&data(24, 8)).iter().zip(data(40, 9)).map(|(ax, e)| ax + 0.05 * e).collect();
        let w: Vec<f64> = data(40, 10).iter().map(|w| w.abs() + 0.2).collect();
        let expected = least_squares(&a, &b, &w, &laplacian(0.5));
        let start = || zeros(&device, &a.domain);
        for (blocks, iterations, tolerance) in [(1, 1000, 1e-3), (4, 60, 0.1)] {
            let objective = objective(&device, &a, (&b, &w), blocks, Some(0.5));
            let mut solver = OrderedSubsets::new(objective, start(), Bounds::NONE).unwrap();
            near(&format!("{name}, {blocks} blocks"), &run(&mut solver, iterations), &expected, tolerance);
        }
        let mut bounded =
            OrderedSubsets::new(objective(&device, &a, (&b, &w), 1, Some(0.05)), start(), Bounds::NON_NEGATIVE)
                .unwrap();
        let x = run(&mut bounded, 1500);
        let residual: Vec<f64> = a.apply(&x).iter().zip(&b).zip(&w).map(|((ax, b), w)| w * (ax - b)).collect();
        let smooth =
            laplacian(0.05).iter().map(|row| row.iter().zip(&x).map(|(p, x)| p * x).sum()).collect::<Vec<f64>>();
        let gradient: Vec<f64> = a.transposed(&residual).iter().zip(smooth).map(|(a, b)| a + b).collect();
        is_bounded_minimum(&name, &x, &gradient, 1e-3);
    }
}

#[test]
fn transmission_counts_find_their_line_integrals() {
    // One ray a pixel: the likelihood is largest where the expected counts are those counted, whatever the noise.
    for (name, device) in devices::every(LIMIT) {
        let a = Matrix::new(&device, [6, 4], [6, 4], diagonal(24, 1.0));
        let truth: Vec<f64> = data(24, 11).iter().map(|x| 1.5 + x).collect();
        let open: Vec<f64> = data(24, 12).iter().map(|x| 400.0 + 100.0 * x).collect();
        let counts: Vec<f64> = truth.iter().zip(&open).map(|(l, open)| open * (-l).exp()).collect();
        let term = Transmission::new(&device, &a.range, single(&counts), single(&open), 5.0).unwrap();
        let block = Block { operator: Box::new(a.clone()), term: Box::new(term) };
        let objective = Objective::new(&device, vec![block], None).unwrap();
        let start = device.upload(&a.domain, single(&truth.iter().map(|l| 0.8 * l).collect::<Vec<_>>())).unwrap();
        let mut solver = OrderedSubsets::new(objective, start, Bounds::NON_NEGATIVE).unwrap();
        near(&name, &run(&mut solver, 200), &truth, 1e-4);
    }
}

#[test]
fn gradients_are_those_of_the_values() {
    for (name, device) in devices::every(LIMIT) {
        let a = Matrix::random(&device, true);
        for (kind, potential) in [("q-GGMRF", Potential::QGgmrf { q: 1.2 }), ("Huber", Potential::Huber)] {
            let counts: Vec<f32> = (0..40).map(|i| 20.0 + i as f32).collect();
            let term = Transmission::new(&device, &a.range, counts, vec![200.0; 40], 3.0).unwrap();
            let blocks = vec![Block { operator: Box::new(a.clone()), term: Box::new(term) }];
            // Two slices of three lines: no pair reaches from one to the other.
            let penalty = Neighbourhood::new(&device, 3, potential, 30.0, 0.2).unwrap();
            let mut objective = Objective::new(&device, blocks, Some(penalty)).unwrap();
            let x = data(24, 13);
            let mut gradient = zeros(&device, &a.domain);
            objective.gradient(&device.upload(&a.domain, single(&x)).unwrap(), &mut gradient).unwrap();
            let gradient = device.download::<f32>(&gradient).unwrap();
            let largest = gradient.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
            for pixel in 0..24 {
                // Exact in f32, so that the difference is that of the values alone.
                let step = 1.0 / 128.0;
                let mut value = |sign: f32| {
                    let mut x = single(&x);
                    x[pixel] += sign * step;
                    objective.value(&device.upload(&a.domain, x).unwrap()).unwrap()
                };
                let slope = (value(1.0) - value(-1.0)) / (2.0 * f64::from(step));
                let error = (slope as f32 - gradient[pixel]).abs() / largest;
                assert!(error < 2e-3, "{kind} on {name}, pixel {pixel}: {}, not {slope}", gradient[pixel]);
            }
        }
    }
}

/// ½‖A x − b‖² + weight·‖K x‖₁ for the splitting solver.
fn terms(device: &Device, (a, b): (&Matrix, &[f64]), (k, weight): (&Matrix, f32)) -> Vec<SplitTerm> {
    let data = device.upload(&a.range, single(b)).unwrap();
    let sparse = Sparse { device: device.clone(), weight, bounds: [f32::MIN, f32::MAX] };
    vec![
        SplitTerm { operator: Box::new(a.clone()), functional: Box::new(Quadratic::new(device, data).unwrap()) },
        SplitTerm { operator: Box::new(k.clone()), functional: Box::new(sparse) },
    ]
}

#[test]
fn linearised_admm_denoises_a_step_by_its_total_variation() {
    // Closed form: of a step between two runs of n equal values, total variation moves each run by weight/n.
    for (name, device) in devices::every(LIMIT) {
        let identity = Matrix::new(&device, [10, 1], [10, 1], diagonal(10, 1.0));
        let difference = |i: usize| (0..10).map(move |j| f64::from(u8::from(j == i + 1)) - f64::from(u8::from(j == i)));
        let k = Matrix::new(&device, [10, 1], [9, 1], (0..9).map(|i| difference(i).collect()).collect());
        let b: Vec<f64> = (0..10).map(|i| if i < 4 { 1.0 } else { 3.0 }).collect();
        let expected: Vec<f64> = (0..10).map(|i| if i < 4 { 1.0 + 0.6 / 4.0 } else { 3.0 - 0.6 / 6.0 }).collect();
        // ‖I‖² + ‖K‖² < 1 + 4.
        let options = AdmmOptions { penalty: 1.0, step: 0.2, bounds: Bounds::NONE };
        let terms = terms(&device, (&identity, &b), (&k, 0.6));
        let mut solver = LinearisedAdmm::new(&device, terms, zeros(&device, &[10, 1]), options).unwrap();
        near(&name, &run(&mut solver, 400), &expected, 1e-4);
    }
}

#[test]
fn linearised_admm_and_fista_meet() {
    let device = Device::cpu();
    let a = Matrix::random(&device, false);
    let b = data(40, 4);
    let identity = Matrix::new(&device, [6, 4], [6, 4], diagonal(24, 1.0));
    let step = (0.99 / (a.square_norm() + 1.0)) as f32;
    let options = AdmmOptions { penalty: 0.3, step, bounds: Bounds::NON_NEGATIVE };
    let terms = terms(&device, (&a, &b), (&identity, 2.0));
    let mut solver = LinearisedAdmm::new(&device, terms, zeros(&device, &a.domain), options).unwrap();
    let found = run(&mut solver, 3000);
    let sparse = Sparse { device: device.clone(), weight: 2.0, bounds: [0.0, f32::MAX] };
    let smooth = objective(&device, &a, (&b, &[1.0; 40]), 1, None);
    let step = (1.0 / a.square_norm()) as f32;
    let mut fista = Fista::new(&device, smooth, sparse, zeros(&device, &a.domain), step).unwrap();
    near("ADMM and FISTA", &found, &run(&mut fista, 400), 1e-3);
}

/// The error that ends at most `iterations` of a solver.
#[track_caller]
fn ends(name: &str, solver: &mut impl Solver, iterations: usize) {
    match solver.by_ref().take(iterations).find_map(Result::err) {
        Some(Error::Diverged { iteration, what }) => println!("{name}: at {iteration}, {what}"),
        Some(other) => panic!("{name}: {other}"),
        None => panic!("{name}: {iterations} iterations, and nothing was said"),
    }
}

#[test]
fn what_runs_away_is_reported() {
    for (name, device) in devices::every(LIMIT) {
        let name = |what: &str| format!("{what} on {name}");
        let a = Matrix::random(&device, true);
        let b = data(40, 1);
        let start = || zeros(&device, &a.domain);
        let lines = |b: &[f64]| device.upload(&a.range, single(b)).unwrap();
        let subset = |operator: &Matrix, b| vec![Subset { operator: Box::new(operator.clone()), data: lines(b) }];
        let long = SirtOptions { relaxation: 2.5, bounds: Bounds::NONE };
        ends(&name("relaxation 2.5"), &mut Sirt::new(&device, subset(&a, &b), start(), long).unwrap(), 200);
        let mut broken = b.clone();
        broken[17] = f64::NAN;
        let usual = SirtOptions::default();
        ends(&name("NaN"), &mut Sirt::new(&device, subset(&a, &broken), start(), usual).unwrap(), 3);
        let wrong = Matrix { wrong: 5.0, ..a.clone() };
        let mut cgls = ConjugateGradient::new(&device, Box::new(wrong), lines(&b), start(), 0.0).unwrap();
        ends(&name("an adjoint five times too large"), &mut cgls, 100);
        let step = (3.0 / a.square_norm()) as f32;
        let proximal = Sparse { device: device.clone(), weight: 0.0, bounds: [f32::MIN, f32::MAX] };
        let smooth = objective(&device, &a, (&b, &[1.0; 40]), 1, None);
        ends(&name("a step of 3/L"), &mut Fista::new(&device, smooth, proximal, start(), step).unwrap(), 100);
        let mut os = OrderedSubsets::new(objective(&device, &a, (&broken, &[1.0; 40]), 1, None), start(), Bounds::NONE);
        ends(&name("NaN in ordered subsets"), os.as_mut().unwrap(), 3);
        let options = AdmmOptions { penalty: 1.0, step: (5.0 / a.square_norm()) as f32, bounds: Bounds::NONE };
        let terms = terms(&device, (&a, &b), (&a, 0.5));
        let mut admm = LinearisedAdmm::new(&device, terms, start(), options).unwrap();
        ends(&name("splitting with a long step"), &mut admm, 300);
        let fidelity = Fidelity { operator: Box::new(a.clone()), data: lines(&b), metric: Metric::Scalar(1.0) };
        let problem = Problem { fidelity, terms: vec![], bounds: Bounds::NONE };
        let steps = Steps { primal: (9.0 / a.square_norm()) as f32, terms: 0.0, relaxation: 1.5 };
        let mut primal_dual = PrimalDual::new(&device, problem, None, steps).unwrap();
        ends(&name("a primal step nine times too long"), &mut primal_dual, 300);
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let device = Device::cpu();
    let a = Matrix::random(&device, true);
    let subset = || vec![Subset { operator: Box::new(a.clone()), data: zeros(&device, &a.range) }];
    for relaxation in [0.0, -1.0, f32::NAN] {
        let options = SirtOptions { relaxation, ..SirtOptions::default() };
        assert!(Sirt::new(&device, subset(), zeros(&device, &a.domain), options).is_err(), "{relaxation}");
    }
    let blind = Matrix { rows: vec![vec![0.0; 24]; 40], ..a.clone() };
    let subset = vec![Subset { operator: Box::new(blind), data: zeros(&device, &a.range) }];
    let message = Sirt::new(&device, subset, zeros(&device, &a.domain), SirtOptions::default()).err().unwrap();
    assert!(message.to_string().contains("no ray"), "{message}");
    for weights in [vec![0.0; 40], vec![-1.0; 40], vec![f32::NAN; 40]] {
        assert!(LeastSquares::new(&device, &a.range, vec![1.0; 40], weights).is_err());
    }
    for (strength, edge) in [(0.0, 1.0), (-1.0, 1.0), (f32::NAN, 1.0), (1.0, 0.0), (1.0, f32::INFINITY)] {
        assert!(Neighbourhood::new(&device, 6, Potential::Huber, strength, edge).is_err(), "{strength} {edge}");
    }
    assert!(Neighbourhood::new(&device, 6, Potential::QGgmrf { q: 2.0 }, 1.0, 1.0).is_err());
    assert!(Transmission::new(&device, &a.range, vec![1.0; 40], vec![0.0; 40], 0.0).is_err());
    assert!(Transmission::new(&device, &a.range, vec![1.0; 40], vec![9.0; 40], -1.0).is_err());
    let mut signed = a.clone();
    signed.rows.iter_mut().for_each(|row| row[3] = -10.0);
    let objective = objective(&device, &signed, (&[1.0; 40], &[1.0; 40]), 1, None);
    let message = OrderedSubsets::new(objective, zeros(&device, &a.domain), Bounds::NONE).err().unwrap();
    assert!(message.to_string().contains("negative weights"), "{message}");
}
