// Towards zero by a threshold, then into bounds. The names are those of src/kernels/soft_threshold.rs.

struct Params {
    count: u32,
    threshold: f32,
    lower: f32,
    upper: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index < params.count {
        let value = x[index];
        let t = params.threshold;
        let small = select(value, -t, value < -t);
        let shrunk = value - select(small, t, value > t);
        let raised = select(shrunk, params.lower, shrunk < params.lower);
        x[index] = select(raised, params.upper, raised > params.upper);
    }
}
