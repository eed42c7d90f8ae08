//! 3 × 3 convolution of feature maps, `out[o, p] = Σ w[o, i, t] x[i, p + t]`, with zeros beyond the edges; a sum with what is there
//! already (a skip), and a rectifier, where asked for.

use bytemuck::{Pod, Zeroable};

use super::{
    channel_blocks::ChannelBlocks,
    convolution::{self, Taps},
};
use crate::device::{Example, Host, HostMut, Kernel};

/// Inputs: maps; weights ([`super::channel_blocks::convolution_weights`], taps line by line). Output, in place: maps as large.
/// Input channels are a multiple of 8.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Convolve3x3 {
    /// Which channels, and how large the output is.
    pub layer: ChannelBlocks,
}

impl Kernel for Convolve3x3 {
    const NAME: &'static str = "convolve3x3";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/channel_blocks.wgsl"), include_str!("../../shaders/convolve3x3.wgsl"));
    const TOLERANCE: f32 = 5e-6;
    // `fetch` compares with the maps' extents, the sums with those of tile and taps, `finish_four` with the output's.
    const CHECKED: bool = false;

    fn workgroups(&self) -> [u32; 3] {
        let ChannelBlocks { width, height, blocks, .. } = self.layer;
        [width.div_ceil(32), height.div_ceil(8), blocks]
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        convolution::on_cpu(Taps::Around, &self.layer, inputs, outputs);
    }

    fn example(seed: u64) -> Example<Self> {
        convolution::example(seed, Taps::Around, |layer| Self { layer })
    }
}
