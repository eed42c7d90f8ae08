//! Where MR's images lie and which points of k-space were measured: slices of ISMRMRD in any order, read-outs that are reversed
//! and not symmetric, headers of converters, fastMRI's field of view.

#[allow(dead_code)]
mod ismrmrd;

use std::{collections::BTreeMap, f64::consts::TAU, path::Path};

use hdf5_pure::{CompoundTypeBuilder, FileBuilder};
use ismrmrd::{Encoding, Line, REVERSE, header};
use ndarray::s;
use num_complex::{Complex32, Complex64};
use rushlight::{
    device::Device,
    geometry::LengthUnit,
    io,
    monitor::Monitor,
    recipes::mr::{self, MrOptions},
    scan::{self, FrameAxis, KSpace},
};
use tempfile::tempdir;

fn encoding(matrix: [usize; 3], voxel: [f64; 3], recon: [f64; 3]) -> Encoding {
    Encoding {
        matrix,
        field_of_view: std::array::from_fn(|axis| matrix[axis] as f64 * voxel[axis]),
        recon_field_of_view: recon,
        trajectory: "cartesian",
        description: String::new(),
    }
}

fn read(path: &Path, header: String, lines: &[Line]) -> rushlight::Result<KSpace> {
    ismrmrd::write(path, &[("dataset", header, lines)]);
    io::read_kspace(path, None)
}

fn message(result: rushlight::Result<impl std::fmt::Debug>) -> String {
    let message = result.expect_err("this should be refused").to_string();
    assert!(!message.contains('\n'), "more than one line: {message}");
    message
}

// ---- slices --------------------------------------------------------------------------------------------------------

/// Directions of an oblique slice: read, phase, slice.
fn oblique() -> [[f64; 3]; 3] {
    let (s, c) = 0.4_f64.sin_cos();
    let (t, d) = 0.9_f64.sin_cos();
    [[c, s, 0.0], [-s * d, c * d, t], [s * t, -c * t, d]]
}

/// A scan of slices of 7 × 6 whose k-space is one number: an object that is at r = 0 only. Slice `number`, counted by its counter,
/// is at `place` steps of `gap` along the normal.
fn stack(places: &[f64], gap: f64) -> Vec<Line> {
    let directions = oblique();
    let lines = places.iter().enumerate().flat_map(|(number, place)| {
        (0..6).map(move |y| Line {
            steps: [y, 0],
            slice: number as u16,
            samples: vec![vec![Complex32::new(10.0 + number as f32, 0.0); 7]],
            position: Some(std::array::from_fn(|axis| {
                ([5.0, -6.0, 7.0][axis] + place * gap * directions[2][axis]) as f32
            })),
            directions: Some(directions.map(|direction| direction.map(|part| part as f32))),
            ..Line::default()
        })
    });
    lines.collect()
}

#[test]
fn slices_lie_where_their_positions_say() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let header = || header(&[encoding([7, 6, 1], [2.0, 3.0, 4.0], [14.0, 18.0, 4.0])]);
    // In order; from top to bottom; interleaved, beginning at the second; all with gaps between slices of 4 mm.
    for order in [[0.0, 1.0, 2.0, 3.0], [3.0, 2.0, 1.0, 0.0], [1.0, 3.0, 0.0, 2.0]] {
        for gap in [4.0, 5.5] {
            let lines = stack(&order, gap);
            let scan = read(&path, header(), &lines).unwrap();
            assert_eq!((&scan.axes[..], scan.unit), (&[(FrameAxis::Slice, 4)][..], LengthUnit::Millimetre));
            let recipe = mr::named("zero-filled", &MrOptions::default()).unwrap();
            let image = recipe.reconstruct(scan.clone(), &Device::cpu(), &Monitor::default()).unwrap().image;
            assert_eq!(image.grid.shape, [4, 6, 7]);
            for line in lines.iter().step_by(6) {
                // The voxel that is brightest in the slice with this line's number is at this line's position.
                let expected = line.samples[0][0].re * 42_f32.sqrt();
                let mut near =
                    image.values.indexed_iter().filter(|(_, value)| (value.norm() - expected).abs() < 1e-3 * expected);
                let ((_, z, y, x), _) = near.next().unwrap();
                assert!(near.next().is_none());
                let place = image.grid.position([z as f64, y as f64, x as f64]);
                let position = line.position.unwrap();
                for axis in 0..3 {
                    assert!(
                        (place[axis] - f64::from(position[axis])).abs() < 1e-5,
                        "{order:?}: {place:?} {position:?}"
                    );
                }
            }
            let [z, y, x] = image.grid.steps;
            for (step, (direction, size)) in [x, y, z].iter().zip(oblique().iter().zip([2.0, 3.0, gap])) {
                assert!((0..3).all(|axis| (step[axis] - direction[axis] * size).abs() < 1e-5), "{step:?}");
            }
            // Written and read again, every slice is where it was.
            let again = dir.path().join("b.h5");
            io::write_kspace(&again, &scan, &io::WriteOptions { force: true, ..Default::default() }).unwrap();
            let again = io::read_kspace(&again, None).unwrap();
            assert_eq!(again.samples, scan.samples);
            let flat =
                |scan: &KSpace| [scan.grid.first, scan.grid.steps[0], scan.grid.steps[1], scan.grid.steps[2]].concat();
            assert!(flat(&again).iter().zip(flat(&scan)).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}

#[test]
fn slices_that_are_no_stack_have_no_places() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let header = || header(&[encoding([7, 6, 1], [2.0, 3.0, 4.0], [14.0, 18.0, 4.0])]);
    // Three planes of a localiser; and distances of which no grid can be made.
    let mut localiser = stack(&[0.0, 1.0, 2.0], 5.0);
    for line in localiser.iter_mut().filter(|line| line.slice == 1) {
        line.directions = line.directions.map(|[x, y, z]| [y, z, x]);
    }
    for lines in [localiser, stack(&[0.0, 1.0, 2.7, 3.0], 5.0)] {
        let scan = read(&path, header(), &lines).unwrap();
        assert_eq!((scan.unit, scan.grid.voxel()), (LengthUnit::Cell, [1.0; 3]));
        let order: Vec<_> = scan.samples.slice(s![.., 0, 0, 0, 0]).iter().map(|value| value.re).collect();
        assert!(order.is_sorted(), "{order:?} is not the order of the counters");
    }
    // All at one place: positions that were never filled in.
    let scan = read(&path, header(), &stack(&[0.0, 0.0, 0.0], 5.0)).unwrap();
    assert_eq!(scan.unit, LengthUnit::Millimetre);
    assert!((scan.grid.voxel()[0] - 4.0).abs() < 1e-5);
}

#[test]
fn a_slice_or_a_repetition_that_lacks_is_named_and_the_rest_stays_where_it_is() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let header = || header(&[encoding([7, 6, 1], [2.0, 3.0, 4.0], [14.0, 18.0, 4.0])]);
    // The third of five places is empty, whatever the counters say; and a stack of four of which the second is not in its second round.
    let gap = stack(&[0.0, 1.0, 3.0, 4.0], 5.5);
    let mut rounds = stack(&[0.0, 1.0, 2.0, 3.0], 5.5);
    let second = rounds.iter().filter(|line| line.slice != 1).map(|line| Line { repetition: 1, ..line.clone() });
    let second: Vec<Line> = second.collect();
    rounds.extend(second);
    for (lines, frames, lacking, words) in [
        (gap, vec![(FrameAxis::Slice, 5)], [0, 2], "nothing was measured of slice 3: "),
        (
            rounds,
            vec![(FrameAxis::Repetition, 2), (FrameAxis::Slice, 4)],
            [1, 1],
            "nothing was measured of repetition 2, slice 2: ",
        ),
    ] {
        let scan = read(&path, header(), &lines).unwrap();
        assert_eq!((&scan.axes, scan.unit), (&frames, LengthUnit::Millimetre));
        for name in ["zero-filled", "sense", "grappa", "l1-wavelet"] {
            let recipe = mr::named(name, &MrOptions::default()).unwrap();
            let made = recipe.reconstruct(scan.clone(), &Device::cpu(), &Monitor::default()).unwrap();
            assert!(made.notes.iter().any(|note| note.contains(words)), "{name}: {:?}", made.notes);
            let image = made.image;
            for ((frame, z), slice) in (0..image.values.dim().0)
                .flat_map(|frame| (0..image.values.dim().1).map(move |z| (frame, z)))
                .map(|at| (at, image.values.slice(s![at.0, at.1, .., ..])))
            {
                let largest = slice.iter().map(|value| value.norm()).fold(0.0, f32::max);
                assert_eq!(largest == 0.0, [frame, z] == lacking, "{name}, frame {frame}, slice {z}: {largest}");
            }
            // Voxel N/2 of each slice lies at its acquisitions' position.
            for line in &lines {
                let place = (0..image.grid.shape[0]).find(|z| {
                    let at = image.grid.position([*z as f64, 3.0, 3.0]);
                    at.iter().zip(line.position.unwrap()).all(|(at, position)| (at - f64::from(position)).abs() < 1e-4)
                });
                let value = image.values[[usize::from(line.repetition), place.expect("a place"), 3, 3]].norm();
                if name == "zero-filled" {
                    assert!((value / (line.samples[0][0].re * 42_f32.sqrt()) - 1.0).abs() < 1e-3, "{value}");
                }
            }
        }
    }
}

// ---- lines ---------------------------------------------------------------------------------------------------------

/// An object along x: amplitudes at fractions of the field of view, all within ±¼.
const OBJECT: [(f64, f64, f64); 4] = [(1.0, 0.0, -0.21), (0.6, -0.4, -0.05), (-0.3, 0.9, 0.11), (0.8, 0.2, 0.24)];

/// Its k-space at `k` cycles per field of view.
fn point(k: f64) -> Complex32 {
    let sum: Complex64 = OBJECT.iter().map(|(re, im, x)| Complex64::new(*re, *im) * Complex64::cis(-TAU * k * x)).sum();
    Complex32::new(sum.re as f32, sum.im as f32)
}

#[test]
fn reversed_read_outs_are_measured_on_the_other_side() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    for extent in [128, 125_usize] {
        // 90 samples with the echo at the 31st; in time from +30 to −59 where it is reversed.
        for (flags, first) in [(0, -30), (REVERSE, -59)] {
            for oversampling in [1.0, 2.0] {
                let mut samples: Vec<_> = (0..90).map(|i| point(f64::from(first + i))).collect();
                if flags == REVERSE {
                    samples.reverse();
                }
                let line = Line { flags, center: Some(30), samples: vec![samples], ..Line::default() };
                let recon = [extent as f64 / oversampling, 1.0, 1.0];
                let scan = read(&path, header(&[encoding([extent, 1, 1], [1.0; 3], recon)]), &[line]).unwrap();
                let scan::Encoding::Cartesian(masks) = &scan.encoding else { panic!("not Cartesian") };
                let width = scan.grid.shape[2];
                assert_eq!(width, (extent as f64 / oversampling).round() as usize);
                let spacing = extent as f64 / width as f64;
                let (mut error, mut power) = (0.0, 0.0);
                for x in 0..width {
                    let k = (x as f64 - (width / 2) as f64) * spacing;
                    let measured = (f64::from(first) - 0.5..f64::from(first + 90) - 0.5).contains(&k);
                    assert_eq!(masks[0].sampled[x], measured, "{extent} {oversampling} {flags}: k = {k}");
                    if measured {
                        // Transforms are orthonormal, and half as many points share the same signal.
                        let expected = point(k) * (spacing as f32).sqrt();
                        error += (scan.samples[[0, 0, 0, 0, x]] - expected).norm_sqr();
                        power += expected.norm_sqr();
                    }
                }
                let relative = (error / power).sqrt();
                // A crop of what was not measured whole spreads its ends a little.
                let most = if oversampling == 1.0 { 1e-6 } else { 0.15 };
                assert!(relative < most, "{extent} {oversampling} {flags}: {relative}");
            }
        }
    }
    // A whole line that is reversed loses no point, oversampled or not.
    let samples: Vec<_> = (0..64).map(|i| point(f64::from(31 - i))).collect();
    let line = Line { flags: REVERSE, center: Some(31), samples: vec![samples], ..Line::default() };
    let scan = read(&path, header(&[encoding([64, 1, 1], [1.0; 3], [32.0, 1.0, 1.0])]), &[line]);
    assert!(message(scan).contains("outside the k-space"));
    let samples: Vec<_> = (0..64).map(|i| point(f64::from(32 - i))).collect();
    let line = Line { flags: REVERSE, samples: vec![samples], ..Line::default() };
    let scan = read(&path, header(&[encoding([64, 1, 1], [1.0; 3], [32.0, 1.0, 1.0])]), &[line]).unwrap();
    let scan::Encoding::Cartesian(masks) = &scan.encoding else { panic!("not Cartesian") };
    assert!(masks[0].sampled.iter().all(|sampled| *sampled));
}

// ---- headers -------------------------------------------------------------------------------------------------------

#[test]
fn headers_of_converters_are_understood_or_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let lines: Vec<Line> = (0..6)
        .flat_map(|z| (0..4).map(move |y| (y, z)))
        .map(|(y, z)| Line {
            steps: [y, z],
            samples: vec![vec![Complex32::new(1.0 + f32::from(z), 0.0); 8]],
            ..Line::default()
        })
        .collect();
    let text = header(&[encoding([8, 4, 6], [1.0; 3], [8.0, 4.0, 6.0])]);
    for size in ["5.9996", "6.0004", "6.0"] {
        let scan =
            read(&path, text.replace("<z>6</z></matrixSize>", &format!("<z>{size}</z></matrixSize>")), &lines).unwrap();
        assert_eq!(scan.matrix(), [6, 4, 8]);
        assert_eq!(scan.samples[[0, 0, 5, 1, 3]], Complex32::new(6.0, 0.0));
    }
    for trajectory in ["radial", "spiral", "goldenangle", "other"] {
        let text = text.replace("<trajectory>cartesian", &format!("<trajectory>{trajectory}"));
        let refused = message(read(&path, text, &lines));
        let named = if trajectory == "other" { "not Cartesian" } else { trajectory };
        assert!(refused.contains(named) && refused.contains("no points of k-space"), "{refused}");
    }
}

// ---- fastMRI -------------------------------------------------------------------------------------------------------

#[test]
fn fastmri_shows_its_field_of_view_as_ismrmrd_would() {
    let dir = tempdir().unwrap();
    let (slices, coils, rows, columns) = (2, 3, 32, 23);
    let object = |slice: usize, coil: usize, row: usize, column: usize| {
        let inside = (8..24).contains(&row) && (2..21).contains(&column);
        let value = (1 + slice + 2 * coil) as f64 + (row * 5 % 7) as f64 + (column * 3 % 11) as f64;
        if inside { Complex64::new(value, value / (1.0 + row as f64)) } else { Complex64::new(0.0, 0.0) }
    };
    // e^(−2πi k·r), orthonormal, zero frequency at N/2, by its definition.
    let wave = |k: usize, r: usize, n: usize| {
        let [k, r] = [k, r].map(|index| index as f64 - (n / 2) as f64);
        Complex64::cis(-TAU * k * r / n as f64) / (n as f64).sqrt()
    };
    let mut bytes = Vec::new();
    for (slice, coil) in (0..slices).flat_map(|slice| (0..coils).map(move |coil| (slice, coil))) {
        let along: Vec<Vec<Complex64>> = (0..rows)
            .map(|row| {
                (0..columns)
                    .map(|k| (0..columns).map(|x| object(slice, coil, row, x) * wave(k, x, columns)).sum())
                    .collect()
            })
            .collect();
        for (ky, kx) in (0..rows).flat_map(|ky| (0..columns).map(move |kx| (ky, kx))) {
            let value: Complex64 = (0..rows).map(|row| along[row][kx] * wave(ky, row, rows)).sum();
            bytes.extend([value.re, value.im].iter().flat_map(|part| (*part as f32).to_le_bytes()));
        }
    }
    let text = header(&[Encoding {
        matrix: [rows, columns, 1],
        field_of_view: [280.0, 161.0, 4.5],
        recon_field_of_view: [140.0, 140.0, 4.5],
        trajectory: "cartesian",
        description: String::new(),
    }]);
    let kind = CompoundTypeBuilder::new().f32_field("r").f32_field("i").build().unwrap();
    let mut file = FileBuilder::new();
    file.create_dataset("ismrmrd_header").with_vlen_strings(&[text.as_str()]).with_shape(&[]);
    let shape = [slices, coils, rows, columns].map(|extent| extent as u64);
    file.create_dataset("kspace").with_raw_data(kind, bytes, shape.iter().product()).with_shape(&shape);
    let path = dir.path().join("a.h5");
    std::fs::write(&path, file.finish().unwrap()).unwrap();
    let scan = io::read_kspace(&path, None).unwrap();
    let options = MrOptions { combine: Some(mr::Combine::RootSumOfSquares), ..MrOptions::default() };
    let recipe = mr::named("zero-filled", &options).unwrap();
    let image = recipe.reconstruct(scan, &Device::cpu(), &Monitor::default()).unwrap().image;
    // 23 · 140/161 = 20 columns: from 11 − 10.
    assert_eq!(image.values.dim(), (1, slices, 16, 20));
    for ((_, slice, row, column), value) in image.values.indexed_iter() {
        let sum: f64 = (0..coils).map(|coil| object(slice, coil, row + 8, column + 1).norm_sqr()).sum();
        assert!((f64::from(value.norm()) - sum.sqrt()).abs() < 1e-4, "{slice} {row} {column}: {value}");
    }
    // Rows run along the read-out, which is ISMRMRD's x, and columns along y.
    let near = |a: [f64; 3], b: [f64; 3]| (0..3).all(|axis| (a[axis] - b[axis]).abs() < 1e-9);
    let [z, y, x] = image.grid.steps;
    assert!(near(x, [0.0, 7.0, 0.0]) && near(y, [8.75, 0.0, 0.0]) && near(z, [0.0, 0.0, 4.5]));
    assert!(near(image.grid.position([0.0, 8.0, 10.0]), [0.0; 3]));
    let distinct: BTreeMap<_, _> = image.values.indexed_iter().map(|(at, value)| (value.re.to_bits(), at)).collect();
    assert!(distinct.len() > 100);
}
