//! The eight ways to lay a slice, turned and mirrored, as kernels that read and write its tiles know them.

use std::ops::Range;

/// A way: bit 0 for lines in reversed order, bit 1 for columns in reversed order, and bit 2 for lines and columns exchanged
/// after that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way(pub u32);

impl Way {
    /// How many there are.
    pub const COUNT: u32 = 8;

    /// Whether lines and columns are exchanged.
    pub fn exchanges(self) -> bool {
        self.0 & 4 != 0
    }

    /// Lines and columns of the turned slice, from those of the slice and the other way round.
    pub fn extents(self, [ny, nx]: [usize; 2]) -> [usize; 2] {
        if self.exchanges() { [nx, ny] } else { [ny, nx] }
    }

    /// Line and column, in the slice of `extents`, of what stands at `place` of the turned one.
    pub fn source(self, extents: [usize; 2], place: [usize; 2]) -> [usize; 2] {
        self.mirrored(extents, self.extents(place))
    }

    /// Line and column, in the turned slice, of what stands at `place` of the slice of `extents`.
    pub fn turned(self, extents: [usize; 2], place: [usize; 2]) -> [usize; 2] {
        self.extents(self.mirrored(extents, place))
    }

    /// Lines and columns of the slice of `extents` that are those of the turned one.
    pub fn sources(self, extents: [usize; 2], [lines, columns]: [Range<usize>; 2]) -> [Range<usize>; 2] {
        let first = self.source(extents, [lines.start, columns.start]);
        let last = self.source(extents, [lines.end - 1, columns.end - 1]);
        [0, 1].map(|axis| first[axis].min(last[axis])..first[axis].max(last[axis]) + 1)
    }

    fn mirrored(self, [ny, nx]: [usize; 2], [y, x]: [usize; 2]) -> [usize; 2] {
        [if self.0 & 1 != 0 { ny - 1 - y } else { y }, if self.0 & 2 != 0 { nx - 1 - x } else { x }]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ways_are_all_there_is_and_are_undone() {
        let extents = [3, 5];
        let mut seen = BTreeSet::new();
        for way in (0..Way::COUNT).map(Way) {
            let [rows, columns] = way.extents(extents);
            let places: Vec<[usize; 2]> = (0..rows * columns).map(|index| [index / columns, index % columns]).collect();
            let sources: Vec<[usize; 2]> = places.iter().map(|place| way.source(extents, *place)).collect();
            for (place, source) in places.iter().zip(&sources) {
                assert!(source[0] < 3 && source[1] < 5, "{way:?}");
                assert_eq!(way.turned(extents, *source), *place, "{way:?}");
            }
            // Neighbours stay neighbours.
            assert_eq!(sources[0][0].abs_diff(sources[1][0]) + sources[0][1].abs_diff(sources[1][1]), 1, "{way:?}");
            assert_eq!(way.sources(extents, [0..rows, 0..columns]), [0..3, 0..5], "{way:?}");
            let [lines, within] = way.sources(extents, [0..2, 1..3]);
            assert!((0..2).all(|v| (1..3).all(|u| {
                let [y, x] = way.source(extents, [v, u]);
                lines.contains(&y) && within.contains(&x)
            })));
            seen.insert((rows, sources));
        }
        assert_eq!(seen.len(), Way::COUNT as usize);
    }
}
