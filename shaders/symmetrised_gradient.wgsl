// The symmetrised gradient. The names are those of src/kernels/symmetrised_gradient.rs.

struct Params {
    nx: u32,
    ny: u32,
    first: u32,
    lines: u32,
    input: u32,
    input_lines: u32,
    other: u32,
    output: u32,
    parts: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> beyond: array<f32>;
@group(0) @binding(3) var<storage, read_write> e: array<f32>;

const SIZE = 256u;
const ROOT = 0.70710678;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.lines * params.nx {
        return;
    }
    let nx = params.nx;
    let line = params.first + index / nx;
    let column = index % nx;
    let next = params.parts * nx;
    for (var part = 0u; part < params.parts; part++) {
        let at = 3u * (line - params.input) * next + part * nx + column;
        let into = 3u * (line - params.output) * next + part * nx + column;
        let y = x[at + next];
        let across = x[at + 2u * next];
        var yy = 0.0;
        var xx = 0.0;
        var xy = 0.0;
        if column > 0u {
            xx = across - x[at + 2u * next - 1u];
            xy = y - x[at + next - 1u];
        }
        if line % params.ny != 0u {
            if line > params.input {
                yy = y - x[at - 2u * next];
                xy += across - x[at - next];
            } else {
                let above = 3u * (line - 1u - params.other) * next + part * nx + column;
                yy = y - beyond[above + next];
                xy += across - beyond[above + 2u * next];
            }
        }
        e[into] = yy;
        e[into + next] = xx;
        e[into + 2u * next] = ROOT * xy;
    }
}
