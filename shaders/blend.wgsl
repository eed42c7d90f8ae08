// Blends an array into another, with factors from scalars on the device. The names are those of src/kernels/blend.rs.

struct Params {
    count: u32,
    x_factor: f32,
    x_over: u32,
    x_under: u32,
    out_factor: f32,
    out_over: u32,
    out_under: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> scalars: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

const SIZE = 256u;

fn ratio(over: u32, under: u32) -> f32 {
    let divisor = scalars[under];
    if divisor == 0.0 {
        return 0.0;
    }
    return scalars[over] / divisor;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index < params.count {
        let a = params.x_factor * ratio(params.x_over, params.x_under);
        let b = params.out_factor * ratio(params.out_over, params.out_under);
        out[index] = a * x[index] + b * out[index];
    }
}
