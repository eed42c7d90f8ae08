//! The devices that tests run on.

use rushlight::device::{Choice, Device};

/// The best adapter, software if need be. None is a failure only under `RUSHLIGHT_REQUIRE_GPU=1`.
pub fn gpu() -> Option<Device> {
    match Choice::Gpu.open() {
        Ok((device, _)) => Some(device),
        Err(error) if std::env::var_os("RUSHLIGHT_REQUIRE_GPU").is_some_and(|value| value == "1") => panic!("{error}"),
        Err(_) => {
            println!("skipped: no adapter");
            None
        }
    }
}

/// CPU and GPU, each also with slabs of at most `limit` bytes, with a name for messages.
#[allow(dead_code, reason = "each test file is its own crate")]
pub fn every(limit: u64) -> Vec<(String, Device)> {
    let mut devices = Vec::new();
    for (name, device) in [("CPU", Some(Device::cpu())), ("GPU", gpu())] {
        let Some(device) = device else { continue };
        devices.push((name.to_string(), device.clone()));
        devices.push((format!("{name} in slabs of {limit} bytes"), device.with_binding_limit(limit)));
    }
    devices
}
