//! Ordered subsets of views: which views belong together, and in which order the subsets come, so that neighbours in time
//! are far apart in angle (Hudson & Larkin 1994; Guan & Gordon 1994).

/// `views` interleaved into `count` subsets, those in an order that bisects: bit-reversed.
///
/// # Panics
/// If there are no subsets, or more than views.
#[track_caller]
pub fn interleaved(views: usize, count: usize) -> Vec<Vec<usize>> {
    assert!((1..=views).contains(&count), "{count} subsets of {views} views");
    bisecting(count).into_iter().map(|first| (first..views).step_by(count).collect()).collect()
}

/// 0..count, each as far as may be from those before: bit-reversed counting over the next power of two.
pub fn bisecting(count: usize) -> Vec<usize> {
    let whole = count.next_power_of_two();
    let bits = whole.trailing_zeros();
    let reversed = |index: usize| if bits == 0 { 0 } else { index.reverse_bits() >> (usize::BITS - bits) };
    (0..whole).map(reversed).filter(|index| *index < count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_is_in_one_subset() {
        for (views, count) in [(1, 1), (30, 1), (30, 30), (31, 7), (720, 24)] {
            let subsets = interleaved(views, count);
            let mut all: Vec<usize> = subsets.iter().flatten().copied().collect();
            all.sort_unstable();
            assert!(all == (0..views).collect::<Vec<_>>() && subsets.len() == count);
            let sizes = subsets.iter().map(Vec::len);
            assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
        }
    }

    #[test]
    fn the_order_bisects() {
        assert_eq!(bisecting(8), [0, 4, 2, 6, 1, 5, 3, 7]);
        assert_eq!(bisecting(6), [0, 4, 2, 1, 5, 3]);
    }
}
