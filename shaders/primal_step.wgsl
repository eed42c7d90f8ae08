// One step of the primal variable. The names are those of src/kernels/primal_step.rs.

struct Params {
    count: u32,
    nx: u32,
    channels: u32,
    step: f32,
    lower: f32,
    upper: f32,
    relaxation: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> s: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> bar: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.count {
        return;
    }
    let old = x[index];
    var next = old - params.step * s[index];
    if (index / params.nx) % params.channels == 0u {
        next = clamp(next, params.lower, params.upper);
    }
    bar[index] = 2.0 * next - old;
    x[index] = old + params.relaxation * (next - old);
}
