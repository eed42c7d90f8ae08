// Two real lines, weighted, extended beyond both ends and padded with zeros, become one complex line.
// The names are those of src/kernels/pad_lines.rs.

struct Params {
    pairs: u32,
    lines: u32,
    columns: u32,
    length: u32,
    extend: u32,
    window: f32,
    first: u32,
    line: u32,
    rows: u32,
    weights_first: u32,
    weights_step: u32,
    ends_first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> projections: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> ends: array<f32>;
@group(0) @binding(4) var<storage, read_write> work: array<vec2f>;

const SIZE = 256u;

fn weight(line: u32, column: u32) -> f32 {
    let view = (line / params.rows - params.weights_first) * params.weights_step;
    return weights[view * params.columns + column];
}

fn beyond(line: u32, side: u32, distance: u32) -> f32 {
    let at = 6u * (line - params.ends_first) + 3u * side;
    let x = f32(distance) * ends[at + 1u];
    let w = f32(distance) / params.window;
    let fade = max(1.0 - w * w, 0.0);
    return ends[at] * sqrt(max((1.0 - x) * (1.0 + ends[at + 2u] * x), 0.0)) * (fade * fade);
}

fn cell(pair: u32, part: u32, index: u32) -> f32 {
    let step = pair / params.rows * 2u * params.rows + pair % params.rows + part * params.rows;
    if step >= params.lines {
        return 0.0;
    }
    let line = params.line + step;
    if index < params.columns {
        return projections[(params.first + step) * params.columns + index] * weight(line, index);
    }
    if index < params.columns + params.extend {
        return beyond(line, 1u, index - params.columns + 1u) * weight(line, params.columns - 1u);
    }
    if index >= params.length - params.extend {
        return beyond(line, 0u, params.length - index) * weight(line, 0u);
    }
    return 0.0;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let pair = index / params.length;
    if pair >= params.pairs {
        return;
    }
    let k = index % params.length;
    work[index] = vec2f(cell(pair, 0u, k), cell(pair, 1u, k));
}
