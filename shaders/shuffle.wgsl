// An image less what four maps half as large say of it. The names are those of src/kernels/shuffle.rs.

struct Params {
    nx: u32,
    line: u32,
    into_line: u32,
    lines: u32,
    column: u32,
    columns: u32,
    tile_y: u32,
    tile_x: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> maps: array<f32>;
@group(0) @binding(3) var<storage, read_write> into: array<f32>;

const SIZE = 64u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let line = index / params.columns;
    if line >= params.lines {
        return;
    }
    let column = index % params.columns;
    let y = params.tile_y + line;
    let x = params.tile_x + column;
    let place = params.column + column;
    let source = 16u * ((y / 2u + 1u) * (params.width + 2u) + x / 2u + 1u) + 2u * (y % 2u) + x % 2u;
    let value = image[(params.line + line) * params.nx + place] - maps[source];
    into[(params.into_line + line) * params.nx + place] = value;
}
