// Adds a multiple of some columns of each line. The names are those of src/kernels/add_lines.rs.

struct Params {
    lines: u32,
    columns: u32,
    stride: u32,
    skip: u32,
    first: u32,
    into_first: u32,
    into_stride: u32,
    into_skip: u32,
    factor: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.lines * params.columns {
        return;
    }
    let line = index / params.columns;
    let column = index % params.columns;
    y[(params.into_first + line) * params.into_stride + params.into_skip + column] +=
        params.factor * x[(params.first + line) * params.stride + params.skip + column];
}
