//! What the coils say together: x ← keep·x + Σ_j conj(S_j) c_j, the adjoint of [`super::CoilExpand`].

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: coil images `[lines, 2, nx]`, maps like them. Output: channels `channel` and the next of the image
/// `[image_lines, channels, nx]`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct CoilCombine {
    /// Pixels in a line.
    pub nx: u32,
    /// Lines of one image.
    pub image_lines: u32,
    /// The coil slab's first line, counted over all coils.
    pub first: u32,
    /// Lines of the coil slab.
    pub lines: u32,
    /// Channels of the image.
    pub channels: u32,
    /// Channel of the real part.
    pub channel: u32,
    /// Factor of what is there; 0 overwrites.
    pub keep: f32,
}

impl Kernel for CoilCombine {
    const NAME: &'static str = "coil_combine";
    const WGSL: &'static str = include_str!("../../shaders/coil_combine.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.image_lines as usize * self.nx as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (coils, maps) = (inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>());
        let [nx, period, channels, channel] =
            [self.nx, self.image_lines, self.channels, self.channel].map(|count| count as usize);
        let image = outputs[0].numbers::<f32>().par_chunks_exact_mut(channels * nx).take(period);
        image.with_min_len(8).enumerate().for_each(|(line, pixels)| {
            let pixels = &mut pixels[channel * nx..][..2 * nx];
            match self.keep {
                0.0 => pixels.fill(0.0),
                keep => pixels.iter_mut().for_each(|pixel| *pixel *= keep),
            }
            let ahead = (line + period - self.first as usize % period) % period;
            for l in (ahead..self.lines as usize).step_by(period) {
                combine_line(&coils[2 * l * nx..][..2 * nx], &maps[2 * l * nx..][..2 * nx], pixels);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let channels = if seed.is_multiple_of(2) { 2 } else { 4 };
        let kernel = Self {
            nx: 40,
            image_lines: 6,
            first: 4,
            lines: 21,
            channels,
            channel: channels - 2,
            keep: 0.5 * (seed % 3) as f32,
        };
        let coils = |index| HostArray::noise(&[21, 2, 40], seed + index);
        let image = HostArray::noise(&[6, channels as usize, 40], seed);
        Example { kernel, inputs: vec![coils(1), coils(2)], outputs: vec![image] }
    }
}

/// One planar line: image += conj(map)·coil.
pub(crate) fn combine_line(coil: &[f32], map: &[f32], image: &mut [f32]) {
    let nx = coil.len() / 2;
    let ((cr, ci), (sr, si)) = (coil.split_at(nx), map.split_at(nx));
    let (xr, xi) = image.split_at_mut(nx);
    let (ci, sr, si, xr, xi) = (&ci[..nx], &sr[..nx], &si[..nx], &mut xr[..nx], &mut xi[..nx]);
    for i in 0..nx {
        xr[i] += sr[i] * cr[i] + si[i] * ci[i];
        xi[i] += sr[i] * ci[i] - si[i] * cr[i];
    }
}
