// Samples between the points of a grid, one invocation a sample and coil. The names are those of
// src/kernels/nufft_interpolate.rs.

struct Params {
    fine_x: u32,
    fine_y: u32,
    fine_z: u32,
    width: u32,
    deep: u32,
    first: u32,
    weights_first: u32,
    count: u32,
    samples: u32,
    grid_coil: u32,
    coil: u32,
    coils: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grid: array<f32>;
@group(0) @binding(2) var<storage, read> taps: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;

const SIZE = 64u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.count * params.coils {
        return;
    }
    let sample = index % params.count;
    let coil = index / params.count;
    let width = params.width;
    let tap = 4u * (params.first + sample);
    let start = vec3u(taps[tap], taps[tap + 1u], taps[tap + 2u]);
    let along_z = 3u * width * (params.weights_first + sample);
    let along_y = along_z + width;
    let along_x = along_y + width;
    var sum = vec2f(0.0);
    for (var dz = 0u; dz < params.deep; dz += 1u) {
        let slice = (params.grid_coil + coil) * params.fine_z + (start.x + dz) % params.fine_z;
        for (var dy = 0u; dy < width; dy += 1u) {
            let line = 2u * (slice * params.fine_y + (start.y + dy) % params.fine_y) * params.fine_x;
            var inner = vec2f(0.0);
            var x = start.z;
            for (var dx = 0u; dx < width; dx += 1u) {
                inner += weights[along_x + dx] * vec2f(grid[line + x], grid[line + x + params.fine_x]);
                x += 1u;
                if x == params.fine_x {
                    x = 0u;
                }
            }
            sum += weights[along_z + dz] * weights[along_y + dy] * inner;
        }
    }
    let at = 2u * (params.coil + coil) * params.samples + taps[tap + 3u];
    values[at] = sum.x;
    values[at + params.samples] = sum.y;
}
