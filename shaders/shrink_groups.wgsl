// Groups of patches transformed, shrunk and transformed back; one workgroup a group, one invocation a pixel of its patches.
// The names are those of src/kernels/shrink_groups.rs.

struct Params {
    groups: u32,
    nx: u32,
    wiener: u32,
    threshold: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> slice: array<f32>;
@group(0) @binding(2) var<storage, read> pilot: array<f32>;
@group(0) @binding(3) var<storage, read> members: array<u32>;
@group(0) @binding(4) var<storage, read> sigmas: array<f32>;
@group(0) @binding(5) var<storage, read> tables: array<f32>;
@group(0) @binding(6) var<storage, read_write> patches: array<f32>;
@group(0) @binding(7) var<storage, read_write> weights: array<f32>;

const PATCH = 8u;
const GROUP = 16u;
const PIXELS = 64u;
const HALF = 0.70710678;

var<workgroup> shared_values: array<f32, 1024>;
var<workgroup> variances: array<f32, PIXELS>;
// One number of each patch.
var<private> own: array<f32, GROUP>;

// Haar's transform across the group, of one pixel: sums in front, differences behind them.
fn across() {
    for (var pairs = GROUP / 2u; pairs > 0u; pairs /= 2u) {
        let before = own;
        for (var k = 0u; k < pairs; k += 1u) {
            own[k] = (before[2u * k] + before[2u * k + 1u]) * HALF;
            own[pairs + k] = (before[2u * k] - before[2u * k + 1u]) * HALF;
        }
    }
}

fn across_back() {
    for (var pairs = 1u; pairs < GROUP; pairs *= 2u) {
        let before = own;
        for (var k = 0u; k < pairs; k += 1u) {
            own[2u * k] = (before[k] + before[pairs + k]) * HALF;
            own[2u * k + 1u] = (before[k] - before[pairs + k]) * HALF;
        }
    }
}

// Along one axis of every patch: `stride` is 8 along y, 1 along x; the matrix begins at `table`.
fn along(local: u32, stride: u32, table: u32) {
    for (var k = 0u; k < GROUP; k += 1u) {
        shared_values[k * PIXELS + local] = own[k];
    }
    workgroupBarrier();
    let f = (local / stride) % PATCH;
    let start = local - f * stride;
    for (var k = 0u; k < GROUP; k += 1u) {
        var sum = 0.0;
        for (var p = 0u; p < PATCH; p += 1u) {
            sum += tables[table + f * PATCH + p] * shared_values[k * PIXELS + start + p * stride];
        }
        own[k] = sum;
    }
    workgroupBarrier();
}

@compute @workgroup_size(PIXELS)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    // Those beyond the end do the last group again, since all must meet at the barriers.
    let group = min(workgroup.y * workgroups.x + workgroup.x, params.groups - 1u);
    let pixel = local / PATCH * params.nx + local % PATCH;
    var guides: array<f32, GROUP>;
    if params.wiener == 1u {
        for (var k = 0u; k < GROUP; k += 1u) {
            own[k] = pilot[members[group * GROUP + k] + pixel];
        }
        across();
        along(local, PATCH, 0u);
        along(local, 1u, 0u);
        guides = own;
    }
    for (var k = 0u; k < GROUP; k += 1u) {
        own[k] = slice[members[group * GROUP + k] + pixel];
    }
    across();
    along(local, PATCH, 0u);
    along(local, 1u, 0u);
    let sigma = sigmas[group];
    let deviation = tables[2u * PIXELS + local];
    let noise = sigma * deviation;
    var left = 0.0;
    for (var k = 0u; k < GROUP; k += 1u) {
        var share = 1.0;
        if params.wiener == 1u {
            let square = guides[k] * guides[k];
            share = square / (square + max(noise * noise, 1.1754944e-38));
        } else if abs(own[k]) < params.threshold * noise && k + local > 0u {
            share = 0.0;
        }
        own[k] *= share;
        left += share * share * deviation * deviation;
    }
    variances[local] = left;
    along(local, PATCH, PIXELS);
    along(local, 1u, PIXELS);
    across_back();
    if workgroup.y * workgroups.x + workgroup.x >= params.groups {
        return;
    }
    for (var k = 0u; k < GROUP; k += 1u) {
        patches[(group * GROUP + k) * PIXELS + local] = own[k];
    }
    if local == 0u {
        var sum = 0.0;
        for (var at = 0u; at < PIXELS; at += 1u) {
            sum += variances[at];
        }
        weights[group] = 1.0 / max(sigma * sigma * sum, 1.0842022e-19);
    }
}
