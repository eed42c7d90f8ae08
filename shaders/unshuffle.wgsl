// A tile of an image, turned, and of σ as eight maps half as large, mirrored beyond the edges. The names are those of
// src/kernels/unshuffle.rs; before this come lib/mirrored.wgsl and lib/way.wgsl.

struct Params {
    nx: u32,
    ny: u32,
    first: u32,
    lines: u32,
    image_first: u32,
    sigma_first: u32,
    slice: u32,
    way: u32,
    top: u32,
    left: u32,
    height: u32,
    width: u32,
    map_line: u32,
    sigma_step: u32,
    strength: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> sigma: array<f32>;
@group(0) @binding(3) var<storage, read_write> maps: array<f32>;

const SIZE = 64u;

// An invocation reads two pixels of a line.
@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let line = index / params.width;
    let x = index % params.width;
    if line >= 2u * params.height {
        return;
    }
    let exchanges = (params.way & 4u) != 0u;
    let rows = select(params.ny, params.nx, exchanges);
    let columns = select(params.nx, params.ny, exchanges);
    let v = mirrored(i32(params.top + line), rows);
    let into = 16u * ((params.map_line + line / 2u + 1u) * (params.width + 2u) + x + 1u) + 2u * (line % 2u);
    for (var side = 0u; side < 2u; side += 1u) {
        let u = mirrored(i32(params.left + 2u * x + side), columns);
        let source = source_of(params.way, params.ny, params.nx, v, u);
        let y = params.slice + source.x;
        if y < params.first || y >= params.first + params.lines {
            continue;
        }
        maps[into + side] = image[(y - params.image_first) * params.nx + source.y];
        let at = params.sigma_step * ((y - params.sigma_first) * params.nx + source.y);
        maps[into + 4u + side] = params.strength * sigma[at];
    }
}
