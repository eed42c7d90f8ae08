//! Parallel backprojection at every SIMD level against the formula itself.

use super::*;

/// The formula itself, in f64.
fn naive(part: &Part, filtered: &[f32], matrices: &[[f32; 8]], image: &mut [f64]) {
    let (nx, ny, rows) = (part.nx as usize, part.ny as usize, part.rows as usize);
    for (index, pixel) in image.iter_mut().enumerate() {
        let line = part.image_first as usize + index / nx;
        let (x, y, z) = (index % nx, line % ny, line / ny);
        for view in part.first_view as usize..(part.first_view + part.views) as usize {
            let line = view * rows + z;
            let Some(line) = line.checked_sub(part.filtered_first as usize) else { continue };
            if line >= part.filtered_lines as usize {
                continue;
            }
            let m = matrices[view - part.matrices_first as usize].map(f64::from);
            let column = m[0] + m[1] * x as f64 + m[2] * y as f64;
            let cell = |column: f64| {
                let inside = column >= 0.0 && column < f64::from(part.columns);
                if inside { f64::from(filtered[line * part.stride() + GUARD + column as usize]) } else { 0.0 }
            };
            let whole = column.floor();
            *pixel += cell(whole) + (column - whole) * (cell(whole + 1.0) - cell(whole));
        }
    }
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |most, value| most.max(value.abs()))
}

/// Every SIMD level against the formula.
#[track_caller]
fn check(part: Part, matrices: &[[f32; 8]], seed: u64) {
    let ratio = matrices.iter().flat_map(|m| [m[1].abs(), m[2].abs()]).fold(1.0, f32::max);
    let mut noise = Noise(seed);
    let filtered = noise.lines(&part);
    let image = noise.numbers(part.image_lines as usize * part.nx as usize);
    let mut truth: Vec<f64> = image.iter().copied().map(f64::from).collect();
    naive(&part, &filtered, matrices, &mut truth);
    // In a small image all sums can be small by chance.
    let scale = largest(truth.iter().copied()).max(f64::from(part.views).sqrt());
    for simd in Simd::available() {
        let mut image = image.clone();
        BackprojectParallel { part, spare: 0 }.accumulate(simd, &filtered, matrices.as_flattened(), &mut image);
        let error = largest(image.iter().zip(&truth).map(|(a, b)| f64::from(*a) - b)) / scale;
        // White noise is the hardest: the tables A hold differences times up to 16, and so lose four bits of
        // those. And f32 counts cells from the tile's corner, which are as many more as the voxels are larger.
        assert!(error < 4e-6 * f64::from(ratio), "{simd}: {error:e} of the largest value, {part:?}");
    }
}

fn whole(nx: u32, ny: u32, columns: u32, views: u32) -> Part {
    Part {
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
    }
}

#[test]
fn every_level_meets_the_formula() {
    for (nx, ny, columns) in [(1, 1, 1), (3, 2, 5), (17, 40, 33), (100, 70, 140), (64, 64, 20)] {
        let part = whole(nx, ny, columns, 70);
        for ratio in [0.1, 1.0, 1.6, 2.0, 3.3, 9.0, 40.0] {
            let matrices: Vec<_> = (0..70).map(|view| turned(&part, ratio, view as f32 * 0.1)).collect();
            check(part, &matrices, u64::from(nx));
        }
    }
}

#[test]
fn a_wide_detector_loses_no_digits() {
    let part = whole(30, 30, 3000, 40);
    let matrices: Vec<_> = (0..40)
        .map(|view| {
            let mut matrix = turned(&part, 1.0, view as f32);
            matrix[0] += 1300.0;
            matrix
        })
        .collect();
    check(part, &matrices, 5);
}

#[test]
fn pixels_beside_the_detector_gain_nothing() {
    let part = whole(40, 40, 25, 64);
    let mut noise = Noise(8);
    let matrices: Vec<_> = (0..64)
        .map(|view| {
            let mut matrix = turned(&part, 1.0, view as f32);
            matrix[0] += noise.next() * if view % 7 == 0 { 1e12 } else { 90.0 };
            matrix
        })
        .collect();
    check(part, &matrices, 6);
}

#[test]
fn random_matrices_and_slabs_that_cut_views_and_slices() {
    let mut noise = Noise(77);
    for round in 0..20 {
        let part = Part {
            nx: 37,
            ny: 21,
            image_first: 13,
            image_lines: 60,
            filtered_first: 50 + round,
            filtered_lines: 301,
            rows: 5,
            columns: 44,
            first_view: 4,
            views: 80,
            matrices_first: 3,
        };
        let matrices: Vec<[f32; 8]> = (0..90)
            .map(|_| {
                [22.0 + 30.0 * noise.next(), 2.5 * noise.next().powi(3), 2.5 * noise.next().powi(3), 0., 0., 0., 0., 0.]
            })
            .collect();
        check(part, &matrices, round.into());
    }
}

#[test]
fn a_number_that_is_not_finite_in_a_matrix_breaks_nothing() {
    let part = whole(33, 33, 20, 3);
    let filtered = Noise(1).lines(&part);
    let matrices =
        [[f32::NAN; 8], [f32::INFINITY, 1.0, 0.0, 0., 0., 0., 0., 0.], [1.0, 1e38, -1e38, 0., 0., 0., 0., 0.]];
    for simd in Simd::available() {
        let mut image = vec![0.0; 33 * 33];
        BackprojectParallel { part, spare: 0 }.accumulate(simd, &filtered, matrices.as_flattened(), &mut image);
    }
}

#[test]
fn a_constant_adds_up_to_the_number_of_views() {
    let part = whole(50, 50, 80, 360);
    let mut filtered = vec![0.0; 360 * part.stride()];
    filtered.chunks_exact_mut(part.stride()).for_each(|line| line[GUARD..GUARD + 80].fill(0.25));
    let matrices: Vec<_> = (0..360).map(|view| turned(&part, 1.0, view as f32 * PI / 360.0)).collect();
    for simd in Simd::available() {
        let mut image = vec![0.0; 2500];
        BackprojectParallel { part, spare: 0 }.accumulate(simd, &filtered, matrices.as_flattened(), &mut image);
        assert!(image.iter().all(|pixel| (pixel - 90.0).abs() < 1e-4), "{simd}");
    }
}

#[test]
fn one_cell_of_one_view_paints_a_strip() {
    let part = whole(31, 31, 31, 1);
    let mut filtered = vec![0.0; part.stride()];
    filtered[GUARD + 15] = 2.0;
    let angle = 0.6_f32;
    let matrices = [turned(&part, 1.0, angle)];
    for simd in Simd::available() {
        let mut image = vec![0.0; 31 * 31];
        BackprojectParallel { part, spare: 0 }.accumulate(simd, &filtered, matrices.as_flattened(), &mut image);
        for (index, pixel) in image.iter().enumerate() {
            let (x, y) = ((index % 31) as f32 - 15.0, (index / 31) as f32 - 15.0);
            let distance = (x * angle.cos() + y * angle.sin()).abs();
            assert!((pixel - 2.0 * (1.0 - distance).max(0.0)).abs() < 1e-5, "{simd} {x} {y}");
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let part = whole(200, 150, 260, 150);
    let filtered = Noise(3).lines(&part);
    let matrices: Vec<_> = (0..150).map(|view| turned(&part, 1.0, view as f32 * 0.3)).collect();
    for simd in Simd::available() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut image = vec![0.0; 200 * 150];
            let kernel = BackprojectParallel { part, spare: 0 };
            pool.install(|| kernel.accumulate(simd, &filtered, matrices.as_flattened(), &mut image));
            image
        };
        assert!(run(1) == run(5), "{simd}");
    }
}
