//! `rushlight devices`: every adapter, the CPU, and which one would be used.

use clap::Args;
use rushlight::{
    Result,
    device::{Cpu, Simd, adapters},
};
use serde_json::json;

use super::{Global, report::print_line};

pub const EXAMPLES: &str = "Examples:
  rushlight devices
  rushlight --device gpu devices        what 'gpu' would take";

#[derive(Args, Debug)]
pub struct Flags {
    /// Print as one line of JSON
    #[arg(long)]
    json: bool,
}

fn size(bytes: u64) -> String {
    format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30))
}

pub fn run(flags: Flags, global: &Global) -> Result<()> {
    let cpu = Cpu::default();
    let adapters = adapters();
    let (chosen, why) = global.device.open()?;
    if flags.json {
        let list: Vec<_> = adapters
            .iter()
            .map(|adapter| {
                json!({ "index": adapter.index, "name": adapter.name, "backend": adapter.backend,
                    "driver": adapter.driver, "memory_bytes": adapter.memory, "binding_bytes": adapter.binding_limit,
                    "buffer_bytes": adapter.buffer_limit, "software": adapter.software })
            })
            .collect();
        let cpu = json!({ "name": cpu.name(), "simd": Simd::detected().to_string(), "threads": cpu.threads() });
        return print_line(&json!({ "adapters": list, "cpu": cpu, "used": chosen.name(), "why": why }).to_string());
    }
    print_line(&format!("cpu  {}: {}, {} threads", cpu.name(), Simd::detected(), cpu.threads()))?;
    for adapter in &adapters {
        let kind = if adapter.software { "software" } else { "hardware" };
        print_line(&format!(
            "{:<3}  {}: {kind}, {}, driver {}",
            adapter.index, adapter.name, adapter.backend, adapter.driver
        ))?;
        let memory = adapter.memory.map_or("not told by the driver".into(), size);
        print_line(&format!(
            "     memory {memory}, binding limit {}, buffer limit {}",
            size(adapter.binding_limit),
            size(adapter.buffer_limit)
        ))?;
    }
    if adapters.is_empty() {
        print_line("     no GPU adapter: no Vulkan, Metal or DirectX 12 driver answered")?;
    }
    print_line(&format!("used: {} ({why})", chosen.name()))
}
