// The residual that drives a least-squares term's dual variable. The names are those of src/kernels/residual.rs.

struct Params {
    count: u32,
    weighted: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> inverse: array<f32>;
@group(0) @binding(4) var<storage, read_write> r: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.count {
        return;
    }
    var scale = 1.0;
    if params.weighted == 1u {
        scale = inverse[index];
    }
    r[index] = select(r[index] - b[index] - y[index] * scale, 0.0, scale < 0.0);
}
