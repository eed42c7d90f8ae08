//! No recipe, with no option but its name, is worse than filtered backprojection; nor does it matter in what unit the numbers are,
//! or whether their noise is that of photons. The whole table: `benches/never_worse.py`.

use ndarray::Array3;
use rushlight::{
    device::Device,
    geometry::{Fan, Geometry, LengthUnit},
    monitor::Monitor,
    phantom::Phantom,
    random::Draws,
    recipes::{
        self, Options,
        fbp::{Fbp, Filter},
    },
    scan::{Scan, noise::Noise},
};

mod scene;

use scene::{geometry, grid, psnr};

fn made(method: &str, options: &Options, scan: &Scan, size: usize) -> Array3<f32> {
    let recipe = recipes::named(method, options).unwrap();
    let made = recipe.reconstruct(scan.clone(), &grid(size), &Device::cpu(), &Monitor::silent());
    made.unwrap_or_else(|error| panic!("{method}: {error}")).image.values
}

fn root_mean_square(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value * value, count + 1));
    (sum / f64::from(count)).sqrt()
}

/// Of a difference, inside the inscribed circle and over the whole picture.
fn errors(image: &Array3<f32>, truth: &Array3<f32>) -> [f64; 2] {
    let size = image.dim().2 as f64;
    let inside = |(_, y, x): (usize, usize, usize)| {
        (x as f64 - (size - 1.0) / 2.0).hypot(y as f64 - (size - 1.0) / 2.0) <= size / 2.0
    };
    let difference = |index| f64::from(image[index]) - f64::from(truth[index]);
    let all = || truth.indexed_iter().map(|(index, _)| index);
    [root_mean_square(all().filter(|index| inside(*index)).map(difference)), root_mean_square(all().map(difference))]
}

/// A fan over a full turn whose cells are as wide as pixels at the axis.
fn fan(views: usize, size: usize) -> Geometry {
    let angles = (0..views).map(|view| std::f64::consts::TAU * view as f64 / views as f64).collect();
    let (cell, unit) = (256.0 / size as f64 * 1040.0 / 570.0, LengthUnit::Millimetre);
    let (columns, center, axis_offset) = (size * 3 / 2, None, 0.0);
    let (source_origin, source_detector) = (570.0, 1040.0);
    Fan {
        angles,
        columns,
        rows: 1,
        cell,
        cell_height: cell,
        source_origin,
        source_detector,
        center,
        axis_offset,
        curved: false,
        unit,
    }
    .geometry()
}

/// A few cells of the table. FBP is best from many views without noise; pixels as wide as the cells are where it was below the
/// others.
fn never_worse(name: &str, geometry: &Geometry, photons: Option<f64>, size: usize) {
    let phantom = Phantom::named(name).unwrap();
    let mut scan = phantom.scan(geometry, &Monitor::silent()).unwrap();
    if let Some(photons) = photons {
        Noise { photons, seed: 1, electronic: 0.0 }.apply(&mut scan).unwrap();
    }
    let truth = phantom.raster(&grid(size)).unwrap().values;
    let [sharp, smooth] = [Filter::RamLak, Filter::Hann].map(|filter| {
        let options = Options { fbp: Fbp { filter, ..Fbp::default() }, ..Options::default() };
        errors(&made("fbp", &options, &scan, size), &truth)
    });
    let best = [0, 1].map(|region| sharp[region].min(smooth[region]));
    for method in ["tv", "tgv", "pwls", "pnp"] {
        let image = made(method, &Options::default(), &scan, size);
        let (found, decibels) = (errors(&image, &truth), psnr(&image, &phantom));
        println!("{name}, {} views, {photons:?}: {method} {decibels:.1} dB", geometry.views.len());
        assert!(
            found[0] <= best[0] && found[1] <= best[1],
            "{name}, {photons:?}: {method} {found:.5?}, fbp {best:.5?}"
        );
    }
}

#[test]
fn the_head_from_many_views() {
    never_worse("shepp-logan-toft", &geometry(180, 64), None, 64);
    never_worse("shepp-logan-toft", &geometry(180, 64), Some(2e4), 64);
}

#[test]
fn bars_from_many_views_of_a_fan() {
    never_worse("line-pairs", &fan(240, 64), None, 64);
}

#[test]
fn faint_rods_from_many_views() {
    never_worse("cct189", &geometry(120, 64), None, 64);
    never_worse("cct189", &geometry(120, 64), Some(2e4), 64);
}

#[test]
fn the_head_from_few_views() {
    never_worse("forbild-head", &geometry(30, 64), Some(1e4), 64);
}

/// What is k times as large makes an image k times as large, by every recipe.
#[test]
fn the_unit_of_the_numbers_does_not_matter() {
    const SIZE: usize = 32;
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    for views in [24, 60] {
        let mut scan = phantom.scan(&geometry(views, SIZE), &Monitor::silent()).unwrap();
        Noise { photons: 1e4, seed: 2, electronic: 0.0 }.apply(&mut scan).unwrap();
        for method in recipes::ALL {
            let options = |factor: f32| Options {
                prior: (*method == "piccs")
                    .then(|| phantom.raster(&grid(SIZE)).unwrap().values.mapv(|value| factor * value)),
                ..Options::default()
            };
            let expected = made(method, &options(1.0), &scan, SIZE);
            let size = root_mean_square(expected.iter().map(|value| f64::from(*value)));
            for factor in [1e-6_f32, 1e-3, 30.0, 1e6] {
                let mut scaled = scan.clone();
                scaled.projections.mapv_inplace(|value| factor * value);
                let found = made(method, &options(factor), &scaled, SIZE);
                let apart = found.iter().zip(&expected).map(|(a, b)| f64::from(*a) / f64::from(factor) - f64::from(*b));
                let apart = root_mean_square(apart) / size;
                // What is on the verge of a threshold, or of another iteration, may fall to either side.
                assert!(apart < 0.02, "{method}, {views} views, {factor:e}: apart by {apart:.1e} of itself");
            }
        }
    }
}

/// A disc of 1 a pixel in noise that is the same in every ray: none of the photons' weights would be right. Its noise is no
/// more than FBP's, and its mean is 1.
#[test]
fn line_integrals_that_are_no_attenuation() {
    const SIZE: usize = 64;
    let (cell, radius) = (256.0 / SIZE as f64, 80.0);
    for (longest, sigma) in [(10.0, 0.1), (50.0, 1.0), (2000.0, 20.0)] {
        let geometry = geometry(120, SIZE);
        let columns = geometry.columns;
        let chord = |(view, _, column): (usize, usize, usize)| {
            let t = (column as f64 - (columns as f64 - 1.0) / 2.0) * cell / radius;
            let noise = Draws::new(4, [0, view, column]).normal();
            (longest * (1.0 - t * t).max(0.0).sqrt() + sigma * noise) as f32
        };
        let scan = Scan::new(Array3::from_shape_fn((120, 1, columns), chord), geometry).unwrap();
        let value = longest / (2.0 * radius);
        let inside: Vec<(usize, usize, usize)> = ndarray::indices((1, SIZE, SIZE))
            .into_iter()
            .filter(|(_, y, x)| (*x as f64 - 31.5).hypot(*y as f64 - 31.5) * cell < 0.8 * radius)
            .collect();
        let of = |method: &str| {
            let image = made(method, &Options::default(), &scan, SIZE);
            let values = || inside.iter().map(|index| f64::from(image[*index]) / value);
            let mean = values().sum::<f64>() / inside.len() as f64;
            (mean, root_mean_square(values().map(|value| value - mean)))
        };
        let (_, fbp) = of("fbp");
        // Conjugate gradients know no penalty, only when to stop.
        for (method, most) in [("pwls", 1.0), ("cgls", 1.5), ("pnp", 1.0), ("tv", 1.0)] {
            let (mean, noise) = of(method);
            println!("longest {longest}: {method} {mean:.4} ± {noise:.4}, fbp {fbp:.4}");
            assert!(noise <= most * fbp, "{longest}: {method} has a noise of {noise:.4}, fbp {fbp:.4}");
            assert!((mean - 1.0).abs() < 0.01, "{longest}: {method} has a mean of {mean:.4}");
        }
    }
}

/// The classical iterations end before they fit noise, or what pixels cannot explain: where so few photons pass that line integrals
/// are off (the head's skull), and where all rays are noisy.
#[test]
fn classical_iterations_end_in_time() {
    for (name, views, photons) in [("shepp-logan", 360, 1e4), ("ct-inserts", 120, 1e3)] {
        let (phantom, size) = (Phantom::named(name).unwrap(), 64);
        let mut scan = phantom.scan(&geometry(views, size), &Monitor::silent()).unwrap();
        Noise { photons, seed: 1, electronic: 0.0 }.apply(&mut scan).unwrap();
        let truth = phantom.raster(&grid(size)).unwrap().values;
        let [sharp, smooth] = [Filter::RamLak, Filter::Hann].map(|filter| {
            let options = Options { fbp: Fbp { filter, ..Fbp::default() }, ..Options::default() };
            errors(&made("fbp", &options, &scan, size), &truth)
        });
        let best = [0, 1].map(|region| sharp[region].min(smooth[region]));
        for method in ["sirt", "sart", "cgls"] {
            let found = errors(&made(method, &Options::default(), &scan, size), &truth);
            println!("{name}, {views} views, {photons:.0e}: {method} {found:.5?}, fbp {best:.5?}");
            // Conjugate gradients know no bounds while they run.
            let most = if method == "cgls" { 1.05 } else { 1.0 };
            assert!((0..2).all(|at| found[at] <= most * best[at]), "{name}: {method} {found:.5?}, fbp {best:.5?}");
        }
    }
}

/// On pixels three cells wide no iterative recipe is as smooth as a window would make it.
#[test]
fn pixels_three_cells_wide() {
    let (phantom, size) = (Phantom::named("forbild-head").unwrap(), 48);
    let scan = phantom.scan(&geometry(120, 3 * size), &Monitor::silent()).unwrap();
    let truth = phantom.raster(&grid(size)).unwrap().values;
    let [sharp, smooth] = [Filter::RamLak, Filter::Hann].map(|filter| {
        let options = Options { fbp: Fbp { filter, ..Fbp::default() }, ..Options::default() };
        errors(&made("fbp", &options, &scan, size), &truth)
    });
    let best = [0, 1].map(|region| sharp[region].min(smooth[region]));
    for method in ["sirt", "sart", "cgls", "tv", "tgv", "pwls", "pnp"] {
        let found = errors(&made(method, &Options::default(), &scan, size), &truth);
        println!("{method} {found:.5?}, ram-lak {sharp:.5?}, hann {smooth:.5?}");
        // Conjugate gradients know no bounds, which tell the others where air is.
        let most = if method == "cgls" { sharp } else { best };
        assert!(found[0] <= most[0] && found[1] <= most[1], "{method} {found:.5?}, fbp {most:.5?}");
    }
}
