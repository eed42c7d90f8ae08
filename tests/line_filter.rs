//! The line filter against a direct convolution in f64, and CPU against GPU.

use std::f64::consts::{PI, TAU};

use rushlight::{
    device::{Device, Element, HostArray},
    kernels::GUARD,
    monitor::Monitor,
    operators::{Beyond, LineFilter, LineFilterPlan},
};

mod devices;

/// The band-limited ramp in space (Kak and Slaney, Principles of Computerized Tomographic Imaging, 1988, eq. 3.61),
/// for cells of width 1.
fn ramp(lag: isize) -> f64 {
    match lag {
        0 => 0.25,
        _ if lag % 2 == 0 => 0.0,
        _ => -1.0 / (PI * lag as f64).powi(2),
    }
}

/// The transform of the ramp cut to ±length/2, by its definition.
fn response(length: usize) -> Vec<f32> {
    let half = length as isize / 2;
    let at = |k: usize| {
        let term = |lag: isize| ramp(lag) * (TAU * (k as isize * lag) as f64 / length as f64).cos();
        (1 - half..half).map(term).sum::<f64>() as f32
    };
    (0..length).map(at).collect()
}

fn plan(views: usize, rows: usize, columns: usize, extend: usize, weighted_views: usize) -> LineFilterPlan {
    let tails = [2 * extend / 3, extend / 2 + 1];
    let length = (2 * (columns + extend + tails[0].max(tails[1]))).next_power_of_two();
    let end = |line: usize| [0.3 + line as f32, 0.1, 0.6, -1.0, 0.02 * (line % 3) as f32, 0.2];
    LineFilterPlan {
        views,
        rows,
        columns,
        length,
        beyond: Beyond { extend, window: extend as f32 + 1.5, ends: (0..views * rows).map(end).collect() },
        tails,
        response: response(length),
        weights: HostArray::noise(&[weighted_views, columns], 3).numbers::<f32>().to_vec(),
        scales: HostArray::noise(&[views], 4).numbers::<f32>().to_vec(),
    }
}

fn filtered(device: &Device, plan: &LineFilterPlan, projections: &[f32]) -> Vec<f32> {
    let filter = LineFilter::new(device, plan.clone()).unwrap();
    let projections = device.upload(&[plan.views * plan.rows, plan.columns], projections).unwrap();
    let shape = filter.filtered_shape();
    // Dirty memory must not show, least of all in the guards.
    let mut filtered = device.upload(&shape, HostArray::noise(&shape, 5).numbers::<f32>()).unwrap();
    filter.apply(&projections, &mut filtered, &Monitor::silent()).unwrap();
    device.download::<f32>(&filtered).unwrap()
}

/// The same sum by sum: no transform, no padding.
fn convolved(plan: &LineFilterPlan, projections: &[f32]) -> Vec<f64> {
    let (columns, extend) = (plan.columns as isize, plan.beyond.extend as isize);
    let [before, after] = plan.tails.map(|cells| cells as isize);
    let mut out = Vec::new();
    for (line, cells) in projections.chunks_exact(plan.columns).enumerate() {
        let view = line / plan.rows;
        let first = if plan.weights.len() > plan.columns { view * plan.columns } else { 0 };
        let weight = |cell: isize| plan.weights[first + cell as usize] as f64;
        let chord = |side: usize, distance: isize| {
            let [v, inverse, q] = [0, 1, 2].map(|i| plan.beyond.ends[line][3 * side + i] as f64);
            let (x, w) = (distance as f64 * inverse, distance as f64 / plan.beyond.window as f64);
            v * ((1.0 - x) * (1.0 + q * x)).max(0.0).sqrt() * (1.0 - w * w).powi(2)
        };
        let value = |cell: isize| match cell {
            _ if cell < 0 => chord(0, -cell) * weight(0),
            _ if cell >= columns => chord(1, cell - columns + 1) * weight(columns - 1),
            _ => cells[cell as usize] as f64 * weight(cell),
        };
        let at = |cell: isize| (-extend..columns + extend).map(|other| ramp(cell - other) * value(other)).sum::<f64>();
        out.extend([0.0; GUARD]);
        out.extend((-before..columns + after).map(|cell| at(cell) * plan.scales[view] as f64));
        out.extend([0.0; GUARD]);
    }
    out
}

fn assert_close(name: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (*found as f64 - expected).abs() / largest;
        assert!(error <= tolerance, "{name}, number {index}: {found} for {expected}, off by {error:e} of the largest");
    }
}

#[test]
fn filtering_is_the_direct_convolution() {
    // Views, rows, columns, extension, lines of weights: odd and even numbers of lines, several rows.
    for [views, rows, columns, extend, weighted] in
        [[5, 1, 40, 0, 1], [5, 3, 41, 12, 5], [4, 2, 33, 15, 4], [1, 1, 1, 3, 1], [2, 9, 20, 4, 1]]
    {
        let plan = plan(views, rows, columns, extend, weighted);
        let projections = HostArray::noise(&[views * rows, columns], 6);
        let expected = convolved(&plan, projections.numbers());
        // 1,024 bytes: one complex line of 128, few lines of everything else.
        for (name, device) in devices::every(1024) {
            let name = format!("{views} views, {rows} rows, {columns} columns, {extend} beyond, on {name}");
            assert_close(&name, &filtered(&device, &plan, projections.numbers()), &expected, 1e-6);
        }
    }
}

#[test]
fn cpu_and_gpu_filter_alike_whatever_the_slabs() {
    let plan = plan(91, 3, 700, 200, 91);
    let projections = HostArray::noise(&[91 * 3, 700], 8);
    let cpu = filtered(&Device::cpu(), &plan, projections.numbers());
    let expected: Vec<f64> = cpu.iter().map(|value| *value as f64).collect();
    for limit in [1 << 20, 40_000] {
        for (name, device) in devices::every(limit) {
            assert_close(&name, &filtered(&device, &plan, projections.numbers()), &expected, 1e-6);
        }
    }
}

#[test]
fn an_interrupted_filter_stops() {
    static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    let plan = plan(3, 1, 20, 0, 1);
    for (name, device) in devices::every(1024) {
        let filter = LineFilter::new(&device, plan.clone()).unwrap();
        let projections = device.zeros(&[3, 20], Element::F32).unwrap();
        let mut filtered = device.zeros(&filter.filtered_shape(), Element::F32).unwrap();
        let outcome = filter.apply(&projections, &mut filtered, &Monitor::new(None, &STOP));
        assert!(matches!(outcome, Err(rushlight::Error::Interrupted)), "{name}");
    }
}
