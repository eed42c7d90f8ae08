//! The proximal map of sparse wavelet details, 256² complex pixels, as one iteration of an MR reconstruction has it.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rushlight::{
    device::{Device, HostArray},
    functionals::{Proximal, SparseWavelets},
    operators::{LinearOperator, Pixels, Wavelets, wavelet::Family},
};

fn shrinkage(criterion: &mut Criterion) {
    let device = Device::cpu();
    let mut group = criterion.benchmark_group("details shortened, 256² complex, 4 levels");
    for family in Family::ALL {
        let wavelets = Wavelets::new(&device, [1, 256, 256], Pixels::Complex, family, 4).expect("memory");
        let noise = HostArray::noise(wavelets.domain(), 1);
        let mut x = device.upload(wavelets.domain(), noise.numbers::<f32>()).expect("memory");
        let sparse = SparseWavelets::new(&device, wavelets, 1e-6, Some(1)).expect("memory");
        group.bench_function(BenchmarkId::from_parameter(format!("{family:?}")), |bencher| {
            bencher.iter(|| sparse.prox(1.0, &mut x).expect("the CPU does not fail"));
        });
    }
}

criterion_group!(benches, shrinkage);
criterion_main!(benches);
