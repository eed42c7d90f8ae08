//! The virtual scanner against closed forms and against its own statistics.

use ndarray::{Array3, s};
use rushlight::{
    device::Device,
    geometry::{Fan, Geometry, Grid, LengthUnit, Parallel},
    image::{Image, Quantity},
    monitor::Monitor,
    physics::{self, Beam, Dense, Material, Spectrum, Tube},
    scan::{Bowtie, Scan, noise::Noise},
    scanner::{Detector, LowDose, Scanner, lodopab, object},
};

fn parallel(views: usize, columns: usize, cell: f64) -> Geometry {
    let angles = (0..views).map(|view| view as f64 * std::f64::consts::PI / views as f64).collect();
    Parallel { angles, columns, rows: 1, cell, cell_height: 1.0, center: None, unit: LengthUnit::Millimetre }.geometry()
}

fn fan(views: usize, columns: usize, cell: f64, curved: bool) -> Geometry {
    Fan {
        angles: (0..views).map(|view| view as f64 * std::f64::consts::TAU / views as f64).collect(),
        columns,
        rows: 1,
        cell,
        cell_height: 1.0,
        source_origin: 500.0,
        source_detector: 1000.0,
        center: None,
        axis_offset: 0.0,
        curved,
        unit: LengthUnit::Millimetre,
    }
    .geometry()
}

/// An image of `pixel` mm whose value at (x, y) mm is `value`, sampled 4 × 4 times a pixel.
fn image(size: usize, pixel: f64, quantity: Quantity, value: impl Fn(f64, f64) -> f64) -> Image {
    let grid = Grid::centered([1, size, size], [pixel; 3], [0.0; 3]);
    let values = Array3::from_shape_fn(grid.shape, |(_, row, column)| {
        let sample = |i: i32| {
            let part = |k: i32| (f64::from(k) + 0.5) / 4.0 - 0.5;
            let [x, y, _] = grid.position([0.0, row as f64 + part(i / 4), column as f64 + part(i % 4)]);
            value(x, y)
        };
        ((0..16).map(sample).sum::<f64>() / 16.0) as f32
    });
    Image { values, grid, unit: LengthUnit::Millimetre, quantity, provenance: String::new() }
}

const HU: Quantity = Quantity::Hounsfield { mu_water: None };

fn water_disk(radius: f64) -> Image {
    image(256, 1.0, HU, |x, y| if x.hypot(y) < radius { 0.0 } else { -1000.0 })
}

fn scan(scanner: &Scanner, image: &Image, geometry: &Geometry) -> Scan {
    scanner.scan(image, geometry, &Device::cpu(), &Monitor::silent()).unwrap().scan
}

/// Everything is open beam: an empty image.
fn air(scanner: &Scanner, geometry: &Geometry) -> Scan {
    scan(scanner, &image(8, 1.0, HU, |_, _| -1000.0), geometry)
}

fn mean_and_variance(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / n;
    (mean, values.map(|value| (f64::from(value) - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

#[test]
fn a_water_disk_in_a_tubes_beam_has_the_log_sum_of_its_chords() {
    let spectrum = Spectrum::of(&"120kV,2.5mmAl".parse::<Tube>().unwrap());
    let geometry = parallel(3, 121, 2.0);
    for weighting in [physics::Detector::Integrating, physics::Detector::Counting] {
        let scanner = Scanner { spectrum: Some(spectrum.clone()), weighting, ..Scanner::default() };
        let found = scan(&scanner, &water_disk(100.0), &geometry);
        for view in 0..3 {
            // Not at the rim, where the disk's pixels show.
            for column in 16..105 {
                let offset = 2.0 * (column as f64 - 60.0);
                let chord = 2.0 * (1e4 - offset * offset).sqrt();
                let weight = |energy: f64| if weighting == physics::Detector::Counting { 1.0 } else { energy };
                let sum = |thickness: f64| {
                    let pairs = spectrum.energies.iter().zip(&spectrum.photons);
                    pairs
                        .map(|(e, n)| n * weight(*e) * (-Material::water().attenuation(*e) * thickness).exp())
                        .sum::<f64>()
                };
                let expected = -(sum(chord) / sum(0.0)).ln();
                let value = f64::from(found.projections[[view, 0, column]]);
                assert!((value - expected).abs() < 0.01, "view {view} at {offset} mm: {value}, not {expected}");
            }
        }
    }
}

#[test]
fn one_energy_gives_the_chords_times_the_attenuation_of_water() {
    let scanner = Scanner::default();
    assert!((scanner.water() - 0.01929).abs() < 1e-5);
    let found = scan(&scanner, &water_disk(100.0), &parallel(2, 121, 2.0));
    assert!((f64::from(found.projections[[1, 0, 60]]) - 200.0 * scanner.water()).abs() < 2e-3);
}

#[test]
fn iodine_above_the_threshold_attenuates_as_iodine_does() {
    // 20 mm of contrast medium of 400 HU at 70 keV, in a beam of nearly one energy just above the edge of iodine.
    let line = Spectrum { energies: vec![34.5], photons: vec![1.0] };
    let block = image(64, 1.0, HU, |x, y| if x.abs() < 10.0 && y.abs() < 20.0 { 400.0 } else { -1000.0 });
    let scanner = Scanner { spectrum: Some(line), dense: Dense::Iodine, ..Scanner::default() };
    let found = f64::from(scan(&scanner, &block, &parallel(2, 41, 1.0)).projections[[1, 0, 20]]);
    let [water, iodine] = [Material::water(), Material::named("iodine").unwrap()];
    let share = 0.3 * water.attenuation(70.0) / iodine.attenuation(70.0);
    let expected = 20.0 * (1.1 * water.attenuation(34.5) + share * iodine.attenuation(34.5));
    assert!((found / expected - 1.0).abs() < 1e-3, "{found} {expected}");
    let bone = Material::named("cortical-bone").unwrap();
    let part = 0.3 * water.attenuation(70.0) / (bone.attenuation(70.0) - 1.1 * water.attenuation(70.0));
    let expected = 20.0 * ((1.0 - part) * 1.1 * water.attenuation(34.5) + part * bone.attenuation(34.5));
    let scanner = Scanner { dense: Dense::Bone, ..scanner };
    let as_bone = f64::from(scan(&scanner, &block, &parallel(2, 41, 1.0)).projections[[1, 0, 20]]);
    assert!((as_bone / expected - 1.0).abs() < 1e-3 && as_bone < 0.95 * found, "{as_bone} {expected} {found}");
}

#[test]
fn without_effects_the_noise_is_that_of_the_plain_beam_bit_for_bit() {
    let geometry = parallel(20, 64, 3.0);
    let disk = water_disk(80.0);
    let mut expected = scan(&Scanner::default(), &disk, &geometry);
    // The scanner keeps the transmission in f64, the plain beam the line integral in f32.
    Noise { photons: 1e4, seed: 5, electronic: 3.0 }.apply(&mut expected).unwrap();
    let detector = Detector { photons: Some(1e4), seed: 5, electronic: 3.0, ..Detector::default() };
    let noisy = Scanner { detector, ..Scanner::default() };
    let found = scan(&noisy, &disk, &geometry);
    let off = found.projections.iter().zip(&expected.projections).filter(|(a, b)| (**a - **b).abs() > 1e-4).count();
    assert!(off <= 2, "{off} of {} readings differ", found.projections.len());
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let detector = Detector { photons: Some(1e3), seed: 3, electronic: 2.0, cross_talk: 0.03, ..Detector::default() };
    let scanner = Scanner {
        spectrum: Some(Spectrum::of(&Tube::usual(100.0).unwrap())),
        bowtie: Some(Bowtie { diameter: 150.0 }),
        focal_spot: 1.0,
        detector,
        ..Scanner::default()
    };
    let with = |threads: usize, seed: u64| {
        let scanner = Scanner { detector: Detector { seed, ..detector }, ..scanner.clone() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| scan(&scanner, &water_disk(60.0), &fan(12, 100, 2.0, true)).projections)
    };
    let one = with(1, 3);
    assert_eq!(one, with(3, 3));
    assert_ne!(one, with(3, 4));
}

#[test]
fn noise_has_the_variance_of_photons_and_their_energies() {
    // Behind nothing, a counting detector has 1/N, an integrating one ⟨E²⟩/⟨E⟩²/N, to first order in 1/N.
    let spectrum = Spectrum::of(&Tube::usual(120.0).unwrap());
    let detector = Detector { photons: Some(1e4), seed: 1, ..Detector::default() };
    let moment = |power: i32| {
        let pairs = spectrum.energies.iter().zip(&spectrum.photons);
        pairs.map(|(energy, photons)| energy.powi(power) * photons).sum::<f64>() / spectrum.fluence()
    };
    for (weighting, expected) in
        [(physics::Detector::Counting, 1e-4), (physics::Detector::Integrating, 1e-4 * moment(2) / moment(1).powi(2))]
    {
        let scanner = Scanner { spectrum: Some(spectrum.clone()), weighting, detector, ..Scanner::default() };
        let open = air(&scanner, &parallel(100, 400, 1.0));
        let (mean, variance) = mean_and_variance(open.projections.iter().copied());
        let n = open.projections.len() as f64;
        assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / n).sqrt() + 2e-4, "{variance} {expected}");
        assert!((mean - expected / 2.0).abs() < 5.0 * (expected / n).sqrt(), "{mean}");
    }
    assert!(moment(2) / moment(1).powi(2) > 1.05);
}

#[test]
fn cross_talk_keeps_the_gain_spreads_an_edge_and_correlates_noise() {
    let geometry = parallel(200, 200, 1.0);
    let with = |cross_talk: f64, photons: Option<f64>| Scanner {
        detector: Detector { cross_talk, photons, seed: 2, ..Detector::default() },
        ..Scanner::default()
    };
    assert!(air(&with(0.1, None), &geometry).projections.iter().all(|p| p.abs() < 1e-6));
    // One view along the face of a block: transmission before and after differ by the kernel (f, 1 − 2f, f).
    let block = image(100, 1.0, HU, |x, _| if x < 0.0 { 2000.0 } else { -1000.0 });
    let transmission = |cross_talk: f64| {
        let scan = scan(&with(cross_talk, None), &block, &parallel(1, 80, 1.0));
        scan.projections.mapv(|p| f64::from((-p).exp()))
    };
    let (sharp, spread) = (transmission(0.0), transmission(0.1));
    for column in 1..79 {
        let expected = 0.8 * sharp[[0, 0, column]] + 0.1 * (sharp[[0, 0, column - 1]] + sharp[[0, 0, column + 1]]);
        assert!((spread[[0, 0, column]] - expected).abs() < 1e-6, "{column}");
    }
    assert!(spread[[0, 0, 39]] > 0.05 && sharp[[0, 0, 39]] < 0.01);
    // Variance (1 − 2f)² + 2f², covariance of neighbours 2f(1 − 2f), of those one further f², in parts of 1/N.
    let noisy = air(&with(0.1, Some(1e5)), &geometry).projections;
    let covariance = |lag: usize| {
        let (a, b) = (noisy.slice(s![.., .., 1..190]), noisy.slice(s![.., .., 1 + lag..190 + lag]));
        let sum: f64 = a.iter().zip(b.iter()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        sum / a.len() as f64 * 1e5
    };
    for (lag, expected) in [(0, 0.66), (1, 0.16), (2, 0.01), (3, 0.0)] {
        assert!((covariance(lag) - expected).abs() < 0.02, "lag {lag}: {}", covariance(lag));
    }
}

/// An edge at the axis, seen through a spot of width w from the distance D₁ on a detector at D₂ from the axis: its image
/// is a ramp w·D₂/D₁ wide, here as wide as the spot, whose profile has the variance w²/12.
#[test]
fn a_focal_spot_blurs_by_its_width() {
    for curved in [false, true] {
        // Thin across the beam, so that the edge is at one distance; faint, so that signal and line integral are alike.
        let foil = image(256, 0.25, Quantity::Attenuation(LengthUnit::Millimetre), |x, y| {
            if x > 0.0 && y.abs() < 0.5 { 1e-3 } else { 0.0 }
        });
        let width = |spot: f64| {
            let scanner = Scanner { focal_spot: spot, ..Scanner::default() };
            let row = scan(&scanner, &foil, &fan(1, 240, 0.2, curved)).projections;
            let slope: Vec<f64> = (1..240).map(|c| f64::from(row[[0, 0, c]] - row[[0, 0, c - 1]])).collect();
            // Only near the edge: the foil's length along oblique rays grows towards the side.
            let part = |power: i32| (90..150).map(|c| ((c as f64 - 119.0) * 0.2).powi(power) * slope[c]).sum::<f64>();
            (part(1) / part(0), part(2) / part(0) - (part(1) / part(0)).powi(2))
        };
        let ((sharp_at, sharp), (blurred_at, blurred)) = (width(0.0), width(4.0));
        assert!(((blurred - sharp) / (16.0 / 12.0) - 1.0).abs() < 0.02, "{curved}: {blurred} − {sharp}");
        assert!((blurred_at - sharp_at).abs() < 0.02, "{curved}: {sharp_at} → {blurred_at}");
    }
}

#[test]
fn a_bowtie_evens_out_the_cylinder_it_is_made_for() {
    let bowtie = Some(Bowtie { diameter: 160.0 });
    let disk = water_disk(80.0);
    let geometry = fan(2, 140, 2.0, false);
    let quiet = Scanner { bowtie, ..Scanner::default() };
    // Normalised by the open beam behind the same filter, so that only noise tells of it.
    let [plain, shaped] = [&Scanner::default(), &quiet].map(|scanner| scan(scanner, &disk, &geometry).projections);
    assert!(plain.iter().zip(&shaped).all(|(a, b)| (a - b).abs() < 1e-4));
    let noisy = Scanner { detector: Detector { photons: Some(1e6), seed: 4, ..Detector::default() }, ..quiet.clone() };
    let noisy = scan(&noisy, &disk, &fan(400, 140, 2.0, false)).projections;
    let variance = |column: usize| {
        let column = noisy.slice(s![.., 0, column]);
        mean_and_variance(column.iter().copied()).1
    };
    // In the middle, at half the radius and beyond the cylinder alike: e^(μd)/N.
    let expected = (160.0 * quiet.water()).exp() / 1e6;
    for column in [69, 110, 5] {
        assert!((variance(column) / expected - 1.0).abs() < 0.35, "{column}: {} {expected}", variance(column));
    }
}

#[test]
fn inserted_low_dose_has_mean_and_variance_of_a_direct_scan() {
    let geometry = parallel(300, 100, 1.0);
    let truth = |p: f32| Scan::new(Array3::from_elem([300, 1, 100], p), geometry.clone()).unwrap();
    for (p, photons, electronic) in [(0.0, 1e4, 0.0), (3.0, 1e5, 0.0), (4.0, 1e5, 20.0), (3.0, 2e3, 4.0)] {
        let mut full = truth(p);
        Noise { photons, seed: 8, electronic }.apply(&mut full).unwrap();
        let mut inserted = full.clone();
        LowDose { electronic, seed: 8, ..LowDose::new(0.25, photons) }.insert(&mut inserted).unwrap();
        let mut direct = truth(p);
        Noise { photons: photons / 4.0, seed: 9, electronic }.apply(&mut direct).unwrap();
        let [(full_mean, full_variance), (mean, variance), (direct_mean, direct_variance)] =
            [&full, &inserted, &direct].map(|scan| mean_and_variance(scan.projections.iter().copied()));
        println!(
            "p {p}, N₀ {photons}, σ {electronic}: variance {variance:.3e}, direct {direct_variance:.3e}, full {full_variance:.3e}; mean {mean:.4}, direct {direct_mean:.4}, full {full_mean:.4}"
        );
        assert!((variance / direct_variance - 1.0).abs() < 0.05, "{p} {photons}: {variance} {direct_variance}");
        assert!(variance > 3.5 * full_variance);
        assert!((mean - direct_mean).abs() < 5.0 * (direct_variance / 1.5e4).sqrt(), "{mean} {direct_mean}");
    }
    let mut same = truth(2.0);
    LowDose::new(1.0, 1e5).insert(&mut same).unwrap();
    assert!(same.projections.iter().all(|p| (p - 2.0).abs() < 1e-6));
}

#[test]
fn lodopab_is_the_published_protocol() {
    assert!((1000.0 * lodopab::MU_MAX - 81.35858).abs() < 1e-9);
    let geometry = lodopab::geometry();
    assert_eq!(geometry.shape(), [1000, 1, 513]);
    let hu = image(512, 0.5, HU, |x, y| if x.hypot(y) < 60.0 { 0.0 } else { -1000.0 });
    let truth = lodopab::truth(&hu, 7).unwrap();
    assert_eq!(truth.grid.shape, [1, 362, 362]);
    assert!((truth.grid.voxel()[2] - 260.0 / 362.0).abs() < 1e-12);
    let water = truth.values[[0, 181, 181]];
    assert!((0.02..0.020_02).contains(&water), "{water}");
    assert!((0.0..0.000_041).contains(&truth.values[[0, 5, 5]]));
    // The phantom's pixels are 0.5 mm and become 0.718 mm: a disk of 86.2 mm radius. Beside it, 4096 photons.
    let made = lodopab::scan(&truth, 7, &Device::cpu(), &Monitor::silent()).unwrap();
    let middle = made.scan.projections.slice(s![.., 0, 256]);
    let (mean, variance) = mean_and_variance(middle.iter().copied());
    let chord: f64 = 0.020_01 * 2.0 * 60.0 * 260.0 / 362.0 / 0.5 + 3e-5 * (260.0 - 172.4);
    // ln of a Poisson count is biased by −1/(2N) and 1/N wide.
    let counts = lodopab::PHOTONS * (-chord).exp();
    assert!((mean - chord - 0.5 / counts).abs() < 0.02, "{mean} {chord}");
    assert!((variance * counts - 1.0).abs() < 0.2, "{variance} {counts}");
    // Corners of the square are seen by the outermost cells at 45° only.
    let (mean, variance) = mean_and_variance(made.scan.projections.slice(s![.., 0, 40]).iter().copied());
    assert!(mean < 0.02 && (variance * 4096.0 - 1.0).abs() < 0.3, "{mean} {variance}");
    let dark = Image { values: truth.values.mapv(|_| 0.06), ..truth };
    let few = Geometry { views: geometry.views[..20].to_vec(), ..geometry };
    let dark = lodopab::scanner(7).scan(&dark, &few, &Device::cpu(), &Monitor::silent()).unwrap();
    let most = dark.scan.projections.iter().copied().fold(0.0, f32::max);
    assert!(dark.floored > 0 && (most - 40960.0_f32.ln()).abs() < 1e-5, "{most}");
}

#[test]
fn impossible_scanners_are_refused() {
    let geometry = fan(2, 20, 2.0, false);
    let disk = water_disk(20.0);
    let said = |scanner: Scanner, image: &Image, geometry: &Geometry| {
        scanner.scan(image, geometry, &Device::cpu(), &Monitor::silent()).unwrap_err().to_string()
    };
    let detector = |detector: Detector| Scanner { detector, ..Scanner::default() };
    let usual = Detector::default();
    for (scanner, words) in [
        (detector(Detector { photons: Some(0.0), ..usual }), "above 0"),
        (detector(Detector { photons: Some(f64::NAN), ..usual }), "above 0"),
        (detector(Detector { photons: Some(1e5), electronic: -1.0, ..usual }), "0 or more"),
        (detector(Detector { electronic: 2.0, ..usual }), "photons"),
        (detector(Detector { cross_talk: 0.5, ..usual }), "0 to 0.25"),
        (detector(Detector { floor: 0.0, ..usual }), "zero-count"),
        (Scanner { focal_spot: -1.0, ..Scanner::default() }, "focal spot"),
        (Scanner { energy: 500.0, ..Scanner::default() }, "keV"),
        (Scanner { bowtie: Some(Bowtie { diameter: 0.0 }), ..Scanner::default() }, "bow-tie"),
    ] {
        let message = said(scanner, &disk, &geometry);
        assert!(message.contains(words), "{words}: {message}");
    }
    let spot = Scanner { focal_spot: 1.0, ..Scanner::default() };
    assert!(said(spot, &disk, &parallel(2, 20, 1.0)).contains("parallel"));
    let unknown = Image { quantity: Quantity::Unknown, ..disk.clone() };
    assert!(said(Scanner::default(), &unknown, &geometry).contains("--unit"));
    let negative = image(64, 4.0, Quantity::Attenuation(LengthUnit::Millimetre), |_, _| -1.0);
    let many = detector(Detector { photons: Some(1e5), ..usual });
    assert!(said(many, &negative, &geometry).contains("too many"));
    let mut lost = disk.clone();
    lost.values[[0, 3, 4]] = f32::NAN;
    assert!(said(Scanner::default(), &lost, &geometry).contains("[0, 3, 4]"));
    for (fraction, photons) in [(0.0, 1e5), (1.5, 1e5), (f64::NAN, 1e5), (0.5, 0.0)] {
        assert!(LowDose::new(fraction, photons).insert(&mut air(&Scanner::default(), &geometry)).is_err());
    }
    assert!(lodopab::truth(&disk, 0).unwrap_err().to_string().contains("362"));
    let beam = Beam::new(&Spectrum::line(60.0), physics::Detector::Counting, &[&Material::water()]);
    assert!(beam.signal(&[0.0]).mean == 1.0 && object::centered(&disk).grid == disk.grid);
}
