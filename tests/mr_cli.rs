//! MR at the command line: the lines that the pages promise, at small sizes, and one test for each thing that the world
//! can do wrong.

use std::{fs, path::Path};

use ndarray::{Array4, ArrayD, IxDyn};
use num_complex::Complex32;
use rushlight::{
    image::{ComplexImage, Part},
    io::{self, WriteOptions},
};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

mod command;

use command::{refused, works, wrong_usage};

// ---- what they run on ----------------------------------------------------------------------------------------------

/// A head scan of 48 × 40 (x, y), 6 coils, R = 3, as h5, cfl and npy, and the truth.
fn scans() -> TempDir {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let scan = "scan shepp-logan-toft --mr --matrix 48,40 --coils 6 --sampling poisson --acceleration 3 --calibration 16 --snr 30dB --seed 1";
    works(at, &format!("{scan} -o kspace.h5 --truth truth.npy"));
    works(at, &format!("{scan} -o kspace.cfl"));
    works(at, &format!("{scan} -o kspace.npy"));
    folder
}

fn put(at: &Path, name: &str, values: Array4<Complex32>) {
    let (_, z, y, x) = values.dim();
    let grid = rushlight::geometry::Grid::centered([z, y, x], [1.0; 3], [0.0; 3]);
    let image = ComplexImage {
        values,
        grid,
        unit: rushlight::geometry::LengthUnit::Cell,
        frame_step: None,
        provenance: String::new(),
    };
    io::write_complex(at.join(name), &image, Part::Complex, &WriteOptions::default()).unwrap();
}

fn kspace(at: &Path) -> Array4<Complex32> {
    let samples = io::read_complex(at.join("kspace.npy")).unwrap();
    samples.into_shape_with_order((6, 1, 40, 48)).unwrap()
}

/// ‖|x| − truth‖/‖truth‖ of a picture, in the command's own words.
fn nrmse(at: &Path, image: &str, truth: &str) -> f64 {
    let run = works(at, &format!("compare {image} {truth} --json"));
    run.json()["nrmse"].as_f64().unwrap()
}

fn shown(at: &Path, arguments: &str) -> Value {
    works(at, &format!("show {arguments} --json")).json()
}

// ---- the lines ---------------------------------------------------------------------------------------------

#[test]
fn every_file_gives_the_image() {
    let folder = scans();
    let at = folder.path();
    works(at, "recon kspace.cfl --method l1-wavelet --calibration 24 -o image.nii");
    works(at, "recon kspace.npy --method sense -o image.npy");
    works(at, "recon kspace.h5 --method tv -o image.dcm");
    let image = io::read_complex(at.join("image.npy")).unwrap();
    assert_eq!(image.shape(), [40, 48], "one frame of one slice is [y, x], complex");
    assert!(io::is_complex(at.join("image.npy")).unwrap() && io::is_complex(at.join("image.nii")).unwrap());
    for (image, most) in [("image.nii", 0.2), ("image.npy", 0.25), ("image.dcm", 0.17)] {
        let error = nrmse(at, image, "truth.npy");
        println!("{image}: {error:.4}");
        assert!(error < most, "{image}: {error}");
    }
    // The voxels are the scan's: 256 mm of 48 and 40.
    let dicom = io::read_image(at.join("image.dcm")).unwrap();
    let [_, dy, dx] = dicom.grid.voxel();
    assert!((dy - 6.4).abs() < 1e-4 && (dx - 256.0 / 48.0).abs() < 1e-4, "{dy} {dx}");
}

#[test]
fn samples_along_a_trajectory_give_the_image() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "sampling radial --matrix 48,48 --acceleration 2 -o traj.npy");
    let scan = "scan shepp-logan-toft --mr --matrix 48,48 --coils 6 --sampling traj.npy";
    works(at, &format!("{scan} -o samples.npy --truth truth.npy"));
    assert_eq!(io::read_complex(at.join("samples.npy")).unwrap().ndim(), 2, "[coil, sample]");
    works(at, "recon samples.npy --trajectory traj.npy --matrix 48,48 --method tv -o image.npy");
    let error = nrmse(at, "image.npy", "truth.npy");
    println!("{error:.4}");
    assert!(error < 0.2, "{error}");
    // In cycles per voxel.
    let points = io::read_array(at.join("traj.npy")).unwrap().mapv(|k| Complex32::from(k / 48.0));
    let count = points.len() / 2;
    put(at, "voxel.npy", points.into_shape_with_order((1, 1, count, 2)).unwrap());
    works(
        at,
        "recon samples.npy --trajectory voxel.npy --trajectory-unit voxel --matrix 48,48 --method tv -o same.npy",
    );
    assert!(nrmse(at, "same.npy", "image.npy") < 1e-3);
    // In radians per voxel; and what is in another unit than was said is refused, with the one that fits.
    let points =
        io::read_array(at.join("traj.npy")).unwrap().mapv(|k| Complex32::from(k / 48.0 * std::f32::consts::TAU));
    put(at, "radian.npy", points.into_shape_with_order((1, 1, count, 2)).unwrap());
    let plain = "--matrix 48,48 --method zero-filled";
    for (trajectory, flag) in
        [("traj.npy", ""), ("voxel.npy", "--trajectory-unit voxel"), ("radian.npy", "--trajectory-unit radian")]
    {
        let line = format!("recon samples.npy --trajectory {trajectory} {plain}");
        works(at, &format!("{line} {flag} -o {trajectory}-image.npy"));
        assert!(nrmse(at, &format!("{trajectory}-image.npy"), "traj.npy-image.npy") < 1e-4, "{trajectory}");
        if trajectory != "traj.npy" {
            let per = format!("{}s per voxel", trajectory.trim_end_matches(".npy").replace("voxel", "cycle"));
            refused(at, &format!("{line} -o x.npy"), &[&per, "--trajectory-unit"]);
        }
    }
    // A matrix that is four times too large is remarked on: it may be meant.
    let run = works(at, "recon samples.npy --trajectory traj.npy --matrix 192,192 --method zero-filled -o large.npy");
    assert!(run.err.contains("25 % of the matrix's k-space"), "{}", run.err);
    // The whole of it in one file.
    works(at, &format!("{scan} -o all.h5"));
    works(at, "recon all.h5 --method tv -o again.npy");
    assert!(nrmse(at, "again.npy", "image.npy") < 1e-2);
    let shown = shown(at, "all.h5");
    assert!(shown["samples"].as_str().unwrap().contains("trajectory"), "{shown}");

    let word = ["outside the k-space"];
    refused(at, "recon samples.npy --trajectory traj.npy --matrix 40,40 --method tv -o x.npy", &word);
    refused(at, "recon samples.npy --trajectory traj.npy --method tv -o x.npy", &["--matrix"]);
    refused(at, "recon samples.npy --matrix 48,48 --method tv -o x.npy", &["--trajectory"]);
    refused(at, "recon samples.npy --trajectory-unit voxel -o x.npy", &["--trajectory"]);
    refused(at, "recon truth.npy --trajectory traj.npy --matrix 48,48 -o x.npy", &["[48, 48]", "trajectory"]);
    wrong_usage(at, "recon samples.npy --trajectory traj.npy --matrix 48 -o x.npy");
}

#[test]
fn a_sampling_is_a_mask_of_ones() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "sampling poisson --matrix 64,64 --acceleration 5 --calibration 12 --seed 1 -o mask.npy");
    let mask = io::read_array(at.join("mask.npy")).unwrap();
    assert_eq!(mask.shape(), [64, 64]);
    assert!(mask.iter().all(|value| *value == 0.0 || *value == 1.0));
    let acceleration = 4096.0 / mask.sum();
    assert!((acceleration - 5.0).abs() < 0.05, "{acceleration}");
}

#[test]
fn parts_of_the_image_are_what_they_say() {
    let folder = scans();
    let at = folder.path();
    for part in ["magnitude", "phase", "complex"] {
        works(at, &format!("recon kspace.npy --iterations 5 --part {part} -o {part}.npy"));
    }
    let complex = io::read_complex(at.join("complex.npy")).unwrap();
    let [magnitude, phase] = ["magnitude.npy", "phase.npy"].map(|name| io::read_array(at.join(name)).unwrap());
    for ((value, size), angle) in complex.iter().zip(&magnitude).zip(&phase) {
        assert!((value.norm() - size).abs() <= 1e-6 * value.norm() && (value.arg() - angle).abs() < 1e-6);
    }
    works(at, "recon kspace.npy --iterations 5 -o magnitude.png");
}

// ---- show, compare, convert ----------------------------------------------------------------------------------------

#[test]
fn show_tells_what_a_scan_is() {
    let folder = scans();
    let at = folder.path();
    for file in ["kspace.h5", "kspace.cfl", "kspace.npy"] {
        let shown = shown(at, file);
        let text = |name: &str| shown[name].as_str().unwrap_or_else(|| panic!("{file}: no {name} in {shown}"));
        assert_eq!((text("matrix"), text("coils"), text("frames")), ("48 × 40 × 1 (x, y, z)", "6", "1"), "{file}");
        let mask = io::read_kspace(at.join(file), None).unwrap().samples;
        let sampled = (0..40 * 48).filter(|i| mask[[0, 0, 0, i / 48, i % 48]] != Complex32::ZERO).count();
        let samples = text("samples");
        assert!(samples.contains(&format!("{sampled} of 1920 points")) && samples.contains("R = "), "{samples}");
        let region: Vec<usize> =
            text("calibration region").split(" × ").take(2).map(|extent| extent.parse().unwrap()).collect();
        assert!(region.iter().all(|extent| (16..40).contains(extent)), "{region:?}");
        let whole = file == "kspace.h5";
        assert_eq!(text("noise scan").contains("4096 samples"), whole, "{file}");
        assert_eq!(text("voxel").contains("5.3333 × 6.4000"), whole, "{file}: {}", text("voxel"));
    }
    let all = shown(at, "kspace.npy --axes time,y,x");
    assert_eq!(all["frames"], "6: 6 points in time");
    works(at, "recon kspace.h5 --iterations 3 -o image.nii");
    assert!(shown(at, "image.nii")["shape"].as_str().unwrap().contains("complex"));
    works(at, "show kspace.h5");
}

#[test]
fn complex_images_are_compared_by_magnitude_unless_asked() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // 3 + 4i against −5, times what tells pixels apart: magnitudes are alike, the numbers are √(64 + 16) of 5 apart.
    let filled =
        |value: Complex32| Array4::from_shape_fn((1, 1, 16, 16), |(_, _, y, x)| value * (1 + x + 3 * y) as f32);
    put(at, "a.npy", filled(Complex32::new(3.0, 4.0)));
    put(at, "b.npy", filled(Complex32::new(-5.0, 0.0)));
    put(at, "c.cfl", filled(Complex32::new(3.0, 4.0)));
    assert!(nrmse(at, "a.npy", "b.npy") < 1e-6);
    assert!((nrmse(at, "a.npy", "b.npy --complex") - 80_f64.sqrt() / 5.0).abs() < 1e-6);
    assert!(nrmse(at, "c.cfl", "b.npy --complex") > 1.7);
    assert_eq!(nrmse(at, "c.cfl", "a.npy --complex"), 0.0);
    works(at, "scan disk --mr --matrix 16,16 --coils 2 -o k.h5 --truth t.npy");
    refused(at, "compare k.h5 t.npy", &["k.h5", "k-space"]);
}

#[test]
fn k_space_is_converted_to_k_space_and_complex_images_to_images() {
    let folder = scans();
    let at = folder.path();
    let said = works(at, "convert kspace.h5 -o copy.cfl").err;
    assert!(said.contains("noise scan"), "{said}");
    assert_eq!(fs::read(at.join("copy.cfl")).unwrap(), fs::read(at.join("kspace.cfl")).unwrap());
    works(at, "convert kspace.cfl --scan -o copy.npy");
    assert_eq!(fs::read(at.join("copy.npy")).unwrap(), fs::read(at.join("kspace.npy")).unwrap());
    refused(at, "convert kspace.h5 -o image.png", &["k-space", "recon"]);
    refused(at, "convert kspace.h5 -o copy.cfl", &["exists"]);
    works(at, "recon kspace.npy --iterations 5 -o image.npy");
    works(at, "convert image.npy -o image.nii");
    assert_eq!(nrmse(at, "image.nii", "image.npy --complex"), 0.0);
    let said = works(at, "convert image.npy -o image.png").err;
    assert!(said.contains("magnitude"), "{said}");
}

// ---- what the world can do wrong -----------------------------------------------------------------------------------

#[test]
fn options_that_cannot_be_get_one_line() {
    let folder = scans();
    let at = folder.path();
    for (flags, words) in [
        ("--method tv --strength 0", &["strength of 0"][..]),
        ("--method tv --strength -1", &["strength of -1"]),
        ("--method sense --strength NaN", &["strength of NaN"]),
        ("--method l1-wavelet --strength 0x", &["strength of 0"]),
        ("--method sense --iterations 0", &["--iterations 0"]),
        ("--calibration 0", &["calibration"]),
        ("--virtual-coils 0", &["coil"]),
        ("--virtual-coils 4 --maps kspace.npy", &["virtual coils"]),
        ("--method fbp", &["'fbp'", "MR", "sense", "tv", "tgv", "l1-wavelet"]),
        ("--angles 0..180deg", &["--angles", "CT"]),
        ("--center auto", &["--center", "CT"]),
        ("--filter hann", &["--filter", "CT"]),
        ("--size 64", &["--size", "CT"]),
        ("--rows 0..1", &["--rows", "CT"]),
        ("--mu-water 0.0192/mm", &["--mu-water", "CT"]),
        ("--stripes off", &["--stripes", "CT"]),
        ("--photons 1000", &["--photons", "CT"]),
        ("--bounds 0,1", &["--bounds", "CT"]),
        ("--start truth.npy", &["--start", "CT"]),
        ("--axes y,x", &["[6, 40, 48]", "y,x"]),
        ("--maps truth.npy", &["truth.npy", "coil maps"]),
        ("--maps none.npy", &["none.npy"]),
    ] {
        refused(at, &format!("recon kspace.npy {flags} -o x.npy"), words);
    }
    for flags in ["--iterations -3", "--method sens", "--part real", "--strength strong", "--calibration -1"] {
        wrong_usage(at, &format!("recon kspace.npy {flags} -o x.npy"));
    }
    refused(at, "recon kspace.npy -o x.xyz", &["x.xyz", "known formats"]);
    refused(at, "recon kspace.npy -o kspace.cfl", &["exists", "--force"]);
}

#[test]
fn flags_and_methods_of_mr_are_refused_for_ct() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "scan disk --views 24 --cells 48 --geometry parallel --cell 6mm -o ct.h5");
    for (flags, words) in [
        ("--method sense", &["'sense'", "fbp", "tv"][..]),
        ("--method l1-wavelet", &["'l1-wavelet'", "fbp"]),
        ("--matrix 48,48", &["--matrix", "MR"]),
        ("--calibration 24", &["--calibration", "MR"]),
        ("--maps ct.h5", &["--maps", "MR"]),
        ("--part phase", &["--part", "MR"]),
        ("--virtual-coils 3", &["--virtual-coils", "MR"]),
        ("--trajectory-unit voxel", &["--trajectory-unit", "MR"]),
    ] {
        refused(at, &format!("recon ct.h5 {flags} -o x.npy"), words);
    }
}

/// The remarks of a reconstruction.
fn remarks(at: &Path, arguments: &str) -> String {
    works(at, &format!("recon {arguments} --method zero-filled -o r.npy --force --json")).json()["notes"].to_string()
}

#[test]
fn k_space_that_was_taken_for_what_it_is_not_is_remarked_on() {
    let folder = scans();
    let at = folder.path();
    for right in ["kspace.h5", "kspace.cfl", "kspace.npy", "kspace.npy --axes coil,y,x"] {
        let said = remarks(at, right);
        assert!(
            !["--axes", "--trajectory", "fftshift", "image's numbers"].iter().any(|w| said.contains(w)),
            "{right}: {said}"
        );
    }
    // [coil, 1, y, x] is written without the 1.
    let samples = kspace(at);
    let last = samples.view().permuted_axes([2, 1, 3, 0]).as_standard_layout().into_owned();
    put(at, "last.npy", last);
    assert!(remarks(at, "last.npy --virtual-coils 8").contains("--axes y,x,coil"));
    works(at, "recon last.npy --axes y,x,coil --method zero-filled -o last-image.npy");
    works(at, "recon kspace.npy --method zero-filled -o image.npy");
    assert_eq!(io::read_complex(at.join("last-image.npy")).unwrap(), io::read_complex(at.join("image.npy")).unwrap());
    assert!(shown(at, "last.npy").to_string().contains("--axes y,x,coil"));
    let corner = Array4::from_shape_fn(samples.dim(), |(c, z, y, x)| samples[[c, z, (y + 20) % 40, (x + 24) % 48]]);
    put(at, "corner.npy", corner);
    assert!(remarks(at, "corner.npy --combine root-sum-of-squares").contains("fftshift"));
    // Real numbers.
    fs::write(at.join("real.npy"), real_array(&samples)).unwrap();
    refused(at, "recon real.npy --method sense -o x.npy", &["real.npy", "real numbers", "complex"]);
    refused(at, "recon real.npy --axes coil,y,x -o x.npy", &["real.npy", "real numbers", "complex"]);
    refused(at, "recon real.npy -o x.npy", &["angles", "complex"]);
}

/// |samples| `[coil, y, x]` as NumPy writes it.
fn real_array(samples: &Array4<Complex32>) -> Vec<u8> {
    let (coils, _, y, x) = samples.dim();
    let line = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({coils}, {y}, {x}), }}\n");
    let mut file = [&b"\x93NUMPY\x01\x00"[..], &(line.len() as u16).to_le_bytes(), line.as_bytes()].concat();
    file.extend(samples.iter().flat_map(|value| value.norm().to_le_bytes()));
    file
}

#[test]
fn formats_that_cannot_be_written_are_not_offered() {
    let folder = tempdir().unwrap();
    for name in ["npz", "matlab"] {
        let run = command::run(folder.path(), &format!("phantom disk -o x --format {name}"));
        assert_eq!(run.code, Some(2), "{}", run.err);
        assert!(["npy", "dicom", name].iter().all(|word| run.err.contains(word)), "{}", run.err);
        let offered = run.err.split("possible values").nth(1).unwrap_or_default();
        assert!(!offered.contains("npz") && !offered.contains("matlab"), "{}", run.err);
    }
}

#[test]
fn scans_that_cannot_be_get_one_line() {
    let folder = scans();
    let at = folder.path();
    let samples = kspace(at);
    // Array4 [coil, 1, y, x] is written as a .npy of [coil, y, x].
    put(at, "zero.npy", Array4::zeros((6, 1, 40, 48)));
    refused(at, "recon zero.npy -o x.npy", &["zero.npy", "nothing was measured"]);
    let mut broken = samples.clone();
    broken[[2, 0, 20, 24]].im = f32::NAN;
    put(at, "nan.npy", broken);
    refused(at, "recon nan.npy -o x.npy", &["nan.npy", "not a finite number"]);
    let mut hollow = samples.clone();
    hollow.slice_mut(ndarray::s![.., .., 18..22, 22..26]).fill(Complex32::ZERO);
    put(at, "hollow.npy", hollow);
    refused(at, "recon hollow.npy -o x.npy", &["calibration region", "--maps"]);
    // With maps it can be reconstructed; not with those of other coils, or of another matrix.
    put(at, "maps.npy", samples.mapv(|_| Complex32::new(0.4, 0.0)));
    works(at, "recon hollow.npy --maps maps.npy --iterations 3 -o y.npy");
    put(at, "five.npy", samples.slice(ndarray::s![..5, .., .., ..]).to_owned());
    refused(at, "recon kspace.npy --maps five.npy -o x.npy", &["5 coils", "6"]);
    put(at, "short.npy", samples.slice(ndarray::s![.., .., ..30, ..]).to_owned());
    refused(at, "recon kspace.npy --maps short.npy -o x.npy", &["30", "40"]);
    put(at, "broken-maps.npy", samples.mapv(|_| Complex32::new(f32::INFINITY, 0.0)));
    refused(at, "recon kspace.npy --maps broken-maps.npy -o x.npy", &["broken-maps.npy", "finite"]);

    let bytes = fs::read(at.join("kspace.cfl")).unwrap();
    fs::write(at.join("cut.cfl"), &bytes[..bytes.len() - 100]).unwrap();
    fs::copy(at.join("kspace.hdr"), at.join("cut.hdr")).unwrap();
    for verb in ["recon cut.cfl -o x.nii", "show cut.cfl", "convert cut.cfl -o x.npy"] {
        refused(at, verb, &["cut.cfl", "truncated"]);
    }
    let bytes = fs::read(at.join("kspace.h5")).unwrap();
    fs::write(at.join("cut.h5"), &bytes[..bytes.len() / 2]).unwrap();
    refused(at, "recon cut.h5 -o x.nii", &["cut.h5", "truncated"]);
}

/// `file` with every `old` made `new`, of the same length; how many there were.
fn patched(at: &Path, (file, to): (&str, &str), (old, new): (&[u8], &[u8]), only_last: bool) -> usize {
    assert_eq!(old.len(), new.len());
    let mut bytes = fs::read(at.join(file)).unwrap();
    let places: Vec<usize> = (0..bytes.len() - old.len()).filter(|i| bytes[*i..].starts_with(old)).collect();
    let changed = if only_last { &places[places.len().saturating_sub(1)..] } else { &places[..] };
    changed.iter().for_each(|i| bytes[*i..*i + new.len()].copy_from_slice(new));
    fs::write(at.join(to), bytes).unwrap();
    places.len()
}

#[test]
fn ismrmrd_files_with_a_part_missing_get_one_line() {
    let folder = scans();
    let at = folder.path();
    patched(at, ("kspace.h5", "open.h5"), (b"<encoding>", b"<encodinX>"), false);
    assert_eq!(patched(at, ("open.h5", "none.h5"), (b"</encoding>", b"</encodinX>"), false), 1);
    for verb in ["recon none.h5 -o x.dcm", "show none.h5", "convert none.h5 -o x.cfl"] {
        refused(at, verb, &["none.h5", "encod"]);
    }
    // Samples, channels and active channels of an acquisition's head, 16 bits each: the last has 5 coils, the others 6.
    let head = |coils: u8| [48, 0, 6, 0, coils, 0];
    let lines = patched(at, ("kspace.h5", "coils.h5"), (&head(6), &head(5)), true);
    assert!(lines > 10, "{lines} acquisitions");
    refused(at, "recon coils.h5 -o x.dcm", &["coils.h5"]);
}

#[test]
fn a_bare_array_of_five_axes_asks_what_they_are() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let values = ArrayD::from_shape_fn(IxDyn(&[2, 3, 4, 5]), |i| Complex32::new(i[3] as f32 + 1.0, i[0] as f32));
    put(at, "four.npy", values.into_dimensionality().unwrap());
    let shown = shown(at, "four.npy --axes slice,coil,y,x");
    assert_eq!(shown["frames"], "2: 2 slices");
    assert_eq!(shown["coils"], "3");
    refused(at, "show four.npy --axes coil,y,x", &["four.npy", "[2, 3, 4, 5]", "coil,y,x"]);
    wrong_usage(at, "show four.npy --axes slice,coil,y");
    wrong_usage(at, "show four.npy --axes slice,coil,y,width");
}
