//! A GPU through wgpu: adapters, buffers, pipelines, errors.

use super::{
    array::{Element, Slab},
    kernel::Kernel,
};
use crate::error::{Error, Result};

/// Words on the GPU.
#[derive(Debug)]
pub struct Buffer(wgpu::Buffer);

/// An opened adapter.
#[derive(Clone, Debug)]
pub struct Gpu {}

impl Gpu {
    pub(super) fn binding_limit(&self) -> u64 {
        todo!()
    }
    pub(super) fn set_binding_limit(&mut self, _bytes: u64) {}
    pub(super) fn name(&self) -> &str {
        todo!()
    }
    pub(super) fn upload(&self, _words: &[u32]) -> Result<Buffer> {
        Err(Error::Device("not yet".into()))
    }
    pub(super) fn zeros(&self, _words: usize) -> Result<Buffer> {
        Err(Error::Device("not yet".into()))
    }
    pub(super) fn download(&self, _buffer: &Buffer, _into: &mut [u32]) -> Result<()> {
        Err(Error::Device("not yet".into()))
    }
    pub(super) fn run<K: Kernel>(&self, _kernel: &K, _inputs: &[&Slab], _outputs: &mut [&mut Slab]) {}
}
