// Weighs every image of a stack alike, as a sampling mask does: y <- w * y. The names are those of
// src/kernels/sample_lines.rs.

struct Params {
    nx: u32,
    image_lines: u32,
    first: u32,
    lines: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.lines * params.nx {
        return;
    }
    let nx = params.nx;
    let line = index / nx;
    let column = index % nx;
    let w = weights[(params.first + line) % params.image_lines * nx + column];
    let at = 2u * line * nx + column;
    y[at] *= w;
    y[at + nx] *= w;
}
