// Images, multiplied, between zeros in a finer grid, their middle at index 0. The names are those of
// src/kernels/pad_images.rs.

struct Params {
    nx: u32,
    ny: u32,
    nz: u32,
    fine_x: u32,
    fine_y: u32,
    fine_z: u32,
    first: u32,
    lines: u32,
    coil: u32,
    coils: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> images: array<f32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> grid: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let line = index / params.fine_x;
    if line >= params.coils * params.fine_z * params.fine_y {
        return;
    }
    let at = 2u * line * params.fine_x + index % params.fine_x;
    let x = (index % params.fine_x + params.nx / 2u) % params.fine_x;
    let y = (line % params.fine_y + params.ny / 2u) % params.fine_y;
    let z = (line / params.fine_y % params.fine_z + params.nz / 2u) % params.fine_z;
    var value = vec2f(0.0);
    if x < params.nx && y < params.ny && z < params.nz {
        let coil = params.coil + line / (params.fine_y * params.fine_z);
        let whole = (coil * params.nz + z) * params.ny + y;
        if whole < params.first || whole >= params.first + params.lines {
            return;
        }
        let factor = factors[z] * factors[params.nz + y] * factors[params.nz + params.ny + x];
        let place = 2u * (whole - params.first) * params.nx + x;
        value = factor * vec2f(images[place], images[place + params.nx]);
    }
    grid[at] = value.x;
    grid[at + params.fine_x] = value.y;
}
