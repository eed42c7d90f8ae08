//! How the feature maps of a network stand in an array, and the weights of its convolutions: channels in blocks of 16, so
//! that a vector's lane, or a GPU thread's register, is an output channel.

use bytemuck::{Pod, Zeroable};

/// Channels of a block.
pub const BLOCK: usize = 16;

/// A convolution from one slab of maps to one slab of others.
///
/// Maps of h × w pixels are `[blocks, h + 2, w + 2, 16]`, with a frame of zeros that no convolution writes. Weights are
/// `[output blocks, input block, taps, input channel, 16]`, of which the last input block may have fewer channels than 16;
/// those of a transposed convolution are `[output blocks, taps, input channels, 16]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct ChannelBlocks {
    /// Columns of the output's maps.
    pub width: u32,
    /// Lines of the output's maps.
    pub height: u32,
    /// Channels in the slab of inputs.
    pub inputs: u32,
    /// The first of them, a multiple of 16.
    pub first_input: u32,
    /// Channels in all slabs of inputs.
    pub all_inputs: u32,
    /// Blocks of output channels to make.
    pub blocks: u32,
    /// The first of them in the slab of weights.
    pub first_weights: u32,
    /// The first of them in the slab of outputs.
    pub first_output: u32,
    /// 1: what the output holds is added, 0: overwritten.
    pub accumulate: u32,
    /// 1: what is below 0 becomes 0, at the end.
    pub rectify: u32,
    /// The output's lines are those of tiles one below another: lines of a tile,
    pub tile: u32,
    /// and from one tile's first line to the next one's; those between are not written.
    pub step: u32,
}

impl ChannelBlocks {
    /// Numbers of a line of an output's map, and of a whole one.
    pub fn output_sizes(&self) -> [usize; 2] {
        sizes(self.height as usize, self.width as usize)
    }
}

/// Numbers of a line of a block of maps of `height` × `width` pixels, and of the whole block.
pub fn sizes(height: usize, width: usize) -> [usize; 2] {
    let line = (width + 2) * BLOCK;
    [line, (height + 2) * line]
}

/// Blocks that hold `channels`.
pub fn blocks(channels: usize) -> usize {
    channels.div_ceil(BLOCK)
}

/// The weights of a convolution in blocks, `[output blocks, inputs·taps·16]`, from `[outputs, inputs, taps]`; output channels
/// that fill up the last block have zeros.
pub fn convolution_weights(weights: &[f32], [outputs, inputs, taps]: [usize; 3]) -> Vec<f32> {
    let mut packed = Vec::with_capacity(blocks(outputs) * inputs * taps * BLOCK);
    for output in (0..outputs).step_by(BLOCK) {
        for input in (0..inputs).step_by(BLOCK) {
            for tap in 0..taps {
                for channel in input..inputs.min(input + BLOCK) {
                    let weight = |lane: usize| weights[((output + lane) * inputs + channel) * taps + tap];
                    packed.extend((0..BLOCK).map(|lane| if output + lane < outputs { weight(lane) } else { 0.0 }));
                }
            }
        }
    }
    packed
}

/// The weights of a transposed convolution in blocks, `[output blocks, taps·inputs·16]`, from `[inputs, outputs, taps]`.
pub fn transposed_weights(weights: &[f32], [inputs, outputs, taps]: [usize; 3]) -> Vec<f32> {
    let mut packed = Vec::with_capacity(blocks(outputs) * inputs * taps * BLOCK);
    for output in (0..outputs).step_by(BLOCK) {
        for tap in 0..taps {
            for channel in 0..inputs {
                let weight = |lane: usize| weights[(channel * outputs + output + lane) * taps + tap];
                packed.extend((0..BLOCK).map(|lane| if output + lane < outputs { weight(lane) } else { 0.0 }));
            }
        }
    }
    packed
}
