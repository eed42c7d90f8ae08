//! To an image is added a share of another, less what four feature maps, half as large along each axis, hold for its pixels:
//! pixel shuffling, `out(2y + i, 2x + j) += share·(image(2y + i, 2x + j) − map[2i + j](y, x))`, with the pixels where they stand
//! in the slice as it was laid for the maps.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{
    channel_blocks::{BLOCK, sizes},
    way::Way,
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: a slab of an image `[lines, nx]`; a block of maps ([`super::ChannelBlocks`]). Output, in place: a slab of another
/// image, of which a part is added to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Shuffle {
    /// Columns of the image.
    pub nx: u32,
    /// Lines of a slice.
    pub ny: u32,
    /// First line to write, in the image's slab,
    pub line: u32,
    /// in that of the other,
    pub into_line: u32,
    /// Lines to write.
    pub lines: u32,
    /// and, the first, in the slice.
    pub y: u32,
    /// First column to write.
    pub column: u32,
    /// Columns to write.
    pub columns: u32,
    /// How the slice was laid: a [`Way`].
    pub way: u32,
    /// The first line, in the slice as it was laid, of the tile that the maps are of,
    pub top: u32,
    /// and its first column.
    pub left: u32,
    /// Lines of a map above the tile, but for the frame.
    pub map_line: u32,
    /// Columns of a map.
    pub width: u32,
    /// The share.
    pub share: f32,
}

impl Kernel for Shuffle {
    const NAME: &'static str = "shuffle";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/way.wgsl"), include_str!("../../shaders/shuffle.wgsl"));
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.columns as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [image, maps] = [0, 1].map(|index: usize| inputs[index].numbers::<f32>());
        let (nx, first, columns) = (self.nx as usize, self.line as usize, self.columns as usize);
        let (ny, y, way) = (self.ny as usize, self.y as usize, Way(self.way));
        let (top, left, skip) = (self.top as usize, self.left as usize, self.map_line as usize + 1);
        let [map_line, _] = sizes(0, self.width as usize);
        let into = outputs[0]
            .numbers::<f32>()
            .par_chunks_exact_mut(nx)
            .skip(self.into_line as usize)
            .take(self.lines as usize);
        let lines = into.zip(image.par_chunks_exact(nx).skip(first)).with_min_len(8);
        lines.enumerate().for_each(|(line, (into, image))| {
            let place = self.column as usize..self.column as usize + columns;
            for (index, (into, image)) in into[place.clone()].iter_mut().zip(&image[place]).enumerate() {
                let [v, u] = way.turned([ny, nx], [y + line, self.column as usize + index]);
                let (v, u) = (v - top, u - left);
                let map = maps[(skip + v / 2) * map_line + (u / 2 + 1) * BLOCK + v % 2 * 2 + u % 2];
                *into += self.share * (image - map);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let odd = (seed % 2) as u32;
        let kernel = Self {
            nx: 31,
            ny: 15,
            line: 2,
            into_line: 1 + odd,
            lines: 9,
            y: 3,
            column: 1 + odd,
            columns: 20,
            way: [0, 6, 5][seed as usize % 3],
            top: 2 * odd,
            left: [0, 2, 1][seed as usize % 3],
            map_line: 2 * odd,
            width: 16,
            share: 0.125,
        };
        let inputs = vec![HostArray::noise(&[12, 31], seed), HostArray::noise(&[1, 20, 18, BLOCK], seed + 1)];
        Example { kernel, inputs, outputs: vec![HostArray::noise(&[12, 31], seed + 2)] }
    }
}
