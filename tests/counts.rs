//! From raw counts to images, as users run it: counts of a disk in closed form, what detectors do to them, and the whole
//! image that must come out.

use std::{f64::consts::PI, path::Path};

use hdf5_pure::{AttrValue, FileBuilder};
use ndarray::{Array3, ArrayD};
use rushlight::{
    geometry::{Grid, LengthUnit},
    image::{Image, Quantity},
    io::{self, WriteOptions},
    random::Draws,
};
use tempfile::{TempDir, tempdir};

mod command;

use command::{refused, works};

const VIEWS: usize = 180;
const COLUMNS: usize = 128;

/// Line integrals of a disk off the axis, in cells of 1 mm over half a turn: 2μ√(r² − (t − x cos θ − y sin θ)²).
fn disk(attenuation: f64, [x, y]: [f64; 2], radius: f64) -> Array3<f64> {
    Array3::from_shape_fn((VIEWS, 1, COLUMNS), |(view, _, column)| {
        let (sin, cos) = (view as f64 * PI / VIEWS as f64).sin_cos();
        let t = column as f64 - 63.5 - x * cos - y * sin;
        2.0 * attenuation * (radius * radius - t * t).max(0.0).sqrt()
    })
}

/// Writes an npy file of any number of dimensions.
fn npy(folder: &Path, name: &str, values: ArrayD<f64>) {
    let extents: String = values.shape().iter().map(|extent| format!("{extent},")).collect();
    let mut line = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({extents}), }}");
    while (line.len() + 11) % 64 != 0 {
        line.push(' ');
    }
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((line.len() as u16 + 1).to_le_bytes());
    bytes.extend(line.bytes().chain([b'\n']));
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(folder.join(name), bytes).unwrap();
}

/// DXchange with counts, flat and dark frames; theta as it is, with its unit or without.
fn dxchange(folder: &Path, name: &str, [data, flat, dark]: [&Array3<f64>; 3], theta: &[f64], unit: Option<&str>) {
    let mut file = FileBuilder::new();
    let mut exchange = file.create_group("exchange");
    for (name, values) in [("data", data), ("data_white", flat), ("data_dark", dark)] {
        let shape: Vec<u64> = values.shape().iter().map(|extent| *extent as u64).collect();
        let numbers: Vec<f64> = values.iter().copied().collect();
        exchange.create_dataset(name).with_f64_data(&numbers).with_shape(&shape);
    }
    let set = exchange.create_dataset("theta").with_f64_data(theta);
    if let Some(unit) = unit {
        set.set_attr("units", AttrValue::VarLenString(unit.into()));
    }
    file.add_group(exchange.finish());
    file.finish_to(std::fs::File::create(folder.join(name)).unwrap()).unwrap();
}

fn degrees() -> Vec<f64> {
    (0..VIEWS).map(|view| view as f64 * 180.0 / VIEWS as f64).collect()
}

fn values(folder: &TempDir, name: &str) -> Array3<f32> {
    io::read_image(folder.path().join(name)).unwrap().values
}

fn worst(a: &Array3<f32>, b: &Array3<f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

const PARALLEL: &str = "--geometry parallel --angles 0..180deg --cell 1mm --size 128 --voxel 1mm --force";

#[test]
fn a_single_frame_serves_a_stack() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let rows = [1.0, 0.5, 0.25];
    let truth = disk(0.02, [6.0, -9.0], 40.0);
    let stack = Array3::from_shape_fn((VIEWS, 3, COLUMNS), |(view, row, column)| rows[row] * truth[[view, 0, column]]);
    let gain = |row: usize, column: usize| 20_000.0 + 500.0 * row as f64 + 40.0 * (column % 7) as f64;
    let counts = Array3::from_shape_fn((VIEWS, 3, COLUMNS), |at| 100.0 + gain(at.1, at.2) * (-stack[at]).exp());
    let flat = Array3::from_shape_fn((1, 3, COLUMNS), |(_, row, column)| 100.0 + gain(row, column));
    npy(at, "lines.npy", stack.into_dyn());
    npy(at, "counts.npy", counts.into_dyn());
    npy(at, "flat3.npy", flat.clone().into_dyn());
    npy(at, "flat2.npy", flat.clone().index_axis_move(ndarray::Axis(0), 0).into_dyn());
    npy(at, "dark.npy", ArrayD::from_elem(vec![3, COLUMNS], 100.0));
    let image = Image {
        values: flat.mapv(|value| value as f32),
        grid: Grid::centered([1, 3, COLUMNS], [1.0; 3], [0.0; 3]),
        unit: LengthUnit::Cell,
        quantity: Quantity::Unknown,
        provenance: String::new(),
    };
    std::fs::create_dir(at.join("flats")).unwrap();
    for name in ["flat.tif", "flats/flat-1.tif"] {
        io::write_image(at.join(name), &image, &WriteOptions::default()).unwrap();
    }
    works(at, &format!("recon lines.npy {PARALLEL} -o truth.npy"));
    for flat in ["flat3.npy", "flat2.npy", "flat.tif", "flats"] {
        works(at, &format!("recon counts.npy --flat {flat} --dark dark.npy --stripes off {PARALLEL} -o image.npy"));
        let off = worst(&values(&folder, "image.npy"), &values(&folder, "truth.npy"));
        assert!(off < 1e-5, "{flat}: {off}");
    }
    // One row: a frame of it has one dimension.
    let line = counts_of_a_row(&truth);
    npy(at, "row.npy", line.into_dyn());
    npy(at, "flat1.npy", ArrayD::from_elem(vec![COLUMNS], 20_000.0));
    npy(at, "short.npy", ArrayD::from_elem(vec![COLUMNS - 1], 20_000.0));
    works(at, &format!("recon row.npy --flat flat1.npy --stripes off {PARALLEL} -o row-image.npy"));
    let first = values(&folder, "truth.npy").slice(ndarray::s![..1, .., ..]).to_owned();
    assert!(worst(&values(&folder, "row-image.npy"), &first) < 1e-5);
    refused(at, &format!("recon counts.npy --flat flat1.npy {PARALLEL} -o no.npy"), &["flat1.npy", "3 rows"]);
    refused(at, &format!("recon row.npy --flat short.npy {PARALLEL} -o no.npy"), &["short.npy", "128 columns"]);
}

fn counts_of_a_row(truth: &Array3<f64>) -> Array3<f64> {
    truth.mapv(|line| 20_000.0 * (-line).exp())
}

#[test]
fn cells_and_readings_that_are_wrong_leave_no_streaks() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let truth = disk(0.02, [5.0, 8.0], 45.0);
    let clean = truth.mapv(|line| (100.0 + 20_000.0 * (-line).exp()).round());
    let [mut flat, dark] = [20_100.0, 100.0].map(|level| Array3::from_elem((5, 1, COLUMNS), level));
    let good = flat.clone();
    let mut data = clean.clone();
    // A dead cell, one that is stuck bright in flat field and data, a frame without beam, single readings below the dark.
    data.slice_mut(ndarray::s![.., 0, 90]).fill(0.0);
    flat.slice_mut(ndarray::s![.., 0, 90]).fill(0.0);
    data.slice_mut(ndarray::s![.., 0, 40]).fill(65_535.0);
    flat.slice_mut(ndarray::s![.., 0, 40]).fill(65_535.0);
    flat.slice_mut(ndarray::s![3, 0, ..]).assign(&dark.slice(ndarray::s![3, 0, ..]));
    let lone: Vec<_> =
        (0..30).map(|i| [6 * i + i % 4, 0, 10 + (47 * i) % 109]).filter(|at| at[2] != 90 && at[2] != 40).collect();
    for (index, at) in lone.iter().enumerate() {
        data[*at] = [0.0, 60.0, 99.0][index % 3];
    }
    dxchange(at, "clean.h5", [&clean, &good, &dark], &degrees(), Some("deg"));
    dxchange(at, "bad.h5", [&data, &flat, &dark], &degrees(), Some("deg"));
    let line = "--geometry parallel --cell 1mm --size 128 --voxel 1mm --stripes off";
    works(at, &format!("recon clean.h5 {line} -o clean.npy"));
    let run = works(at, &format!("recon bad.h5 {line} -o bad.npy"));
    for words in ["1 frames of another brightness", "2 dead or stuck cells", &format!("{} without light", lone.len())] {
        assert!(run.err.contains(words), "{words}: {}", run.err);
    }
    let [clean, bad] = ["clean.npy", "bad.npy"].map(|name| values(&folder, name));
    let off = worst(&clean, &bad);
    // What is bridged is not known exactly, at the disk's edge least of all.
    assert!(off < 0.002, "{off}");
}

/// Photon counts behind `lines`, `open` in the open beam.
fn photons(seed: u64, open: f64, lines: &Array3<f64>) -> Array3<f64> {
    Array3::from_shape_fn(lines.dim(), |(v, r, c)| {
        Draws::new(seed, [v, r, c]).poisson(open * (-lines[[v, r, c]]).exp())
    })
}

/// The disk of [`disk`] on 128 × 128 pixels of 1 mm, 8 × 8 points a pixel.
fn drawn(attenuation: f64, [x, y]: [f64; 2], radius: f64) -> Array3<f32> {
    Array3::from_shape_fn((1, 128, 128), |(_, row, column)| {
        let at = |index: usize, part: usize, middle: f64| index as f64 + (part as f64 + 0.5) / 8.0 - 64.0 - middle;
        let inside = |i: usize| at(column, i % 8, x).hypot(at(row, i / 8, y)) < radius;
        (attenuation * (0..64).filter(|&i| inside(i)).count() as f64 / 64.0) as f32
    })
}

#[test]
fn a_cell_that_is_stuck_in_the_data_alone_is_found_wherever_it_is() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let (attenuation, middle, radius) = (0.02, [2.0, -3.0], 40.0);
    let counts = photons(1, 3e4, &disk(attenuation, middle, radius));
    let flat = photons(2, 3e4, &Array3::zeros((20, 1, COLUMNS)));
    let dark = Array3::zeros((2, 1, COLUMNS));
    let line = "--geometry parallel --cell 1mm --size 128 --voxel 1mm --filter hann --force";
    let truth = drawn(attenuation, middle, radius);
    let error = |name: &str| worst_block(&values(&folder, name), &truth, attenuation);
    dxchange(at, "clean.h5", [&counts, &flat, &dark], &degrees(), Some("deg"));
    let run = works(at, &format!("recon clean.h5 {line} -o clean.npy"));
    assert!(run.err.contains(" 0 dead or stuck cells"), "{}", run.err);
    let clean = error("clean.npy");
    assert!(clean < 0.05, "{clean}");
    // On the axis, near it, under the disk's edge, in the air; the flat field is fine.
    for column in [63, 65, 72, 101, 120] {
        let mut data = counts.clone();
        data.slice_mut(ndarray::s![.., 0, column]).fill(12_345.0);
        dxchange(at, "stuck.h5", [&data, &flat, &dark], &degrees(), Some("deg"));
        let run = works(at, &format!("recon stuck.h5 {line} -o stuck.npy"));
        assert!(run.err.contains(" 1 dead or stuck cells"), "column {column}: {}", run.err);
        let stuck = error("stuck.npy");
        assert!(stuck < 0.05, "column {column}: {stuck}, {clean} without");
    }
}

/// The greatest mean error of blocks of 8 × 8 pixels, as a part of `attenuation`: rings and streaks stand out there, noise does not.
fn worst_block(found: &Array3<f32>, truth: &Array3<f32>, attenuation: f64) -> f32 {
    let error = found - truth;
    let blocks = error.exact_chunks((1, 8, 8)).into_iter().map(|block| block.mean().unwrap().abs());
    blocks.fold(0.0, f32::max) / attenuation as f32
}

#[test]
fn views_without_beam_are_left_out_with_their_angles() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let (attenuation, middle, radius) = (0.02, [12.0, -9.0], 38.0);
    let mut counts = photons(3, 3e4, &disk(attenuation, middle, radius));
    let flat = photons(4, 3e4, &Array3::zeros((20, 1, COLUMNS)));
    let dark = Array3::from_shape_fn((4, 1, COLUMNS), |(frame, _, _)| [99.0, 100.0, 101.0, 100.0][frame]);
    counts.mapv_inplace(|count| count + 100.0);
    let truth = drawn(attenuation, middle, radius);
    let line = "--geometry parallel --cell 1mm --size 128 --voxel 1mm --force";
    let made = |name: &str, counts: &Array3<f64>, flags: &str| {
        dxchange(
            at,
            &format!("{name}.h5"),
            [counts, &flat.mapv(|count| count + 100.0), &dark],
            &degrees(),
            Some("deg"),
        );
        let run = works(at, &format!("recon {name}.h5 {line} {flags} -o {name}.npy"));
        (worst_block(&values(&folder, &format!("{name}.npy")), &truth, attenuation), run.err)
    };
    // The first view, and some in between that read the dark field, or nothing at all.
    let mut shut = counts.clone();
    for (views, level) in [(0..1, 100.0), (50..53, 100.0), (120..121, 0.0)] {
        shut.slice_mut(ndarray::s![views, .., ..]).fill(level);
    }
    for (flags, error) in [("--filter hann", 0.06), ("--method sirt --iterations 60", 0.15)] {
        let (clean, said) = made("clean", &counts, flags);
        assert!(clean < error && !said.contains("beam in"), "{flags}: {clean} {said}");
        let (off, said) = made("shut", &shut, flags);
        assert!(said.contains("no beam in 5 views, which are left out with their angles: 0, 50–52, 120"), "{said}");
        assert!(said.contains(" 0 readings of less than"), "{said}");
        assert!(off < clean + 0.01, "{flags}: {off}, {clean} with all views");
    }
    // As the file numbers them.
    let (_, said) = made("shut", &shut, "--every 2");
    assert!(said.contains("no beam in 4 views, which are left out with their angles: 0, 50, 52, 120"), "{said}");
}

#[test]
fn a_saturated_detector_is_told_from_a_scan_without_noise() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let lines = disk(0.02, [12.0, -9.0], 38.0);
    let air = Array3::zeros((10, 1, COLUMNS));
    let [counts, flat] = [photons(5, 7e4, &lines), photons(6, 7e4, &air)];
    let dark = Array3::zeros((2, 1, COLUMNS));
    let said = |counts: Array3<f64>, flat: Array3<f64>, flags: &str| {
        dxchange(at, "scan.h5", [&counts, &flat, &dark], &degrees(), Some("deg"));
        works(at, &format!("recon scan.h5 --geometry parallel --cell 1mm --size 128 --force {flags} -o image.npy")).err
    };
    let cut = |values: &Array3<f64>, most: f64| values.mapv(|value| value.min(most));
    // Full bits, and another number, which cuts all of the open beam or half its noise.
    for most in [65_535.0, 60_000.0, 70_000.0] {
        for flags in ["", "--no-repair"] {
            let text = said(cut(&counts, most), cut(&flat, most), flags);
            assert!(text.contains(&format!("flat field's readings stand at {most}, ")), "{most}: {text}");
            assert!(text.contains(&format!("data's readings stand at {most}, the most")), "{most}: {text}");
            assert!(text.contains("too small"), "{most}: {text}");
        }
    }
    // The share, by what was cut.
    let share = 100.0 * counts.iter().filter(|count| **count >= 65_535.0).count() as f64 / counts.len() as f64;
    let text = said(cut(&counts, 65_535.0), cut(&flat, 65_535.0), "");
    assert!(
        text.contains(&format!("100.0 % of the flat field's readings stand at 65535, {share:.1} % of the data")),
        "{text}"
    );
    // The object hides the beam; the flat field alone is saturated; then the data alone.
    let half = counts.mapv(|count| (0.5 * count).round());
    let text = said(half.clone(), cut(&flat, 65_535.0), "");
    assert!(text.contains("flat field's readings stand at 65535, the most"), "{text}");
    let text = said(cut(&counts, 65_535.0), flat.clone(), "");
    assert!(
        text.contains("saturated detector: 4") && text.contains("too large") && !text.contains("flat field's"),
        "{text}"
    );
    // Sound ones: noise, few photons, no noise in the flat field or at all, zingers and a stuck cell at the most there is.
    let few = photons(7, 12.0, &lines);
    let made = |open: f64| lines.mapv(|line| (open * (-line).exp()).round());
    let mut odd = half.clone();
    (0..40).for_each(|i| odd[[4 * i + 3, 0, (37 * i) % COLUMNS]] = 65_535.0);
    odd.slice_mut(ndarray::s![.., 0, 30]).fill(65_535.0);
    for (counts, flat) in [
        (counts.clone(), flat.clone()),
        (counts.clone(), Array3::from_elem(flat.dim(), 7e4)),
        (few, Array3::from_elem(flat.dim(), 12.0)),
        (made(2e4), Array3::from_elem(flat.dim(), 2e4)),
        (made(6e4), Array3::from_elem(flat.dim(), 6e4)),
        (odd, flat.mapv(|count| (0.5 * count).round())),
    ] {
        let text = said(counts, flat, "");
        assert!(!text.contains("saturated"), "{text}");
    }
}

#[test]
fn no_counts_are_half_a_photon() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // Of 2000 photons, none or a few come through the middle.
    let truth = disk(0.08, [3.0, -4.0], 50.0);
    let photons = truth.mapv(|line| 2000.0 * (-line).exp());
    let counts = Array3::from_shape_fn(photons.dim(), |(v, r, c)| Draws::new(4, [v, r, c]).poisson(photons[[v, r, c]]));
    let empty = counts.iter().filter(|count| **count == 0.0).count();
    assert!(empty > 1000, "{empty}");
    npy(at, "lines.npy", counts.mapv(|count| (2000.0 / count.max(0.5)).ln()).into_dyn());
    npy(at, "counts.npy", counts.clone().into_dyn());
    npy(at, "flat.npy", ArrayD::from_elem(vec![1, COLUMNS], 2000.0));
    // The same as a detector gives it that makes 7.3 counts of a photon, and as someone normalised it.
    npy(at, "gain.npy", counts.mapv(|count| 7.3 * count).into_dyn());
    npy(at, "normal.npy", counts.mapv(|count| count / 2000.0).into_dyn());
    works(at, &format!("recon lines.npy {PARALLEL} -o lines-image.npy"));
    let expected = values(&folder, "lines-image.npy");
    let with = format!("--no-repair --stripes off {PARALLEL}");
    for (input, flags, tolerance) in [
        ("counts.npy", "--open-beam 2000", 1e-5),
        ("counts.npy", "--flat flat.npy", 1e-5),
        ("gain.npy", "--open-beam 14600", 0.02),
        ("normal.npy", "--open-beam 1", 0.02),
        ("normal.npy", "--open-beam 1 --zero-counts 0.00025", 1e-5),
    ] {
        let run = works(at, &format!("recon {input} {flags} {with} -o image.npy"));
        assert!(run.err.contains(&format!("{empty} readings of less than")), "{input}: {}", run.err);
        let off = worst(&values(&folder, "image.npy"), &expected);
        assert!(off < tolerance, "{input} {flags}: {off}");
        // The noise tells the photons to some 10 %, which is 0.1 of the line integrals of 8 that no photon came through.
        let middle = |image: &Array3<f32>| image.slice(ndarray::s![0, 40..80, 47..87]).mean().unwrap();
        let part = middle(&values(&folder, "image.npy")) / middle(&expected);
        assert!((part - 1.0).abs() < 0.015, "{input} {flags}: {part}");
    }
    refused(at, &format!("recon counts.npy --open-beam 2000 --zero-counts 0 {with} -o no.npy"), &["zero counts"]);
}

#[test]
fn a_wire_on_the_axis_is_no_stripe() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // A disk, and a wire of 2 mm on the axis; counts with their noise, and a flat field with its own.
    let truth = disk(0.01, [9.0, 5.0], 40.0) + disk(0.3, [0.0, 0.0], 1.0);
    let noisy = |seed: u64, mean: f64, at: [usize; 3]| Draws::new(seed, at).poisson(mean);
    let counts = Array3::from_shape_fn(truth.dim(), |(v, r, c)| noisy(1, 5e4 * (-truth[[v, r, c]]).exp(), [v, r, c]));
    let flats = |seed: u64, frames: usize| {
        Array3::from_shape_fn((frames, 1, COLUMNS), |(f, r, c)| noisy(seed, 5e4, [f, r, c])).into_dyn()
    };
    npy(at, "counts.npy", counts.into_dyn());
    // Hardly any noise, and that of two frames, which makes rings.
    npy(at, "many.npy", flats(2, 400));
    npy(at, "two.npy", flats(3, 2));
    let wire = |image: &Array3<f32>| image.slice(ndarray::s![0, 62..66, 62..66]).sum();
    for flat in ["many.npy", "two.npy"] {
        let line = format!("recon counts.npy --flat {flat} {PARALLEL}");
        works(at, &format!("{line} --stripes off -o off.npy"));
        let run = works(at, &format!("{line} -o on.npy"));
        let [off, on] = ["off.npy", "on.npy"].map(|name| values(&folder, name));
        assert!((wire(&on) / wire(&off) - 1.0).abs() < 0.03, "{flat}: {} of {}", wire(&on), wire(&off));
        match flat {
            "many.npy" => assert!(run.err.contains("stripes: none found") && on == off, "{}", run.err),
            _ => assert!(run.err.contains("taken out of"), "{}", run.err),
        }
    }
}

#[test]
fn angles_without_a_unit_may_be_radians() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let counts = disk(0.02, [20.0, 10.0], 30.0).mapv(|line| 20_000.0 * (-line).exp());
    let [flat, dark] = [20_000.0, 0.0].map(|level| Array3::from_elem((1, 1, COLUMNS), level));
    let radians: Vec<f64> = degrees().iter().map(|angle| angle.to_radians()).collect();
    let shifted: Vec<f64> = radians.iter().map(|angle| angle - PI / 2.0).collect();
    let line = "--geometry parallel --cell 1mm --size 128 --voxel 1mm --stripes off --force";
    let made = |name: &str, theta: &[f64], unit: Option<&str>| {
        dxchange(at, &format!("{name}.h5"), [&counts, &flat, &dark], theta, unit);
        let run = works(at, &format!("recon {name}.h5 {line} -o {name}.npy"));
        (values(&folder, &format!("{name}.npy")), run.err)
    };
    let (right, _) = made("said", &radians, Some("rad"));
    let (degree, said) = made("degrees", &degrees(), None);
    assert!(worst(&right, &degree) < 1e-5 && !said.contains("radians"), "{said}");
    let (radian, said) = made("radians", &radians, None);
    assert!(worst(&right, &radian) < 1e-6 && said.contains("taken for radians"), "{said}");
    assert!(made("shifted", &shifted, None).1.contains("taken for radians"));
    // A short tilt series in degrees is no turn.
    let tilt: Vec<f64> = degrees().iter().map(|angle| angle / 45.0 - 2.0).collect();
    assert!(!made("tilt", &tilt, None).1.contains("radians"));
    // It is for `--angles` to say otherwise.
    let run = works(at, &format!("recon radians.h5 --angles 0..180deg {line} -o flag.npy"));
    assert!(worst(&values(&folder, "flag.npy"), &right) < 1e-5, "{}", run.err);
}

#[test]
fn the_first_image_is_in_hounsfield_units_where_the_output_is() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    npy(at, "lines.npy", disk(0.02, [5.0, 8.0], 45.0).into_dyn());
    let image = |inside: f64, outside: f64| {
        Array3::from_shape_fn((1, 128, 128), |(_, y, x)| {
            let [x, y] = [x, y].map(|i| i as f64 - 63.5);
            if (x - 5.0).hypot(y - 8.0) < 45.0 { inside } else { outside }
        })
    };
    npy(at, "hu.npy", image(0.02 / 0.019 * 1000.0 - 1000.0, -1000.0).into_dyn());
    npy(at, "mm.npy", image(0.02, 0.0).into_dyn());
    let line = format!("recon lines.npy --method sirt --iterations 1 {PARALLEL}");
    let run = works(at, &format!("{line} --mu-water 0.019/mm --start hu.npy -o from-hu.npy"));
    assert!(run.err.contains("hu.npy: its values, -1000 to 52.6"), "{}", run.err);
    works(at, &format!("{line} --start mm.npy -o from-mm.npy"));
    let hu = values(&folder, "from-mm.npy").mapv(|mu| (mu / 0.019 - 1.0) * 1000.0);
    let off = worst(&hu, &values(&folder, "from-hu.npy"));
    assert!(off < 0.1, "{off} HU");
}

#[test]
fn a_curved_detector_with_the_axis_aside_is_read_rightly_or_not_at_all() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let (attenuation, middle, radius) = (0.02, [25.0, -30.0], 12.0);
    let disk = "title = 'disk'\nsource = 'here'\nlength = '1mm'\nvalue = '0.02/mm'\nframe = '128mm'\nshapes = [{ ellipse = [12, 12], center = [25, -30], value = 1 }]\n";
    std::fs::write(at.join("disk.toml"), disk).unwrap();
    let placed = "--center 85 --axis-offset 6mm --angles 0..360deg --source-origin 300mm";
    let made = "--geometry fan --detector curved --views 360 --cells 180 --cell 1.2mm --source-detector 500mm";
    works(at, &format!("scan disk.toml {made} {placed} -o scan.h5"));
    let truth = drawn(attenuation, middle, radius);
    let line = "recon scan.h5 --size 128 --voxel 1mm --filter hann --force";
    // As the file has it, and described anew as it was made.
    for flags in ["", placed] {
        works(at, &format!("{line} {flags} -o image.npy"));
        let off = worst_block(&values(&folder, "image.npy"), &truth, attenuation);
        assert!(off < 0.03, "{flags}: {off}");
    }
    // A part of what it was made with, over a file that counts from the ray through the axis.
    for flags in ["--center 85", "--axis-offset 6mm", "--center 85 --axis-offset 6mm", "--detector-offset 5.4mm"] {
        refused(at, &format!("{line} {flags} -o no.npy"), &["curved detector", "leave --center"]);
    }
    refused(at, "scan scan.h5 --insert-dose 0.5 --photons 1e5 --center 85 -o no.h5", &["curved detector"]);
    // Without an offset, the file's column is its own.
    works(at, &format!("scan disk.toml {made} --center 85 --angles 0..360deg --source-origin 300mm -o plain.h5"));
    works(at, "recon plain.h5 --size 128 --voxel 1mm --filter hann --center 85 --force -o image.npy");
    let off = worst_block(&values(&folder, "image.npy"), &truth, attenuation);
    assert!(off < 0.03, "{off}");
}
