//! Backprojection on the CPU, every SIMD level: pixel·view updates a second, on one thread and on all.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rushlight::{
    device::Simd,
    kernels::{BackprojectFan, BackprojectParallel, Part},
};

#[derive(Clone, Copy)]
enum Beam {
    Parallel,
    Fan { curved: bool },
}

/// A detector as wide as the image's diagonal, unit voxels and cells, the source two image widths away.
fn matrix(beam: Beam, part: &Part, angle: f64) -> [f32; 8] {
    let (sin, cos) = angle.sin_cos();
    let (middle, c, distance) =
        ((f64::from(part.nx) - 1.0) / 2.0, (f64::from(part.columns) - 1.0) / 2.0, 2.0 * f64::from(part.nx));
    let across = [-(cos + sin) * middle, cos, sin];
    let along = [distance + (sin - cos) * middle, -sin, cos];
    let mix = |i: usize| distance * across[i] + c * along[i];
    let matrix = match beam {
        Beam::Parallel => [c + across[0], cos, sin, 0.0, 0.0, 0.0, 0.0, 0.0],
        Beam::Fan { curved: false } => [mix(0), mix(1), mix(2), along[0], along[1], along[2], 0.0, 0.0],
        Beam::Fan { curved: true } => [across[0], across[1], across[2], along[0], along[1], along[2], c, distance],
    };
    matrix.map(|m| m as f32)
}

fn backprojection(criterion: &mut Criterion) {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let all = rayon::ThreadPoolBuilder::new().build().expect("threads");
    let beams = [
        ("parallel", Beam::Parallel),
        ("flat fan", Beam::Fan { curved: false }),
        ("curved fan", Beam::Fan { curved: true }),
    ];
    for (n, views, columns) in [(512, 720, 736), (1024, 1440, 1472)] {
        let part =
            Part { nx: n, ny: n, image_lines: n, filtered_lines: views, rows: 1, columns, views, ..Part::default() };
        let filtered: Vec<f32> =
            (0..views as usize * part.stride()).map(|i| (i * 7919 % 1013) as f32 / 1013.0).collect();
        let mut image = vec![0.0_f32; (n * n) as usize];
        for (name, beam) in beams {
            let turn = std::f64::consts::PI / f64::from(views);
            let matrices: Vec<_> = (0..views).map(|view| matrix(beam, &part, f64::from(view) * turn)).collect();
            let mut group = criterion.benchmark_group(format!("{name}, {n}² × {views}"));
            group.throughput(Throughput::Elements(u64::from(n) * u64::from(n) * u64::from(views)));
            group.sample_size(20).measurement_time(Duration::from_secs(3));
            for simd in Simd::available().into_iter().filter(|simd| *simd != Simd::Scalar || n == 512) {
                for (threads, pool) in [("1 thread", &one), ("all threads", &all)] {
                    group.bench_function(BenchmarkId::new(simd.to_string(), threads), |bencher| {
                        let matrices = matrices.as_flattened();
                        bencher.iter(|| {
                            pool.install(|| match beam {
                                Beam::Parallel => BackprojectParallel { part, spare: 0 }
                                    .accumulate(simd, &filtered, matrices, &mut image),
                                Beam::Fan { curved } => BackprojectFan { part, curved: curved.into() }
                                    .accumulate(simd, &filtered, matrices, &mut image),
                            })
                        });
                    });
                }
            }
        }
    }
}

criterion_group!(benches, backprojection);
criterion_main!(benches);
