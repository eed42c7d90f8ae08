// Takes the real lines with their tails out of padded complex ones, scaled by view, with zero cells on each side.
// The names are those of src/kernels/crop_lines.rs.

struct Params {
    pairs: u32,
    lines: u32,
    cells: u32,
    before: u32,
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
    let thread = (group.y * groups.x + group.x) * SIZE + local;
    let stride = params.cells + 2u * params.guard;
    // Cells of a line, lines of a part, parts of a block of pairs.
    let half = thread / stride;
    let pair = half / 2u;
    let part = half % 2u;
    let line = pair / params.rows * 2u * params.rows + pair % params.rows + part * params.rows;
    if pair >= params.pairs || line >= params.lines {
        return;
    }
    let cell = thread % stride;
    var value = 0.0;
    if cell >= params.guard && cell < params.guard + params.cells {
        let index = (cell - params.guard + params.length - params.before) % params.length;
        let both = work[pair * params.length + index];
        value = select(both.x, both.y, part == 1u) * scales[(params.line + line) / params.rows - params.scales_first];
    }
    filtered[(params.first + line) * stride + cell] = value;
}
