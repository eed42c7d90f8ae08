// Non-local means of one slice of a stack, one invocation a pixel. The names are those of src/kernels/average_alike.rs.

struct Params {
    nx: u32,
    ny: u32,
    slices: u32,
    middle: u32,
    radius: u32,
    reach: u32,
    rician: u32,
    inverse_square: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> stack: array<f32>;
@group(0) @binding(2) var<storage, read> variances: array<f32>;
@group(0) @binding(3) var<storage, read_write> means: array<f32>;

const SIZE = 64u;
const FAR = 20.0;

fn value(z: u32, y: i32, x: i32) -> f32 {
    return stack[(z * params.ny + mirrored(y, params.ny)) * params.nx + mirrored(x, params.nx)];
}

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let index = (group.y * groups.x + group.x) * SIZE + local;
    if index >= params.nx * params.ny {
        return;
    }
    let y = i32(index / params.nx);
    let x = i32(index % params.nx);
    let variance = variances[index];
    let radius = i32(params.radius);
    let reach = i32(params.reach);
    let width = f32(2 * radius);
    let factor = params.inverse_square / (width * width * max(variance, 1.1754944e-38));
    var sum = 0.0;
    var total = 0.0;
    for (var z = 0u; z < params.slices; z += 1u) {
        for (var dy = -reach; dy <= reach; dy += 1) {
            for (var dx = -reach; dx <= reach; dx += 1) {
                var distance = 0.0;
                for (var v = -radius; v <= radius; v += 1) {
                    for (var u = -radius; u <= radius; u += 1) {
                        let difference = value(params.middle, y + v, x + u) - value(z, y + dy + v, x + dx + u);
                        let share = select(1.0, 0.5, abs(v) == radius) * select(1.0, 0.5, abs(u) == radius);
                        distance += share * difference * difference;
                    }
                }
                let weight = exp(-clamp(distance * factor - 2.0 * params.inverse_square, 0.0, FAR));
                let other = value(z, y + dy, x + dx);
                sum += weight * select(other, other * other, params.rician == 1u);
                total += weight;
            }
        }
    }
    let mean = sum / total;
    means[index] = select(mean, sqrt(max(mean - 2.0 * variance, 0.0)), params.rician == 1u);
}
