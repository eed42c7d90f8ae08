// The bilateral filter of one slice, one invocation a pixel. The names are those of src/kernels/bilateral.rs.

struct Params {
    nx: u32,
    ny: u32,
    reach: u32,
    near: f32,
    alike: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> slice: array<f32>;
@group(0) @binding(2) var<storage, read> variances: array<f32>;
@group(0) @binding(3) var<storage, read_write> means: array<f32>;

const SIZE = 64u;
const FAR = 20.0;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.nx * params.ny {
        return;
    }
    let y = i32(index / params.nx);
    let x = i32(index % params.nx);
    let reach = i32(params.reach);
    let factor = params.alike / max(variances[index], 1.1754944e-38);
    let own = slice[index];
    var sum = 0.0;
    var total = 0.0;
    for (var dy = -reach; dy <= reach; dy += 1) {
        for (var dx = -reach; dx <= reach; dx += 1) {
            let value = slice[mirrored(y + dy, params.ny) * params.nx + mirrored(x + dx, params.nx)];
            let far = f32(dy * dy + dx * dx) * params.near;
            let weight = exp(-min((value - own) * (value - own) * factor + far, FAR));
            sum += weight * value;
            total += weight;
        }
    }
    means[index] = sum / total;
}
