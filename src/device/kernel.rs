//! A kernel: one computation, written twice under one name, as `shaders/NAME.wgsl` and as `on_cpu`.

use std::borrow::Cow;

use super::{
    Device,
    array::{Array, Element, Number, Slab},
};
use crate::error::Result;

/// What a GPU offers beyond WebGPU's baseline, for kernels with variants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caps {
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations in a workgroup.
    pub invocations: u32,
}

/// One computation. `Self` is the shader's uniform `Params`, field for field.
///
/// Bindings of group 0: 0 is `Params`, then the inputs (read), then the outputs (read_write; an invocation may read
/// its own elements of an output, so what is updated in place is an output). `Params` has at most 256 bytes, all of
/// them u32 or f32. Every loop of a shader must end: nothing else stops it.
pub trait Kernel: bytemuck::Pod + Send + Sync + std::fmt::Debug {
    /// Name of the shader file and of the Rust file.
    const NAME: &'static str;
    /// The shader.
    const WGSL: &'static str;
    /// Largest |CPU − GPU| on [`Kernel::example`], relative to the largest |CPU| of that output.
    const TOLERANCE: f32;
    /// Whether indices are checked and workgroup memory begins as zeros: a sixth of the time of kernels that live in it. Only a
    /// shader of which no index passes an array's end, and that writes what it reads there, may say no.
    const CHECKED: bool = true;

    /// The shader's text; overridden where a kernel has variants.
    fn wgsl(&self, _caps: &Caps) -> Cow<'static, str> {
        Cow::Borrowed(Self::WGSL)
    }

    /// Workgroups along x, y, z, each at most 65,535.
    fn workgroups(&self) -> [u32; 3];

    /// The same on the CPU.
    fn on_cpu(&self, inputs: &[Host], outputs: &mut [HostMut]);

    /// Arrays on which CPU and GPU are compared, and timed.
    fn example(seed: u64) -> Example<Self>;
}

/// A kernel with arrays to run it on.
#[derive(Clone, Debug)]
pub struct Example<K> {
    /// Its parameters.
    pub kernel: K,
    /// What it reads.
    pub inputs: Vec<HostArray>,
    /// What it writes, with what is there before.
    pub outputs: Vec<HostArray>,
}

/// An array on the host: shape, tag and words.
#[derive(Clone, Debug, PartialEq)]
pub struct HostArray {
    /// Extents.
    pub shape: Vec<usize>,
    /// What the words are.
    pub element: Element,
    /// The numbers.
    pub words: Vec<u32>,
}

impl HostArray {
    /// Copies `numbers`.
    ///
    /// # Panics
    /// If `shape` does not hold as many.
    #[track_caller]
    pub fn new<N: Number>(shape: &[usize], numbers: &[N]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), numbers.len(), "shape {shape:?}");
        Self { shape: shape.to_vec(), element: N::ELEMENT, words: bytemuck::cast_slice(numbers).to_vec() }
    }

    /// Zeros, f32.
    pub fn zeros(shape: &[usize]) -> Self {
        Self::new(shape, &vec![0_f32; shape.iter().product()])
    }

    /// f32 numbers between −1 and 1 from `seed`, by SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): for examples.
    pub fn noise(shape: &[usize], seed: u64) -> Self {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let number = |index: usize| {
            let state = (seed << 32).wrapping_add(index as u64 + 1).wrapping_mul(STEP);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        Self::new(shape, &(0..shape.iter().product()).map(number).collect::<Vec<_>>())
    }

    /// Its numbers.
    ///
    /// # Panics
    /// If it holds others.
    #[track_caller]
    pub fn numbers<N: Number>(&self) -> &[N] {
        assert_eq!(self.element, N::ELEMENT, "an array of {:?}", self.element);
        bytemuck::cast_slice(&self.words)
    }

    fn upload(&self, device: &Device) -> Result<Array> {
        match self.element {
            Element::F32 => device.upload(&self.shape, self.numbers::<f32>()),
            Element::U32 => device.upload(&self.shape, self.numbers::<u32>()),
        }
    }

    fn download(device: &Device, array: &Array) -> Result<Self> {
        Ok(match array.element() {
            Element::F32 => Self::new(array.shape(), &device.download::<f32>(array)?),
            Element::U32 => Self::new(array.shape(), &device.download::<u32>(array)?),
        })
    }
}

impl<K: Kernel> Example<K> {
    /// What the outputs hold after one run on `device`.
    pub fn run_on(&self, device: &Device) -> Result<Vec<HostArray>> {
        let inputs = self.inputs.iter().map(|array| array.upload(device)).collect::<Result<Vec<_>>>()?;
        let mut outputs = self.outputs.iter().map(|array| array.upload(device)).collect::<Result<Vec<_>>>()?;
        let input_slabs: Vec<&Slab> = inputs.iter().map(|array| array.slab_of(0)).collect();
        let mut output_slabs: Vec<&mut Slab> = outputs.iter_mut().map(|array| array.slab_of_mut(0)).collect();
        device.run(&self.kernel, &input_slabs, &mut output_slabs);
        outputs.iter().map(|array| HostArray::download(device, array)).collect()
    }
}

/// A slab that a kernel on the CPU reads.
#[derive(Clone, Copy)]
pub struct Host<'a>(pub(super) &'a [u32]);

impl<'a> Host<'a> {
    /// Its numbers, f32 or u32, as the kernel's contract says.
    pub fn numbers<N: Number>(&self) -> &'a [N] {
        bytemuck::cast_slice(self.0)
    }
}

/// A slab that a kernel on the CPU writes.
pub struct HostMut<'a>(pub(super) &'a mut [u32]);

impl<'a> HostMut<'a> {
    /// Its numbers for as long as the slab is borrowed: to write several slabs at once.
    pub fn into_numbers<N: Number>(self) -> &'a mut [N] {
        bytemuck::cast_slice_mut(self.0)
    }

    /// Its numbers, f32 or u32, as the kernel's contract says.
    pub fn numbers<N: Number>(&mut self) -> &mut [N] {
        bytemuck::cast_slice_mut(self.0)
    }
}

/// Spreads `groups` workgroups over x and y, since one dimension holds at most 65,535. The shader finds its own with
/// `group.y * groups.x + group.x`, and leaves where that passes the end.
pub fn fold(groups: usize) -> [u32; 3] {
    const MOST: usize = 65_535;
    let rows = groups.div_ceil(MOST).max(1);
    let columns = groups.div_ceil(rows).max(1);
    [columns as u32, rows as u32, 1]
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn folded_workgroups_reach_every_group() {
        for groups in [1, 65_535, 65_536, 1_000_000] {
            let [x, y, z] = fold(groups);
            assert!(x <= 65_535 && y <= 65_535 && z == 1 && x as usize * y as usize >= groups);
        }
    }
}
