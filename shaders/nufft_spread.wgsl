// Samples onto the points of a grid, one invocation a point and coil: it gathers the samples whose windows reach it. The
// names are those of src/kernels/nufft_spread.rs.

struct Params {
    fine_x: u32,
    fine_y: u32,
    fine_z: u32,
    width: u32,
    deep: u32,
    sample: u32,
    first: u32,
    weights_first: u32,
    count: u32,
    samples: u32,
    grid_coil: u32,
    coil: u32,
    coils: u32,
    keep: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> taps: array<u32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> grid: array<f32>;

const SIZE = 64u;

// The samples whose first point along x is in head .. end of a line of cells.
fn gather(line: u32, head: u32, end: u32, x: u32, dz: u32, dy: u32, coil: u32) -> vec2f {
    let cells = line * (params.fine_x + 1u);
    let first = max(starts[cells + head], params.sample);
    let last = min(starts[cells + end], params.sample + params.count);
    var sum = vec2f(0.0);
    for (var sample = first; sample < last; sample += 1u) {
        let own = sample - params.sample;
        let tap = 4u * (params.first + own);
        let dx = (x + params.fine_x - taps[tap + 2u]) % params.fine_x;
        let weight = 3u * params.width * (params.weights_first + own);
        let factor = weights[weight + dz] * weights[weight + params.width + dy];
        let at = 2u * (params.coil + coil) * params.samples + taps[tap + 3u];
        let value = vec2f(values[at], values[at + params.samples]);
        sum += factor * weights[weight + 2u * params.width + dx] * value;
    }
    return sum;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let points = params.fine_x * params.fine_y * params.fine_z;
    if index >= points * params.coils {
        return;
    }
    let coil = index / points;
    let x = index % params.fine_x;
    let y = index / params.fine_x % params.fine_y;
    let z = index % points / (params.fine_x * params.fine_y);
    let high = select(params.width, 1u, params.fine_y == 1u);
    var sum = vec2f(0.0);
    for (var dz = 0u; dz < params.deep; dz += 1u) {
        let slice = (z + params.fine_z - dz) % params.fine_z;
        for (var dy = 0u; dy < high; dy += 1u) {
            let line = slice * params.fine_y + (y + params.fine_y - dy) % params.fine_y;
            if x + 1u >= params.width {
                sum += gather(line, x + 1u - params.width, x + 1u, x, dz, dy, coil);
            } else {
                sum += gather(line, 0u, x + 1u, x, dz, dy, coil);
                sum += gather(line, params.fine_x + x + 1u - params.width, params.fine_x, x, dz, dy, coil);
            }
        }
    }
    let line = (params.grid_coil + coil) * params.fine_y * params.fine_z + index % points / params.fine_x;
    let at = 2u * line * params.fine_x + x;
    if params.keep != 0u {
        sum += vec2f(grid[at], grid[at + params.fine_x]);
    }
    grid[at] = sum.x;
    grid[at + params.fine_x] = sum.y;
}
