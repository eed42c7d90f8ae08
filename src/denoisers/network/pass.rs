//! The way of some tiles through the network on a device. Two arrays a resolution are enough: what a skip adds stays where it is
//! until the way up adds to it. Tiles stand one below another, so that a GPU has enough to do at the lowest resolution, too.

use std::ops::Range;

use super::parameters::{INPUTS, OUTPUTS, Parameters, STAGES};
use crate::{
    device::{Array, Device},
    error::Result,
    kernels::{Shuffle, Unshuffle, Way, channel_blocks},
    operators::{
        Convolution,
        convolution::{Finish, Taps, TileStack, maps},
    },
};

/// The network on a device, with feature maps for tiles of one size.
#[derive(Debug)]
pub struct Pass {
    device: Device,
    tiles: TileStack,
    head: Convolution,
    /// Of each of [`STAGES`], the two convolutions of each block.
    stages: [Vec<[Convolution; 2]>; 5],
    /// From the first resolution to the second, from the second to the third.
    down: [Convolution; 2],
    /// From the second to the first, from the third to the second.
    up: [Convolution; 2],
    tail: Convolution,
    levels: [Level; 3],
}

/// One resolution.
#[derive(Debug)]
struct Level {
    stack: TileStack,
    maps: Array,
    between: Array,
}

/// Where a tile lies.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// First line of its slice in the image.
    pub slice: usize,
    /// Lines and columns of the slice.
    pub extents: [usize; 2],
    /// How the slice is laid.
    pub way: Way,
    /// Its first line and column in the slice as it is laid.
    pub start: [usize; 2],
}

impl Pass {
    /// So many tiles of `extents` pixels, multiples of 8.
    pub fn stack(extents: [usize; 2], count: usize) -> TileStack {
        // One line of zeros at the lowest resolution.
        TileStack { tile: extents, gap: 8, count }
    }

    /// Bytes that one binding must hold for them.
    pub fn bytes(tiles: &TileStack) -> u64 {
        let [ny, nx] = tiles.extents();
        4 * channel_blocks::sizes(ny / 2, nx / 2)[1] as u64
    }

    /// For so many tiles at a time, of [`Self::stack`].
    pub fn new(device: &Device, parameters: &Parameters, tiles: TileStack) -> Result<Self> {
        let [c1, c2, c3] = parameters.widths;
        let layer = |name: &str, taps, channels| {
            Convolution::new(device, taps, parameters.tensor(&format!("{name}.weight")), channels)
        };
        let stage = |index: usize, width: usize| -> Result<Vec<[Convolution; 2]>> {
            let half = |k, half| layer(&format!("{}.{k}.{half}", STAGES[index]), Taps::Around, [width, width]);
            (0..parameters.blocks[index]).map(|k| Ok([half(k, 'a')?, half(k, 'b')?])).collect()
        };
        let level = |channels, divisor: usize| -> Result<Level> {
            let stack = tiles.scaled(|extent| extent / divisor);
            Ok(Level { stack, maps: maps(device, channels, &stack)?, between: maps(device, channels, &stack)? })
        };
        Ok(Self {
            device: device.clone(),
            tiles,
            head: layer("head", Taps::Around, [INPUTS, c1])?,
            stages: [stage(0, c1)?, stage(1, c2)?, stage(2, c3)?, stage(3, c2)?, stage(4, c1)?],
            down: [layer("down1", Taps::Down, [c1, c2])?, layer("down2", Taps::Down, [c2, c3])?],
            up: [layer("up1", Taps::Up, [c2, c1])?, layer("up2", Taps::Up, [c3, c2])?],
            tail: layer("tail", Taps::Around, [c1, OUTPUTS])?,
            levels: [level(c1, 2)?, level(c2, 4)?, level(c3, 8)?],
        })
    }

    /// Whether it is on that device, for those tiles.
    pub fn is_for(&self, device: &Device, tiles: &TileStack) -> bool {
        self.device == *device && self.tiles == *tiles
    }

    /// Reads tile `index` from the image, and σ times a factor: of every pixel, or one number.
    pub fn read(&mut self, image: &Array, (sigma, strength): (&Array, f32), (index, view): (usize, &View)) {
        let Self { device, levels: [Level { stack, between, .. }, ..], .. } = self;
        let flat = sigma.shape().len() == 1;
        let lines = view.slice..view.slice + view.extents[0];
        for slab in image.slabs() {
            for of_sigma in sigma.slabs() {
                let other = if flat { slab.lines() } else { of_sigma.lines() };
                let first = slab.lines().start.max(other.start).max(lines.start);
                let end = slab.lines().end.min(other.end).min(lines.end);
                if first >= end {
                    continue;
                }
                let kernel = Unshuffle {
                    nx: view.extents[1] as u32,
                    ny: view.extents[0] as u32,
                    first: first as u32,
                    lines: (end - first) as u32,
                    image_first: slab.lines().start as u32,
                    sigma_first: other.start as u32,
                    slice: view.slice as u32,
                    way: view.way.0,
                    top: view.start[0] as u32,
                    left: view.start[1] as u32,
                    height: stack.tile[0] as u32,
                    width: stack.tile[1] as u32,
                    map_line: (index * stack.step()) as u32,
                    sigma_step: u32::from(!flat),
                    strength,
                };
                device.run(&kernel, &[slab, of_sigma], &mut [&mut between.slabs_mut()[0]]);
            }
        }
    }

    /// From what was read to what is to be taken off it.
    pub fn run(&mut self) {
        let Self { device, levels: [first, second, third], .. } = self;
        self.head.apply(device, &first.between, (&mut first.maps, &first.stack), Finish::Replace);
        first.blocks(device, &self.stages[0]);
        self.down[0].apply(device, &first.maps, (&mut second.maps, &second.stack), Finish::Replace);
        second.blocks(device, &self.stages[1]);
        self.down[1].apply(device, &second.maps, (&mut third.maps, &third.stack), Finish::Replace);
        third.blocks(device, &self.stages[2]);
        self.up[1].apply(device, &third.maps, (&mut second.maps, &second.stack), Finish::Add);
        second.blocks(device, &self.stages[3]);
        self.up[0].apply(device, &second.maps, (&mut first.maps, &first.stack), Finish::Add);
        first.blocks(device, &self.stages[4]);
        self.tail.apply(device, &first.maps, (&mut first.between, &first.stack), Finish::Replace);
    }

    /// Adds a share of the lines and columns of the slice, as it is laid, that are `kept` of tile `index`.
    pub fn write(
        &self,
        image: &Array,
        (index, view): (usize, &View),
        (kept, share, found): ([Range<usize>; 2], f32, &mut Array),
    ) {
        let Self { device, levels: [Level { stack, between, .. }, ..], .. } = self;
        let [rows, columns] = view.way.sources(view.extents, kept);
        for into in found.slabs_mut() {
            for slab in image.slabs() {
                let first = into.lines().start.max(slab.lines().start).max(view.slice + rows.start);
                let end = into.lines().end.min(slab.lines().end).min(view.slice + rows.end);
                if first >= end {
                    continue;
                }
                let kernel = Shuffle {
                    nx: view.extents[1] as u32,
                    ny: view.extents[0] as u32,
                    line: (first - slab.lines().start) as u32,
                    into_line: (first - into.lines().start) as u32,
                    lines: (end - first) as u32,
                    y: (first - view.slice) as u32,
                    column: columns.start as u32,
                    columns: columns.len() as u32,
                    way: view.way.0,
                    top: view.start[0] as u32,
                    left: view.start[1] as u32,
                    map_line: (index * stack.step()) as u32,
                    width: stack.tile[1] as u32,
                    share,
                };
                device.run(&kernel, &[slab, &between.slabs()[0]], &mut [into]);
            }
        }
    }
}

impl Level {
    /// Blocks, in place.
    fn blocks(&mut self, device: &Device, blocks: &[[Convolution; 2]]) {
        for [a, b] in blocks {
            a.apply(device, &self.maps, (&mut self.between, &self.stack), Finish::Rectify);
            b.apply(device, &self.between, (&mut self.maps, &self.stack), Finish::Add);
        }
    }
}
