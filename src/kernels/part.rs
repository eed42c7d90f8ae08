//! The part of a backprojection that one dispatch does: some views, some filtered lines, some image lines.

use std::ops::Range;

use super::GUARD;

/// Views that are added to a block before its sums leave the registers.
pub(super) const CHUNK: usize = 64;
/// Width and height of the pixels of one task: what they see of `CHUNK` lines fits in the first cache.
pub(super) const TILE: usize = 64;
/// Columns this close to a window's edge count as outside, since they are computed twice with different roundings.
pub(super) const MARGIN: f32 = 1.0 / 1024.0;

/// Cells beyond which all is outside: exact in f32, and two of them add up in an i32.
pub(super) const FAR: i32 = 1 << 22;

/// How the columns of a level's pixel blocks fit into its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// A block of many vectors shares a window.
    Block,
    /// A vector has a window of its own.
    Vector,
    /// Large voxels: pixel by pixel.
    Pixel,
}

/// What one dispatch reads and updates. Filtered line = view·rows + row, image line = z·ny + y, with row = z.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Part {
    /// Columns of the image.
    pub nx: u32,
    /// Lines of a slice of the image.
    pub ny: u32,
    /// First line of the image slab.
    pub image_first: u32,
    /// Lines of the image slab.
    pub image_lines: u32,
    /// First line of the filtered slab.
    pub filtered_first: u32,
    /// Lines of the filtered slab.
    pub filtered_lines: u32,
    /// Detector rows: filtered lines of a view.
    pub rows: u32,
    /// Detector columns: cells of a filtered line without its guard.
    pub columns: u32,
    /// First view of the dispatch.
    pub first_view: u32,
    /// Views in the dispatch. Their lines may lie partly outside the filtered slab; those are left out.
    pub views: u32,
    /// First view of the matrices' slab.
    pub matrices_first: u32,
}

/// Pixels of slice `z`, the first of them at (`x`, `y`), that one task updates.
pub(super) struct Tile<'a> {
    pub x: usize,
    pub y: usize,
    pub z: usize,
    pub lines: Vec<&'a mut [f32]>,
}

impl Tile<'_> {
    pub fn width(&self) -> usize {
        self.lines[0].len()
    }

    /// Adds `values`, `W` wide, the first of them at (x, y) of the tile; those outside are left out.
    #[inline(always)]
    pub fn add<const W: usize>(&mut self, x: usize, y: usize, values: &[f32]) {
        for (line, values) in self.lines.iter_mut().skip(y).zip(values.chunks_exact(W)) {
            let Some(pixels) = line.get_mut(x..) else { continue };
            if let (Some(pixels), Some(values)) = (pixels.first_chunk_mut::<W>(), values.first_chunk::<W>()) {
                pixels.iter_mut().zip(values).for_each(|(pixel, value)| *pixel += value);
            } else {
                pixels.iter_mut().zip(values).for_each(|(pixel, value)| *pixel += value);
            }
        }
    }
}

impl Part {
    /// Cells of a filtered line with its guard.
    pub fn stride(&self) -> usize {
        self.columns as usize + 2 * GUARD
    }

    /// Slices that the image slab touches.
    pub fn slices(&self) -> Range<u32> {
        self.image_first / self.ny..(self.image_first + self.image_lines).div_ceil(self.ny)
    }

    /// Workgroups of 16 × 16 pixels, one layer a slice.
    pub(super) fn workgroups(&self) -> [u32; 3] {
        [self.nx.div_ceil(16), self.ny.div_ceil(16), self.slices().len() as u32]
    }

    /// The views of the dispatch whose line for row `z` lies in the filtered slab.
    pub(super) fn views_of(&self, z: usize) -> Range<usize> {
        let (rows, first, lines) = (self.rows as usize, self.filtered_first as usize, self.filtered_lines as usize);
        let views = self.first_view as usize..(self.first_view + self.views) as usize;
        let start = first.saturating_sub(z).div_ceil(rows).max(views.start);
        let end = (first + lines).saturating_sub(z).div_ceil(rows).min(views.end);
        start..end.max(start)
    }

    /// Where the guarded line of (`view`, row `z`) begins in the filtered slab.
    pub(super) fn line_start(&self, view: usize, z: usize) -> usize {
        (view * self.rows as usize + z - self.filtered_first as usize) * self.stride()
    }

    /// Cuts the image slab into tiles of up to `width` × `height` pixels, none across two slices.
    pub(super) fn tiles<'a>(&self, image: &'a mut [f32], [width, height]: [usize; 2]) -> Vec<Tile<'a>> {
        let (nx, ny) = (self.nx as usize, self.ny as usize);
        let mut line = self.image_first as usize;
        let mut rest = &mut image[..self.image_lines as usize * nx];
        let mut tiles = Vec::new();
        while !rest.is_empty() {
            let (z, y) = (line / ny, line % ny);
            let count = height.min(ny - y).min(rest.len() / nx);
            let (band, tail) = rest.split_at_mut(count * nx);
            let first = tiles.len();
            tiles.extend((0..nx).step_by(width).map(|x| Tile { x, y, z, lines: Vec::with_capacity(count) }));
            for line in band.chunks_exact_mut(nx) {
                tiles[first..].iter_mut().zip(line.chunks_mut(width)).for_each(|(tile, line)| tile.lines.push(line));
            }
            rest = tail;
            line += count;
        }
        tiles
    }
}

/// Numbers in −1..1 for examples: splitmix64 (Steele, Lea & Flood 2014).
pub(super) struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    /// The filtered slab of `part`: numbers between guards of zeros.
    pub fn lines(&mut self, part: &Part) -> Vec<f32> {
        let mut lines = vec![0.0; part.filtered_lines as usize * part.stride()];
        for line in lines.chunks_exact_mut(part.stride()) {
            line[GUARD..GUARD + part.columns as usize].fill_with(|| self.next());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_those_whose_line_is_in_the_slab() {
        for (first, lines, rows) in [(0, 30, 3), (4, 11, 3), (5, 1, 3), (7, 9, 1), (2, 3, 5)] {
            let part = Part {
                filtered_first: first,
                filtered_lines: lines,
                rows,
                first_view: 1,
                views: 6,
                columns: 9,
                ..Part::default()
            };
            for z in 0..rows {
                let naive: Vec<usize> =
                    (1..7).filter(|view| (first..first + lines).contains(&(*view as u32 * rows + z))).collect();
                assert_eq!(part.views_of(z as usize).collect::<Vec<_>>(), naive, "{first} {lines} {rows} {z}");
            }
        }
    }

    #[test]
    fn tiles_cover_the_slab_and_stay_within_slices() {
        let part = Part { nx: 5, ny: 10, image_first: 7, image_lines: 16, ..Part::default() };
        let mut image = vec![0.0; 80];
        let mut tiles = part.tiles(&mut image, [3, 4]);
        let places: Vec<_> = tiles.iter().map(|t| (t.z, t.y, t.x, t.lines.len(), t.width())).collect();
        assert_eq!(places[..4], [(0, 7, 0, 3, 3), (0, 7, 3, 3, 2), (1, 0, 0, 4, 3), (1, 0, 3, 4, 2)]);
        for tile in &mut tiles {
            let (x, y, z) = (tile.x, tile.y, tile.z);
            for (dy, line) in tile.lines.iter_mut().enumerate() {
                line.iter_mut().enumerate().for_each(|(dx, pixel)| *pixel += (x + dx + 5 * (10 * z + y + dy)) as f32);
            }
        }
        assert!(image.iter().enumerate().all(|(index, pixel)| *pixel == (index + 35) as f32));
        assert_eq!(part.slices(), 0..3);
    }
}
