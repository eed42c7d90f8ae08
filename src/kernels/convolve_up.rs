//! Transposed 2 × 2 convolution of feature maps with stride 2, `out[o, 2p + t] = Σ w[i, o, t] x[i, p]`.

use bytemuck::{Pod, Zeroable};

use super::{
    channel_blocks::ChannelBlocks,
    convolution::{self, Taps},
};
use crate::device::{Example, Host, HostMut, Kernel};

/// Inputs: maps half as large as the output along each axis; weights ([`super::channel_blocks::transposed_weights`], taps line by
/// line). Output, in place: maps, of even extents.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct ConvolveUp {
    /// Which channels, and how large the output is.
    pub layer: ChannelBlocks,
}

impl Kernel for ConvolveUp {
    const NAME: &'static str = "convolve_up";
    const WGSL: &'static str =
        concat!(include_str!("../../shaders/lib/channel_blocks.wgsl"), include_str!("../../shaders/convolve_up.wgsl"));
    const TOLERANCE: f32 = 5e-6;

    fn workgroups(&self) -> [u32; 3] {
        let ChannelBlocks { width, height, blocks, .. } = self.layer;
        [width.div_ceil(16), height.div_ceil(16), blocks]
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        convolution::on_cpu(Taps::Up, &self.layer, inputs, outputs);
    }

    fn example(seed: u64) -> Example<Self> {
        convolution::example(seed, Taps::Up, |layer| Self { layer })
    }
}
