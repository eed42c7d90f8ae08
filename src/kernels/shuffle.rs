//! An image less what four feature maps, half as large along each axis, hold for its pixels: pixel shuffling,
//! `out(2y + i, 2x + j) = image(2y + i, 2x + j) − map[2i + j](y, x)`.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::channel_blocks::{BLOCK, sizes};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: a slab of an image `[lines, nx]`; a block of maps ([`super::ChannelBlocks`]). Output: a slab of another
/// image, of which a part is written.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Shuffle {
    /// Columns of the image.
    pub nx: u32,
    /// First line to write, in the image's slab,
    pub line: u32,
    /// and in that of the other.
    pub into_line: u32,
    /// Lines to write.
    pub lines: u32,
    /// First column to write.
    pub column: u32,
    /// Columns to write.
    pub columns: u32,
    /// Where the first line stands in the tile that the maps are of,
    pub tile_y: u32,
    /// and the first column.
    pub tile_x: u32,
    /// Columns of a map.
    pub width: u32,
}

impl Kernel for Shuffle {
    const NAME: &'static str = "shuffle";
    const WGSL: &'static str = include_str!("../../shaders/shuffle.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.columns as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [image, maps] = [0, 1].map(|index: usize| inputs[index].numbers::<f32>());
        let (nx, first, columns) = (self.nx as usize, self.line as usize, self.columns as usize);
        let (tile_y, tile_x) = (self.tile_y as usize, self.tile_x as usize);
        let [map_line, _] = sizes(0, self.width as usize);
        let into = outputs[0]
            .numbers::<f32>()
            .par_chunks_exact_mut(nx)
            .skip(self.into_line as usize)
            .take(self.lines as usize);
        let lines = into.zip(image.par_chunks_exact(nx).skip(first)).with_min_len(8);
        lines.enumerate().for_each(|(line, (into, image))| {
            let y = tile_y + line;
            let maps = &maps[(y / 2 + 1) * map_line..][..map_line];
            let place = self.column as usize..self.column as usize + columns;
            for (index, (into, image)) in into[place.clone()].iter_mut().zip(&image[place]).enumerate() {
                let x = tile_x + index;
                *into = image - maps[(x / 2 + 1) * BLOCK + y % 2 * 2 + x % 2];
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let odd = (seed % 2) as u32;
        let kernel = Self {
            nx: 31,
            line: 2,
            into_line: 1 + odd,
            lines: 9,
            column: 1 + odd,
            columns: 20,
            tile_y: 3 - odd,
            tile_x: 4 + odd,
            width: 14,
        };
        let inputs = vec![HostArray::noise(&[12, 31], seed), HostArray::noise(&[1, 8, 16, BLOCK], seed + 1)];
        Example { kernel, inputs, outputs: vec![HostArray::noise(&[12, 31], seed + 2)] }
    }
}
