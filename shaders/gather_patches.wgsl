// Every pixel adds up the patches that cover it. The names are those of src/kernels/gather_patches.rs.

struct Params {
    nx: u32,
    first: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> patches: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read> list: array<u32>;
@group(0) @binding(5) var<storage, read> window: array<f32>;
@group(0) @binding(6) var<storage, read_write> sums: array<f32>;
@group(0) @binding(7) var<storage, read_write> totals: array<f32>;

const SIZE = 256u;
const PATCH = 8u;
const GROUP = 16u;
const PIXELS = 64u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let x = index % params.nx;
    let line = index / params.nx;
    if line >= params.rows + PATCH - 1u {
        return;
    }
    let places = params.nx - PATCH + 1u;
    var sum = sums[params.first * params.nx + index];
    var total = totals[params.first * params.nx + index];
    let left = x - min(x, PATCH - 1u);
    let right = min(x + 1u, places);
    for (var row = line - min(line, PATCH - 1u); row < min(line + 1u, params.rows); row += 1u) {
        for (var column = left; column < right; column += 1u) {
            let place = row * places + column;
            let end = starts[place + 1u];
            let pixel = (line - row) * PATCH + x - column;
            for (var at = starts[place]; at < end; at += 1u) {
                let patch_index = list[at];
                let weight = weights[patch_index / GROUP] * window[pixel];
                sum += weight * patches[patch_index * PIXELS + pixel];
                total += weight;
            }
        }
    }
    sums[params.first * params.nx + index] = sum;
    totals[params.first * params.nx + index] = total;
}
