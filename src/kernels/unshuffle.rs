//! A tile of an image, turned or mirrored, and of the deviation of its noise, as feature maps half as large along each axis:
//! pixel unshuffling, `map[4c + 2i + j](y, x) = plane[c](2y + i, 2x + j)`, the image plane 0, σ plane 1. Beyond its edges the
//! image is its own mirror image.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::{
    average_alike::mirrored,
    channel_blocks::{BLOCK, sizes},
    way::Way,
};
use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 64;

/// Inputs: a slab of an image of slices `[nz·ny, nx]`; a slab of σ with some of its lines, or one number. Output: a block of maps, `[1,
/// lines, width + 2, 16]` ([`super::ChannelBlocks`]), of which the first eight channels are written, as far as the slabs have
/// their pixels.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Unshuffle {
    /// Columns of the image.
    pub nx: u32,
    /// Lines of a slice.
    pub ny: u32,
    /// The first line that both slabs have.
    pub first: u32,
    /// Lines that both have.
    pub lines: u32,
    /// The image's slab begins with this line,
    pub image_first: u32,
    /// and that of σ with this.
    pub sigma_first: u32,
    /// First line of the slice.
    pub slice: u32,
    /// How the slice is laid: a [`Way`].
    pub way: u32,
    /// The tile's first line in the slice as it is laid.
    pub top: u32,
    /// The tile's first column.
    pub left: u32,
    /// Lines of a map: half those of the tile.
    pub height: u32,
    /// Columns of a map.
    pub width: u32,
    /// Lines of a map above the tile, but for the frame.
    pub map_line: u32,
    /// 1: a σ for every pixel, 0: one for all.
    pub sigma_step: u32,
    /// Factor on σ.
    pub strength: f32,
}

impl Kernel for Unshuffle {
    const NAME: &'static str = "unshuffle";
    const WGSL: &'static str = concat!(
        include_str!("../../shaders/lib/mirrored.wgsl"),
        include_str!("../../shaders/lib/way.wgsl"),
        include_str!("../../shaders/unshuffle.wgsl")
    );
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((2 * self.height as usize * self.width as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let [image, sigma] = [0, 1].map(|index: usize| inputs[index].numbers::<f32>());
        let [nx, ny, top, left] = [self.nx, self.ny, self.top, self.left].map(|extent| extent as usize);
        let (height, width, way) = (self.height as usize, self.width as usize, Way(self.way));
        let [rows, columns] = way.extents([ny, nx]);
        let slab = self.first as usize..(self.first + self.lines) as usize;
        let [line, _] = sizes(height, width);
        let maps = outputs[0].numbers::<f32>().par_chunks_exact_mut(line).skip(self.map_line as usize + 1).take(height);
        maps.enumerate().for_each(|(y, map)| {
            for i in 0..2 {
                let v = mirrored((top + 2 * y + i) as isize, rows);
                for (x, map) in map.chunks_exact_mut(BLOCK).skip(1).take(width).enumerate() {
                    for j in 0..2 {
                        let u = mirrored((left + 2 * x + j) as isize, columns);
                        let [from, column] = way.source([ny, nx], [v, u]);
                        let from = self.slice as usize + from;
                        if !slab.contains(&from) {
                            continue;
                        }
                        map[2 * i + j] = image[(from - self.image_first as usize) * nx + column];
                        let at = self.sigma_step as usize * ((from - self.sigma_first as usize) * nx + column);
                        map[4 + 2 * i + j] = self.strength * sigma[at];
                    }
                }
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let odd = (seed % 2) as u32;
        let kernel = Self {
            nx: 21 - 20 * u32::from(seed == 2),
            ny: 19,
            first: 25,
            lines: 12,
            image_first: 23,
            sigma_first: 25 * odd,
            slice: 19,
            way: [0, 6, 5][seed as usize % 3],
            top: 8,
            left: 8,
            height: 8,
            width: 9,
            map_line: 2 * odd,
            sigma_step: odd,
            strength: 1.5,
        };
        let image = HostArray::noise(&[14, kernel.nx as usize], seed);
        let sigma = if odd == 1 {
            HostArray::noise(&[12, kernel.nx as usize], seed + 1)
        } else {
            HostArray::noise(&[1], seed + 1)
        };
        Example { kernel, inputs: vec![image, sigma], outputs: vec![HostArray::noise(&[1, 12, 11, BLOCK], seed + 2)] }
    }
}
