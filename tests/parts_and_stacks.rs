//! Iterative recipes asked for a part of what the rays saw, or for many slices at once: the part is as the whole, matter beyond
//! it is no matter of its outermost pixels, and every slice is as if it were alone. And what is like it: data of the other sign.

use std::sync::{Arc, Mutex};

use ndarray::{Array3, Axis, s};
use rushlight::{
    Error,
    device::Device,
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    image::Image,
    monitor::Monitor,
    problem::Bounds,
    recipes::{self, Iteration, Iterative, Options, iteration::Snapshot},
    scan::{Scan, noise::Noise},
};

/// x, y, radius in mm, attenuation per mm.
type Disc = [f64; 4];

const BODY: [Disc; 4] =
    [[0.0, 0.0, 50.0, 0.02], [20.0, 10.0, 12.0, 0.01], [-25.0, -15.0, 8.0, -0.01], [38.0, -22.0, 4.0, 0.02]];

/// Chords of discs, averaged over four rays a cell.
fn scan(discs: &[Disc], geometry: &Geometry) -> Scan {
    let chord = |view: usize, column: f64| {
        let ray = geometry.views[view].ray(0.0, column);
        let ([px, py, _], [dx, dy, _]) = (ray.origin, ray.direction);
        let length = |[x, y, r, value]: &Disc| {
            let distance = (px - x) * dy - (py - y) * dx;
            2.0 * value * (r * r - distance * distance).max(0.0).sqrt()
        };
        discs.iter().map(length).sum::<f64>()
    };
    let cell = |(view, _, column): (usize, usize, usize)| {
        let rays = [-0.375, -0.125, 0.125, 0.375].map(|part| chord(view, column as f64 + part));
        (rays.iter().sum::<f64>() / 4.0) as f32
    };
    Scan::new(Array3::from_shape_fn(geometry.shape(), cell), geometry.clone()).unwrap()
}

fn noisy(mut scan: Scan, photons: f64) -> Scan {
    Noise { photons, seed: 1, electronic: 0.0 }.apply(&mut scan).unwrap();
    scan
}

fn parallel(views: usize, columns: usize, rows: usize, cell: f64) -> Parallel {
    Parallel {
        angles: (0..views).map(|view| view as f64 * std::f64::consts::PI / views as f64).collect(),
        columns,
        rows,
        cell,
        cell_height: cell,
        center: None,
        unit: LengthUnit::Millimetre,
    }
}

fn fan(views: usize, columns: usize, cell: f64) -> Geometry {
    Fan {
        angles: (0..views).map(|view| view as f64 * std::f64::consts::TAU / views as f64).collect(),
        columns,
        rows: 1,
        cell: 1.5 * cell,
        cell_height: cell,
        source_origin: 300.0,
        source_detector: 450.0,
        center: None,
        axis_offset: 0.0,
        curved: true,
        unit: LengthUnit::Millimetre,
    }
    .geometry()
}

fn grid(size: usize, pixel: f64, center: [f64; 2]) -> Grid {
    Grid::centered([1, size, size], [pixel; 3], [center[0], center[1], 0.0])
}

/// The discs' mean in every pixel.
fn truth(discs: &[Disc], grid: &Grid) -> Array3<f32> {
    const PARTS: usize = 4;
    Array3::from_shape_fn(grid.shape, |(_, row, column)| {
        let mut sum = 0.0;
        for part in 0..PARTS * PARTS {
            let at = |whole: usize, part: usize| whole as f64 + (part as f64 + 0.5) / PARTS as f64 - 0.5;
            let [x, y, _] = grid.position([0.0, at(row, part / PARTS), at(column, part % PARTS)]);
            let inside = discs.iter().filter(|[a, b, r, _]| (x - a).hypot(y - b) <= *r);
            sum += inside.map(|disc| disc[3]).sum::<f64>();
        }
        (sum / (PARTS * PARTS) as f64) as f32
    })
}

fn made(method: &str, options: &Options, scan: &Scan, grid: &Grid) -> (Image, String) {
    let made = recipes::named(method, options).unwrap();
    let made = made.reconstruct(scan.clone(), grid, &Device::cpu(), &Monitor::silent()).unwrap();
    assert_eq!(made.image.values.shape(), grid.shape);
    assert_eq!(made.image.grid, *grid);
    (made.image, made.notes.join("; "))
}

fn rms(values: impl Iterator<Item = f32>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + f64::from(value).powi(2), count + 1));
    (sum / f64::from(count)).sqrt()
}

fn worst<'a>(a: impl IntoIterator<Item = &'a f32>, b: impl IntoIterator<Item = &'a f32>) -> f32 {
    a.into_iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

const METHODS: [&str; 6] = ["sirt", "sart", "cgls", "tv", "pwls", "asd-pocs"];

#[test]
fn a_part_is_as_the_whole_to_its_outermost_pixel() {
    let geometries = [("parallel", parallel(60, 64, 1, 2.0).geometry()), ("fan", fan(80, 64, 2.0))];
    let options = Options { iteration: Iteration { count: Some(40), ..Iteration::default() }, ..Options::default() };
    for (kind, geometry) in geometries {
        let scan = noisy(scan(&BODY, &geometry), 1e5);
        for method in METHODS {
            let (whole, said) = made(method, &options, &scan, &grid(64, 2.0, [0.0; 2]));
            assert!(!said.contains("cut out"), "{said}");
            let (part, said) = made(method, &options, &scan, &grid(32, 2.0, [0.0; 2]));
            assert!(said.contains("32 × 32 asked for were cut out"), "{said}");
            let same = worst(&part.values, whole.values.slice(s![.., 16..48, 16..48]));
            // Beyond the middle, and over the field's edge.
            let (beside, _) = made(method, &options, &scan, &grid(20, 2.0, [24.0, -16.0]));
            let same_beside = worst(&beside.values, whole.values.slice(s![.., 14..34, 34..54]));
            println!("{kind}, {method}: {same:.1e}, {same_beside:.1e}");
            assert!(same.max(same_beside) <= 2e-4 * 0.02, "{kind}, {method}: {same:.1e}, {same_beside:.1e}");
        }
    }
}

#[test]
fn an_offset_detector_whose_usual_grid_is_too_small() {
    // Columns 0 to 63 of 2 mm with the axis at 20: rays up to 87 mm from it, a grid of 64 mm to either side.
    let body = [[10.0, -5.0, 60.0, 0.02], [40.0, 20.0, 9.0, 0.01]];
    let half = Parallel { center: Some(20.0), ..parallel(90, 64, 1, 2.0) };
    let angles = half.angles.iter().map(|angle| 2.0 * angle).collect();
    let scan = noisy(scan(&body, &Parallel { angles, ..half }.geometry()), 1e6);
    let grid = grid(64, 2.0, [0.0; 2]);
    let truth = truth(&body, &grid);
    for method in ["sirt", "cgls", "tv", "pwls"] {
        let (image, said) = made(method, &Options::default(), &scan, &grid);
        let difference: Vec<f32> = image.values.iter().zip(&truth).map(|(a, b)| a - b).collect();
        let rim = difference.iter().enumerate().filter(|(index, _)| {
            let (y, x) = (index / 64, index % 64);
            x < 2 || y < 2 || x > 61 || y > 61
        });
        let (all, rim) = (rms(difference.iter().copied()) / 0.02, rms(rim.map(|(_, value)| *value)) / 0.02);
        println!("{method}: {all:.3} of the disc, {rim:.3} at the rim ({said})");
        assert!(all < 0.08 && rim < 0.08, "{method}: {all:.3} of the disc, {rim:.3} at the rim");
    }
}

#[test]
fn what_a_detector_cuts_off_is_not_heaped_on_the_rim() {
    // Half as wide again as the field of view.
    let body = [[4.0, -2.0, 84.0, 0.012], [34.0, 17.0, 20.0, 0.006], [-42.0, -25.0, 13.0, -0.006]];
    let scan = noisy(scan(&body, &parallel(60, 64, 1, 2.0).geometry()), 1e6);
    let grid = grid(64, 2.0, [0.0; 2]);
    let truth = truth(&body, &grid);
    for method in ["sirt", "cgls", "tv", "pwls"] {
        let (image, said) = made(method, &Options::default(), &scan, &grid);
        assert!(said.contains("the detector cuts the object off"), "{said}");
        // Mean error by rings about the axis; the rim of the field was .77 to .97 without.
        for (from, to, most) in [(0.0, 20.0, 0.05), (20.0, 40.0, 0.05), (40.0, 56.0, 0.08), (56.0, 62.0, 0.15)] {
            let (mut sum, mut count) = (0.0, 0.0);
            for ((_, row, column), value) in image.values.indexed_iter() {
                let [x, y, _] = grid.position([0.0, row as f64, column as f64]);
                if (from..to).contains(&x.hypot(y)) {
                    sum += f64::from(value - truth[[0, row, column]]) / 0.012;
                    count += 1.0;
                }
            }
            let mean: f64 = sum / count;
            println!("{method}, {from}…{to} mm: {mean:+.3}");
            assert!(mean.abs() < most, "{method}, {from}…{to} mm from the axis: {mean:+.3} of the body");
        }
    }
}

#[test]
fn where_nothing_is_outside_nothing_changes() {
    // A body that fills the grid but for a pixel; and an arc that leaves open where the body ends.
    let body = [[0.0, 0.0, 61.0, 0.02], [20.0, 30.0, 9.0, 0.01]];
    let arc =
        Parallel { angles: (0..40).map(|view| 0.6 + f64::from(view) * 0.03).collect(), ..parallel(1, 80, 1, 2.0) };
    let options = Options { iteration: Iteration { count: Some(5), ..Iteration::default() }, ..Options::default() };
    for geometry in [parallel(30, 80, 1, 2.0).geometry(), arc.geometry(), fan(40, 80, 2.0)] {
        let (scan, grid) = (noisy(scan(&body, &geometry), 1e4), grid(64, 2.0, [0.0; 2]));
        let (found, said) = made("sirt", &options, &scan, &grid);
        let recipe = recipes::sirt::SirtRecipe(options.clone());
        let alone = recipe.iterate(scan, &grid, &Device::cpu(), &Monitor::silent()).unwrap();
        assert_eq!(found, alone.image, "{said}");
        assert_eq!(said, alone.notes.join("; "));
    }
}

#[test]
fn a_first_image_and_an_observer_are_of_the_part() {
    let geometry = parallel(60, 64, 1, 2.0).geometry();
    let (scan, part) = (noisy(scan(&BODY, &geometry), 1e6), grid(32, 2.0, [6.0, 0.0]));
    let truth = truth(&BODY, &part);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let seen = seen.clone();
        Arc::new(move |snapshot: &Snapshot| {
            seen.lock().unwrap().push(snapshot.image.clone());
            Ok(())
        })
    };
    let options = |iteration| Options { iteration, ..Options::default() };
    let started =
        Iteration { count: Some(1), start: Some(truth.clone()), observer: Some(observer), ..Iteration::default() };
    let (image, _) = made("sirt", &options(started), &scan, &part);
    let off = rms(image.values.iter().zip(&truth).map(|(a, b)| a - b)) / 0.02;
    println!("one iteration from the truth: {off:.3} away from it");
    assert!(off < 0.03, "{off:.3}");
    let seen = seen.lock().unwrap();
    assert!(seen.len() == 1 && seen[0] == image.values);
}

/// A faint body, one ten times denser, none, and one between them; with noise of 10⁵ photons.
fn stack() -> Scan {
    let geometry = parallel(24, 40, 4, 4.0).geometry();
    let mut whole = scan(&BODY, &geometry);
    let dense: Vec<Disc> = BODY.iter().map(|[x, y, r, value]| [*x, *y, *r, 2.0 * value]).collect();
    let dense = scan(&dense, &geometry);
    whole.projections.slice_mut(s![.., 1, ..]).assign(&dense.projections.slice(s![.., 1, ..]));
    let mut whole = noisy(whole, 1e5);
    whole.projections.slice_mut(s![.., 0, ..]).mapv_inplace(|value| 0.2 * value);
    whole.projections.slice_mut(s![.., 2, ..]).fill(0.0);
    whole
}

#[test]
fn every_slice_of_a_stack_is_as_if_it_were_alone() {
    let scan = stack();
    let whole = Grid::centered([4, 32, 32], [4.0; 3], [0.0; 3]);
    let prior = truth(&BODY, &grid(32, 4.0, [0.0; 2]));
    let prior = Array3::from_shape_fn(whole.shape, |(_, row, column)| prior[[0, row, column]]);
    let methods = ["sirt", "sart", "cgls", "tv", "tgv", "piccs", "pwls", "asd-pocs", "pnp"];
    for method in methods {
        let options = |slice: Option<usize>| {
            let prior = match slice {
                None => prior.clone(),
                Some(slice) => prior.slice(s![slice..=slice, .., ..]).to_owned(),
            };
            Options { prior: (method == "piccs").then_some(prior), ..Options::default() }
        };
        let (image, said) = made(method, &options(None), &scan, &whole);
        assert!(said.contains("4 slices, each by its own data"), "{said}");
        assert!(said.contains("slice 2: left empty"), "{said}");
        for slice in 0..4 {
            let of_all = image.values.index_axis(Axis(0), slice);
            if slice == 2 {
                assert!(of_all.iter().all(|value| *value == 0.0));
                continue;
            }
            let mut geometry = scan.geometry.clone();
            geometry.rows = 1;
            let alone = scan.projections.slice(s![.., slice..=slice, ..]).to_owned();
            let alone = Scan::new(alone, geometry).unwrap();
            let (alone, _) = made(method, &options(Some(slice)), &alone, &grid(32, 4.0, [0.0; 2]));
            assert_eq!(of_all, alone.values.index_axis(Axis(0), 0), "{method}, slice {slice}");
        }
    }
}

#[test]
fn slices_are_watched_one_after_the_other() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let seen = seen.clone();
        Arc::new(move |snapshot: &Snapshot| {
            assert_eq!(snapshot.image.shape(), [1, 32, 32]);
            seen.lock().unwrap().push((snapshot.slice, snapshot.iteration));
            Ok(())
        })
    };
    let iteration = Iteration { count: Some(20), observer: Some(observer), ..Iteration::default() };
    let grid = Grid::centered([4, 32, 32], [4.0; 3], [0.0; 3]);
    made("sirt", &Options { iteration, ..Options::default() }, &stack(), &grid);
    let expected = [0, 1, 3].into_iter().flat_map(|slice| [([slice, 4], 10), ([slice, 4], 20)]);
    assert_eq!(*seen.lock().unwrap(), expected.collect::<Vec<_>>());
}

#[test]
fn rows_of_a_fan_are_no_stack() {
    let mut geometry = fan(40, 64, 2.0);
    geometry.rows = 2;
    let scan = scan(&BODY, &geometry);
    let grid = Grid::centered([2, 32, 32], [2.0; 3], [0.0; 3]);
    let recipe = recipes::named("sirt", &Options::default()).unwrap();
    let error = recipe.reconstruct(scan, &grid, &Device::cpu(), &Monitor::silent()).unwrap_err();
    assert!(error.to_string().contains("cone"), "{error}");
}

#[test]
fn data_of_the_other_sign_make_the_image_of_the_other_sign() {
    let scan = noisy(scan(&BODY, &parallel(24, 40, 1, 4.0).geometry()), 1e5);
    let mut negative = scan.clone();
    negative.projections.mapv_inplace(|value| -value.abs());
    let mut positive = negative.clone();
    positive.projections.mapv_inplace(|value| -value);
    let grid = grid(32, 4.0, [0.0; 2]);
    let any = Options { bounds: Bounds::NONE, ..Options::default() };
    for method in METHODS {
        let (expected, _) = made(method, &any, &positive, &grid);
        let (found, _) = made(method, &any, &negative, &grid);
        assert!(found.values.iter().zip(&expected.values).all(|(a, b)| *a == -*b), "{method}");
        let middle = f64::from(found.values[[0, 16, 16]]);
        assert!((middle / 0.02 + 1.0).abs() < 0.15, "{method}: {middle}");
        let recipe = recipes::named(method, &Options::default()).unwrap();
        let refused = recipe.reconstruct(negative.clone(), &grid, &Device::cpu(), &Monitor::silent());
        assert!(matches!(&refused, Err(Error::Scan(what)) if what.contains("--bounds any")), "{method}: {refused:?}");
    }
}

#[test]
fn many_noisy_views_end_in_no_cycle_of_noise() {
    let grid = grid(64, 2.0, [0.0; 2]);
    let truth = truth(&BODY, &grid);
    for (views, photons) in [(180, 1e4), (360, 2e3)] {
        let scan = noisy(scan(&BODY, &parallel(views, 64, 1, 2.0).geometry()), photons);
        let off = |method: &str| {
            let (image, said) = made(method, &Options::default(), &scan, &grid);
            let off = rms(image.values.iter().zip(&truth).map(|(a, b)| a - b)) / 0.02;
            println!("{views} views of {photons:.0e} photons, {method}: {off:.4} of the body ({said})");
            off
        };
        let fbp = off("fbp");
        for method in ["sart", "asd-pocs"] {
            let found = off(method);
            assert!(found < fbp, "{views} views, {method}: {found:.4}, fbp {fbp:.4}");
        }
    }
}
