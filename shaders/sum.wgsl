// Adds up numbers into one scalar. The names are those of src/kernels/sum.rs.

struct Params {
    count: u32,
    into: u32,
    factor: f32,
    keep: f32,
    above: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> numbers: array<f32>;
@group(0) @binding(2) var<storage, read_write> scalars: array<f32>;

const SIZE = 256u;

var<workgroup> parts: array<f32, SIZE>;

@compute @workgroup_size(SIZE)
fn main(@builtin(local_invocation_index) local: u32) {
    var sum = 0.0;
    for (var index = local; index < params.count; index += SIZE) {
        sum += numbers[index];
    }
    parts[local] = sum;
    workgroupBarrier();
    for (var half = SIZE / 2u; half > 0u; half /= 2u) {
        if local < half {
            parts[local] += parts[local + half];
        }
        workgroupBarrier();
    }
    if local == 0u {
        var kept = 0.0;
        if params.keep != 0.0 {
            kept = params.keep * scalars[params.into];
        }
        var result = kept + params.factor * parts[0];
        if params.above > 0u && result <= scalars[params.above] {
            result = 0.0;
        }
        scalars[params.into] = result;
    }
}
