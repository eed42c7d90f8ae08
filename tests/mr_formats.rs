//! MR's files: complex arrays, k-space and images; round trips, files of BART, h5py, SciPy and ismrmrd-python, broken ones.

mod fuzz;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use ndarray::{Array5, ArrayD, Axis, IxDyn, s};
use num_complex::Complex32;
use proptest::prelude::*;
use rushlight::{
    geometry::{Grid, LengthUnit, Mask, Trajectory},
    image::{ComplexImage, Part, Quantity},
    io::{self, Content, KSpaceLayout, TrajectoryUnit, WriteOptions},
    scan::{Encoding, FrameAxis, KSpace},
};
use tempfile::{TempDir, tempdir};

// ---- what the tests write ------------------------------------------------------------------------------------------

/// Numbers that no two samples share, about a hundredth apart.
fn number(index: usize) -> Complex32 {
    Complex32::new(1.0 + index as f32 * 0.01, -0.5 - index as f32 * 0.02)
}

fn samples(shape: [usize; 5]) -> Array5<Complex32> {
    let mut index = 0;
    Array5::from_shape_simple_fn(shape, || {
        index += 1;
        number(index)
    })
}

fn layout(text: &str) -> KSpaceLayout {
    text.parse().unwrap()
}

fn image(shape: [usize; 4]) -> ComplexImage {
    let [frames, z, y, x] = shape;
    let values = samples([1, frames, z, y, x]).index_axis_move(Axis(0), 0);
    ComplexImage {
        values,
        grid: Grid::centered([z, y, x], [1.25, 0.5, 0.75], [3.0, -4.5, 10.0]),
        unit: LengthUnit::Millimetre,
        frame_step: None,
        provenance: "rushlight test, sense".into(),
    }
}

fn message(result: rushlight::Result<impl std::fmt::Debug>) -> String {
    let message = result.expect_err("this should be refused").to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

fn npy(descr: &str, shape: &str, fortran: bool, numbers: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let line = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((line.len() as u16).to_le_bytes());
    file.extend(line.as_bytes());
    file.extend(numbers);
    file
}

fn put(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A `.cfl` of the numbers 1, 2, 3 … (imaginary part 0), first index fastest.
fn cfl(dir: &TempDir, name: &str, extents: &[usize]) -> PathBuf {
    let count: usize = extents.iter().product();
    let numbers: Vec<u8> = (1..=count).flat_map(|n| [(n as f32).to_le_bytes(), [0; 4]].concat()).collect();
    let extents: Vec<_> = extents.iter().map(usize::to_string).collect();
    put(dir, &format!("{name}.hdr"), format!("# Dimensions\n{} \n", extents.join(" ")));
    put(dir, &format!("{name}.cfl"), numbers)
}

// ---- complex arrays ------------------------------------------------------------------------------------------------

#[test]
fn npy_of_both_widths_orders_and_byte_orders() {
    let dir = tempdir().unwrap();
    let expect = ArrayD::from_shape_fn(IxDyn(&[2, 3]), |i| number(i[0] * 3 + i[1]));
    macro_rules! check {
        ($name:literal, $type:ty) => {
            for (mark, fortran) in [('<', false), ('>', false), ('<', true), ('>', true)] {
                let order = if fortran { [0, 3, 1, 4, 2, 5] } else { [0, 1, 2, 3, 4, 5] };
                let bytes = |v: f32| {
                    let v = v as $type;
                    if mark == '<' { v.to_le_bytes() } else { v.to_be_bytes() }
                };
                let numbers: Vec<u8> =
                    order.iter().flat_map(|i| [bytes(number(*i).re), bytes(number(*i).im)].concat()).collect();
                let path = put(&dir, "a.npy", npy(&format!("{mark}{}", $name), "(2, 3)", fortran, &numbers));
                assert_eq!(io::read_complex(&path).unwrap(), expect, "{mark}{} {fortran}", $name);
                assert_eq!(io::content(&path).unwrap(), Content::KSpace);
                assert!(message(io::read_array(&path)).contains("complex"));
                assert!(message(io::read_image(&path)).contains("complex"));
                assert!(message(io::read_recording(&path)).contains("complex"));
            }
        };
    }
    check!("c8", f32);
    check!("c16", f64);
    let real = put(&dir, "r.npy", npy("<f4", "(2,)", false, &[1_f32.to_le_bytes(), 2_f32.to_le_bytes()].concat()));
    assert_eq!(io::read_complex(&real).unwrap().as_slice().unwrap(), [1.0.into(), Complex32::from(2.0)]);
    assert_eq!(io::content(&real).unwrap(), Content::Numbers);
}

#[test]
fn a_cfl_has_its_read_out_last_and_goes_by_either_name() {
    let dir = tempdir().unwrap();
    cfl(&dir, "a", &[2, 3, 1, 4, 1, 1]);
    for name in ["a.cfl", "a.hdr"] {
        let array = io::read_complex(dir.path().join(name)).unwrap();
        assert_eq!(array.shape(), [4, 1, 3, 2]);
        // BART's element (x 1, y 2, coil 3) is number 1 + 1 + 2·2 + 3·6.
        assert_eq!(array[[3, 0, 2, 1]], Complex32::from(24.0));
        assert_eq!(io::content(dir.path().join(name)).unwrap(), Content::KSpace);
    }
    // Without its header a .cfl is anything.
    fs::remove_file(dir.path().join("a.hdr")).unwrap();
    assert!(message(io::read_complex(dir.path().join("a.cfl"))).contains("not in a known format"));
}

// ---- k-space in bare arrays ----------------------------------------------------------------------------------------

#[test]
fn bare_arrays_are_coils_of_lines_unless_a_layout_says_otherwise() {
    let dir = tempdir().unwrap();
    let scan = |shape: &str, layout: Option<KSpaceLayout>| {
        let numbers: Vec<u8> =
            (1..=24).flat_map(|i| [number(i).re.to_le_bytes(), number(i).im.to_le_bytes()].concat()).collect();
        io::read_kspace(put(&dir, "a.npy", npy("<c8", shape, false, &numbers)), layout.as_ref())
    };
    assert_eq!(scan("(4, 6)", None).unwrap().samples.dim(), (1, 1, 1, 4, 6));
    assert_eq!(scan("(2, 4, 3)", None).unwrap().samples, samples([1, 2, 1, 4, 3]));
    assert_eq!(scan("(2, 2, 3, 2)", None).unwrap().samples, samples([1, 2, 2, 3, 2]));
    let slices = scan("(4, 3, 2)", Some(layout("y,x,slice"))).unwrap();
    assert_eq!((slices.samples.dim(), &slices.axes[..]), ((2, 1, 1, 4, 3), &[(FrameAxis::Slice, 2)][..]));
    assert_eq!(slices.samples[[1, 0, 0, 2, 1]], number(1 + (2 * 3 + 1) * 2 + 1));
    let both = scan("(2, 2, 2, 3)", Some(layout("average,x,echo,y"))).unwrap();
    assert_eq!(both.axes, [(FrameAxis::Average, 2), (FrameAxis::Contrast, 2)]);
    assert_eq!(both.samples[[3, 0, 0, 2, 1]], number(24));
    assert_eq!(both.samples[[2, 0, 0, 1, 0]], number(1 + 12 + 1));
    // An extent of 1 that the layout does not name is dropped.
    assert_eq!(scan("(4, 1, 6)", Some(layout("y,x"))).unwrap().samples.dim(), (1, 1, 1, 4, 6));
    assert!(message(scan("(4, 3, 2)", Some(layout("y,x")))).contains("has not the axes y,x"));
    assert!(message(scan("(2, 1, 3, 2, 2)", None)).contains("--axes"));
    for (text, reason) in [
        ("x,y,phas", "'phas' is not an axis"),
        ("x,coil", "y and x"),
        ("x,y,x", "twice"),
        ("sample,x", "sample without"),
    ] {
        assert!(message(text.parse::<KSpaceLayout>()).contains(reason), "{text}");
    }
}

#[test]
fn zeros_were_not_sampled_and_frames_may_differ_in_that() {
    let dir = tempdir().unwrap();
    let mut scan = KSpace::cartesian(samples([1, 2, 1, 4, 3])).unwrap();
    scan.samples.slice_mut(s![.., .., .., 1, ..]).fill(Complex32::ZERO);
    let path = dir.path().join("a.npy");
    io::write_kspace(&path, &scan, &WriteOptions::default()).unwrap();
    let read = io::read_kspace(&path, None).unwrap();
    let Encoding::Cartesian(masks) = &read.encoding else { panic!("not Cartesian") };
    assert_eq!(masks[..], [Mask { shape: [1, 4, 3], sampled: (0..12).map(|i| i / 3 != 1).collect() }]);
    let mut frames = KSpace::cartesian(samples([2, 2, 1, 4, 3])).unwrap();
    frames.samples.slice_mut(s![1, .., .., 2, ..]).fill(Complex32::ZERO);
    let path = dir.path().join("b.npy");
    let remark = io::write_kspace(&path, &frames, &WriteOptions::default()).unwrap().remark.unwrap();
    assert!(remark.contains("--axes set,coil,y,x"), "{remark}");
    let read = io::read_kspace(&path, Some(&layout("set,coil,y,x"))).unwrap();
    let Encoding::Cartesian(masks) = &read.encoding else { panic!("not Cartesian") };
    assert_eq!(masks.iter().map(Mask::count).collect::<Vec<_>>(), [12, 9]);
    scan.samples.fill(Complex32::ZERO);
    assert!(message(io::write_kspace(dir.path().join("c.npy"), &scan, &WriteOptions::default())).contains("every"));
}

#[test]
fn a_cfl_has_barts_dimensions() {
    let dir = tempdir().unwrap();
    // Read-out 3, phase encoding 2, coils 2, echoes 2, slices 2.
    let mut extents = [1; 16];
    (extents[0], extents[1], extents[3], extents[5], extents[13]) = (3, 2, 2, 2, 2);
    let scan = io::read_kspace(cfl(&dir, "a", &extents), None).unwrap();
    assert_eq!(scan.samples.dim(), (4, 2, 1, 2, 3));
    assert_eq!(scan.axes, [(FrameAxis::Slice, 2), (FrameAxis::Contrast, 2)]);
    // Slice 1, echo 0, coil 1, y 1, x 2 of BART's: 1 + 2 + 3·1 + 6·1 + 12·0 + 24·1.
    assert_eq!(scan.samples[[2, 1, 0, 1, 2]], Complex32::from(36.0));
    // The read-out gone: the second phase encoding takes its place.
    let flat = io::read_kspace(cfl(&dir, "b", &[1, 4, 3, 2]), None).unwrap();
    assert_eq!(flat.samples.dim(), (1, 2, 1, 4, 3));
    // Coil 1, phase encodings 2 and 1 of BART's: 1 + 2 + 4·1 + 12·1.
    assert_eq!(flat.samples[[0, 1, 0, 2, 1]], Complex32::from(19.0));
    assert_eq!(io::read_kspace(cfl(&dir, "c", &[2, 4, 3, 2]), None).unwrap().samples.dim(), (1, 2, 3, 4, 2));
    let maps = message(io::read_kspace(cfl(&dir, "d", &[2, 4, 3, 2, 2]), None));
    assert!(maps.contains("dimension 4"), "{maps}");
}

#[test]
fn cartesian_scans_come_back_from_cfl_with_their_frames_in_barts_order() {
    let dir = tempdir().unwrap();
    let mut scan = KSpace::cartesian(samples([6, 2, 3, 4, 5])).unwrap();
    scan.axes = vec![(FrameAxis::Contrast, 2), (FrameAxis::Slice, 3)];
    let written = io::write_kspace(dir.path().join("a.cfl"), &scan, &WriteOptions::default()).unwrap();
    assert_eq!(written.paths, [dir.path().join("a.hdr"), dir.path().join("a.cfl")]);
    let read = io::read_kspace(dir.path().join("a.hdr"), None).unwrap();
    assert_eq!(read.axes, [(FrameAxis::Slice, 3), (FrameAxis::Contrast, 2)]);
    for (slice, echo) in [(0, 0), (2, 0), (1, 1)] {
        let (ours, theirs) = (read.samples.index_axis(Axis(0), slice * 2 + echo), echo * 3 + slice);
        assert_eq!(ours, scan.samples.index_axis(Axis(0), theirs));
    }
}

#[test]
fn trajectories_are_read_in_both_units_and_written_beside_their_samples() {
    let dir = tempdir().unwrap();
    let points = vec![[0.0, 0.0, 0.0], [-4.0, 2.5, 0.0], [3.0, -3.0, 0.0]];
    let trajectory = Trajectory { matrix: [1, 6, 8], points: points.clone() };
    let scan = KSpace {
        samples: samples([1, 2, 1, 1, 3]),
        encoding: Encoding::Trajectory(vec![trajectory.clone()]),
        grid: Grid::centered([1, 6, 8], [1.0; 3], [0.0; 3]),
        unit: LengthUnit::Cell,
        axes: vec![],
        noise: None,
        seen: None,
    };
    let written = io::write_kspace(dir.path().join("a.npy"), &scan, &WriteOptions::default()).unwrap();
    assert_eq!(written.paths, [dir.path().join("a-trajectory.npy"), dir.path().join("a.npy")]);
    assert!(written.remark.unwrap().contains("8,6,1"));
    assert_eq!(io::read_complex(&written.paths[1]).unwrap().shape(), [2, 3]);
    let read = |name: &str, unit| io::read_trajectory(dir.path().join(name), [1, 6, 8], unit);
    assert_eq!(read("a-trajectory.npy", TrajectoryUnit::default()).unwrap(), trajectory);
    let back = io::read_samples(dir.path().join("a.npy"), trajectory.clone(), None).unwrap();
    assert_eq!(back, scan);
    // Complex points in cycles per voxel, [read-out, spoke]; coils last.
    let numbers: Vec<u8> =
        points.iter().flat_map(|p| [(p[0] / 8.0).to_le_bytes(), (p[1] / 6.0).to_le_bytes()].concat()).collect();
    put(&dir, "k.npy", npy("<c8", "(3, 1)", false, &numbers));
    assert_eq!(read("k.npy", TrajectoryUnit::CyclesPerVoxel).unwrap(), trajectory);
    let numbers: Vec<u8> = [1, 4, 2, 5, 3, 6]
        .iter()
        .flat_map(|i| [number(*i).re.to_le_bytes(), number(*i).im.to_le_bytes()].concat())
        .collect();
    let last = put(&dir, "last.npy", npy("<c8", "(3, 1, 2)", false, &numbers));
    assert_eq!(io::read_samples(&last, trajectory.clone(), None).unwrap(), scan);
    assert_eq!(io::read_samples(&last, trajectory.clone(), Some(&layout("sample,sample,coil"))).unwrap(), scan);
    let few = Trajectory { points: points[..1].to_vec(), ..trajectory };
    assert!(message(io::read_samples(&last, few, None)).contains("1 points"));
    let outside =
        message(io::read_trajectory(dir.path().join("a-trajectory.npy"), [1, 4, 4], TrajectoryUnit::default()));
    assert!(outside.contains("outside"), "{outside}");
}

// ---- ISMRMRD -------------------------------------------------------------------------------------------------------

/// A scan of two slices and two echoes with unsampled lines, a noise scan and a turned grid.
fn full_scan() -> KSpace {
    let (s, c) = 0.3_f64.sin_cos();
    let mut scan = KSpace::cartesian(samples([4, 3, 1, 6, 8])).unwrap();
    scan.samples.slice_mut(s![.., .., .., 1..3, ..]).fill(Complex32::ZERO);
    let mut mask = Mask::full([1, 6, 8]);
    mask.sampled[8..24].fill(false);
    scan.encoding = Encoding::Cartesian(vec![mask]);
    scan.axes = vec![(FrameAxis::Contrast, 2), (FrameAxis::Slice, 2)];
    scan.grid = Grid {
        shape: [1, 6, 8],
        first: [-10.0, 20.5, 0.125],
        steps: [[0.0, 0.0, 4.0], [-1.5 * s, 1.5 * c, 0.0], [1.25 * c, 1.25 * s, 0.0]],
    };
    scan.unit = LengthUnit::Millimetre;
    scan.noise = Some(samples([1, 1, 1, 3, 10]).into_shape_with_order((3, 10)).unwrap());
    scan
}

fn assert_grid(read: &Grid, written: &Grid) {
    let flat = |grid: &Grid| [grid.first, grid.steps[0], grid.steps[1], grid.steps[2]].concat();
    assert_eq!(read.shape, written.shape);
    for (a, b) in flat(read).into_iter().zip(flat(written)) {
        assert!((a - b).abs() < 1e-5, "{read:?} is not {written:?}");
    }
}

#[test]
fn ismrmrd_keeps_samples_masks_frames_noise_and_grid() {
    let dir = tempdir().unwrap();
    let scan = full_scan();
    let path = dir.path().join("a.h5");
    assert_eq!(io::write_kspace(&path, &scan, &WriteOptions::default()).unwrap().remark, None);
    assert_eq!(io::content(&path).unwrap(), Content::KSpace);
    let read = io::read_kspace(&path, None).unwrap();
    assert_eq!((&read.samples, &read.encoding, &read.axes), (&scan.samples, &scan.encoding, &scan.axes));
    assert_eq!((&read.noise, read.unit), (&scan.noise, scan.unit));
    assert_grid(&read.grid, &scan.grid);
    // A volume, in cells.
    let volume = KSpace::cartesian(samples([1, 2, 5, 6, 7])).unwrap();
    let path = dir.path().join("b.h5");
    assert!(io::write_kspace(&path, &volume, &WriteOptions::default()).unwrap().remark.is_some());
    let read = io::read_kspace(&path, None).unwrap();
    assert_grid(&read.grid, &volume.grid);
    assert_eq!(KSpace { grid: volume.grid, ..read }, volume);
}

#[test]
fn ismrmrd_keeps_trajectories() {
    let dir = tempdir().unwrap();
    let path = |turn: f32| Trajectory {
        matrix: [1, 16, 32],
        points: (0..40_000).map(|i| [(i % 33) as f32 - 16.0, 8.0 * ((i as f32) * 0.01 + turn).sin(), 0.0]).collect(),
    };
    for paths in [vec![path(0.0)], vec![path(0.0), path(1.0)]] {
        let scan = KSpace {
            samples: samples([2, 2, 1, 1, 40_000]),
            encoding: Encoding::Trajectory(paths),
            grid: Grid::centered([1, 16, 32], [3.0, 2.0, 1.0], [0.0; 3]),
            unit: LengthUnit::Millimetre,
            axes: vec![(FrameAxis::Repetition, 2)],
            noise: None,
            seen: None,
        };
        let options = WriteOptions { force: true, ..WriteOptions::default() };
        io::write_kspace(dir.path().join("a.h5"), &scan, &options).unwrap();
        let read = io::read_kspace(dir.path().join("a.h5"), None).unwrap();
        assert_eq!((&read.samples, &read.axes), (&scan.samples, &scan.axes));
        let (Encoding::Trajectory(ours), Encoding::Trajectory(theirs)) = (&read.encoding, &scan.encoding) else {
            panic!()
        };
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(theirs).flat_map(|(a, b)| a.points.iter().zip(&b.points)) {
            assert!((0..3).all(|axis| (a[axis] - b[axis]).abs() < 1e-5), "{a:?} is not {b:?}");
        }
    }
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
fn ismrmrd_python_reads_what_we_write() {
    let dir = tempdir().unwrap();
    io::write_kspace(dir.path().join("a.h5"), &full_scan(), &WriteOptions::default()).unwrap();
    let program = "
import ismrmrd
d = ismrmrd.Dataset('a.h5', 'dataset', False)
h = ismrmrd.xsd.CreateFromDocument(d.read_xml_header())
e = h.encoding[0]
print(d.number_of_acquisitions(), e.encodedSpace.matrixSize.x, e.encodedSpace.matrixSize.y, e.encodedSpace.fieldOfView_mm.y, e.trajectory.value, e.encodingLimits.contrast.maximum, e.encodingLimits.kspace_encoding_step_1.center)
n = d.read_acquisition(0)
print(n.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT), n.data.shape)
a = d.read_acquisition(16)
i = a.idx
print(a.data.shape, i.kspace_encode_step_1, i.contrast, i.slice, a.center_sample, a.active_channels, a.isChannelActive(2), a.isChannelActive(3), a.data[2, 7], [round(float(v), 4) for v in a.read_dir])
";
    let Some(seen) = python(dir.path(), program) else { return };
    let value = full_scan().samples[[3, 2, 0, 5, 7]];
    let value = format!("({}{}j)", value.re, value.im);
    let expect =
        format!("17 8 6 9.0 cartesian 1 3\nTrue (3, 10)\n(3, 8) 5 1 1 4 3 True False {value} [0.9553, 0.2955, 0.0]");
    assert_eq!(seen, expect);
}

/// What the tests of ismrmrd-python's files share: a header, and a way to append lines.
const WRITER: &str = "
import ismrmrd, numpy as np, h5py
def header(nx, ny, fx, rx, center, extra='', trajectory='cartesian'):
    return f'''<?xml version=\"1.0\"?>
<!-- made by a test --><ns1:ismrmrdHeader xmlns:ns1=\"http://www.ismrm.org/ISMRMRD\">
<ns1:subjectInformation><ns1:patientName>DOE^JANE</ns1:patientName></ns1:subjectInformation>
<ns1:experimentalConditions><ns1:H1resonanceFrequency_Hz>63500000</ns1:H1resonanceFrequency_Hz></ns1:experimentalConditions>
<ns1:encoding><ns1:encodedSpace><ns1:matrixSize><ns1:x>{nx}</ns1:x><ns1:y>{ny}</ns1:y><ns1:z>1</ns1:z></ns1:matrixSize>
<ns1:fieldOfView_mm><ns1:x>{fx}</ns1:x><ns1:y>200</ns1:y><ns1:z>5</ns1:z></ns1:fieldOfView_mm></ns1:encodedSpace>
<ns1:reconSpace><ns1:matrixSize><ns1:x>{rx}</ns1:x><ns1:y>{ny}</ns1:y><ns1:z>1</ns1:z></ns1:matrixSize>
<ns1:fieldOfView_mm><ns1:x>200</ns1:x><ns1:y>200</ns1:y><ns1:z>5</ns1:z></ns1:fieldOfView_mm></ns1:reconSpace>
<ns1:encodingLimits><ns1:kspace_encoding_step_1><ns1:minimum>0</ns1:minimum><ns1:maximum>{ny-1}</ns1:maximum><ns1:center>{center}</ns1:center></ns1:kspace_encoding_step_1></ns1:encodingLimits>
<ns1:trajectory>{trajectory}</ns1:trajectory>{extra}</ns1:encoding></ns1:ismrmrdHeader>'''.encode()
def open(name): return ismrmrd.Dataset(name, 'dataset', create_if_needed=True)
def add(d, data, y=0, flags=(), center=None, traj=None, **idx):
    data = np.asarray(data, np.complex64)
    a = ismrmrd.Acquisition.from_array(data) if traj is None else ismrmrd.Acquisition.from_array(data, np.asarray(traj, np.float32))
    a.center_sample = data.shape[1] // 2 if center is None else center
    a.idx.kspace_encode_step_1 = y
    for k, v in idx.items(): setattr(a.idx, k, v)
    for f in flags: a.set_flag(f)
    d.append_acquisition(a)
rng = np.random.default_rng(1)
noise = lambda *s: (rng.standard_normal(s) + 1j * rng.standard_normal(s)).astype(np.complex64)
";

#[test]
fn ismrmrd_pythons_scans_are_sorted_averaged_and_freed_of_oversampling() {
    let dir = tempdir().unwrap();
    // An object as wide as the reconstructed field of view, sampled twice as densely; lines 0 and 1 of 8 missing (partial
    // Fourier with its centre at counter 2), line 3 twice, line 4 for calibration, two slices, a navigator to be ignored.
    let program = format!(
        "{WRITER}
nx, ny = 32, 8
image = np.zeros((2, 2, ny, nx), np.complex64); image[:, :, :, 8:24] = noise(2, 2, ny, 16)
ft = lambda a, ax: np.fft.fftshift(np.fft.fft(np.fft.ifftshift(a, axes=ax), axis=ax, norm='ortho'), axes=ax)
k = ft(ft(image, -1), -2); truth = ft(ft(image[..., 8:24], -1), -2)
np.save('truth.npy', truth)
d = open('a.h5'); d.write_xml_header(header(nx, ny, 400, 16, 2))
add(d, noise(2, 50), flags=[ismrmrd.ACQ_IS_NOISE_MEASUREMENT])
add(d, 9 * noise(2, nx), flags=[ismrmrd.ACQ_IS_NAVIGATION_DATA])
for s in (0, 1):
    for y in range(2, ny):
        flags = [ismrmrd.ACQ_IS_PARALLEL_CALIBRATION] if y == 4 else []
        e = noise(2, nx) if y == 3 else 0
        add(d, k[s, :, y] + e, y - 2, flags, slice=2 * s)
        if y == 3: add(d, k[s, :, y] - e, y - 2, slice=2 * s)
d.close()
"
    );
    if python(dir.path(), &program).is_none() {
        return;
    }
    let scan = io::read_kspace(dir.path().join("a.h5"), None).unwrap();
    assert!(!format!("{scan:?}").contains("DOE"));
    assert_eq!((scan.samples.dim(), &scan.axes[..]), ((2, 2, 1, 8, 16), &[(FrameAxis::Slice, 2)][..]));
    assert_eq!(scan.noise.as_ref().unwrap().dim(), (2, 50));
    assert_eq!(scan.grid.voxel(), [5.0, 25.0, 12.5]);
    let Encoding::Cartesian(masks) = &scan.encoding else { panic!("not Cartesian") };
    assert_eq!(masks[..], [Mask { shape: [1, 8, 16], sampled: (0..128).map(|i| i >= 32).collect() }]);
    let truth = io::read_complex(dir.path().join("truth.npy")).unwrap();
    for ((frame, coil, _, y, x), value) in scan.samples.indexed_iter() {
        let expect = if y < 2 { Complex32::ZERO } else { truth[[frame, coil, y, x]] };
        assert!((value - expect).norm() < 2e-6, "{frame} {coil} {y} {x}: {value} is not {expect}");
    }
}

#[test]
fn ismrmrd_pythons_spirals_and_faults() {
    let dir = tempdir().unwrap();
    let program = format!(
        "{WRITER}
t = (np.arange(40) / 80)[:, None] * np.stack([np.cos(np.arange(40)), np.sin(np.arange(40))], 1)
def shots(name, coils=lambda i: 2, **kw):
    d = open(name); d.write_xml_header(header(16, 8, 200, 16, 0, trajectory='spiral'))
    for i in (0, 1): add(d, np.arange(40 * coils(i)).reshape(coils(i), 40) + 100j * i, traj=t * (1 - 2 * i))
    d.close()
shots('spiral.h5'); shots('coils.h5', lambda i: 2 + i)
d = open('far.h5'); d.write_xml_header(header(16, 8, 200, 16, 4)); add(d, noise(2, 16), 9); d.close()
d = open('long.h5'); d.write_xml_header(header(16, 8, 200, 16, 4)); add(d, noise(2, 20), 1); d.close()
d = open('noise.h5'); d.write_xml_header(header(16, 8, 200, 16, 4)); add(d, noise(2, 16), flags=[ismrmrd.ACQ_IS_NOISE_MEASUREMENT]); d.close()
d = open('none.h5'); d.write_xml_header(b'<ismrmrdHeader><studyInformation/></ismrmrdHeader>'); add(d, noise(2, 16)); d.close()
d = open('vast.h5'); d.write_xml_header(header(60000, 60000, 200, 16, 4)); add(d, noise(2, 16)); d.close()
ramp = '<ns1:trajectoryDescription><ns1:identifier>ConventionalEPI</ns1:identifier><ns1:userParameterLong><ns1:name>rampUpTime</ns1:name><ns1:value>100</ns1:value></ns1:userParameterLong></ns1:trajectoryDescription>'
d = open('epi.h5'); d.write_xml_header(header(16, 8, 200, 16, 4, ramp, 'epi')); add(d, noise(2, 16)); d.close()
with h5py.File('odd.h5', 'w') as f: f['dataset/xml'] = 'x'; f['dataset/data'] = np.zeros(3)
"
    );
    if python(dir.path(), &program).is_none() {
        return;
    }
    let read = |name: &str| io::read_kspace(dir.path().join(name), None);
    let scan = read("spiral.h5").unwrap();
    let Encoding::Trajectory(paths) = &scan.encoding else { panic!("Cartesian") };
    assert_eq!((scan.samples.dim(), paths[0].points.len(), paths[0].matrix), ((1, 2, 1, 1, 80), 80, [1, 8, 16]));
    assert_eq!(scan.samples[[0, 1, 0, 0, 45]], Complex32::new(45.0, 100.0));
    // Point 30 of the second shot, in cycles per voxel times the matrix.
    let (r, phi) = (-30.0 / 80.0, 30.0_f32);
    let [x, y, z] = paths[0].points[70];
    assert!((x - 16.0 * r * phi.cos()).abs() < 1e-4 && (y - 8.0 * r * phi.sin()).abs() < 1e-4 && z == 0.0);
    for (name, reason) in [
        ("coils.h5", "acquisition 1 has 3 coils, the first 2"),
        ("far.h5", "outside the k-space"),
        ("long.h5", "20 samples with their centre at 10"),
        ("noise.h5", "no acquisition of image data"),
        ("none.h5", "no image encoding"),
        ("vast.h5", "truncated"),
        ("epi.h5", "ramps"),
        ("odd.h5", "ISMRMRD"),
    ] {
        let refused = message(read(name));
        assert!(refused.contains(reason), "{name}: {refused}");
    }
}

// ---- fastMRI, MATLAB, BART, NumPy, h5py ----------------------------------------------------------------------------

#[test]
fn fastmri_slices_lose_their_oversampling_and_keep_their_columns() {
    let dir = tempdir().unwrap();
    let program = format!(
        "{WRITER}
image = np.zeros((3, 2, 32, 8), np.complex64); image[:, :, 8:24] = noise(3, 2, 16, 8)
ft = lambda a: np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(a, axes=(-2, -1)), norm='ortho'), axes=(-2, -1)).astype('c8')
np.save('truth.npy', ft(image[:, :, 8:24]))
with h5py.File('a.h5', 'w') as f:
    f['kspace'] = ft(image); f['ismrmrd_header'] = header(32, 8, 400, 16, 4).decode(); f['mask'] = np.arange(8) % 3 != 1
    f.attrs['patient_id'] = 'DOE'
with h5py.File('single.h5', 'w') as f:
    f['kspace'] = ft(image)[:, 0]; f['ismrmrd_header'] = header(32, 8, 400, 16, 4).decode()
"
    );
    if python(dir.path(), &program).is_none() {
        return;
    }
    assert_eq!(io::content(dir.path().join("a.h5")).unwrap(), Content::KSpace);
    let scan = io::read_kspace(dir.path().join("a.h5"), None).unwrap();
    assert!(!format!("{scan:?}").contains("DOE"));
    assert_eq!((scan.samples.dim(), &scan.axes[..]), ((3, 2, 1, 16, 8), &[(FrameAxis::Slice, 3)][..]));
    let Encoding::Cartesian(masks) = &scan.encoding else { panic!("not Cartesian") };
    assert_eq!(masks[..], [Mask { shape: [1, 16, 8], sampled: (0..128).map(|i| i % 8 % 3 != 1).collect() }]);
    let truth = io::read_complex(dir.path().join("truth.npy")).unwrap();
    for ((frame, coil, _, y, x), value) in scan.samples.indexed_iter() {
        let expect = if x % 3 == 1 { Complex32::ZERO } else { truth[[frame, coil, y, x]] };
        assert!((value - expect).norm() < 2e-6, "{value} is not {expect}");
    }
    assert_eq!(scan.grid.voxel(), [5.0, 12.5, 25.0]);
    assert_eq!(io::read_kspace(dir.path().join("single.h5"), None).unwrap().samples.dim(), (3, 1, 1, 16, 8));
    // A dataset that is named is a bare array.
    let bare = io::read_kspace(dir.path().join("a.h5:/kspace"), Some(&layout("slice,coil,y,x"))).unwrap();
    assert_eq!(bare.samples.dim(), (3, 2, 1, 32, 8));
}

#[test]
fn complex_arrays_of_numpy_h5py_scipy_and_matlab_are_read() {
    let dir = tempdir().unwrap();
    let program = "
import numpy as np, h5py, scipy.io
a = (np.arange(24).reshape(2, 3, 4) * (1 - 2j) / 8)
np.savez_compressed('a.npz', a=a, note='text'); np.savez('c8.npz', a=a.astype('c8'))
scipy.io.savemat('v5.mat', {'s': {'a': a}}, do_compression=True); scipy.io.savemat('small.mat', {'a': a.astype('c8')})
for kind in ('<c8', '>c8', '<c16', '>c16'):
    with h5py.File(kind[1:] + ('l' if kind[0] == '<' else 'b') + '.h5', 'w') as f: f.create_dataset('x/a', data=a.astype(kind), chunks=(1, 2, 3), compression='gzip')
with h5py.File('m73.mat', 'w', userblock_size=512) as f:
    f['a'] = np.array(a.T, dtype='c16').view([('real', 'f8'), ('imag', 'f8')])
b = bytearray(open('m73.mat', 'rb').read()); b[:10] = b'MATLAB 7.3'; open('m73.mat', 'wb').write(b)
";
    if python(dir.path(), program).is_none() {
        return;
    }
    let expect = ArrayD::from_shape_fn(IxDyn(&[2, 3, 4]), |i| {
        Complex32::new(1.0, -2.0) * ((i[0] * 12 + i[1] * 4 + i[2]) as f32 / 8.0)
    });
    for name in [
        "a.npz:/a",
        "c8.npz",
        "v5.mat:/s/a",
        "v5.mat",
        "small.mat",
        "c8l.h5",
        "c8b.h5",
        "c16l.h5",
        "c16b.h5:/x/a",
        "m73.mat",
    ] {
        assert_eq!(io::read_complex(dir.path().join(name)).unwrap(), expect, "{name}");
        assert_eq!(io::content(dir.path().join(name)).unwrap(), Content::KSpace, "{name}");
        assert!(message(io::read_array(dir.path().join(name))).contains("complex"), "{name}");
    }
    for name in ["small.mat", "m73.mat"] {
        assert!(message(io::read_kspace(dir.path().join(name), None)).contains("--axes y,x,coil"), "{name}");
        let scan = io::read_kspace(dir.path().join(name), Some(&layout("y,x,slice"))).unwrap();
        assert_eq!(scan.samples.dim(), (4, 1, 1, 2, 3));
        assert_eq!(scan.samples[[3, 0, 0, 1, 2]], expect[[1, 2, 3]]);
    }
}

#[test]
fn bart_reads_our_cfl_and_we_its_own() {
    let dir = tempdir().unwrap();
    let scan = KSpace::cartesian(samples([1, 3, 1, 4, 6])).unwrap();
    io::write_kspace(dir.path().join("ours.cfl"), &scan, &WriteOptions::default()).unwrap();
    let bart = |arguments: &[&str]| {
        let run = Command::new("bart").args(arguments).current_dir(dir.path()).output();
        let Ok(run) = run else {
            println!("skipped: no bart");
            return false;
        };
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        true
    };
    // Coil 1 of ours, and a phantom of BART's with 4 coils.
    if !(bart(&["slice", "3", "1", "ours", "coil"]) && bart(&["phantom", "-k", "-s", "4", "-x", "12", "theirs"])) {
        return;
    }
    let coil = io::read_kspace(dir.path().join("coil.hdr"), None).unwrap();
    assert_eq!(coil.samples.index_axis(Axis(1), 0), scan.samples.index_axis(Axis(1), 1));
    let theirs = io::read_kspace(dir.path().join("theirs.cfl"), None).unwrap();
    assert_eq!(theirs.samples.dim(), (1, 4, 1, 12, 12));
    bart(&["traj", "-r", "-x", "16", "-y", "3", "spokes"]);
    let spokes = io::read_trajectory(dir.path().join("spokes.cfl"), [1, 16, 16], TrajectoryUnit::default()).unwrap();
    assert_eq!(spokes.points.len(), 48);
    assert!(spokes.points.iter().flatten().fold(0.0_f32, |far, k| far.max(k.abs())) > 7.0);
}

// ---- images out ----------------------------------------------------------------------------------------------------

#[test]
fn complex_images_come_back_whole_or_in_part() {
    let dir = tempdir().unwrap();
    for (number, shape) in [[1, 1, 3, 4], [1, 2, 3, 4], [5, 2, 3, 4], [5, 1, 3, 4]].into_iter().enumerate() {
        let image = image(shape);
        for name in ["a.npy", "a.cfl", "a.h5", "a.nii", "a.nii.gz"] {
            for part in [Part::Complex, Part::Magnitude, Part::Phase, Part::Real] {
                let path = dir.path().join(format!("{number}{part:?}{name}"));
                let written = io::write_complex(&path, &image, part, &WriteOptions::default()).unwrap();
                assert_eq!(written.remark, None, "{name}");
                if shape == [5, 1, 3, 4] && name == "a.npy" {
                    continue;
                }
                let read = io::read_complex_image(&path).unwrap();
                let expect = image.values.mapv(|value| match part {
                    Part::Complex => value,
                    Part::Magnitude => value.norm().into(),
                    Part::Phase => value.arg().into(),
                    Part::Real => value.re.into(),
                });
                assert_eq!(read.values, expect, "{name} {part:?}");
                if name.starts_with("a.h5") || name.starts_with("a.nii") {
                    assert_grid(&read.grid, &image.grid);
                    assert_eq!(read.unit, image.unit);
                    assert_eq!(io::content(&path).unwrap(), Content::Image);
                }
                if part == Part::Phase && number == 1 && !name.ends_with("cfl") {
                    assert_eq!(io::read_image(&path).unwrap().values, expect.index_axis(Axis(0), 0).mapv(|v| v.re));
                }
            }
        }
    }
    assert_eq!(io::read_complex(dir.path().join("0Complexa.npy")).unwrap().shape(), [3, 4]);
    assert_eq!(io::read_complex(dir.path().join("3Complexa.npy")).unwrap().shape(), [5, 3, 4]);
}

#[test]
fn formats_without_complex_numbers_take_the_magnitude_and_say_so() {
    let dir = tempdir().unwrap();
    let image = image([1, 1, 3, 4]);
    for name in ["a.tif", "a.png", "a.dcm"] {
        let written =
            io::write_complex(dir.path().join(name), &image, Part::Complex, &WriteOptions::default()).unwrap();
        let remark = written.remark.unwrap();
        assert!(remark.contains("magnitude"), "{remark}");
        let phase = dir.path().join(format!("phase-{name}"));
        let written = io::write_complex(&phase, &image, Part::Phase, &WriteOptions::default()).unwrap();
        assert!(!written.remark.unwrap_or_default().contains("magnitude"));
    }
    let read = io::read_image(dir.path().join("a.dcm")).unwrap();
    assert_eq!(read.quantity, Quantity::Signal);
    assert_grid(&read.grid, &image.grid);
    for (a, b) in read.values.iter().zip(&image.values) {
        assert!((a - b.norm()).abs() < 1e-4, "{a} is not {b}");
    }
    let phase = io::read_image(dir.path().join("phase-a.tif")).unwrap();
    assert_eq!((phase.quantity, phase.values[[0, 2, 3]]), (Quantity::Phase, image.values[[0, 0, 2, 3]].arg()));
    let frames = io::write_complex(
        dir.path().join("f.dcm"),
        &self::image([2, 2, 3, 4]),
        Part::Magnitude,
        &WriteOptions::default(),
    );
    let names: Vec<_> =
        frames.unwrap().paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["f-0001-0001.dcm", "f-0001-0002.dcm", "f-0002-0001.dcm", "f-0002-0002.dcm"]);
}

#[test]
fn nibabel_and_numpy_see_our_complex_image() {
    let dir = tempdir().unwrap();
    let image = image([5, 2, 3, 4]);
    for name in ["a.nii.gz", "a.npy", "a.h5"] {
        io::write_complex(dir.path().join(name), &image, Part::Complex, &WriteOptions::default()).unwrap();
    }
    let program = "
import nibabel, numpy as np, h5py
n = nibabel.load('a.nii.gz'); d = np.asarray(n.dataobj); a = np.load('a.npy'); h = h5py.File('a.h5')['image/values'][()]
print(n.shape, n.get_data_dtype(), (d == a.T).all(), a.dtype, (h == a).all(), [float(v) for v in n.affine[:3, 3]], a[4, 1, 2, 3])
";
    let Some(seen) = python(dir.path(), program) else { return };
    let [x, y, z] = image.grid.first;
    let value = image.values[[4, 1, 2, 3]];
    let expect =
        format!("(4, 3, 2, 5) complex64 True complex64 True [{:?}, {:?}, {z:?}] ({}{}j)", -x, -y, value.re, value.im);
    assert_eq!(seen, expect);
}

#[test]
fn dciodvfy_finds_no_error_in_mr_images() {
    let dir = tempdir().unwrap();
    for part in [Part::Magnitude, Part::Phase] {
        let path = dir.path().join(format!("{part:?}.dcm"));
        io::write_complex(&path, &image([1, 1, 5, 7]), part, &WriteOptions::default()).unwrap();
        let Ok(run) = Command::new("dciodvfy").arg(&path).output() else {
            println!("skipped: no dciodvfy (Debian's dicom3tools)");
            return;
        };
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(said.contains("MRImage") && !said.contains("Error"), "{said}");
    }
}

// ---- measured data -------------------------------------------------------------------------------------------------

#[test]
fn scanners_and_papers_k_space_is_read() {
    let folder = std::env::var_os("RUSHLIGHT_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from)
        .join("mr-kspace");
    if !folder.is_dir() {
        println!("skipped: no data");
        return;
    }
    // One brain, once whole in BART's file and once undersampled in NumPy's.
    let whole = io::read_kspace(folder.join("brain8ch_full.cfl"), None).unwrap();
    let part = io::read_kspace(folder.join("sigpy_cartesian_ksp_undersampled.npy"), None).unwrap();
    assert_eq!((whole.samples.dim(), part.samples.dim()), ((1, 8, 1, 230, 180), (1, 8, 1, 230, 180)));
    let energy =
        |scan: &KSpace, y: usize, x: usize| scan.samples.slice(s![0, .., 0, y, x]).mapv(|v| v.norm_sqr()).sum();
    let middle = |scan: &KSpace| {
        let all = points(230, 180).max_by(|a, b| energy(scan, a.0, a.1).total_cmp(&energy(scan, b.0, b.1))).unwrap();
        [all.0.abs_diff(115), all.1.abs_diff(90)]
    };
    assert!(
        middle(&whole).iter().chain(&middle(&part)).all(|off| *off <= 2),
        "{:?} {:?}",
        middle(&whole),
        middle(&part)
    );
    let Encoding::Cartesian(masks) = &part.encoding else { panic!("not Cartesian") };
    assert!((8.0..9.0).contains(&masks[0].acceleration()), "{}", masks[0].acceleration());
    let low = folder.join("ulf_Figure_6A__0.055T__0.055T_FSE_kspace_postEMI.mat:/kspace");
    assert!(message(io::read_kspace(&low, None)).contains("--axes"));
    let low = io::read_kspace(&low, Some(&layout("y,x,slice"))).unwrap();
    assert_eq!((low.samples.dim(), &low.axes[..]), ((4, 1, 1, 128, 126), &[(FrameAxis::Slice, 4)][..]));
    let spiral = folder.join("spiral_8ch_phantom.mat");
    let at = |name: &str| PathBuf::from(format!("{}:/{name}", spiral.display()));
    let path = io::read_trajectory(at("k"), [1, 256, 256], TrajectoryUnit::CyclesPerVoxel).unwrap();
    assert_eq!(path.points.len(), 1182 * 60);
    let scan = io::read_samples(at("data"), path, None).unwrap();
    // The samples near k = 0 are the strongest.
    let Encoding::Trajectory(paths) = &scan.encoding else { panic!("Cartesian") };
    let strongest = (0..1182 * 60).max_by(|a, b| {
        let energy = |i: usize| scan.samples.slice(s![0, .., 0, 0, i]).mapv(|v| v.norm_sqr()).sum();
        energy(*a).total_cmp(&energy(*b))
    });
    let [x, y, _] = paths[0].points[strongest.unwrap()];
    assert!(x.hypot(y) < 2.0, "{x} {y}");
}

fn points(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |y| (0..columns).map(move |x| (y, x)))
}

// ---- broken files --------------------------------------------------------------------------------------------------

#[test]
fn broken_cfl_pairs_are_refused() {
    let dir = tempdir().unwrap();
    let path = cfl(&dir, "a", &[4, 4, 1, 2]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..200]).unwrap();
    let refused = message(io::read_kspace(&path, None));
    assert!(refused.contains("256 bytes, but there are 200: truncated"), "{refused}");
    fs::write(&path, [&bytes[..], &[0; 8]].concat()).unwrap();
    assert!(message(io::read_complex(&path)).contains("not the file"));
    fs::remove_file(&path).unwrap();
    assert!(message(io::read_complex(dir.path().join("a.hdr"))).contains(".cfl beside it"));
    fs::write(&path, &bytes).unwrap();
    for (header, reason) in [
        ("# Dimensions\n", "no list of extents"),
        ("# Dimensions\n4 x 1\n", "no list of extents"),
        ("# Dimensions\n4 0 1\n", "no list of extents"),
        ("# Dimensions\n4294967296 4294967296 4294967296\n", "memory"),
        ("# Dimensions\n1000000 1000000 1\n", "truncated"),
    ] {
        put(&dir, "a.hdr", header);
        let refused = message(io::read_complex(&path));
        assert!(refused.contains(reason), "{header}: {refused}");
    }
}

/// One small valid file of every kind; `.cfl` with its header.
static SPECIMENS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let dir = tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    io::write_kspace(at("scan.h5"), &full_scan(), &WriteOptions::default()).unwrap();
    for name in ["a.npy", "a.h5", "a.nii", "a.nii.gz"] {
        io::write_complex(at(name), &image([2, 2, 3, 4]), Part::Complex, &WriteOptions::default()).unwrap();
    }
    let names = ["scan.h5", "a.npy", "a.h5", "a.nii", "a.nii.gz"];
    names.into_iter().map(|name| (name, fs::read(at(name)).unwrap())).collect()
});

/// Reads a file every way there is; any of them may refuse, in one line, but none may panic.
fn read_every_way(bytes: &[u8]) {
    let dir = tempdir().unwrap();
    let path = put(&dir, "a", bytes);
    let refusals = [
        io::read_complex(&path).err(),
        io::read_complex_image(&path).err(),
        io::read_kspace(&path, None).err(),
        io::read_kspace(&path, Some(&layout("set,z,y,x"))).err(),
        io::read_trajectory(&path, [2, 3, 4], TrajectoryUnit::default()).err(),
        io::content(&path).err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        assert!(!refusal.to_string().contains('\n'), "{refusal}");
    }
}

#[test]
fn every_truncation_is_refused_without_panic() {
    for (name, bytes) in SPECIMENS.iter() {
        read_every_way(bytes);
        let step = (bytes.len() / 100).max(1);
        for end in (0..bytes.len()).step_by(step) {
            read_every_way(&bytes[..end]);
        }
        let dir = tempdir().unwrap();
        let half = put(&dir, "half", &bytes[..bytes.len() / 2]);
        assert!(io::read_kspace(&half, None).is_err(), "half of {name} was taken for a whole one");
    }
}

proptest! {
    #![proptest_config(fuzz::config(100))]

    #[test]
    fn flipped_bytes_never_panic(kind in 0..5_usize, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = SPECIMENS[kind].1.clone();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read_every_way(&bytes);
    }

    #[test]
    fn headers_of_any_words_never_panic(words in prop::collection::vec("[<>/a-z0-9 ]{0,12}", 0..12)) {
        let dir = tempdir().unwrap();
        put(&dir, "a.hdr", format!("# Dimensions\n{}", words.concat()));
        let path = put(&dir, "a.cfl", [0; 64]);
        let _ = io::read_kspace(&path, None);
        // The same words in place of an ISMRMRD header's, in the file itself.
        let mut bytes = SPECIMENS[0].1.clone();
        let at = bytes.windows(10).position(|window| window == b"<encoding>").unwrap();
        let words = words.concat();
        bytes[at..at + words.len()].copy_from_slice(words.as_bytes());
        read_every_way(&bytes);
    }
}
