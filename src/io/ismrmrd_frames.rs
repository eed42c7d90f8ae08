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
        (0..self.values.len()).map(|counter| self.extent(counter)).fold(1, usize::saturating_mul)
    }

    /// Values of a counter; of slices, places.
    fn extent(&self, counter: usize) -> usize {
        let values = self.values[counter].len();
        if counter == SLICE { self.slices.extent(values) } else { values }
    }

    pub(super) fn index(&self, acquisition: &Acquisition) -> usize {
        self.values.iter().zip(acquisition.counters).enumerate().fold(0, |frame, (counter, (values, value))| {
            let index = values.binary_search(&value).unwrap_or(0);
            let place = if counter == SLICE { self.slices.place(value, index) } else { index };
            frame * self.extent(counter) + place
        })
    }

    pub(super) fn axes(&self) -> Vec<(FrameAxis, usize)> {
        let axes = COUNTERS.iter().enumerate().map(|(counter, (_, axis))| (*axis, self.extent(counter)));
        axes.filter(|(_, count)| *count > 1).collect()
    }
}
