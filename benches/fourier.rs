//! The Fourier transform of complex images on the CPU: one image on one thread, a batch on all.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rushlight::{
    device::{Device, HostArray},
    operators::{
        Axis::{X, Y},
        Direction, Fourier, HostFourier, LinearOperator,
    },
};

fn fourier(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one image, one thread");
    for n in [128, 180, 230, 251, 256, 320, 384, 512] {
        for (name, axes) in [("x", &[X][..]), ("y", &[Y]), ("both", &[X, Y])] {
            let host = HostFourier::new([1, n, n], axes);
            let (mut image, mut scratch) =
                (HostArray::noise(&[2 * n * n], 1).numbers::<f32>().to_vec(), host.scratch());
            group.throughput(Throughput::Elements((n * n) as u64));
            group.bench_function(BenchmarkId::new(name, n), |bencher| {
                bencher.iter(|| host.transform(Direction::Forward, &mut image, &mut scratch));
            });
        }
    }
    group.finish();
    let mut group = criterion.benchmark_group("64 images of 512², all threads");
    group.sample_size(20);
    let device = Device::cpu();
    let shape = [64 * 512, 2, 512];
    let fourier = Fourier::new(&device, 64, [1, 512, 512], &[X, Y]).expect("room");
    let noise = HostArray::noise(&shape, 1);
    let x = device.upload(&shape, noise.numbers::<f32>()).expect("room");
    let mut y = device.upload(&shape, noise.numbers::<f32>()).expect("room");
    group.bench_function("into another array", |bencher| bencher.iter(|| fourier.forward(&x, &mut y)));
    group.bench_function("in place", |bencher| bencher.iter(|| fourier.transform(Direction::Forward, &mut y)));
    group.finish();
}

criterion_group!(benches, fourier);
criterion_main!(benches);
