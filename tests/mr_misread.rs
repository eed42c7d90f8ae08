//! K-space that was taken for what it is not is remarked on, and k-space as it should be is not: boxes by their closed form.

use std::f64::consts::{PI, TAU};

use ndarray::{Array5, Axis, s};

use num_complex::{Complex32, Complex64};
use rushlight::{
    geometry::{Grid, LengthUnit, Trajectory},
    random::Draws,
    scan::{
        Encoding, KSpace,
        misread::{Axes, remarks},
    },
};

const COILS: usize = 5;

/// A point of k-space, in cycles per voxel, of a box with a brighter one in it, as a coil of its own gain sees it.
fn transform(coil: usize, [kz, ky, kx]: [f64; 3]) -> Complex32 {
    let line = |k: f64, width: f64, at: f64| {
        let x = PI * k * width;
        let size = if x.abs() < 1e-9 { width } else { width * x.sin() / x };
        Complex64::from_polar(size, -TAU * k * at)
    };
    let (loud, turn) = (0.4 + 0.3 * coil as f64, Complex64::from_polar(1.0, coil as f64));
    let whole = line(kz, 20.0, 1.0) * line(ky, 26.0, 2.0) * line(kx, 30.0, -3.0);
    let part = line(kz, 7.0, 4.0) * line(ky, 9.0, -2.0) * line(kx, 6.0, 5.0);
    let value = (whole + part * 0.7) * turn * loud;
    Complex32::new(value.re as f32, value.im as f32)
}

/// `[coil, z, y, x]` of noise and the boxes; one slice without kz.
fn grid(nz: usize, noise: f32) -> Array5<Complex32> {
    let (ny, nx) = (44, 48);
    let mut random = Draws::new(3, [0; 3]);
    Array5::from_shape_fn((1, COILS, nz, ny, nx), |(_, coil, z, y, x)| {
        let k = |i: usize, n: usize| (i as f64 - (n / 2) as f64) / n as f64;
        let noise = Complex32::new(random.normal() as f32, random.normal() as f32) * noise;
        transform(coil, [if nz > 1 { k(z, nz) } else { 0.0 }, k(y, ny), k(x, nx)]) + noise
    })
}

fn said(samples: Array5<Complex32>, axes: Axes) -> String {
    remarks(&KSpace::cartesian(samples).unwrap(), axes).join("\n")
}

/// The axes of `[frame, coil, z, y, x]` in another order.
fn turned(samples: &Array5<Complex32>, order: [usize; 5]) -> Array5<Complex32> {
    samples.view().permuted_axes(order).as_standard_layout().into_owned()
}

#[test]
fn axes_that_were_not_encoded_are_named() {
    // In noise from none to as much energy as the boxes have.
    for noise in [0.0, 5.0, 200.0] {
        let (flat, deep) = (grid(1, noise), grid(24, noise));
        for right in [&flat, &deep] {
            assert_eq!(said(right.clone(), Axes::Assumed), "", "{noise}");
        }
        // [y, x, coil], [y, coil, x] read as [coil, y, x].
        assert!(said(turned(&flat, [0, 3, 2, 4, 1]), Axes::Assumed).contains("--axes y,x,coil"));
        assert!(said(turned(&flat, [0, 3, 2, 1, 4]), Axes::Assumed).contains("--axes y,coil,x"));
        // [z, y, x, coil] read as [coil, z, y, x].
        assert!(said(turned(&deep, [0, 2, 3, 4, 1]), Axes::Assumed).contains("--axes z,y,x,coil"));
        // Who names the axes knows them.
        assert_eq!(said(turned(&flat, [0, 3, 2, 4, 1]), Axes::Named), "");
    }
    // [slice, coil, y, x]: three and two slices, of five coils.
    for slices in [2, 3, 7] {
        let slice = grid(1, 5.0).remove_axis(Axis(2));
        let stack = Array5::from_shape_fn((1, slices, COILS, 44, 48), |(_, z, coil, y, x)| {
            slice[[0, coil, y, x]] * (1.0 - 0.1 * z as f32)
        });
        let words = said(stack, Axes::Assumed);
        assert!(words.contains("the middle of z") && words.contains("--axes slice,coil,y,x"), "{slices}: {words}");
    }
    // Coils times samples.
    let samples =
        Array5::from_shape_fn((1, 1, 1, 8, 900), |(_, _, _, coil, i)| transform(coil, [0.0, 0.0, i as f64 / 99.0]));
    assert!(said(samples.clone(), Axes::Assumed).contains("--trajectory"));
    assert!(said(turned(&samples, [0, 1, 2, 4, 3]), Axes::Named).contains("--trajectory"));
    assert_eq!(said(samples, Axes::Header), "");
}

#[test]
fn every_third_line_and_a_part_of_k_space_are_as_they_should_be() {
    let mut sparse = grid(1, 5.0);
    for y in (0..44).filter(|y| y % 3 != 0 && !(18..27).contains(y)) {
        sparse.slice_mut(s![.., .., .., y, ..]).fill(Complex32::ZERO);
    }
    assert_eq!(said(sparse, Axes::Assumed), "");
    let mut half = grid(24, 5.0);
    half.slice_mut(s![.., .., .., ..18, ..]).fill(Complex32::ZERO);
    assert_eq!(said(half, Axes::Assumed), "");
    // Noise alone, and a single voxel, have no middle.
    let mut random = Draws::new(5, [0; 3]);
    let noise =
        Array5::from_shape_fn((1, 3, 8, 24, 20), |_| Complex32::new(random.normal() as f32, random.normal() as f32));
    assert_eq!(said(noise, Axes::Assumed), "");
    assert_eq!(said(Array5::from_elem((1, 3, 8, 24, 20), Complex32::ONE), Axes::Assumed), "");
}

#[test]
fn an_fft_without_its_shift_is_seen() {
    for (nz, names) in [(1, "y and x"), (24, "z and y and x")] {
        let right = grid(nz, 5.0);
        let (_, _, _, ny, nx) = right.dim();
        let shifted = Array5::from_shape_fn(right.dim(), |(f, c, z, y, x)| {
            right[[f, c, (z + nz / 2) % nz, (y + ny / 2) % ny, (x + nx / 2) % nx]]
        });
        for axes in [Axes::Assumed, Axes::Named] {
            let words = said(shifted.clone(), axes);
            assert!(words.contains(&format!("the ends of {names},")) && words.contains("fftshift"), "{words}");
        }
        let one = Array5::from_shape_fn(right.dim(), |(f, c, z, y, x)| right[[f, c, z, y, (x + nx / 2) % nx]]);
        assert!(said(one, Axes::Named).contains("the ends of x,"));
    }
}

#[test]
fn an_image_is_no_k_space() {
    let mut random = Draws::new(7, [0; 3]);
    let mut image = |nz: usize| {
        Array5::from_shape_fn((1, COILS, nz, 44, 48), |(_, coil, z, y, x)| {
            let inside = |i: usize, n: usize| ((i as f64 - 0.5 * n as f64) / (0.4 * n as f64)).powi(2);
            let r = inside(y, 44) + inside(x, 48) + if nz > 1 { inside(z, nz) } else { 0.0 };
            let size = if r < 1.0 { 1.0 + 0.3 * (0.5 * x as f64).sin() } else { 0.0 };
            let phase = coil as f64 + 0.05 * y as f64;
            let noise = [random.normal(), random.normal()].map(|part| 0.03 * part);
            Complex32::new((size * phase.cos() + noise[0]) as f32, (size * phase.sin() + noise[1]) as f32)
        })
    };
    for nz in [1, 12] {
        let image = image(nz);
        assert!(said(image.clone(), Axes::Named).contains("an image's numbers"), "{nz}");
        assert!(said(image, Axes::Assumed).contains("an image's numbers"), "{nz}");
    }
}

#[test]
fn samples_and_points_in_another_order_are_seen() {
    let (spokes, along, n) = (30_usize, 96_usize, 48_usize);
    let point = |spoke: usize, i: usize| {
        let (r, angle) = ((i as f64 - 48.0) / 96.0, spoke as f64 * 111.246_f64.to_radians());
        [r * angle.cos(), r * angle.sin()]
    };
    let points = |right: bool| -> Vec<[f32; 3]> {
        let at = |j: usize| if right { point(j / along, j % along) } else { point(j % spokes, j / spokes) };
        (0..spokes * along).map(|j| [at(j)[0] as f32 * n as f32, at(j)[1] as f32 * n as f32, 0.0]).collect()
    };
    let mut random = Draws::new(11, [0; 3]);
    let samples = Array5::from_shape_fn((1, COILS, 1, 1, spokes * along), |(_, coil, _, _, j)| {
        let [kx, ky] = point(j / along, j % along);
        let noise = Complex32::new(random.normal() as f32, random.normal() as f32) * 20.0;
        transform(coil, [0.0, ky, kx]) + noise
    });
    for (right, words) in [(true, ""), (false, "not in the same order")] {
        let trajectory = Trajectory { matrix: [1, n, n], points: points(right) };
        let scan = KSpace {
            samples: samples.clone(),
            encoding: Encoding::Trajectory(vec![trajectory]),
            grid: Grid::centered([1, n, n], [1.0; 3], [0.0; 3]),
            unit: LengthUnit::Cell,
            axes: vec![],
            noise: None,
            seen: None,
        };
        let said = remarks(&scan, Axes::Named).join("\n");
        assert!(if right { said.is_empty() } else { said.contains(words) }, "{said}");
    }
}
