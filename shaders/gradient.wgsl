// Forward differences, less a vector field where there is one. The names are those of src/kernels/gradient.rs.

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
@group(0) @binding(3) var<storage, read_write> p: array<f32>;

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
    let stride = params.channels * nx;
    // From one of u, v_y, v_x to the next, and from the derivative along y to that along x.
    let next = params.parts * nx;
    let has_field = params.channels > params.parts;
    for (var part = 0u; part < params.parts; part++) {
        let at = (line - params.input) * stride + part * nx + column;
        let u = x[at];
        var along_y = 0.0;
        if (line + 1u) % params.ny != 0u {
            if line + 1u < params.input + params.input_lines {
                along_y = x[at + stride] - u;
            } else {
                along_y = beyond[(line + 1u - params.other) * stride + part * nx + column] - u;
            }
            if has_field {
                along_y -= x[at + next];
            }
        }
        var along_x = 0.0;
        if column + 1u < nx {
            along_x = x[at + 1u] - u;
            if has_field {
                along_x -= x[at + 2u * next];
            }
        }
        let into = (2u * params.parts * (line - params.output) + part) * nx + column;
        p[into] = along_y;
        p[into + next] = along_x;
    }
}
