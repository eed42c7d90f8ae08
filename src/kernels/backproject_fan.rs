//! Adds views of fan rays to an image.

use super::{GUARD, part::Part};
use crate::device::{Example, Host, HostMut, Kernel};
use rayon::prelude::*;

/// `image += Σ views`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BackprojectFan {
    /// What this dispatch does.
    pub part: Part,
    /// 1 for a curved detector.
    pub curved: u32,
}

impl Kernel for BackprojectFan {
    const NAME: &'static str = "backproject_fan";
    const WGSL: &'static str = "";
    const TOLERANCE: f32 = 5e-6;

    fn workgroups(&self) -> [u32; 3] {
        self.part.workgroups()
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let part = &self.part;
        let filtered = inputs[0].numbers::<f32>();
        let matrices: &[[f32; 8]] = bytemuck::cast_slice(inputs[1].numbers::<f32>());
        part.bands(outputs[0].numbers::<f32>(), 1).into_par_iter().for_each(|band| {
            for view in part.views_of(band.z) {
                let m = matrices[view - part.matrices_first as usize];
                let line = &filtered[part.line_start(view, band.z)..][..part.stride()];
                let y = band.y as f32;
                for (x, pixel) in band.lines.iter_mut().enumerate() {
                    let x = x as f32;
                    let n = m[0] + m[1] * x + m[2] * y;
                    let d = m[3] + m[4] * x + m[5] * y;
                    let (c, w) = if self.curved == 1 { (m[6] + m[7] * (n / d).atan(), 1.0 / (n * n + d * d)) } else { (n / d, 1.0 / (d * d)) };
                    let c = c.clamp(-2.0, part.columns as f32 + 1.0) + GUARD as f32;
                    let i = c as usize;
                    *pixel += w * (line[i] + (c - i as f32) * (line[i + 1] - line[i]));
                }
            }
        });
    }

    fn example(_seed: u64) -> Example<Self> {
        todo!()
    }
}
