// To an image is added a share of another less what four maps half as large say of it. The names are those of
// src/kernels/shuffle.rs; before this comes lib/way.wgsl.

struct Params {
    nx: u32,
    ny: u32,
    line: u32,
    into_line: u32,
    lines: u32,
    y: u32,
    column: u32,
    columns: u32,
    way: u32,
    top: u32,
    left: u32,
    map_line: u32,
    width: u32,
    share: f32,
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
    let x = params.column + index % params.columns;
    let place = turned_place(params.way, params.ny, params.nx, params.y + line, x) - vec2u(params.top, params.left);
    let map = (params.map_line + place.x / 2u + 1u) * (params.width + 2u) + place.y / 2u + 1u;
    let value = image[(params.line + line) * params.nx + x] - maps[16u * map + 2u * (place.x % 2u) + place.y % 2u];
    into[(params.into_line + line) * params.nx + x] += params.share * value;
}
