// Sums of products over blocks of 4096. The names are those of src/kernels/dot.rs.

struct Params {
    count: u32,
    first: u32,
    differences: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> z: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

const SIZE = 256u;
const BLOCK = 4096u;

var<workgroup> parts: array<f32, SIZE>;

fn product(index: u32) -> f32 {
    if index >= params.count {
        return 0.0;
    }
    if params.differences == 1u {
        return (x[index] - y[index]) * (y[index] - z[index]);
    }
    return x[index] * y[index];
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let block = group.y * groups.x + group.x;
    var sum = 0.0;
    for (var index = local; index < BLOCK; index += SIZE) {
        sum += product(block * BLOCK + index);
    }
    parts[local] = sum;
    workgroupBarrier();
    for (var half = SIZE / 2u; half > 0u; half /= 2u) {
        if local < half {
            parts[local] += parts[local + half];
        }
        workgroupBarrier();
    }
    if local == 0u && block * BLOCK < params.count {
        sums[params.first + block] = parts[0];
    }
}
