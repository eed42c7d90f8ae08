//! How the shifted-Poisson likelihood of transmission counts changes with the line integrals l (Yavuz & Fessler 1998):
//! n + s ~ Poisson(I·e^(−l) + s), s the variance of the electronic noise, and so
//! ∂h/∂l = e·((n + s)/(e + s) − 1) with e = I·e^(−l).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::device::{Example, Host, HostArray, HostMut, Kernel, fold};

const SIZE: usize = 256;
const CHUNK: usize = 1 << 13;

/// Inputs, f32: counts n and the open beam I, photons. Output, in place: l becomes ∂h/∂l, `count` numbers like them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct Transmission {
    /// Numbers.
    pub count: u32,
    /// Variance of the electronic noise, photons².
    pub shift: f32,
}

impl Kernel for Transmission {
    const NAME: &'static str = "transmission";
    const WGSL: &'static str = include_str!("../../shaders/transmission.wgsl");
    const TOLERANCE: f32 = 2e-6;

    fn workgroups(&self) -> [u32; 3] {
        fold((self.count as usize).div_ceil(SIZE))
    }

    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]) {
        let count = self.count as usize;
        let [counts, open] = [0, 1].map(|index| inputs[index].numbers::<f32>()[..count].par_chunks(CHUNK));
        let lines = outputs[0].numbers::<f32>()[..count].par_chunks_mut(CHUNK);
        lines.zip(counts).zip(open).for_each(|((lines, counts), open)| {
            for ((line, count), open) in lines.iter_mut().zip(counts).zip(open) {
                let expected = open * (-*line).exp();
                *line = expected * (count - expected) / (expected + self.shift);
            }
        });
    }

    fn example(seed: u64) -> Example<Self> {
        let kernel = Self { count: 600, shift: 20.0 * seed as f32 };
        let array = |index, scale, offset| {
            let noise = HostArray::noise(&[10, 60], seed + index);
            HostArray::new(&[10, 60], &noise.numbers::<f32>().iter().map(|x| scale * x + offset).collect::<Vec<f32>>())
        };
        let inputs = vec![array(0, 300.0, 400.0), array(1, 50.0, 1e3)];
        Example { kernel, inputs, outputs: vec![array(2, 2.0, 1.5)] }
    }
}
