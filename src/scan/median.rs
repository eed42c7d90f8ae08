//! Running median: the window's values are kept sorted while it slides (Huang, Yang, Tang 1979, with a list for a histogram).

/// Medians of `values` over `window` neighbours (made odd), the ends repeated outward, into `out`; `sorted` is scratch.
///
/// So a slope that runs out of the array is its own median, and so is an outlier in the first or last place: left alone.
///
/// # Panics
/// If `out` is not as long as `values`.
#[track_caller]
pub(super) fn running_median(values: &[f32], window: usize, out: &mut [f32], sorted: &mut Vec<f32>) {
    assert_eq!(values.len(), out.len(), "one median a value");
    if values.is_empty() {
        return;
    }
    let half = (window / 2) as isize;
    let at = |index: isize| values[index.clamp(0, values.len() as isize - 1) as usize];
    sorted.clear();
    sorted.extend((-half..=half).map(at));
    sorted.sort_by(f32::total_cmp);
    for (index, out) in out.iter_mut().enumerate() {
        *out = sorted[half as usize];
        let index = index as isize;
        replace(sorted, at(index - half), at(index + half + 1));
    }
}

/// Takes `old` out of `sorted` and puts `new` in its place in the order.
fn replace(sorted: &mut [f32], old: f32, new: f32) {
    let from = sorted.partition_point(|value| value.total_cmp(&old).is_lt());
    let to = sorted.partition_point(|value| value.total_cmp(&new).is_lt());
    if to > from {
        sorted.copy_within(from + 1..to, from);
        sorted[to - 1] = new;
    } else {
        sorted.copy_within(to..from, to + 1);
        sorted[to] = new;
    }
}

/// Median of `values`, which are reordered; the upper one of an even number, NaN of none.
pub(super) fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() { f32::NAN } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sliding_window_has_the_median_of_a_sorted_one() {
        let values: Vec<f32> = (0..57).map(|i| ((i * i * 31 + i * 7) % 23) as f32 - 11.0).collect();
        for window in [1, 3, 4, 9, 21, 81] {
            let mut medians = vec![0.0; values.len()];
            running_median(&values, window, &mut medians, &mut Vec::new());
            let half = (window / 2) as isize;
            for (index, &found) in medians.iter().enumerate() {
                let mut near: Vec<f32> =
                    (-half..=half).map(|offset| values[(index as isize + offset).clamp(0, 56) as usize]).collect();
                near.sort_by(f32::total_cmp);
                assert_eq!(found, near[half as usize], "window {window}, index {index}");
            }
        }
    }
}
