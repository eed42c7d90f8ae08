//! An image in overlapping tiles, so that a network's feature maps stay small: tiles overlap by what the network sees, and
//! begin where its strides let them, so that the pixels kept of each are those of the whole.

use std::ops::Range;

/// Tiles begin at multiples of this: the network halves the resolution three times.
pub const STRIDE: usize = 8;

/// Along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Pixels of the axis, a multiple of [`STRIDE`].
    extent: usize,
    /// Pixels of a tile, all alike.
    pub size: usize,
    /// Pixels at a tile's inner edges that are not kept.
    halo: usize,
    /// How many.
    pub count: usize,
}

/// One tile along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Its first pixel.
    pub start: usize,
    /// The pixels that are kept.
    pub kept: Range<usize>,
}

impl Tiles {
    /// `extent` pixels in `count` tiles, unless fewer would do.
    fn new(extent: usize, count: usize, halo: usize) -> Option<Self> {
        let size = (extent + 2 * halo * (count - 1)).div_ceil(count).next_multiple_of(STRIDE);
        let tiles = Self { extent, size, halo, count };
        let useful = count == 1 || size > 2 * halo && size < extent && tiles.first_kept(count - 1) < extent;
        useful.then_some(tiles)
    }

    fn first_kept(&self, index: usize) -> usize {
        if index == 0 { 0 } else { index * (self.size - 2 * self.halo) + self.halo }
    }

    pub fn iter(self) -> impl Iterator<Item = Tile> {
        (0..self.count).map(move |index| {
            let kept = self.first_kept(index);
            let end = if index + 1 == self.count { self.extent } else { self.first_kept(index + 1) };
            // The last ones begin nearer, to end with the image.
            Tile { start: kept.saturating_sub(self.halo).min(self.extent - self.size), kept: kept..end }
        })
    }
}

/// The tiles of an image of `extents` `[ny, nx]`, multiples of [`STRIDE`], of all that `fits` the ones with the least to
/// compute; none if no tile is small enough.
pub fn plan(extents: [usize; 2], halo: usize, fits: impl Fn([usize; 2]) -> bool) -> Option<[Tiles; 2]> {
    let along = |extent: usize| (1..=extent / STRIDE).filter_map(move |count| Tiles::new(extent, count, halo));
    let mut best: Option<([Tiles; 2], usize)> = None;
    for y in along(extents[0]) {
        // The fewer along x that fit, the better.
        let Some(x) = along(extents[1]).find(|x| fits([y.size, x.size])) else { continue };
        let pixels = y.count * y.size * x.count * x.size;
        if best.is_none_or(|(_, least)| pixels < least) {
            best = Some(([y, x], pixels));
        }
    }
    best.map(|(tiles, _)| tiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_covers_the_image_once_and_has_its_halo() {
        for (extent, count, halo) in
            [(1024, 3, 96), (1000, 4, 96), (512, 1, 96), (480, 2, 24), (2048, 9, 96), (800, 20, 96)]
        {
            let tiles = Tiles::new(extent, count, halo).unwrap();
            let mut next = 0;
            for tile in tiles.iter() {
                let Tile { start, kept } = tile;
                assert!(start.is_multiple_of(STRIDE) && start + tiles.size <= extent, "{tiles:?}");
                assert_eq!(kept.start, next, "{tiles:?}");
                assert!(kept.end > kept.start, "{tiles:?}");
                assert!(start == 0 || kept.start >= start + halo, "{tiles:?}: {start} {kept:?}");
                assert!(
                    start + tiles.size == extent || kept.end + halo <= start + tiles.size,
                    "{tiles:?}: {start} {kept:?}"
                );
                next = kept.end;
            }
            assert_eq!(next, extent, "{tiles:?}");
        }
    }

    #[test]
    fn whole_images_are_one_tile_and_large_ones_the_least_work() {
        let within = |most: usize| move |[y, x]: [usize; 2]| y * x <= most;
        let count = |tiles: Option<[Tiles; 2]>| tiles.map(|tiles| tiles.map(|tiles| tiles.count));
        assert_eq!(count(plan([512, 512], 96, within(1 << 22))), Some([1, 1]));
        // 3 · 816 · 2048 pixels, and 2 · 2 would be 4 · 1120².
        assert_eq!(count(plan([2048, 2048], 96, within(1 << 21))), Some([1, 3]));
        assert_eq!(count(plan([64, 9000], 96, within(1 << 17))), Some([1, 5]));
        assert_eq!(count(plan([4096, 4096], 96, within(100))), None);
    }
}
