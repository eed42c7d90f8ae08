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
const NONE = 0xffffffffu;
const PIXELS = 64u;
const SHIFTS = 15u;
const HALF = 0.70710678;

var<workgroup> shared_values: array<f32, 1024>;
var<workgroup> variances: array<f32, PIXELS>;
// One number of each patch, and how many there are.
var<private> own: array<f32, GROUP>;
var<private> size: u32;

// Haar's transform across the group, of one pixel: sums in front, differences behind them.
fn across() {
    for (var pairs = size / 2u; pairs > 0u; pairs /= 2u) {
        let before = own;
        for (var k = 0u; k < pairs; k += 1u) {
            own[k] = (before[2u * k] + before[2u * k + 1u]) * HALF;
            own[pairs + k] = (before[2u * k] - before[2u * k + 1u]) * HALF;
        }
    }
}

fn across_back() {
    for (var pairs = 1u; pairs < size; pairs *= 2u) {
        let before = own;
        for (var k = 0u; k < pairs; k += 1u) {
            own[2u * k] = (before[k] + before[pairs + k]) * HALF;
            own[2u * k + 1u] = (before[k] - before[pairs + k]) * HALF;
        }
    }
}

// Along one axis of every patch: `stride` is 8 along y, 1 along x; the matrix begins at `table`.
fn along(local: u32, stride: u32, table: u32) {
    for (var k = 0u; k < size; k += 1u) {
        shared_values[k * PIXELS + local] = own[k];
    }
    workgroupBarrier();
    let f = (local / stride) % PATCH;
    let start = local - f * stride;
    for (var k = 0u; k < size; k += 1u) {
        var sum = 0.0;
        for (var p = 0u; p < PATCH; p += 1u) {
            sum += tables[table + f * PATCH + p] * shared_values[k * PIXELS + start + p * stride];
        }
        own[k] = sum;
    }
    workgroupBarrier();
}

// The variance of each of this invocation's coefficients, where the pixels' is 1: of all pairs of patches that overlap.
fn variances_of(group: u32, local: u32) -> array<f32, GROUP> {
    let square = tables[2u * PIXELS + (PATCH - 1u) * PIXELS + local];
    var all: array<f32, GROUP>;
    for (var k = 0u; k < size; k += 1u) {
        all[k] = square;
    }
    for (var q = 1u; q < size; q += 1u) {
        let second = members[group * GROUP + q];
        for (var p = 0u; p < q; p += 1u) {
            let first = members[group * GROUP + p];
            var dy = i32(second / params.nx) - i32(first / params.nx);
            var dx = i32(second % params.nx) - i32(first % params.nx);
            // Covariances are even.
            if dy < 0 {
                dy = -dy;
                dx = -dx;
            }
            if dy >= i32(PATCH) || abs(dx) >= i32(PATCH) {
                continue;
            }
            let shift = u32(dy) * SHIFTS + u32(dx + i32(PATCH) - 1);
            let shared_part = 2.0 * tables[2u * PIXELS + shift * PIXELS + local];
            // Haar's differences that see both: the one that tells them apart, and the longer ones.
            let apart = firstLeadingBit(p ^ q);
            all[0] += shared_part / f32(size);
            for (var level = apart; (2u << level) <= size; level += 1u) {
                let sign = select(1.0, -1.0, level == apart);
                all[(size >> (level + 1u)) + (p >> (level + 1u))] += sign * shared_part / f32(2u << level);
            }
        }
    }
    return all;
}

@compute @workgroup_size(PIXELS)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    // Those beyond the end do the last group again, since all must meet at the barriers.
    let group = min(workgroup.y * workgroups.x + workgroup.x, params.groups - 1u);
    let pixel = local / PATCH * params.nx + local % PATCH;
    size = 1u;
    while size < GROUP && members[group * GROUP + min(size, GROUP - 1u)] != NONE {
        size *= 2u;
    }
    var guides: array<f32, GROUP>;
    if params.wiener == 1u {
        for (var k = 0u; k < size; k += 1u) {
            own[k] = pilot[members[group * GROUP + k] + pixel];
        }
        across();
        along(local, PATCH, 0u);
        along(local, 1u, 0u);
        guides = own;
    }
    for (var k = 0u; k < size; k += 1u) {
        own[k] = slice[members[group * GROUP + k] + pixel];
    }
    across();
    along(local, PATCH, 0u);
    along(local, 1u, 0u);
    let sigma = sigmas[group];
    let expected = variances_of(group, local);
    var left = 0.0;
    for (var k = 0u; k < size; k += 1u) {
        var share = 1.0;
        let variance = max(expected[k], 0.0);
        let noise = sigma * sigma * variance;
        if k + local == 0u {
            // The group's mean stays.
            share = 1.0;
        } else if params.wiener == 1u {
            let square = guides[k] * guides[k];
            share = square / (square + max(noise, 1.1754944e-38));
        } else if own[k] * own[k] < params.threshold * params.threshold * noise {
            share = 0.0;
        }
        own[k] *= share;
        left += share * share * variance;
    }
    variances[local] = left;
    along(local, PATCH, PIXELS);
    along(local, 1u, PIXELS);
    across_back();
    if workgroup.y * workgroups.x + workgroup.x >= params.groups {
        return;
    }
    for (var k = 0u; k < GROUP; k += 1u) {
        patches[(group * GROUP + k) * PIXELS + local] = select(0.0, own[k], k < size);
    }
    if local == 0u {
        var sum = 0.0;
        for (var at = 0u; at < PIXELS; at += 1u) {
            sum += variances[at];
        }
        weights[group] = 1.0 / max(sigma * sigma * sum, 1.0842022e-19);
    }
}
