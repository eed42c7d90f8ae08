//! `rushlight denoise` as users run it: images, complex images, counts and series, and what it must refuse.

use std::{fs, path::Path};

use rushlight::{image::Image, io};
use tempfile::tempdir;

mod command;

use command::{refused, works};

/// A plane of 2.0 on the left and 3.0 on the right with noise of deviation 0.1, as whole thousandths.
fn noisy_steps(folder: &Path, name: &str) {
    let values = ndarray::Array3::from_shape_fn((1, 64, 64), |(_, y, x)| {
        let noise = 0.1 * rushlight::random::Draws::new(9, [0, y, x]).normal() as f32;
        if x < 32 { 2.0 + noise } else { 3.0 + noise }
    });
    let grid = rushlight::geometry::Grid::centered([1, 64, 64], [2.0, 0.7, 0.7], [1.0, 2.0, 3.0]);
    let unit = rushlight::geometry::LengthUnit::Millimetre;
    let quantity = rushlight::image::Quantity::Unknown;
    let image = Image { values, grid, unit, quantity, provenance: "test".into() };
    io::write_image(folder.join(name), &image, &io::WriteOptions { force: true, ..Default::default() }).unwrap();
}

#[test]
fn denoise_keeps_grid_and_says_what_it_did() {
    let folder = tempdir().unwrap();
    noisy_steps(folder.path(), "noisy.nii");
    for method in rushlight::denoisers::ALL {
        let said =
            works(folder.path(), &format!("denoise noisy.nii --method {method} -o quiet.nii --force --json")).json();
        let sigma = said["sigma"].as_f64().unwrap();
        assert!((sigma - 0.1).abs() < 0.015, "{sigma}");
        assert!(said["seconds"]["denoise"].as_f64().is_some(), "{said}");
        let [before, after] = ["noisy.nii", "quiet.nii"].map(|name| io::read_image(folder.path().join(name)).unwrap());
        assert_eq!((before.grid, before.unit), (after.grid, after.unit));
        let left: f32 = after.values.slice(ndarray::s![0, .., 4..28]).iter().map(|v| (v - 2.0).powi(2)).sum::<f32>();
        assert!((left / (64.0 * 24.0)).sqrt() < 0.06, "{method}");
    }
    // To the screen, a summary; with a map, with another noise, into another format.
    let told =
        works(folder.path(), "denoise noisy.nii --noise rician --sigma varying --method nlm -o quiet.npy --force").err;
    assert!(told.contains("noise σ from") && told.contains("wrote quiet.npy"), "{told}");
    works(folder.path(), "denoise noisy.nii --sigma quiet.npy --method bilateral -o again.npy");
    // White noise is found to be white; a spectrum as it is measured.
    let told = works(folder.path(), "denoise noisy.nii --spectrum auto -o auto.npy").err;
    let words = told.split("correlated by ").nth(1).unwrap_or_else(|| panic!("{told}"));
    assert!(words.starts_with("0.0") || words.starts_with("-0.0"), "{told}");
    // Where edges are everywhere it cannot be told, and this is said; the noise is taken off all the same.
    let mut image = io::read_image(folder.path().join("noisy.nii")).unwrap();
    image.values.indexed_iter_mut().for_each(|((_, _, x), value)| *value += (x / 8 % 2) as f32);
    io::write_image(folder.path().join("edges.npy"), &image, &io::WriteOptions::default()).unwrap();
    let told = works(folder.path(), "denoise edges.npy --spectrum auto -o auto.npy --force").err;
    assert!(told.contains("taken for white") && told.contains("--spectrum"), "{told}");
    works(folder.path(), "denoise edges.npy -o white.npy");
    let [auto, white] = ["auto.npy", "white.npy"].map(|name| io::read_image(folder.path().join(name)).unwrap().values);
    assert_eq!(auto, white);
}

/// Noise that only the pixels of a line share: of three neighbours each.
#[test]
fn denoise_takes_the_spectrum_that_was_measured() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let step = |x: usize| if x < 48 { 2.0 } else { 3.0 };
    let image = |seed: u64, edge: f32| {
        let white = |y: usize, x: usize| rushlight::random::Draws::new(seed, [0, y, x]).normal() as f32;
        let values = ndarray::Array3::from_shape_fn((1, 96, 96), |(_, y, x)| {
            edge * step(x) + 0.1 / 3.0_f32.sqrt() * (white(y, x) + white(y, x + 1) + white(y, x + 2))
        });
        let grid = rushlight::geometry::Grid::centered([1, 96, 96], [1.0; 3], [0.0; 3]);
        let unit = rushlight::geometry::LengthUnit::Cell;
        Image { values, grid, unit, quantity: rushlight::image::Quantity::Unknown, provenance: "test".into() }
    };
    let options = io::WriteOptions::default();
    io::write_image(at.join("noise.npy"), &image(1, 0.0), &options).unwrap();
    io::write_image(at.join("noisy.npy"), &image(2, 1.0), &options).unwrap();
    works(at, "measure nps noise.npy --size 32 -o nps.npy");
    let mut turned = io::read_image(at.join("nps.npy")).unwrap();
    turned.values.swap_axes(1, 2);
    turned.values = turned.values.as_standard_layout().into_owned();
    io::write_image(at.join("turned.npy"), &turned, &options).unwrap();
    let left = |spectrum: &str| {
        works(at, &format!("denoise noisy.npy --sigma 0.1 --spectrum {spectrum} -o quiet.npy --force"));
        let quiet = io::read_image(at.join("quiet.npy")).unwrap().values;
        let square: f32 = quiet.indexed_iter().map(|((_, _, x), value)| (value - step(x)).powi(2)).sum();
        (square / quiet.len() as f32).sqrt() / 0.1
    };
    let [told, seen, white, wrong] = ["nps.npy", "auto", "white", "turned.npy"].map(left);
    println!("noise left: {told:.3} told, {seen:.3} from the image, {white:.3} taken for white, {wrong:.3} turned");
    assert!(told < 0.8 * white && seen < 0.85 * white && told < 0.8 * wrong, "{told} {seen} {white} {wrong}");
    // Its level, too, from what the finest details show of such noise.
    let said = works(at, "denoise noisy.npy --spectrum nps.npy -o quiet.npy --force --json").json();
    assert!((said["sigma"].as_f64().unwrap() / 0.1 - 1.0).abs() < 0.15, "{said}");
    // Noise as smooth as hills shows nothing there.
    let mut hills = turned;
    hills
        .values
        .indexed_iter_mut()
        .for_each(|((_, y, x), power)| *power = f32::from(y.abs_diff(16) + x.abs_diff(16) < 2));
    io::write_image(at.join("hills.npy"), &hills, &options).unwrap();
    refused(at, "denoise noisy.npy --spectrum hills.npy -o q.npy", &["finest details", "--sigma"]);
    works(at, "denoise noisy.npy --spectrum hills.npy --sigma 0.1 -o hilly.npy");
    refused(at, "denoise noisy.npy --noise poisson --spectrum auto -o q.npy", &["--spectrum", "counts"]);
}

#[test]
fn denoise_takes_complex_images_and_refuses_what_is_none() {
    let folder = tempdir().unwrap();
    works(folder.path(), "phantom shepp-logan-toft --size 64 --voxel 4mm -o truth.npy");
    works(folder.path(), "scan shepp-logan-toft --mr --matrix 64,64 --coils 4 --snr 20dB --seed 1 -o kspace.h5");
    refused(folder.path(), "denoise kspace.h5 -o q.npy", &["kspace.h5", "reconstruct"]);
    works(folder.path(), "recon kspace.h5 --method sense -o complex.npy");
    works(folder.path(), "denoise complex.npy --method nlm -o quiet.npy");
    assert!(io::is_complex(folder.path().join("quiet.npy")).unwrap());
    refused(folder.path(), "denoise complex.npy --noise rician -o q.npy", &["complex.npy", "magnitude"]);
    refused(folder.path(), "denoise truth.npy --sigma 0 -o q.npy", &["--sigma 0", "above 0"]);
    refused(folder.path(), "denoise truth.npy --sigma -1 -o q.npy", &["--sigma -1", "above 0"]);
    refused(folder.path(), "denoise truth.npy --sigma nan -o q.npy", &["--sigma nan", "above 0"]);
    refused(folder.path(), "denoise truth.npy --sigma none.npy -o q.npy", &["none.npy"]);
    refused(folder.path(), "denoise truth.npy --sigma complex.npy -o q.npy", &["complex"]);
    refused(folder.path(), "denoise truth.npy --strength 0 -o q.npy", &["strength"]);
    refused(folder.path(), "denoise truth.npy -o quiet.npy", &["quiet.npy", "--force"]);
    refused(folder.path(), "denoise truth.npy --method nlm --spectrum auto -o q.npy", &["--spectrum", "bm3d"]);
    refused(folder.path(), "denoise truth.npy --once -o q.npy", &["--once", "net"]);
    let told = works(folder.path(), "denoise truth.npy --method net --once -o once.npy --json").json();
    assert_eq!(told["weights"], "ct");
    let own = format!("{}/weights/mr.safetensors", env!("CARGO_MANIFEST_DIR"));
    let line = format!("denoise truth.npy --method net --once --weights {own} -o once.npy --json --force");
    assert_eq!(works(folder.path(), &line).json()["weights"], own);
    // What says that it is of an MR scan has MR's weights.
    works(folder.path(), "recon kspace.h5 --method sense -o mr.dcm");
    let told = works(folder.path(), "denoise mr.dcm --method net --once -o mr.npy --json").json();
    assert_eq!(told["weights"], "mr");
    // So has a scanner's file, without a description of ours, and by its modality alone.
    let file = fs::read(folder.path().join("mr.dcm")).unwrap();
    for (name, modality, weights) in [("scanner.dcm", b"MR", "mr"), ("other.dcm", b"OT", "ct")] {
        let mut file = file.clone();
        for (tag, value) in [([0x08, 0, 0x11, 0x21], None), ([0x08, 0, 0x60, 0], Some(modality))] {
            let at = file.windows(4).position(|bytes| bytes == tag).expect("the tag");
            let length = usize::from(u16::from_le_bytes([file[at + 6], file[at + 7]]));
            let bytes = &mut file[at + 8..at + 8 + length];
            match value {
                Some(value) => bytes.copy_from_slice(value),
                None => bytes.fill(b' '),
            }
        }
        fs::write(folder.path().join(name), file).unwrap();
        let told =
            works(folder.path(), &format!("denoise {name} --method net --once -o once.npy --json --force")).json();
        assert_eq!(told["weights"], weights, "{name}");
    }
    refused(folder.path(), "denoise truth.npy --method tv --depth 1 -o q.npy", &["--depth", "nlm", "bm3d"]);
    works(folder.path(), "denoise truth.npy --method bm3d --depth 1 -o deep.npy");
    refused(folder.path(), "denoise complex.npy --method nlm --depth 1 -o q.npy", &["complex.npy", "--depth"]);
    refused(folder.path(), "denoise truth.npy --spectrum none.npy -o q.npy", &["none.npy"]);
    refused(folder.path(), "denoise truth.npy --spectrum complex.npy -o q.npy", &["complex"]);
    refused(folder.path(), "denoise truth.npy --weights mr -o q.npy", &["--weights", "--method net"]);
    refused(folder.path(), "denoise truth.npy --method net --weights none -o q.npy", &["none"]);
    refused(
        folder.path(),
        "denoise truth.npy --method net --weights truth.npy -o q.npy",
        &["truth.npy", "safetensors"],
    );
    let mut image = io::read_image(folder.path().join("truth.npy")).unwrap();
    image.values[[0, 3, 4]] = f32::NAN;
    io::write_image(folder.path().join("nan.npy"), &image, &io::WriteOptions::default()).unwrap();
    refused(folder.path(), "denoise nan.npy -o q.npy", &["not finite", "[0, 3, 4]"]);
    // A constant image has no noise, and stays.
    image.values.fill(3.0);
    io::write_image(folder.path().join("flat.npy"), &image, &io::WriteOptions::default()).unwrap();
    let told = works(folder.path(), "denoise flat.npy -o still.npy").err;
    assert!(told.contains("no noise"), "{told}");
    assert!(io::read_image(folder.path().join("still.npy")).unwrap().values.iter().all(|value| *value == 3.0));
    works(folder.path(), "denoise flat.npy --sigma 0.1 -o still2.npy");
    works(folder.path(), "denoise flat.npy --spectrum auto -o still3.npy");
}

/// A plane of 40 counts on the left and 160 on the right, each worth 0.25.
fn noisy_counts(folder: &Path, name: &str) {
    let values = ndarray::Array3::from_shape_fn((1, 96, 96), |(_, y, x)| {
        let mut draws = rushlight::random::Draws::new(9, [0, y, x]);
        (0.25 * draws.poisson(if x < 48 { 40.0 } else { 160.0 }) + 0.5 * draws.normal()) as f32
    });
    let grid = rushlight::geometry::Grid::centered([1, 96, 96], [1.0; 3], [0.0; 3]);
    let unit = rushlight::geometry::LengthUnit::Cell;
    let quantity = rushlight::image::Quantity::Unknown;
    let image = Image { values, grid, unit, quantity, provenance: "test".into() };
    io::write_image(folder.join(name), &image, &io::WriteOptions::default()).unwrap();
}

#[test]
fn denoise_counts() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    noisy_counts(at, "counts.npy");
    let with = "denoise counts.npy --noise poisson";
    for (flags, sigmas) in [("", 0.0..1.1), ("--gain 0.25", 0.0..1.1), ("--gain auto --sigma 0.5", 0.5..0.51)] {
        let said = works(at, &format!("{with} {flags} -o quiet.npy --json --force")).json();
        let (gain, sigma) = (said["gain"].as_f64().unwrap(), said["sigma"].as_f64().unwrap());
        assert!((gain / 0.25 - 1.0).abs() < 0.15 && sigmas.contains(&sigma), "{flags}: {gain} {sigma}");
        let quiet = io::read_image(at.join("quiet.npy")).unwrap().values;
        for (from, truth) in [(4, 10.0), (52, 40.0)] {
            let part = quiet.slice(ndarray::s![0, .., from..from + 40]);
            let mean = part.iter().sum::<f32>() / part.len() as f32;
            assert!((mean / truth - 1.0).abs() < 0.02, "{flags}: {mean}, not {truth}");
            assert!(part.iter().all(|value| (value / truth - 1.0).abs() < 0.15), "{flags}: noise is left");
        }
    }
    works(at, &format!("{with} --gain 0.25 --sigma 0 --method nlm -o none.npy"));
    refused(at, &format!("{with} --gain 0 -o q.npy"), &["--gain 0", "above 0"]);
    refused(at, &format!("{with} --gain much -o q.npy"), &["--gain much", "number"]);
    refused(at, &format!("{with} --sigma -1 -o q.npy"), &["--sigma -1", "0 or more"]);
    refused(at, &format!("{with} --sigma varying -o q.npy"), &["--sigma varying", "whole image"]);
    refused(at, &format!("{with} --sigma counts.npy -o q.npy"), &["--sigma counts.npy", "whole image"]);
    refused(at, "denoise counts.npy --gain 2 -o q.npy", &["--gain", "--noise poisson"]);
    noisy_steps(at, "steps.npy");
    refused(at, "denoise steps.npy --noise poisson -o q.npy", &["no Poisson noise", "--gain"]);
    works(at, "scan shepp-logan-toft --mr --matrix 32,32 --coils 2 --snr 20dB --seed 1 -o kspace.h5");
    works(at, "recon kspace.h5 --method sense -o complex.npy");
    refused(at, "denoise complex.npy --noise poisson -o q.npy", &["complex.npy", "counts"]);
}

/// Twenty frames of two smooth maps and a constant with noise of deviation 0.1, `[frame, z, y, x]`; without it, too.
fn series() -> [ndarray::Array4<f32>; 2] {
    let truth = ndarray::Array4::from_shape_fn((20, 5, 12, 14), |(frame, z, y, x)| {
        let (z, y, x, t) = (z as f32, y as f32, x as f32, frame as f32);
        (0.3 * x + 0.2 * z).sin() * (0.7 * t).cos() - 2.0 + (0.2 * y).cos() * (-0.1 * t).exp()
    });
    let mut noisy = truth.clone();
    noisy.indexed_iter_mut().for_each(|((frame, z, y, x), value)| {
        *value += 0.1 * rushlight::random::Draws::new(3, [frame, z, 100 * y + x]).normal() as f32;
    });
    [truth, noisy]
}

fn series_image(values: &ndarray::Array4<f32>) -> rushlight::image::ComplexImage {
    let (_, z, y, x) = values.dim();
    rushlight::image::ComplexImage {
        values: values.mapv(|value| num_complex::Complex32::new(value, 0.0)),
        grid: rushlight::geometry::Grid::centered([z, y, x], [2.0, 0.7, 0.7], [1.0, 2.0, 3.0]),
        unit: rushlight::geometry::LengthUnit::Millimetre,
        provenance: "test".into(),
    }
}

#[test]
fn denoise_series() {
    use rushlight::image::Part;
    let folder = tempdir().unwrap();
    let at = folder.path();
    let [truth, noisy] = series();
    let image = series_image(&noisy);
    let options = io::WriteOptions::default();
    for name in ["series.npy", "series.nii.gz"] {
        io::write_complex(at.join(name), &image, Part::Real, &options).unwrap();
        let quiet = name.replace("series", "quiet");
        let map = name.replace("series", "sigma");
        let said = works(at, &format!("denoise {name} --method mp-pca -o {quiet} --noise-map {map} --json")).json();
        let sigma = said["sigma"].as_f64().unwrap();
        assert!((sigma / 0.1 - 1.0).abs() < 0.02, "{sigma}");
        // Two beside the mean, but for the places where one hardly varies.
        assert!((1.0..2.5).contains(&said["components"].as_f64().unwrap()), "{said}");
        assert_eq!(said["outputs"].as_array().map(Vec::len), Some(2), "{said}");
        let found = io::read_complex_image(at.join(&quiet)).unwrap();
        assert!(!io::is_complex(at.join(&quiet)).unwrap(), "real stays real");
        assert_eq!(found.values.dim(), truth.dim());
        let square: f32 = found.values.iter().zip(&truth).map(|(a, b)| (a.re - b).powi(2)).sum();
        let left = (square / truth.len() as f32).sqrt() / 0.1;
        assert!(left < 0.5, "{left}");
        let map = io::read_image(at.join(&map)).unwrap();
        assert!(map.values.iter().all(|value| (value / 0.1 - 1.0).abs() < 0.1), "{:?}", map.values);
        if name.ends_with("gz") {
            assert!((found.grid.steps[2][0] - 0.7).abs() < 1e-6, "{:?}", found.grid);
            assert_eq!((map.grid, map.unit), (found.grid, found.unit));
        }
    }
    // Complex numbers stay complex; steps, patches.
    io::write_complex(at.join("complex.npy"), &image, Part::Complex, &options).unwrap();
    works(at, "denoise complex.npy --method mp-pca --patch 3,5,5 --step 2 -o quiet-complex.cfl");
    assert!(io::is_complex(at.join("quiet-complex.cfl")).unwrap());
    let told = works(at, "denoise series.npy --method mp-pca --step 2 -o again.nii").err;
    assert!(told.contains("noise σ") && told.contains("wrote again.nii"), "{told}");

    let with = "denoise series.npy --method mp-pca";
    refused(at, &format!("{with} --sigma 0.1 -o q.npy"), &["--sigma", "mp-pca"]);
    refused(at, &format!("{with} --noise rician -o q.npy"), &["--noise", "mp-pca"]);
    refused(at, &format!("{with} --strength 2 -o q.npy"), &["--strength", "mp-pca"]);
    refused(at, &format!("{with} --patch 1,1,1 -o q.npy"), &["[1, 1, 1]", "too few"]);
    refused(at, &format!("{with} --patch 2,2,2 --step 3 -o q.npy"), &["step of 3"]);
    refused(at, &format!("{with} --noise-map again.nii -o q.npy"), &["again.nii", "--force"]);
    refused(at, &format!("{with} --noise-map q.npy -o q.npy"), &["q.npy", "two names"]);
    refused(at, &format!("{with} --noise-map ./q.npy -o q.npy"), &["q.npy", "two names"]);
    refused(at, &format!("{with} --noise-map q.what -o q.npy"), &["q.what"]);
    refused(at, "denoise sigma.npy --method mp-pca -o q.npy", &["sigma.npy", "series", "[1, 5, 12, 14]"]);
    refused(at, "denoise sigma.npy --method nlm --step 2 -o q.npy", &["--step", "mp-pca"]);
    refused(at, "denoise sigma.npy --method nlm --noise-map q.nii -o q.npy", &["--noise-map", "mp-pca"]);
    let mut broken = noisy.clone();
    broken[[3, 2, 1, 0]] = f32::INFINITY;
    io::write_complex(at.join("broken.npy"), &series_image(&broken), Part::Real, &options).unwrap();
    refused(at, "denoise broken.npy --method mp-pca -o q.npy", &["not finite", "[3, 2, 1, 0]"]);
    // Whole numbers, as scanners store them.
    let whole = noisy.mapv(|value| (1000.0 * value).round());
    io::write_complex(at.join("whole.nii"), &series_image(&whole), Part::Real, &options).unwrap();
    let said = works(at, "denoise whole.nii --method mp-pca -o quiet-whole.nii --json").json();
    assert!((said["sigma"].as_f64().unwrap() / 100.0 - 1.0).abs() < 0.02, "{said}");
}

/// Bright counts: waves of 4 % have fifty times the variance of the counts, and must not pass for it.
#[test]
fn denoise_does_not_take_texture_for_counts() {
    let folder = tempdir().unwrap();
    let wave = |y: usize, x: usize| {
        let slow = 20_000.0 + 10_000.0 * (y as f64 / 30.0).sin();
        slow * (1.0 + 0.04 * (x as f64 * 1.9 + y as f64 * 1.1).sin())
    };
    let counts = ndarray::Array3::from_shape_fn((1, 128, 128), |(_, y, x)| {
        rushlight::random::Draws::new(3, [0, y, x]).poisson(wave(y, x)) as f32
    });
    let grid = rushlight::geometry::Grid::centered([1, 128, 128], [1.0; 3], [0.0; 3]);
    let unit = rushlight::geometry::LengthUnit::Millimetre;
    let image =
        Image { values: counts, grid, unit, quantity: rushlight::image::Quantity::Unknown, provenance: String::new() };
    io::write_image(folder.path().join("counts.npy"), &image, &io::WriteOptions::default()).unwrap();
    let said = works(folder.path(), "denoise counts.npy --noise poisson --method nlm --json -o quiet.npy").json();
    let gain = said["gain"].as_f64().unwrap();
    assert!(gain < 4.0, "a gain of {gain}, not 1");
}
