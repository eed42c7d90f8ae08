//! The projector pair against closed forms: exact areas for parallel rays, chords of a disk for fans.

use rushlight::{
    device::{Device, Element},
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    monitor::Monitor,
    operators::{LinearOperator, XRay},
    phantom::Phantom,
};

mod devices;

fn parallel(views: usize, columns: usize, cell: f64) -> Geometry {
    let angles = (0..views).map(|i| i as f64 * std::f64::consts::PI / views as f64).collect();
    let unit = LengthUnit::Millimetre;
    Parallel { angles, columns, rows: 1, cell, cell_height: 1.0, center: None, unit }.geometry()
}

fn fan(views: usize, columns: usize, cell: f64, curved: bool) -> Geometry {
    let angles = (0..views).map(|i| i as f64 * std::f64::consts::TAU / views as f64 + 0.1).collect();
    Fan {
        angles,
        columns,
        rows: 1,
        cell,
        cell_height: 1.0,
        source_origin: 500.0,
        source_detector: 800.0,
        center: Some(columns as f64 / 2.0 - 0.8),
        axis_offset: 0.0,
        curved,
        unit: LengthUnit::Millimetre,
    }
    .geometry()
}

fn project(device: &Device, geometry: &Geometry, grid: &Grid, image: &[f32]) -> Vec<f32> {
    let xray = XRay::new(device, geometry, grid).unwrap();
    let mut lines = device.zeros(xray.range(), Element::F32).unwrap();
    xray.forward(&device.upload(xray.domain(), image).unwrap(), &mut lines).unwrap();
    device.download(&lines).unwrap()
}

/// Area of a convex polygon left of the line `normal·p = bound` (Sutherland–Hodgman, then the shoelace).
fn area_left(polygon: &[[f64; 2]], normal: [f64; 2], bound: f64) -> f64 {
    let side = |p: [f64; 2]| bound - normal[0] * p[0] - normal[1] * p[1];
    let mut kept: Vec<[f64; 2]> = Vec::new();
    for (index, &p) in polygon.iter().enumerate() {
        let q = polygon[(index + 1) % polygon.len()];
        let (a, b) = (side(p), side(q));
        if a >= 0.0 {
            kept.push(p);
        }
        if a * b < 0.0 {
            let t = a / (a - b);
            kept.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
        }
    }
    let next = |index: usize| kept[(index + 1) % kept.len()];
    kept.iter().enumerate().map(|(i, p)| p[0] * next(i)[1] - p[1] * next(i)[0]).sum::<f64>().abs() / 2.0
}

#[test]
fn a_parallel_weight_is_the_area_of_pixel_and_strip() {
    // Voxels that are not square, cells that fit neither, rays along an axis too (whose boxes of no width are taken
    // for 2e-4 cells wide).
    let grid = Grid::centered([1, 9, 12], [1.0, 0.8, 1.3], [0.7, -0.4, 0.0]);
    for (name, device) in devices::every(256) {
        for cell in [0.35, 1.0, 2.9] {
            let geometry = parallel(7, 31, cell);
            for pixel in [0, 17, 53, 107] {
                let mut image = vec![0.0; 108];
                image[pixel] = 1.0;
                let lines = project(&device, &geometry, &grid, &image);
                let [x, y, _] = grid.position([0.0, (pixel / 12) as f64, (pixel % 12) as f64]);
                let corners = [[-0.65, -0.4], [0.65, -0.4], [0.65, 0.4], [-0.65, 0.4]];
                let corners = corners.map(|[dx, dy]| [x + dx, y + dy]);
                for (index, value) in lines.iter().enumerate() {
                    let angle = (index / 31) as f64 * std::f64::consts::PI / 7.0;
                    let u = [angle.cos(), angle.sin()];
                    let edge = |side: f64| ((index % 31) as f64 - 15.0 + side) * cell;
                    let area = area_left(&corners, u, edge(0.5)) - area_left(&corners, u, edge(-0.5));
                    let error = (f64::from(*value) - area / cell).abs();
                    assert!(
                        error < 4e-5,
                        "{name}, cell {cell}, pixel {pixel}, ray {index}: {value}, not {}",
                        area / cell
                    );
                }
            }
        }
    }
}

#[test]
fn a_disk_has_its_chords_in_every_geometry() {
    // The raster is area-sampled and the scan exact, by code that knows nothing of footprints.
    let phantom = Phantom::named("disk").unwrap();
    let monitor = Monitor::silent();
    let grid = Grid::centered([1, 256, 256], [1.0; 3], [0.0; 3]);
    let image = phantom.raster(&grid).unwrap().values.into_raw_vec_and_offset().0;
    let scans =
        [("parallel", parallel(12, 280, 1.0)), ("flat", fan(12, 260, 1.9, false)), ("curved", fan(12, 260, 1.9, true))];
    for (name, device) in devices::every(64 << 10) {
        for (kind, geometry) in &scans {
            let exact = phantom.scan(geometry, &monitor).unwrap().projections;
            let lines = project(&device, geometry, &grid, &image);
            let largest = exact.iter().fold(0.0_f32, |a, b| a.max(*b));
            let square = lines.iter().zip(&exact).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
            let error = (square / lines.len() as f64).sqrt() / f64::from(largest);
            println!("{kind} on {name}: rms {error:.1e} of the largest chord");
            assert!(error < 1.5e-3, "{kind} on {name}: {error:.2e}");
        }
    }
}

#[test]
fn constant_lines_have_exact_lengths_in_fans() {
    // A block wider than the fan: every ray has the length between its two faces.
    let grid = Grid::centered([1, 40, 1000], [1.0; 3], [0.0; 3]);
    for curved in [false, true] {
        let mut geometry = fan(1, 200, 1.5, curved);
        geometry.views = vec![fan(1, 200, 1.5, curved).views[0]];
        let lines = project(&Device::cpu(), &geometry, &grid, &vec![1.0; 40_000]);
        for (column, value) in lines.iter().enumerate() {
            let ray = geometry.views[0].ray(0.0, column as f64);
            let length = 40.0 / ray.direction[1].abs();
            assert!(
                (f64::from(*value) / length - 1.0).abs() < 2e-6,
                "{curved}, column {column}: {value}, not {length}"
            );
        }
    }
}
