//! Backprojection as an operator: slabs, runs of views, devices, progress.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use rushlight::{
    device::{Device, Element, HostArray},
    kernels::GUARD,
    monitor::{Listener, Monitor},
    operators::{Backprojection, BackprojectionPlan, Beam},
};

mod devices;

const BEAMS: [Beam; 3] = [Beam::Parallel, Beam::FanFlat, Beam::FanCurved];

fn plan(beam: Beam, views: usize, [nz, ny, nx]: [usize; 3], columns: usize) -> BackprojectionPlan {
    let [c, x, y] = [columns, nx, ny].map(|n| (n as f64 - 1.0) / 2.0);
    let distance = 1.5 * columns as f64;
    let matrices = (0..views).map(|view| {
        let (sin, cos) = (view as f64 * 2.4).sin_cos();
        // Across and along the central ray, from the source and in units of its distance.
        let across = [-cos * x - sin * y, cos, sin].map(|m| m / distance);
        let along = [1.0 + (sin * x - cos * y) / distance, -sin / distance, cos / distance];
        let mix = |i: usize| distance * across[i] + c * along[i];
        let matrix = match beam {
            Beam::Parallel => [c - cos * x - sin * y, cos, sin, 0.0, 0.0, 0.0, 0.0, 0.0],
            Beam::FanFlat => [mix(0), mix(1), mix(2), along[0], along[1], along[2], 0.0, 0.0],
            Beam::FanCurved => [across[0], across[1], across[2], along[0], along[1], along[2], c, distance],
        };
        matrix.map(|m| m as f32)
    });
    BackprojectionPlan { views, rows: nz, columns, grid: [nz, ny, nx], matrices: matrices.collect(), beam }
}

fn lines(plan: &BackprojectionPlan, seed: u64) -> Vec<f32> {
    let (lines, stride) = (plan.views * plan.rows, plan.columns + 2 * GUARD);
    let mut numbers = HostArray::noise(&[lines, stride], seed).numbers::<f32>().to_vec();
    for line in numbers.chunks_exact_mut(stride) {
        line[..GUARD].fill(0.0);
        line[GUARD + plan.columns..].fill(0.0);
    }
    numbers
}

fn run(device: &Device, plan: &BackprojectionPlan, lines: &[f32]) -> Vec<f32> {
    let backprojection = Backprojection::new(device, plan.clone()).unwrap();
    let filtered = device.upload(&backprojection.filtered_shape(), lines).unwrap();
    let mut image = device.zeros(&backprojection.image_shape(), Element::F32).unwrap();
    backprojection.apply(&filtered, &mut image, &Monitor::silent()).unwrap();
    device.download(&image).unwrap()
}

#[track_caller]
fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    let largest = b.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let worst = a.iter().zip(b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest > 0.0 && worst <= tolerance * largest, "{worst} of {largest}");
}

#[test]
fn slabs_do_not_change_the_image() {
    for beam in BEAMS {
        let plan = plan(beam, 200, [5, 130, 120], 190);
        let lines = lines(&plan, 4);
        let whole = run(&Device::cpu(), &plan, &lines);
        for limit in [1 << 20, 50_000, 6000] {
            assert_close(&run(&Device::cpu().with_binding_limit(limit), &plan, &lines), &whole, 1e-5);
        }
    }
}

#[test]
fn a_gpu_gives_the_same_image() {
    let Some(gpu) = devices::gpu() else { return };
    for beam in BEAMS {
        let plan = plan(beam, 150, [3, 90, 85], 130);
        let lines = lines(&plan, 5);
        let cpu = run(&Device::cpu(), &plan, &lines);
        // White noise shows every digit of a column.
        assert_close(&run(&gpu, &plan, &lines), &cpu, 1e-5);
        assert_close(&run(&gpu.clone().with_binding_limit(30_000), &plan, &lines), &cpu, 1e-5);
    }
}

struct Steps(&'static Mutex<Vec<u64>>);

impl Listener for Steps {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, done: u64) {
        self.0.lock().unwrap().push(done);
    }
    fn end(&self) {}
}

#[test]
fn progress_rises_to_the_total_and_a_wish_to_stop_is_heard() {
    static SEEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    static STOP: AtomicBool = AtomicBool::new(false);
    let device = Device::cpu().with_binding_limit(5000);
    let plan = plan(Beam::Parallel, 30, [3, 40, 40], 60);
    let lines = lines(&plan, 1);
    let backprojection = Backprojection::new(&device, plan).unwrap();
    let filtered = device.upload(&backprojection.filtered_shape(), &lines[..]).unwrap();
    let mut image = device.zeros(&backprojection.image_shape(), Element::F32).unwrap();
    let monitor = Monitor::new(Some(Box::new(Steps(&SEEN))), &STOP);
    backprojection.apply(&filtered, &mut image, &monitor).unwrap();
    let seen = SEEN.lock().unwrap().clone();
    assert!(seen.len() > 4 && seen.is_sorted() && seen.last() == Some(&backprojection.total()), "{seen:?}");
    STOP.store(true, Ordering::Relaxed);
    assert!(backprojection.apply(&filtered, &mut image, &monitor).is_err());
}
