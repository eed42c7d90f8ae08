//! What each coil sees of an image: c_j ← keep·c_j + S_j x, the product with the coil's sensitivity (Pruessmann et al. 1999).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;

/// Inputs, f32: the image `[image_lines, channels, nx]`, of which channels `channel` and the next are the real and the imaginary
/// part; maps `[lines, 2, nx]`. Output: coil images like the maps.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct CoilExpand {
    /// Pixels in a line.
    pub nx: u32,
    /// Lines of one image.
    pub image_lines: u32,
    /// The slab's first line, counted over all coils.
    pub first: u32,
    /// Lines of the slab.
    pub lines: u32,
    /// Channels of the image.
    pub channels: u32,
    /// Channel of the real part.
    pub channel: u32,
    /// Factor of what is there; 0 overwrites.
    pub keep: f32,
}

impl Kernel for CoilExpand {
    const NAME: &'static str = "coil_expand";
    const WGSL: &'static str = include_str!("../../shaders/coil_expand.wgsl");
    const TOLERANCE: f32 = 1e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.lines as usize * self.nx as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let (image, maps) = (inputs[0].numbers::<f32>(), inputs[1].numbers::<f32>());
        let width = 2 * self.nx as usize;
        let coils = outputs[0].numbers::<f32>().par_chunks_exact_mut(width).take(self.lines as usize);
        coils.zip(maps.par_chunks_exact(width)).with_min_len(32).enumerate().for_each(|(line, (coil, map))| {
            let pixel = (self.first as usize + line) % self.image_lines as usize;
            let first = (pixel * self.channels as usize + self.channel as usize) * self.nx as usize;
            expand_line(&image[first..first + width], map, self.keep, coil);
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let channels = if seed.is_multiple_of(2) { 2 } else { 4 };
        let kernel = Self {
            nx: 40,
            image_lines: 6,
            first: 4,
            lines: 13,
            channels,
            channel: channels - 2,
            keep: 0.5 * (seed % 3) as f32,
        };
        let coils = |index| HostArray::noise(&[13, 2, 40], seed + index);
        let image = HostArray::noise(&[6, channels as usize, 40], seed);
        Example { kernel, inputs: vec![image, coils(1)], outputs: vec![coils(2)] }
    }
}

/// One planar line: coil ← keep·coil + map·image.
pub(crate) fn expand_line(image: &[f32], map: &[f32], keep: f32, coil: &mut [f32]) {
    let nx = image.len() / 2;
    let ((xr, xi), (sr, si)) = (image.split_at(nx), map.split_at(nx));
    let (cr, ci) = coil.split_at_mut(nx);
    let (xi, sr, si, cr, ci) = (&xi[..nx], &sr[..nx], &si[..nx], &mut cr[..nx], &mut ci[..nx]);
    for i in 0..nx {
        // What is not kept may be anything.
        let kept = if keep == 0.0 { [0.0; 2] } else { [keep * cr[i], keep * ci[i]] };
        cr[i] = kept[0] + (sr[i] * xr[i] - si[i] * xi[i]);
        ci[i] = kept[1] + (sr[i] * xi[i] + si[i] * xr[i]);
    }
}
