//! Echo-planar scans in ISMRMRD files: ramps, ghosts, several encodings and groups, and what is shown of the field of view.
//!
//! Objects are sums of boxes and triangles, whose Fourier transforms are known: the truth is that transform, at the points of
//! a grid or at those that a gradient, integrated step by step, passes.

mod fuzz;
mod ismrmrd;

use std::{fs, path::Path, sync::LazyLock};

use ismrmrd::{CALIBRATION, Encoding, Line, PHASE_CORRECTION, REVERSE, header, parameter, write};
use ndarray::{Array2, Array5, s};
use num_complex::{Complex32, Complex64};
use proptest::prelude::*;
use rushlight::{
    device::Device,
    io::{self, Content, WriteOptions},
    monitor::Monitor,
    recipes::mr::{self, MrOptions},
    scan::{Encoding as Sampling, FrameAxis, KSpace},
};
use tempfile::tempdir;

// ---- objects and their k-space -------------------------------------------------------------------------------------

const PI: f64 = std::f64::consts::PI;

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// A box, or a triangle of half the width at half its height, along one axis; lengths in fields of view.
#[derive(Clone, Copy)]
struct Profile {
    middle: f64,
    width: f64,
    triangle: bool,
}

impl Profile {
    fn transform(self, k: f64) -> Complex64 {
        let size = if self.triangle {
            self.width / 2.0 * sinc(self.width / 2.0 * k).powi(2)
        } else {
            self.width * sinc(self.width * k)
        };
        Complex64::cis(-2.0 * PI * k * self.middle) * size
    }
}

/// Products of a profile along x and one along y, with a factor for each of two coils.
type Object = Vec<(Profile, Profile, [Complex64; 2])>;

const fn along(middle: f64, width: f64, triangle: bool) -> Profile {
    Profile { middle, width, triangle }
}

/// Parts that together fill `width` fields of view along x, and less than half of it along y.
fn object(width: f64, triangle: bool) -> Object {
    let c = Complex64::new;
    let part = |middle: f64, part: f64| along(middle * width, part * width, triangle);
    vec![
        (part(0.0, 1.0), along(0.02, 0.36, triangle), [c(1.0, 0.2), c(0.3, -0.5)]),
        (part(-0.2, 0.3), along(-0.06, 0.2, triangle), [c(-0.6, 0.4), c(0.9, 0.1)]),
        (part(0.31, 0.1), along(0.05, 0.1, triangle), [c(0.3, 1.5), c(-0.4, 0.8)]),
    ]
}

/// The sample of a coil at (kx, ky), in cycles per field of view.
fn sample(object: &Object, coil: usize, kx: f64, ky: f64) -> Complex64 {
    object.iter().map(|(x, y, coils)| x.transform(kx) * y.transform(ky) * coils[coil]).sum()
}

fn narrow(value: Complex64) -> Complex32 {
    // As large as an image of values about 1 on some 64 × 64 pixels has it.
    Complex32::new(value.re as f32 * 64.0, value.im as f32 * 64.0)
}

// ---- read-outs -----------------------------------------------------------------------------------------------------

/// A read-out that samples a trapezoid, µs.
#[derive(Clone, Copy)]
struct ReadOut {
    samples: usize,
    dwell: f64,
    up: f64,
    flat: f64,
    down: f64,
    delay: f64,
}

impl ReadOut {
    /// k at the middle of every sample's time, in points of `extent`: the gradient summed up in small steps.
    fn points(&self, extent: usize) -> Vec<f64> {
        const STEP: f64 = 1.0 / 512.0;
        let height = |t: f64| (t / self.up).min(1.0).min((self.up + self.flat + self.down - t) / self.down).max(0.0);
        let steps = ((self.up + self.flat + self.down) / STEP) as usize;
        let mut area = vec![0.0];
        for step in 0..steps {
            area.push(area[step] + height((step as f64 + 0.5) * STEP) * STEP);
        }
        let at = |t: f64| area[((t / STEP).round() as usize).min(steps)];
        let read = at(self.delay + self.dwell * self.samples as f64) - at(self.delay);
        let scale = extent as f64 / read;
        let time = |sample: usize| self.delay + (sample as f64 + 0.5) * self.dwell;
        (0..self.samples).map(|sample| scale * (at(time(sample)) - area[steps] / 2.0)).collect()
    }

    fn description(&self) -> String {
        let list = [
            ("etl", 24.0),
            ("numberOfNavigators", 3.0),
            ("rampUpTime", self.up),
            ("rampDownTime", self.down),
            ("flatTopTime", self.flat),
            ("acqDelayTime", self.delay),
            ("numSamples", self.samples as f64),
            ("dwellTime", self.dwell),
        ];
        let list: String = list.into_iter().map(|(name, value)| parameter(name, value)).collect();
        format!("<identifier>ConventionalEPI</identifier>{list}<comment>a test's</comment>")
    }
}

/// Where a line's samples lie when it is read forwards: along x at `points`, or on a grid.
fn grid(extent: usize) -> Vec<f64> {
    (0..extent).map(|index| index as f64 - (extent / 2) as f64).collect()
}

/// What is wrong with lines: a delay in points of k, a phase by which backward lines lead, a drift from line to line.
#[derive(Clone, Copy, Default)]
struct Fault {
    delay: f64,
    lead: f64,
    drift: f64,
}

/// An echo train over `ny` lines, every other one backwards, after `navigators` without phase encoding.
fn train(object: &Object, points: &[f64], ny: usize, navigators: usize, fault: Fault) -> Vec<Line> {
    let line = |number: usize, step: Option<usize>| {
        // The first line of the image goes forwards, whatever was before.
        let backwards = step.unwrap_or(number) % 2 == 1;
        let ky = step.map_or(0.0, |step| step as f64 - (ny / 2) as f64);
        let sign = if backwards { -1.0 } else { 1.0 };
        // A drift is of navigators only: in the image it shifts along y.
        let phase = sign * -0.5 * fault.lead + if step.is_none() { fault.drift * number as f64 } else { 0.0 };
        let of_coil = |coil: usize| {
            let value = |k: &f64| sample(object, coil, sign * (k - fault.delay), ky) * Complex64::cis(phase);
            points.iter().map(|k| narrow(value(k))).collect()
        };
        let role = if step.is_none() { PHASE_CORRECTION } else { 0 };
        Line {
            flags: role | if backwards { REVERSE } else { 0 },
            steps: [step.unwrap_or(ny / 2) as u16, 0],
            samples: (0..2).map(of_coil).collect(),
            ..Line::default()
        }
    };
    let before = (0..navigators).map(|number| line(number, None));
    before.chain((0..ny).map(|step| line(step, Some(step)))).collect()
}

fn encoding(matrix: [usize; 3], oversampling: f64, description: String) -> Encoding {
    Encoding {
        matrix,
        field_of_view: [256.0 * oversampling, 256.0, 5.0],
        recon_field_of_view: [256.0, 256.0, 5.0],
        trajectory: "epi",
        description,
    }
}

fn read(path: &Path, header: String, lines: &[Line]) -> KSpace {
    write(path, &[("dataset", header, lines)]);
    io::read_kspace(path, None).unwrap()
}

fn nrmse(found: &Array5<Complex32>, truth: &Array5<Complex32>) -> f64 {
    assert_eq!(found.dim(), truth.dim());
    let square = |value: Complex32| f64::from(value.norm_sqr());
    let error: f64 = found.iter().zip(truth).map(|(a, b)| square(a - b)).sum();
    (error / truth.iter().map(|value| square(*value)).sum::<f64>()).sqrt()
}

// ---- ramps ---------------------------------------------------------------------------------------------------------

#[test]
fn ramp_samples_give_the_line_that_a_grid_would_have_given() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let twice = ReadOut { samples: 256, dwell: 2.0, up: 100.0, flat: 352.0, down: 100.0, delay: 20.0 };
    let uneven = ReadOut { samples: 300, dwell: 2.5, up: 140.0, flat: 500.0, down: 180.0, delay: 35.0 };
    let triangle = ReadOut { samples: 128, dwell: 2.5, up: 160.0, flat: 0.0, down: 160.0, delay: 0.0 };
    for (read_out, nx, filled) in [(twice, 128, 0.96), (twice, 127, 1.0), (uneven, 160, 0.98), (triangle, 60, 0.9)] {
        let object = object(filled, false);
        let points = read_out.points(nx);
        let lines = train(&object, &points, 12, 0, Fault::default());
        let scan = read(&path, header(&[encoding([nx, 12, 1], 1.0, read_out.description())]), &lines);
        let truth = Array5::from_shape_fn((1, 2, 1, 12, nx), |(_, coil, _, y, x)| {
            narrow(sample(&object, coil, grid(nx)[x], y as f64 - 6.0))
        });
        let error = nrmse(&scan.samples, &truth);
        println!("{nx} points of {} samples: NRMSE {error:.1e}", read_out.samples);
        assert!(error <= 5e-3, "{nx} points of {}: {error}", read_out.samples);
        // Samples taken as evenly spaced would be points away from where they are.
        let even = |sample: usize| (sample as f64 + 0.5) / points.len() as f64 * nx as f64 - nx as f64 / 2.0;
        let off = points.iter().enumerate().map(|(sample, k)| (k - even(sample)).abs()).fold(0.0, f64::max);
        assert!(off > 2.0, "the ramps do not matter here: {off}");
    }
}

#[test]
fn an_oversampled_read_out_may_be_just_dense_enough_for_the_object() {
    // As many samples as points: on the flat top they are further apart than the encoded field of view asks for.
    let dir = tempdir().unwrap();
    let read_out = ReadOut { samples: 128, dwell: 4.0, up: 100.0, flat: 352.0, down: 100.0, delay: 20.0 };
    let points = read_out.points(128);
    let widest = points.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(widest > 1.1, "{widest}");
    let object = object(0.48, false);
    let description = read_out.description();
    let fault = Fault::default();
    let scan = read(
        &dir.path().join("a.h5"),
        header(&[encoding([128, 12, 1], 2.0, description)]),
        &train(&object, &points, 12, 0, fault),
    );
    let ideal = read(
        &dir.path().join("b.h5"),
        header(&[encoding([128, 12, 1], 2.0, String::new())]),
        &train(&object, &grid(128), 12, 0, fault).into_iter().map(forwards).collect::<Vec<_>>(),
    );
    assert_eq!((scan.matrix(), scan.seen), ([1, 12, 64], None));
    let error = nrmse(&scan.samples, &ideal.samples);
    assert!(error <= 5e-3, "{error}");
}

/// A line on the grid, turned round if it was read backwards.
fn forwards(mut line: Line) -> Line {
    if line.flags & REVERSE != 0 {
        line.flags -= REVERSE;
        for coil in &mut line.samples {
            coil.reverse();
            let even = coil.len().is_multiple_of(2);
            coil.rotate_right(usize::from(even));
        }
    }
    line
}

#[test]
fn discarded_samples_leave_their_points_unsampled() {
    let dir = tempdir().unwrap();
    let read_out = ReadOut { samples: 256, dwell: 2.0, up: 100.0, flat: 352.0, down: 100.0, delay: 20.0 };
    let (object, points) = (object(0.9, false), read_out.points(128));
    let mut lines = train(&object, &points, 12, 0, Fault::default());
    for line in &mut lines {
        line.discard = [80, 0];
        line.samples.iter_mut().for_each(|coil| coil[..80].fill(Complex32::new(1e3, 0.0)));
    }
    let scan = read(&dir.path().join("a.h5"), header(&[encoding([128, 12, 1], 1.0, read_out.description())]), &lines);
    let Sampling::Cartesian(masks) = &scan.encoding else { panic!("not Cartesian") };
    let start = points[80];
    for ((_, coil, _, y, x), value) in scan.samples.indexed_iter() {
        let k = x as f64 - 64.0;
        let along = if y % 2 == 1 { -k } else { k };
        assert_eq!(masks[0].sampled[y * 128 + x], along > start - 0.5, "{y} {x}");
        if along > start + 2.0 {
            let truth = narrow(sample(&object, coil, k, y as f64 - 6.0));
            assert!((value - truth).norm() < 0.1, "{y} {x}: {value} is not {truth}");
        }
    }
}

#[test]
fn read_outs_that_make_no_sense_are_refused() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let good = ReadOut { samples: 64, dwell: 4.0, up: 60.0, flat: 160.0, down: 60.0, delay: 12.0 };
    let lines = train(&object(0.9, false), &good.points(32), 4, 0, Fault::default());
    let refused = |read_out: ReadOut, change: [&str; 2], words: &str| {
        let description = read_out.description().replace(change[0], change[1]);
        write(&path, &[("dataset", header(&[encoding([32, 4, 1], 1.0, description)]), &lines)]);
        let message = io::read_kspace(&path, None).expect_err("this should be refused").to_string();
        assert!(message.contains(words) && !message.contains('\n'), "{message}");
    };
    let same = ["", ""];
    refused(ReadOut { samples: 65, ..good }, same, "has 65 samples (numSamples) for acquisitions of 64");
    refused(ReadOut { delay: 500.0, ..good }, same, "reads nothing");
    refused(ReadOut { dwell: -4.0, ..good }, same, "reads nothing");
    refused(ReadOut { flat: f64::NAN, ..good }, same, "reads nothing");
    refused(good, ["dwellTime", "another"], "samples of 0 µs");
    refused(good, ["ConventionalEPI", "Spiral"], "only ConventionalEPI is known");
    // A delay that is not told is that of a read-out in the middle, and the head of an acquisition tells the dwell time too.
    let plain = header(&[encoding([32, 4, 1], 1.0, good.description())]);
    let whole = read(&path, plain.clone(), &lines);
    let timed: Vec<_> = lines.iter().map(|line| Line { dwell: 4.0, ..line.clone() }).collect();
    let less = plain.replace("acqDelayTime", "another").replace("dwellTime", "other");
    assert_eq!(read(&path, less, &timed).samples, whole.samples);
    // Every line must be of the first one's kind.
    let mut odd = lines.clone();
    odd[2].samples.iter_mut().for_each(|coil| coil.truncate(60));
    write(&path, &[("dataset", plain, &odd)]);
    let message = io::read_kspace(&path, None).unwrap_err().to_string();
    assert!(message.contains("image acquisition 2: 60 samples"), "{message}");
}

// ---- ghosts --------------------------------------------------------------------------------------------------------

/// The image of one coil, by the sums that define it.
fn image(scan: &KSpace, coil: usize) -> Array2<Complex64> {
    let samples = scan.samples.slice(s![0, coil, 0, .., ..]);
    let (ny, nx) = samples.dim();
    let wave = |n: usize| {
        let turn = move |(k, x): (usize, usize)| {
            let [k, x] = [k, x].map(|index| index as f64 - (n / 2) as f64);
            Complex64::cis(2.0 * PI * k * x / n as f64) / (n as f64).sqrt()
        };
        Array2::from_shape_fn((n, n), turn)
    };
    let wide = samples.mapv(|value| Complex64::new(value.re.into(), value.im.into()));
    let by_column: Array2<Complex64> = wave(ny).dot(&wide);
    by_column.dot(&wave(nx))
}

/// Energy where only a ghost can be: half a field of view from the object, along y, beyond what is there without fault.
fn ghost(scan: &KSpace, ideal: &KSpace) -> f64 {
    let difference = |coil: usize| image(scan, coil) - image(ideal, coil);
    let outside = |row: usize| (row as f64 / 32.0 - 0.5).abs() > 0.28;
    let energy = |coil: usize| -> f64 {
        difference(coil).indexed_iter().filter(|((row, _), _)| outside(*row)).map(|(_, value)| value.norm_sqr()).sum()
    };
    energy(0) + energy(1)
}

#[test]
fn navigators_take_the_ghost_away() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let object = object(0.8, true);
    let ramps = ReadOut { samples: 128, dwell: 4.0, up: 100.0, flat: 352.0, down: 100.0, delay: 20.0 };
    let fault = Fault { delay: 0.4, lead: 0.7, drift: 0.25 };
    for (points, description) in [(grid(64), String::new()), (ramps.points(64), ramps.description())] {
        let header = || header(&[encoding([64, 32, 1], 1.0, description.clone())]);
        let ideal = read(&path, header(), &train(&object, &points, 32, 0, Fault::default()));
        let before = ghost(&read(&path, header(), &train(&object, &points, 32, 0, fault)), &ideal);
        let total: f64 = image(&ideal, 0).iter().chain(&image(&ideal, 1)).map(|value| value.norm_sqr()).sum();
        assert!(before > 0.02 * total, "there is no ghost to speak of: {}", before / total);
        for count in [3, 4] {
            let scan = read(&path, header(), &train(&object, &points, 32, count, fault));
            let after = ghost(&scan, &ideal);
            println!(
                "{count} navigators: a ghost of {:.3} of the energy is {:.1e} times less",
                before / total,
                before / after
            );
            assert!(after * 1e3 <= before, "{count} navigators: only {} times less", before / after);
            // Nor is the object moved or turned.
            assert!(nrmse(&scan.samples, &ideal.samples) < 0.02, "{}", nrmse(&scan.samples, &ideal.samples));
        }
        // Without a fault nothing is done.
        let scan = read(&path, header(), &train(&object, &points, 32, 3, Fault::default()));
        assert!(nrmse(&scan.samples, &ideal.samples) < 1e-4);
        // Navigators of one direction, as other sequences have them, say nothing.
        let scan = read(&path, header(), &train(&object, &points, 32, 1, fault));
        assert!(ghost(&scan, &ideal) > 0.99 * before);
    }
}

#[test]
fn each_slice_has_its_own_navigators() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let object = object(0.8, true);
    let text = || header(&[encoding([64, 32, 1], 1.0, String::new())]);
    let faults = [Fault { delay: 0.3, lead: 0.5, drift: 0.0 }, Fault { delay: -0.2, lead: -0.9, drift: 0.0 }];
    let of_slice = |slice: usize, fault: Fault| {
        let lines = train(&object, &grid(64), 32, 3, fault);
        lines.into_iter().map(move |line| Line { slice: slice as u16, ..line })
    };
    let lines: Vec<_> = faults.into_iter().enumerate().flat_map(|(slice, fault)| of_slice(slice, fault)).collect();
    let scan = read(&path, text(), &lines);
    assert_eq!(scan.axes, [(FrameAxis::Slice, 2)]);
    let ideal = read(&path, text(), &train(&object, &grid(64), 32, 0, Fault::default()));
    for frame in 0..2 {
        let error = nrmse(&scan.samples.slice(s![frame..=frame, .., .., .., ..]).to_owned(), &ideal.samples);
        assert!(error < 0.02, "slice {frame}: {error}");
    }
}

// ---- encodings and groups ------------------------------------------------------------------------------------------

/// Lines of numbers, all on the grid.
fn plain(nx: usize, ny: usize, nz: usize, space: u16, flags: u64) -> Vec<Line> {
    let line = |index: usize| Line {
        flags,
        space,
        steps: [(index % ny) as u16, (index / ny) as u16],
        samples: vec![(0..nx).map(|x| Complex32::new(1.0 + x as f32, (1 + index) as f32)).collect()],
        ..Line::default()
    };
    (0..ny * nz).map(line).collect()
}

#[test]
fn the_first_encoding_with_lines_of_the_image_is_read() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let three = || {
        let one = |matrix: [usize; 3]| encoding(matrix, 1.0, String::new());
        header(&[one([8, 4, 1]), one([16, 6, 1]), one([32, 2, 1])])
    };
    let shape = |lines: &[Line]| read(&path, three(), lines).matrix();
    let calibration = plain(8, 4, 1, 0, CALIBRATION);
    let [second, third] = [plain(16, 6, 1, 1, 0), plain(32, 2, 1, 2, 0)];
    assert_eq!(shape(&[third.clone(), calibration.clone(), second.clone()].concat()), [1, 6, 16]);
    assert_eq!(shape(&[third.clone(), calibration.clone()].concat()), [1, 2, 32]);
    assert_eq!(shape(&calibration), [1, 4, 8]);
    assert_eq!(shape(&[plain(8, 4, 1, 0, 0), second].concat()), [1, 4, 8]);
    let nowhere = [calibration, plain(16, 6, 1, 7, 0)].concat();
    write(&path, &[("dataset", three(), &nowhere)]);
    let message = io::read_kspace(&path, None).unwrap_err().to_string();
    assert!(message.contains("are of encoding 7"), "{message}");
    assert!(message.contains("0 (epi, 8 × 4 × 1), 1 (epi, 16 × 6 × 1), 2 (epi, 32 × 2 × 1)"), "{message}");
}

#[test]
fn a_group_is_chosen_by_its_name() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let text = |nx: usize| header(&[encoding([nx, 4, 1], 1.0, String::new())]);
    let (one, other) = (plain(8, 4, 1, 0, 0), plain(16, 4, 1, 0, 0));
    write(&path, &[("dataset", text(8), &one), ("dataset_2", text(16), &other)]);
    let named = |group: &str| format!("{}:/{group}", path.display());
    assert_eq!(io::read_kspace(&path, None).unwrap().matrix(), [1, 4, 8]);
    assert_eq!(io::read_kspace(named("dataset"), None).unwrap().matrix(), [1, 4, 8]);
    assert_eq!(io::read_kspace(named("dataset_2"), None).unwrap().matrix(), [1, 4, 16]);
    assert_eq!(io::read_kspace(named("dataset_2/"), None).unwrap().matrix(), [1, 4, 16]);
    assert_eq!(io::content(named("dataset_2")).unwrap(), Content::KSpace);
    assert!(io::has_mr_header(named("dataset_2")).unwrap());
    assert!(io::read_kspace(named("dataset_3"), None).unwrap_err().to_string().contains("no such dataset"));
}

// ---- what is shown -------------------------------------------------------------------------------------------------

#[test]
fn images_show_the_reconstructed_field_of_view() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let zero_filled = |scan: KSpace| {
        let recipe = mr::named("zero-filled", &MrOptions::default()).unwrap();
        recipe.reconstruct(scan, &Device::cpu(), &Monitor::default()).unwrap().image
    };
    // A volume, oversampled half as much again along y and z and twice along x, and two slices, oversampled along y.
    let volume = [[16, 24, 6], [400, 300, 60], [200, 200, 40]];
    let slices = [[16, 24, 1], [400, 300, 60], [200, 200, 60]];
    let encoding = |[matrix, encoded, recon]: [[usize; 3]; 3]| Encoding {
        matrix,
        field_of_view: encoded.map(|length| length as f64),
        recon_field_of_view: recon.map(|length| length as f64),
        trajectory: "cartesian",
        description: String::new(),
    };
    let both = plain(16, 24, 1, 0, 0);
    let second = both.iter().map(|line| Line { slice: 1, ..line.clone() });
    let both: Vec<_> = both.iter().cloned().chain(second).collect();
    for (spaces, lines, seen, shown) in
        [(volume, plain(16, 24, 6, 0, 0), [4, 16, 8], [4, 16, 8]), (slices, both, [1, 16, 8], [2, 16, 8])]
    {
        let scan = read(&path, header(&[encoding(spaces)]), &lines);
        let depth = scan.grid.shape[0];
        assert_eq!((scan.matrix(), scan.seen), ([depth, 24, 8], Some(seen)));
        let image = zero_filled(scan.clone());
        let whole = zero_filled(KSpace { seen: None, ..scan.clone() });
        assert_eq!((image.grid.shape, whole.grid.shape[1..].to_vec()), (shown, vec![24, 8]));
        assert_eq!(image.values.shape()[1..], shown);
        // The same voxels at the same places.
        let start = [(whole.grid.shape[0] - shown[0]) / 2, 4, 0];
        let [z, y, x] = start;
        assert_eq!(image.values, whole.values.slice(s![.., z..z + shown[0], y..y + 16, x..x + 8]));
        let place = whole.grid.position(start.map(|index| index as f64));
        assert!((0..3).all(|axis| (place[axis] - image.grid.first[axis]).abs() < 1e-9));
        assert_eq!(image.grid.steps, whole.grid.steps);
        // Written and read again, it is still so.
        let again = dir.path().join("b.h5");
        io::write_kspace(&again, &scan, &WriteOptions { force: true, ..WriteOptions::default() }).unwrap();
        let again = io::read_kspace(&again, None).unwrap();
        assert_eq!((again.seen, again.samples), (scan.seen, scan.samples));
    }
}

// ---- broken files --------------------------------------------------------------------------------------------------

const SMALL: ReadOut = ReadOut { samples: 64, dwell: 4.0, up: 60.0, flat: 160.0, down: 60.0, delay: 12.0 };

/// A small echo train with ramps and navigators.
static SPECIMEN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = tempdir().unwrap();
    let lines = train(&object(0.9, false), &SMALL.points(32), 8, 3, Fault::default());
    let path = dir.path().join("a.h5");
    read(&path, header(&[encoding([32, 8, 1], 1.0, SMALL.description())]), &lines);
    fs::read(path).unwrap()
});

/// A refusal is one line; whatever is read is finite.
fn read_bytes(bytes: &[u8]) {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.h5");
    fs::write(&path, bytes).unwrap();
    match io::read_kspace(&path, None) {
        Ok(scan) => assert!(scan.samples.iter().all(|value| value.re.is_finite() && value.im.is_finite())),
        Err(refusal) => assert!(!refusal.to_string().contains('\n'), "{refusal}"),
    }
}

proptest! {
    #![proptest_config(fuzz::config(200))]

    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = SPECIMEN.clone();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read_bytes(&bytes);
    }

    #[test]
    fn read_outs_of_any_numbers_never_panic(place in 0..8_usize, number in "(-?[0-9]{0,3}([.][0-9]|e[0-9]{1,3})?|nan|-?inf)") {
        let description = SMALL.description();
        let (start, _) = description.match_indices("<value>").nth(place).unwrap();
        let end = start + description[start..].find("</value>").unwrap();
        let description = format!("{}{number}{}", &description[..start + 7], &description[end..]);
        let dir = tempdir().unwrap();
        let path = dir.path().join("a.h5");
        let lines = train(&object(0.9, false), &SMALL.points(32), 2, 3, Fault::default());
        write(&path, &[("dataset", header(&[encoding([32, 2, 1], 1.0, description)]), &lines)]);
        read_bytes(&fs::read(&path).unwrap());
    }
}
