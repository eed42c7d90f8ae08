// 3-D cosine transform of groups of patches, hard threshold, and back; one workgroup a group, one invocation a pixel of
// its patches. The names are those of src/kernels/filter_groups.rs.

struct Params {
    groups: u32,
    nx: u32,
    threshold: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> slice: array<f32>;
@group(0) @binding(2) var<storage, read> members: array<u32>;
@group(0) @binding(3) var<storage, read> basis: array<f32>;
@group(0) @binding(4) var<storage, read_write> patches: array<f32>;
@group(0) @binding(5) var<storage, read_write> weights: array<f32>;

const PATCH = 8u;
const GROUP = 16u;
const PIXELS = 64u;

var<workgroup> shared_values: array<f32, 1024>;
var<workgroup> counts: array<u32, PIXELS>;
// One number of each patch.
var<private> own: array<f32, GROUP>;

// Across the group, of one pixel: within one invocation.
fn across(transposed: bool) {
    var into: array<f32, GROUP>;
    for (var f = 0u; f < GROUP; f += 1u) {
        var sum = 0.0;
        for (var p = 0u; p < GROUP; p += 1u) {
            let at = select(f * GROUP + p, p * GROUP + f, transposed);
            sum += basis[PIXELS + at] * own[p];
        }
        into[f] = sum;
    }
    own = into;
}

// Along one axis of every patch: `stride` is 8 along y, 1 along x.
fn along(local: u32, stride: u32, transposed: bool) {
    for (var k = 0u; k < GROUP; k += 1u) {
        shared_values[k * PIXELS + local] = own[k];
    }
    workgroupBarrier();
    let f = (local / stride) % PATCH;
    let start = local - f * stride;
    for (var k = 0u; k < GROUP; k += 1u) {
        var sum = 0.0;
        for (var p = 0u; p < PATCH; p += 1u) {
            let at = select(f * PATCH + p, p * PATCH + f, transposed);
            sum += basis[at] * shared_values[k * PIXELS + start + p * stride];
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
    for (var k = 0u; k < GROUP; k += 1u) {
        own[k] = slice[members[group * GROUP + k] + pixel];
    }
    across(false);
    along(local, PATCH, false);
    along(local, 1u, false);
    var kept = 0u;
    for (var k = 0u; k < GROUP; k += 1u) {
        if abs(own[k]) >= params.threshold || k + local == 0u {
            kept += 1u;
        } else {
            own[k] = 0.0;
        }
    }
    counts[local] = kept;
    along(local, 1u, true);
    along(local, PATCH, true);
    across(true);
    if workgroup.y * workgroups.x + workgroup.x >= params.groups {
        return;
    }
    for (var k = 0u; k < GROUP; k += 1u) {
        patches[(group * GROUP + k) * PIXELS + local] = own[k];
    }
    if local == 0u {
        var sum = 0u;
        for (var at = 0u; at < PIXELS; at += 1u) {
            sum += counts[at];
        }
        weights[group] = 1.0 / f32(sum);
    }
}
