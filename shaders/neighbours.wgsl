// The gradient of a penalty on differences between neighbours. The names are those of src/kernels/neighbours.rs.

struct Params {
    nx: u32,
    ny: u32,
    first: u32,
    lines: u32,
    before: u32,
    huber: u32,
    keep: f32,
    strength: f32,
    edge: f32,
    q: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(2) var<storage, read> before: array<f32>;
@group(0) @binding(3) var<storage, read> after: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

const BESIDE = 0.14644661;
const CORNER = 0.10355339;

// The pixel at (x, line) of the slab; line -1 lies in the slab before, line `lines` in the one after.
fn pixel(x: u32, line: i32) -> f32 {
    if line < 0 {
        return before[(params.before - 1u) * params.nx + x];
    }
    if line >= i32(params.lines) {
        return after[x];
    }
    return image[u32(line) * params.nx + x];
}

fn influence(difference: f32) -> f32 {
    if params.huber == 1u {
        return clamp(difference, -params.edge, params.edge);
    }
    let size = abs(difference) / params.edge;
    if size == 0.0 {
        return 0.0;
    }
    let t = exp2((2.0 - params.q) * log2(size));
    return difference * (1.0 + 0.5 * params.q * t) / ((1.0 + t) * (1.0 + t));
}

// What the pixel of value `own` gets from three neighbours in a line.
fn sides(own: f32, x: u32, line: i32, weight: f32) -> f32 {
    var sum = 0.0;
    if x > 0u {
        sum += weight * influence(own - pixel(x - 1u, line));
    }
    if x + 1u < params.nx {
        sum += weight * influence(own - pixel(x + 1u, line));
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let x = group.x * 64u + local;
    let line = group.z * groups.y + group.y;
    if x >= params.nx || line >= params.lines {
        return;
    }
    let index = line * params.nx + x;
    let own = image[index];
    let y = (params.first + line) % params.ny;
    var sum = sides(own, x, i32(line), BESIDE);
    if y > 0u {
        sum += sides(own, x, i32(line) - 1, CORNER) + BESIDE * influence(own - pixel(x, i32(line) - 1));
    }
    if y + 1u < params.ny {
        sum += sides(own, x, i32(line) + 1, CORNER) + BESIDE * influence(own - pixel(x, i32(line) + 1));
    }
    gradient[index] = params.keep * gradient[index] + params.strength * sum;
}
