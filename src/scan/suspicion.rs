//! Numbers that are given for line integrals and look like what a detector reads.

use ndarray::ArrayView3;

/// Views and rows that are looked at, spread over all: enough for a median.
const VIEWS: usize = 64;
const ROWS: usize = 16;

/// Whether `projections` `[view, row, column]` are highest where nothing is in the beam, as counts and transmissions are: none is 0
/// or below, and the columns at one side at least are near the greatest values and a quarter above those in the middle.
/// Line integrals are near 0 there.
pub fn looks_like_counts(projections: ArrayView3<f32>) -> bool {
    let (views, rows, columns) = projections.dim();
    let side = columns / 16;
    if side == 0 || projections.iter().any(|value| *value <= 0.0) {
        return false;
    }
    let spread = |count: usize, most: usize| (0..count).step_by(count.div_ceil(most).max(1));
    let at_rank = |range: std::ops::Range<usize>, share: f64| {
        let of_row = |view, row| range.clone().map(move |column| projections[[view, row, column]]);
        let lines = spread(views, VIEWS).flat_map(|view| spread(rows, ROWS).map(move |row| (view, row)));
        let mut values: Vec<f32> = lines.flat_map(|(view, row)| of_row(view, row)).collect();
        let rank = (values.len() - 1) as f64 * share;
        *values.select_nth_unstable_by(rank as usize, f32::total_cmp).1
    };
    let beside = f32::max(at_rank(0..side, 0.5), at_rank(columns - side..columns, 0.5));
    let middle = at_rank(columns / 2 - columns / 8..columns / 2 + columns / 8, 0.5);
    beside > 0.8 * at_rank(0..columns, 0.95) && beside > 1.25 * middle
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    /// Line integrals of a disc of `radius` columns, of 0.02 a column, at the middle of 96.
    fn disc(radius: f64) -> Array3<f32> {
        let chord = |x: f64| 0.02 * 2.0 * (radius * radius - x * x).max(0.0).sqrt();
        Array3::from_shape_fn((5, 2, 96), |(_, _, column)| chord(column as f64 - 47.5) as f32)
    }

    #[test]
    fn counts_are_highest_beside_the_object() {
        // Counts, with and without an offset, and transmissions; also where the object reaches over one side.
        let transmission = disc(40.0).mapv(|value| (-value).exp());
        for counts in [transmission.clone(), transmission.mapv(|t| 20_000.0 * t + 100.0)] {
            assert!(looks_like_counts(counts.view()));
            assert!(looks_like_counts(counts.slice(ndarray::s![.., .., ..80])));
        }
        // Line integrals of an object in the air, one that fills the detector, with an offset, and none at all.
        for line_integrals in [disc(40.0), disc(70.0), disc(40.0).mapv(|v| v + 0.001), disc(40.0).mapv(|v| 1e6 * v)] {
            assert!(!looks_like_counts(line_integrals.view()));
        }
        assert!(!looks_like_counts(Array3::from_elem((3, 2, 96), 5.0).view()));
        assert!(!looks_like_counts(Array3::from_elem((3, 2, 4), 5.0).view()));
    }
}
