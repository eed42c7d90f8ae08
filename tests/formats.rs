//! Files: round trips, files made by other software or byte by byte, and broken ones.

mod fuzz;

use std::{
    f64::consts::PI,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use ndarray::{Array3, ArrayD, IxDyn};
use proptest::prelude::*;
use rushlight::{
    Error,
    geometry::{Fan, Grid, LengthUnit, Parallel},
    image::{Image, Quantity},
    io::{self, Reading, Recording, WriteOptions},
    scan::Scan,
};
use tempfile::{TempDir, tempdir};

// ---- what the tests write ------------------------------------------------------------------------------------------

fn image(shape: [usize; 3]) -> Image {
    let count = shape.iter().product::<usize>();
    let values =
        Array3::from_shape_fn(shape, |(z, y, x)| ((z * 7919 + y * 104_729 + x * 1_299_709) % 1000) as f32 * 2e-5);
    assert_eq!(values.len(), count);
    Image {
        values,
        grid: Grid::centered(shape, [1.25, 0.5, 0.75], [3.0, -4.5, 10.0]),
        unit: LengthUnit::Millimetre,
        quantity: Quantity::Attenuation(LengthUnit::Millimetre),
        provenance: "rushlight test, fbp ram-lak".into(),
    }
}

/// A grid turned about all three axes.
fn turned(mut image: Image) -> Image {
    let (s, c) = 0.3_f64.sin_cos();
    let (t, d) = 1.1_f64.sin_cos();
    let x = [c * d, s * d, -t];
    let y = [-s, c, 0.0];
    let z = [c * t, s * t, d];
    image.grid.steps = [z.map(|v| v * 1.25), y.map(|v| v * 0.5), x.map(|v| v * 0.75)];
    image.grid.first = [-10.0, 20.5, 0.125];
    image
}

fn scan() -> Scan {
    let fan = Fan {
        angles: vec![0.1, 1.0, 2.5, 4.0],
        columns: 9,
        rows: 2,
        cell: 1.5,
        cell_height: 2.0,
        source_origin: 400.0,
        source_detector: 600.0,
        center: Some(4.25),
        axis_offset: 0.0,
        curved: true,
        unit: LengthUnit::Millimetre,
    };
    Scan::new(Array3::from_shape_fn((4, 2, 9), |(v, r, c)| (v * 18 + r * 9 + c) as f32 * 0.01), fan.geometry()).unwrap()
}

fn write(dir: &TempDir, name: &str, image: &Image) -> PathBuf {
    let path = dir.path().join(name);
    io::write_image(&path, image, &WriteOptions::default()).unwrap();
    path
}

fn message(result: rushlight::Result<impl std::fmt::Debug>) -> String {
    let message = result.expect_err("this should be refused").to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + b.abs())
}

fn assert_grid(read: &Image, written: &Image, name: &str) {
    assert_eq!((read.grid.shape, read.unit), (written.grid.shape, written.unit), "{name}");
    let flat = |grid: &Grid| [grid.first, grid.steps[0], grid.steps[1], grid.steps[2]].concat();
    for (a, b) in flat(&read.grid).into_iter().zip(flat(&written.grid)) {
        assert!(near(a, b), "{name}: {:?} is not {:?}", read.grid, written.grid);
    }
}

// ---- round trips ---------------------------------------------------------------------------------------------------

#[test]
fn exact_formats_keep_values_grid_and_quantity() {
    let dir = tempdir().unwrap();
    for (number, image) in [image([1, 5, 7]), image([3, 4, 5]), turned(image([2, 3, 4]))].into_iter().enumerate() {
        for name in ["a.h5", "a.tif", "a.nii", "a.nii.gz"] {
            let name = format!("{number}{name}");
            let read = io::read_image(write(&dir, &name, &image)).unwrap();
            assert_eq!(read.values, image.values, "{name}");
            assert_eq!(read.quantity, image.quantity, "{name}");
            assert_grid(&read, &image, &name);
        }
    }
}

#[test]
fn every_quantity_and_unit_comes_back() {
    let dir = tempdir().unwrap();
    let quantities = [
        (Quantity::Attenuation(LengthUnit::Cell), LengthUnit::Cell),
        (Quantity::Hounsfield { mu_water: Some(0.0192) }, LengthUnit::Millimetre),
        (Quantity::Hounsfield { mu_water: None }, LengthUnit::Millimetre),
        (Quantity::Unknown, LengthUnit::Cell),
        (Quantity::Unknown, LengthUnit::Millimetre),
    ];
    for (number, (quantity, unit)) in quantities.into_iter().enumerate() {
        let image = Image { quantity, unit, ..image([2, 3, 4]) };
        for name in ["a.h5", "a.tif", "a.nii"] {
            let read = io::read_image(write(&dir, &format!("{number}{name}"), &image)).unwrap();
            assert_eq!((read.quantity, read.unit), (quantity, unit), "{name}");
        }
    }
}

#[test]
fn npy_keeps_numbers_and_drops_single_slices() {
    let dir = tempdir().unwrap();
    let flat = write(&dir, "flat.npy", &image([1, 5, 7]));
    let array = io::read_array(&flat).unwrap();
    assert_eq!(array.shape(), [5, 7]);
    assert_eq!(array.iter().collect::<Vec<_>>(), image([1, 5, 7]).values.iter().collect::<Vec<_>>());
    let deep = write(&dir, "deep.npy", &image([3, 4, 5]));
    assert_eq!(io::read_image(deep).unwrap().values, image([3, 4, 5]).values);
    let read = io::read_image(flat).unwrap();
    assert_eq!((read.unit, read.quantity), (LengthUnit::Cell, Quantity::Unknown));
}

#[test]
fn png_shows_a_window_and_says_which() {
    let dir = tempdir().unwrap();
    let mut image = image([1, 2, 3]);
    image.values = Array3::from_shape_vec((1, 2, 3), vec![-1.0, 0.0, 0.5, 1.0, 2.0, 0.25]).unwrap();
    let path = dir.path().join("a.png");
    let options = WriteOptions { window: Some((0.5, 1.0)), ..WriteOptions::default() };
    assert_eq!(io::write_image(&path, &image, &options).unwrap().remark, None);
    let read = io::read_image(&path).unwrap();
    assert_eq!(read.values.iter().copied().collect::<Vec<_>>(), [0.0, 0.0, 128.0, 255.0, 255.0, 64.0]);
    assert_grid(&read, &image, "png");
    let written = io::write_image(dir.path().join("b.png"), &image, &WriteOptions::default()).unwrap();
    let remark = written.remark.expect("the window chosen for the user must be said");
    assert!(remark.contains("-1") && remark.contains('2'), "{remark}");
    let options = WriteOptions { window: Some((0.5, 0.0)), ..WriteOptions::default() };
    assert!(message(io::write_image(dir.path().join("c.png"), &image, &options)).contains("width"));
}

#[test]
fn a_stack_of_pictures_is_numbered() {
    let dir = tempdir().unwrap();
    let written = io::write_image(dir.path().join("a.png"), &image([2, 3, 4]), &WriteOptions::default()).unwrap();
    let names: Vec<_> = written.paths.iter().map(|path| path.file_name().unwrap().to_string_lossy()).collect();
    assert_eq!(names, ["a-0001.png", "a-0002.png"]);
    let second = io::read_image(&written.paths[1]).unwrap();
    assert!(near(second.grid.first[2], image([2, 3, 4]).grid.first[2] + 1.25));
}

#[test]
fn dicom_keeps_hounsfield_units_to_one_and_attenuation_to_16_bits() {
    let dir = tempdir().unwrap();
    let mut hounsfield = image([1, 5, 7]);
    hounsfield.values.mapv_inplace(|v| v * 150_000.0 - 1000.0);
    hounsfield.quantity = Quantity::Hounsfield { mu_water: Some(0.0192) };
    let read = io::read_image(write(&dir, "hu.dcm", &hounsfield)).unwrap();
    assert_eq!(read.quantity, hounsfield.quantity);
    assert_grid(&read, &hounsfield, "HU");
    for (a, b) in read.values.iter().zip(&hounsfield.values) {
        assert_eq!(*a, b.round());
    }
    let mu = turned(image([1, 5, 7]));
    let read = io::read_image(write(&dir, "mu.dcm", &mu)).unwrap();
    assert_eq!(read.quantity, mu.quantity);
    assert_grid(&Image { grid: Grid { steps: read.grid.steps, ..mu.grid }, ..read.clone() }, &mu, "steps");
    let step = 0.02 / 65534.0;
    for (a, b) in read.values.iter().zip(&mu.values) {
        assert!((a - b).abs() <= step, "{a} is not {b}");
    }
}

#[test]
fn a_dicom_series_is_sorted_by_position() {
    let dir = tempdir().unwrap();
    let mut stack = turned(image([4, 3, 5]));
    stack.values.mapv_inplace(|v| (v * 50_000.0).round());
    stack.quantity = Quantity::Hounsfield { mu_water: None };
    let written = io::write_image(dir.path().join("a.dcm"), &stack, &WriteOptions::default()).unwrap();
    // Names in the opposite order, and a file that is none of it.
    for (path, name) in written.paths.iter().zip(["z9", "z8", "z7", "z10"]) {
        fs::rename(path, dir.path().join(name)).unwrap();
    }
    fs::rename(dir.path().join("z10"), dir.path().join("a0")).unwrap();
    fs::write(dir.path().join("notes.txt"), "not a slice").unwrap();
    let read = io::read_image(dir.path()).unwrap();
    assert_eq!(read.values, stack.values);
    assert_grid(&read, &stack, "series");
    fs::remove_file(dir.path().join("z8")).unwrap();
    let refused = message(io::read_image(dir.path()));
    assert!(refused.contains("apart"), "{refused}");
}

#[test]
fn a_scan_keeps_its_geometry() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("scan.h5");
    let recording = Recording::from(scan());
    io::write_recording(&path, &recording, &WriteOptions::default()).unwrap();
    let read = io::read_recording(&path).unwrap();
    assert_eq!(
        (&read.data, &read.geometry, read.reading),
        (&recording.data, &recording.geometry, Reading::LineIntegrals)
    );
    for (a, b) in read.angles.unwrap().iter().zip([0.1, 1.0, 2.5, 4.0]) {
        // A circle is read back up to whole turns.
        assert!((a - b).sin().abs() < 1e-12 && (a - b).cos() > 0.0);
    }
    assert_eq!(io::read_array(path.with_file_name("scan.h5:/exchange/data")).unwrap().shape(), [4, 2, 9]);
    let degrees = io::read_angles(path.with_file_name("scan.h5:/exchange/theta")).unwrap();
    assert!((degrees[2] - 2.5 * 180.0 / PI).abs() < 1e-12);
}

#[test]
fn counts_keep_their_flat_and_dark_fields() {
    let dir = tempdir().unwrap();
    let frames = |n: usize, value: f32| Some(Array3::from_elem((n, 2, 9), value));
    let recording = Recording {
        flat: frames(3, 1000.0),
        dark: frames(2, 7.0),
        reading: Reading::Counts,
        geometry: None,
        ..Recording::from(scan())
    };
    let path = dir.path().join("counts.h5");
    io::write_recording(&path, &recording, &WriteOptions::default()).unwrap();
    let read = io::read_recording(&path).unwrap();
    assert_eq!(
        (read.flat, read.dark, read.reading, read.geometry),
        (recording.flat.clone(), recording.dark.clone(), Reading::Counts, None)
    );
    let refused = message(io::write_recording(dir.path().join("counts.npy"), &recording, &WriteOptions::default()));
    assert!(refused.contains(".h5"), "{refused}");
}

#[test]
fn bare_arrays_are_line_integrals_of_one_row_or_more() {
    let dir = tempdir().unwrap();
    let parallel = Parallel {
        angles: vec![0.0, 1.0, 2.0],
        columns: 5,
        rows: 1,
        cell: 1.0,
        cell_height: 1.0,
        center: None,
        unit: LengthUnit::Cell,
    };
    let flat =
        Scan::new(Array3::from_shape_fn((3, 1, 5), |(v, _, c)| (v * 5 + c) as f32), parallel.geometry()).unwrap();
    for scan in [flat, scan()] {
        for name in ["a.npy", "a.tif"] {
            let path = dir.path().join(name);
            let options = WriteOptions { force: true, ..WriteOptions::default() };
            io::write_recording(&path, &scan.clone().into(), &options).unwrap();
            let read = io::read_recording(&path).unwrap();
            assert_eq!((&read.data, read.reading), (&scan.projections, Reading::LineIntegrals), "{name}");
        }
    }
}

// ---- outputs -------------------------------------------------------------------------------------------------------

#[test]
fn nothing_is_replaced_without_force_and_nothing_stays_half_written() {
    let dir = tempdir().unwrap();
    for format in io::ALL.iter().filter(|format| format.writes_images()) {
        let path = dir.path().join(format!("a.{}", format.extensions[0]));
        fs::write(&path, "precious").unwrap();
        let refused = io::write_image(&path, &image([1, 3, 4]), &WriteOptions::default());
        assert!(matches!(refused, Err(Error::Exists { .. })), "{}", format.name);
        assert!(matches!(io::check_output(&path, false), Err(Error::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        io::write_image(&path, &image([1, 3, 4]), &WriteOptions { force: true, ..WriteOptions::default() }).unwrap();
        assert_ne!(fs::read(&path).unwrap(), b"precious");
    }
    let mut broken = image([1, 3, 4]);
    broken.values[[0, 1, 2]] = f32::NAN;
    for name in ["nan.png", "nan.dcm"] {
        assert!(matches!(
            io::write_image(dir.path().join(name), &broken, &WriteOptions::default()),
            Err(Error::NonFinite { count: 1, .. })
        ));
    }
    let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name.to_string_lossy().starts_with("a.")), "{names:?}");
}

#[test]
fn an_output_that_cannot_be_is_refused_in_one_line() {
    let dir = tempdir().unwrap();
    let refuse =
        |name: &str| message(io::write_image(dir.path().join(name), &image([1, 3, 4]), &WriteOptions::default()));
    assert!(refuse("nowhere/a.npy").contains("no folder"));
    for name in ["a.jpg", "a", "a.mat", "a.npz"] {
        let refused = refuse(name);
        assert!(refused.contains("known formats: npy (.npy), hdf5"), "{refused}");
    }
    assert!(message(io::check_output(dir.path(), true)).contains("folder"));
    let options = WriteOptions { format: Some("npz?".into()), ..WriteOptions::default() };
    assert!(message(io::write_image(dir.path().join("a.npy"), &image([1, 3, 4]), &options)).contains("known formats"));
    let options = WriteOptions { format: Some("tiff".into()), ..WriteOptions::default() };
    io::write_image(dir.path().join("unnamed"), &image([1, 3, 4]), &options).unwrap();
    assert_eq!(io::read_image(dir.path().join("unnamed")).unwrap().values, image([1, 3, 4]).values);
}

#[cfg(unix)]
#[test]
fn an_unwritable_folder_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempdir().unwrap();
    let locked = dir.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(locked.join("probe"), "").is_ok() {
        println!("skipped: this user may write everywhere");
        return;
    }
    assert!(message(io::check_output(locked.join("a.npy"), false)).contains("no permission"));
}

// ---- files made byte by byte ---------------------------------------------------------------------------------------

fn npy(header: &str, numbers: &[u8]) -> Vec<u8> {
    let mut line = header.as_bytes().to_vec();
    line.push(b'\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((line.len() as u16).to_le_bytes());
    file.extend(line);
    file.extend(numbers);
    file
}

fn array(bytes: &[u8]) -> rushlight::Result<ArrayD<f32>> {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, bytes).unwrap();
    io::read_array(path)
}

#[test]
fn npy_of_every_number_order_and_width() {
    let expect = ArrayD::from_shape_vec(IxDyn(&[2, 3]), vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    macro_rules! check {
        ($($name:literal: $type:ty),*) => {$(
            for (mark, fortran) in [('<', false), ('>', false), ('<', true), ('>', true)] {
                let order: [u8; 6] = if fortran { [0, 3, 1, 4, 2, 5] } else { [0, 1, 2, 3, 4, 5] };
                let numbers: Vec<u8> = order.iter().flat_map(|v| {
                    let v = *v as $type;
                    if mark == '<' { v.to_le_bytes().to_vec() } else { v.to_be_bytes().to_vec() }
                }).collect();
                let fortran = if fortran { "True" } else { "False" };
                let header = format!("{{'descr': '{mark}{}', 'fortran_order': {fortran}, 'shape': (2, 3), }}", $name);
                assert_eq!(array(&npy(&header, &numbers)).unwrap(), expect, "{header}");
            }
        )*};
    }
    check!("u1": u8, "i1": i8, "u2": u16, "i2": i16, "u4": u32, "i4": i32, "u8": u64, "i8": i64, "f4": f32, "f8": f64);
    let truth = array(&npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", &[1, 0, 1])).unwrap();
    assert_eq!(truth.into_raw_vec_and_offset().0, [1.0, 0.0, 1.0]);
    let half = array(&npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1, 1), }", &[0x00, 0xc0])).unwrap();
    assert_eq!(half[[0, 0]], -2.0);
}

#[test]
fn angles_keep_f64() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("angles.npy");
    let angles = [0.1, PI, -1e-9];
    let numbers: Vec<u8> = angles.iter().flat_map(|v: &f64| v.to_le_bytes()).collect();
    fs::write(&path, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }", &numbers)).unwrap();
    assert_eq!(io::read_angles(&path).unwrap(), angles);
    fs::write(&path, npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }", &f64::NAN.to_le_bytes()))
        .unwrap();
    assert!(message(io::read_angles(&path)).contains("finite"));
    fs::write(&path, npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }", &[0; 4])).unwrap();
    assert!(message(io::read_angles(&path)).contains("one dimension"));
}

#[test]
fn npy_that_cannot_be_read_is_refused() {
    let cases: &[(&str, &str)] = &[
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }", "truncated"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "memory"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "understood"),
        ("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "complex"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "objects"),
        ("{'descr': '<U4', 'fortran_order': False, 'shape': (1,), }", "text"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "records"),
        ("{'descr': '', 'fortran_order': False, 'shape': (1,), }", "type"),
        ("{'shape': (1,)}", "understood"),
    ];
    for (header, reason) in cases {
        let refused = message(array(&npy(header, &[0; 8])));
        assert!(refused.contains(reason), "{header}: {refused}");
    }
    assert!(message(array(b"\x93NUMPY\x01\x00\xff\xff{")).contains("truncated"));
}

#[test]
fn empty_absent_and_foreign_files_are_refused() {
    assert!(message(array(b"")).contains("empty"));
    assert!(message(array(b"GIF89a and so on")).contains("known formats: npy"));
    assert!(message(io::read_array("no/such/file.npy")).contains("no such file"));
    let dir = tempdir().unwrap();
    assert!(message(io::read_image(dir.path())).contains("without slices"));
}

#[test]
fn a_zip_bomb_is_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("bomb.npz");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    zip.start_file(
        "a.npy",
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated),
    )
    .unwrap();
    zip.write_all(&npy("{'descr': '<f8', 'fortran_order': False, 'shape': (30000, 30000), }", &[])).unwrap();
    zip.write_all(&vec![0; 1 << 24]).unwrap();
    zip.finish().unwrap();
    let refused = message(io::read_array(&path));
    assert!(refused.contains("promises"), "{refused}");
    assert!(message(io::read_array(dir.path().join("bomb.npz:/b"))).contains("the file has: a"));
}

/// One element of a MAT-file.
fn element(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

fn matrix(name: &str, class: u32, extents: [u32; 2], rest: &[u8]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    element(
        14,
        &[element(6, &words(&[class, 0])), element(5, &words(&extents)), element(1, name.as_bytes()), rest.to_vec()]
            .concat(),
    )
}

fn mat(variables: &[u8]) -> Vec<u8> {
    let mut file = b"MATLAB 5.0 MAT-file, by hand".to_vec();
    file.resize(124, b' ');
    file.extend(b"\x00\x01IM");
    file.extend(variables);
    file
}

#[test]
fn matlab_arrays_keep_matlabs_order_and_structs_are_followed() {
    // [1 2 3; 4 5 6] as doubles kept in bytes, as MATLAB does to save room.
    let numbers = element(2, &[1, 4, 2, 5, 3, 6]);
    let inner = matrix("", 6, [2, 3], &numbers);
    let fields = [element(5, &8_u32.to_le_bytes()), element(1, b"sino\0\0\0\0"), inner].concat();
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.mat");
    fs::write(&path, mat(&[matrix("v", 6, [1, 1], &element(2, &[9])), matrix("s", 2, [1, 1], &fields)].concat()))
        .unwrap();
    let expect = ArrayD::from_shape_vec(IxDyn(&[2, 3]), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    assert_eq!(io::read_array(&path).unwrap(), expect);
    assert_eq!(io::read_array(dir.path().join("a.mat:/s/sino")).unwrap(), expect);
    assert!(message(io::read_array(dir.path().join("a.mat:/s/none"))).contains("the file has: /s/sino"));
    assert!(message(io::read_array(dir.path().join("a.mat:/s"))).contains("not an array"));
    fs::write(&path, mat(&matrix("v", 6, [1_000_000, 1_000_000], &numbers))).unwrap();
    assert!(message(io::read_array(dir.path().join("a.mat:/v"))).contains("promised"));
}

#[test]
fn headers_that_promise_too_much_are_refused() {
    let dir = tempdir().unwrap();
    // NIfTI: extents at byte 42; PNG: width and height at 16 (its checksum no longer fits either).
    let nifti = write(&dir, "a.nii", &image([2, 3, 4]));
    let mut bytes = fs::read(&nifti).unwrap();
    for at in [42, 44, 46] {
        bytes[at..at + 2].copy_from_slice(&30000_i16.to_le_bytes());
    }
    assert!(message(array(&bytes)).contains("truncated"));
    let mut bytes = fs::read(write(&dir, "a.tif", &image([1, 3, 4]))).unwrap();
    // Every LONG or SHORT tag ImageWidth (256) and ImageLength (257), wherever its directory lies.
    for at in 0..bytes.len() - 12 {
        if bytes[at + 1] == 1 && bytes[at] < 2 && bytes[at + 2..at + 8] == [4, 0, 1, 0, 0, 0] {
            bytes[at + 8..at + 12].copy_from_slice(&1_000_000_u32.to_le_bytes());
        }
    }
    assert!(message(array(&bytes)).contains("not a whole TIFF file"));
}

#[test]
fn nothing_of_a_patient_passes_through() {
    let dir = tempdir().unwrap();
    let mut slice = image([1, 5, 7]);
    slice.quantity = Quantity::Hounsfield { mu_water: None };
    let mut bytes = fs::read(write(&dir, "a.dcm", &slice)).unwrap();
    // The empty PatientName (0010,0010) PN gets a name.
    let tag = b"\x10\x00\x10\x00PN\x00\x00";
    let at = bytes.windows(8).position(|window| window == tag).expect("an empty patient name is there");
    bytes.splice(at..at + 8, b"\x10\x00\x10\x00PN\x08\x00DOE^JANE".iter().copied());
    let source = dir.path().join("named.dcm");
    fs::write(&source, &bytes).unwrap();
    let mut nifti = fs::read(write(&dir, "a.nii", &slice)).unwrap();
    nifti[148..156].copy_from_slice(b"DOE^JANE");
    fs::write(dir.path().join("named.nii"), &nifti).unwrap();
    for source in ["named.dcm", "named.nii"] {
        let read = io::read_image(dir.path().join(source)).unwrap();
        assert!(!format!("{read:?}").contains("DOE"));
        for format in io::ALL.iter().filter(|format| format.writes_images()) {
            let copy = dir.path().join(format!("copy-of-{source}.{}", format.extensions[0]));
            io::write_image(&copy, &read, &WriteOptions::default()).unwrap();
            let bytes = fs::read(copy).unwrap();
            assert!(!bytes.windows(3).any(|window| window == b"DOE"), "{source} as {}", format.name);
        }
    }
    for cut in (at - 40..at + 40).step_by(3) {
        let path = dir.path().join("cut.dcm");
        fs::write(&path, &bytes[..cut]).unwrap();
        assert!(!message(io::read_image(&path)).contains("DOE"));
    }
}

// ---- files that other programs made --------------------------------------------------------------------------------

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("RUSHLIGHT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    let there = folder.join("ct-sinogram").is_dir();
    if !there {
        println!("skipped: no data");
    }
    there.then_some(folder)
}

#[test]
fn tooth_is_read_as_counts_with_its_fields_and_angles() {
    let Some(data) = data() else { return };
    let tooth = io::read_recording(data.join("ct-sinogram/tooth.h5")).unwrap();
    assert_eq!(tooth.data.dim(), (181, 2, 640));
    assert_eq!((tooth.flat.unwrap().dim(), tooth.dark.unwrap().dim()), ((10, 2, 640), (10, 2, 640)));
    assert_eq!(tooth.reading, Reading::Counts);
    let angles = tooth.angles.unwrap();
    assert!(
        angles[0] == 0.0 && (angles[1] - 0.994_475_14 * PI / 180.0).abs() < 1e-9 && (angles[180] - PI).abs() < 0.02
    );
}

#[test]
fn both_matlab_flavours_give_views_by_columns() {
    let Some(data) = data() else { return };
    for (name, views) in
        [("tb_subsample_90", 181), ("tb_subsample", 61), ("ta_subsample73", 61), ("solid_disc_subsample73", 61)]
    {
        let file = format!("ct-sinogram/htc2022_{name}.mat:/CtDataLimited");
        let scan = io::read_recording(data.join(format!("{file}/sinogram"))).unwrap();
        assert_eq!(scan.data.dim(), (views, 1, 560), "{name}");
        let angles = io::read_angles(data.join(format!("{file}/parameters/angles"))).unwrap();
        assert_eq!(angles.len(), views);
        assert!(angles.windows(2).all(|pair| (pair[1] - pair[0] - 0.5).abs() < 1e-9), "{name}");
        assert_eq!(io::read_angles(data.join(format!("{file}/parameters/distanceSourceOrigin"))).unwrap(), [410.66]);
    }
}

#[test]
fn dicom_series_npz_and_nifti_of_others_are_read() {
    let Some(data) = data() else { return };
    let slice = io::read_image(data.join("ct-slices/cornerstone_ct.dcm")).unwrap();
    assert_eq!((slice.values.dim(), slice.quantity), ((1, 512, 512), Quantity::Hounsfield { mu_water: None }));
    let stack = io::read_array(data.join("ct-slices/philips_headphantom_UB_idose_hu.npz")).unwrap();
    assert_eq!(stack.shape(), [10, 512, 512]);
    let body = io::read_image(data.join("ct-slices/ts_example_ct.nii.gz")).unwrap();
    assert_eq!((body.values.dim(), body.unit), ((112, 101, 122), LengthUnit::Millimetre));
    for size in body.grid.voxel() {
        assert!((size - 3.0).abs() < 1e-4);
    }
    // Air and soft tissue at their CT numbers.
    let share = |low: f32, high: f32| {
        body.values.iter().filter(|v| (low..high).contains(*v)).count() as f64 / body.values.len() as f64
    };
    assert!(share(-1100.0, -900.0) > 0.1 && share(-100.0, 100.0) > 0.1);
    let dir = tempdir().unwrap();
    for n in 1..=3 {
        fs::copy(data.join(format!("ct-slices/dcmqi_0{n}.dcm")), dir.path().join(format!("{n}.dcm"))).unwrap();
    }
    let series = io::read_image(dir.path()).unwrap();
    assert_eq!(series.values.dim(), (3, 512, 512));
}

/// Runs a Python program in `folder`; `None`, and says so, where Python or a package it needs is missing.
fn python(folder: &Path, program: &str) -> Option<String> {
    let python = std::env::var_os("RUSHLIGHT_PYTHON").unwrap_or("python3".into());
    let run = Command::new(python).arg("-c").arg(program).current_dir(folder).output();
    let errors = run.as_ref().map_or(String::new(), |run| String::from_utf8_lossy(&run.stderr).into_owned());
    match run {
        Ok(run) if run.status.success() => Some(String::from_utf8_lossy(&run.stdout).trim().to_string()),
        Ok(_) if !errors.contains("ModuleNotFoundError") => panic!("{errors}"),
        _ => {
            println!("skipped: no Python with the packages needed (RUSHLIGHT_PYTHON names one)");
            None
        }
    }
}

#[test]
fn numpy_h5py_tifffile_and_scipy_write_what_we_read() {
    let dir = tempdir().unwrap();
    let program = "
import numpy as np, h5py, tifffile, scipy.io
a = np.arange(24).reshape(2, 3, 4) / 8
np.save('c.npy', a); np.save('f.npy', np.asfortranarray(a.astype('>f4'))); np.save('h.npy', a.astype('f2'))
np.savez_compressed('one.npz', a=a, note='text'); np.savez('plain.npz', a=a)
tifffile.imwrite('stack.tif', a.astype('f4'), photometric='minisblack'); tifffile.imwrite('big.tif', a.astype('f8'), bigtiff=True, byteorder='>', photometric='minisblack')
tifffile.imwrite('zip.tif', (a * 8).astype('u2'), compression='zlib', photometric='minisblack')
for i in (0, 1): tifffile.imwrite(f'page_{i * 9 + 1}.tiff', a[i].astype('f4'))
scipy.io.savemat('v5.mat', {'s': {'a': a}}, do_compression=True)
scipy.io.savemat('plain.mat', {'a': a.astype('f4')})
with h5py.File('gzip.h5', 'w') as f:
    f.create_dataset('x/a', data=a, chunks=(1, 2, 3), compression='gzip', shuffle=True)
for kind in ('f8', '>f4', 'u2', '>i4', 'i8', 'f4'):
    with h5py.File(f'{kind[-2:]}.h5', 'w') as f:
        f.create_dataset('a', data=(a * 8).astype(kind))
with h5py.File('complex.h5', 'w') as f: f['a'] = a.astype('c8')
with h5py.File('two.h5', 'w') as f: f['a'] = a; f['b/c'] = a
with h5py.File('rad.h5', 'w') as f:
    f['exchange/data'] = a[:, 0].astype('u2'); f['exchange/theta'] = [0., 1.]; f['exchange/theta'].attrs['units'] = 'radians'
";
    if python(dir.path(), program).is_none() {
        return;
    }
    let at = |name: &str| dir.path().join(name);
    let expect = ArrayD::from_shape_fn(IxDyn(&[2, 3, 4]), |i| (i[0] * 12 + i[1] * 4 + i[2]) as f32 / 8.0);
    for name in [
        "c.npy",
        "f.npy",
        "h.npy",
        "one.npz",
        "one.npz:/a",
        "plain.npz",
        "stack.tif",
        "big.tif",
        "v5.mat:/s/a",
        "v5.mat",
        "plain.mat",
        "gzip.h5",
    ] {
        assert_eq!(io::read_array(at(name)).unwrap(), expect, "{name}");
    }
    for name in ["f8.h5", "f4.h5", "u2.h5", "i4.h5", "i8.h5", "zip.tif"] {
        assert_eq!(io::read_array(at(name)).unwrap(), expect.mapv(|v| v * 8.0), "{name}");
    }
    assert!(message(io::read_array(at("complex.h5"))).contains("complex"));
    assert!(message(io::read_array(at("two.h5"))).contains("/a, /b/c"));
    assert_eq!(io::read_recording(at("rad.h5")).unwrap().angles.unwrap(), [0.0, 1.0]);
    // A folder of pages: page_1 before page_10, other files left alone.
    let folder = tempdir().unwrap();
    for name in ["page_1.tiff", "page_10.tiff", "c.npy"] {
        fs::copy(at(name), folder.path().join(name)).unwrap();
    }
    fs::remove_file(folder.path().join("c.npy")).unwrap();
    assert_eq!(io::read_array(folder.path()).unwrap(), expect);
}

#[test]
fn h5py_reads_our_scan_and_numpy_our_image() {
    let dir = tempdir().unwrap();
    io::write_recording(dir.path().join("scan.h5"), &scan().into(), &WriteOptions::default()).unwrap();
    write(&dir, "a.npy", &image([2, 3, 4]));
    write(&dir, "a.tif", &image([2, 3, 4]));
    let program = "
import h5py, numpy as np, tifffile
f = h5py.File('scan.h5'); g = f['rushlight/geometry']
print(f['implements'][()].decode(), f['exchange/data'].shape, f['exchange/data'].dtype, f['exchange/data'].attrs['quantity'],
      f['exchange/theta'].attrs['units'], round(float(f['exchange/theta'][1]), 4), g['source'].shape, g['source'].attrs['unit'], g['curved'][0])
a = np.load('a.npy'); t = tifffile.TiffFile('a.tif')
print(a.dtype, a.shape, (t.asarray() == a).all(), t.pages[0].tags['XResolution'].value, t.pages[0].tags['ResolutionUnit'].value.name)
";
    let Some(seen) = python(dir.path(), program) else { return };
    let expect = "exchange (4, 2, 9) float32 line integrals deg 57.2958 (4, 4) mm 1\n\
                  float32 (2, 3, 4) True (10000000, 750000) CENTIMETER";
    assert_eq!(seen, expect);
}

#[test]
fn nibabel_sees_our_affine() {
    let dir = tempdir().unwrap();
    let image = turned(image([2, 3, 4]));
    write(&dir, "a.nii.gz", &image);
    let program = "
import nibabel, numpy as np
n = nibabel.load('a.nii.gz')
assert np.allclose(n.get_qform(), n.get_sform(), atol=1e-5), (n.get_qform(), n.get_sform())
print(*n.shape, *[repr(float(v)) for v in n.affine[:3].ravel()], *n.header.get_xyzt_units()[:1], float(n.dataobj[3, 1, 1]))
";
    let Some(seen) = python(dir.path(), program) else { return };
    let seen: Vec<_> = seen.split(' ').collect();
    assert_eq!(seen[..3], ["4", "3", "2"]);
    let [z, y, x] = image.grid.steps;
    for (row, sign) in [-1.0, -1.0, 1.0].into_iter().enumerate() {
        for (column, value) in [x[row], y[row], z[row], image.grid.first[row]].into_iter().enumerate() {
            let affine: f64 = seen[3 + 4 * row + column].parse().unwrap();
            assert!(near(affine, sign * value), "{row}, {column}: {affine}");
        }
    }
    assert_eq!(seen[15], "mm");
    assert_eq!(seen[16].parse::<f64>().unwrap() as f32, image.values[[1, 1, 3]]);
}

#[test]
fn pydicom_sees_our_values_and_place() {
    let dir = tempdir().unwrap();
    let mut image = image([1, 5, 7]);
    image.values.mapv_inplace(|v| (v * 150_000.0).round() - 1000.0);
    image.quantity = Quantity::Hounsfield { mu_water: None };
    write(&dir, "a.dcm", &image);
    let program = "
import pydicom
d = pydicom.dcmread('a.dcm')
hu = d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept)
print(hu[2, 3], [*map(float, d.ImagePositionPatient)], [*map(float, d.ImageOrientationPatient)], [*map(float, d.PixelSpacing)],
      float(d.SliceThickness), d.RescaleType, repr(str(d.PatientName)), repr(d.PatientID))
";
    let Some(seen) = python(dir.path(), program) else { return };
    let value = f64::from(image.values[[0, 2, 3]]);
    let place = "[0.75, -5.5, 10.0] [1.0, 0.0, 0.0, 0.0, 1.0, 0.0] [0.5, 0.75] 1.25 HU '' ''";
    assert_eq!(seen, format!("{value:?} {place}"));
}

#[test]
fn dciodvfy_finds_no_error() {
    let dir = tempdir().unwrap();
    let mut hounsfield = turned(image([2, 5, 7]));
    hounsfield.quantity = Quantity::Hounsfield { mu_water: Some(0.0192) };
    let paths = [
        io::write_image(dir.path().join("mu.dcm"), &image([1, 5, 7]), &WriteOptions::default()).unwrap().paths,
        io::write_image(dir.path().join("hu.dcm"), &hounsfield, &WriteOptions::default()).unwrap().paths,
    ];
    for path in paths.iter().flatten() {
        let Ok(run) = Command::new("dciodvfy").arg(path).output() else {
            println!("skipped: no dciodvfy (Debian's dicom3tools)");
            return;
        };
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(said.contains("CTImage") && !said.contains("Error"), "{said}");
    }
}

// ---- broken files --------------------------------------------------------------------------------------------------

/// One small valid file of every kind.
static SPECIMENS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let dir = tempdir().unwrap();
    let mut files = Vec::new();
    for name in ["a.npy", "a.h5", "a.tif", "a.nii", "a.nii.gz", "a.dcm", "a.png"] {
        files.push((name, fs::read(write(&dir, name, &image([1, 6, 5]))).unwrap()));
    }
    let path = dir.path().join("scan.h5");
    io::write_recording(&path, &scan().into(), &WriteOptions::default()).unwrap();
    files.push(("scan.h5", fs::read(path).unwrap()));
    let fields =
        [element(5, &8_u32.to_le_bytes()), element(1, b"sino\0\0\0\0"), matrix("", 6, [2, 3], &element(2, &[0; 6]))];
    files.push(("a.mat", mat(&matrix("s", 2, [1, 1], &fields.concat()))));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let deflated = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("a.npy", deflated).unwrap();
    zip.write_all(&files[0].1).unwrap();
    files.push(("a.npz", zip.finish().unwrap().into_inner()));
    files
});

/// Reads a file every way there is; any of them may refuse, in one line, but none may panic.
fn read_every_way(bytes: &[u8]) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, bytes).unwrap();
    let refusals = [
        io::read_array(&path).err(),
        io::read_angles(&path).err(),
        io::read_image(&path).err(),
        io::read_recording(&path).err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        assert!(!refusal.to_string().contains('\n'), "{refusal}");
    }
}

#[test]
fn every_truncation_is_refused_without_panic() {
    for (name, bytes) in SPECIMENS.iter() {
        read_every_way(bytes);
        let step = (bytes.len() / 150).max(1);
        for end in (0..bytes.len()).step_by(step) {
            read_every_way(&bytes[..end]);
        }
        let dir = tempdir().unwrap();
        let path = dir.path().join("half");
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(io::read_array(&path).is_err(), "half of {name} was taken for a whole one");
    }
}

proptest! {
    #![proptest_config(fuzz::config(100))]

    #[test]
    fn flipped_bytes_never_panic(kind in 0..10_usize, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = SPECIMENS[kind].1.clone();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read_every_way(&bytes);
    }

    #[test]
    fn random_bytes_after_a_true_beginning_never_panic(kind in 0..10_usize, keep in 4..400_usize, noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = SPECIMENS[kind].1.clone();
        bytes.truncate(keep);
        bytes.extend(noise);
        read_every_way(&bytes);
    }
}
