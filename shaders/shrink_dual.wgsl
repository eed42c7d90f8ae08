// One step of a dual variable under a group norm. The names are those of src/kernels/shrink_dual.rs.

struct Params {
    lines: u32,
    first: u32,
    factors_first: u32,
    width: u32,
    nx: u32,
    weighted: u32,
    step: f32,
    strength: f32,
    shrink: f32,
    relaxation: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.lines * params.nx {
        return;
    }
    let at = (params.first + index / params.nx) * params.width * params.nx + index % params.nx;
    var square = 0.0;
    for (var i = 0u; i < params.width; i++) {
        let q = (p[at + i * params.nx] + params.step * g[at + i * params.nx]) * params.shrink;
        square += q * q;
    }
    var radius = params.strength;
    if params.weighted == 1u {
        radius *= factors[params.factors_first * params.nx + index];
    }
    var factor = params.shrink;
    if square > radius * radius {
        factor *= radius / sqrt(square);
    }
    for (var i = 0u; i < params.width; i++) {
        let old = p[at + i * params.nx];
        let q = (old + params.step * g[at + i * params.nx]) * factor;
        p[at + i * params.nx] = old + params.relaxation * (q - old);
    }
}
