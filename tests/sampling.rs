//! Sampling designs: what was asked for is met, whatever the matrix; and what cannot be is refused.

use rushlight::geometry::{
    Mask, Sampling, Trajectory,
    sampling::{ALL, Design, Options, peak_side_lobe},
};

fn sample(name: &str, options: &Options) -> Sampling {
    Design::named(name).and_then(|design| design.sample(options)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn mask(name: &str, options: &Options) -> Mask {
    match sample(name, options) {
        Sampling::Mask(mask) => mask,
        Sampling::Trajectory(_) => panic!("{name} made a trajectory"),
    }
}

fn trajectory(name: &str, options: &Options) -> Trajectory {
    match sample(name, options) {
        Sampling::Trajectory(trajectory) => trajectory,
        Sampling::Mask(_) => panic!("{name} made a mask"),
    }
}

fn options(matrix: [usize; 3], acceleration: f64, calibration: usize) -> Options {
    Options { matrix, acceleration, calibration, seed: 1, ..Options::default() }
}

/// Points of the plane (y, x), in three dimensions (z, y), as (row, column).
fn plane(mask: &Mask) -> Vec<[usize; 2]> {
    let [nz, ny, nx] = mask.shape;
    let (rows, columns, step) = if nz == 1 { (ny, nx, 1) } else { (nz, ny, nx) };
    (0..rows * columns).filter(|i| mask.sampled[i * step]).map(|i| [i / columns, i % columns]).collect()
}

#[test]
fn random_designs_meet_the_acceleration_to_one_point() {
    for (name, matrix, r, calibration) in [
        ("poisson", [1, 256, 256], 5.0, 24),
        ("poisson", [1, 256, 256], 1.7, 0),
        ("poisson", [1, 96, 320], 4.0, 16),
        ("poisson", [1, 128, 128], 12.0, 24),
        ("poisson", [40, 64, 8], 3.3, 12),
        ("random", [1, 256, 64], 4.0, 24),
        ("random", [48, 64, 4], 6.0, 10),
    ] {
        let mask = mask(name, &options(matrix, r, calibration));
        let points = plane(&mask).len() as f64;
        let [nz, ny, nx] = matrix;
        let unit = if nz == 1 && name == "random" { nx } else { 1 };
        let all = (if nz == 1 { ny * nx } else { nz * ny }) as f64;
        assert!((points - all / r).abs() <= 0.5 * unit as f64 + 1e-9, "{name} {matrix:?}: {points} of {all} at {r}");
    }
}

#[test]
fn calibration_regions_are_full_and_centred_on_the_zero_frequency() {
    for (name, matrix) in [
        ("equispaced", [1, 256, 64]),
        ("random", [1, 256, 64]),
        ("poisson", [1, 256, 192]),
        ("poisson", [40, 64, 4]),
        ("caipi", [40, 64, 4]),
        ("partial-fourier", [1, 256, 64]),
    ] {
        let mask = mask(name, &options(matrix, 4.0, 24));
        let [nz, ny, nx] = matrix;
        // From N/2 − 12 to N/2 + 11, as the zero frequency is at N/2.
        let range = |n: usize| n / 2 - 12..n / 2 + 12;
        let (zs, xs) = match (nz, name) {
            (1, "poisson") => (0..1, range(nx)),
            (1, _) => (0..1, 0..nx),
            _ => (range(nz), 0..nx),
        };
        for z in zs {
            for y in range(ny) {
                for x in xs.clone() {
                    assert!(mask.sampled[(z * ny + y) * nx + x], "{name} {matrix:?} lacks ({x}, {y}, {z})");
                }
            }
        }
    }
}

#[test]
fn equispaced_is_the_mask_of_the_peers_script() {
    // mask[n // 2 % R :: R] and the central 24 lines: 64 + 18 lines of 256 at R = 4.
    let mask = mask("equispaced", &options([1, 256, 8], 4.0, 24));
    let lines: Vec<usize> = (0..256).filter(|y| y % 4 == 0 || (116..140).contains(y)).collect();
    let found: Vec<usize> = (0..256).filter(|y| mask.sampled[y * 8]).collect();
    assert_eq!(found, lines);
    assert!(mask.reads_out(2));
    assert!((mask.acceleration() - 256.0 / 82.0).abs() < 1e-12);
}

#[test]
fn no_two_discs_of_a_poisson_sampling_meet() {
    for (matrix, r, calibration) in [([1, 256, 256], 5.0, 24), ([1, 96, 320], 8.0, 0), ([64, 96, 2], 4.0, 8)] {
        let sampled = plane(&mask("poisson", &options(matrix, r, calibration)));
        let [rows, columns] = if matrix[0] == 1 { [matrix[1], matrix[2]] } else { [matrix[0], matrix[1]] };
        let half = calibration as f64 / 2.0;
        let off = |i: usize, n: usize| i as f64 - (n / 2) as f64;
        let is_calibration =
            |p: &[usize; 2]| [(p[0], rows), (p[1], columns)].iter().all(|(i, n)| (-half..half).contains(&off(*i, *n)));
        let rho = |p: &[usize; 2]| {
            let one = |i: usize, n: usize| (off(i, n).abs() - half).max(0.0) / (n as f64 / 2.0 - half);
            one(p[0], rows).hypot(one(p[1], columns))
        };
        let random: Vec<[usize; 2]> = sampled.into_iter().filter(|p| !is_calibration(p)).collect();
        // The slope s is not told: every pair, in row order, bounds it from above, d ≥ 0.7 + s·ρ. Where it is 0 nothing is kept apart.
        let mut bound = f64::INFINITY;
        for (i, a) in random.iter().enumerate() {
            for b in random[i + 1..].iter().take_while(|b| b[0] - a[0] < 16) {
                let least = rho(a).min(rho(b));
                if least > 1e-6 {
                    let distance = (a[0] as f64 - b[0] as f64).hypot(a[1] as f64 - b[1] as f64);
                    bound = bound.min((distance - 0.7) / least);
                }
            }
        }
        println!("{matrix:?}: discs grow to {:.3} cells", 1.0 + bound);
        assert!(bound > 0.5, "{matrix:?}: discs grow to {} cells only", 1.0 + bound);
        assert!(random.iter().all(|p| rho(p) <= 1.0 + 1e-12), "{matrix:?}: the corners are left out");
    }
}

#[test]
fn poisson_is_denser_at_the_centre() {
    let sampled = plane(&mask("poisson", &options([1, 256, 256], 5.0, 0)));
    let within = |low: f64, high: f64| {
        let ring = |p: &&[usize; 2]| (low..high).contains(&(p[0] as f64 - 128.0).hypot(p[1] as f64 - 128.0));
        sampled.iter().filter(ring).count() as f64 / (std::f64::consts::PI * (high * high - low * low))
    };
    assert!(within(4.0, 24.0) > 1.6 * within(100.0, 124.0), "{} {}", within(4.0, 24.0), within(100.0, 124.0));
}

#[test]
fn designs_depend_on_their_seed_alone() {
    for name in ["poisson", "random"] {
        let with = |seed| mask(name, &Options { seed, ..options([1, 128, 128], 4.0, 16) });
        assert_eq!(with(3), with(3));
        assert_ne!(with(3), with(4), "{name}");
    }
}

#[test]
fn caipirinha_is_a_lattice_whose_aliases_are_far_apart() {
    // R = 5: the best lattice has neighbours (1, 2) and (2, −1), at distance √5 (Breuer 2006, figure 3 shows like ones).
    for (r, square) in [(2.0, 2), (4.0, 4), (5.0, 5), (6.0, 5), (8.0, 8)] {
        let mask = mask("caipi", &options([40, 40, 2], r, 0));
        assert!((mask.acceleration() / r - 1.0).abs() < 0.1, "{} at {r}", mask.acceleration());
        let points = plane(&mask);
        let nearest = points
            .iter()
            .filter(|p| **p != [20, 20])
            .map(|p| (p[0] as i64 - 20).pow(2) + (p[1] as i64 - 20).pow(2))
            .min();
        assert!(points.contains(&[20, 20]), "the centre is sampled");
        assert_eq!(nearest, Some(square), "R = {r}");
    }
    let shifted = mask("caipi", &Options { shift: Some(0), ..options([16, 16, 2], 4.0, 0) });
    assert_eq!(plane(&shifted).iter().filter(|p| p[0] == 8).count(), 8, "without a shift the lattice is rectangular");
}

#[test]
fn partial_fourier_leaves_out_one_side() {
    let mask = mask("partial-fourier", &Options { fraction: 0.625, ..options([1, 64, 4], 1.0, 0) });
    let found: Vec<usize> = (0..64).filter(|y| mask.sampled[y * 4]).collect();
    assert_eq!(found, (24..64).collect::<Vec<_>>());
}

#[test]
fn radial_spokes_are_those_of_the_peers_script() {
    // 80 golden-angle spokes for 256 at R = 5, radius (i − 256)/2, angle i·π(√5 − 1)/2.
    let radial = trajectory("radial", &options([1, 256, 256], 5.0, 0));
    assert_eq!(radial.points.len(), 80 * 512);
    assert_eq!(radial.points[0], [-128.0, 0.0, 0.0]);
    let angle = 3.0 * 1.941_611_038_725_466_f64;
    for (sample, radius) in [(0, -128.0), (256, 0.0), (511, 127.5)] {
        let [x, y, z] = radial.points[3 * 512 + sample];
        assert!(
            (f64::from(x) - radius * angle.cos()).abs() < 1e-4 && (f64::from(y) - radius * angle.sin()).abs() < 1e-4
        );
        assert_eq!(z, 0.0);
    }
    let wide = trajectory("radial", &options([1, 64, 256], 5.0, 0));
    assert!(wide.points.iter().all(|[x, y, _]| x.abs() <= 128.0 && y.abs() <= 32.0));
}

#[test]
fn spirals_reach_from_centre_to_edge_with_even_speed() {
    for r in [1.0, 3.0] {
        let spiral = trajectory("spiral", &Options { interleaves: 8, ..options([1, 128, 128], r, 0) });
        let one = &spiral.points[..spiral.points.len() / 8];
        let radius = |p: &[f32; 3]| p[0].hypot(p[1]);
        assert!(radius(&one[0]) < 1e-6 && (radius(one.last().unwrap()) - 64.0).abs() < 0.6, "{:?}", one.last());
        for pair in one.windows(2) {
            let step = (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
            assert!((step - 0.5).abs() < 0.02, "a step of {step}");
        }
        // Turns of all interleaves together: the number of times that they cross the positive x axis, 64/R.
        let crossings = spiral
            .points
            .chunks(one.len())
            .map(|leaf| leaf.windows(2).filter(|p| p[0][1] < 0.0 && p[1][1] >= 0.0 && p[1][0] > 0.0).count())
            .sum::<usize>() as f64;
        assert!((crossings - 64.0 / r).abs() <= 8.0, "{crossings} turns at R = {r}");
    }
}

#[test]
fn kooshballs_fill_the_sphere_evenly() {
    let ball = trajectory("kooshball", &options([32, 32, 32], 2.0, 0));
    let spokes = (std::f64::consts::FRAC_PI_2 * 1024.0 / 2.0).round() as usize;
    assert_eq!(ball.points.len(), spokes * 64);
    // Of directions even on the sphere ⟨x²⟩ = ⟨y²⟩ = ⟨z²⟩ = 1/3.
    let moments = ball.points.chunks(64).fold([0.0; 3], |sum, spoke| {
        [0, 1, 2].map(|axis| sum[axis] + f64::from(spoke[0][axis] / 16.0).powi(2) / spokes as f64)
    });
    assert!(moments.iter().all(|moment| (moment - 1.0 / 3.0).abs() < 0.005), "{moments:?}");
}

#[test]
fn the_point_spread_of_a_lattice_has_an_alias_as_bright_as_its_peak() {
    let lattice = mask("equispaced", &options([1, 64, 32], 4.0, 0));
    assert!((peak_side_lobe(&lattice) - 1.0).abs() < 1e-6);
    assert!(peak_side_lobe(&Mask::full([4, 12, 10])) < 1e-6);
    // Half the points of a line, every other pair: |1 + e^(iπk/2)|/2 at k = 1 is cos(π/4), by hand.
    let pairs = Mask { shape: [1, 1, 4], sampled: vec![true, true, false, false] };
    assert!((peak_side_lobe(&pairs) - 0.5_f64.sqrt()).abs() < 1e-6);
    let poisson = mask("poisson", &options([1, 128, 128], 4.0, 0));
    let random = mask("random", &options([1, 128, 128], 4.0, 0));
    assert!(
        peak_side_lobe(&poisson) < 0.6 * peak_side_lobe(&random),
        "points in two dimensions scatter better than lines"
    );
}

#[test]
fn what_cannot_be_is_refused_in_a_line_that_says_why() {
    for design in ALL {
        for r in [0.5, 0.0, -3.0, f64::NAN, f64::INFINITY] {
            let message = design.sample(&options([8, 32, 32], r, 0)).unwrap_err().to_string();
            assert!(message.contains("acceleration") && !message.contains('\n'), "{}: {message}", design.name);
        }
        assert!(design.sample(&options([1, 0, 32], 2.0, 0)).is_err());
    }
    let refused = |name: &str, options: &Options| Design::named(name).unwrap().sample(options).unwrap_err().to_string();
    for (name, asked, word) in [
        ("poisson", options([1, 64, 16], 2.0, 24), "larger than the matrix along x"),
        ("equispaced", options([1, 16, 64], 2.0, 24), "larger than the matrix along y"),
        ("poisson", options([1, 64, 64], 8.0, 32), "calibration region alone"),
        ("random", options([1, 64, 64], 8.0, 32), "the most it allows is 2.00"),
        ("poisson", options([1, 64, 64], 1.0, 0), "--corners"),
        ("equispaced", options([1, 64, 64], 2.5, 0), "whole"),
        ("caipi", options([1, 64, 64], 4.0, 0), "X,Y,Z"),
        ("caipi", Options { shift: Some(2), ..options([8, 64, 64], 4.0, 0) }, "below 2"),
        ("radial", options([8, 64, 64], 4.0, 0), "kooshball"),
        ("kooshball", options([1, 64, 64], 4.0, 0), "radial"),
        ("spiral", Options { interleaves: 0, ..options([1, 64, 64], 4.0, 0) }, "interleaves"),
        ("partial-fourier", Options { fraction: 0.5, ..options([1, 64, 64], 1.0, 0) }, "above 0.5"),
        ("partial-fourier", Options { fraction: 0.6, ..options([1, 64, 64], 1.0, 32) }, "calibration"),
        ("random", Options { decay: -1.0, ..options([1, 64, 64], 2.0, 0) }, "decay"),
    ] {
        let message = refused(name, &asked);
        assert!(message.contains(word) && !message.contains('\n'), "{name}: {message}");
    }
    assert!(Design::named("posson").unwrap_err().to_string().contains("poisson"));
    // With the corners everything can be had.
    assert_eq!(mask("poisson", &Options { corners: true, ..options([1, 32, 32], 1.0, 0) }).count(), 1024);
}
