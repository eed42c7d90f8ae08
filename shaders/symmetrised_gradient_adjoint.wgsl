// The adjoint of symmetrised_gradient. The names are those of src/kernels/symmetrised_gradient_adjoint.rs.

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
@group(0) @binding(1) var<storage, read> e: array<f32>;
@group(0) @binding(2) var<storage, read> beyond: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

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
        var v_y = 0.0;
        var v_x = 0.0;
        if column > 0u {
            v_x += e[at + next];
            v_y += ROOT * e[at + 2u * next];
        }
        if column + 1u < nx {
            v_x -= e[at + next + 1u];
            v_y -= ROOT * e[at + 2u * next + 1u];
        }
        if line % params.ny != 0u {
            v_y += e[at];
            v_x += ROOT * e[at + 2u * next];
        }
        if (line + 1u) % params.ny != 0u {
            if line + 1u < params.input + params.input_lines {
                v_y -= e[at + 3u * next];
                v_x -= ROOT * e[at + 5u * next];
            } else {
                let below = 3u * (line + 1u - params.other) * next + part * nx + column;
                v_y -= beyond[below];
                v_x -= ROOT * beyond[below + 2u * next];
            }
        }
        x[into] = 0.0;
        x[into + next] = v_y;
        x[into + 2u * next] = v_x;
    }
}
