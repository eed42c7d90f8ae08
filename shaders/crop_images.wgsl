// Images out of a finer grid whose index 0 is their middle, multiplied. The names are those of
// src/kernels/crop_images.rs.

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
@group(0) @binding(1) var<storage, read> grid: array<f32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;
@group(0) @binding(3) var<storage, read_write> images: array<f32>;

const SIZE = 256u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let line = index / params.nx;
    if line >= params.lines {
        return;
    }
    let whole = params.first + line;
    let coil = whole / (params.nz * params.ny);
    if coil < params.coil || coil >= params.coil + params.coils {
        return;
    }
    let x = index % params.nx;
    let y = whole % params.ny;
    let z = whole / params.ny % params.nz;
    let fine_x = (x + params.fine_x - params.nx / 2u) % params.fine_x;
    let fine_y = (y + params.fine_y - params.ny / 2u) % params.fine_y;
    let fine_z = (z + params.fine_z - params.nz / 2u) % params.fine_z;
    let place = 2u * (((coil - params.coil) * params.fine_z + fine_z) * params.fine_y + fine_y) * params.fine_x + fine_x;
    let factor = factors[z] * factors[params.nz + y] * factors[params.nz + params.ny + x];
    images[2u * line * params.nx + x] = factor * grid[place];
    images[(2u * line + 1u) * params.nx + x] = factor * grid[place + params.fine_x];
}
