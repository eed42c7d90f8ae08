//! Phantoms against closed forms, published values, and brute force that shares no code with what it judges.

use std::f64::consts::PI;

use super::*;
use crate::{
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    monitor::Monitor,
};

fn described(shapes: &str) -> Result<Phantom> {
    let head = "title = 't'\nsource = 's'\nlength = '1mm'\nvalue = '1/mm'\nframe = '100mm'\n";
    description::parse("test.toml", &format!("{head}shapes = [{shapes}]"))
}

fn parallel(angles: Vec<f64>, columns: usize, cell: f64) -> Geometry {
    Parallel { angles, columns, rows: 1, cell, cell_height: 1.0, center: None, unit: LengthUnit::Millimetre }.geometry()
}

fn fan(angles: Vec<f64>, curved: bool) -> Fan {
    Fan {
        angles,
        columns: 120,
        rows: 1,
        cell: 1.6,
        cell_height: 1.0,
        source_origin: 300.0,
        source_detector: 500.0,
        center: Some(57.3),
        axis_offset: 1.5,
        curved,
        unit: LengthUnit::Millimetre,
    }
}

/// An ellipse and a rectangle as the file describes them: all that the brute force below knows.
#[derive(Clone)]
struct Plain {
    text: &'static str,
    center: [f64; 2],
    half: [f64; 2],
    rotation: f64,
    round: bool,
    /// (normal angle in degrees, offset)
    clip: &'static [(f64, f64)],
}

const PLAINS: [Plain; 3] = [
    Plain {
        text: "{ ellipse = [30, 17], center = [5, -8], rotation = '25deg', value = 1 }",
        center: [5.0, -8.0],
        half: [30.0, 17.0],
        rotation: 25.0,
        round: true,
        clip: &[],
    },
    Plain {
        text: "{ ellipse = [30, 17], center = [5, -8], rotation = '-40deg', value = 1, \
               clip = [{ normal = '10deg', offset = 9 }, { normal = '-95deg', offset = 12 }] }",
        center: [5.0, -8.0],
        half: [30.0, 17.0],
        rotation: -40.0,
        round: true,
        clip: &[(10.0, 9.0), (-95.0, 12.0)],
    },
    Plain {
        text: "{ rectangle = [40, 3], center = [-6, 4], rotation = '30deg', value = 1 }",
        center: [-6.0, 4.0],
        half: [20.0, 1.5],
        rotation: 30.0,
        round: false,
        clip: &[],
    },
];

impl Plain {
    /// At most 0 inside, above 0 outside, and convex.
    fn outside(&self, [x, y]: [f64; 2]) -> f64 {
        let (x, y) = (x - self.center[0], y - self.center[1]);
        let (sin, cos) = self.rotation.to_radians().sin_cos();
        let (u, v) = ((x * cos + y * sin) / self.half[0], (y * cos - x * sin) / self.half[1]);
        let gauge = if self.round { u.hypot(v) } else { u.abs().max(v.abs()) };
        self.clip.iter().fold(gauge - 1.0, |most, (angle, offset)| {
            let (sin, cos) = angle.to_radians().sin_cos();
            most.max(x * cos + y * sin - offset)
        })
    }

    /// The chord: the innermost point by ternary search, then both ends by bisection.
    fn chord(&self, origin: [f64; 2], direction: [f64; 2]) -> f64 {
        let at = |t: f64| self.outside([origin[0] + t * direction[0], origin[1] + t * direction[1]]);
        let near = (self.center[0] - origin[0]) * direction[0] + (self.center[1] - origin[1]) * direction[1];
        let (mut low, mut high) = (near - 60.0, near + 60.0);
        for _ in 0..60 {
            let third = (high - low) / 3.0;
            if at(low + third) < at(high - third) { high -= third } else { low += third }
        }
        let inner = (low + high) / 2.0;
        if at(inner) > 0.0 {
            return 0.0;
        }
        let end = |mut outer: f64| {
            let mut inner = inner;
            for _ in 0..45 {
                let middle = (inner + outer) / 2.0;
                if at(middle) <= 0.0 { inner = middle } else { outer = middle }
            }
            inner
        };
        end(near + 60.0) - end(near - 60.0)
    }
}

#[test]
fn a_disk_has_the_chord_of_a_circle_averaged_over_the_cell() {
    let disk = Phantom::named("disk").unwrap();
    let scan = disk.scan(&parallel(vec![0.4], 128, 2.0), &Monitor::silent()).unwrap();
    for column in 0..128 {
        let steps = 20_000;
        let chord = |i: i32| {
            let s = 2.0 * (f64::from(column) - 63.5) + 2.0 * ((f64::from(i) + 0.5) / f64::from(steps) - 0.5);
            2.0 * (1e4 - s * s).max(0.0).sqrt()
        };
        let exact = 0.0192 * (0..steps).map(chord).sum::<f64>() / f64::from(steps);
        let found = f64::from(scan.projections[[0, 0, column as usize]]);
        assert!((found - exact).abs() < 1e-6, "{column}: {found} {exact}");
    }
}

#[test]
fn cells_of_every_detector_hold_the_mean_of_the_chord() {
    let fine = 1000;
    for plain in &PLAINS {
        let phantom = described(plain.text).unwrap();
        for geometry in [
            parallel(vec![0.3, 2.1], 120, 0.9),
            fan(vec![0.3, 4.1], false).geometry(),
            fan(vec![0.3, 4.1], true).geometry(),
        ] {
            for view in &geometry.views {
                let row = phantom.view(view, 1, geometry.columns).unwrap();
                let seen =
                    |column: &usize| column.is_multiple_of(11) || (row[*column] > 0.0) != (row[*column - 1] > 0.0);
                for column in (1..geometry.columns).filter(seen) {
                    let chord = |i: i32| {
                        let ray = view.ray(0.0, column as f64 + (f64::from(i) + 0.5) / f64::from(fine) - 0.5);
                        plain.chord([ray.origin[0], ray.origin[1]], [ray.direction[0], ray.direction[1]])
                    };
                    let exact = (0..fine).map(chord).sum::<f64>() / f64::from(fine);
                    // The midpoint rule itself errs by a part of fine^(−3/2) where the chord ends like a root, and
                    // of 1/fine² of its rise where it has a corner.
                    let found = row[column];
                    assert!((found - exact).abs() < 5e-4, "{} at {column}: {found} {exact}", plain.text);
                }
            }
        }
    }
}

#[test]
fn quadrature_over_a_cell_keeps_its_promise() {
    // The same mean as a sum over 64 narrower cells, whose own error is far smaller.
    for name in ["shepp-logan-toft", "forbild-head", "line-pairs"] {
        let phantom = Phantom::named(name).unwrap();
        for curved in [false, true] {
            let mut wide = fan(vec![0.0, 0.61, 2.5], curved);
            wide.columns = 220;
            wide.center = None;
            wide.cell = 2.0;
            let mut narrow = wide.clone();
            narrow.columns = 220 * 64;
            narrow.cell = 2.0 / 64.0;
            for (wide, narrow) in wide.geometry().views.iter().zip(narrow.geometry().views) {
                let coarse = phantom.view(wide, 1, 220).unwrap();
                let fine = phantom.view(&narrow, 1, 220 * 64).unwrap();
                for (cell, parts) in coarse.iter().zip(fine.chunks(64)) {
                    let exact = parts.iter().sum::<f64>() / 64.0;
                    assert!((cell - exact).abs() < 1e-7, "{name}: {cell} {exact}");
                }
            }
        }
    }
}

#[test]
fn pixels_hold_the_mean_over_their_area() {
    let grid = Grid::centered([1, 30, 32], [1.0, 3.0, 2.5], [1.0, -2.0, 0.0]);
    let fine = 120;
    for plain in &PLAINS {
        let image = described(plain.text).unwrap().raster(&grid).unwrap();
        for ((_, row, column), found) in image.values.indexed_iter() {
            let inside = |i: i32| {
                let part = |k: i32| (f64::from(k) + 0.5) / f64::from(fine) - 0.5;
                let [x, y, _] = grid.position([0.0, row as f64 + part(i / fine), column as f64 + part(i % fine)]);
                plain.outside([x, y]) <= 0.0
            };
            let exact = (0..fine * fine).filter(|i| inside(*i)).count() as f64 / f64::from(fine * fine);
            // Counting points errs by about a part in `fine` along the outline.
            assert!((f64::from(*found) - exact).abs() < 5e-3, "{} at {row} {column}: {found} {exact}", plain.text);
        }
    }
}

#[test]
fn raster_is_exact_where_a_pixel_is_cut_into_many() {
    // A pixel equals the mean of its 16² parts, each computed on its own.
    for name in names() {
        let phantom = Phantom::named(name).unwrap().with_scale(1.0);
        let coarse = phantom.raster(&Grid::centered([1, 64, 64], [1.0, 4.0, 4.0], [0.0; 3])).unwrap();
        let fine = phantom.raster(&Grid::centered([1, 1024, 1024], [1.0, 0.25, 0.25], [0.0; 3])).unwrap();
        let scale = f64::from(fine.values.iter().copied().fold(0.0, f32::max));
        for ((_, row, column), found) in coarse.values.indexed_iter() {
            let part = fine.values.slice(ndarray::s![0, 16 * row..16 * row + 16, 16 * column..16 * column + 16]);
            let exact = part.iter().map(|v| f64::from(*v)).sum::<f64>() / 256.0;
            assert!((f64::from(*found) - exact).abs() < 2e-7 * scale, "{name} at {row} {column}: {found} {exact}");
        }
    }
}

#[test]
fn a_turned_grid_shows_the_turned_shape() {
    let (sin, cos) = 0.7_f64.sin_cos();
    let mut grid = Grid::centered([1, 40, 40], [1.0, 2.0, 2.0], [0.0; 3]);
    let turn = |[x, y, z]: [f64; 3]| [x * cos - y * sin, x * sin + y * cos, z];
    let straight = described("{ ellipse = [20, 9], center = [6, 3], value = 1 }").unwrap().raster(&grid).unwrap();
    grid.first = turn(grid.first);
    grid.steps = grid.steps.map(turn);
    let center = turn([6.0, 3.0, 0.0]);
    let text =
        format!("{{ ellipse = [20, 9], center = [{}, {}], rotation = '0.7rad', value = 1 }}", center[0], center[1]);
    let turned = described(&text).unwrap().raster(&grid).unwrap();
    assert!(straight.values.iter().zip(&turned.values).all(|(a, b)| (a - b).abs() < 1e-6));
}

#[test]
fn raster_and_every_parallel_view_hold_the_same_mass() {
    for name in names() {
        let phantom = Phantom::named(name).unwrap();
        let raster = phantom.raster(&Grid::centered([2, 256, 256], [1.0; 3], [0.0; 3])).unwrap();
        let mass = raster.values.iter().map(|v| f64::from(*v)).sum::<f64>() / 2.0;
        let scan = phantom.scan(&parallel(vec![0.0, 0.9, 2.2], 300, 1.0), &Monitor::silent()).unwrap();
        for view in scan.projections.outer_iter() {
            let seen = view.iter().map(|v| f64::from(*v)).sum::<f64>();
            assert!((seen / mass - 1.0).abs() < 1e-6, "{name}: {seen} {mass}");
        }
        assert_eq!(raster.values.index_axis(ndarray::Axis(0), 0), raster.values.index_axis(ndarray::Axis(0), 1));
    }
    let toft = [(1.0, 0.69 * 0.92), (-0.8, 0.6624 * 0.874), (-0.2, 0.11 * 0.31 + 0.16 * 0.41)];
    let small = 0.21 * 0.25 + 2.0 * 0.046 * 0.046 + 2.0 * 0.046 * 0.023 + 0.023 * 0.023;
    let exact = 0.04 * 128.0 * 128.0 * PI * (toft.iter().map(|(v, ab)| v * ab).sum::<f64>() + 0.1 * small);
    let grid = Grid::centered([1, 256, 256], [1.0; 3], [0.0; 3]);
    let image = Phantom::named("shepp-logan-toft").unwrap().raster(&grid).unwrap();
    let found = image.values.iter().map(|v| f64::from(*v)).sum::<f64>();
    assert!((found / exact - 1.0).abs() < 1e-6, "{found} {exact}");
}

#[test]
fn phantoms_have_their_published_values_and_stand_upright() {
    let value = |name: &str, x: f64, y: f64| {
        let phantom = Phantom::named(name).unwrap();
        phantom.at([x, y]) / phantom.mu_per_value
    };
    // y grows downwards; FORBILD in mm, relative to water (Yu et al. 2012).
    for (x, y, expected, what) in [
        (0.0, 118.0, 1.8, "skull"),
        (30.0, 60.0, 1.05, "brain"),
        (0.0, -70.0, 0.0, "frontal sinus"),
        (0.0, -96.0, 1.8, "septum in the sinus"),
        (47.0, -43.0, 1.06, "eye"),
        (0.0, 36.0, 1.045, "ventricle"),
        (63.9395, 63.9395, 1.055, "haematoma"),
        (-10.8, 90.0, 1.0525, "disc"),
        (10.8, 90.0, 1.0475, "disc"),
        (0.0, -36.0, 1.8, "midline bone"),
        (0.0, 108.0, 1.8, "protuberance"),
        (70.0, 0.0, 1.8, "right ear, between cavities"),
        (88.0, 0.0, 0.0, "cavity of the right ear"),
        (-70.0, 10.0, 1.8, "pattern"),
        (0.0, 127.0, 0.0, "air"),
    ] {
        let found = value("forbild-head", x, y);
        assert!((found - expected).abs() < 1e-9, "{what}: {found}, not {expected}");
    }
    for (x, y, expected) in [(0.0, 0.605, 0.3), (0.0, -0.605, 0.2), (0.3, 0.2, 0.2), (0.22, 0.0, 0.0), (0.0, 0.9, 1.0)]
    {
        assert!((value("shepp-logan-toft", 128.0 * x, 128.0 * y) - expected).abs() < 1e-9, "{x} {y}");
    }
    assert!((value("shepp-logan", 0.0, 128.0 * 0.605) - 1.03).abs() < 1e-9);
    assert!((value("cct189", 28.3, -28.3) - 1014.0).abs() < 1e-9);
    assert!((value("line-pairs", -37.25, -45.0) - 2.0).abs() < 1e-9);
    assert!((value("line-pairs", -32.25, -45.0) - 1.0).abs() < 1e-9);
}

#[test]
fn a_scale_says_what_one_means() {
    let geometry = parallel(vec![0.0], 64, 4.0);
    let head = || Phantom::named("shepp-logan-toft").unwrap();
    let one = head().scan(&geometry, &Monitor::silent()).unwrap();
    let two = head().with_scale(0.08).scan(&geometry, &Monitor::silent()).unwrap();
    assert!(one.projections.iter().zip(&two.projections).all(|(a, b)| (2.0 * a - b).abs() < 1e-6));
    assert_eq!(head().frame, 256.0);
}

#[test]
fn impossible_scans_are_refused() {
    let disk = Phantom::named("disk").unwrap();
    let refused = |geometry: Geometry| disk.scan(&geometry, &Monitor::silent()).unwrap_err().to_string();
    let mut inside = fan(vec![0.0], false);
    inside.source_origin = 80.0;
    assert!(refused(inside.geometry()).contains("inside the phantom"));
    let mut cone = fan(vec![0.0], false);
    cone.rows = 3;
    assert!(refused(cone.geometry()).contains("one detector row"));
    let mut cells = parallel(vec![0.0], 10, 1.0);
    cells.unit = LengthUnit::Cell;
    assert!(refused(cells).contains("cell size"));
    let mut tilted = parallel(vec![0.0], 10, 1.0);
    tilted.views[0].source[2] = 0.3;
    assert!(refused(tilted).contains("across the z axis"));
}

#[test]
fn rows_of_a_parallel_scan_are_alike_and_a_wrong_way_round_fan_sees_nothing() {
    let disk = Phantom::named("disk").unwrap();
    let mut geometry = parallel(vec![0.5], 64, 4.0);
    geometry.rows = 3;
    let scan = disk.scan(&geometry, &Monitor::silent()).unwrap();
    assert!(scan.projections[[0, 0, 32]] > 3.0);
    assert_eq!(scan.projections[[0, 0, 32]], scan.projections[[0, 2, 32]]);
    let mut away = fan(vec![0.0], false);
    away.source_origin = -300.0;
    assert!(disk.scan(&away.geometry(), &Monitor::silent()).unwrap().projections.iter().all(|p| *p == 0.0));
}
