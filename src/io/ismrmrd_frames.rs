//! Which frame an acquisition of ISMRMRD belongs to.

use super::ismrmrd_acquisitions::{Acquisition, COUNTERS};
use crate::scan::FrameAxis;

/// The frames by their counters.
pub(super) struct Frames {
    /// The values of each counter that occur, in the order of [`COUNTERS`].
    values: [Vec<usize>; 6],
}

impl Frames {
    pub(super) fn of(used: &[&Acquisition]) -> Self {
        Self {
            values: std::array::from_fn(|counter| {
                let mut values: Vec<_> = used.iter().map(|acquisition| acquisition.counters[counter]).collect();
                values.sort_unstable();
                values.dedup();
                values
            }),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.values.iter().map(Vec::len).fold(1, usize::saturating_mul)
    }

    pub(super) fn index(&self, acquisition: &Acquisition) -> usize {
        self.values
            .iter()
            .zip(acquisition.counters)
            .fold(0, |index, (values, counter)| index * values.len() + values.binary_search(&counter).unwrap_or(0))
    }

    pub(super) fn axes(&self) -> Vec<(FrameAxis, usize)> {
        let axes = COUNTERS.iter().zip(&self.values).map(|((_, axis), values)| (*axis, values.len()));
        axes.filter(|(_, count)| *count > 1).collect()
    }
}
