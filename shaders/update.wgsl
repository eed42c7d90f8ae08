// A step with its own length for every number, within bounds. The names are those of src/kernels/update.rs.

struct Params {
    count: u32,
    factor: f32,
    lower: f32,
    upper: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> c: array<f32>;
@group(0) @binding(3) var<storage, read_write> s: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index < params.count {
        let next = x[index] + params.factor * c[index] * s[index];
        let raised = select(next, params.lower, next < params.lower);
        s[index] = select(raised, params.upper, raised > params.upper);
    }
}
