//! Convolutions of feature maps on the CPU: a few pixels times one or two blocks of output channels stay in registers while
//! all inputs pass by.
//!
//! Every output is the sum of its products in one order, whatever the registers and wherever the pixel stands: a tile of
//! an image gives the same bits as the whole.

mod strip;

use rayon::prelude::*;

use self::strip::Strip;
use super::{
    channel_blocks::{BLOCK, ChannelBlocks, sizes},
    lanes,
};
use crate::device::{Example, Host, HostArray, HostMut, Simd};

/// Where the inputs of an output pixel stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taps {
    /// 3 × 3 about it.
    Around,
    /// 2 × 2 of maps twice as large.
    Down,
    /// One, of maps half as large; four sets of weights, for the four output pixels that have the same input.
    Up,
}

impl Taps {
    /// Weights of a pair of channels.
    pub(super) fn count(self) -> usize {
        if self == Self::Around { 9 } else { 4 }
    }

    /// Extents of the inputs of maps of `height` × `width`.
    fn input(self, height: usize, width: usize) -> [usize; 2] {
        match self {
            Self::Around => [height, width],
            Self::Down => [2 * height, 2 * width],
            Self::Up => [height / 2, width / 2],
        }
    }
}

/// Maps that many threads write, each its own lines.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: tasks write disjoint lines.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn at(self, place: usize) -> *mut f32 {
        self.0.wrapping_add(place)
    }
}

/// As a kernel runs it.
pub(super) fn on_cpu(taps: Taps, layer: &ChannelBlocks, inputs: &[Host], outputs: &mut [HostMut]) {
    let inputs = [0, 1].map(|index: usize| inputs[index].numbers());
    run(Simd::detected(), taps, layer, inputs, outputs[0].numbers());
}

/// Runs the convolution that `blocks` describes.
///
/// # Panics
/// If a slab is smaller than `blocks` says.
pub(super) fn run(simd: Simd, taps: Taps, layer: &ChannelBlocks, [maps, weights]: [&[f32]; 2], into: &mut [f32]) {
    let (height, width) = (layer.height as usize, layer.width as usize);
    let [in_height, in_width] = taps.input(height, width);
    let ([in_line, in_map], [line, map]) = (sizes(in_height, in_width), sizes(height, width));
    let channels = layer.inputs as usize;
    let weights_line = layer.all_inputs as usize * taps.count() * BLOCK;
    let (first_weights, first_output) = (layer.first_weights as usize, layer.first_output as usize);
    let blocks = layer.blocks as usize;
    assert!(maps.len() >= channels.div_ceil(BLOCK) * in_map, "maps of {channels} channels");
    assert!(weights.len() >= (first_weights + blocks) * weights_line, "weights of {blocks} blocks");
    assert!(into.len() >= (first_output + blocks) * map, "maps of {blocks} blocks");
    assert!(layer.first_input + layer.inputs <= layer.all_inputs && (layer.first_input as usize).is_multiple_of(BLOCK));
    let into = Shared(into.as_mut_ptr());
    // Two blocks at a time, so that each input that is read serves both.
    let pairs = blocks.div_ceil(2);
    let (tile, step) = (layer.tile as usize, layer.step as usize);
    let lines: Vec<usize> = (0..height).filter(|y| y % step < tile).collect();
    (0..pairs * lines.len()).into_par_iter().with_min_len(2).for_each(|task| {
        let (pair, y) = (task / lines.len(), lines[task % lines.len()]);
        let block = 2 * pair;
        let out = into.at((first_output + block) * map + (y + 1) * line + BLOCK);
        let own = &weights[(first_weights + block) * weights_line..];
        let strip = Strip {
            maps: maps.as_ptr(),
            in_line,
            in_map,
            channels,
            weights: own.as_ptr(),
            weights_line,
            out,
            out_map: map,
            blocks: 2.min(blocks - block),
            width,
            accumulate: layer.accumulate != 0,
            rectify: layer.rectify != 0,
            taps: [3, 3],
            columns: 1,
        };
        let first_input = layer.first_input as usize;
        match taps {
            Taps::Around => {
                let skip = first_input * 9 * BLOCK;
                let strip = Strip { maps: &raw const maps[y * in_line], weights: &raw const own[skip], ..strip };
                lanes::run(simd, strip);
            }
            Taps::Down => {
                let skip = first_input * 4 * BLOCK;
                let from = (2 * y + 1) * in_line + BLOCK;
                let strip = Strip { maps: &raw const maps[from], weights: &raw const own[skip], taps: [2, 2], ..strip };
                lanes::run(simd, strip::Halved(strip));
            }
            Taps::Up => {
                for x in 0..2 {
                    let skip = ((y % 2 * 2 + x) * layer.all_inputs as usize + first_input) * BLOCK;
                    let from = (y / 2 + 1) * in_line + BLOCK;
                    let (maps, weights) = (&raw const maps[from], &raw const own[skip]);
                    let out = out.wrapping_add(x * BLOCK);
                    let (width, taps, columns) = (width / 2, [1, 1], 2);
                    lanes::run(simd, Strip { maps, weights, out, width, taps, columns, ..strip });
                }
            }
        }
    });
}

/// Layers of some channels, with maps of noise.
pub(super) fn example<K>(seed: u64, taps: Taps, kernel: fn(ChannelBlocks) -> K) -> Example<K> {
    let [inputs, first_input, all_inputs, blocks] = [[8, 0, 8, 2], [32, 16, 48, 1], [24, 0, 24, 3]][seed as usize % 3];
    let (first, odd) = ((seed % 2) as u32, seed as u32 % 2);
    let layer = ChannelBlocks {
        width: [38, 40, 46][seed as usize % 3],
        height: 12,
        inputs,
        first_input,
        all_inputs,
        blocks,
        first_weights: first,
        first_output: 2 * first,
        accumulate: odd,
        rectify: 1 - odd,
        tile: [12, 4, 5][seed as usize % 3],
        step: [12, 6, 7][seed as usize % 3],
    };
    let (height, width) = (layer.height as usize, layer.width as usize);
    let [in_height, in_width] = taps.input(height, width);
    let maps = |blocks: u32, height: usize, width: usize, seed| {
        HostArray::noise(&[blocks as usize, height + 2, width + 2, BLOCK], seed)
    };
    let weights = [(first + blocks) as usize, all_inputs as usize * taps.count() * BLOCK];
    let inputs = vec![maps(inputs.div_ceil(16), in_height, in_width, seed), HostArray::noise(&weights, seed + 3)];
    Example { kernel: kernel(layer), inputs, outputs: vec![maps(2 * first + blocks, height, width, seed + 6)] }
}

#[cfg(test)]
mod tests;
