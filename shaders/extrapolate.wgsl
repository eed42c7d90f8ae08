// Beyond the newest point along the way from the last. The names are those of src/kernels/extrapolate.rs.

struct Params {
    count: u32,
    factor: f32,
    beta: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scalars: array<f32>;
@group(0) @binding(2) var<storage, read_write> z: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index < params.count {
        let newest = z[index];
        z[index] = newest + params.factor * scalars[params.beta] * (newest - x[index]);
        x[index] = newest;
    }
}
