// The 16 patches most like each reference patch. The names are those of src/kernels/match_patches.rs.

struct Params {
    nx: u32,
    ny: u32,
    step: u32,
    radius: u32,
    lowest: f32,
    levels: f32,
    flat: f32,
    farthest: f32,
    slices: u32,
    middle: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stack: array<f32>;
@group(0) @binding(2) var<storage, read_write> groups_found: array<u32>;

const SIZE = 64u;
const PATCH = 8u;
const GROUP = 16u;
const HIGHEST = 511.0;
const NONE = 0xffffffffu;

var<private> distances: array<f32, GROUP>;
var<private> places: array<u32, GROUP>;

fn level(index: u32) -> f32 {
    return clamp(floor((stack[index] - params.lowest) * params.levels), 0.0, HIGHEST);
}

// In front of what is farther, behind what is as far; the last falls out.
fn insert(distance: f32, place: u32) {
    var at = GROUP - 1u;
    for (; at > 0u && distances[at - 1u] > distance; at -= 1u) {
        distances[at] = distances[at - 1u];
        places[at] = places[at - 1u];
    }
    distances[at] = distance;
    places[at] = place;
}

// The sum of squares, exact; given up where it is no longer among the best.
fn distance_of(own: u32, other: u32) -> f32 {
    var sum = 0.0;
    for (var v = 0u; v < PATCH; v += 1u) {
        for (var u = 0u; u < PATCH; u += 1u) {
            let at = v * params.nx + u;
            let difference = level(own + at) - level(other + at);
            sum += difference * difference;
        }
        if sum >= distances[GROUP - 1u] {
            return sum;
        }
    }
    return sum;
}

fn is_flat(own: u32) -> bool {
    var most = 0.0;
    var least = HIGHEST;
    for (var at = 0u; at < PATCH * PATCH; at += 1u) {
        let value = level(own + at / PATCH * params.nx + at % PATCH);
        most = max(most, value);
        least = min(least, value);
    }
    return most - least < params.flat;
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    let last = vec2u(params.nx, params.ny) - PATCH;
    let references = (last + params.step - 1u) / params.step + 1u;
    if index >= references.x * references.y {
        return;
    }
    let place = min(vec2u(index % references.x, index / references.x) * params.step, last);
    let pixels = params.ny * params.nx;
    let own = params.middle * pixels + place.y * params.nx + place.x;
    if is_flat(own) {
        for (var at = 0u; at < GROUP; at += 1u) {
            groups_found[index * GROUP + at] = NONE;
        }
        return;
    }
    for (var at = 0u; at < GROUP; at += 1u) {
        distances[at] = 3.0e38;
    }
    insert(-1.0, own);
    let from_place = place - min(place, vec2u(params.radius));
    let to_place = min(place + params.radius, last);
    for (var z = 0u; z < params.slices; z += 1u) {
        for (var y = from_place.y; y <= to_place.y; y += 1u) {
            for (var x = from_place.x; x <= to_place.x; x += 1u) {
                let other = z * pixels + y * params.nx + x;
                if other != own {
                    let distance = distance_of(own, other);
                    if distance < distances[GROUP - 1u] {
                        insert(distance, other);
                    }
                }
            }
        }
    }
    var kept = 1u;
    while kept < GROUP && distances[2u * kept - 1u] < params.farthest {
        kept *= 2u;
    }
    for (var at = 0u; at < GROUP; at += 1u) {
        groups_found[index * GROUP + at] = select(NONE, places[at], at < kept);
    }
}
