// Two real lines, weighted, extended at both edges and padded with zeros, become one complex line.
// The names are those of src/kernels/pad_lines.rs.

struct Params {
    lines: u32,
    columns: u32,
    length: u32,
    extend: u32,
    first: u32,
    line: u32,
    rows: u32,
    weights_first: u32,
    weights_step: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> projections: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> taper: array<f32>;
@group(0) @binding(4) var<storage, read_write> work: array<vec2f>;

const SIZE = 256u;

fn weighted(line: u32, column: u32) -> f32 {
    let view = (params.line + line) / params.rows;
    let row = (view - params.weights_first) * params.weights_step;
    return projections[(params.first + line) * params.columns + column] * weights[row * params.columns + column];
}

fn cell(line: u32, index: u32) -> f32 {
    if line >= params.lines {
        return 0.0;
    }
    if index < params.columns {
        return weighted(line, index);
    }
    if index < params.columns + params.extend {
        return weighted(line, params.columns - 1u) * taper[index - params.columns];
    }
    if index >= params.length - params.extend {
        return weighted(line, 0u) * taper[params.length - 1u - index];
    }
    return 0.0;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let pair = index / params.length;
    if 2u * pair >= params.lines {
        return;
    }
    let k = index % params.length;
    work[index] = vec2f(cell(2u * pair, k), cell(2u * pair + 1u, k));
}
