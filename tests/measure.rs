//! `rushlight measure` as users run it: figures of known images, and what the world can do wrong.

use std::fs;

use ndarray::{Array2, Array3, s};
use rushlight::{
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
    io,
    random::Draws,
};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

mod command;

use command::{refused, works, wrong_usage};

#[track_caller]
fn json(folder: &TempDir, arguments: &str) -> Value {
    works(folder, &format!("{arguments} --json")).json()
}

fn number(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or_else(|| panic!("no number {name} in {figures}"))
}

/// The rows of a CSV file under `header`.
fn rows(folder: &TempDir, name: &str, header: &str) -> Vec<Vec<f64>> {
    let text = fs::read_to_string(folder.path().join(name)).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header));
    lines.map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect()).collect()
}

// ---- images that are known -----------------------------------------------------------------------------------------

fn save(folder: &TempDir, name: &str, values: Array3<f32>) {
    let (z, y, x) = values.dim();
    let image = Image {
        values,
        grid: Grid::centered([z, y, x], [1.0, 0.5, 0.5], [0.0; 3]),
        unit: LengthUnit::Millimetre,
        quantity: Quantity::Hounsfield { mu_water: None },
        provenance: "a test".into(),
    };
    io::write_image(folder.path().join(name), &image, &io::WriteOptions::default()).unwrap();
}

/// White noise of standard deviation `sigma` on `object`, `count` times.
fn noisy(seed: u64, count: usize, object: &Array2<f32>, sigma: f64) -> Array3<f32> {
    let (rows, columns) = object.dim();
    Array3::from_shape_fn((count, rows, columns), |(n, y, x)| {
        (f64::from(object[[y, x]]) + sigma * Draws::new(seed, [n, y, x]).normal()) as f32
    })
}

fn flat(size: usize) -> Array2<f32> {
    Array2::from_elem((size, size), 40.0)
}

const DISK: [f64; 2] = [43.3, 36.8];
const BLUR: f64 = 1.5;

/// A disk of radius 20 pixels and 100 HU whose edge is a logistic step, 100/(1 + e^((r − 20)/b)).
fn disk() -> Array2<f32> {
    Array2::from_shape_fn((80, 80), |(y, x)| {
        let distance = (x as f64 - DISK[0]).hypot(y as f64 - DISK[1]);
        (100.0 / (1.0 + ((distance - 20.0) / BLUR).exp())) as f32
    })
}

/// 48² pixels with a Gaussian signal at 30.5, 20.
fn signal(height: f64) -> Array2<f32> {
    Array2::from_shape_fn((48, 48), |(y, x)| {
        let square = (x as f64 - 30.5).powi(2) + (y as f64 - 20.0).powi(2);
        (height * (-square / 18.0).exp()) as f32
    })
}

// ---- what must work ------------------------------------------------------------------------------------------------

#[test]
fn nps_of_white_noise() {
    let folder = tempdir().unwrap();
    save(&folder, "noise.nii", noisy(1, 6, &flat(64), 10.0));
    let figures = json(&folder, "measure nps noise.nii --size 32 --detrend mean -o nps.csv");
    // 9 squares in each of 6 slices; removing the mean takes 1/32² of the variance.
    assert_eq!(figures["regions"], 54);
    assert!((number(&figures, "noise") - 10.0).abs() < 0.2, "{figures}");
    assert_eq!((&figures["value_unit"], &figures["length_unit"]), (&"HU".into(), &"mm".into()));
    assert!((number(&figures, "nyquist") - 1.0).abs() < 1e-6);
    let rows = rows(&folder, "nps.csv", "frequency_per_mm,nps,standard_error,modes");
    let cell = (1.0_f64 / 16.0).powi(2);
    let integral: f64 = rows.iter().map(|row| row[1] * row[3] * cell).sum();
    assert!((integral / number(&figures, "variance") - 1.0).abs() < 1e-4, "{integral}");
    // σ²ΔxΔy = 100·0.25.
    assert!(rows[2..20].iter().all(|row| (row[1] - 25.0).abs() < 6.0), "{rows:?}");
    let table = works(&folder, "measure nps noise.nii --roi circle:31.5,31.5,20").out;
    assert!(["noise", "HU", "peak frequency", "/mm", "1.0000/mm"].iter().all(|word| table.contains(word)), "{table}");
    works(&folder, "measure nps noise.nii --roi box:8..40,8..40,1..3 -o plane.png");
    assert_eq!(io::read_image(folder.path().join("plane.png")).unwrap().values.dim(), (1, 32, 32));
}

#[test]
fn nps_of_repeats_of_an_object() {
    let folder = tempdir().unwrap();
    let images = noisy(2, 4, &disk(), 5.0);
    for n in 0..4 {
        save(&folder, &format!("{n}.npy"), images.slice(s![n..n + 1, .., ..]).to_owned());
    }
    let figures = json(&folder, "measure nps 0.npy 1.npy 2.npy 3.npy --repeats");
    assert!((number(&figures, "noise") - 5.0).abs() < 0.1, "{figures}");
    assert_eq!(figures["length_unit"], "pixel");
    let figures = json(&folder, "measure nps 0.npy 1.npy --detrend none --voxel 0.5mm");
    assert!(number(&figures, "noise") > 20.0, "the disk is no noise, but is not taken out: {figures}");
    refused(&folder, "measure nps 0.npy --repeats", &["two images"]);
}

#[test]
fn ttf_of_a_logistic_edge() {
    let folder = tempdir().unwrap();
    save(&folder, "disk.nii", noisy(3, 4, &disk(), 0.5));
    let figures = json(&folder, "measure ttf disk.nii --disk 43,37,20 -o ttf.csv");
    // The logistic density of scale b has the transform x/sinh x, x = 2π²bf; that is ½ at x = 2.17732.
    let expected = 2.17732 / (2.0 * std::f64::consts::PI.powi(2) * BLUR * 0.5);
    assert!((number(&figures, "f50") / expected - 1.0).abs() < 0.03, "{figures} {expected}");
    assert!((number(&figures, "contrast") - 100.0).abs() < 1.5);
    let center = &figures["disk"]["center"];
    assert!((0..2).all(|axis| (center[axis].as_f64().unwrap() - DISK[axis]).abs() < 0.01), "{center}");
    let rows = rows(&folder, "ttf.csv", "frequency_per_mm,ttf");
    assert_eq!(rows[0], [0.0, 1.0]);
    // The same disk in millimetres: the grid's middle, pixel 39.5, is at 0.
    let millimetres = json(&folder, "measure ttf disk.nii --disk 1.75mm,-1.25mm,10mm");
    assert!((number(&millimetres, "f50") / number(&figures, "f50") - 1.0).abs() < 1e-3);
    refused(&folder, "measure ttf disk.nii --disk 43,37,20 --margin 8mm", &["13.0 pixels", "16.0"]);
    let table = works(&folder, "measure ttf disk.nii --disk 43,37,20").out;
    assert!(["f50", "f10", "contrast", "/mm", "radius 20"].iter().all(|word| table.contains(word)), "{table}");
}

#[test]
fn ttf_of_a_disk_of_another_radius_than_was_said() {
    let folder = tempdir().unwrap();
    // A disk of 20.4 pixels, each pixel the share of it in 16 × 16 points.
    let inside = |x: f64, y: f64| f64::from(u8::from((x - 40.2).hypot(y - 38.7) < 20.4));
    let fine = |i: usize| (i as f64 + 0.5) / 16.0 - 0.5;
    let share = |(y, x): (usize, usize)| {
        let points = (0..256).map(|i| inside(x as f64 + fine(i % 16), y as f64 + fine(i / 16)));
        (100.0 * points.sum::<f64>() / 256.0) as f32
    };
    let object = Array2::from_shape_fn((80, 80), share);
    save(&folder, "disk.nii", noisy(8, 5, &object, 2.0));
    let f50: Vec<f64> = [18.0, 20.4, 22.5]
        .into_iter()
        .map(|given| {
            let figures = json(&folder, &format!("measure ttf disk.nii --disk 41,38,{given} --margin 12"));
            let radius = figures["disk"]["radius"].as_f64().unwrap();
            assert!((radius - 20.4).abs() < 0.03, "{given}: {radius}");
            number(&figures, "f50")
        })
        .collect();
    assert!(f50.iter().all(|f| (f / f50[1] - 1.0).abs() < 0.01), "{f50:?}");
    refused(&folder, "measure ttf disk.nii --disk 41,38,11", &["no disk of radius 11"]);
}

#[test]
fn cho_of_a_signal_in_white_noise() {
    let folder = tempdir().unwrap();
    save(&folder, "with.npy", noisy(4, 150, &signal(2.0), 6.0));
    save(&folder, "without.npy", noisy(5, 150, &signal(0.0), 6.0));
    let both = "--present with.npy --absent without.npy";
    // |s|/σ = 2·√(π·9)/6: the first channel of lg is nearly the signal.
    let dprime = 2.0 * (std::f64::consts::PI * 9.0).sqrt() / 6.0;
    let figures =
        json(&folder, &format!("measure cho {both} --channels lg --radius 6 --at 30.5,20 --size 32 -o roc.csv"));
    let interval = |name: &str| [0, 1].map(|end| figures[name][end].as_f64().unwrap());
    let [low, high] = interval("dprime_interval");
    assert!(low < dprime && dprime < high && high - low < 0.8, "{figures} {dprime}");
    let [low, high] = interval("auc_interval");
    assert!(low < number(&figures, "auc") && number(&figures, "auc") < high);
    assert_eq!(figures["judged"], serde_json::json!([150, 150]));
    let roc = rows(&folder, "roc.csv", "false_positive_fraction,true_positive_fraction");
    let area: f64 = roc.windows(2).map(|pair| (pair[1][0] - pair[0][0]) * (pair[0][1] + pair[1][1]) / 2.0).sum();
    assert!((area - number(&figures, "auc")).abs() < 1e-9, "{area}");
    let again = json(&folder, &format!("measure cho {both} --channels lg --radius 6 --at 30.5,20 --size 32"));
    assert_eq!(again["dprime_interval"], figures["dprime_interval"], "the same seed");
    for line in ["--channels gabor", "--channels dog-dense --validation hold-out", "--validation resubstitution"] {
        let table = works(&folder, &format!("measure cho {both} --at 30.5,20 {line}")).out;
        assert!(["AUC", "d′", "95 %"].iter().all(|word| table.contains(word)), "{table}");
    }
}

#[test]
fn every_figure_has_help_with_examples() {
    let folder = tempdir().unwrap();
    for figure in ["", " nps", " ttf", " cho"] {
        let full = works(&folder, &format!("measure{figure} --help")).out;
        assert!(full.contains(&format!("Examples:\n  rushlight measure{figure}")), "{full}");
    }
}

// ---- what the world does wrong -------------------------------------------------------------------------------------

#[test]
fn nps_without_noise_or_place() {
    let folder = tempdir().unwrap();
    save(&folder, "flat.npy", Array3::from_elem((2, 32, 32), 40.0));
    save(&folder, "small.npy", noisy(1, 1, &flat(16), 1.0));
    refused(&folder, "measure nps flat.npy", &["no noise"]);
    refused(&folder, "measure nps flat.npy --repeats", &["no noise"]);
    refused(&folder, "measure nps flat.npy --roi box:20..40,0..8", &["leaves the image"]);
    refused(&folder, "measure nps flat.npy --roi circle:30,16,8", &["leaves the image"]);
    refused(&folder, "measure nps flat.npy --roi circle:100,16,8 --size 8", &["no square of 8"]);
    refused(&folder, "measure nps flat.npy --roi box:0..9,0..9,5..7", &["no slice"]);
    refused(&folder, "measure nps flat.npy --roi box:0..3,0..9", &["too small"]);
    refused(&folder, "measure nps flat.npy small.npy", &["small.npy", "16 × 16", "32 × 32"]);
    refused(&folder, "measure nps flat.npy -o nps.txt", &["nps.txt", ".csv"]);
    wrong_usage(&folder, "measure nps small.npy --voxel 0mm");
    wrong_usage(&folder, "measure nps small.npy --voxel=-1mm");
    refused(&folder, "measure nps missing.npy", &["missing.npy"]);
    works(&folder, "measure nps small.npy -o nps.csv");
    refused(&folder, "measure nps small.npy -o nps.csv", &["nps.csv", "--force"]);
    works(&folder, "measure nps small.npy -o nps.csv --force");
}

#[test]
fn ttf_without_a_disk() {
    let folder = tempdir().unwrap();
    save(&folder, "noise.npy", noisy(1, 2, &flat(80), 5.0));
    save(&folder, "flat.npy", Array3::from_elem((1, 80, 80), 40.0));
    refused(&folder, "measure ttf noise.npy --disk 40,40,15", &["no disk", "40,40"]);
    refused(&folder, "measure ttf flat.npy --disk 40,40,15", &["no disk"]);
    refused(&folder, "measure ttf noise.npy --disk 70,40,15", &["80 × 80"]);
    refused(&folder, "measure ttf noise.npy --disk 200,40,15", &["80 × 80"]);
    refused(&folder, "measure ttf noise.npy --disk 0mm,0mm,5mm", &["--voxel"]);
    refused(&folder, "measure ttf noise.npy --disk 40,40,15 -o ttf.png", &["ttf.png", ".csv"]);
    for wrong in ["40,40", "40,40,-3", "40,40,5mm", "40,40,nan"] {
        wrong_usage(&folder, &format!("measure ttf noise.npy --disk {wrong}"));
    }
}

#[test]
fn cho_with_too_little() {
    let folder = tempdir().unwrap();
    save(&folder, "with.npy", noisy(4, 10, &signal(2.0), 6.0));
    save(&folder, "without.npy", noisy(5, 10, &signal(0.0), 6.0));
    save(&folder, "flat.npy", Array3::from_elem((10, 48, 48), 40.0));
    save(&folder, "small.npy", noisy(5, 10, &flat(32), 6.0));
    let both = "--present with.npy --absent without.npy";
    refused(&folder, &format!("measure cho {both} --channels gabor"), &["too few realisations for 40 channels"]);
    refused(&folder, &format!("measure cho {both} --channels lg"), &["--radius"]);
    refused(&folder, &format!("measure cho {both} --at 60,3"), &["60,3", "outside"]);
    refused(&folder, &format!("measure cho {both} --at 5,3 --size 20"), &["leave the image"]);
    refused(&folder, "measure cho --present with.npy --absent small.npy", &["[10, 32, 32]"]);
    refused(&folder, "measure cho --present flat.npy --absent flat.npy", &["no noise"]);
}

#[test]
fn comparing_through_a_window_without_width() {
    let folder = tempdir().unwrap();
    save(&folder, "a.npy", noisy(1, 1, &flat(16), 1.0));
    save(&folder, "b.npy", noisy(2, 1, &flat(16), 1.0));
    refused(&folder, "compare a.npy b.npy --window 40,1e-9", &["window 40", "wider"]);
    refused(&folder, "compare a.npy b.npy --data-range 1e-200", &["data range"]);
    save(&folder, "zero.npy", Array3::zeros((1, 16, 16)));
    let table = works(&folder, "compare a.npy zero.npy --data-range 1").out;
    assert!(table.contains("the truth is 0 everywhere") && !table.contains("inf"), "{table}");
}
