//! Fan backprojection at every SIMD level against the formula itself.

use super::*;

/// The formula itself, in f64.
fn naive(kernel: &BackprojectFan, filtered: &[f32], matrices: &[[f32; 8]], image: &mut [f64]) {
    let part = &kernel.part;
    let (nx, ny, rows) = (part.nx as usize, part.ny as usize, part.rows as usize);
    for (index, pixel) in image.iter_mut().enumerate() {
        let line = part.image_first as usize + index / nx;
        let (x, y, z) = ((index % nx) as f64, (line % ny) as f64, line / ny);
        for view in part.first_view as usize..(part.first_view + part.views) as usize {
            let Some(line) = (view * rows + z).checked_sub(part.filtered_first as usize) else { continue };
            if line >= part.filtered_lines as usize {
                continue;
            }
            let m = matrices[view - part.matrices_first as usize].map(f64::from);
            let (s, v) = (m[0] + m[1] * x + m[2] * y, m[3] + m[4] * x + m[5] * y);
            let (column, weight) = match kernel.curved {
                0 => (s / v, 1.0 / (v * v)),
                _ => (m[6] + m[7] * (s / v).atan(), 1.0 / (v * v + s * s)),
            };
            let cell = |column: f64| {
                let inside = column >= 0.0 && column < f64::from(part.columns);
                if inside { f64::from(filtered[line * part.stride() + GUARD + column as usize]) } else { 0.0 }
            };
            let whole = column.floor();
            *pixel += weight * (cell(whole) + (column - whole) * (cell(whole + 1.0) - cell(whole)));
        }
    }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |most, value| most.max(value.abs()))
}

/// Every SIMD level against the formula. White noise is the hardest: every digit of a column shows.
#[track_caller]
fn check(kernel: &BackprojectFan, matrices: &[[f32; 8]], tolerance: f64) {
    let part = &kernel.part;
    let mut noise = Noise(part.nx.into());
    let filtered = noise.lines(part);
    let image = noise.numbers(part.image_lines as usize * part.nx as usize);
    let mut truth: Vec<f64> = image.iter().copied().map(f64::from).collect();
    naive(kernel, &filtered, matrices, &mut truth);
    // In a small image all sums can be small by chance.
    let scale = largest(truth.iter().copied()).max(f64::from(part.views).sqrt());
    for simd in Simd::available() {
        let mut image = image.clone();
        kernel.accumulate(simd, &filtered, matrices.as_flattened(), &mut image);
        let error = largest(image.iter().zip(&truth).map(|(a, b)| f64::from(*a) - b)) / scale;
        assert!(error < tolerance, "{simd}: {error:e} of the largest value, {kernel:?}");
    }
}

fn whole(nx: u32, ny: u32, columns: u32, views: u32, curved: bool) -> BackprojectFan {
    let part = Part {
        nx,
        ny,
        image_first: 0,
        image_lines: ny,
        filtered_first: 0,
        filtered_lines: views,
        rows: 1,
        columns,
        first_view: 0,
        views,
        matrices_first: 0,
    };
    BackprojectFan { part, curved: curved.into() }
}

#[test]
fn every_level_meets_the_formula() {
    for curved in [false, true] {
        for (nx, ny, columns) in [(1, 1, 1), (3, 2, 5), (17, 40, 33), (130, 70, 190), (64, 64, 20)] {
            let kernel = whole(nx, ny, columns, 70, curved);
            // Far, usual, and so near that the formula itself takes over; small, usual and large voxels.
            for distance in [2000.0, 300.0, 130.0] {
                for ratio in [0.2, 1.0, 1.7, 5.0] {
                    if ratio * 75.0 > distance {
                        continue;
                    }
                    let matrices: Vec<_> =
                        (0..70).map(|view| kernel.turned(ratio, distance, view as f32 * 0.1)).collect();
                    check(&kernel, &matrices, 8e-6 * f64::from(ratio.max(1.0)));
                }
            }
        }
    }
}

#[test]
fn tiles_at_every_distance_are_met() {
    let fits: Vec<Fit> = [2000.0, 20.0]
        .map(|distance| {
            let kernel = whole(64, 64, 90, 1, true);
            let tile = Tile { x: 0, y: 0, z: 0, lines: vec![] };
            let shape = Shape { block: [16, 8], vector: [4, 4], reach: 30.0 };
            Seen::new(&kernel.turned(1.0, distance, 0.3), &tile, &shape, true).fit
        })
        .to_vec();
    assert_eq!(fits, [Fit::Block, Fit::Pixel]);
}

#[test]
fn slabs_that_cut_views_and_slices() {
    for curved in [0, 1] {
        let part = Part {
            nx: 37,
            ny: 21,
            image_first: 13,
            image_lines: 60,
            filtered_first: 52,
            filtered_lines: 301,
            rows: 5,
            columns: 44,
            first_view: 4,
            views: 80,
            matrices_first: 3,
        };
        let kernel = BackprojectFan { part, curved };
        let matrices: Vec<_> = (0..90).map(|view| kernel.turned(1.0, 120.0, view as f32)).collect();
        check(&kernel, &matrices, 5e-6);
    }
}

#[test]
fn a_number_that_is_not_finite_in_a_matrix_breaks_nothing() {
    for curved in [false, true] {
        let kernel = whole(33, 33, 20, 3, curved);
        let filtered = Noise(1).lines(&kernel.part);
        let matrices =
            [[f32::NAN; 8], [f32::INFINITY, 1.0, 0.0, 1.0, 0., 0., 1.0, 9.0], [1.0, 1e38, -1e38, 0., 0., 0., 0., 0.]];
        for simd in Simd::available() {
            let mut image = vec![0.0; 33 * 33];
            kernel.accumulate(simd, &filtered, matrices.as_flattened(), &mut image);
        }
    }
}

#[test]
fn a_far_source_is_a_parallel_beam() {
    // At 10⁶ cells the rays differ from parallel ones by less than 30²/10⁶ cells; a line that rises by one a cell
    // shows the column itself.
    for curved in [false, true] {
        let kernel = whole(41, 41, 80, 1, curved);
        let mut filtered = vec![0.0; kernel.part.stride()];
        (0..80).for_each(|cell| filtered[GUARD + cell] = cell as f32);
        let angle = 0.7_f32;
        let matrices = [kernel.turned(1.0, 1e6, angle)];
        for simd in Simd::available() {
            let mut image = vec![0.0; 41 * 41];
            kernel.accumulate(simd, &filtered, matrices.as_flattened(), &mut image);
            for (index, pixel) in image.iter().enumerate() {
                let (x, y) = ((index % 41) as f32 - 20.0, (index / 41) as f32 - 20.0);
                let column = 39.5 + x * angle.cos() + y * angle.sin();
                assert!((pixel - column).abs() < 0.02, "{simd} {x} {y}: {pixel} is not {column}");
            }
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    for curved in [false, true] {
        let kernel = whole(200, 150, 260, 150, curved);
        let filtered = Noise(3).lines(&kernel.part);
        let matrices: Vec<_> = (0..150).map(|view| kernel.turned(1.0, 400.0, view as f32 * 0.3)).collect();
        for simd in Simd::available() {
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut image = vec![0.0; 200 * 150];
                pool.install(|| kernel.accumulate(simd, &filtered, matrices.as_flattened(), &mut image));
                image
            };
            assert!(run(1) == run(5), "{simd}");
        }
    }
}

#[test]
fn the_series_meets_the_arctangent() {
    for step in -1000..=1000 {
        let ratio = step as f32 * (NARROW as f32 / 1000.0);
        let error = f64::from(ratio * atan_over(ratio * ratio)) - f64::from(ratio).atan();
        assert!(error.abs() < 5e-8, "atan {ratio}: {error:e}");
    }
}
