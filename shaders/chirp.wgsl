// Multiplies the complex numbers along an axis by a complex table, and fills up with zeros.
// The names are those of src/kernels/chirp.rs. Follows shaders/lib/axis_layout.wgsl.

struct Params {
    x: AxisLayout,
    y: AxisLayout,
    given: u32,
    sign: f32,
    scale: f32,
    spare: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> factors: array<vec2f>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

const SIZE = 64u;

@compute @workgroup_size(SIZE)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
    let task = task_of(params.y, params.y.length, (group.y * groups.x + group.x) * SIZE + local);
    if task.image >= params.y.images {
        return;
    }
    var product = vec2f();
    if task.index < params.given {
        let place = base_of(params.x, task) + offset_of(params.x, task.index);
        let number = vec2f(x[place], x[place + params.x.imaginary]);
        let factor = factors[task.index] * vec2f(1.0, params.sign);
        product = params.scale * vec2f(number.x * factor.x - number.y * factor.y, number.x * factor.y + number.y * factor.x);
    }
    let place = base_of(params.y, task) + offset_of(params.y, task.index);
    y[place] = product.x;
    y[place + params.y.imaginary] = product.y;
}
