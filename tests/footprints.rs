//! The matched pair's weights against their definition in f64, |G(c(a + ½, r)) − G(c(a − ½, r))| times the ray's length, with G
//! the integral of a box of one cell convolved with one of |∂c/∂r|: for pixels from a sixth of a cell to three cells, at every
//! level of vector instructions.

use rushlight::{
    device::{HostArray, Simd},
    kernels::{FootprintBackproject, FootprintProject, Part},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Beam {
    Parallel,
    Flat,
    Curved,
}

const VIEWS: usize = 9;
const SIZE: [f64; 2] = [0.7, 0.9];

/// n, d, scale, whether rays march along x: of views all around, for pixels of 1/`cells` cells in the middle.
fn view(beam: Beam, index: usize, cells: f64, distance: f64) -> ([f64; 3], [f64; 3], f64, bool) {
    let (sine, cosine) = (0.13 + 0.71 * index as f64).sin_cos();
    let (across, towards) = ([0.21, cosine, sine], [distance, -sine, cosine]);
    let (n, d, scale) = match beam {
        Beam::Parallel => (across.map(|c| c / cells), [1.0, 0.0, 0.0], 1.0),
        Beam::Flat => (across.map(|c| c / cells), towards.map(|c| c / distance), 1.0),
        Beam::Curved => (across, towards, distance / cells),
    };
    let lying = sine.abs() > cosine.abs();
    let turn = |[c, x, y]: [f64; 3]| if lying { [c, y, x] } else { [c, x, y] };
    // As the kernels read them.
    let f32s = |numbers: [f64; 3]| turn(numbers).map(|number| f64::from(number as f32));
    (f32s(n), f32s(d), f64::from(scale as f32), lying)
}

/// G − ½ with a box of half width b.
fn integral(t: f64, b: f64) -> f64 {
    let square = |x: f64| 0.5 * x.max(0.0).powi(2);
    (square(t + 0.5 + b) - square(t + 0.5 - b) - square(t - 0.5 + b) + square(t - 0.5 - b)) / (2.0 * b) - 0.5
}

/// The weight of every (view, cell) and pixel: `[views·columns][n·n]`.
fn weights(beam: Beam, n_pixels: usize, columns: usize, cells: f64, distance: f64) -> Vec<Vec<f64>> {
    let (middle, center) = ((columns as f64 - 1.0) / 2.0, (n_pixels as f64 - 1.0) / 2.0);
    let mut rows = vec![vec![0.0; n_pixels * n_pixels]; VIEWS * columns];
    for index in 0..VIEWS {
        let (n, d, scale, lying) = view(beam, index, cells, distance);
        let edge = |a: f64, r: f64| {
            let [n_here, d_here] = [n, d].map(|c| c[0] + c[1] * a + c[2] * r);
            let turn = n[2] * d_here - n_here * d[2];
            let curved = beam == Beam::Curved;
            let column = if curved { scale * n_here.atan2(d_here) } else { n_here / d_here };
            let size = d_here * d_here + if curved { n_here * n_here } else { 0.0 };
            (column, (0.5 * scale * turn.abs() / size).max(1e-4))
        };
        for y in 0..n_pixels {
            for x in 0..n_pixels {
                let (a, r) = if lying { (y, x) } else { (x, y) };
                let (a, r) = (a as f64 - center, r as f64 - center);
                let [(c0, b0), (c1, b1)] = [edge(a - 0.5, r), edge(a + 0.5, r)];
                for column in 0..columns {
                    let cell = column as f64 - middle;
                    let share = (integral(c1 - cell, b1) - integral(c0 - cell, b0)).abs();
                    if share > 0.0 {
                        let ratio = if beam == Beam::Curved { (cell / scale).tan() } else { cell };
                        let slope = (n[2] - ratio * d[2]) / (n[1] - ratio * d[1]);
                        rows[index * columns + column][y * n_pixels + x] = share * SIZE[0].hypot(SIZE[1] * slope);
                    }
                }
            }
        }
    }
    rows
}

fn noise(count: usize, seed: u64) -> Vec<f32> {
    HostArray::noise(&[count], seed).numbers::<f32>().to_vec()
}

/// Largest difference over the largest size.
fn apart(seen: &[f32], right: &[f64]) -> f64 {
    let most = right.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    seen.iter().zip(right).fold(0.0_f64, |most, (seen, right)| most.max((f64::from(*seen) - right).abs())) / most
}

fn check(beam: Beam, n: usize, columns: usize, cells: f64) {
    let distance = 3.0 * n as f64;
    let part = Part {
        nx: n as u32,
        ny: n as u32,
        image_lines: n as u32,
        filtered_lines: VIEWS as u32,
        rows: 1,
        columns: columns as u32,
        views: VIEWS as u32,
        ..Part::default()
    };
    let curved = u32::from(beam == Beam::Curved);
    let matrices: Vec<f32> = (0..VIEWS)
        .flat_map(|index| {
            let (n, d, scale, lying) = view(beam, index, cells, distance);
            let lying = f64::from(u8::from(lying));
            [n[0], n[1], n[2], d[0], d[1], d[2], scale, SIZE[0], SIZE[1], lying, 0.0, 0.0].map(|number| number as f32)
        })
        .collect();
    let weights = weights(beam, n, columns, cells, distance);
    let (image, lines) = (noise(n * n, 1), noise(VIEWS * columns, 2));
    let sum = |row: &Vec<f64>| row.iter().zip(&image).map(|(weight, pixel)| weight * f64::from(*pixel)).sum();
    let projected: Vec<f64> = weights.iter().map(sum).collect();
    let mut backprojected = vec![0.0; n * n];
    for (row, value) in weights.iter().zip(&lines) {
        backprojected.iter_mut().zip(row).for_each(|(pixel, weight)| *pixel += weight * f64::from(*value));
    }
    for simd in Simd::available() {
        let mut seen = vec![0.0; VIEWS * columns];
        FootprintProject { part, curved }.accumulate(simd, &image, &matrices, &mut seen);
        let error = apart(&seen, &projected);
        assert!(error < 1e-5, "{beam:?}, {n} pixels of {cells}: lines at {simd} are {error:.1e} off");
        let mut seen = vec![0.0; n * n];
        FootprintBackproject { part, curved }.accumulate(simd, &lines, &matrices, &mut seen);
        let error = apart(&seen, &backprojected);
        assert!(error < 1e-5, "{beam:?}, {n} pixels of {cells}: image at {simd} is {error:.1e} off");
    }
}

#[test]
fn weights_are_those_of_the_definition() {
    // `cells`: pixels of a cell, so that a pixel is a sixth of a cell wide to three cells; widths that no register divides.
    for cells in [0.33, 0.5, 0.8, 1.0, 1.3, 2.0, 2.9, 6.0] {
        for (n, columns) in [(37, (45.0 / cells) as usize + 3), (24, 19)] {
            check(Beam::Parallel, n, columns, cells);
            // A fan's rays must not run along both axes of the grid.
            let columns = columns.min((1.5 * n as f64 / cells) as usize);
            check(Beam::Flat, n, columns, cells);
            check(Beam::Curved, n, columns, cells);
        }
    }
}
