//! Where ISMRMRD's slices lie: by the positions of their acquisitions, not by the order in which they were excited.
//!
//! An acquisition's `position` is the centre of what was excited, in the patient's coordinates (LPS, mm). The Fourier transform's
//! r = 0 is there, so it is the centre of voxel N/2 along each axis: Gadgetron's and ismrmrd_to_nifti's corner, which DICOM takes
//! for the centre of the first voxel, is position − field of view / 2.

use std::collections::BTreeMap;

use super::ismrmrd_acquisitions::Acquisition;
use crate::geometry::{Grid, add, dot, norm};

/// What may differ between gaps, and between directions, as a part of them.
const TOLERANCE: f64 = 0.02;
/// Places of a stack over its slices, at most: where more lack it is none.
const MOST_LACKING: usize = 2;

/// Slices excited one by one.
pub(super) enum Slices {
    /// They are where their positions say: parallel, and a step apart; where one lacks its place is kept.
    Stack {
        /// Counter and place of each, by counter.
        places: Vec<(usize, usize)>,
        /// Of the first place.
        position: [f64; 3],
        /// From one to the next.
        step: [f64; 3],
        /// Places, those that lack among them.
        extent: usize,
    },
    /// All have one position, or there is but one: in the order of their counters.
    One { position: [f64; 3] },
    /// In several directions, or at distances of which no grid can be made: in the order of their counters, and nowhere.
    Apart,
}

impl Slices {
    pub(super) fn of(used: &[&Acquisition]) -> Self {
        let mut by_counter = BTreeMap::new();
        for acquisition in used {
            by_counter.entry(acquisition.slice()).or_insert(*acquisition);
        }
        let mut sorted: Vec<_> = by_counter.into_iter().collect();
        let Some((_, first)) = sorted.first().copied() else { return Self::One { position: [0.0; 3] } };
        let normal = directions(first)[2];
        let height = |acquisition: &Acquisition| dot(acquisition.position, normal);
        sorted.sort_by(|a, b| height(a.1).total_cmp(&height(b.1)));
        let (lowest, highest) = (sorted[0].1, sorted[sorted.len() - 1].1);
        let parallel = sorted.iter().all(|(_, a)| {
            let [ours, theirs] = [directions(first), directions(a)];
            ours.iter().zip(theirs).all(|(ours, theirs)| norm(add(*ours, -1.0, theirs)) < TOLERANCE)
        });
        if !parallel {
            return Self::Apart;
        }
        if sorted.iter().all(|(_, a)| norm(add(a.position, -1.0, first.position)) < 1e-3) {
            return Self::One { position: first.position };
        }
        // The smallest distance is a step, unless every second slice lacks.
        let gap = sorted.windows(2).map(|pair| height(pair[1].1) - height(pair[0].1)).fold(f64::INFINITY, f64::min);
        let steps = ((height(highest) - height(lowest)) / gap).round();
        if !(steps >= 1.0 && steps < (MOST_LACKING * sorted.len()) as f64) {
            return Self::Apart;
        }
        let step = add(highest.position, -1.0, lowest.position).map(|part| part / steps);
        let place = |a: &Acquisition| ((height(a) - height(lowest)) / dot(step, normal)).round();
        let even = sorted.iter().all(|(_, a)| {
            let expected = add(lowest.position, place(a), step);
            norm(add(a.position, -1.0, expected)) < TOLERANCE * norm(step)
        });
        if !even || dot(step, normal) < TOLERANCE * norm(step) {
            return Self::Apart;
        }
        let mut places: Vec<_> = sorted.iter().map(|(counter, a)| (*counter, place(a) as usize)).collect();
        places.sort_unstable();
        Self::Stack { places, position: lowest.position, step, extent: steps as usize + 1 }
    }

    /// How many places there are for so many slices.
    pub(super) fn extent(&self, slices: usize) -> usize {
        if let Self::Stack { extent, .. } = self { *extent } else { slices }
    }

    /// The place of the slice with `counter`, the `index`-th by its counter.
    pub(super) fn place(&self, counter: usize, index: usize) -> usize {
        match self {
            Self::Stack { places, .. } => {
                places.binary_search_by_key(&counter, |(of, _)| *of).map_or(index, |at| places[at].1)
            }
            _ => index,
        }
    }
}

/// Read, phase and slice direction; image axes where they are not said.
pub(super) fn directions(acquisition: &Acquisition) -> [[f64; 3]; 3] {
    let sound = acquisition.directions.iter().all(|direction| (norm(*direction) - 1.0).abs() < 0.01);
    if sound { acquisition.directions } else { [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] }
}

/// The centre of the first voxel of a grid whose voxel N/2 is at `position`.
pub(super) fn zero_at_middle(grid: &Grid, position: [f64; 3]) -> [f64; 3] {
    grid.steps.into_iter().zip(grid.shape).fold(position, |at, (step, extent)| add(at, -((extent / 2) as f64), step))
}
