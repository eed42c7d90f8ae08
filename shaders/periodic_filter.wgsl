// A short filter with periodic boundaries along y or x. The names are those of src/kernels/periodic_filter.rs.

struct Params {
    nx: u32,
    ny: u32,
    channels: u32,
    along_y: u32,
    across: u32,
    count: u32,
    out_stride: u32,
    out_first: u32,
    in_stride: u32,
    dilation: u32,
    offset: u32,
    period: u32,
    in_first: u32,
    taps: u32,
    row: u32,
    first: u32,
    lines: u32,
    into: u32,
    input: u32,
    input_lines: u32,
    from_line: u32,
    keep: f32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> filters: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

const SIZE = 256u;
const ROW = 8u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let at = (group.y * groups.x + group.x) * SIZE + local;
    let stride = params.channels * params.nx;
    if at >= params.lines * stride {
        return;
    }
    let line = params.first + at / stride;
    let column = at % params.nx;
    let along_y = params.along_y == 1u;
    let place = select(column, line % params.ny, along_y);
    let beside = select(line % params.ny, column, along_y);
    if place < params.out_first || beside >= params.across {
        return;
    }
    let index = (place - params.out_first) / params.out_stride;
    if index >= params.count || index * params.out_stride + params.out_first != place {
        return;
    }
    var sum = 0.0;
    for (var k = 0u; k < params.taps; k++) {
        let there = (params.in_stride * index + params.dilation * k + params.offset) % params.period + params.in_first;
        let source = select(line, line - line % params.ny + there, along_y);
        if source >= params.input && source - params.input < params.input_lines {
            let start = (params.from_line + source - params.input) * stride + at % stride - column;
            sum += filters[params.row * ROW + k] * x[start + select(there, column, along_y)];
        }
    }
    // Along x, a line that the slab lacks is left alone.
    if along_y || (line >= params.input && line - params.input < params.input_lines) {
        let out = params.into * stride + at;
        var kept = 0.0;
        if params.keep != 0.0 {
            kept = params.keep * y[out];
        }
        y[out] = kept + params.scale * sum;
    }
}
