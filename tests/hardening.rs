//! Beam hardening and its correction, on objects scanned with a tube's beam on finer pixels than those reconstructed.

use ndarray::Array3;
use rushlight::{
    device::Device,
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    image::{Image, Quantity},
    monitor::Monitor,
    physics::{Material, REFERENCE_ENERGY, Spectrum, Tube},
    recipes::{
        Recipe,
        bone::BoneCorrection,
        fbp::{Fbp, Filter},
    },
    scan::{
        Bowtie, Scan,
        hardening::{TubeBeam, WaterCorrection},
    },
    scanner::Scanner,
};

fn spectrum() -> Spectrum {
    Spectrum::of(&"120kV,2.5mmAl".parse::<Tube>().unwrap())
}

fn tube() -> TubeBeam {
    TubeBeam::new(spectrum())
}

fn geometry() -> Geometry {
    let angles = (0..300).map(|view| f64::from(view) * std::f64::consts::PI / 300.0).collect();
    Parallel { angles, columns: 241, rows: 1, cell: 1.0, cell_height: 1.0, center: None, unit: LengthUnit::Millimetre }
        .geometry()
}

/// CT numbers of a water disk of 200 mm with cylinders of 24 mm: (x, y, HU).
fn disk(inserts: &[(f64, f64, f64)]) -> Image {
    let grid = Grid::centered([1, 480, 480], [0.5; 3], [0.0; 3]);
    let values = Array3::from_shape_fn(grid.shape, |(_, row, column)| {
        let [x, y, _] = grid.position([0.0, row as f64, column as f64]);
        let insert = inserts.iter().find(|(cx, cy, _)| (x - cx).hypot(y - cy) < 12.0);
        let hu = if x.hypot(y) < 100.0 { insert.map_or(0.0, |(_, _, hu)| *hu) } else { -1000.0 };
        hu as f32
    });
    let quantity = Quantity::Hounsfield { mu_water: None };
    Image { values, grid, unit: LengthUnit::Millimetre, quantity, provenance: String::new() }
}

fn scan(object: &Image, geometry: &Geometry) -> Scan {
    let scanner = Scanner { spectrum: Some(spectrum()), ..Scanner::default() };
    scanner.scan(object, geometry, &Device::cpu(), &Monitor::silent()).unwrap().scan
}

fn fbp() -> Fbp {
    Fbp { filter: Filter::Hann, ..Fbp::default() }
}

/// CT numbers relative to water at 70 keV, `[row, column]`, 1 mm pixels.
fn reconstruct(recipe: &dyn Recipe, scan: Scan) -> Image {
    let grid = Grid::centered([1, 241, 241], [1.0; 3], [0.0; 3]);
    let made = recipe.reconstruct(scan, &grid, &Device::cpu(), &Monitor::silent()).unwrap();
    made.notes.iter().for_each(|note| println!("{note}"));
    made.image.to_hounsfield(Material::water().attenuation(REFERENCE_ENERGY))
}

/// Mean over a disk of `radius` mm about (x, y).
fn mean(image: &Image, x: f64, y: f64, radius: f64) -> f64 {
    let inside = image.values.indexed_iter().filter(|((_, row, column), _)| {
        let [px, py, _] = image.grid.position([0.0, *row as f64, *column as f64]);
        (px - x).hypot(py - y) < radius
    });
    let values: Vec<f64> = inside.map(|(_, value)| f64::from(*value)).collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn water_shows_no_cup_after_its_correction() {
    let raw = scan(&disk(&[]), &geometry());
    let mut corrected = raw.clone();
    WaterCorrection::new(&tube()).unwrap().apply(&mut corrected);
    let [raw, corrected] = [raw, corrected].map(|scan| reconstruct(&fbp(), scan));
    let cup = |image: &Image| mean(image, 85.0, 0.0, 6.0) - mean(image, 0.0, 0.0, 10.0);
    println!("cup: {:.1} HU, corrected {:.2} HU", cup(&raw), cup(&corrected));
    assert!(cup(&raw) > 30.0 && cup(&corrected).abs() < 0.03 * cup(&raw), "{} {}", cup(&raw), cup(&corrected));
    for (x, y) in [(0.0, 0.0), (50.0, 20.0), (-80.0, 10.0)] {
        let water = mean(&corrected, x, y, 8.0);
        assert!(water.abs() < 3.0, "water at {x}, {y}: {water} HU");
    }
}

/// Two inserts of bone: dark between them, since rays through both are hardened more than water's polynomial believes.
fn streak(image: &Image) -> f64 {
    mean(image, 0.0, 50.0, 5.0).min(mean(image, 0.0, -50.0, 5.0)) - mean(image, 0.0, 0.0, 5.0)
}

fn streaks_are_taken_out(geometry: &Geometry, least: f64) {
    let inserts = [(-40.0, 0.0, 1200.0), (40.0, 0.0, 1200.0)];
    let raw = scan(&disk(&inserts), geometry);
    let mut watered = raw.clone();
    WaterCorrection::new(&tube()).unwrap().apply(&mut watered);
    let watered = reconstruct(&fbp(), watered);
    let boned = reconstruct(&BoneCorrection::new(Box::new(fbp()), tube()), raw);
    let (before, after) = (streak(&watered), streak(&boned));
    let [bone_before, bone_after] = [&watered, &boned].map(|image| mean(image, 40.0, 0.0, 8.0));
    println!(
        "streak: {before:.1} HU, corrected {after:.1} HU; bone of 1200 HU: {bone_before:.0}, corrected {bone_after:.0} HU"
    );
    assert!(before > 20.0, "{before}");
    assert!(after.abs() < before / least, "{before} → {after}");
    assert!((bone_after - 1200.0).abs() < 0.5 * (bone_before - 1200.0).abs(), "{bone_before} → {bone_after}");
}

#[test]
fn streaks_between_bones_are_a_tenth_after_two_passes() {
    streaks_are_taken_out(&geometry(), 10.0);
}

#[test]
fn bone_beyond_the_grid_is_corrected_for_too() {
    let raw = scan(&disk(&[(-40.0, 0.0, 1200.0), (40.0, 0.0, 1200.0)]), &geometry());
    let recipe = BoneCorrection::new(Box::new(fbp()), tube());
    let whole = reconstruct(&recipe, raw.clone());
    let grid = Grid::centered([1, 41, 41], [1.0; 3], [0.0, 10.0, 0.0]);
    let part = recipe.reconstruct(raw, &grid, &Device::cpu(), &Monitor::silent()).unwrap().image;
    let part = part.to_hounsfield(Material::water().attenuation(REFERENCE_ENERGY));
    let same = whole.values.slice(ndarray::s![.., 110..151, 100..141]);
    let worst = part.values.iter().zip(&same).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("a part without bone differs from the whole by {worst:.2} HU at most");
    assert!(worst < 1.0, "{worst} HU");
}

#[test]
fn streaks_between_bones_are_a_tenth_in_a_curved_fan_too() {
    let fan = Fan {
        angles: (0..400).map(|view| f64::from(view) * std::f64::consts::PI / 200.0).collect(),
        columns: 321,
        rows: 1,
        cell: 1.5,
        cell_height: 1.5,
        source_origin: 500.0,
        source_detector: 950.0,
        center: None,
        axis_offset: 0.0,
        curved: true,
        unit: LengthUnit::Millimetre,
    };
    streaks_are_taken_out(&fan.geometry(), 10.0);
}

/// A bow-tie's beam is harder at the sides; both corrections know it.
#[test]
fn a_bowties_own_hardening_is_corrected_too() {
    let bowtie = Some(Bowtie { diameter: 180.0 });
    let inserts = [(-40.0, 0.0, 1200.0), (40.0, 0.0, 1200.0)];
    let scanner = Scanner { spectrum: Some(spectrum()), bowtie, ..Scanner::default() };
    let raw = scanner.scan(&disk(&inserts), &geometry(), &Device::cpu(), &Monitor::silent()).unwrap().scan;
    let tube = TubeBeam { bowtie, ..tube() };
    let mut watered = raw.clone();
    WaterCorrection::new(&tube).unwrap().apply(&mut watered);
    let watered = reconstruct(&fbp(), watered);
    let boned = reconstruct(&BoneCorrection::new(Box::new(fbp()), tube), raw);
    // Far from bone both are right; between the bones only one is.
    let edge = |image: &Image| mean(image, 0.0, 85.0, 6.0);
    println!(
        "rim: {:.1}, {:.1} HU; streak {:.1}, {:.1} HU",
        edge(&watered),
        edge(&boned),
        streak(&watered),
        streak(&boned)
    );
    assert!(edge(&boned).abs() < 3.0 && edge(&watered).abs() < 8.0);
    assert!(streak(&boned).abs() < streak(&watered) / 10.0);
}

#[test]
fn water_alone_is_left_as_the_polynomial_has_it() {
    let raw = scan(&disk(&[]), &geometry());
    let mut watered = raw.clone();
    WaterCorrection::new(&tube()).unwrap().apply(&mut watered);
    let watered = reconstruct(&fbp(), watered);
    let boned = reconstruct(&BoneCorrection::new(Box::new(fbp()), tube()), raw);
    assert!(watered.values.iter().zip(&boned.values).all(|(a, b)| (a - b).abs() < 1.0));
}

#[test]
fn scans_without_millimetres_are_refused() {
    let mut raw = scan(&disk(&[]), &geometry());
    raw.geometry.unit = LengthUnit::Cell;
    let grid = Grid::centered([1, 241, 241], [1.0; 3], [0.0; 3]);
    let recipe = BoneCorrection::new(Box::new(fbp()), tube());
    let said = recipe.reconstruct(raw, &grid, &Device::cpu(), &Monitor::silent()).unwrap_err().to_string();
    assert!(said.contains("cell size"), "{said}");
}
