//! A convolution of feature maps with the weights of a trained layer, from array to array, over slabs of channels.

use crate::{
    device::{Array, Device},
    error::Result,
    kernels::{
        ChannelBlocks, Convolve3x3, ConvolveDown, ConvolveUp,
        channel_blocks::{BLOCK, blocks, convolution_weights, sizes, transposed_weights},
    },
};

/// Which pixels make one of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taps {
    /// 3 × 3 about it, zeros beyond the edges.
    Around,
    /// 2 × 2, onto maps half as large.
    Down,
    /// A transposed 2 × 2, onto maps twice as large.
    Up,
}

impl Taps {
    /// Extent of the kernel along either axis.
    pub fn extent(self) -> usize {
        if self == Self::Around { 3 } else { 2 }
    }
}

/// What becomes of the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// They replace what was there.
    Replace,
    /// They replace it, those below 0 as 0.
    Rectify,
    /// They are added to it.
    Add,
}

/// Tiles, one below another with lines of zeros between them, that are one tall map to a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileStack {
    /// Lines and columns of a tile.
    pub tile: [usize; 2],
    /// Lines from one tile's last to the next one's first, at least one for a 3 × 3 convolution.
    pub gap: usize,
    /// How many tiles.
    pub count: usize,
}

impl TileStack {
    /// Lines from one tile's first to the next one's.
    pub fn step(&self) -> usize {
        self.tile[0] + self.gap
    }

    /// Lines and columns of the whole.
    pub fn extents(&self) -> [usize; 2] {
        [self.count * self.step() - self.gap, self.tile[1]]
    }

    /// The same tiles at another resolution.
    pub fn scaled(&self, scale: impl Fn(usize) -> usize) -> Self {
        Self { tile: self.tile.map(&scale), gap: scale(self.gap), count: self.count }
    }
}

/// The layer, without a bias.
#[derive(Debug)]
pub struct Convolution {
    taps: Taps,
    inputs: usize,
    outputs: usize,
    weights: Array,
}

/// An array for `channels` maps of those tiles, zero.
///
/// # Errors
/// [`crate::Error::OutOfMemory`], also where 16 maps do not fit one binding.
pub fn maps(device: &Device, channels: usize, stack: &TileStack) -> Result<Array> {
    let [height, width] = stack.extents();
    let [_, map] = sizes(height, width);
    device.zeros(&[blocks(channels), map], crate::device::Element::F32)
}

impl Convolution {
    /// `weights` in PyTorch's order: `[outputs, inputs, y, x]`, of a transposed one `[inputs, outputs, y, x]`; `channels` are
    /// `[inputs, outputs]`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfMemory`].
    ///
    /// # Panics
    /// If there are not as many weights, or inputs are no multiple of 8.
    #[track_caller]
    pub fn new(device: &Device, taps: Taps, weights: &[f32], [inputs, outputs]: [usize; 2]) -> Result<Self> {
        let count = taps.extent().pow(2);
        assert_eq!(weights.len(), inputs * outputs * count, "weights from {inputs} channels to {outputs}");
        assert!(inputs.is_multiple_of(8), "a convolution of {inputs} channels");
        let packed = match taps {
            Taps::Up => transposed_weights(weights, [inputs, outputs, count]),
            _ => convolution_weights(weights, [outputs, inputs, count]),
        };
        let weights = device.upload(&[blocks(outputs), inputs * count * BLOCK], packed)?;
        Ok(Self { taps, inputs, outputs, weights })
    }

    /// Applies it to the first channels of `x`, into those of `into`, whose maps are those of `stack`.
    ///
    /// # Panics
    /// If either array holds fewer channels, or maps of other extents.
    #[track_caller]
    pub fn apply(&self, device: &Device, x: &Array, (into, stack): (&mut Array, &TileStack), finish: Finish) {
        let inputs = match self.taps {
            Taps::Around => *stack,
            Taps::Down => stack.scaled(|extent| 2 * extent),
            Taps::Up => stack.scaled(|extent| extent / 2),
        };
        let ([height, width], [in_height, in_width]) = (stack.extents(), inputs.extents());
        assert_eq!(x.line_len(), sizes(in_height, in_width)[1], "maps of {inputs:?}");
        assert_eq!(into.line_len(), sizes(height, width)[1], "maps of {stack:?}");
        assert!(x.shape()[0] >= blocks(self.inputs) && into.shape()[0] >= blocks(self.outputs), "too few channels");
        let (all, last) = (blocks(self.inputs), blocks(self.outputs));
        for from in x.slabs().iter().filter(|slab| slab.lines().start < all) {
            let first_input = from.lines().start * BLOCK;
            let (begin, end) = (first_input == 0, from.lines().end >= all);
            let mut block = 0;
            while block < last {
                let (weights, into) = (self.weights.slab_of(block), into.slab_of_mut(block));
                let until = weights.lines().end.min(into.lines().end).min(last);
                let layer = ChannelBlocks {
                    width: width as u32,
                    height: height as u32,
                    inputs: (self.inputs - first_input).min(from.lines().len() * BLOCK) as u32,
                    first_input: first_input as u32,
                    all_inputs: self.inputs as u32,
                    blocks: (until - block) as u32,
                    first_weights: (block - weights.lines().start) as u32,
                    first_output: (block - into.lines().start) as u32,
                    accumulate: u32::from(!begin || finish == Finish::Add),
                    rectify: u32::from(end && finish == Finish::Rectify),
                    tile: stack.tile[0] as u32,
                    step: stack.step() as u32,
                };
                match self.taps {
                    Taps::Around => device.run(&Convolve3x3 { layer }, &[from, weights], &mut [into]),
                    Taps::Down => device.run(&ConvolveDown { layer }, &[from, weights], &mut [into]),
                    Taps::Up => device.run(&ConvolveUp { layer }, &[from, weights], &mut [into]),
                }
                block = until;
            }
        }
    }
}
