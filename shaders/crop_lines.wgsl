// Takes the real lines out of padded complex ones, scaled by view, with zero cells on each side.
// The names are those of src/kernels/crop_lines.rs.

struct Params {
    lines: u32,
    columns: u32,
    length: u32,
    guard: u32,
    first: u32,
    line: u32,
    rows: u32,
    scales_first: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> work: array<vec2f>;
@group(0) @binding(2) var<storage, read> scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> filtered: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let stride = params.columns + 2u * params.guard;
    let line = index / stride;
    if line >= params.lines {
        return;
    }
    let cell = index % stride;
    var value = 0.0;
    if cell >= params.guard && cell < params.guard + params.columns {
        let pair = work[line / 2u * params.length + cell - params.guard];
        value = select(pair.x, pair.y, line % 2u == 1u) * scales[(params.line + line) / params.rows - params.scales_first];
    }
    filtered[params.first * stride + index] = value;
}
