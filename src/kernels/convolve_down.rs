//! 2 × 2 convolution of feature maps with stride 2, `out[o, p] = Σ w[o, i, t] x[i, 2p + t]`.

use bytemuck::{Pod, Zeroable};

use super::{
    channel_blocks::ChannelBlocks,
    convolution::{self, Taps},
};
use crate::device::{Example, Host, HostMut, Kernel};

/// Inputs: maps twice as large as the output along each axis; weights ([`super::channel_blocks::convolution_weights`], taps line
/// by line). Output, in place: maps. Input channels are a multiple of 4.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct ConvolveDown {
    /// Which channels, and how large the output is.
    pub layer: ChannelBlocks,
}

impl Kernel for ConvolveDown {
    const NAME: &'static str = "convolve_down";
    const WGSL: &'static str = concat!(
        include_str!("../../shaders/lib/channel_blocks.wgsl"),
        include_str!("../../shaders/convolve_down.wgsl")
    );
    const TOLERANCE: f32 = 5e-6;

    fn workgroups(&self) -> [u32; 3] {
        let ChannelBlocks { width, height, blocks, .. } = self.layer;
        [width.div_ceil(8), height.div_ceil(8), blocks]
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        convolution::on_cpu(Taps::Down, &self.layer, inputs, outputs);
    }

    fn example(seed: u64) -> Example<Self> {
        convolution::example(seed, Taps::Down, |layer| Self { layer })
    }
}
