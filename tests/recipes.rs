//! FBP against exact phantoms: metric floors, absolute scale, every geometry, and CPU against GPU.

use rushlight::{
    device::{Choice, Device},
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    image::Image,
    monitor::Monitor,
    phantom::Phantom,
    quality::{self, Options, Roi},
    recipes::{Recipe, fbp::Fbp},
    scan::Scan,
};

const PIXEL: f64 = 0.5;

fn degrees(start: f64, end: f64, views: usize) -> Vec<f64> {
    (0..views).map(|i| (start + (end - start) * i as f64 / views as f64).to_radians()).collect()
}

fn parallel(angles: Vec<f64>, columns: usize, cell: f64) -> Parallel {
    Parallel { angles, columns, rows: 1, cell, cell_height: cell, center: None, unit: LengthUnit::Millimetre }
}

/// The fan of the peers' bench at `scale` mm a pixel: axis at 1024 pixels, detector at 1536.
fn fan(angles: Vec<f64>, columns: usize, curved: bool, scale: f64) -> Fan {
    Fan {
        angles,
        columns,
        rows: 1,
        cell: 1.5 * scale,
        cell_height: 1.0,
        source_origin: 1024.0 * scale,
        source_detector: 1536.0 * scale,
        center: None,
        axis_offset: 0.0,
        curved,
        unit: LengthUnit::Millimetre,
    }
}

fn grid(size: usize, pixel: f64) -> Grid {
    Grid::centered([1, size, size], [pixel; 3], [0.0; 3])
}

fn scan(phantom: &Phantom, geometry: &Geometry) -> Scan {
    phantom.scan(geometry, &Monitor::silent()).unwrap()
}

fn reconstruct(scan: Scan, grid: &Grid, device: &Device) -> Image {
    Fbp::default().reconstruct(scan, grid, device, &Monitor::silent()).unwrap().image
}

/// PSNR in the inscribed circle; the data range is the phantom's.
fn psnr(image: &Image, truth: &Image) -> f64 {
    let middle = (image.grid.shape[2] as f64 - 1.0) / 2.0;
    let roi = Some(Roi::Circle { x: middle, y: middle, radius: middle - 0.5 });
    quality::compare(&image.values, &truth.values, &Options { roi, ..Options::default() }).unwrap().psnr
}

fn toft() -> Phantom {
    Phantom::named("shepp-logan-toft").unwrap()
}

/// 512², 720 views of 736 cells: at least the best peer's figure (parallel: scikit-image 36.74 dB; fan: LEAP 36.37 dB).
#[test]
fn the_head_is_as_exact_as_the_best_peers() {
    let truth = toft().raster(&grid(512, PIXEL)).unwrap();
    let cases = [
        ("parallel", parallel(degrees(0.0, 180.0, 720), 736, PIXEL).geometry(), 36.74),
        ("flat fan", fan(degrees(0.0, 360.0, 720), 736, false, PIXEL).geometry(), 36.37),
        ("curved fan", fan(degrees(0.0, 360.0, 720), 736, true, PIXEL).geometry(), 36.37),
    ];
    for (name, geometry, floor) in cases {
        let image = reconstruct(scan(&toft(), &geometry), &grid(512, PIXEL), &Device::cpu());
        let found = psnr(&image, &truth);
        println!("{name}: {found:.2} dB");
        assert!(found >= floor, "{name}: {found:.2} dB, the best peer has {floor}");
    }
}

/// A quarter of the size, every kind of scan; the mean over the brain is its value to 0.5 %.
#[test]
fn the_absolute_scale_is_right_for_every_kind_of_scan() {
    let pixel = 2.0;
    let grid = grid(128, pixel);
    let truth = toft().raster(&grid).unwrap();
    let half_turn = degrees(0.0, 180.0, 240);
    let full_turn = degrees(0.0, 360.0, 360);
    let short = degrees(30.0, 250.0, 300);
    let mut shuffled = half_turn.clone();
    shuffled.reverse();
    shuffled.swap(3, 200);
    let uneven: Vec<f64> = (0..400).map(|i| (i as f64 * 111.246_f64).to_radians()).collect();
    let off_center = |mut scan: Parallel| {
        scan.center = Some(80.3);
        scan.geometry()
    };
    let lopsided = |mut scan: Fan, center: f64| {
        scan.center = Some(center);
        scan.geometry()
    };
    let mut beside = fan(full_turn.clone(), 200, false, pixel);
    beside.axis_offset = 3.0;
    let cases = [
        ("parallel", parallel(half_turn.clone(), 184, pixel).geometry()),
        ("fine cells", parallel(half_turn.clone(), 368, pixel / 2.0).geometry()),
        ("shuffled", parallel(shuffled, 184, pixel).geometry()),
        ("clockwise", parallel(degrees(360.0, 0.0, 480), 184, pixel).geometry()),
        ("golden angle", parallel(uneven, 184, pixel).geometry()),
        ("axis off the middle", off_center(parallel(half_turn, 184, pixel))),
        ("detector to one side", off_center(parallel(full_turn.clone(), 152, pixel))),
        ("flat fan", fan(full_turn.clone(), 184, false, pixel).geometry()),
        ("curved fan", fan(full_turn.clone(), 184, true, pixel).geometry()),
        ("flat short scan", fan(short.clone(), 184, false, pixel).geometry()),
        ("curved short scan", fan(short, 184, true, pixel).geometry()),
        ("fan, detector to one side", lopsided(fan(full_turn.clone(), 140, false, pixel), 50.0)),
        ("curved fan, detector to one side", lopsided(fan(full_turn, 140, true, pixel), 50.0)),
        ("fan, axis beside the central ray", beside.geometry()),
    ];
    for (name, geometry) in cases {
        let image = reconstruct(scan(&toft(), &geometry), &grid, &Device::cpu());
        let brain = brain_mean(&image);
        let found = psnr(&image, &truth);
        println!("{name}: brain {:+.3} %, {found:.2} dB", 100.0 * (brain / 0.008 - 1.0));
        assert!((brain / 0.008 - 1.0).abs() < 0.005, "{name}: brain {brain}");
        assert!(found > 26.0, "{name}: {found:.2} dB");
    }
}

/// Mean over a disk of brain (value 0.2 of 0.04/mm) beside the right ventricle, where nothing else is.
fn brain_mean(image: &Image) -> f64 {
    let mut sum = (0.0, 0);
    for ((_, row, column), value) in image.values.indexed_iter() {
        let [x, y, _] = image.grid.position([0.0, row as f64, column as f64]);
        if (x - 38.4).hypot(y - 57.6) < 14.0 {
            sum = (sum.0 + f64::from(*value), sum.1 + 1);
        }
    }
    sum.0 / f64::from(sum.1)
}

/// Projections cut off on both sides show no bright rim: without extrapolation the rim is many times higher.
#[test]
fn truncated_projections_are_extrapolated() {
    let disk = Phantom::named("disk").unwrap();
    let geometry = parallel(degrees(0.0, 180.0, 300), 120, 1.0).geometry();
    let grid = grid(120, 1.0);
    let rim = |extrapolate| {
        let fbp = Fbp { extrapolate, ..Fbp::default() };
        let made = fbp.reconstruct(scan(&disk, &geometry), &grid, &Device::cpu(), &Monitor::silent()).unwrap();
        let at = |column: usize| f64::from(made.image.values[[0, 60, column]]);
        (at(3) - at(60)).abs() / 0.0192
    };
    let (with, without) = (rim(true), rim(false));
    println!("rim over water: {with:.3} with extrapolation, {without:.3} without");
    assert!(with < 0.05 && without > 10.0 * with, "{with} {without}");
}

/// The same picture on another device, or in slabs, within 1e-5 of its range.
fn same(name: &str, geometry: &Geometry, grid: &Grid, device: &Device) {
    let phantom = toft();
    let range = 0.04;
    let cpu = reconstruct(scan(&phantom, geometry), grid, &Device::cpu());
    let other = reconstruct(scan(&phantom, geometry), grid, device);
    let worst = cpu.values.iter().zip(&other.values).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
    println!("{name}: largest difference {:.1e} of the range", worst / range);
    assert!(worst <= 1e-5 * range, "{name}: {worst}");
}

fn cases(pixel: f64, size: usize) -> Vec<(&'static str, Geometry, Grid)> {
    let columns = size * 3 / 2;
    let rows = |mut scan: Parallel| {
        scan.rows = 3;
        scan.geometry()
    };
    let views = size * 3 / 2;
    vec![
        ("parallel", parallel(degrees(0.0, 180.0, views), columns, pixel).geometry(), grid(size, pixel)),
        (
            "stack",
            rows(parallel(degrees(0.0, 180.0, views / 2), columns, pixel)),
            Grid::centered([3, size, size], [pixel; 3], [0.0; 3]),
        ),
        ("flat fan", fan(degrees(0.0, 360.0, views), columns, false, pixel).geometry(), grid(size, pixel)),
        ("curved short scan", fan(degrees(0.0, 220.0, views), columns, true, pixel).geometry(), grid(size, pixel)),
    ]
}

#[test]
fn slabs_change_nothing() {
    for (name, geometry, grid) in cases(1.0, 256) {
        same(name, &geometry, &grid, &Device::cpu().with_binding_limit(1 << 18));
    }
}

#[test]
fn the_gpu_agrees() {
    let gpu = match Choice::Gpu.open() {
        Ok((gpu, _)) => gpu,
        Err(error) => {
            assert!(std::env::var_os("RUSHLIGHT_REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: no adapter");
            return;
        }
    };
    for (name, geometry, grid) in cases(1.0, 256) {
        same(name, &geometry, &grid, &gpu);
        same(name, &geometry, &grid, &gpu.clone().with_binding_limit(1 << 20));
    }
}
