//! A kernel: one computation, written twice under one name, as `shaders/NAME.wgsl` and as `on_cpu`.

use std::borrow::Cow;

use super::{Element, array::Number};

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

impl HostMut<'_> {
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
