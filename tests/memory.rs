//! What a device cannot hold is an error that names bytes and limit; what it holds comes back as it went.

use rushlight::{
    Error,
    device::{Element, HostArray},
};

mod devices;

#[test]
fn arrays_come_back_as_they_went() {
    for (name, device) in devices::every(1000) {
        let noise = HostArray::noise(&[37, 5, 3], 1);
        let array = device.upload(&[37, 5, 3], noise.numbers::<f32>()).unwrap();
        assert_eq!(device.download::<f32>(&array).unwrap(), noise.numbers::<f32>(), "{name}");
        let indices: Vec<u32> = (0..1001).map(|index| u32::MAX - index).collect();
        let array = device.upload(&[1001], &indices).unwrap();
        assert_eq!(device.download::<u32>(&array).unwrap(), indices, "{name}");
        let zeros = device.zeros(&[10, 10], Element::F32).unwrap();
        assert_eq!(device.download::<f32>(&zeros).unwrap(), [0.0; 100], "{name}");
        device.synchronize().unwrap();
    }
}

#[test]
fn what_passes_the_staging_memory_in_pieces_comes_back_too() {
    // 80 MiB through pieces of 64 MiB.
    let Some(gpu) = devices::gpu() else { return };
    let words: Vec<u32> = (0..20 << 20).collect();
    let array = gpu.upload(&[20, 1 << 20], &words).unwrap();
    assert!(gpu.download::<u32>(&array).unwrap() == words);
}

#[test]
fn too_large_an_array_is_refused_with_its_size() {
    for (name, device) in devices::every(1 << 20) {
        // 2⁵⁰ bytes in one line, in lines of 64 KiB, and more than any address space.
        for shape in [vec![1, 1 << 48], vec![1 << 34, 1 << 14], vec![1 << 40, 1 << 40]] {
            let outcome = device.zeros(&shape, Element::F32);
            let Err(Error::OutOfMemory { bytes, limit, .. }) = outcome else { panic!("{name}: {shape:?} was given") };
            assert!(bytes >= 1 << 20 && !limit.is_empty(), "{name}: {bytes} {limit}");
        }
        // The device is none the worse.
        let small = device.upload(&[3], &[1_f32, 2.0, 3.0][..]).unwrap();
        assert_eq!(device.download::<f32>(&small).unwrap(), [1.0, 2.0, 3.0], "{name}");
    }
}
