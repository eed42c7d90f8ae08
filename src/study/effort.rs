//! How much work a study is: pixels, views and realisations.

use super::gantry::Beam;

/// Sizes and counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Effort {
    /// How rays run; parallel ones are reconstructed several times faster by iterative methods.
    pub beam: Beam,
    /// Pixels a side where images are compared with the truth.
    pub size: usize,
    /// Views a turn there.
    pub views: usize,
    /// Realisations there.
    pub realisations: usize,
    /// Pixels a side where observers look for discs: a reduced scanner, so that many realisations are affordable.
    pub observed_size: usize,
    /// Views a turn there.
    pub observed_views: usize,
    /// Realisations with discs, and as many without.
    pub observations: usize,
}

impl Effort {
    /// What the figures of a paper want: observers with 200 pairs of realisations.
    pub fn full() -> Self {
        Self {
            beam: Beam::Fan,
            size: 512,
            views: 720,
            realisations: 10,
            observed_size: 160,
            observed_views: 360,
            observations: 200,
        }
    }

    /// What two cores do in a few minutes; its intervals are wide, and its figures those of a coarser scanner.
    pub fn quick() -> Self {
        Self {
            beam: Beam::Parallel,
            size: 160,
            views: 200,
            realisations: 3,
            observed_size: 128,
            observed_views: 180,
            observations: 30,
        }
    }
}
