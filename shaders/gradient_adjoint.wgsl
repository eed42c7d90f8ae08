// The adjoint of gradient. The names are those of src/kernels/gradient_adjoint.rs.

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
@group(0) @binding(1) var<storage, read> p: array<f32>;
@group(0) @binding(2) var<storage, read> beyond: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

const SIZE = 256u;

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
        let at_y = 2u * (line - params.input) * next + part * nx + column;
        let at_x = at_y + next;
        var u = 0.0;
        if column + 1u < nx {
            u -= p[at_x];
        }
        if column > 0u {
            u += p[at_x - 1u];
        }
        if (line + 1u) % params.ny != 0u {
            u -= p[at_y];
        }
        if line % params.ny != 0u {
            if line > params.input {
                u += p[at_y - 2u * next];
            } else {
                u += beyond[2u * (line - 1u - params.other) * next + part * nx + column];
            }
        }
        let into = ((line - params.output) * params.channels + part) * nx + column;
        x[into] = u;
        if params.channels > params.parts {
            x[into + next] = select(0.0, -p[at_y], (line + 1u) % params.ny != 0u);
            x[into + 2u * next] = select(0.0, -p[at_x], column + 1u < nx);
        }
    }
}
