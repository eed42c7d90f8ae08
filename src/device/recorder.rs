//! Records kernels as dispatches and submits them in batches, each short, with few in flight.

use std::collections::{HashMap, VecDeque};

use super::{
    array::{Slab, Storage},
    kernel::{Caps, Kernel},
};

/// Dispatches in one submission: enough to hide its cost, few enough that a watchdog sees none.
const BATCH: usize = 16;

/// Bytes of the uniform buffer for one dispatch: the largest `Params`, and any adapter's alignment of uniform offsets.
const SLOT: usize = 256;

/// Submissions that may be under way: what they hold (bind groups, dropped arrays) is freed as they end.
const IN_FLIGHT: usize = 4;

pub(super) struct Recorder {
    /// By shader text.
    pipelines: HashMap<String, wgpu::ComputePipeline>,
    /// `BATCH` slots. Written anew before each submission, which the queue orders behind the last one's reads.
    params: wgpu::Buffer,
    slots: Vec<u8>,
    encoder: Option<wgpu::CommandEncoder>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
}

impl Recorder {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        let params = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("params"),
            size: (BATCH * SLOT) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let (slots, in_flight) = (Vec::new(), VecDeque::new());
        Self { pipelines: HashMap::new(), params, slots, encoder: None, in_flight }
    }

    /// Adds one dispatch; no workgroups, no dispatch.
    ///
    /// # Panics
    /// If `Params` is larger than a slot, or a slab lives on the CPU.
    #[track_caller]
    pub(super) fn record<K: Kernel>(
        &mut self,
        device: &wgpu::Device,
        kernel: &K,
        caps: &Caps,
        (inputs, outputs): (&[&Slab], &mut [&mut Slab]),
    ) -> Result<(), String> {
        let groups @ [x, y, z] = kernel.workgroups();
        if groups.contains(&0) {
            return Ok(());
        }
        let most = device.limits().max_compute_workgroups_per_dimension;
        if groups.iter().any(|count| *count > most) {
            return Err(format!("kernel {} asks for {groups:?} workgroups, a dimension holds {most}", K::NAME));
        }
        let params = bytemuck::bytes_of(kernel);
        assert!((1..=SLOT).contains(&params.len()), "kernel {} has {} bytes of Params", K::NAME, params.len());
        let pipeline = self.pipeline(device, kernel, caps, (inputs.len(), outputs.len()));
        let first = self.slots.len();
        let slot = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &self.params,
            offset: first as u64,
            size: wgpu::BufferSize::new(SLOT as u64),
        });
        let slabs = inputs.iter().copied().chain(outputs.iter().map(|slab| &**slab)).map(|slab| slab.buffer());
        let entries: Vec<_> = (0..)
            .zip(std::iter::once(slot).chain(slabs.map(|buffer| buffer.as_entire_binding())))
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let layout = pipeline.get_bind_group_layout(0);
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(K::NAME),
            layout: &layout,
            entries: &entries,
        });
        self.slots.extend_from_slice(params);
        self.slots.resize(first + SLOT, 0);
        let encoder = self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(x, y, z);
        Ok(())
    }

    /// Submits if a batch is full.
    pub(super) fn submit_full_batch(&mut self, device: &wgpu::Device, queue: &wgpu::Queue) {
        if self.slots.len() == BATCH * SLOT {
            self.submit(device, queue);
        }
    }

    /// Submits what is recorded.
    pub(super) fn submit(&mut self, device: &wgpu::Device, queue: &wgpu::Queue) {
        let Some(encoder) = self.encoder.take() else { return };
        queue.write_buffer(&self.params, 0, &self.slots);
        self.slots.clear();
        self.in_flight.push_back(queue.submit([encoder.finish()]));
        if self.in_flight.len() > IN_FLIGHT {
            let submission_index = self.in_flight.pop_front();
            // A device that fails here says so through its callbacks.
            let _ = device.poll(wgpu::PollType::Wait { submission_index, timeout: None });
        }
    }

    fn pipeline<K: Kernel>(
        &mut self,
        device: &wgpu::Device,
        kernel: &K,
        caps: &Caps,
        (inputs, outputs): (usize, usize),
    ) -> wgpu::ComputePipeline {
        let text = kernel.wgsl(caps);
        if let Some(pipeline) = self.pipelines.get(&*text) {
            return pipeline.clone();
        }
        let source = wgpu::ShaderSource::Wgsl(text.as_ref().into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(K::NAME), source };
        let checks = wgpu::ShaderRuntimeChecks {
            force_loop_bounding: false,
            bounds_checks: K::CHECKED,
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: `Kernel` demands that every loop ends, which is all that the first check would see to: counters in every
        // loop keep compilers from unrolling it. Those that are not `CHECKED` promise that their indices stay within.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let layout = bind_group_layout(device, inputs, outputs);
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(K::NAME),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(K::NAME),
            layout: Some(&layout),
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: K::CHECKED,
                ..Default::default()
            },
            cache: None,
        });
        self.pipelines.insert(text.into_owned(), pipeline.clone());
        pipeline
    }
}

/// The kernels' contract: `Params`, inputs, outputs.
fn bind_group_layout(device: &wgpu::Device, inputs: usize, outputs: usize) -> wgpu::BindGroupLayout {
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let kinds = std::iter::once(wgpu::BufferBindingType::Uniform)
        .chain(std::iter::repeat_n(storage(true), inputs))
        .chain(std::iter::repeat_n(storage(false), outputs));
    let entry = |(binding, ty)| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let entries: Vec<_> = (0..).zip(kinds).map(entry).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries })
}

impl Slab {
    #[track_caller]
    fn buffer(&self) -> &wgpu::Buffer {
        match &self.storage {
            Storage::Gpu(buffer) => &buffer.0,
            Storage::Host(_) => panic!("a slab on the CPU was given to the GPU"),
        }
    }
}
