//! A GPU through wgpu: opened from an adapter; memory on it, reading back, and errors kept for the caller.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use super::{
    array::Slab,
    faults::Faults,
    kernel::{Caps, Kernel},
    recorder::Recorder,
};
use crate::error::{Error, Result};

/// Staging memory moves arrays in pieces of this many 32-bit words (64 MiB), not all at once.
const PIECE: usize = 16 << 20;

/// Words on the GPU.
#[derive(Debug)]
pub struct Buffer(pub(super) wgpu::Buffer);

/// An opened adapter. Clones are the same one.
#[derive(Clone)]
pub struct Gpu {
    opened: Arc<Opened>,
    binding_limit: u64,
}

struct Opened {
    name: String,
    device: wgpu::Device,
    queue: wgpu::Queue,
    caps: Caps,
    binding_limit: u64,
    memory: Option<u64>,
    faults: Arc<Faults>,
    recorder: Mutex<Recorder>,
}

impl PartialEq for Gpu {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.opened, &other.opened) && self.binding_limit == other.binding_limit
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Gpu").field("name", &self.name()).field("binding_limit", &self.binding_limit).finish()
    }
}

/// Largest slab that an adapter of these limits can bind: below 2 GiB, where drivers begin to count in signed 32 bits.
pub(super) fn binding_limit(limits: &wgpu::Limits) -> u64 {
    let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min((2 << 30) - 4);
    most / 256 * 256
}

/// WebGPU's baseline, raised to what the adapter offers where larger slabs and workgroups help.
fn required(offered: &wgpu::Limits) -> wgpu::Limits {
    const USEFUL_WORKGROUP_BYTES: u32 = 64 << 10;
    wgpu::Limits {
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_buffer_size: offered.max_buffer_size,
        max_compute_invocations_per_workgroup: offered.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: offered.max_compute_workgroup_size_x,
        max_compute_workgroup_size_y: offered.max_compute_workgroup_size_y,
        max_compute_workgroup_size_z: offered.max_compute_workgroup_size_z,
        max_compute_workgroup_storage_size: offered.max_compute_workgroup_storage_size.min(USEFUL_WORKGROUP_BYTES),
        ..wgpu::Limits::default().or_worse_values_from(offered)
    }
}

impl Gpu {
    /// Opens an adapter of `memory` bytes, if that is known.
    pub(super) fn open(adapter: &wgpu::Adapter, memory: Option<u64>) -> Result<Self> {
        let name = adapter.get_info().name;
        let limits = required(&adapter.limits());
        let descriptor = wgpu::DeviceDescriptor { required_limits: limits.clone(), ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| Error::Device(format!("{name} could not be opened: {error}")))?;
        let faults = Arc::new(Faults::default());
        let (uncaptured, lost) = (faults.clone(), faults.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaptured.keep(&error.to_string())));
        device.set_device_lost_callback(move |reason, message| {
            // `Destroyed` is our own dropping of the device.
            if reason != wgpu::DeviceLostReason::Destroyed {
                lost.lose(&message);
            }
        });
        let caps = Caps {
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
        };
        let recorder = Mutex::new(Recorder::new(&device));
        let binding_limit = binding_limit(&limits);
        let opened = Opened { name, device, queue, caps, binding_limit, memory, faults, recorder };
        Ok(Self { opened: Arc::new(opened), binding_limit })
    }

    pub(super) fn binding_limit(&self) -> u64 {
        self.binding_limit
    }

    pub(super) fn set_binding_limit(&mut self, bytes: u64) {
        self.binding_limit = bytes.min(self.opened.binding_limit);
    }

    pub(super) fn name(&self) -> &str {
        &self.opened.name
    }

    pub(super) fn check_room(&self, bytes: u64) -> Result<()> {
        match self.opened.memory {
            Some(memory) if bytes > memory => Err(self.no_room(bytes, format!("its memories have {memory} bytes"))),
            _ => Ok(()),
        }
    }

    fn no_room(&self, bytes: u64, limit: String) -> Error {
        Error::OutOfMemory { device: self.name().to_string(), bytes, limit }
    }

    pub(super) fn zeros(&self, words: usize) -> Result<Buffer> {
        let bytes = words as u64 * 4;
        self.check()?;
        let no_room = |limit| self.no_room(bytes, limit);
        let most = self.opened.binding_limit;
        if bytes > most {
            return Err(no_room(format!("one binding holds at most {most} bytes")));
        }
        let device = &self.opened.device;
        let full = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let refused = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        // WebGPU promises zeros in new memory.
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        let refused = pollster::block_on(refused.pop());
        match pollster::block_on(full.pop()).or(refused) {
            None => Ok(Buffer(buffer)),
            Some(wgpu::Error::OutOfMemory { .. }) => Err(no_room("its memory is full".into())),
            Some(error) => Err(no_room(error.to_string())),
        }
    }

    pub(super) fn upload(&self, words: &[u32]) -> Result<Buffer> {
        let buffer = self.zeros(words.len())?;
        for (piece, first) in words.chunks(PIECE).zip((0_u64..).step_by(PIECE * 4)) {
            self.opened.queue.write_buffer(&buffer.0, first, bytemuck::cast_slice(piece));
            let index = self.opened.queue.submit([]);
            if words.len() > PIECE {
                // Staging memory is given back only once its copy is done.
                self.wait(Some(index))?;
            }
        }
        self.check()?;
        Ok(buffer)
    }

    pub(super) fn run<K: Kernel>(&self, kernel: &K, inputs: &[&Slab], outputs: &mut [&mut Slab]) {
        let Opened { device, queue, caps, faults, .. } = &*self.opened;
        if let Err(error) = self.recorder().record(device, kernel, caps, (inputs, outputs)) {
            faults.keep(&error);
        }
        self.recorder().submit_full_batch(device, queue);
    }

    /// Waits until all that was recorded is done.
    pub(super) fn synchronize(&self) -> Result<()> {
        self.recorder().submit(&self.opened.device, &self.opened.queue);
        self.wait(None)?;
        self.check()
    }

    pub(super) fn download(&self, buffer: &Buffer, into: &mut [u32]) -> Result<()> {
        let outcome = pollster::block_on(self.read(buffer, into));
        // What went wrong first says more than what it led to.
        self.check()?;
        outcome
    }

    async fn read(&self, buffer: &Buffer, into: &mut [u32]) -> Result<()> {
        let Opened { device, queue, .. } = &*self.opened;
        self.recorder().submit(device, queue);
        let staging = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("staging"),
            size: into.len().min(PIECE) as u64 * 4,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        for (piece, first) in into.chunks_mut(PIECE).zip((0_u64..).step_by(PIECE * 4)) {
            let bytes = piece.len() as u64 * 4;
            let mut encoder = device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&buffer.0, first, &staging, 0, bytes);
            queue.submit([encoder.finish()]);
            self.map(&staging, bytes).await?;
            let view = staging.get_mapped_range(..bytes).map_err(|error| self.failed(&error))?;
            bytemuck::cast_slice_mut(piece).copy_from_slice(&view);
            drop(view);
            staging.unmap();
        }
        Ok(())
    }

    /// Maps the first `bytes` of `staging` for reading.
    async fn map(&self, staging: &wgpu::Buffer, bytes: u64) -> Result<()> {
        let promise = Arc::new(Promise::default());
        let keeper = promise.clone();
        staging.map_async(wgpu::MapMode::Read, ..bytes, move |outcome| keeper.keep(outcome));
        // In a browser this does nothing and the event loop calls back; elsewhere the callback runs in here.
        self.wait(None)?;
        poll_fn(|context| promise.poll(context)).await.map_err(|error| self.failed(&error))
    }

    fn wait(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index, timeout: None };
        self.opened.device.poll(poll).map(|_| ()).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &dyn fmt::Display) -> Error {
        Error::Device(format!("{}: {error}", self.name()))
    }

    fn check(&self) -> Result<()> {
        self.opened.faults.check().map_err(|error| self.failed(&error))
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.opened.recorder.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A value that a callback will bring.
struct Promise<T>(Mutex<(Option<T>, Option<Waker>)>);

impl<T> Default for Promise<T> {
    fn default() -> Self {
        Self(Mutex::new((None, None)))
    }
}

impl<T> Promise<T> {
    fn keep(&self, value: T) {
        let mut held = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.0 = Some(value);
        if let Some(waker) = held.1.take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context) -> Poll<T> {
        let mut held = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match held.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                held.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
