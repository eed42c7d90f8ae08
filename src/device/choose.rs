//! Which device: the adapters that there are, and the choice of one by the user's word.

use std::str::FromStr;

use super::{
    Device,
    gpu::{Gpu, binding_limit},
};
use crate::error::{Error, Result};

/// What is known of an adapter without opening it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterSummary {
    /// Its place in the list, which names it in [`Choice`].
    pub index: usize,
    /// The adapter's name.
    pub name: String,
    /// The interface it is reached by, such as `Vulkan`.
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// Bytes of its largest own memory, where the interface tells (Vulkan).
    pub memory: Option<u64>,
    /// Bytes that one slab of an array can hold.
    pub binding_limit: u64,
    /// Bytes that one buffer can hold.
    pub buffer_limit: u64,
    /// Whether it is a program on the CPU that stands in for a GPU.
    pub software: bool,
}

/// Every adapter, in the order that [`Choice::Index`] counts. Empty where no driver is installed.
pub fn adapters() -> Vec<AdapterSummary> {
    list().iter().enumerate().map(|(index, adapter)| summary(index, adapter)).collect()
}

/// The user's word for a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The best hardware GPU, or the CPU where there is none.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The best adapter, software if need be.
    Gpu,
    /// The first adapter whose name contains this, in any case of letters.
    Name(String),
    /// An adapter by its place in [`adapters`].
    Index(usize),
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.trim() {
            "" => return Err(Error::Option("a device is auto, cpu, gpu, a part of a name, or an index".into())),
            word if word.eq_ignore_ascii_case("auto") => Self::Auto,
            word if word.eq_ignore_ascii_case("cpu") => Self::Cpu,
            word if word.eq_ignore_ascii_case("gpu") => Self::Gpu,
            word => word.parse().map_or_else(|_| Self::Name(word.to_string()), Self::Index),
        })
    }
}

impl Choice {
    /// Opens the chosen device, and says why it is this one.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no such adapter (it lists those that there are), or it cannot be opened.
    pub fn open(&self) -> Result<(Device, String)> {
        if *self == Self::Cpu {
            return Ok((Device::cpu(), "as asked".into()));
        }
        let adapters = list();
        let found = match self {
            Self::Auto => return Ok(open_auto(&adapters)),
            Self::Index(index) => adapters.get(*index),
            Self::Name(name) => {
                let part = name.to_lowercase();
                adapters.iter().find(|adapter| adapter.get_info().name.to_lowercase().contains(&part))
            }
            Self::Gpu | Self::Cpu => best(&adapters),
        };
        let adapter = found.ok_or_else(|| self.unknown(&adapters))?;
        let reason = match self {
            Self::Gpu if is_software(adapter) => "warning: no hardware GPU was found; this one is software, and slow",
            Self::Gpu => "the best GPU found",
            _ => "as asked",
        };
        Ok((Device::Gpu(open(adapter)?), reason.into()))
    }

    fn unknown(&self, adapters: &[wgpu::Adapter]) -> Error {
        let asked = match self {
            Self::Name(name) => format!("no device is called '{name}'"),
            Self::Index(index) => format!("there is no device {index}"),
            _ => "no GPU was found".into(),
        };
        let listed: Vec<_> = adapters
            .iter()
            .enumerate()
            .map(|(index, adapter)| format!("{index} {}", adapter.get_info().name))
            .collect();
        let gpus = if listed.is_empty() { "no GPUs (is a Vulkan driver installed?)".into() } else { listed.join(", ") };
        Error::Device(format!("{asked}; there is cpu, and {gpus}"))
    }
}

fn open_auto(adapters: &[wgpu::Adapter]) -> (Device, String) {
    match best(adapters).filter(|adapter| !is_software(adapter)).map(open) {
        Some(Ok(gpu)) => (Device::Gpu(gpu), "the best hardware GPU found".into()),
        Some(Err(error)) => (Device::cpu(), format!("a GPU was found, but {error}")),
        None => (Device::cpu(), "no hardware GPU was found".into()),
    }
}

fn open(adapter: &wgpu::Adapter) -> Result<Gpu> {
    Gpu::open(adapter, memory(adapter).map(|memory| memory.all))
}

fn list() -> Vec<wgpu::Adapter> {
    let backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        // Not the defaults of a debug build: validation layers that are not installed are noise.
        flags: wgpu::InstanceFlags::empty(),
        // Refuse an allocation before the driver's last bytes are gone: some systems end the process instead.
        memory_budget_thresholds: wgpu::MemoryBudgetThresholds {
            for_resource_creation: Some(95),
            for_device_loss: None,
        },
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    pollster::block_on(instance.enumerate_adapters(backends))
}

fn is_software(adapter: &wgpu::Adapter) -> bool {
    adapter.get_info().device_type == wgpu::DeviceType::Cpu
}

/// Discrete before integrated before virtual before unknown before software; the first of equals.
fn best(adapters: &[wgpu::Adapter]) -> Option<&wgpu::Adapter> {
    adapters.iter().min_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    })
}

fn summary(index: usize, adapter: &wgpu::Adapter) -> AdapterSummary {
    let info = adapter.get_info();
    let limits = adapter.limits();
    AdapterSummary {
        index,
        name: info.name,
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        memory: memory(adapter).map(|memory| memory.own),
        binding_limit: binding_limit(&limits),
        buffer_limit: limits.max_buffer_size,
        software: info.device_type == wgpu::DeviceType::Cpu,
    }
}

/// Bytes that an adapter can allocate from.
struct Memory {
    /// Its largest own heap.
    own: u64,
    /// Every heap, the system's that it shares included.
    all: u64,
}

/// WebGPU does not tell memory; Vulkan does.
#[cfg(any(windows, target_os = "linux", target_os = "android"))]
fn memory(adapter: &wgpu::Adapter) -> Option<Memory> {
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handles are only read, and live as long as `adapter` does.
    let properties = unsafe {
        let adapter = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = adapter.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(adapter.raw_physical_device())
    };
    let heaps = properties.memory_heaps.iter().take(properties.memory_heap_count as usize);
    let all = heaps.clone().map(|heap| heap.size).sum();
    let own = heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| heap.size).max();
    own.map(|own| Memory { own, all })
}

#[cfg(not(any(windows, target_os = "linux", target_os = "android")))]
fn memory(_adapter: &wgpu::Adapter) -> Option<Memory> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_parse_and_open_or_list_what_there_is() {
        assert_eq!("AUTO".parse::<Choice>().unwrap(), Choice::Auto);
        assert_eq!("3".parse::<Choice>().unwrap(), Choice::Index(3));
        assert_eq!("llvmpipe".parse::<Choice>().unwrap(), Choice::Name("llvmpipe".into()));
        assert!("".parse::<Choice>().is_err());
        assert!(matches!(Choice::Cpu.open().unwrap().0, Device::Cpu(_)));
        for unknown in [Choice::Name("no such card".into()), Choice::Index(99)] {
            assert!(unknown.open().unwrap_err().to_string().contains("there is cpu"));
        }
        assert!(Choice::Auto.open().is_ok());
    }

    #[test]
    fn every_adapter_listed_opens_by_its_index_and_name() {
        for adapter in adapters() {
            let (device, _) = Choice::Index(adapter.index).open().unwrap();
            assert_eq!(device.name(), adapter.name);
            assert_eq!(device.binding_limit(), adapter.binding_limit);
            assert!(adapter.binding_limit % 256 == 0 && adapter.binding_limit <= adapter.buffer_limit);
            let part = adapter.name.to_uppercase();
            assert!(matches!(Choice::Name(part).open().unwrap().0, Device::Gpu(_)));
        }
    }
}
