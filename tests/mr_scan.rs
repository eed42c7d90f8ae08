//! Exact MR scans of phantoms against closed forms, integrals and area-sampled rasters, and the command that makes them.

use std::{f64::consts::PI, fs};

use ndarray::{Array4, Array5, Axis};
use num_complex::{Complex32, Complex64};
use rushlight::{
    geometry::{
        Grid, Mask, Sampling, Trajectory,
        sampling::{Design, Options},
    },
    io,
    phantom::{CoilMaps, Phantom, Shape},
    scan::KSpace,
};
use tempfile::tempdir;

fn grid(shape: [usize; 3], width: f64) -> Grid {
    Grid::centered(shape, [width / shape[2] as f64, width / shape[1] as f64, width / shape[2] as f64], [0.0; 3])
}

fn full(shape: [usize; 3]) -> Sampling {
    Sampling::Mask(Mask::full(shape))
}

fn disk(center: [f64; 2], radius: f64) -> Phantom {
    Phantom {
        shapes: vec![Shape::ellipse(center, [radius, radius], 0.0, vec![]).with_value(2.0)],
        frame: 256.0,
        ..Phantom::named("disk").unwrap()
    }
}

/// The orthonormal centred inverse transform by sums over each axis, in f64: `[coil, z, y, x]`.
fn image(samples: &Array5<Complex32>) -> Array4<Complex64> {
    let mut values = samples.index_axis(Axis(0), 0).mapv(|v| Complex64::new(v.re.into(), v.im.into()));
    for axis in 1..4 {
        let n = values.len_of(Axis(axis));
        let root = |power: usize| Complex64::cis(2.0 * PI * (power % n) as f64 / n as f64) / (n as f64).sqrt();
        let roots: Vec<Complex64> = (0..n).map(root).collect();
        for mut line in values.lanes_mut(Axis(axis)) {
            let old = line.to_vec();
            for (j, value) in line.iter_mut().enumerate() {
                // e^(+2πi (k − N/2)(j − N/2)/N)
                let place = |k: usize| ((k + n - n / 2) % n) * ((j + n - n / 2) % n) % n;
                *value = old.iter().enumerate().map(|(k, old)| old * roots[place(k)]).sum();
            }
        }
    }
    values
}

/// Σ s̄·x over the coils.
fn combined(scan: &KSpace, maps: &CoilMaps) -> ndarray::Array3<Complex64> {
    let images = image(&scan.samples);
    let maps = maps.at_voxels(scan.matrix());
    (images * maps.mapv(|s| Complex64::new(s.re.into(), -f64::from(s.im)))).sum_axis(Axis(0))
}

#[test]
fn a_centred_disk_has_its_bessel_function() {
    // An odd matrix: voxel N/2 is the middle of the field. F = 2πR²·value·J1(x)/x with x = 2πR|k|; first zero at x = 3.8317.
    let (n, radius) = (65, 60.0);
    let grid = grid([1, n, n], 256.0);
    let zero = 3.831_705_970_207_512 / (2.0 * PI * radius) * 256.0;
    let points = vec![[0.0, 0.0, 0.0], [zero as f32, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
    let sampling = Sampling::Trajectory(Trajectory { matrix: [1, n, n], points });
    let scan = disk([0.0; 2], radius).kspace(&grid, &sampling, &CoilMaps::uniform()).unwrap();
    let voxel = 256.0 / n as f64;
    let scale = 2.0 / (voxel * voxel * n as f64);
    let found = |i: usize| scan.samples[[0, 0, 0, 0, i]];
    assert!((f64::from(found(0).re) - PI * radius * radius * scale).abs() < 1e-4, "{}", found(0));
    assert!(found(1).norm() < 1e-4, "the first zero: {}", found(1));
    // J1(x) by its integral.
    let x = 2.0 * PI * radius / 256.0;
    let j1: f64 = (0..64).map(|i| 2.0 * PI * f64::from(i) / 64.0).map(|t| (t - x * t.sin()).cos()).sum::<f64>() / 64.0;
    let exact = 2.0 * PI * radius * radius * j1 / x * scale;
    for i in [2, 3] {
        assert!(
            (f64::from(found(i).re) - exact).abs() < 1e-4 && found(i).im.abs() < 1e-4,
            "{} is not {exact}",
            found(i)
        );
    }
}

#[test]
fn coils_weight_the_object_before_its_transform() {
    // Against ∫ s(r) f(r) e^(−2πi k·r) dr by midpoints, 16 in each direction of a pixel, over a disk off the centre.
    let n = 32;
    let grid = grid([1, n, n], 256.0);
    let maps = CoilMaps::around(3, &grid).unwrap();
    let (center, radius) = ([30.0, -45.0], 50.0);
    let points = vec![[0.0, 0.0, 0.0], [1.3, -2.7, 0.0], [-9.0, 5.5, 0.0], [3.0, 14.0, 0.0]];
    let sampling = Sampling::Trajectory(Trajectory { matrix: [1, n, n], points: points.clone() });
    let scan = disk(center, radius).kspace(&grid, &sampling, &maps).unwrap();
    let fine = 16 * n;
    let axis = |i: usize| (i as f64 + 0.5) * 256.0 / fine as f64 - 128.0;
    let origin = grid.position([0.0, 16.0, 16.0]);
    let (_, _, my, mx) = maps.coefficients.dim();
    for coil in 0..3 {
        let mut sums = vec![Complex64::ZERO; points.len()];
        for (iy, ix) in (0..fine).flat_map(|iy| (0..fine).map(move |ix| (iy, ix))) {
            let (x, y) = (axis(ix), axis(iy));
            if (x - center[0]).hypot(y - center[1]) > radius {
                continue;
            }
            let u = [(x - origin[0]) / 256.0, (y - origin[1]) / 256.0];
            let mut s = Complex64::ZERO;
            for (i, j) in (0..my).flat_map(|i| (0..mx).map(move |j| (i, j))) {
                let turn = (i as f64 - 3.0) * u[1] + (j as f64 - 3.0) * u[0];
                s += maps.coefficients[[coil, 0, i, j]] * Complex64::cis(PI * turn);
            }
            for (sum, k) in sums.iter_mut().zip(&points) {
                *sum += s * Complex64::cis(-2.0 * PI * (f64::from(k[0]) * u[0] + f64::from(k[1]) * u[1]));
            }
        }
        let scale = 2.0 * (256.0 / fine as f64).powi(2) / ((256.0 / n as f64).powi(2) * n as f64);
        for (i, sum) in sums.iter().enumerate() {
            let found = scan.samples[[0, coil, 0, 0, i]];
            let found = Complex64::new(found.re.into(), found.im.into());
            // The rim is cut by midpoints: 2e-3 of the greatest sample.
            assert!(
                (found - sum * scale).norm() < 2e-3 * (sums[0] * scale).norm(),
                "{coil} {i}: {found}, not {}",
                sum * scale
            );
        }
    }
}

#[test]
fn a_full_scan_transformed_back_is_the_raster() {
    for (name, shape, least) in [
        ("shepp-logan-toft", [1, 128, 128], 27.0),
        ("shepp-logan-toft", [1, 96, 128], 26.0),
        ("line-pairs", [1, 129, 129], 20.0),
    ] {
        let phantom = Phantom::named(name).unwrap();
        let grid = grid(shape, phantom.frame);
        let maps = CoilMaps::around(8, &grid).unwrap();
        let scan = phantom.kspace(&grid, &full(shape), &maps).unwrap();
        let truth = phantom.signal(&grid).unwrap().values;
        let found = combined(&scan, &maps);
        let most = truth.fold(0.0_f32, |most, v| most.max(v.abs()));
        let error = |flip: bool| {
            let pixel = |(index, truth): ((usize, usize, usize), &f32)| {
                let (z, y, x) = index;
                let at = if flip { found[[z, shape[1] - 1 - y, x]] } else { found[[z, y, x]] };
                (at - f64::from(*truth)).norm_sqr()
            };
            (truth.indexed_iter().map(pixel).sum::<f64>() / truth.len() as f64).sqrt()
        };
        let psnr = |flip: bool| 20.0 * (f64::from(most) / error(flip)).log10();
        println!("{name} {shape:?}: {:.2} dB, upside down {:.2} dB", psnr(false), psnr(true));
        assert!(psnr(false) > least, "{name} {shape:?}: {} dB", psnr(false));
        assert!(name == "line-pairs" || psnr(true) < psnr(false) - 5.0, "{name} may stand on its head");
    }
}

#[test]
fn in_three_dimensions_the_phantom_is_a_cylinder() {
    let shape = [16, 48, 48];
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    let grid = grid(shape, phantom.frame);
    let maps = CoilMaps::around(8, &grid).unwrap();
    let scan = phantom.kspace(&grid, &full(shape), &maps).unwrap();
    let truth = phantom.signal(&grid).unwrap().values;
    let found = combined(&scan, &maps);
    let squares: f64 = found.iter().zip(&truth).map(|(a, b)| (a - f64::from(*b)).norm_sqr()).sum();
    let psnr = -10.0 * (squares / truth.len() as f64).log10();
    println!("cylinder: {psnr:.2} dB");
    assert!(psnr > 22.0, "{psnr} dB");
    assert!(truth[[0, 24, 24]] == 0.0 && truth[[8, 24, 24]] > 0.1);
}

#[test]
fn grid_and_trajectory_agree_where_they_meet() {
    let shape = [8, 16, 20];
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    let grid = grid(shape, phantom.frame);
    let maps = CoilMaps::around(6, &grid).unwrap();
    let cartesian = phantom.kspace(&grid, &full(shape), &maps).unwrap();
    let points = (0..8 * 16 * 20).map(|i| [(i % 20) as f32 - 10.0, (i / 20 % 16) as f32 - 8.0, (i / 320) as f32 - 4.0]);
    let sampling = Sampling::Trajectory(Trajectory { matrix: shape, points: points.collect() });
    let along = phantom.kspace(&grid, &sampling, &maps).unwrap();
    let most = cartesian.samples.iter().fold(0.0_f32, |most, v| most.max(v.norm()));
    for (a, b) in cartesian.samples.iter().zip(&along.samples) {
        assert!((a - b).norm() < 1e-6 * most, "{a} {b}");
    }
}

#[test]
fn only_what_is_sampled_is_there() {
    let shape = [1, 64, 64];
    let phantom = Phantom::named("disk").unwrap();
    let options = Options { matrix: shape, acceleration: 4.0, calibration: 8, seed: 3, ..Options::default() };
    let sampling = Design::named("poisson").unwrap().sample(&options).unwrap();
    let grid = grid(shape, phantom.frame);
    let scan = phantom.kspace(&grid, &sampling, &CoilMaps::around(2, &grid).unwrap()).unwrap();
    let Sampling::Mask(mask) = sampling else { panic!() };
    for coil in scan.samples.index_axis(Axis(0), 0).outer_iter() {
        assert!(coil.iter().zip(&mask.sampled).all(|(value, sampled)| (*value != Complex32::ZERO) == *sampled));
    }
}

// ---- the command ----------------------------------------------------------------------------------------------------

mod command;

use command::{refused, works, wrong_usage};

#[test]
fn the_issues_own_lines_work() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "sampling poisson --matrix 256,256 --acceleration 5 --calibration 24 --seed 1 -o mask.npy");
    let said = works(
        at,
        "scan shepp-logan-toft --mr --matrix 256,256 --coils 8 --sampling poisson --acceleration 5 --calibration 24 --snr 30dB --seed 1 -o kspace.npy --truth truth.npy",
    )
    .err;
    assert!(said.contains("R = 5.000"), "{said}");
    let mask = io::read_array(at.join("mask.npy")).unwrap();
    let samples = io::read_complex(at.join("kspace.npy")).unwrap();
    assert_eq!((mask.shape(), samples.shape()), (&[256, 256][..], &[8, 256, 256][..]));
    for coil in samples.outer_iter() {
        assert!(
            coil.iter().zip(&mask).all(|(value, mask)| (*value != Complex32::ZERO) == (*mask == 1.0)),
            "the mask differs"
        );
    }
    // The mask from the file is the same scan.
    works(at, "scan shepp-logan-toft --mr --sampling mask.npy --snr 30dB --seed 1 -o again.npy");
    assert_eq!(fs::read(at.join("kspace.npy")).unwrap(), fs::read(at.join("again.npy")).unwrap());
}

#[test]
fn the_matched_combination_of_a_full_scan_has_the_snr_that_was_asked_for() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let n = 96;
    let phantom = Phantom::named("shepp-logan-toft").unwrap();
    let grid = grid([1, n, n], phantom.frame);
    let maps = CoilMaps::around(4, &grid).unwrap();
    let scan = |extra: &str| {
        works(
            at,
            &format!(
                "scan shepp-logan-toft --mr --matrix {n},{n} --coils 4 --seed 7 {extra} --force -o k.npy --truth t.npy"
            ),
        );
        let samples = io::read_complex(at.join("k.npy")).unwrap();
        KSpace::cartesian(samples.into_shape_with_order((1, 4, 1, n, n)).unwrap()).unwrap()
    };
    let clean = combined(&scan(""), &maps);
    let truth = io::read_image(at.join("t.npy")).unwrap().values;
    let object: Vec<bool> = truth.iter().map(|v| *v > 0.05).collect();
    let rms = |values: Vec<f64>| (values.iter().sum::<f64>() / values.len() as f64).sqrt();
    let within = |values: Vec<f64>| rms(values.into_iter().zip(&object).filter(|(_, o)| **o).map(|(v, _)| v).collect());
    let signal = within(truth.iter().map(|v| f64::from(*v).powi(2)).collect());
    // Hoult and Lauterbur with equal noises at 0.2 T: (x²/√(√x + x²)) at x = 1.5 over that at 15: 1.2070/14.8725, by hand.
    for (extra, decibels) in
        [("--snr 30dB", 30.0), ("--snr 20dB --coil-correlation 0.6", 20.0), ("--snr 40dB --field 0.3T", 40.0 - 21.81)]
    {
        let noisy = combined(&scan(extra), &maps);
        let noise = within(noisy.iter().zip(&clean).map(|(a, b)| (a - b).norm_sqr()).collect());
        let found = 20.0 * (signal / noise).log10();
        assert!((found - decibels).abs() < 0.25, "{extra}: {found} dB");
    }
}

#[test]
fn trajectories_are_scanned_and_kept_beside() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "sampling radial --matrix 64,64 --acceleration 4 -o t.npy");
    works(at, "sampling radial --matrix 64,64 --acceleration 4 -o t.png");
    works(at, "scan shepp-logan-toft --mr --matrix 64,64 --coils 2 --sampling radial --acceleration 4 -o a.npy");
    works(at, "scan shepp-logan-toft --mr --matrix 64,64 --coils 2 --sampling t.npy -o b.npy");
    assert_eq!(io::read_array(at.join("t.npy")).unwrap().shape(), [25 * 128, 2]);
    assert_eq!(fs::read(at.join("a-trajectory.npy")).unwrap(), fs::read(at.join("t.npy")).unwrap());
    assert_eq!(fs::read(at.join("a.npy")).unwrap(), fs::read(at.join("b.npy")).unwrap());
    works(at, "sampling caipi --matrix 16,16,12 --acceleration 4 -o m.npy");
    works(at, "sampling caipi --matrix 16,24,12 --acceleration 4 -o m.png");
    assert_eq!(io::read_array(at.join("m.npy")).unwrap().shape(), [12, 16, 16]);
    assert_eq!(io::read_array(at.join("m.png")).unwrap().shape(), [12, 24]);
    works(at, "scan disk --mr --matrix 16,16,12 --coils 6 --sampling m.npy -o v.npy");
    assert_eq!(io::read_complex(at.join("v.npy")).unwrap().shape(), [6, 12, 16, 16]);
}

#[test]
fn mistakes_get_one_line() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    works(at, "sampling equispaced --matrix 64,32 --acceleration 2 -o mask.npy");
    works(at, "sampling equispaced --matrix 4,4 --acceleration 2 -o small.npy");
    works(at, "sampling radial --matrix 64,64 --acceleration 4 -o wide.npy");
    for (arguments, word) in [
        ("scan shepp-logan-toft --mr --matrix 32,64 --sampling mask.npy -o k.npy", "neither a mask"),
        ("scan shepp-logan-toft --mr --matrix 32,32 --sampling wide.npy -o k.npy", "outside the k-space"),
        ("scan shepp-logan-toft --mr --sampling posson -o k.npy", "poisson"),
        ("scan shepp-logan-toft --mr --sampling mask.npy --acceleration 2 --matrix 64,32 -o k.npy", "--acceleration"),
        ("scan shepp-logan-toft --mr --acceleration 2 -o k.npy", "--sampling"),
        ("scan shepp-logan-toft --acceleration 2 -o k.npy", "--mr"),
        ("scan shepp-logan-toft --mr --views 100 -o k.npy", "--views"),
        ("scan shepp-logan-toft --mr --photons 1e5 -o k.npy", "beam"),
        ("scan shepp-logan-toft --mr --coils 0 -o k.npy", "coils"),
        ("scan shepp-logan-toft --mr --snr 30dB --field 0T -o k.npy", "field"),
        ("scan shepp-logan-toft --mr --snr 30dB --coil-correlation 1 -o k.npy", "correlation"),
        ("scan shepp-logan-toft --mr --snr 30dB --coil-covariance small.npy -o k.npy", "covariance"),
        ("scan forbild-head --mr -o k.npy", "cut"),
        (
            "scan shepp-logan --mr --matrix 64,64 --sampling poisson --acceleration 9 --calibration 32 -o k.npy",
            "calibration",
        ),
        ("scan shepp-logan-toft --mr -o k.tif", "k-space"),
        ("sampling poisson --matrix 64,64 --acceleration 0.5 -o m.npy", "acceleration"),
        ("sampling radial --matrix 64,64 -o m.tif", "trajectory"),
    ] {
        refused(at, arguments, &[word]);
    }
    // A matrix of one extent.
    wrong_usage(at, "sampling poisson --matrix 64 -o m.npy");
}
