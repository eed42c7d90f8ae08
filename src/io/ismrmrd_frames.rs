//! Which frame an acquisition of ISMRMRD belongs to.

use super::{
    ismrmrd_acquisitions::{Acquisition, COUNTERS, SLICE},
    ismrmrd_slices::Slices,
};
use crate::scan::FrameAxis;

/// The frames by their counters.
pub(super) struct Frames<'a> {
    slices: &'a Slices,
    /// The values of each counter that occur, in the order of [`COUNTERS`].
    values: [Vec<usize>; 6],
}

impl<'a> Frames<'a> {
    /// Slices stand in the order of their places.
    pub(super) fn of(used: &[&Acquisition], slices: &'a Slices) -> Self {
        Self {
            slices,
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
        self.values.iter().zip(acquisition.counters).enumerate().fold(0, |frame, (counter, (values, value))| {
            let index = values.binary_search(&value).unwrap_or(0);
            let place = if counter == SLICE { self.slices.place(value, index) } else { index };
            frame * values.len() + place
        })
    }

    pub(super) fn axes(&self) -> Vec<(FrameAxis, usize)> {
        let axes = COUNTERS.iter().zip(&self.values).map(|((_, axis), values)| (*axis, values.len()));
        axes.filter(|(_, count)| *count > 1).collect()
    }
}
