//! The recipes sirt, sart, cgls and pwls on an exact phantom: figures beside FBP's, CPU against GPU after many iterations,
//! and what they refuse.

use rushlight::{
    device::Device,
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    image::Image,
    monitor::Monitor,
    phantom::Phantom,
    problem::Bounds,
    quality,
    recipes::{self, Iteration, Options, Strength},
    scan::{Scan, noise::Noise},
};

mod devices;

fn parallel(views: usize, columns: usize, cell: f64) -> Geometry {
    let angles = (0..views).map(|i| i as f64 * std::f64::consts::PI / views as f64).collect();
    let unit = LengthUnit::Millimetre;
    Parallel { angles, columns, rows: 1, cell, cell_height: cell, center: None, unit }.geometry()
}

fn fan(views: usize, columns: usize, cell: f64) -> Geometry {
    Fan {
        angles: (0..views).map(|i| i as f64 * std::f64::consts::TAU / views as f64).collect(),
        columns,
        rows: 1,
        cell: 1.5 * cell,
        cell_height: 1.0,
        source_origin: 600.0,
        source_detector: 900.0,
        center: None,
        axis_offset: 0.0,
        curved: true,
        unit: LengthUnit::Millimetre,
    }
    .geometry()
}

fn grid(size: usize) -> Grid {
    Grid::centered([1, size, size], [256.0 / size as f64; 3], [0.0; 3])
}

fn toft() -> Phantom {
    Phantom::named("shepp-logan-toft").unwrap()
}

fn scan(geometry: &Geometry, photons: Option<f64>) -> Scan {
    let mut scan = toft().scan(geometry, &Monitor::silent()).unwrap();
    if let Some(photons) = photons {
        Noise { photons, seed: 3, electronic: 0.0 }.apply(&mut scan).unwrap();
    }
    scan
}

fn reconstruct(method: &str, options: &Options, scan: &Scan, grid: &Grid, device: &Device) -> (Image, String) {
    let made = recipes::named(method, options).unwrap();
    let made = made.reconstruct(scan.clone(), grid, device, &Monitor::silent()).unwrap();
    (made.image, made.notes.join("; "))
}

fn psnr(image: &Image, truth: &Image) -> f64 {
    quality::compare(&image.values, &truth.values, &quality::Options::default()).unwrap().psnr
}

#[test]
fn every_recipe_passes_fbp_where_views_or_photons_are_few() {
    let (grid, device) = (grid(128), Device::cpu());
    let truth = toft().raster(&grid).unwrap();
    // How much better than FBP each must be, dB: about 1 dB below what it is.
    let cases = [
        ("30 parallel views", parallel(30, 184, 2.0), 1e5, [11.0, 9.0, 3.0, 12.0]),
        ("180 fan views of few photons", fan(180, 184, 2.0), 2e3, [2.5, 0.5, 0.5, 5.0]),
    ];
    for (name, geometry, photons, least) in cases {
        let scan = scan(&geometry, Some(photons));
        let fbp = psnr(&reconstruct("fbp", &Options::default(), &scan, &grid, &device).0, &truth);
        println!("{name}: fbp {fbp:.2} dB");
        for (method, least) in ["sirt", "sart", "cgls", "pwls"].into_iter().zip(least) {
            let (image, notes) = reconstruct(method, &Options::default(), &scan, &grid, &device);
            let found = psnr(&image, &truth);
            println!("{name}: {method} {found:.2} dB ({notes})");
            assert!(found >= fbp + least, "{name}: {method} {found:.2} dB, fbp {fbp:.2} dB");
            assert!(image.values.iter().all(|value| *value >= 0.0));
        }
    }
}

#[test]
fn noise_ends_the_iteration_and_more_photons_let_it_run_longer() {
    let (grid, device) = (grid(64), Device::cpu());
    let geometry = parallel(60, 92, 4.0);
    let iterations = |photons: f64| {
        let options = Options { photons: Some(photons), ..Options::default() };
        let (_, notes) = reconstruct("cgls", &options, &scan(&geometry, Some(photons)), &grid, &device);
        let rest = notes.split("after ").nth(1).unwrap_or_else(|| panic!("it went on: {notes}"));
        rest.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let (few, many) = (iterations(300.0), iterations(3e5));
    assert!(few >= 1 && few < many, "{few} iterations with few photons, {many} with many");
}

#[test]
fn devices_agree_after_many_iterations() {
    let grid = grid(48);
    let scans = [("parallel", parallel(72, 70, 5.5)), ("fan", fan(72, 70, 5.5))];
    let options = |subsets, count| Options {
        iteration: Iteration { count: Some(count), ..Iteration::default() },
        subsets,
        ..Options::default()
    };
    // Of the phantom's range. Conjugate gradients amplify what rounding adds along directions that they are about to find, and
    // take it back in the next iterations: slabs, scalar loops and GPU differ by up to 1e-4, 2e-2, 9e-5, 4e-6, 3e-3 and 4e-3 after
    // 6, 8, 10, 12, 15 and 20. So they are compared after 12.
    let methods = [
        ("sirt", None, 100, 2e-5),
        ("sart", Some(6), 100, 2e-5),
        ("cgls", None, 12, 1e-4),
        ("pwls", Some(1), 100, 1e-4),
    ];
    for (kind, geometry) in scans {
        let scan = scan(&geometry, Some(1e4));
        for (method, subsets, count, tolerance) in methods {
            let (expected, _) = reconstruct(method, &options(subsets, count), &scan, &grid, &Device::cpu());
            for (name, device) in devices::every(4 << 10) {
                let (found, _) = reconstruct(method, &options(subsets, count), &scan, &grid, &device);
                let pairs = expected.values.iter().zip(&found.values);
                let worst = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / 0.04;
                println!("{method}, {kind}, on {name}: {worst:.1e} of {tolerance:.0e}");
                assert!(worst <= tolerance, "{method}, {kind}, on {name}: {worst:.1e} of the range");
            }
        }
    }
}

#[test]
fn bounds_and_a_first_image_are_kept_to() {
    let (grid, device) = (grid(64), Device::cpu());
    let scan = scan(&parallel(24, 92, 4.0), Some(1e4));
    let truth = toft().raster(&grid).unwrap();
    for method in ["sirt", "sart", "cgls", "pwls"] {
        let bounds = Bounds { lower: 0.0, upper: 0.02 };
        let (image, _) = reconstruct(method, &Options { bounds, ..Options::default() }, &scan, &grid, &device);
        assert!(image.values.iter().all(|value| (0.0..=0.02).contains(value)), "{method}");
        let iteration = Iteration { count: Some(1), start: Some(truth.values.clone()), ..Iteration::default() };
        let (image, _) = reconstruct(method, &Options { iteration, ..Options::default() }, &scan, &grid, &device);
        let one = Iteration { count: Some(1), ..Iteration::default() };
        let (from_nothing, _) =
            reconstruct(method, &Options { iteration: one, ..Options::default() }, &scan, &grid, &device);
        let gain = psnr(&image, &truth) - psnr(&from_nothing, &truth);
        assert!(gain > 2.0, "{method}: {gain:.2} dB better from the truth than from its own first image");
    }
}

#[test]
fn what_cannot_be_is_said_in_a_line() {
    let (grid, device) = (grid(32), Device::cpu());
    let scan = scan(&parallel(12, 46, 8.0), None);
    let said = |method: &str, options: Options, scan: &Scan| {
        let recipe = recipes::named(method, &options).unwrap();
        recipe.reconstruct(scan.clone(), &grid, &device, &Monitor::silent()).unwrap_err().to_string()
    };
    for strength in [0.0, -1.0, f64::NAN] {
        let options = Options { strength: Strength::Fixed(strength), ..Options::default() };
        assert!(said("pwls", options, &scan).contains("strength"));
    }
    for method in ["sirt", "sart", "pwls"] {
        for subsets in [0, 13] {
            let options = Options { subsets: Some(subsets), ..Options::default() };
            assert!(said(method, options, &scan).contains("from 1 to 12"));
        }
    }
    let mut empty = scan.clone();
    empty.projections.fill(0.0);
    let mut beside = scan.clone();
    for view in &mut beside.geometry.views {
        view.first_cell = [0, 1, 2].map(|axis| view.first_cell[axis] + 1e3 * view.column_step[axis]);
    }
    for method in ["sirt", "sart", "cgls", "pwls"] {
        let options = Options { photons: Some(-1.0), ..Options::default() };
        assert!(said(method, options, &scan).contains("photons"), "{method}");
        assert!(said(method, Options::default(), &empty).contains("nothing to reconstruct"), "{method}");
    }
    assert!(said("sirt", Options::default(), &beside).contains("no ray meets"), "a scan that looks elsewhere");
}
