//! The command as users run it: every verb on small scans, and one test for each thing that the world can do wrong.

use std::{
    f64::consts::PI,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use rushlight::{image::Image, io};
use tempfile::{TempDir, tempdir};

mod command;

use command::{Run, command, contents, names, refused, run, works};

fn image(folder: &TempDir, name: &str) -> Image {
    io::read_image(folder.path().join(name)).unwrap_or_else(|error| panic!("{error}"))
}

// ---- a disk's scan in closed form ----------------------------------------------------------------------------------

const VIEWS: usize = 360;
const COLUMNS: usize = 48;
/// Width of a cell, mm.
const CELL: f64 = 4.0;
/// Centre and radius of the disk, mm, and its attenuation, mm⁻¹.
const DISK: [f64; 2] = [30.0, -20.0];
const RADIUS: f64 = 35.0;
const MU: f64 = 0.02;
/// A fan's source to axis and to detector, mm: near, so that the detector's shape shows.
const SOURCE_ORIGIN: f64 = 150.0;
const SOURCE_DETECTOR: f64 = 200.0;
const FAN: &str = "--source-origin 150mm --source-detector 200mm --cell 4mm";
const PARALLEL: &str = "--geometry parallel --angles 0..180deg --cell 4mm";

#[derive(Clone, Copy)]
enum Beam {
    Parallel,
    Flat,
    Curved,
}

fn angles(start: f64, end: f64) -> Vec<f64> {
    (0..VIEWS).map(|view| (start + (end - start) * view as f64 / VIEWS as f64) * PI / 180.0).collect()
}

/// 2μ√(r² − h²) for every ray, h its distance from the disk's centre; columns run along u = (cos θ, sin θ).
fn sinogram(beam: Beam, angles: &[f64], columns: usize) -> Vec<f32> {
    let ray = |angle: &f64, column: usize| {
        let (sin, cos) = angle.sin_cos();
        let across = (column as f64 - (columns as f64 - 1.0) / 2.0) * CELL;
        let [x, y] = DISK;
        // The disk's centre from the ray's origin, along u and along the central ray.
        let (u, d) = (x * cos + y * sin, -x * sin + y * cos);
        let tilt = match beam {
            Beam::Parallel => return u - across,
            Beam::Flat => (across / SOURCE_DETECTOR).atan(),
            Beam::Curved => across / SOURCE_DETECTOR,
        };
        u * tilt.cos() - (d + SOURCE_ORIGIN) * tilt.sin()
    };
    let chord = |h: f64| 2.0 * MU * (RADIUS * RADIUS - h * h).max(0.0).sqrt();
    angles.iter().flat_map(|angle| (0..columns).map(move |column| chord(ray(angle, column)) as f32)).collect()
}

/// The image shows the disk: its centre of mass (y upwards with the rows) within half a pixel, its inside within 1 %.
#[track_caller]
fn assert_disk(image: &Image, slice: usize, voxel: f64) {
    let slice = image.values.index_axis(ndarray::Axis(0), slice);
    let (ny, nx) = slice.dim();
    let [mut mass, mut x, mut y] = [0.0; 3];
    let mut inside = Vec::new();
    for ((row, column), &value) in slice.indexed_iter() {
        let value = f64::from(value);
        let at = [(column, nx), (row, ny)].map(|(i, n)| (i as f64 - (n as f64 - 1.0) / 2.0) * voxel);
        if value > MU / 2.0 {
            mass += value;
            x += value * at[0];
            y += value * at[1];
        }
        if (at[0] - DISK[0]).hypot(at[1] - DISK[1]) < 0.7 * RADIUS {
            inside.push(value);
        }
    }
    let [x, y] = [x / mass, y / mass];
    assert!((x - DISK[0]).hypot(y - DISK[1]) < voxel / 2.0, "the disk is at {x}, {y}");
    let mean = inside.iter().sum::<f64>() / inside.len() as f64;
    assert!((mean / MU - 1.0).abs() < 0.01, "the disk's value is {mean} instead of {MU}");
}

/// Root mean square error over the field of view, but not within four pixels of the disk's rim, where filters ring.
fn rms_beside_the_rim(image: &Image, voxel: f64) -> f64 {
    let (_, ny, nx) = image.values.dim();
    let errors = image.values.indexed_iter().filter_map(|((_, row, column), &value)| {
        let [x, y] = [(column, nx), (row, ny)].map(|(i, n)| (i as f64 - (n as f64 - 1.0) / 2.0) * voxel);
        let from_rim = (x - DISK[0]).hypot(y - DISK[1]) - RADIUS;
        let truth = if from_rim < 0.0 { MU } else { 0.0 };
        (from_rim.abs() > 4.0 * voxel && x.hypot(y) < 80.0).then(|| (f64::from(value) - truth).powi(2))
    });
    let errors: Vec<f64> = errors.collect();
    (errors.iter().sum::<f64>() / errors.len() as f64).sqrt()
}

/// NumPy's file, byte by byte: a header line padded to 64, then the numbers as they come.
fn npy(folder: &Path, name: &str, descr: &str, fortran: bool, shape: &str, numbers: &[u8]) {
    let order = if fortran { "True" } else { "False" };
    let mut line = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}");
    while (line.len() + 11) % 64 != 0 {
        line.push(' ');
    }
    line.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((line.len() as u16).to_le_bytes());
    bytes.extend(line.as_bytes());
    bytes.extend(numbers);
    fs::write(folder.join(name), bytes).unwrap();
}

fn little(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn write_sinogram(folder: &Path, values: &[f32]) {
    npy(folder, "sino.npy", "<f4", false, &format!("{VIEWS}, {}", values.len() / VIEWS), &little(values));
}

/// A folder with the disk's parallel half-turn scan in `sino.npy`.
fn with_parallel() -> TempDir {
    let folder = tempdir().unwrap();
    write_sinogram(folder.path(), &sinogram(Beam::Parallel, &angles(0.0, 180.0), COLUMNS));
    folder
}

/// A folder with the disk's full-turn fan scan in `sino.npy`.
fn with_fan(beam: Beam) -> TempDir {
    let folder = tempdir().unwrap();
    write_sinogram(folder.path(), &sinogram(beam, &angles(0.0, 360.0), 72));
    folder
}

/// A folder with a Shepp–Logan scan in `scan.h5`, made by the command.
fn with_scan() -> TempDir {
    let folder = tempdir().unwrap();
    let line =
        "scan shepp-logan-toft --geometry parallel --views 60 --angles 0..180deg --cells 48 --cell 6mm -o scan.h5";
    works(folder.path(), line);
    folder
}

// ---- what must work ------------------------------------------------------------------------------------------------

#[test]
fn phantom_scan_recon_compare() {
    let folder = with_scan();
    let at = folder.path();
    works(at, "phantom shepp-logan-toft --size 32 --voxel 8mm -o truth.npy");
    works(at, "recon scan.h5 --method fbp --filter ram-lak --size 32 --voxel 8mm -o image.npy");
    assert_eq!(image(&folder, "truth.npy").values.shape(), [1, 32, 32]);
    let run = works(at, "compare image.npy truth.npy --json");
    let figures = run.json();
    let keys = ["rmse", "nrmse", "psnr", "ssim", "data_range"];
    let places: Vec<_> = keys.map(|key| run.out.find(&format!("\"{key}\":"))).into_iter().collect();
    assert!(places.is_sorted() && places[0] == Some(1), "{}", run.out);
    assert!(figures.as_object().unwrap().len() <= keys.len() + 1, "{}", run.out);
    let figure = |key: &str| figures[key].as_f64().unwrap();
    assert!(figure("psnr") > 25.0 && figure("psnr") < 60.0, "{}", run.out);
    assert!((figure("psnr") - 20.0 * (figure("data_range") / figure("rmse")).log10()).abs() < 1e-6);
    assert!(figure("ssim") > 0.9 && figure("ssim") < 1.0, "{}", run.out);
    let table = works(at, "compare image.npy truth.npy").out;
    assert!(["RMSE", "NRMSE", "PSNR", "SSIM", "data range"].iter().all(|name| table.contains(name)), "{table}");
}

#[test]
fn recon_needs_no_options() {
    let folder = with_scan();
    works(folder.path(), "recon scan.h5 -o image.npy");
    assert_eq!(image(&folder, "image.npy").values.shape(), [1, 48, 48]);
}

#[test]
fn recon_of_a_bare_parallel_sinogram() {
    let folder = with_parallel();
    works(folder.path(), &format!("recon sino.npy {PARALLEL} --size 64 --voxel 3mm -o image.npy"));
    assert_disk(&image(&folder, "image.npy"), 0, 3.0);
}

#[test]
fn recon_of_a_fan_to_tiff() {
    let folder = with_fan(Beam::Flat);
    let line = format!("recon sino.npy --geometry fan --angles 0..360deg {FAN} --size 64 --voxel 3mm -o image.tif");
    works(folder.path(), &line);
    assert_disk(&image(&folder, "image.tif"), 0, 3.0);
}

#[test]
fn recon_of_a_fan_with_a_curved_detector() {
    let folder = with_fan(Beam::Curved);
    let error = |detector: &str, name: &str| {
        let line =
            format!("recon sino.npy --geometry fan --detector {detector} --angles 0..360deg {FAN} --filter hann");
        works(folder.path(), &format!("{line} --size 64 --voxel 3mm -o {name}"));
        rms_beside_the_rim(&image(&folder, name), 3.0)
    };
    let [curved, flat] = [error("curved", "curved.npy"), error("flat", "flat.npy")];
    assert_disk(&image(&folder, "curved.npy"), 0, 3.0);
    assert!(curved < flat / 2.0, "rms error {curved} with the right shape, {flat} with the wrong one");
}

#[test]
fn angles_from_a_file_in_any_order() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // 37 and 360 have no common divisor, so that every angle occurs once.
    let list: Vec<_> = (0..VIEWS).map(|view| (view * 37 % VIEWS) as f64 * PI / VIEWS as f64).collect();
    write_sinogram(at, &sinogram(Beam::Parallel, &list, COLUMNS));
    let bytes: Vec<_> = list.iter().flat_map(|angle| angle.to_le_bytes()).collect();
    npy(at, "angles.npy", "<f8", false, &format!("{VIEWS},"), &bytes);
    let line = "recon sino.npy --geometry parallel --angles angles.npy --cell 4mm --size 64 --voxel 3mm";
    works(at, &format!("{line} --angle-unit rad -o image.npy"));
    assert_disk(&image(&folder, "image.npy"), 0, 3.0);
    refused(at, &format!("{line} -o other.npy"), &["--angles angles.npy", "--angle-unit"]);
}

#[test]
fn clockwise_angles() {
    let folder = tempdir().unwrap();
    write_sinogram(folder.path(), &sinogram(Beam::Flat, &angles(360.0, 0.0), 72));
    let line = format!("recon sino.npy --geometry fan --angles 360..0deg {FAN} --size 64 --voxel 3mm -o image.npy");
    works(folder.path(), &line);
    assert_disk(&image(&folder, "image.npy"), 0, 3.0);
}

#[test]
fn geometry_from_a_toml_file() {
    let folder = with_fan(Beam::Curved);
    let at = folder.path();
    let lines = "geometry = \"fan\"\ndetector = \"curved\"\nviews = 360\ncolumns = 72\nangles_deg = \"0..360\"\n\
                 cell_mm = 4.0\nsource_origin_mm = 150.0\nsource_detector_mm = 200.0\n";
    fs::write(at.join("scan.toml"), lines).unwrap();
    works(at, "recon sino.npy --geometry scan.toml --size 64 --voxel 3mm -o file.npy");
    let flags = format!("--geometry fan --detector curved --angles 0..360deg {FAN}");
    works(at, &format!("recon sino.npy {flags} --size 64 --voxel 3mm -o flags.npy"));
    assert_eq!(image(&folder, "file.npy").values, image(&folder, "flags.npy").values);
    let shown = works(at, "show scan.toml").out;
    assert!(shown.contains("equiangular") && shown.contains("1.333333"), "{shown}");
}

#[test]
fn a_stack_becomes_a_volume() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let row = sinogram(Beam::Parallel, &angles(0.0, 180.0), COLUMNS);
    // Rows of nothing, of the disk, and of the disk thrice as dense.
    let stack: Vec<f32> =
        row.chunks(COLUMNS).flat_map(|v| [0.0, 1.0, 3.0].map(|f| v.iter().map(move |p| p * f))).flatten().collect();
    npy(at, "sino.npy", "<f4", false, &format!("{VIEWS}, 3, {COLUMNS}"), &little(&stack));
    works(at, &format!("recon sino.npy {PARALLEL} --size 40x64 --voxel 3mm -o image.npy"));
    assert_eq!(image(&folder, "image.npy").values.shape(), [3, 64, 40]);
    works(at, &format!("recon sino.npy {PARALLEL} --size 64 --voxel 3mm -o volume.npy"));
    let volume = image(&folder, "volume.npy");
    // Two lines go through one complex transform, whose rounding reaches from one into the other.
    let most = volume.values.index_axis(ndarray::Axis(0), 0).iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert!(f64::from(most) < 1e-5 * MU, "{most} where there is nothing");
    assert_disk(&volume, 1, 3.0);
    let [one, three] = [1, 2].map(|z| volume.values.index_axis(ndarray::Axis(0), z).sum());
    assert!((three / one - 3.0).abs() < 1e-3, "{three} of {one}");
}

#[test]
fn parts_of_a_scan() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let line = "scan shepp-logan-toft --views 60 --angles 0..180deg --cells 48 --detector-rows 6 --cell 6mm -o scan.h5";
    works(at, line);
    let shapes = |flags: &str, name: &str| {
        let json = works(at, &format!("recon scan.h5 {flags} --json -o {name}")).json();
        let shape = |key: &str| -> Vec<u64> {
            json[key].as_array().unwrap().iter().map(|extent| extent.as_u64().unwrap()).collect()
        };
        let written = image(&folder, name).values.shape().iter().map(|extent| *extent as u64).collect::<Vec<_>>();
        assert_eq!(shape("image"), written);
        (shape("projections"), written)
    };
    assert_eq!(shapes("", "all.npy"), (vec![60, 6, 48], vec![6, 48, 48]));
    assert_eq!(shapes("--every 6", "every.npy"), (vec![10, 6, 48], vec![6, 48, 48]));
    assert_eq!(shapes("--rows 1..4", "rows.npy"), (vec![60, 3, 48], vec![3, 48, 48]));
    assert_eq!(shapes("--bin 2", "bin.npy"), (vec![60, 3, 24], vec![3, 24, 24]));
    assert_eq!(shapes("--columns 4..44", "columns.npy"), (vec![60, 6, 40], vec![6, 40, 40]));
    for (flags, word) in [("--rows 4..9", "--rows 4..9"), ("--every 0", "--every 0"), ("--bin 49", "--bin 49")] {
        refused(at, &format!("recon scan.h5 {flags} -o none.npy"), &[word]);
    }
}

#[test]
fn water_is_zero_hounsfield_units() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let fan = "--geometry fan --source-origin 600mm --source-detector 800mm";
    works(at, &format!("scan disk {fan} --views 120 --cells 96 --cell 4mm -o scan.h5"));
    works(at, "recon scan.h5 --size 64 --voxel 4mm --mu-water 0.0192/mm -o image.nii");
    let values = image(&folder, "image.nii").values;
    // 48 mm in the middle of a disk 200 mm wide; and the left edge, outside it but in the field of view.
    let middle = values.slice(ndarray::s![0, 26..38, 26..38]).mean().unwrap();
    let edge = values.slice(ndarray::s![0, 26..38, ..4]).mean().unwrap();
    assert!(middle.abs() < 5.0, "water is {middle} HU");
    assert!((edge + 1000.0).abs() < 5.0, "air is {edge} HU");
}

#[test]
fn show_gives_the_geometry_in_numbers() {
    let folder = with_fan(Beam::Flat);
    let out = works(folder.path(), &format!("show sino.npy --geometry fan --angles 0..360deg {FAN}")).out;
    let line = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {out}"));
    assert!(line("magnification").contains("1.333333"), "{out}");
    assert!(line("sampling at the axis").contains("3.000000 mm"), "{out}");
    assert!(line("angles").contains("0.0000 to 359.0000 deg"), "{out}");
    // The outermost cells' centres are 142 mm from the middle; rays to them pass the axis at 150·sin(atan(142/200)).
    let across = 2.0 * SOURCE_ORIGIN * (35.5 * CELL / SOURCE_DETECTOR).atan().sin();
    assert!(line("field of view").contains(&format!("{across:.6} mm across")), "{out}");
}

#[test]
fn convert_to_a_windowed_png() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    npy(at, "image.npy", "<f4", false, "2, 3", &little(&[-1.0, 0.0, 0.5, 1.0, 2.0, 9.0]));
    works(at, "convert image.npy -o image.png --window 1,2");
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(fs::File::open(at.join("image.png")).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.width, info.height), (3, 2));
    assert_eq!(info.color_type, png::ColorType::Grayscale);
    let full = f64::from(2_u32.pow(info.bit_depth as u32) - 1);
    let greys: Vec<f64> = match info.bit_depth {
        png::BitDepth::Eight => bytes.iter().map(|byte| f64::from(*byte)).collect(),
        _ => bytes.chunks(2).map(|pair| f64::from(u16::from_be_bytes([pair[0], pair[1]]))).collect(),
    };
    for (grey, share) in greys.iter().zip([0.0, 0.0, 0.25, 0.5, 1.0, 1.0]) {
        assert!((grey - share * full).abs() <= 1.0, "{greys:?}");
    }
}

#[test]
fn devices_lists_the_cpu() {
    let folder = tempdir().unwrap();
    let text = works(folder.path(), "devices").out;
    assert!(text.lines().any(|line| line.starts_with("cpu ") && line.contains("threads")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("used: ")), "{text}");
    let json = works(folder.path(), "devices --json").json();
    assert!(json["cpu"]["threads"].as_u64().unwrap() > 0 && json["adapters"].is_array());
    assert_eq!(json["used"], json["cpu"]["name"]);
}

#[test]
fn completions_for_bash() {
    let folder = tempdir().unwrap();
    let script = works(folder.path(), "completions bash").out;
    assert!(script.contains("complete -F _rushlight") && script.contains("--source-origin"));
}

#[test]
fn recon_reports_in_json() {
    let folder = with_scan();
    let json = works(folder.path(), "recon scan.h5 --size 32 --voxel 8mm --json -o image.npy").json();
    assert!(json["device"].as_str().unwrap().starts_with("CPU"));
    assert_eq!(json["projections"], serde_json::json!([60, 1, 48]));
    assert_eq!(json["image"], serde_json::json!([1, 32, 32]));
    assert_eq!(json["outputs"], serde_json::json!(["image.npy"]));
    let seconds = json["seconds"].as_object().unwrap();
    for step in ["read", "filter", "backproject", "write"] {
        assert!(seconds[step].as_f64().unwrap() > 0.0, "{step}: {json}");
    }
    let sum: f64 = seconds.values().map(|step| step.as_f64().unwrap()).sum();
    assert!((sum - json["total_seconds"].as_f64().unwrap()).abs() < 1e-9 + 1e-6 * sum);
}

#[test]
fn the_same_scan_gives_the_same_bytes() {
    let folder = with_scan();
    let at = folder.path();
    let bytes = |flags: &str, name: &str| {
        works(at, &format!("{flags} recon scan.h5 --size 70 --voxel 3mm -o {name}"));
        fs::read(at.join(name)).unwrap()
    };
    let first = bytes("", "first.npy");
    for (flags, name) in [("", "again.npy"), ("--threads 1", "one.npy"), ("--threads 2", "two.npy")] {
        assert!(bytes(flags, name) == first, "{name} differs from first.npy");
    }
}

#[test]
fn noise_follows_its_seed() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let scan = |seed: u32, name: &str| {
        let line = "scan disk --geometry parallel --views 20 --cells 48 --cell 6mm --photons 1e4";
        works(at, &format!("{line} --seed {seed} -o {name}"));
        fs::read(at.join(name)).unwrap()
    };
    let first = scan(1, "a.npy");
    assert!(first == scan(1, "b.npy") && first != scan(2, "c.npy"));
}

/// A water disk of 60 mm in HU, pixels of 2 mm, as `disk.npy`.
fn with_water() -> TempDir {
    let folder = tempdir().unwrap();
    let hu = |i: usize| {
        let [x, y] = [i % 48, i / 48].map(|k| 2.0 * (k as f64 - 23.5));
        if x.hypot(y) < 30.0 { 0.0 } else { -1000.0 }
    };
    let values: Vec<f32> = (0..48 * 48).map(hu).collect();
    npy(folder.path(), "disk.npy", "<f4", false, "48, 48", &little(&values));
    folder
}

/// Least and greatest value over the disk's inner half, and its mean.
fn inside_the_water(folder: &TempDir, name: &str) -> [f32; 3] {
    let image = image(folder, name);
    let inner: Vec<f32> = image.values.slice(ndarray::s![0, 17..31, 17..31]).iter().copied().collect();
    let mean = inner.iter().sum::<f32>() / inner.len() as f32;
    [inner.iter().copied().fold(f32::MAX, f32::min), inner.iter().copied().fold(f32::MIN, f32::max), mean]
}

const TABLE: &str =
    "--geometry fan --detector curved --views 180 --cells 80 --cell 2mm --source-origin 300mm --source-detector 500mm";

#[test]
fn an_image_is_scanned_and_reconstructed() {
    let folder = with_water();
    let at = folder.path();
    works(at, &format!("scan disk.npy --unit hu --voxel 2mm --refine 2 {TABLE} --truth truth.npy -o scan.h5"));
    works(at, "recon scan.h5 --filter hann --size 48 --voxel 2mm --mu-water 0.019281/mm -o image.nii");
    let [low, high, mean] = inside_the_water(&folder, "image.nii");
    assert!(low > -25.0 && high < 25.0 && mean.abs() < 5.0, "{low} … {high} HU, mean {mean}");
    assert!((image(&folder, "truth.npy").values[[0, 24, 24]] - 0.019281).abs() < 1e-6);
}

#[test]
fn a_tubes_beam_is_scanned_and_its_hardening_corrected() {
    let folder = with_water();
    let at = folder.path();
    let beam = "--tube 120kV,2.5mmAl --mas 500 --bowtie 60mm --focal-spot 1mm --cross-talk 0.02 --electronic-noise 5";
    let line = format!("scan disk.npy --unit hu --voxel 2mm {TABLE} {beam} --seed 3 -o");
    works(at, &format!("{line} scan.h5"));
    works(at, &format!("{line} again.h5"));
    assert!(fs::read(at.join("scan.h5")).unwrap() == fs::read(at.join("again.h5")).unwrap());
    let hu = "--filter hann --size 48 --voxel 2mm --mu-water 0.019281/mm";
    works(at, &format!("recon scan.h5 {hu} -o raw.nii"));
    let [_, _, raw] = inside_the_water(&folder, "raw.nii");
    for by in ["water", "bone"] {
        let output = format!("{by}.nii");
        let run = works(
            at,
            &format!("recon scan.h5 {hu} --beam-hardening {by} --tube 120kV,2.5mmAl --bowtie 60mm -o {output}"),
        );
        assert!(run.err.contains("120 kV, 2.5 mm aluminium, 7° target"), "{}", run.err);
        // The raw water is some 100 HU too bright: the beam is softer than 70 keV.
        let [_, _, mean] = inside_the_water(&folder, &output);
        assert!(mean.abs() < 5.0 && raw > 40.0, "{by}: {mean} HU, raw {raw} HU");
    }
}

#[test]
fn a_scan_says_what_its_detector_counted() {
    let folder = with_water();
    let at = folder.path();
    let hu = "--filter hann --size 48 --voxel 2mm --mu-water 0.019281/mm --beam-hardening water";
    for (kind, flags) in [("counting", "--photon-counting --bowtie 60mm"), ("integrating", "")] {
        let scan = format!("scan disk.npy --unit hu --voxel 2mm {TABLE} --tube 120kV,2.5mmAl {flags} -o {kind}");
        works(at, &format!("{scan}.h5"));
        works(at, &format!("{scan}.npy"));
        // The file says all that the correction needs, a copy of it and a thinner one too.
        works(at, &format!("convert {kind}.h5 -o copy.h5 --force"));
        works(at, &format!("scan {kind}.h5 --insert-dose 1 --photons 1e9 -o thin.h5 --force"));
        for name in [format!("{kind}.h5"), "copy.h5".into(), "thin.h5".into()] {
            let run = works(at, &format!("recon {name} {hu} -o by-file.nii --force"));
            assert!(run.err.contains("120 kV, 2.5 mm aluminium, 7° target"), "{}", run.err);
            let [_, _, mean] = inside_the_water(&folder, "by-file.nii");
            assert!(mean.abs() < 5.0, "{name}: {mean} HU");
        }
        // What says nothing needs flags.
        let table = "--geometry fan --detector curved --angles 0..360deg --cell 2mm --source-origin 300mm --source-detector 500mm";
        refused(at, &format!("recon {kind}.npy {table} {hu} -o no.nii"), &["--tube"]);
        works(at, &format!("recon {kind}.npy {table} {hu} --tube 120kV,2.5mmAl {flags} -o by-flags.nii --force"));
        let [file, flag] = ["by-file.nii", "by-flags.nii"].map(|name| inside_the_water(&folder, name)[2]);
        assert!((file - flag).abs() < 0.2, "{kind}: {file} HU, {flag} HU");
    }
    // Said otherwise, it is remarked on, and wrong by the difference of the two beams.
    let run = works(at, &format!("recon integrating.h5 {hu} --photon-counting -o wrong.nii"));
    assert!(run.err.contains("flags overrule"), "{}", run.err);
    assert!(inside_the_water(&folder, "wrong.nii")[2].abs() > 10.0);
    let run = works(at, "recon integrating.h5 --size 48 --voxel 2mm -o raw.nii");
    assert!(run.err.contains("--beam-hardening"), "{}", run.err);
}

#[test]
fn low_dose_is_inserted_into_a_scan() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "scan disk --views 90 --cells 64 --cell 4mm --photons 1e5 --seed 1 -o full.h5");
    works(at, "scan full.h5 --insert-dose 0.1 --photons 1e5 --seed 2 -o low.h5");
    let air = |name: &str| {
        let scan = io::read_recording(at.join(name)).unwrap();
        let air: Vec<f64> = scan.data.slice(ndarray::s![.., 0, ..5]).iter().map(|p| f64::from(*p)).collect();
        air.iter().map(|p| p * p).sum::<f64>() / air.len() as f64
    };
    let ratio = air("low.h5") / air("full.h5");
    assert!((ratio - 10.0).abs() < 3.0, "{ratio}");
}

#[test]
fn scans_that_cannot_be_made_say_why() {
    let folder = with_water();
    let at = folder.path();
    works(at, "scan disk --views 9 --cells 9 --cell 30mm -o made.h5");
    let hu = "scan disk.npy --unit hu --voxel 2mm";
    for (line, words) in [
        ("scan nothing --views 9".to_string(), &["nothing", "known phantoms"][..]),
        (format!("scan disk.npy --voxel 2mm {TABLE}"), &["--unit"]),
        (format!("scan disk.npy --unit hu {TABLE}"), &["--voxel"]),
        (format!("{hu} --views 9 --cells 9"), &["--cell"]),
        (format!("{hu} --slice 4 {TABLE}"), &["slice 4"]),
        (format!("{hu} {TABLE} --tube 120kV --mas 0"), &["--mas 0"]),
        (format!("{hu} {TABLE} --electronic-noise 3"), &["--photons"]),
        (format!("{hu} {TABLE} --cross-talk 0.4"), &["cross-talk", "0.25"]),
        (format!("{hu} {TABLE} --bowtie 2000mm"), &["bow-tie"]),
        (format!("{hu} {TABLE} --energy 900"), &["900 keV"]),
        (format!("{hu} --views 9 --cells 9 --cell 9mm --focal-spot 1mm"), &["parallel"]),
        (format!("{hu} --preset lodopab"), &["362"]),
        (format!("{hu} --preset lodopab --photons 5"), &["lodopab"]),
        (format!("{hu} {TABLE} --insert-dose 0.5 --photons 5"), &["--insert-dose"]),
        ("scan disk --views 9 --cells 9 --cell 30mm --tube 120kV".into(), &["rushlight phantom disk"]),
        ("scan disk --views 9 --cells 9 --cell 30mm --unit hu".into(), &["--unit"]),
        ("scan made.h5".into(), &["--insert-dose"]),
        ("scan made.h5 --insert-dose 2 --photons 5".into(), &["dose of 2"]),
        ("scan made.h5 --insert-dose 0.5 --photons 5 --bowtie 9mm".into(), &["--bowtie"]),
        ("recon made.h5 --beam-hardening water".into(), &["--tube"]),
    ] {
        refused(at, &format!("{line} -o scan.h5"), words);
    }
    for (line, word) in [
        ("scan disk.npy --unit hounsfield", "hounsfield"),
        ("scan disk.npy --tube 120", "120kV,2.5mmAl"),
        ("scan disk.npy --tube 120kV,2mmXx", "known materials"),
        ("scan disk.npy --mas 3", "--tube"),
    ] {
        let run = run(at, &format!("{line} -o scan.h5"));
        assert!(run.code == Some(2) && run.err.contains(word), "{line}: {}", run.err);
    }
}

#[test]
fn demo_writes_four_pictures() {
    let folder = tempdir().unwrap();
    let run = works(folder.path(), "demo -o pictures");
    let psnr = run.out.lines().find(|line| line.starts_with("PSNR")).unwrap_or_else(|| panic!("{}", run.out));
    let figure: f64 = psnr.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(figure > 30.0 && figure < 60.0, "{psnr}");
    for name in ["truth", "sinogram", "image", "difference"] {
        let bytes = fs::read(folder.path().join(format!("pictures/{name}.png"))).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
    }
    assert_eq!(names(folder.path().join("pictures")).len(), 4);
}

#[test]
fn every_verb_has_help_with_examples() {
    let folder = tempdir().unwrap();
    for verb in
        ["recon", "scan", "phantom", "compare", "show", "convert", "devices", "demo", "completions", "bench", "denoise"]
    {
        let short = works(folder.path(), &format!("{verb} -h")).out;
        let full = works(folder.path(), &format!("{verb} --help")).out;
        assert!(short.contains("Usage: rushlight"), "{verb}: {short}");
        assert!(full.contains("Examples:\n  rushlight "), "{verb}: {full}");
        assert!(!short.contains("Examples:"), "{verb} -h is short");
    }
}

// ---- what the world does wrong -------------------------------------------------------------------------------------

#[test]
fn a_truncated_file() {
    let folder = with_parallel();
    let path = folder.path().join("sino.npy");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    refused(folder.path(), &format!("recon sino.npy {PARALLEL} -o image.npy"), &["sino.npy", "truncated"]);
    // Within the header, too.
    fs::write(&path, &bytes[..40]).unwrap();
    refused(folder.path(), &format!("recon sino.npy {PARALLEL} -o image.npy"), &["sino.npy"]);
}

#[test]
fn a_truncated_scan_file() {
    let folder = with_scan();
    let path = folder.path().join("scan.h5");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    refused(folder.path(), "recon scan.h5 -o image.npy", &["scan.h5"]);
}

#[test]
fn an_empty_file() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("sino.npy"), b"").unwrap();
    refused(folder.path(), &format!("recon sino.npy {PARALLEL} -o image.npy"), &["sino.npy", "empty"]);
}

#[test]
fn a_missing_file() {
    let folder = tempdir().unwrap();
    refused(folder.path(), &format!("recon sino.npy {PARALLEL} -o image.npy"), &["sino.npy", "no such file"]);
}

#[test]
fn numbers_of_the_wrong_kind() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let line = format!("recon sino.npy {PARALLEL} -o image.npy");
    npy(at, "sino.npy", "<c8", false, "4, 4", &[0; 128]);
    refused(at, &line, &["sino.npy", "complex"]);
    npy(at, "sino.npy", "|O", false, "4, 4", &[0; 128]);
    refused(at, &line, &["sino.npy", "objects"]);
    npy(at, "sino.npy", "<U4", false, "4, 4", &[0; 256]);
    refused(at, &line, &["sino.npy", "text"]);
    fs::write(at.join("sino.npy"), "1.0 2.0 3.0\n4.0 5.0 6.0\n").unwrap();
    refused(at, &line, &["sino.npy"]);
}

#[test]
fn big_endian_numbers_are_read_as_they_are_meant() {
    let folder = with_parallel();
    let values = sinogram(Beam::Parallel, &angles(0.0, 180.0), COLUMNS);
    let bytes: Vec<_> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
    npy(folder.path(), "big.npy", ">f4", false, &format!("{VIEWS}, {COLUMNS}"), &bytes);
    for name in ["sino.npy", "big.npy"] {
        works(folder.path(), &format!("recon {name} {PARALLEL} -o image-{name}"));
    }
    let [little, big] = ["sino", "big"].map(|name| fs::read(folder.path().join(format!("image-{name}.npy"))).unwrap());
    assert!(little == big);
    assert_disk(&image(&folder, "image-big.npy"), 0, CELL);
}

#[test]
fn fortran_order_is_read_as_it_is_meant() {
    let folder = with_parallel();
    let values = sinogram(Beam::Parallel, &angles(0.0, 180.0), COLUMNS);
    let turned: Vec<_> =
        (0..COLUMNS).flat_map(|c| (0..VIEWS).map(move |v| v * COLUMNS + c)).map(|i| values[i]).collect();
    npy(folder.path(), "fortran.npy", "<f4", true, &format!("{VIEWS}, {COLUMNS}"), &little(&turned));
    for name in ["sino.npy", "fortran.npy"] {
        works(folder.path(), &format!("recon {name} {PARALLEL} -o image-{name}"));
    }
    let [c, f] = ["sino", "fortran"].map(|name| fs::read(folder.path().join(format!("image-{name}.npy"))).unwrap());
    assert!(c == f);
    assert_disk(&image(&folder, "image-fortran.npy"), 0, CELL);
}

#[test]
fn nan_and_infinities_are_counted_and_located() {
    let folder = tempdir().unwrap();
    let mut values = sinogram(Beam::Parallel, &angles(0.0, 180.0), COLUMNS);
    values[3 * COLUMNS + 4] = f32::NAN;
    values[5 * COLUMNS + 6] = f32::INFINITY;
    values[5 * COLUMNS + 7] = f32::NEG_INFINITY;
    write_sinogram(folder.path(), &values);
    let line = format!("recon sino.npy {PARALLEL} -o image.npy");
    refused(folder.path(), &line, &["sino.npy", "3 values", "[3, 0, 4]", "not finite"]);
}

#[test]
fn a_header_that_claims_too_much() {
    let folder = tempdir().unwrap();
    // 10¹² numbers; and more than any address can reach, in two ways.
    for shape in ["1000000, 1000000", "1000000000000,", "4294967296, 4294967296", "18446744073709551615, 2"] {
        npy(folder.path(), "sino.npy", "<f4", false, shape, &[0; 64]);
        refused(folder.path(), &format!("recon sino.npy {PARALLEL} -o image.npy"), &["sino.npy"]);
    }
}

#[test]
fn more_or_fewer_angles_than_views() {
    let folder = with_parallel();
    for count in [VIEWS - 1, VIEWS + 1] {
        let bytes: Vec<_> = (0..count).flat_map(|view| (2.0 * view as f64).to_le_bytes()).collect();
        npy(folder.path(), "angles.npy", "<f8", false, &format!("{count},"), &bytes);
        let line = "recon sino.npy --geometry parallel --angles angles.npy --angle-unit deg --cell 4mm -o image.npy";
        refused(folder.path(), line, &[&format!("{count} angles"), "360 views"]);
    }
}

#[test]
fn a_cell_of_no_width() {
    let folder = with_parallel();
    let line = "recon sino.npy --geometry parallel --angles 0..180deg -o image.npy";
    // Every length that is the size of something, of every verb.
    let fan = "scan disk --geometry fan --views 9 --cells 9 --cell 9mm --source-origin 600mm --source-detector 800mm";
    for length in ["0mm", "-1mm"] {
        for flag in ["--cell", "--cell-height", "--voxel", "--source-origin", "--source-detector", "--bowtie"] {
            command::wrong_usage(folder.path(), &format!("{line} {flag}={length}"));
        }
        for flag in ["--bowtie", "--cell", "--voxel"] {
            command::wrong_usage(folder.path(), &format!("{fan} {flag}={length} -o scan.h5"));
        }
        command::wrong_usage(folder.path(), &format!("phantom disk --size 16 --voxel={length} -o disk.npy"));
        command::wrong_usage(folder.path(), &format!("measure nps sino.npy --voxel={length}"));
    }
    command::wrong_usage(folder.path(), &format!("{fan} --focal-spot=-1mm -o scan.h5"));
    command::wrong_usage(folder.path(), &format!("{line} --mu-water=-0.02/mm"));
    // A geometry file's words are its own.
    for (name, words) in [("cell_mm = -1.0", "--cell is -1"), ("cell_mm = 0.0", "--cell is 0")] {
        fs::write(
            folder.path().join("bad.toml"),
            format!("geometry = \"parallel\"\nangles_deg = \"0..180\"\n{name}\n"),
        )
        .unwrap();
        refused(folder.path(), "recon sino.npy --geometry bad.toml -o image.npy", &[words]);
    }
}

#[test]
fn angles_that_fit_another_axis() {
    let folder = with_parallel();
    let values: Vec<u8> = (0..48 * 360).flat_map(|_| 0.5_f32.to_le_bytes()).collect();
    let angles: String = (0..360).map(|view| format!("{}\n", 0.5 * f64::from(view))).collect();
    fs::write(folder.path().join("angles.txt"), angles).unwrap();
    let line = "--geometry parallel --angles angles.txt --angle-unit deg --cell 4mm -o image.npy";
    for (shape, words) in
        [("48, 360", "[column, view]"), ("3, 360, 16", "[row, view, column]"), ("16, 3, 360", "[column, row, view]")]
    {
        npy(folder.path(), "turned.npy", "<f4", false, shape, &values);
        refused(folder.path(), &format!("recon turned.npy {line}"), &["360 angles", words, "swapaxes"]);
    }
}

#[test]
fn angles_are_read_from_text() {
    let folder = with_parallel();
    let at = folder.path();
    works(at, &format!("recon sino.npy {PARALLEL} -o range.npy"));
    let degrees = |view: i32| 0.5 * f64::from(view);
    let column = |end: &str| (0..360).map(|view| format!("{}{end}", degrees(view))).collect::<String>();
    let spaced: String = (0..360).map(|view| format!("  {:.18e} \n", degrees(view))).collect();
    for (name, text) in [
        ("angles.txt", column("\n")),
        ("windows.csv", format!("\u{feff}{}", column("\r\n"))),
        ("savetxt.dat", format!("# theta\n{spaced}")),
        ("row.csv", column(",")),
    ] {
        fs::write(at.join(name), text).unwrap();
        works(
            at,
            &format!("recon sino.npy --geometry parallel --angles {name} --angle-unit deg --cell 4mm -o {name}.npy"),
        );
        let [range, list] = ["range.npy", &format!("{name}.npy")].map(|file| image(&folder, file).values);
        assert!(range.iter().zip(&list).all(|(a, b)| (a - b).abs() < 1e-6), "{name}");
    }
    for (text, words) in [
        ("0\n1\n\ntwo\n", "line 4: 'two'"),
        ("0,5\n1,0\n", "line 1 has 2"),
        ("# none\n", "without a number"),
        ("1\nnan\n", "line 2"),
    ] {
        fs::write(at.join("bad.txt"), text).unwrap();
        let line = "recon sino.npy --geometry parallel --angles bad.txt --angle-unit deg --cell 4mm -o image.npy";
        refused(at, line, &["bad.txt", words]);
    }
}

#[test]
fn a_source_inside_the_object() {
    let folder = with_fan(Beam::Flat);
    let at = folder.path();
    let fan = "--geometry fan --cell 4mm --source-origin 5mm --source-detector 800mm";
    refused(
        at,
        &format!("recon sino.npy --angles 0..360deg {fan} --size 64 --voxel 3mm -o image.npy"),
        &["--source-origin", "inside"],
    );
    refused(at, &format!("scan disk {fan} --views 30 --cells 48 -o scan.h5"), &["inside"]);
}

#[test]
fn an_output_that_cannot_be_written() {
    let folder = with_parallel();
    let at = folder.path();
    fs::create_dir(at.join("folder.npy")).unwrap();
    for (output, words) in
        [("nowhere/image.npy", "no folder nowhere"), ("folder.npy", "is a folder"), ("image.xyz", "format")]
    {
        refused(at, &format!("recon sino.npy {PARALLEL} -o {output}"), &[output, words]);
        refused(at, &format!("phantom disk --size 16 -o {output}"), &[output, words]);
        refused(at, &format!("scan disk --views 9 --cells 9 --cell 30mm -o {output}"), &[output, words]);
        refused(at, &format!("convert sino.npy -o {output}"), &[output, words]);
    }
    assert!(names(at.join("folder.npy")).is_empty());
}

#[test]
fn an_output_that_exists() {
    let folder = with_parallel();
    let at = folder.path();
    let line = format!("recon sino.npy {PARALLEL} -o image.npy");
    fs::write(at.join("image.npy"), "precious").unwrap();
    refused(at, &line, &["image.npy", "--force"]);
    works(at, &format!("{line} --force"));
    assert_disk(&image(&folder, "image.npy"), 0, CELL);
    assert_eq!(names(at).len(), 2, "{:?}", names(at));
    works(at, "demo -o pictures");
    let pictures = contents(at.join("pictures"));
    refused(at, "demo -o pictures", &["pictures", "--force"]);
    assert!(contents(at.join("pictures")) == pictures);
}

#[test]
fn wrong_usage() {
    let folder = with_parallel();
    let lines = [
        ("recon sino.npy --nonsense -o image.npy", "--nonsense"),
        ("recon sino.npy --geometry parallel --angles 0..180deg --cell 1 -o image.npy", "--cell"),
        ("recon sino.npy --filter boxcar -o image.npy", "--filter"),
        ("recon sino.npy", "--output"),
        ("reconstruct sino.npy", "reconstruct"),
        ("", "Usage"),
    ];
    for (line, word) in lines {
        let run = run(folder.path(), line);
        assert_eq!(run.code, Some(2), "rushlight {line}: {}", run.err);
        assert!(run.err.contains(word), "rushlight {line}: {}", run.err);
    }
    // What cannot be known without looking at the file is the file's fault, and told in one line.
    refused(folder.path(), "recon sino.npy --geometry parallel --cell 1mm -o image.npy", &["--angles"]);
    refused(
        folder.path(),
        "recon sino.npy --geometry parallel --angles 0..180 --cell 1mm -o image.npy",
        &["0..180deg"],
    );
    assert_eq!(names(folder.path()).len(), 1);
}

/// With every method, whether or not it looks at the option.
#[test]
fn strengths_photons_and_views_that_cannot_be() {
    let folder = with_scan();
    let at = folder.path();
    npy(at, "alike.npy", "<f4", false, "60,", &little(&[30.0; 60]));
    npy(at, "empty.npy", "<f4", false, "60, 48", &little(&[0.0; 60 * 48]));
    works(at, "scan disk --geometry parallel --views 60 --angles 0..180deg --cells 48 --cell 6mm -o sino.npy");
    works(at, "phantom disk --size 48 --voxel 6mm -o prior.npy");
    for method in ["tv", "tgv", "piccs", "pnp", "asd-pocs", "pwls", "sirt", "sart", "cgls"] {
        let prior = if method == "piccs" { "--prior prior.npy " } else { "" };
        let with = format!("--method {method} {prior}--size 48 --voxel 6mm -o image.npy");
        for strength in ["0", "-1", "nan", "inf", "0x"] {
            refused(at, &format!("recon scan.h5 {with} --strength {strength}"), &["strength", "above 0"]);
        }
        for photons in ["0", "-5", "nan"] {
            refused(at, &format!("recon scan.h5 {with} --photons {photons}"), &["--photons", "above 0"]);
        }
        let parallel = "--geometry parallel --cell 6mm";
        let alike = format!("recon sino.npy {parallel} --angles alike.npy --angle-unit deg {with}");
        refused(at, &alike, &["views are all alike", "--angles"]);
        let empty = format!("recon empty.npy {parallel} --angles 0..180deg {with}");
        refused(at, &empty, &["nothing to reconstruct"]);
    }
}

/// A denoiser or an image, for the two methods that have one.
#[test]
fn priors_that_cannot_be() {
    let folder = with_scan();
    let at = folder.path();
    let with = "--size 48 --voxel 6mm -o image.npy";
    refused(at, &format!("recon scan.h5 --method nonlocal {with}"), &["'nonlocal' has given way to 'pnp'"]);
    refused(at, &format!("recon scan.h5 --method tv --prior bm3d {with}"), &["--prior", "piccs", "pnp", "tv has none"]);
    refused(at, &format!("recon scan.h5 --prior bm3d {with}"), &["--prior", "fbp has none"]);
    refused(at, &format!("recon scan.h5 --method pnp --prior blur {with}"), &["no denoiser 'blur'", "bm3d, nlm"]);
    refused(at, &format!("recon scan.h5 --method piccs --prior bm3d {with}"), &["bm3d"]);
    works(at, "sampling poisson --matrix 48,48 --acceleration 2 --calibration 16 --seed 1 -o mask.npy");
    works(
        at,
        "scan shepp-logan-toft --mr --matrix 48,48 --coils 4 --sampling mask.npy --snr 30dB --seed 1 -o kspace.npy",
    );
    refused(at, "recon kspace.npy --method tv --prior bm3d -o image.npy", &["--prior is for pnp", "tv has none"]);
    refused(at, "recon kspace.npy --method pnp --prior blur -o image.npy", &["no denoiser 'blur'", "bm3d, nlm"]);
    works(at, "recon kspace.npy --method pnp --prior nlm --iterations 2 -o image.npy");
    works(at, &format!("recon scan.h5 --method pnp --prior nlm --iterations 2 --force {with}"));
}

#[test]
fn counts_above_the_flat_field_or_none() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let integrals = sinogram(Beam::Parallel, &angles(0.0, 180.0), COLUMNS);
    let counts: Vec<f32> = integrals.iter().map(|p| 1000.0 * (-p).exp()).collect();
    write_sinogram(at, &counts);
    let mut few = counts.clone();
    few.iter_mut().step_by(COLUMNS).for_each(|count| *count *= 1.5);
    let shape = format!("{VIEWS}, {COLUMNS}");
    npy(at, "few.npy", "<f4", false, &shape, &little(&few));
    npy(at, "none.npy", "<f4", false, &shape, &little(&vec![0.0; counts.len()]));
    let with = format!("{PARALLEL} --numbers counts -o image.npy");
    refused(at, &format!("recon sino.npy {with} --open-beam 100"), &["above the flat field", "exposure"]);
    refused(at, &format!("recon none.npy {with} --open-beam 100"), &["no reading is above the dark field"]);
    let run = works(at, &format!("recon few.npy {with} --open-beam 1000"));
    assert!(run.err.contains(&format!("{VIEWS} brighter than 1.2 times the flat field")), "{}", run.err);
}

/// Ctrl-C with `--on-interrupt save`: the image so far is written, and the run counts as done.
#[cfg(unix)]
#[test]
fn ctrl_c_can_keep_the_image() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "scan disk --geometry parallel --views 60 --angles 0..180deg --cells 48 --cell 6mm -o scan.h5");
    // Hours of work, but interrupted as soon as the first iterations are shown.
    let line = "recon scan.h5 --method sirt --size 96 --voxel 3mm --iterations 90000000 --on-interrupt save \
                --callback-png . -o image.npy --json";
    let mut child = command(at, line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !at.join("iteration-0020.png").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it could be interrupted");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("interrupted after"), "{}", run.out);
    let values = image(&folder, "image.npy").values;
    assert!(values.iter().all(|value| value.is_finite()) && values.iter().any(|value| *value > 0.01));
}

#[cfg(unix)]
#[test]
fn ctrl_c_during_a_reconstruction() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    // 7200 views on 6000² pixels: minutes of work for one thread.
    works(at, "scan disk --geometry parallel --views 7200 --cells 48 --cell 6mm -o scan.h5");
    let mut long = command(at, "recon scan.h5 --size 6000 --threads 1 -o image.npy");
    let mut child = long.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    if let Some(status) = child.try_wait().unwrap() {
        panic!("it ended before it could be interrupted: {status}; give it more work");
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let run = Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, Some(130), "{}", run.err);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.starts_with("rushlight: ") && run.err.contains("interrupted"), "{}", run.err);
    assert_eq!(names(at).len(), 1, "{:?}", names(at));
}
